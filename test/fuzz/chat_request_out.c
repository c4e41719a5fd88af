/* A request of any caller, written for a Chat Completions backend: refused with
 * a reason, or JSON that is read again and means the same.  What is gathered of
 * it is JSON, too, and keeps its bound. */
#include "check.h"
#include "dialect/gather.h"
#include "dialect/openai_backend.h"
#include "dialect/oracle.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_gathered(struct arena *arena, const struct format *format,
                           const struct chat *chat)
{
    static const size_t parts[] = {1, 2, 3, 7, 1000};

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t max = i == 0 ? OUT_MAX : chat->body.len / parts[i];
        bool is_clipped = false;
        struct str text = gather_request(arena, format, chat, max, &is_clipped);

        check(text.len <= max && (i > 0 || !is_clipped));
        if (text.len > 0)
            oracle_check_json(text, false);
        else
            check(is_clipped);
    }
}

static bool translate(struct arena *arena, const struct format *from,
                      struct str body, struct buf *out)
{
    const struct request_style style = {.model = STR("up\"stream")};
    struct request_notes notes;
    struct chat_error error;
    struct chat chat;

    if (from->read_request(arena, body, &chat, &error)) {
        check_gathered(arena, from, &chat);
        if (openai_write_request(arena, &chat, &style, out, &notes, &error))
            return true;
    }
    oracle_check_error(&error);
    return false;
}

/* The same document: long strings may keep the escapes that they came with. */
static void check_same(struct str a, struct str b)
{
    yyjson_doc *first = yyjson_read(a.ptr, a.len, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_doc *second = yyjson_read(b.ptr, b.len, YYJSON_READ_NUMBER_AS_RAW);

    check(first != NULL && second != NULL);
    check(
        yyjson_equals(yyjson_doc_get_root(first), yyjson_doc_get_root(second)));
    yyjson_doc_free(first);
    yyjson_doc_free(second);
}

/* Read as a chat, the body has a normal form, which is its own. */
static void check_body(struct arena *arena, struct str body)
{
    struct buf normal;
    struct buf again;

    oracle_check_json(body, false);
    buf_init(&normal, OUT_MAX);
    buf_init(&again, OUT_MAX);
    if (translate(arena, &format_chat, body, &normal)) {
        check(translate(arena, &format_chat, buf_str(&normal), &again));
        check_same(buf_str(&normal), buf_str(&again));
    }
    buf_fini(&normal);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct format *const callers[] = {
        &format_chat, &format_messages, &format_responses};
    struct str body = fuzz_input(data, size);

    for (size_t i = 0; i < COUNT_OF(callers); i++) {
        struct arena arena;
        struct buf out;

        arena_init(&arena);
        buf_init(&out, OUT_MAX);
        if (translate(&arena, callers[i], body, &out))
            check_body(&arena, buf_str(&out));
        buf_fini(&out);
        arena_clear(&arena);
    }
    return 0;
}
