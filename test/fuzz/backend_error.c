/* The error bodies and headers of backends, in any shape: an error of ours,
 * with a status and words. */
#include "check.h"
#include "dialect/anthropic.h"
#include "dialect/openai.h"
#include "dialect/oracle.h"
#include "fuzz.h"

static void take_error(struct str body, unsigned choice)
{
    static const int statuses[] = {100, 204, 302, 400, 401, 402, 404,
                                   413, 422, 429, 500, 503, 529, 599};
    struct backend_head head = {
        .status = statuses[choice % COUNT_OF(statuses)],
        .retry_after = str_slice(body, 0, 3 + choice % 16),
        .request_id = str_slice(body, 0, 20),
    };
    struct arena arena;

    check(backend_retry_after_s(&head) <= 24 * 3600);
    arena_init(&arena);
    for (unsigned i = 0; i < 2; i++) {
        struct chat_error error;

        if (i == 0)
            openai_read_error(&arena, &head, body, &error);
        else
            anthropic_read_error(&arena, &head, body, &error);
        oracle_check_error(&error);
    }
    arena_clear(&arena);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* The first byte chooses the status. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0)
        take_error(fuzz_input(data + 1, size - 1), data[0]);
    return 0;
}
