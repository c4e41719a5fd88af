/* Metrics as JSON, by the same rules as spans (otlp_json.c). */
#include "json.h"
#include "otlp_metrics_wire.h"
#include "otlp_wire.h"

static void put_double(struct buf *out, double n)
{
    buf_printf(out, "%.17g", n);
}

static void put_quoted_u64(struct buf *out, uint64_t n)
{
    buf_put_char(out, '"');
    buf_put_u64(out, n);
    buf_put_char(out, '"');
}

/* --- points --------------------------------------------------------------- */

static void open_point(struct otlp_metrics *m, const struct str values[])
{
    struct buf *out = &m->metrics;
    const enum label *labels = m->family->labels;
    bool is_first = true;

    if (m->points_of_metric > 1)
        buf_put_char(out, ',');
    buf_put(out, STR("{\"attributes\":["));
    for (unsigned i = 0; labels[i] != LABEL_END; i++) {
        if (values[i].len == 0)
            continue;
        if (!is_first)
            buf_put_char(out, ',');
        otlp_json_attribute(out, otlp_metrics_key(labels[i]), values[i]);
        is_first = false;
    }
    buf_put(out, STR("],\"startTimeUnixNano\":"));
    put_quoted_u64(out, m->began_ns);
    buf_put(out, STR(",\"timeUnixNano\":"));
    put_quoted_u64(out, m->now_ns);
}

static void put_number(struct otlp_metrics *m, const struct str values[],
                       uint64_t n)
{
    struct buf *out = &m->metrics;

    open_point(m, values);
    if (m->family->decimals > 0) {
        buf_put(out, STR(",\"asDouble\":"));
        put_double(out, otlp_metrics_double(m->family, n));
    } else {
        buf_put(out, STR(",\"asInt\":"));
        put_quoted_u64(out, n < INT64_MAX ? n : INT64_MAX);
    }
    buf_put_char(out, '}');
}

static void put_buckets(struct otlp_metrics *m,
                        const struct metrics_histogram_view *histogram)
{
    const struct metrics_edges *edges = m->family->edges;
    struct buf *out = &m->metrics;

    buf_put(out, STR(",\"bucketCounts\":["));
    for (unsigned i = 0; i <= edges->count; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        put_quoted_u64(out, histogram->buckets[i]);
    }
    buf_put(out, STR("],\"explicitBounds\":["));
    for (unsigned i = 0; i < edges->count; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        buf_put(out, str_of(edges->spelled[i]));
    }
    buf_put_char(out, ']');
}

static void put_exemplars(struct otlp_metrics *m,
                          const struct metrics_histogram_view *histogram)
{
    struct buf *out = &m->metrics;
    const char *before = ",\"exemplars\":[";
    bool has_one = false;

    for (unsigned i = 0; i <= m->family->edges->count; i++) {
        const struct metrics_exemplar_view *exemplar = &histogram->exemplars[i];

        if (!exemplar->is_set)
            continue;
        buf_put(out, str_of(before));
        buf_put(out, STR("{\"timeUnixNano\":"));
        put_quoted_u64(out, otlp_metrics_exemplar_ns(m, exemplar));
        buf_put(out, STR(",\"asDouble\":"));
        put_double(out, otlp_metrics_double(m->family, exemplar->value));
        buf_put(out, STR(",\"spanId\":\""));
        buf_put(out, (struct str){exemplar->span_id, TRACE_SPAN_LEN});
        buf_put(out, STR("\",\"traceId\":\""));
        buf_put(out, (struct str){exemplar->trace_id, TRACE_ID_LEN});
        buf_put(out, STR("\"}"));
        before = ",";
        has_one = true;
    }
    if (has_one)
        buf_put_char(out, ']');
}

static void put_histogram(struct otlp_metrics *m, const struct str values[],
                          const struct metrics_histogram_view *histogram)
{
    struct buf *out = &m->metrics;

    open_point(m, values);
    buf_put(out, STR(",\"count\":"));
    put_quoted_u64(out, histogram->count);
    buf_put(out, STR(",\"sum\":"));
    put_double(out, otlp_metrics_double(m->family, histogram->sum));
    put_buckets(m, histogram);
    put_exemplars(m, histogram);
    buf_put_char(out, '}');
}

/* --- metrics -------------------------------------------------------------- */

static void put_member(struct buf *out, struct str before, struct str text)
{
    buf_put(out, before);
    json_escape(out, text);
    buf_put_char(out, '"');
}

static void begin_metric(struct otlp_metrics *m)
{
    static const struct str data[] = {
        [METRICS_COUNTER] = STR_INIT("sum"),
        [METRICS_GAUGE] = STR_INIT("gauge"),
        [METRICS_HISTOGRAM] = STR_INIT("histogram"),
        [METRICS_INFO] = STR_INIT("gauge"),
    };
    struct buf *out = &m->metrics;
    struct str unit = otlp_metrics_unit(m->family);

    if (m->metric_count > 0)
        buf_put_char(out, ',');
    put_member(out, STR("{\"name\":\""), otlp_metrics_name(m->family));
    put_member(out, STR(",\"description\":\""), m->family->help);
    if (unit.len > 0)
        put_member(out, STR(",\"unit\":\""), unit);
    put_member(out, STR(",\""), data[m->family->kind]);
    buf_put(out, STR(":{\"dataPoints\":["));
}

static void end_metric(struct otlp_metrics *m)
{
    struct buf *out = &m->metrics;
    enum metrics_kind kind = m->family->kind;

    buf_put_char(out, ']');
    if (kind == METRICS_COUNTER || kind == METRICS_HISTOGRAM) {
        buf_put(out, STR(",\"aggregationTemporality\":"));
        buf_put_u64(out, OTLP_CUMULATIVE);
    }
    if (kind == METRICS_COUNTER)
        buf_put(out, STR(",\"isMonotonic\":true"));
    buf_put(out, STR("}}"));
}

static void pack(const struct otlp_metrics *m, struct buf *out)
{
    otlp_json_pack(m->otel, OTEL_METRICS, buf_str(&m->metrics), out);
}

const struct otlp_metrics_wire otlp_metrics_json = {
    .kind = STR_INIT("otlp-metrics.json"),
    .begin_metric = begin_metric,
    .put_number = put_number,
    .put_histogram = put_histogram,
    .end_metric = end_metric,
    .pack = pack,
};
