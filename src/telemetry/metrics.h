/* Counters and histograms: a shard for each worker, added up when somebody
 * looks (metrics_walk.h).
 *
 *   family + labels, as numbers ─▶ key ─▶ index ─▶ a series of the shard
 *
 * A shard's series are a table that only grows, up to a ceiling for each
 * family: what comes beyond it is counted with `other` in place of names, so
 * that sums stay exact and nothing that callers or backends send can make the
 * tables grow.  Only the shard's worker writes; it needs no locked
 * instruction. */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include <stdatomic.h>

#include "record.h"
#include "telemetry/metrics_names.h"

enum label {
    LABEL_END, /* of a family's labels */
#define LABEL(ID, name, shift, bits, values) LABEL_##ID,
#include "metrics.def"
#undef LABEL
    LABELS
};

enum {
#define LABEL(ID, name, shift, bits, values) METRICS_SHIFT_##ID = shift,
#include "metrics.def"
#undef LABEL
    METRICS_FAMILY_SHIFT = 56, /* above it a key is 1 + the family */
};

enum family {
#define FAMILY(ID, name, kind, unit, decimals, cap, edges, labels, help) \
    FAMILY_##ID,
#include "metrics.def"
#undef FAMILY
    FAMILIES
};

enum metrics_kind {
    METRICS_COUNTER,
    METRICS_GAUGE,
    METRICS_HISTOGRAM,
    METRICS_INFO,
};

enum metrics_unit {
    METRICS_NONE,
    METRICS_SECONDS,
    METRICS_BYTES,
    METRICS_DOLLARS,
};

enum { METRICS_LABELS_MAX = 5, METRICS_BUCKETS_MAX = 16 };

/* A series' key: METRICS_KEY(family) with METRICS_AT(label, number) of each of
 * its labels. */
#define METRICS_KEY(ID) ((uint64_t)(FAMILY_##ID + 1) << METRICS_FAMILY_SHIFT)
#define METRICS_AT(ID, number) ((uint64_t)(number) << METRICS_SHIFT_##ID)

/* The upper edges of a histogram's buckets, but for the last one's. */
struct metrics_edges {
    unsigned count;
    uint64_t at[METRICS_BUCKETS_MAX];         /* in the family's unit */
    const char *spelled[METRICS_BUCKETS_MAX]; /* as `le` says them */
};

struct metrics_family {
    struct str name;
    struct str help;
    enum metrics_kind kind;
    enum metrics_unit unit;
    unsigned decimals;
    unsigned cap;
    const struct metrics_edges *edges; /* NULL: no histogram */
    enum label labels[METRICS_LABELS_MAX + 1];
    bool has_exemplars;
};

/* The rows of metrics.def. */
const struct metrics_family *metrics_family(enum family family);
struct str metrics_label_name(enum label label);
/* What values it has, in Markdown. */
struct str metrics_label_values(enum label label);

/* The last sampled request of a bucket.  One writer; a reader that sees
 * `sequence` odd or changed looks again. */
struct metrics_exemplar {
    _Atomic unsigned sequence; /* 0: there is none */
    _Atomic uint64_t trace[TRACE_ID_LEN / 8], span[TRACE_SPAN_LEN / 8];
    _Atomic uint64_t value;
    _Atomic uint64_t at_us; /* of clock_us() */
};

struct metrics_counter {
    uint64_t key;
    _Atomic uint64_t value;
};

struct metrics_histogram {
    uint64_t key;
    struct metrics_exemplar *exemplars; /* of each bucket, or NULL */
    _Atomic uint64_t sum;
    _Atomic uint64_t buckets[METRICS_BUCKETS_MAX + 1]; /* not cumulative */
};

struct metrics_slot;

struct metrics {
    const struct metrics_names *names; /* of all shards */
    bool has_spans; /* of ours somewhere: exemplars name them */
    /* read up to the counts, which grow when the series are complete */
    struct metrics_counter *counters;
    struct metrics_histogram *histograms;
    _Atomic unsigned counter_count, histogram_count;
    /* the worker's own */
    struct metrics_slot *index;
    unsigned used[FAMILIES];
    unsigned last[NAME_SETS][TIER_ANY]; /* that was found: see metrics_name() */
};

void metrics_init(struct metrics *metrics, const struct metrics_names *names);
void metrics_fini(struct metrics *metrics);

/* Begins a series at 0. */
void metrics_open(struct metrics *metrics, uint64_t key);
void metrics_add(struct metrics *metrics, uint64_t key, uint64_t n);
/* `record`, of which it was seen at `at_us`, gives the exemplar's trace, if it
 * can be found: as our own span, or else as the caller's; NULL: no exemplar. */
void metrics_observe(struct metrics *metrics, uint64_t key, uint64_t value,
                     const struct record *record, uint64_t at_us);

/* The key of numbers that stand in the order of the family's labels, and back
 * again. */
uint64_t metrics_pack(enum family family, const unsigned values[]);
void metrics_unpack(uint64_t key, enum family *family,
                    unsigned values[METRICS_LABELS_MAX]);

/* What a label's number means; for LABEL_REASON the word is made in `room`. */
enum { METRICS_WORD_MAX = 160 };
struct str metrics_word(const struct metrics_names *names, enum label label,
                        unsigned value, char room[METRICS_WORD_MAX]);
/* metrics_names_find(), for names that come again and again with their tier. */
unsigned metrics_name(struct metrics *metrics, enum name_set set,
                      struct str name, enum tier tier);
/* The numbers of label values (metrics_words.c). */
unsigned metrics_status(int status);
unsigned metrics_status_class(unsigned number);
unsigned metrics_reason(const struct metrics_names *names, struct str reason);
unsigned metrics_cause(const struct metrics_names *names, struct str cause);
enum { METRICS_REASON_OTHER = 0 };
/* In the order of their words. */
enum {
    METRICS_INPUT,
    METRICS_OUTPUT,
    METRICS_CACHE_READ,
    METRICS_CACHE_WRITE,
    METRICS_REASONING
};
enum { METRICS_VLLM, METRICS_OPENAI, METRICS_ANTHROPIC };
enum { METRICS_BY_LOCAL, METRICS_BY_CLOUD, METRICS_BY_HELD, METRICS_BY_NOBODY };
enum { METRICS_BY_TOKEN, METRICS_BY_HOUR };
enum try_result { TRY_OK, TRY_FAILED, TRY_CANCELLED };

#endif
