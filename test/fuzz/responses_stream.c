/* A stream of a backend for a caller of the Responses API, cut anywhere: the
 * same events, and such as the API's clients insist on. */
#include "check.h"
#include "dialect/oracle.h"
#include "fuzz.h"
#include "responses_checker.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static const struct answer_style *style_of(unsigned seed)
{
    static struct answer_style style;

    style = oracle_style;
    style.shows_reasoning = (seed & 2) != 0;
    style.wants_encrypted = (seed & 4) != 0;
    style.echo = STR("\"tools\":[]");
    return &style;
}

static void run(struct str bytes, unsigned seed, unsigned cut, struct buf *out)
{
    const struct format *from =
        (seed & 1) != 0 ? &format_messages : &format_chat;
    enum answer_status status = ANSWER_GOES_ON;
    struct answer answer;
    struct arena memory;

    arena_init(&memory);
    answer_init(&answer, &memory, from, &format_responses, style_of(seed),
                oracle_names(), EVENT_MAX);
    while (bytes.len > 0 && status == ANSWER_GOES_ON) {
        size_t step = oracle_step(&cut);

        status = answer_feed(&answer, str_slice(bytes, 0, step), out);
        bytes = str_slice(bytes, step, bytes.len);
    }
    status = answer_close(&answer, out);
    check(status == ANSWER_ENDED || status == ANSWER_FAILED);
    if (status == ANSWER_FAILED)
        answer_fail(&answer, &answer.error, out);
    check((status == ANSWER_ENDED) == (answer_result(&answer).len > 0));
    check(!buf_failed(out));
    answer_fini(&answer);
    arena_clear(&memory);
}

static void check_events(struct str text)
{
    struct responses_checker checker;
    struct sse_decoder decoder;
    struct sse_event event;

    responses_checker_init(&checker);
    sse_decoder_init(&decoder, OUT_MAX);
    while (sse_next(&decoder, &text, &event))
        check(responses_check(&checker, event.name, event.data) == NULL);
    check(responses_check_end(&checker) == NULL);
    check(text.len == 0 && !sse_finish(&decoder, &event));
    sse_decoder_fini(&decoder);
    responses_checker_fini(&checker);
}

/* The first byte says whose stream it is, how it is shown and where cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole;
    struct buf cut;
    struct str bytes;

    if (size == 0)
        return 0;
    bytes = fuzz_input(data + 1, size - 1);
    buf_init(&whole, OUT_MAX);
    buf_init(&cut, OUT_MAX);
    run(bytes, data[0], 0, &whole);
    check_events(buf_str(&whole));
    run(bytes, data[0], data[0] + 1u, &cut);
    check(str_eq(buf_str(&whole), buf_str(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
