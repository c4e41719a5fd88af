/* A stream of an OpenAI-compatible backend's, cut anywhere: the same frames,
 * the same end, and no empty success. */
#include "dialect/oracle.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* The first byte says where it is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0)
        oracle_stream(fuzz_input(data + 1, size - 1), false, data[0]);
    return 0;
}
