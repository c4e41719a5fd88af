#include "sampler.h"

#include <stdlib.h>

#include "log.h"

static const struct name {
    struct str name;
    enum sampler_root root;
    bool ignores_parent;
} names[] = {
    {STR_INIT("parentbased_always_on"), SAMPLER_ALWAYS_ON, false},
    {STR_INIT("parentbased_always_off"), SAMPLER_ALWAYS_OFF, false},
    {STR_INIT("parentbased_traceidratio"), SAMPLER_RATIO, false},
    {STR_INIT("always_on"), SAMPLER_ALWAYS_ON, true},
    {STR_INIT("always_off"), SAMPLER_ALWAYS_OFF, true},
    {STR_INIT("traceidratio"), SAMPLER_RATIO, true},
};

static void warn(const char *variable, const char *expected, struct str got)
{
    struct str shown = str_clip(got, 40);

    log_say(LOG_WARN, "setting ignored",
            "environment: %s: expected %s, got \"%.*s\"", variable, expected,
            STR_ARG(shown));
}

static struct str variable(const char *name)
{
    return str_trim(str_of(getenv(name)));
}

static void read_root(struct sampler *sampler)
{
    struct str got = variable("OTEL_TRACES_SAMPLER");

    if (got.len == 0)
        return;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq_nocase(got, names[i].name)) {
            sampler->root = names[i].root;
            sampler->ignores_parent = names[i].ignores_parent;
            return;
        }
    warn("OTEL_TRACES_SAMPLER",
         "always_on, always_off, traceidratio, parentbased_always_on, "
         "parentbased_always_off or parentbased_traceidratio",
         got);
}

/* Sampled is what has R >= T, of 56 bits: OpenTelemetry's consistent
 * probability sampling, with R from the id. */
static void read_ratio(struct sampler *sampler)
{
    static const char name[] = "OTEL_TRACES_SAMPLER_ARG";
    struct str got = variable(name);
    char *end = NULL;
    double ratio = 1;

    if (sampler->root != SAMPLER_RATIO)
        return;
    if (got.len > 0) {
        ratio = strtod(got.ptr, &end);
        if (end != got.ptr + got.len || !(ratio >= 0 && ratio <= 1)) {
            warn(name, "a number from 0 to 1", got);
            ratio = 1;
        }
    }
    sampler->threshold = (uint64_t)((1 - ratio) * 0x1p56);
}

/* Baggage is neither read nor sent on: what callers tell one another is
 * nothing that a model server has to know. */
static void read_propagators(struct sampler *sampler)
{
    static const char name[] = "OTEL_PROPAGATORS";
    struct str rest = variable(name);
    struct str part;
    bool is_none = false;
    bool is_known = false;

    if (rest.len == 0)
        return;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_eq_nocase(part, STR("tracecontext")))
            is_known = true;
        else if (str_eq_nocase(part, STR("none")))
            is_none = true;
        else if (part.len > 0 && !str_eq_nocase(part, STR("baggage")))
            warn(name, "tracecontext, baggage or none", part);
    }
    sampler->is_deaf = is_none || !is_known;
}

void sampler_read(struct sampler *sampler)
{
    *sampler = (struct sampler){0};
    read_root(sampler);
    read_ratio(sampler);
    read_propagators(sampler);
    sampler->is_disabled =
        str_eq_nocase(variable("OTEL_SDK_DISABLED"), STR("true"));
}

static uint64_t digit(char c)
{
    return (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool sampler_takes(const struct sampler *sampler, struct str trace_id)
{
    enum { DIGITS = 14 }; /* of 56 bits */
    uint64_t value = 0;

    if (sampler->is_disabled || sampler->root == SAMPLER_ALWAYS_OFF)
        return false;
    if (sampler->root == SAMPLER_ALWAYS_ON)
        return true;
    for (size_t i = trace_id.len - DIGITS; i < trace_id.len; i++)
        value = value << 4 | digit(trace_id.ptr[i]);
    return value >= sampler->threshold;
}
