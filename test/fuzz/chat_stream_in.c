/* A stream of a Chat Completions backend, cut anywhere: the same events, in the
 * order that is promised; and frames of JSON for a caller of any format. */
#include "check.h"
#include "dialect/oracle.h"
#include "dialect/order.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_frames(struct str text)
{
    struct sse_decoder decoder;
    struct sse_event event;

    sse_decoder_init(&decoder, OUT_MAX);
    while (sse_next(&decoder, &text, &event))
        oracle_check_json(event.data, false);
    check(text.len == 0 && !sse_finish(&decoder, &event));
    sse_decoder_fini(&decoder);
}

static void translate(struct str bytes, const struct format *to)
{
    struct answer answer;
    struct arena memory;
    struct buf out;
    enum answer_status status;

    arena_init(&memory);
    buf_init(&out, OUT_MAX);
    answer_init(&answer, &memory, &format_chat, to, &oracle_style,
                oracle_names(), EVENT_MAX);
    (void)answer_feed(&answer, bytes, &out);
    status = answer_close(&answer, &out);
    check(status == ANSWER_ENDED || status == ANSWER_FAILED);
    if (status == ANSWER_FAILED)
        answer_fail(&answer, &answer.error, &out);
    check(!buf_failed(&out));
    check_frames(buf_str(&out));
    answer_fini(&answer);
    buf_fini(&out);
    arena_clear(&memory);
}

/* The first byte says where it is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes;

    if (size == 0)
        return 0;
    bytes = fuzz_input(data + 1, size - 1);
    order_check(&format_chat, true, bytes, data[0]);
    translate(bytes, &format_messages);
    translate(bytes, &format_responses);
    return 0;
}
