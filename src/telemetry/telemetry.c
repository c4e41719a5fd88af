#include "telemetry.h"

bool telemetry_start(const struct config *config, unsigned workers,
                     struct clerk **clerk, struct buf *why)
{
    struct exporter *exporters[CLERK_EXPORTERS_MAX];
    unsigned count = 0;

    (void)config;
    (void)why;
    *clerk = count > 0 ? clerk_start(workers, NULL, exporters, count) : NULL;
    return true;
}
