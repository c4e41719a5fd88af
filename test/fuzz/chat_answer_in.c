/* A complete answer of a Chat Completions backend: refused, or read into blocks
 * that say something and are written for a caller of any format. */
#include "check.h"
#include "dialect/openai_backend.h"
#include "dialect/oracle.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_answer(const struct chat_answer *answer)
{
    check(answer->finish != CHAT_FINISH_UNSET);
    for (unsigned i = 0; i < answer->block_count; i++) {
        const struct chat_block *block = &answer->blocks[i];

        if (block->kind == CHAT_BLOCK_CALL)
            check(block->call.id.len > 0);
        else
            check(block->text.len > 0);
        check(i == 0 || block[-1].kind <= block->kind ||
              block[-1].kind == CHAT_BLOCK_THINKING);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct format *const callers[] = {
        &format_chat, &format_messages, &format_responses};
    struct chat_error error = {.error = OK};
    struct chat_answer answer;
    struct arena arena;

    arena_init(&arena);
    if (openai_read_answer(&arena, fuzz_input(data, size), oracle_names(),
                           &answer, &error)) {
        check_answer(&answer);
        for (size_t i = 0; i < COUNT_OF(callers); i++) {
            struct buf out;

            buf_init(&out, OUT_MAX);
            callers[i]->write_answer(&oracle_style, &answer, &out);
            check(!buf_failed(&out));
            oracle_check_json(buf_str(&out), false);
            buf_fini(&out);
        }
    } else if (error.error != OK) {
        oracle_check_error(&error);
    }
    arena_clear(&arena);
    return 0;
}
