/* The OTEL_* variables of the environment, with the defaults of the
 * specification:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 *
 * An empty value counts as not set.  A value that cannot be read gets a
 * warning and counts as not set, too: telemetry must not stop a router. */
#ifndef WEIR_OTEL_H
#define WEIR_OTEL_H

#include "arena.h"
#include "fetch.h"

enum otel_signal { OTEL_TRACES, OTEL_METRICS, OTEL_SIGNALS };

enum otel_protocol { OTEL_GRPC, OTEL_HTTP_PROTOBUF, OTEL_HTTP_JSON };

struct otel_pair {
    struct str key, value;
};

/* Where one signal goes, and how. */
struct otel_endpoint {
    struct str url; /* complete, with its path */
    enum otel_protocol protocol;
    struct otel_pair *headers; /* secret */
    unsigned header_count;
    uint64_t timeout_ms;
    bool is_zipped; /* gzip */
    struct fetch_tls tls;
};

struct otel {
    bool is_disabled; /* OTEL_SDK_DISABLED */
    /* Is it exported?  When OTEL_TRACES_EXPORTER says otlp, or an endpoint is
     * named: a router without a collector shall not complain about it. */
    bool exports[OTEL_SIGNALS];
    struct otel_endpoint endpoints[OTEL_SIGNALS];
    struct str service_name;
    /* service.name first, each key once */
    struct otel_pair *resource;
    unsigned resource_count;
    /* the batch processor */
    uint64_t schedule_ms, export_timeout_ms;
    uint64_t queue_spans, batch_spans;
    /* of metrics */
    uint64_t interval_ms, push_timeout_ms;
    /* limits of a span */
    uint64_t attributes_max, events_max, links_max;
    uint64_t value_max; /* bytes; UINT64_MAX: none */
};

/* Everything belongs to the arena.  Whoever reads first has the log warned of
 * what cannot be read. */
void otel_read(struct arena *arena, bool warns, struct otel *otel);

/* Every variable that is known here, NULL behind the last one: for the
 * documentation's test. */
extern const char *const otel_variables[];

/* What is in force, for `weir check`: one line for each signal that is
 * exported.  Headers are not shown. */
void otel_show(const struct otel *otel, struct buf *out);

#endif
