#include "metrics_walk.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* A series of one shard. */
struct found {
    uint64_t key;
    uint64_t value;                            /* of a counter */
    const struct metrics_histogram *histogram; /* NULL: a counter */
};

static int by_key(const void *a, const void *b)
{
    uint64_t left = ((const struct found *)a)->key;
    uint64_t right = ((const struct found *)b)->key;

    return left < right ? -1 : left > right;
}

/* How far a shard has come.  It grows on while it is read: what comes after
 * this look is the next walk's. */
struct extent {
    unsigned counters, histograms;
};

static struct extent *measure_all(const struct metrics *const shards[],
                                  unsigned shard_count, size_t *series)
{
    struct extent *extents = must_calloc(shard_count, sizeof(*extents));

    *series = 0;
    for (unsigned i = 0; i < shard_count; i++) {
        extents[i].counters = atomic_load_explicit(&shards[i]->counter_count,
                                                   memory_order_acquire);
        extents[i].histograms = atomic_load_explicit(
            &shards[i]->histogram_count, memory_order_acquire);
        *series += extents[i].counters + extents[i].histograms;
    }
    return extents;
}

/* Of all shards, those of a key side by side. */
static struct found *find_all(const struct metrics *const shards[],
                              unsigned shard_count, size_t *count)
{
    struct extent *extents = measure_all(shards, shard_count, count);
    struct found *found = must_calloc(*count + 1, sizeof(*found));
    size_t n = 0;

    for (unsigned i = 0; i < shard_count; i++) {
        for (unsigned k = 0; k < extents[i].counters; k++)
            found[n++] = (struct found){
                shards[i]->counters[k].key,
                atomic_load_explicit(&shards[i]->counters[k].value,
                                     memory_order_relaxed),
                NULL};
        for (unsigned k = 0; k < extents[i].histograms; k++)
            found[n++] = (struct found){shards[i]->histograms[k].key, 0,
                                        &shards[i]->histograms[k]};
    }
    free(extents);
    qsort(found, n, sizeof(*found), by_key);
    return found;
}

/* --- histograms ---------------------------------------------------------- */

static void load_words(const _Atomic uint64_t from[], unsigned count,
                       char *bytes)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = atomic_load_explicit(&from[i], memory_order_acquire);

        memcpy(bytes + (size_t)i * 8, &word, 8);
    }
}

/* False: there is none, or it changes all the time. */
static bool read_exemplar(const struct metrics_exemplar *exemplar,
                          struct metrics_exemplar_view *out)
{
    enum { LOOKS = 8 };

    for (unsigned i = 0; i < LOOKS; i++) {
        unsigned before =
            atomic_load_explicit(&exemplar->sequence, memory_order_acquire);

        if (before == 0)
            return false;
        load_words(exemplar->trace, COUNT_OF(exemplar->trace), out->trace_id);
        load_words(exemplar->span, COUNT_OF(exemplar->span), out->span_id);
        out->value =
            atomic_load_explicit(&exemplar->value, memory_order_acquire);
        out->at_us =
            atomic_load_explicit(&exemplar->at_us, memory_order_acquire);
        if (before % 2 == 0 &&
            atomic_load_explicit(&exemplar->sequence, memory_order_relaxed) ==
                before)
            return true;
    }
    return false;
}

static void add_histogram(struct metrics_histogram_view *view,
                          const struct metrics_histogram *histogram,
                          unsigned bucket_count)
{
    struct metrics_exemplar_view seen = {.is_set = true};

    /* the count is that of the buckets, so that both always agree */
    for (unsigned i = 0; i < bucket_count; i++) {
        uint64_t n =
            atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);

        view->buckets[i] += n;
        view->count += n;
        if (histogram->exemplars != NULL &&
            read_exemplar(&histogram->exemplars[i], &seen) &&
            (!view->exemplars[i].is_set ||
             seen.at_us > view->exemplars[i].at_us))
            view->exemplars[i] = seen;
    }
    view->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}

/* --- the walk ------------------------------------------------------------ */

static size_t tell_series(const struct found *found, size_t count,
                          const struct metrics_names *names,
                          const struct metrics_visitor *visitor)
{
    enum family family;
    unsigned numbers[METRICS_LABELS_MAX];
    struct str values[METRICS_LABELS_MAX];
    char room[METRICS_WORD_MAX];
    const struct metrics_family *row;
    struct metrics_histogram_view view = {0};
    uint64_t sum = 0;
    size_t n = 0;

    metrics_unpack(found->key, &family, numbers);
    row = metrics_family(family);
    for (unsigned i = 0; row->labels[i] != LABEL_END; i++)
        values[i] = metrics_word(names, row->labels[i], numbers[i], room);
    for (; n < count && found[n].key == found->key; n++) {
        if (found[n].histogram != NULL)
            add_histogram(&view, found[n].histogram, row->edges->count + 1);
        sum += found[n].value;
    }
    if (found->histogram != NULL)
        visitor->on_histogram(visitor->ctx, row, values, &view);
    else
        visitor->on_sample(visitor->ctx, row, values, sum);
    return n;
}

void metrics_walk(const struct metrics *const shards[], unsigned shard_count,
                  const struct metrics_visitor *visitor)
{
    size_t count, at = 0;
    struct found *found = find_all(shards, shard_count, &count);

    for (unsigned i = 0; i < FAMILIES; i++) {
        const struct metrics_family *row = metrics_family((enum family)i);

        if (row->cap == 0)
            continue;
        visitor->on_family(visitor->ctx, row);
        while (at < count && found[at].key >> METRICS_FAMILY_SHIFT == i + 1)
            at +=
                tell_series(found + at, count - at, shards[0]->names, visitor);
    }
    free(found);
}

struct metrics_source *metrics_source_of_process(void)
{
    static struct metrics_source source;

    return &source;
}

void metrics_tell_family(const struct metrics_visitor *visitor,
                         enum family family)
{
    visitor->on_family(visitor->ctx, metrics_family(family));
}

void metrics_tell(const struct metrics_visitor *visitor, enum family family,
                  const struct str values[], uint64_t n)
{
    visitor->on_sample(visitor->ctx, metrics_family(family), values, n);
}

void metrics_tell_one(const struct metrics_visitor *visitor, enum family family,
                      uint64_t n)
{
    metrics_tell_family(visitor, family);
    metrics_tell(visitor, family, NULL, n);
}
