/* What a receiver of OTLP answers:
 * https://opentelemetry.io/docs/specs/otlp/#failures */
#ifndef WEIR_OTLP_ANSWER_H
#define WEIR_OTLP_ANSWER_H

#include "arena.h"
#include "telemetry/otel.h"
#include "telemetry/outbox.h"

/* `why` of the verdict belongs to the arena. */
struct outbox_verdict otlp_judge(struct arena *arena,
                                 enum otel_protocol protocol,
                                 const struct fetch_answer *answer);

#endif
