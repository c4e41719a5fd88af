/* Which traces are recorded, as the environment of the process says; see
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
#ifndef WEIR_SAMPLER_H
#define WEIR_SAMPLER_H

#include "str.h"

enum sampler_root {
    SAMPLER_ALWAYS_ON,
    SAMPLER_ALWAYS_OFF,
    SAMPLER_RATIO,
};

/* Zero is what holds when the environment says nothing: a caller's decision
 * counts, and what comes without one is recorded. */
struct sampler {
    enum sampler_root root;
    uint64_t threshold;  /* SAMPLER_RATIO: on the low 56 bits of the id */
    bool ignores_parent; /* decides anew where a caller has decided */
    bool is_disabled;    /* OTEL_SDK_DISABLED: nothing is recorded */
    bool is_deaf;        /* OTEL_PROPAGATORS: no context comes in or goes out */
};

/* Reads OTEL_TRACES_SAMPLER, its _ARG, OTEL_PROPAGATORS and
 * OTEL_SDK_DISABLED.  What is none of their values gets a warning and counts
 * as not set. */
void sampler_read(struct sampler *sampler);

/* Is a trace recorded that begins here?  `trace_id`: 32 hexadecimal digits in
 * lower case. */
bool sampler_takes(const struct sampler *sampler, struct str trace_id);

#endif
