/* A request of the Responses API: refused with a 400 in words, or read so that
 * what is written of it for Anthropic and for vLLM is right, by itself and
 * with a past. */
#include "dialect/responses.h"

#include "check.h"
#include "dialect/oracle.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_refusal(const struct chat_error *error)
{
    check(chat_error_status(error) == 400);
    oracle_check_error(error);
}

/* The members that the answer repeats, and the items, are JSON again. */
static void check_texts(struct arena *arena, const struct chat *chat)
{
    oracle_check_json(arena_printf(arena, "{%.*s}", STR_ARG(chat->echo)),
                      false);
    oracle_check_json(chat->items, true);
}

/* Its own items are what came before it, and what its references mean. */
static void check_past(struct arena *arena, struct chat *chat)
{
    struct str texts[] = {chat->items, STR_INIT("{\"output\":[]}"),
                          chat->items};
    struct chat_error error = {.error = OK};
    size_t characters = chat->characters;

    chat->known = texts;
    chat->known_count = 1;
    if (!responses_read_history(arena, texts, COUNT_OF(texts), chat, &error)) {
        check_refusal(&error);
        return;
    }
    check(chat->characters >= characters);
    oracle_write_anthropic(arena, chat);
    oracle_write_chat(arena, chat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chat_error error = {.error = OK};
    struct arena arena;
    struct chat chat;

    arena_init(&arena);
    if (responses_read_request(&arena, fuzz_input(data, size), &chat, &error)) {
        check_texts(&arena, &chat);
        oracle_write_anthropic(&arena, &chat);
        oracle_write_chat(&arena, &chat);
        check_past(&arena, &chat);
    } else {
        check_refusal(&error);
    }
    arena_clear(&arena);
    return 0;
}
