/* Metrics on the wire: a walk through all that is measured (metrics_walk.h),
 * two ways to write it down (otlp_metrics_protobuf.c, otlp_metrics_json.c).
 *
 * A counter is a monotonic sum and a histogram is one, both cumulative; a
 * gauge and an info are gauges.  Names are those of /metrics without _total,
 * so that whoever makes Prometheus metrics of them gets these again; what the
 * GenAI conventions name has their names, dots and all.
 *
 * Field numbers and names: opentelemetry/proto/metrics/v1/metrics.proto of
 * opentelemetry-proto 1.11. */
#ifndef WEIR_OTLP_METRICS_WIRE_H
#define WEIR_OTLP_METRICS_WIRE_H

#include "telemetry/metrics_walk.h"
#include "telemetry/otel.h"

enum { OTLP_CUMULATIVE = 2 }; /* AggregationTemporality */

struct otlp_metrics_wire;

struct otlp_metrics {
    const struct otlp_metrics_wire *wire;
    const struct otel *otel; /* its resource */
    struct buf metrics;
    unsigned point_count;
    uint64_t began_ns, now_ns; /* since 1970: of the process, of this look */
    uint64_t clock_us;         /* now_ns by the clock of the exemplars */
    /* told last; written with its first point */
    const struct metrics_family *family;
    bool is_open;
    unsigned metric_count, points_of_metric;
    size_t metric_at, data_at; /* protobuf: where their lengths go */
};

struct otlp_metrics_wire {
    struct str kind; /* of its batches, for the outbox */
    void (*begin_metric)(struct otlp_metrics *m);
    void (*put_number)(struct otlp_metrics *m, const struct str values[],
                       uint64_t n);
    void (*put_histogram)(struct otlp_metrics *m, const struct str values[],
                          const struct metrics_histogram_view *histogram);
    void (*end_metric)(struct otlp_metrics *m);
    /* The whole request. */
    void (*pack)(const struct otlp_metrics *m, struct buf *out);
};

extern const struct otlp_metrics_wire otlp_metrics_protobuf;
extern const struct otlp_metrics_wire otlp_metrics_json;

void otlp_metrics_init(struct otlp_metrics *m,
                       const struct otlp_metrics_wire *wire,
                       const struct otel *otel, uint64_t began_ns, size_t max);
void otlp_metrics_fini(struct otlp_metrics *m);

/* Begins anew; what the visitor is told is written, and otlp_metrics_end()
 * puts the whole request into `out`, which fails with it if it is too long. */
struct metrics_visitor otlp_metrics_begin(struct otlp_metrics *m,
                                          uint64_t now_ns, uint64_t clock_us);
void otlp_metrics_end(struct otlp_metrics *m, struct buf *out);

/* For the wires. */
struct str otlp_metrics_name(const struct metrics_family *family);
struct str otlp_metrics_unit(const struct metrics_family *family);
struct str otlp_metrics_key(enum label label);
double otlp_metrics_double(const struct metrics_family *family, uint64_t n);
uint64_t otlp_metrics_exemplar_ns(const struct otlp_metrics *m,
                                  const struct metrics_exemplar_view *exemplar);

#endif
