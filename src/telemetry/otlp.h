/* Traces by OTLP: to a collector, or to whatever else takes it. */
#ifndef WEIR_OTLP_H
#define WEIR_OTLP_H

#include "exporter.h"
#include "telemetry/outbox.h"

/* Exports as the environment says (otel.h).  NULL with a sentence in `why` when
 * the spool cannot be used. */
struct exporter *otlp_open(struct fetcher *fetcher,
                           const struct outbox_limits *limits, struct buf *why);
/* Does the environment ask for it?  A fetcher is needed then. */
bool otlp_is_wanted(void);

#endif
