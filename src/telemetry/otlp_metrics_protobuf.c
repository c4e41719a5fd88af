/* Metrics as protocol buffers. */
#include <string.h>

#include "otlp_metrics_wire.h"
#include "otlp_wire.h"
#include "protobuf.h"

/* Numbers of fields, message by message. */
enum {
    SCOPE_METRICS_METRICS = 2,
    METRIC_NAME = 1,
    METRIC_DESCRIPTION = 2,
    METRIC_UNIT = 3,
    METRIC_GAUGE = 5,
    METRIC_SUM = 7,
    METRIC_HISTOGRAM = 9,
    DATA_POINTS = 1, /* of all three */
    DATA_TEMPORALITY = 2,
    SUM_IS_MONOTONIC = 3,
    POINT_START = 2, /* of both kinds */
    POINT_TIME = 3,
    NUMBER_DOUBLE = 4,
    NUMBER_INT = 6,
    NUMBER_ATTRIBUTES = 7,
    HISTOGRAM_COUNT = 4,
    HISTOGRAM_SUM = 5,
    HISTOGRAM_BUCKETS = 6,
    HISTOGRAM_BOUNDS = 7,
    HISTOGRAM_EXEMPLARS = 8,
    HISTOGRAM_ATTRIBUTES = 9,
    EXEMPLAR_TIME = 2,
    EXEMPLAR_DOUBLE = 3,
    EXEMPLAR_SPAN_ID = 4,
    EXEMPLAR_TRACE_ID = 5,
};

/* --- points --------------------------------------------------------------- */

static void put_attributes(struct otlp_metrics *m, unsigned field,
                           const struct str values[])
{
    const enum label *labels = m->family->labels;

    for (unsigned i = 0; labels[i] != LABEL_END; i++)
        if (values[i].len > 0)
            otlp_protobuf_attribute(&m->metrics, field,
                                    otlp_metrics_key(labels[i]), values[i]);
}

static size_t open_point(struct otlp_metrics *m)
{
    size_t at = protobuf_open(&m->metrics, DATA_POINTS);

    protobuf_fixed64(&m->metrics, POINT_START, m->began_ns);
    protobuf_fixed64(&m->metrics, POINT_TIME, m->now_ns);
    return at;
}

static void put_number(struct otlp_metrics *m, const struct str values[],
                       uint64_t n)
{
    struct buf *out = &m->metrics;
    size_t at = open_point(m);

    if (m->family->decimals > 0)
        protobuf_double(out, NUMBER_DOUBLE, otlp_metrics_double(m->family, n));
    else
        protobuf_fixed64(out, NUMBER_INT, n < INT64_MAX ? n : INT64_MAX);
    put_attributes(m, NUMBER_ATTRIBUTES, values);
    protobuf_close(out, at);
}

/* One of a packed field. */
static void put_packed(struct buf *out, uint64_t n)
{
    for (unsigned shift = 0; shift < 64; shift += 8)
        buf_put_char(out, (char)(n >> shift & 0xFF));
}

static void put_bounds(struct otlp_metrics *m)
{
    const struct metrics_edges *edges = m->family->edges;

    protobuf_head(&m->metrics, HISTOGRAM_BOUNDS, (size_t)edges->count * 8);
    for (unsigned i = 0; i < edges->count; i++) {
        double bound = otlp_metrics_double(m->family, edges->at[i]);
        uint64_t bits;

        memcpy(&bits, &bound, sizeof(bits));
        put_packed(&m->metrics, bits);
    }
}

static void put_exemplar(struct otlp_metrics *m,
                         const struct metrics_exemplar_view *exemplar)
{
    struct buf *out = &m->metrics;
    size_t at = protobuf_open(out, HISTOGRAM_EXEMPLARS);

    protobuf_fixed64(out, EXEMPLAR_TIME, otlp_metrics_exemplar_ns(m, exemplar));
    protobuf_double(out, EXEMPLAR_DOUBLE,
                    otlp_metrics_double(m->family, exemplar->value));
    otlp_protobuf_id(out, EXEMPLAR_SPAN_ID,
                     (struct str){exemplar->span_id, TRACE_SPAN_LEN});
    otlp_protobuf_id(out, EXEMPLAR_TRACE_ID,
                     (struct str){exemplar->trace_id, TRACE_ID_LEN});
    protobuf_close(out, at);
}

static void put_histogram(struct otlp_metrics *m, const struct str values[],
                          const struct metrics_histogram_view *histogram)
{
    struct buf *out = &m->metrics;
    size_t at = open_point(m);
    unsigned buckets = m->family->edges->count + 1;

    protobuf_fixed64(out, HISTOGRAM_COUNT, histogram->count);
    protobuf_double(out, HISTOGRAM_SUM,
                    otlp_metrics_double(m->family, histogram->sum));
    protobuf_head(out, HISTOGRAM_BUCKETS, (size_t)buckets * 8);
    for (unsigned i = 0; i < buckets; i++)
        put_packed(out, histogram->buckets[i]);
    put_bounds(m);
    for (unsigned i = 0; i < buckets; i++)
        if (histogram->exemplars[i].is_set)
            put_exemplar(m, &histogram->exemplars[i]);
    put_attributes(m, HISTOGRAM_ATTRIBUTES, values);
    protobuf_close(out, at);
}

/* --- metrics -------------------------------------------------------------- */

static void begin_metric(struct otlp_metrics *m)
{
    static const unsigned data[] = {
        [METRICS_COUNTER] = METRIC_SUM,
        [METRICS_GAUGE] = METRIC_GAUGE,
        [METRICS_HISTOGRAM] = METRIC_HISTOGRAM,
        [METRICS_INFO] = METRIC_GAUGE,
    };
    struct buf *out = &m->metrics;
    struct str unit = otlp_metrics_unit(m->family);

    m->metric_at = protobuf_open(out, SCOPE_METRICS_METRICS);
    protobuf_bytes(out, METRIC_NAME, otlp_metrics_name(m->family));
    protobuf_bytes(out, METRIC_DESCRIPTION, m->family->help);
    if (unit.len > 0)
        protobuf_bytes(out, METRIC_UNIT, unit);
    m->data_at = protobuf_open(out, data[m->family->kind]);
}

static void end_metric(struct otlp_metrics *m)
{
    struct buf *out = &m->metrics;
    enum metrics_kind kind = m->family->kind;

    if (kind == METRICS_COUNTER || kind == METRICS_HISTOGRAM)
        protobuf_u64(out, DATA_TEMPORALITY, OTLP_CUMULATIVE);
    if (kind == METRICS_COUNTER)
        protobuf_u64(out, SUM_IS_MONOTONIC, true);
    protobuf_close(out, m->data_at);
    protobuf_close(out, m->metric_at);
}

static void pack(const struct otlp_metrics *m, struct buf *out)
{
    otlp_protobuf_pack(m->otel, buf_str(&m->metrics), out);
}

const struct otlp_metrics_wire otlp_metrics_protobuf = {
    .kind = STR_INIT("otlp-metrics.pb"),
    .begin_metric = begin_metric,
    .put_number = put_number,
    .put_histogram = put_histogram,
    .end_metric = end_metric,
    .pack = pack,
};
