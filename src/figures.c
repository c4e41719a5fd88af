#include "figures.h"

struct str drop_cause_name(enum drop_cause cause)
{
    static const struct str names[DROP_CAUSES] = {
        [DROP_QUEUE_FULL] = STR_INIT("queue_full"),
        [DROP_MEMORY_FULL] = STR_INIT("memory_full"),
        [DROP_SPOOL_FULL] = STR_INIT("spool_full"),
        [DROP_SPOOL_AGE] = STR_INIT("spool_age"),
        [DROP_SPOOL_DISK] = STR_INIT("spool_disk"),
        [DROP_REJECTED] = STR_INIT("rejected"),
        [DROP_TOO_LARGE] = STR_INIT("too_large"),
        [DROP_SHUTDOWN] = STR_INIT("shutdown"),
    };

    return names[cause];
}
