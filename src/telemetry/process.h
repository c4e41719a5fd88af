/* Figures of the process and of the exporters, for /metrics. */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include "telemetry/clerk.h"
#include "telemetry/metrics_walk.h"

/* CPU time, memory, descriptors, threads; what stands in /proc/self only where
 * that can be read.  `began_wall_us`: when the process began, since 1970. */
void process_tell(const struct metrics_visitor *visitor,
                  uint64_t began_wall_us);
/* What the clerk and its exporters have done; NULL: there is none. */
void process_tell_clerk(const struct metrics_visitor *visitor,
                        const struct clerk *clerk);

#endif
