/* The answer to a batch of events: each of them has a fate of its own.
 *
 *   207 {"successes":[{"id":…,"status":201}],
 *        "errors":[{"id":…,"status":400,"message":…,"error":…}]}
 *
 * An event with an error of 408, 429 or 5xx may be taken later and goes into
 * the rest, byte for byte the same; one with another error never will.  What
 * is listed among the successes, too, or nowhere, was taken: nothing is sent
 * twice that might have been. */
#ifndef WEIR_LANGFUSE_ANSWER_H
#define WEIR_LANGFUSE_ANSWER_H

#include "telemetry/langfuse_wire.h"

void langfuse_answer_read(struct arena *arena, struct str sent,
                          struct str answer, struct langfuse_reading *out,
                          struct buf *rest);

#endif
