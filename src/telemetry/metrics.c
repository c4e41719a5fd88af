#include "metrics.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* --- the tables ---------------------------------------------------------- */

/* Histograms of seconds count microseconds. */
#define EDGE(us, spelled) us,
#define SPELLED(us, spelled) spelled,
#define EDGES(name, list)                      \
    static const struct metrics_edges name = { \
        0 list(COUNT_ONE), {list(EDGE)}, {list(SPELLED)}};
#define COUNT_ONE(us, spelled) +1

/* clang-format off */
/* Agreed latencies must be edges, or nobody can tell whether they are kept. */
#define DURATION(X)                                                          \
    X(50000, "0.05") X(100000, "0.1") X(250000, "0.25") X(500000, "0.5")     \
    X(1000000, "1.0") X(2000000, "2.0") X(4000000, "4.0") X(8000000, "8.0")  \
    X(10000000, "10.0") X(12000000, "12.0") X(15000000, "15.0")              \
    X(30000000, "30.0") X(60000000, "60.0") X(120000000, "120.0")            \
    X(300000000, "300.0")
#define FIRST_TOKEN(X)                                                       \
    X(25000, "0.025") X(50000, "0.05") X(100000, "0.1") X(200000, "0.2")     \
    X(400000, "0.4") X(800000, "0.8") X(1600000, "1.6") X(3000000, "3.0")    \
    X(4000000, "4.0") X(6000000, "6.0") X(10000000, "10.0")                  \
    X(12000000, "12.0") X(30000000, "30.0") X(60000000, "60.0")
#define INTER_TOKEN(X)                                                       \
    X(5000, "0.005") X(10000, "0.01") X(20000, "0.02") X(30000, "0.03")      \
    X(50000, "0.05") X(80000, "0.08") X(120000, "0.12") X(200000, "0.2")     \
    X(400000, "0.4") X(800000, "0.8")
#define OVERHEAD(X)                                                          \
    X(50, "5e-05") X(100, "0.0001") X(250, "0.00025") X(500, "0.0005")       \
    X(1000, "0.001") X(2500, "0.0025") X(5000, "0.005") X(10000, "0.01")     \
    X(50000, "0.05")
/* The GenAI conventions advise these. */
#define GENAI_SECONDS(X)                                                     \
    X(10000, "0.01") X(20000, "0.02") X(40000, "0.04") X(80000, "0.08")      \
    X(160000, "0.16") X(320000, "0.32") X(640000, "0.64")                    \
    X(1280000, "1.28") X(2560000, "2.56") X(5120000, "5.12")                 \
    X(10240000, "10.24") X(20480000, "20.48") X(40960000, "40.96")           \
    X(81920000, "81.92")
#define GENAI_TOKENS(X)                                                      \
    X(1, "1.0") X(4, "4.0") X(16, "16.0") X(64, "64.0") X(256, "256.0")      \
    X(1024, "1024.0") X(4096, "4096.0") X(16384, "16384.0")                  \
    X(65536, "65536.0") X(262144, "262144.0") X(1048576, "1048576.0")        \
    X(4194304, "4194304.0") X(16777216, "16777216.0")                        \
    X(67108864, "67108864.0")
/* clang-format on */

EDGES(edges_DURATION, DURATION)
EDGES(edges_FIRST_TOKEN, FIRST_TOKEN)
EDGES(edges_INTER_TOKEN, INTER_TOKEN)
EDGES(edges_OVERHEAD, OVERHEAD)
EDGES(edges_GENAI_SECONDS, GENAI_SECONDS)
EDGES(edges_GENAI_TOKENS, GENAI_TOKENS)

#undef DURATION
#undef FIRST_TOKEN
#undef INTER_TOKEN
#undef OVERHEAD
#undef GENAI_SECONDS
#undef GENAI_TOKENS

static const struct {
    struct str name, values;
    unsigned shift, bits;
} labels[LABELS] = {
#define LABEL(ID, name, shift, bits, values) \
    [LABEL_##ID] = {STR_INIT(name), STR_INIT(values), shift, bits},
#include "metrics.def"
#undef LABEL
};

#define LIST(...)    \
    {                \
        __VA_ARGS__, \
    }
#define NO_LABELS \
    {             \
        LABEL_END \
    }
#define edges_NONE_of NULL
#define edges_DURATION_of &edges_DURATION
#define edges_FIRST_TOKEN_of &edges_FIRST_TOKEN
#define edges_INTER_TOKEN_of &edges_INTER_TOKEN
#define edges_OVERHEAD_of &edges_OVERHEAD
#define edges_GENAI_SECONDS_of &edges_GENAI_SECONDS
#define edges_GENAI_TOKENS_of &edges_GENAI_TOKENS

/* Those that show how a single request fared, of the router as a whole. */
#define HAS_EXEMPLARS(family)                                         \
    ((family) == FAMILY_DURATION || (family) == FAMILY_FIRST_TOKEN || \
     (family) == FAMILY_INTER_TOKEN)

static const struct metrics_family families[FAMILIES] = {
#define FAMILY(ID, name, kind, unit, decimals, cap, edges, labels, help) \
    [FAMILY_##ID] = {                                                    \
        STR_INIT(name),     STR_INIT(help), METRICS_##kind,              \
        METRICS_##unit,     decimals,       cap,                         \
        edges_##edges##_of, labels,         HAS_EXEMPLARS(FAMILY_##ID)},
#include "metrics.def"
#undef FAMILY
};

const struct metrics_family *metrics_family(enum family family)
{
    return &families[family];
}

struct str metrics_label_name(enum label label)
{
    return labels[label].name;
}

struct str metrics_label_values(enum label label)
{
    return labels[label].values;
}

/* --- keys ---------------------------------------------------------------- */

static enum family family_of(uint64_t key)
{
    return (enum family)((key >> METRICS_FAMILY_SHIFT) - 1);
}

uint64_t metrics_pack(enum family family, const unsigned values[])
{
    const enum label *label = families[family].labels;
    uint64_t key = (uint64_t)(family + 1) << METRICS_FAMILY_SHIFT;

    for (; *label != LABEL_END; label++, values++)
        key |= (uint64_t)*values << labels[*label].shift;
    return key;
}

void metrics_unpack(uint64_t key, enum family *family,
                    unsigned values[METRICS_LABELS_MAX])
{
    const enum label *label;

    *family = family_of(key);
    label = families[*family].labels;
    for (; *label != LABEL_END; label++, values++)
        *values = (unsigned)(key >> labels[*label].shift &
                             ((UINT64_C(1) << labels[*label].bits) - 1));
}

/* Are the places in the family's key disjoint? */
static bool has_room(const struct metrics_family *family)
{
    uint64_t taken = UINT64_MAX << METRICS_FAMILY_SHIFT;

    for (const enum label *label = family->labels; *label != LABEL_END;
         label++) {
        uint64_t mask = ((UINT64_C(1) << labels[*label].bits) - 1)
                        << labels[*label].shift;

        if ((taken & mask) != 0)
            return false;
        taken |= mask;
    }
    return true;
}

/* --- a shard ------------------------------------------------------------- */

enum {
    INDEX_BITS = 14,
    INDEX_SIZE = 1 << INDEX_BITS,
    /* For the series of a family that bear no names: there are not more
     * combinations of what is left. */
    RESERVE = 64,
};

struct metrics_slot {
    uint64_t key; /* 0: free */
    unsigned at;  /* in counters or histograms */
};

static unsigned capacity(enum metrics_kind kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FAMILIES; i++)
        if (families[i].kind == kind && families[i].cap > 0)
            n += families[i].cap + RESERVE;
    return n;
}

void metrics_init(struct metrics *metrics, const struct metrics_names *names)
{
    unsigned counters = capacity(METRICS_COUNTER);
    unsigned histograms = capacity(METRICS_HISTOGRAM);

    check(counters + histograms < INDEX_SIZE / 2);
    for (unsigned i = 0; i < FAMILIES; i++)
        check(has_room(&families[i]));
    *metrics = (struct metrics){
        .names = names,
        .counters = must_calloc(counters, sizeof(*metrics->counters)),
        .histograms = must_calloc(histograms, sizeof(*metrics->histograms)),
        .index = must_calloc(INDEX_SIZE, sizeof(*metrics->index)),
    };
}

void metrics_fini(struct metrics *metrics)
{
    for (unsigned i = 0; i < metrics->histogram_count; i++)
        free(metrics->histograms[i].exemplars);
    free(metrics->counters);
    free(metrics->histograms);
    free(metrics->index);
}

static struct metrics_slot *seek(struct metrics *metrics, uint64_t key)
{
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = hash >> (64 - INDEX_BITS);

    while (metrics->index[at].key != key && metrics->index[at].key != 0)
        at = (at + 1) % INDEX_SIZE;
    return &metrics->index[at];
}

/* The value that stands for all those for which there is no room. */
static unsigned widen(enum label label, unsigned value)
{
    switch (label) {
    case LABEL_TARGET:
    case LABEL_WANTED:
    case LABEL_MODEL:
    case LABEL_ASKED:
    case LABEL_FROM:
    case LABEL_TO:
    case LABEL_CAUSE:
        return NAME_OTHER;
    case LABEL_REASON:
        return METRICS_REASON_OTHER;
    case LABEL_STATUS:
        return metrics_status_class(value);
    case LABEL_ERROR_TYPE:
        return value == OK ? OK : ERROR_COUNT;
    default:
        return value;
    }
}

static void open_series(struct metrics *metrics, struct metrics_slot *slot,
                        uint64_t key)
{
    const struct metrics_family *row = &families[family_of(key)];

    slot->key = key;
    if (row->kind == METRICS_COUNTER) {
        slot->at =
            atomic_load_explicit(&metrics->counter_count, memory_order_relaxed);
        metrics->counters[slot->at].key = key;
        atomic_store_explicit(&metrics->counter_count, slot->at + 1,
                              memory_order_release);
    } else {
        struct metrics_histogram *histogram;

        slot->at = atomic_load_explicit(&metrics->histogram_count,
                                        memory_order_relaxed);
        histogram = &metrics->histograms[slot->at];
        histogram->key = key;
        if (row->has_exemplars)
            histogram->exemplars = must_calloc(row->edges->count + 1,
                                               sizeof(*histogram->exemplars));
        atomic_store_explicit(&metrics->histogram_count, slot->at + 1,
                              memory_order_release);
    }
}

static unsigned new_series(struct metrics *metrics, struct metrics_slot *slot,
                           uint64_t key)
{
    unsigned values[METRICS_LABELS_MAX] = {0};
    enum family family = family_of(key);
    const struct metrics_family *row = &families[family];

    if (metrics->used[family] >= row->cap) {
        metrics_unpack(key, &family, values);
        for (unsigned i = 0; row->labels[i] != LABEL_END; i++)
            values[i] = widen(row->labels[i], values[i]);
        key = metrics_pack(family, values);
        slot = seek(metrics, key);
        if (slot->key == key)
            return slot->at;
        check(metrics->used[family] < row->cap + RESERVE);
    }
    metrics->used[family]++;
    open_series(metrics, slot, key);
    return slot->at;
}

static inline unsigned series(struct metrics *metrics, uint64_t key)
{
    struct metrics_slot *slot = seek(metrics, key);

    return slot->key != 0 ? slot->at : new_series(metrics, slot, key);
}

void metrics_open(struct metrics *metrics, uint64_t key)
{
    (void)series(metrics, key);
}

/* One writer: no locked instruction is needed, only a whole write. */
static void add_to(_Atomic uint64_t *count, uint64_t n)
{
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, before + n, memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, uint64_t key, uint64_t n)
{
    add_to(&metrics->counters[series(metrics, key)].value, n);
}

/* Every word is released after the odd sequence, so that who sees any of them
 * sees that, too. */
static void store_words(_Atomic uint64_t out[], unsigned count,
                        const char *bytes)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t word;

        memcpy(&word, bytes + (size_t)i * 8, 8);
        atomic_store_explicit(&out[i], word, memory_order_release);
    }
}

static void put_exemplar(struct metrics_exemplar *exemplar, uint64_t value,
                         struct str trace, struct str span, uint64_t at_us)
{
    unsigned before =
        atomic_load_explicit(&exemplar->sequence, memory_order_relaxed);

    if (trace.len != TRACE_ID_LEN || span.len != TRACE_SPAN_LEN)
        return;
    atomic_store_explicit(&exemplar->sequence, before + 1,
                          memory_order_relaxed);
    store_words(exemplar->trace, COUNT_OF(exemplar->trace), trace.ptr);
    store_words(exemplar->span, COUNT_OF(exemplar->span), span.ptr);
    atomic_store_explicit(&exemplar->value, value, memory_order_release);
    atomic_store_explicit(&exemplar->at_us, at_us, memory_order_release);
    atomic_store_explicit(&exemplar->sequence, before + 2,
                          memory_order_release);
}

void metrics_observe(struct metrics *metrics, uint64_t key, uint64_t value,
                     const struct record *record, uint64_t at_us)
{
    struct metrics_histogram *histogram =
        &metrics->histograms[series(metrics, key)];
    const struct metrics_edges *edges = families[family_of(key)].edges;
    unsigned bucket = 0;

    while (bucket < edges->count && value > edges->at[bucket])
        bucket++;
    add_to(&histogram->buckets[bucket], 1);
    add_to(&histogram->sum, value);
    if (histogram->exemplars != NULL && record != NULL && record->is_sampled)
        put_exemplar(&histogram->exemplars[bucket], value, record->trace_id,
                     metrics->has_spans ? record->span_id
                                        : record->parent_span_id,
                     at_us);
}

unsigned metrics_name(struct metrics *metrics, enum name_set set,
                      struct str name, enum tier tier)
{
    unsigned *last = &metrics->last[set][tier % TIER_ANY];

    if (!str_eq(metrics_names_get(metrics->names, set, *last), name))
        *last = metrics_names_find(metrics->names, set, name);
    return *last;
}
