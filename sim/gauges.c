#include "gauges.h"

#include <math.h>
#include <stdio.h>

#include "json.h"

/* Each list of bounds ends with a 0. */
static const double first_token_bounds[] = {
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5,  0.75, 1,
    2.5,   5,     7.5,  10,   20,   40,   80,   160, 640,  2560, 0};
static const double token_bounds[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                      0.3,  0.4,   0.5,  0.75,  1,   2.5,  5,
                                      7.5,  10,    20,   40,    80,  0};
static const double request_bounds[] = {0.3, 0.5, 0.8, 1,    1.5,  2,  2.5, 5,
                                        10,  15,  20,  30,   40,   50, 60,  120,
                                        240, 480, 960, 1920, 7680, 0};
static const double size_bounds[] = {1,     2,     5,     10,     20,   50,
                                     100,   200,   500,   1000,   2000, 5000,
                                     10000, 20000, 50000, 100000, 0};
static const double small_bounds[] = {1, 2, 5, 10, 20, 0};

struct row {
    const char *name;
    const char *help;
    const double *bounds;
};

static const struct row seconds_rows[SECONDS_KINDS] = {
    [SECONDS_FIRST_TOKEN] = {"vllm:time_to_first_token_seconds",
                             "Histogram of time to first token in seconds.",
                             first_token_bounds},
    [SECONDS_INTER_TOKEN] = {"vllm:inter_token_latency_seconds",
                             "Histogram of inter-token latency in seconds.",
                             token_bounds},
    [SECONDS_PER_TOKEN] = {"vllm:request_time_per_output_token_seconds",
                           "Histogram of time per output token in seconds.",
                           token_bounds},
    [SECONDS_E2E] = {"vllm:e2e_request_latency_seconds",
                     "Histogram of e2e request latency in seconds.",
                     request_bounds},
    [SECONDS_QUEUE] = {"vllm:request_queue_time_seconds",
                       "Histogram of time spent in WAITING phase.",
                       request_bounds},
    [SECONDS_INFERENCE] = {"vllm:request_inference_time_seconds",
                           "Histogram of time spent in RUNNING phase.",
                           request_bounds},
    [SECONDS_PREFILL] = {"vllm:request_prefill_time_seconds",
                         "Histogram of time spent in PREFILL phase.",
                         request_bounds},
    [SECONDS_DECODE] = {"vllm:request_decode_time_seconds",
                        "Histogram of time spent in DECODE phase.",
                        request_bounds},
};

static const struct row size_rows[SIZE_KINDS] = {
    [SIZE_PROMPT] = {"vllm:request_prompt_tokens",
                     "Number of prefill tokens processed.", size_bounds},
    [SIZE_GENERATION] = {"vllm:request_generation_tokens",
                         "Number of generation tokens processed.", size_bounds},
    [SIZE_MAX_TOKENS] = {"vllm:request_params_max_tokens",
                         "Histogram of the max_tokens request parameter.",
                         size_bounds},
    [SIZE_N] = {"vllm:request_params_n",
                "Histogram of the n request parameter.", small_bounds},
};

static const char *const reason_names[REASON_KINDS] = {
    [REASON_STOP] = "stop",
    [REASON_LENGTH] = "length",
    [REASON_ABORT] = "abort",
};

/* --- counting ----------------------------------------------------------- */

static void add(struct histogram *histogram, const double *bounds, double value,
                uint64_t times)
{
    size_t i = 0;

    while (bounds[i] > 0 && value > bounds[i])
        i++;
    histogram->buckets[i] += times;
    histogram->count += times;
    histogram->sum += value * (double)times;
}

void gauges_seconds_add(struct gauges *gauges, enum gauges_seconds kind,
                        double value, uint64_t times)
{
    add(&gauges->seconds[kind], seconds_rows[kind].bounds, value, times);
}

void gauges_size_add(struct gauges *gauges, enum gauges_sizes kind,
                     double value)
{
    add(&gauges->sizes[kind], size_rows[kind].bounds, value, 1);
}

/* --- writing ------------------------------------------------------------ */

struct writer {
    const struct gauges_now *now;
    struct buf *out;
};

static void put_head(struct writer *w, const char *name, const char *type,
                     const char *help)
{
    buf_printf(w->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `labels` begins with a comma, or is empty. */
static void put_line(struct writer *w, const char *name, const char *suffix,
                     const char *labels, double value)
{
    buf_printf(w->out, "%s%s{engine=\"0\",model_name=\"", name, suffix);
    json_escape(w->out, w->now->model);
    buf_printf(w->out, "\"%s} ", labels);
    if (fabs(value) < 1e15 && floor(value) == value)
        buf_printf(w->out, "%.1f\n", value);
    else
        buf_printf(w->out, "%.9g\n", value);
}

static void put_single(struct writer *w, const char *name, const char *type,
                       const char *help, double value)
{
    put_head(w, name, type, help);
    put_line(w, name, "", "", value);
}

static void put_histogram(struct writer *w, const struct row *row,
                          const struct histogram *histogram)
{
    uint64_t sum = 0;
    size_t i = 0;
    char label[40];

    put_head(w, row->name, "histogram", row->help);
    for (; row->bounds[i] > 0; i++) {
        double bound = row->bounds[i];

        sum += histogram->buckets[i];
        (void)snprintf(label, sizeof(label),
                       floor(bound) == bound ? ",le=\"%.1f\"" : ",le=\"%g\"",
                       bound);
        put_line(w, row->name, "_bucket", label, (double)sum);
    }
    put_line(w, row->name, "_bucket", ",le=\"+Inf\"", (double)histogram->count);
    put_line(w, row->name, "_sum", "", histogram->sum);
    put_line(w, row->name, "_count", "", (double)histogram->count);
}

static void put_load(struct writer *w)
{
    const struct gauges_now *now = w->now;

    put_single(w, "vllm:num_requests_running", "gauge",
               "Number of requests in model execution batches.", now->running);
    put_single(w, "vllm:num_requests_waiting", "gauge",
               "Number of requests waiting to be processed.", now->waiting);
    put_head(w, "vllm:num_requests_waiting_by_reason", "gauge",
             "Number of requests waiting, by reason.");
    put_line(w, "vllm:num_requests_waiting_by_reason", "",
             ",reason=\"capacity\"", now->waiting);
    put_line(w, "vllm:num_requests_waiting_by_reason", "",
             ",reason=\"deferred\"", 0);
    put_single(w, "vllm:kv_cache_usage_perc", "gauge",
               "KV-cache usage. 1 means 100 percent usage.", now->cache_usage);
    put_head(w, "vllm:engine_sleep_state", "gauge",
             "Engine sleep state; awake = 0 means engine is sleeping.");
    put_line(w, "vllm:engine_sleep_state", "", ",sleep_state=\"awake\"", 1);
}

static void put_counters(struct writer *w, const struct gauges *gauges)
{
    put_single(w, "vllm:prompt_tokens_total", "counter",
               "Number of prefill tokens processed.",
               (double)gauges->prompt_tokens);
    put_single(w, "vllm:generation_tokens_total", "counter",
               "Number of generation tokens processed.",
               (double)gauges->generation_tokens);
    put_single(w, "vllm:prompt_tokens_cached_total", "counter",
               "Number of prompt tokens taken from the prefix cache.",
               (double)gauges->cached_tokens);
    put_single(w, "vllm:prefix_cache_queries_total", "counter",
               "Prefix cache queries, in terms of number of queried tokens.",
               (double)gauges->prompt_tokens);
    put_single(w, "vllm:prefix_cache_hits_total", "counter",
               "Prefix cache hits, in terms of number of cached tokens.",
               (double)gauges->cached_tokens);
    put_single(w, "vllm:num_preemptions_total", "counter",
               "Cumulative number of preemption from the engine.", 0);
    put_head(w, "vllm:request_success_total", "counter",
             "Count of successfully processed requests.");
    for (size_t i = 0; i < REASON_KINDS; i++) {
        char label[40];

        (void)snprintf(label, sizeof(label), ",finished_reason=\"%s\"",
                       reason_names[i]);
        put_line(w, "vllm:request_success_total", "", label,
                 (double)gauges->finished[i]);
    }
}

void gauges_put(const struct gauges *gauges, const struct gauges_now *now,
                struct buf *out)
{
    struct writer w = {now, out};

    put_load(&w);
    put_counters(&w, gauges);
    for (size_t i = 0; i < SECONDS_KINDS; i++)
        put_histogram(&w, &seconds_rows[i], &gauges->seconds[i]);
    for (size_t i = 0; i < SIZE_KINDS; i++)
        put_histogram(&w, &size_rows[i], &gauges->sizes[i]);
}
