/* A request of any caller, for Anthropic: refused with a 400 in words, or
 * written so that none of the Messages API's own rules is broken, for every
 * kind of model. */
#include "check.h"
#include "dialect/openai.h"
#include "dialect/oracle.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chat_error error = {.error = OK};
    struct arena arena;
    struct chat chat;

    arena_init(&arena);
    if (openai_read_request(&arena, fuzz_input(data, size), &chat, &error)) {
        oracle_write_anthropic(&arena, &chat);
    } else {
        check(chat_error_status(&error) == 400);
        oracle_check_error(&error);
    }
    arena_clear(&arena);
    return 0;
}
