/* A complete answer of an OpenAI-compatible backend's: refused, or passed on as
 * a completion that says something. */
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
    oracle_whole(fuzz_input(data, size), false);
    return 0;
}
