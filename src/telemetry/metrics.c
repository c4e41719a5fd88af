#include "metrics.h"

static void add_to(_Atomic uint64_t *count, uint64_t n)
{
    /* one writer: no locked instruction is needed, only a whole write */
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, before + n, memory_order_relaxed);
}

static void add(struct metrics *metrics, unsigned metric, uint64_t n)
{
    add_to(&metrics->counts[metric], n);
}

static void add_tokens(struct metrics *metrics, unsigned metric, int64_t n)
{
    if (n > 0)
        add(metrics, metric, (uint64_t)n);
}

static unsigned wanted_by(const struct record *record)
{
    if (record->tier == TIER_CLOUD)
        return METRIC_WANTED_CLOUD;
    /* also when a try was what found it out */
    if (record->tier != TIER_LOCAL || record->error == ERR_NOT_READY ||
        record->error == ERR_SATURATED)
        return METRIC_WANTED_REFUSED;
    return record->was_held ? METRIC_WANTED_HELD : METRIC_WANTED_LOCAL;
}

void metrics_count(struct metrics *metrics, const struct record *record)
{
    unsigned tier = record->tier == TIER_LOCAL   ? METRIC_REQUESTS_LOCAL_OK
                    : record->tier == TIER_CLOUD ? METRIC_REQUESTS_CLOUD_OK
                                                 : METRIC_REQUESTS_NONE_OK;
    unsigned tokens = record->tier == TIER_LOCAL ? METRIC_TOKENS_LOCAL_IN
                                                 : METRIC_TOKENS_CLOUD_IN;

    if (!record->is_chat)
        return;
    add(metrics, tier + (unsigned)record->outcome, 1);
    if (record->wants_local)
        add(metrics, wanted_by(record), 1);
    for (unsigned i = 0; i < record->dropped_count; i++)
        if (record->dropped[i] < FIELDS_SLOTS)
            add_to(&metrics->dropped[record->dropped[i]], 1);
    if (record->usage.is_known && record->tier != TIER_NONE) {
        add_tokens(metrics, tokens, record->usage.input);
        add_tokens(metrics, tokens + 1, record->usage.cache_read);
        add_tokens(metrics, tokens + 2, record->usage.output);
    }
}

void metrics_count_try(struct metrics *metrics, enum tier tier,
                       enum try_result result)
{
    add(metrics,
        (tier == TIER_LOCAL ? METRIC_TRIES_LOCAL_OK : METRIC_TRIES_CLOUD_OK) +
            (unsigned)result,
        1);
}

static uint64_t sum(const struct metrics *const shards[], size_t shard_count,
                    unsigned metric)
{
    uint64_t n = 0;

    for (size_t i = 0; i < shard_count; i++)
        n += atomic_load_explicit(&shards[i]->counts[metric],
                                  memory_order_relaxed);
    return n;
}

void metrics_family(struct buf *out, const char *name, const char *help,
                    const char *type)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Only what has happened: there are hundreds of fields. */
static void write_dropped(const struct metrics *const shards[],
                          size_t shard_count, struct buf *out)
{
    metrics_family(out, "weir_dropped_fields_total",
                   "Fields of requests that were left out, since the backend "
                   "that answered cannot take them.",
                   "counter");
    for (unsigned slot = 0; slot < FIELDS_SLOTS; slot++) {
        uint64_t n = 0;

        for (size_t i = 0; i < shard_count; i++)
            n += atomic_load_explicit(&shards[i]->dropped[slot],
                                      memory_order_relaxed);
        if (n > 0)
            buf_printf(out,
                       "weir_dropped_fields_total{format=\"%.*s\","
                       "field=\"%.*s\"} %llu\n",
                       STR_ARG(fields_slot_format(slot)),
                       STR_ARG(fields_slot_path(slot)), (unsigned long long)n);
    }
}

void metrics_write(const struct metrics *const shards[], size_t shard_count,
                   struct buf *out)
{
#define FAMILY(name, help) metrics_family(out, #name, help, "counter");
#define METRIC(ID, family, labels)                    \
    buf_printf(out, "%s{%s} %llu\n", #family, labels, \
               (unsigned long long)sum(shards, shard_count, METRIC_##ID));
#include "metrics.def"
#undef METRIC
#undef FAMILY
    write_dropped(shards, shard_count, out);
    metrics_family(out, "weir_build_info", "The version that runs.", "gauge");
    buf_put(out, STR("weir_build_info{version=\"" WEIR_VERSION "\"} 1\n"));
}
