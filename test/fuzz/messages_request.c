/* A request in Anthropic's format: refused with a 400 in words, or read so
 * that what is written of it keeps the rules of who gets it: Anthropic, by
 * way of the common form and as it came but for what nobody signed, and an
 * OpenAI-compatible server. */
#include "check.h"
#include "dialect/anthropic_door.h"
#include "dialect/oracle.h"
#include "fuzz.h"

/* What is left can be read again, and nobody's thinking is in it. */
static void rewrite(const struct chat *chat)
{
    struct chat_error error = {.error = OK};
    struct arena arena;
    struct chat again;
    struct buf out;

    arena_init(&arena);
    buf_init(&out, OUT_MAX);
    anthropic_rewrite(chat,
                      &(struct request_style){.model = STR("upstream"),
                                              .traits = &claude_unknown},
                      &out);
    check(!buf_failed(&out));
    if (anthropic_read_request(&arena, buf_str(&out), &again, &error)) {
        check(!again.has_unsigned_thinking);
        check(!anthropic_must_rewrite(&again, &claude_unknown));
        check(str_eq(again.model, STR("upstream")));
        check(again.message_count <= chat->message_count);
        check(again.tool_count == chat->tool_count);
        check(again.other_count <= chat->other_count);
    } else {
        check(error.error == ERR_BAD_VALUE); /* no message is left */
        check(str_eq(error.param, STR("messages")));
    }
    buf_fini(&out);
    arena_clear(&arena);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = fuzz_input(data, size);
    struct chat_error error = {.error = OK};
    struct arena arena;
    struct chat chat;

    arena_init(&arena);
    if (anthropic_read_request(&arena, body, &chat, &error)) {
        oracle_write_anthropic(&arena, &chat);
        oracle_write_chat(&arena, &chat);
        rewrite(&chat);
        check(anthropic_read_count(&arena, body, &chat, &error));
    } else {
        check(anthropic_error_status(&error) == 400);
        oracle_check_error(&error);
    }
    arena_clear(&arena);
    return 0;
}
