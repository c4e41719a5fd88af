/* A stream of an OpenAI-compatible server, for a caller of Anthropic's format,
 * cut anywhere: the same frames, and they keep the rules of that format. */
#include "check.h"
#include "dialect/oracle.h"
#include "fuzz.h"

enum { MORE_THAN_ANY = 1 << 30 };

static enum answer_status run(struct str bytes, size_t step, struct buf *out)
{
    struct answer answer;
    struct arena memory;
    enum answer_status status = ANSWER_GOES_ON;

    arena_init(&memory);
    answer_init(&answer, &memory, &format_chat, &format_messages, &oracle_style,
                oracle_names(), EVENT_MAX);
    for (size_t at = 0; at < bytes.len && status == ANSWER_GOES_ON; at += step)
        status = answer_feed(&answer, str_slice(bytes, at, at + step), out);
    status = answer_close(&answer, out);
    check(status != ANSWER_GOES_ON);
    if (status == ANSWER_FAILED)
        answer_fail(&answer, &answer.error, out);
    answer_fini(&answer);
    arena_clear(&memory);
    return status;
}

struct seen {
    bool has_started, has_delta, is_over;
    int64_t open, next; /* blocks */
};

static void take(struct seen *seen, yyjson_val *root)
{
    const char *type = yyjson_get_str(yyjson_obj_get(root, "type"));
    int64_t index = yyjson_get_sint(yyjson_obj_get(root, "index"));

    check(type != NULL && !seen->is_over);
    if (strcmp(type, "error") == 0) {
        seen->is_over = true;
    } else if (strcmp(type, "message_start") == 0) {
        check(!seen->has_started);
        seen->has_started = true;
    } else if (strcmp(type, "content_block_start") == 0) {
        check(seen->has_started && !seen->has_delta && seen->open < 0);
        check(index == seen->next++);
        seen->open = index;
    } else if (strcmp(type, "content_block_delta") == 0) {
        check(seen->open >= 0 && index == seen->open);
    } else if (strcmp(type, "content_block_stop") == 0) {
        check(seen->open >= 0 && index == seen->open);
        seen->open = -1;
    } else if (strcmp(type, "message_delta") == 0) {
        check(seen->has_started && !seen->has_delta && seen->open < 0);
        seen->has_delta = true;
    } else {
        check(strcmp(type, "message_stop") == 0 && seen->has_delta);
        seen->is_over = true;
    }
}

static void check_frames(struct str text)
{
    struct seen seen = {.open = -1};
    struct sse_decoder decoder;
    struct sse_event event;

    sse_decoder_init(&decoder, OUT_MAX);
    while (sse_next(&decoder, &text, &event)) {
        yyjson_doc *doc = oracle_parse(event.data, false);
        yyjson_val *root = yyjson_doc_get_root(doc);

        check(yyjson_equals_strn(yyjson_obj_get(root, "type"), event.name.ptr,
                                 event.name.len));
        take(&seen, root);
        yyjson_doc_free(doc);
    }
    check(seen.is_over && text.len == 0);
    check(!sse_finish(&decoder, &event));
    sse_decoder_fini(&decoder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* The first byte says where it is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes;
    struct buf whole;
    struct buf cut;

    if (size == 0)
        return 0;
    bytes = fuzz_input(data + 1, size - 1);
    buf_init(&whole, OUT_MAX);
    buf_init(&cut, OUT_MAX);
    check(run(bytes, MORE_THAN_ANY, &whole) ==
          run(bytes, 1 + data[0] % 32, &cut));
    check(str_eq(buf_str(&whole), buf_str(&cut)));
    check_frames(buf_str(&whole));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
