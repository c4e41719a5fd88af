#include "metrics_document.h"

#include "telemetry/metrics.h"

static const struct {
    const char *answers;
    const char *promql;
} queries[] = {
    {"What share of the answers is local?",
     "sum(rate(weir_requests_total{tier=\"local\",outcome=\"ok\"}[5m]))\n"
     "  / sum(rate(weir_requests_total{outcome=\"ok\"}[5m]))"},
    {"Why do requests go where they go?",
     "sum by (target, reason) (rate(weir_requests_total[5m]))"},
    {"How many fail, of those that each tier got?",
     "sum by (tier) (rate(weir_requests_total{outcome=\"error\"}[5m]))\n"
     "  / sum by (tier) (rate(weir_requests_total[5m]))"},
    {"How long do 95 of 100 take?",
     "histogram_quantile(0.95,\n"
     "  sum by (tier, le) (rate(weir_request_duration_seconds_bucket[5m])))"},
    {"How many local ones keep to 4 seconds?",
     "sum(rate(weir_request_duration_seconds_bucket{tier=\"local\",le=\"4.0\"}"
     "[5m]))\n"
     "  / sum(rate(weir_request_duration_seconds_count{tier=\"local\"}[5m]))"},
    {"How long do 95 of 100 streams need for their first token?",
     "histogram_quantile(0.95,\n"
     "  sum by (tier, le) (rate(weir_first_token_seconds_bucket[5m])))"},
    {"How smooth are streams?",
     "histogram_quantile(0.99,\n"
     "  sum by (tier, le) (rate(weir_inter_token_seconds_bucket[5m])))"},
    {"What does the router itself take?",
     "histogram_quantile(0.99,\n"
     "  sum by (le) (rate(weir_router_overhead_seconds_bucket[5m])))"},
    {"How many tokens a second does each model write?",
     "sum by (tier, model) (rate(weir_tokens_total{type=\"output\"}[5m]))"},
    {"What does an hour of the cloud cost, in dollars?",
     "sum(rate(weir_cost_dollars_total{tier=\"cloud\"}[1h])) * 3600"},
    {"What would an hour of it have cost, had the cloud answered everything?",
     "sum(rate(weir_cloud_equivalent_dollars_total[1h])) * 3600"},
    {"What does an hour save? What was paid by the token is taken off, and "
     "what the local servers cost: several routers see the same ones.",
     "(sum(rate(weir_cloud_equivalent_dollars_total[1h]))\n"
     "  - sum(rate(weir_cost_dollars_total{basis=\"token\"}[1h]))\n"
     "  - (sum(max by (backend) (rate(weir_gpu_dollars_total[1h]))) or "
     "vector(0))) * 3600"},
    {"For which models is a price missing?",
     "sum by (model) (increase(weir_unpriced_requests_total[1h])) > 0"},
    {"How often does a cold GPU send work to the cloud?",
     "sum(increase(weir_fallbacks_total{cause=\"cold\"}[1h])) or vector(0)"},
    {"What else makes requests go elsewhere, by the minute?",
     "sum by (from, to, cause) (rate(weir_fallbacks_total[5m])) * 60"},
    {"How much work wants the local model? This wakes GPU nodes.",
     "sum by (backend) (increase(weir_local_wanted_total[1m]))"},
    {"How full are the backends?",
     "sum by (backend) (weir_backend_in_flight)\n"
     "  + sum by (backend) (weir_backend_waiting)"},
    {"Which circuit breakers are not closed?",
     "sum by (backend, state) (weir_backend_breaker{state!=\"closed\"})"},
    {"Was anything of the telemetry lost?",
     "sum(increase(weir_export_dropped_total[1h])) or vector(0)"},
};

static const char introduction[] =
    "# Metrics\n"
    "\n"
    "<!-- Made from src/telemetry/metrics.def by `weir metrics --markdown`: do "
    "not edit. -->\n"
    "\n"
    "`GET /metrics` speaks Prometheus' text format 0.0.4, and OpenMetrics 1.0 "
    "to those who ask for it (`Accept`, as\n"
    "Prometheus does), packed with gzip where that is wanted. OpenMetrics "
    "alone bears exemplars: the trace and span of\n"
    "the last sampled request in each bucket of `weir_request_duration_"
    "seconds`, `weir_first_token_seconds` and\n"
    "`weir_inter_token_seconds` (Prometheus keeps them with `--enable-feature="
    "exemplar-storage`). Without export of\n"
    "traces only those whose caller sent a sampled `traceparent`, and then the "
    "span is the caller's.\n"
    "\n"
    "Counters are sums over all workers, exact to the request, the token and "
    "the nano-dollar. How many series there are is\n"
    "bounded, whatever callers and backends say: label values are words of "
    "our own and names of the configuration, also of\n"
    "ones before a reload; all else is `other`. Series that are likely to "
    "come begin at 0. A request is counted when its\n"
    "answer ends.\n"
    "\n"
    "## Families\n"
    "\n"
    "| name | type | labels | what it is |\n"
    "|---|---|---|---|\n";

static void put_families(struct buf *out)
{
    static const char *const kinds[] = {
        [METRICS_COUNTER] = "counter",
        [METRICS_GAUGE] = "gauge",
        [METRICS_HISTOGRAM] = "histogram",
        [METRICS_INFO] = "info",
    };
    static const char *const suffixes[] = {
        [METRICS_COUNTER] = "_total",
        [METRICS_GAUGE] = "",
        [METRICS_HISTOGRAM] = "",
        [METRICS_INFO] = "_info",
    };

    for (unsigned i = 0; i < FAMILIES; i++) {
        const struct metrics_family *family = metrics_family((enum family)i);

        buf_printf(out, "| `%.*s%s` | %s | ", STR_ARG(family->name),
                   suffixes[family->kind], kinds[family->kind]);
        for (unsigned k = 0; family->labels[k] != LABEL_END; k++)
            buf_printf(out, "%s`%.*s`", k > 0 ? ", " : "",
                       STR_ARG(metrics_label_name(family->labels[k])));
        buf_printf(out, " | %.*s |\n", STR_ARG(family->help));
    }
}

/* "weir_tries_total, …": those that bear it. */
static void put_bearers(struct buf *out, enum label label)
{
    const char *before = "";

    for (unsigned i = 0; i < FAMILIES; i++) {
        const struct metrics_family *family = metrics_family((enum family)i);

        for (unsigned k = 0; family->labels[k] != LABEL_END; k++)
            if (family->labels[k] == label) {
                buf_printf(out, "%s`%.*s`", before, STR_ARG(family->name));
                before = ", ";
            }
    }
}

static void put_labels(struct buf *out)
{
    buf_put(out,
            STR("\n## Labels\n\n| label | of | values |\n|---|---|---|\n"));
    for (enum label i = LABEL_END + 1; i < LABELS; i++) {
        buf_printf(out, "| `%.*s` | ", STR_ARG(metrics_label_name(i)));
        put_bearers(out, i);
        buf_printf(out, " | %.*s |\n", STR_ARG(metrics_label_values(i)));
    }
}

static void put_edges(struct buf *out)
{
    buf_put(out, STR("\n## Edges of the buckets\n\n| histogram | `le` |\n"
                     "|---|---|\n"));
    for (unsigned i = 0; i < FAMILIES; i++) {
        const struct metrics_family *family = metrics_family((enum family)i);

        if (family->edges == NULL)
            continue;
        buf_printf(out, "| `%.*s` | ", STR_ARG(family->name));
        for (unsigned k = 0; k < family->edges->count; k++)
            buf_printf(out, "%s ", family->edges->spelled[k]);
        buf_put(out, STR("+Inf |\n"));
    }
}

void metrics_document(struct buf *out)
{
    buf_put(out, str_of(introduction));
    put_families(out);
    put_labels(out);
    put_edges(out);
    buf_put(out, STR("\n## Questions and their answers in PromQL\n"));
    for (unsigned i = 0; i < COUNT_OF(queries); i++)
        buf_printf(out, "\n%s\n\n```promql\n%s\n```\n", queries[i].answers,
                   queries[i].promql);
}
