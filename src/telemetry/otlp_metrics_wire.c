#include "otlp_metrics_wire.h"

/* --- names ---------------------------------------------------------------- */

/* https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ */
static const struct {
    enum family family;
    struct str name, unit;
} conventional[] = {
    {FAMILY_GENAI_DURATION, STR_INIT("gen_ai.client.operation.duration"),
     STR_INIT("s")},
    {FAMILY_GENAI_FIRST,
     STR_INIT("gen_ai.client.operation.time_to_first_chunk"), STR_INIT("s")},
    {FAMILY_GENAI_TOKENS, STR_INIT("gen_ai.client.token.usage"),
     STR_INIT("{token}")},
    {FAMILY_BUILD, STR_INIT("weir_build_info"), STR_INIT("")},
};

struct str otlp_metrics_name(const struct metrics_family *family)
{
    for (unsigned i = 0; i < COUNT_OF(conventional); i++)
        if (family == metrics_family(conventional[i].family))
            return conventional[i].name;
    return family->name;
}

/* Of what is counted there is none: "1" would be a ratio to Prometheus. */
struct str otlp_metrics_unit(const struct metrics_family *family)
{
    static const struct str units[] = {
        [METRICS_NONE] = STR_INIT(""),
        [METRICS_SECONDS] = STR_INIT("s"),
        [METRICS_BYTES] = STR_INIT("By"),
        [METRICS_DOLLARS] = STR_INIT("{USD}"),
    };

    for (unsigned i = 0; i < COUNT_OF(conventional); i++)
        if (family == metrics_family(conventional[i].family))
            return conventional[i].unit;
    return units[family->unit];
}

struct str otlp_metrics_key(enum label label)
{
    switch (label) {
    case LABEL_OPERATION:
        return STR("gen_ai.operation.name");
    case LABEL_PROVIDER:
        return STR("gen_ai.provider.name");
    case LABEL_ASKED:
        return STR("gen_ai.request.model");
    case LABEL_TOKEN_TYPE:
        return STR("gen_ai.token.type");
    case LABEL_ERROR_TYPE:
        return STR("error.type");
    default:
        return metrics_label_name(label);
    }
}

/* --- numbers -------------------------------------------------------------- */

double otlp_metrics_double(const struct metrics_family *family, uint64_t n)
{
    double one = 1;

    for (unsigned i = 0; i < family->decimals; i++)
        one *= 10;
    return (double)n / one;
}

uint64_t otlp_metrics_exemplar_ns(const struct otlp_metrics *m,
                                  const struct metrics_exemplar_view *exemplar)
{
    uint64_t ago_us =
        exemplar->at_us < m->clock_us ? m->clock_us - exemplar->at_us : 0;

    return m->now_ns - ago_us * 1000;
}

/* --- the walk ------------------------------------------------------------- */

static void close_metric(struct otlp_metrics *m)
{
    if (m->is_open)
        m->wire->end_metric(m);
    m->is_open = false;
}

static void on_family(void *ctx, const struct metrics_family *family)
{
    struct otlp_metrics *m = ctx;

    close_metric(m);
    m->family = family;
}

/* A family without points is left out. */
static void count_point(struct otlp_metrics *m)
{
    if (!m->is_open) {
        m->wire->begin_metric(m);
        m->is_open = true;
        m->metric_count++;
        m->points_of_metric = 0;
    }
    m->points_of_metric++;
    m->point_count++;
}

static void on_sample(void *ctx, const struct metrics_family *family,
                      const struct str values[], uint64_t n)
{
    struct otlp_metrics *m = ctx;

    (void)family;
    count_point(m);
    m->wire->put_number(m, values, n);
}

static void on_histogram(void *ctx, const struct metrics_family *family,
                         const struct str values[],
                         const struct metrics_histogram_view *histogram)
{
    struct otlp_metrics *m = ctx;

    (void)family;
    count_point(m);
    m->wire->put_histogram(m, values, histogram);
}

void otlp_metrics_init(struct otlp_metrics *m,
                       const struct otlp_metrics_wire *wire,
                       const struct otel *otel, uint64_t began_ns, size_t max)
{
    *m =
        (struct otlp_metrics){.wire = wire, .otel = otel, .began_ns = began_ns};
    buf_init(&m->metrics, max);
}

void otlp_metrics_fini(struct otlp_metrics *m)
{
    buf_fini(&m->metrics);
}

struct metrics_visitor otlp_metrics_begin(struct otlp_metrics *m,
                                          uint64_t now_ns, uint64_t clock_us)
{
    buf_clear(&m->metrics);
    m->point_count = m->metric_count = 0;
    m->is_open = false;
    /* a wall clock may be set back */
    m->now_ns = now_ns > m->began_ns ? now_ns : m->began_ns;
    m->clock_us = clock_us;
    return (struct metrics_visitor){on_family, on_sample, on_histogram, m};
}

void otlp_metrics_end(struct otlp_metrics *m, struct buf *out)
{
    close_metric(m);
    m->wire->pack(m, out);
    out->failed = out->failed || buf_failed(&m->metrics);
}
