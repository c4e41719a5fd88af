/* What goes out beside the requests: which exporters there are is decided once,
 * when the process starts. */
#ifndef WEIR_TELEMETRY_H
#define WEIR_TELEMETRY_H

#include "config.h"
#include "telemetry/clerk.h"
#include "telemetry/outbox.h"

/* Opens the exporters that the configuration and the environment ask for.
 * *clerk is NULL when there are none.  False with a sentence in `why` when one
 * of them cannot be opened. */
MUST_USE bool telemetry_start(const struct config *config, unsigned workers,
                              struct clerk **clerk, struct buf *why);

/* Of the outbox of each exporter that sends; borrows from `config`. */
struct outbox_limits telemetry_limits(const struct config *config);

#endif
