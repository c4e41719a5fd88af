/* Metrics by OTLP: pushed to a collector, for those who do not scrape. */
#ifndef WEIR_OTLP_METRICS_H
#define WEIR_OTLP_METRICS_H

#include "exporter.h"
#include "telemetry/metrics_walk.h"
#include "telemetry/outbox.h"

/* Pushes what `source` tells, as the environment says (otel.h): at each
 * interval, and once more at the end.  Borrows `source`; while it has no teller
 * nothing is pushed.  NULL with a sentence in `why` when it cannot be done. */
struct exporter *otlp_metrics_open(struct fetcher *fetcher,
                                   const struct metrics_source *source,
                                   struct buf *why);
/* Does the environment ask for it?  A fetcher is needed then. */
bool otlp_metrics_is_wanted(void);

#endif
