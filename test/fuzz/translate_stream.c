/* A stream of Anthropic's, cut anywhere: the same events in the order that is
 * promised, the same frames, the same end, and no empty success. */
#include "dialect/oracle.h"
#include "dialect/order.h"
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
    struct str bytes;

    if (size == 0)
        return 0;
    bytes = fuzz_input(data + 1, size - 1);
    order_check(&format_messages, false, bytes, data[0]);
    oracle_stream(bytes, true, data[0]);
    return 0;
}
