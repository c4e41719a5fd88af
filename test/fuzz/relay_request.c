/* A request of any caller, for a backend of the same dialect: every byte of
 * it but the model's name, which comes back as it was put in, and, if that is
 * wanted, but the wish for usage. */
#include "check.h"
#include "dialect/openai.h"
#include "dialect/oracle.h"
#include "fuzz.h"

static void check_bytes(struct str body, struct str text)
{
    size_t front = 0;
    size_t back = 0;

    while (front < body.len && front < text.len &&
           body.ptr[front] == text.ptr[front])
        front++;
    while (back < body.len - front && back < text.len - front &&
           body.ptr[body.len - 1 - back] == text.ptr[text.len - 1 - back])
        back++;
    /* what differs is one place: the name, and the member around it where
     * there was none */
    check(text.len - front - back <= oracle_style.model.len + 16);
}

static void relay(struct arena *arena, struct str body, const struct chat *chat)
{
    struct str pieces[RELAY_PIECES];
    unsigned n = relay_request(arena, chat, oracle_style.model, false, pieces);
    struct chat again;
    struct chat_error error;
    struct buf out;

    buf_init(&out, OUT_MAX);
    for (unsigned i = 0; i < n; i++)
        buf_put(&out, pieces[i]);
    check_bytes(body, buf_str(&out));
    check(openai_read_request(arena, buf_str(&out), &again, &error));
    check(str_eq(again.model, oracle_style.model));
    check(again.message_count == chat->message_count);
    check(again.characters == chat->characters);
    buf_fini(&out);
}

/* Of the body nothing is lost but the name, and a false or null in the place
 * of the wish. */
static void check_pieces(struct str body, const struct chat *chat,
                         const struct str *pieces, unsigned n)
{
    size_t kept = 0;

    for (unsigned i = 0; i < n; i++) {
        check(pieces[i].len > 0);
        if (pieces[i].ptr < body.ptr || pieces[i].ptr >= body.ptr + body.len)
            continue;
        check(pieces[i].ptr >= body.ptr + kept);
        kept += pieces[i].len;
    }
    check(body.len - kept == chat->model_len ||
          (!chat->include_usage && body.len - kept - chat->model_len <= 5));
}

static void relay_asking(struct arena *arena, struct str body,
                         const struct chat *chat)
{
    struct str pieces[RELAY_PIECES];
    unsigned n = relay_request(arena, chat, oracle_style.model, true, pieces);
    struct chat again;
    struct chat_error error;
    struct buf out;

    check_pieces(body, chat, pieces, n);
    buf_init(&out, OUT_MAX);
    for (unsigned i = 0; i < n; i++)
        buf_put(&out, pieces[i]);
    check(openai_read_request(arena, buf_str(&out), &again, &error));
    check(str_eq(again.model, oracle_style.model) && again.include_usage);
    check(again.message_count == chat->message_count);
    check(again.is_stream == chat->is_stream);
    check(again.other_count == chat->other_count);
    buf_fini(&out);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chat_error error = {.error = OK};
    struct str body = fuzz_input(data, size);
    struct arena arena;
    struct chat chat;

    arena_init(&arena);
    if (openai_read_request(&arena, body, &chat, &error)) {
        relay(&arena, body, &chat);
        relay_asking(&arena, body, &chat);
    }
    arena_clear(&arena);
    return 0;
}
