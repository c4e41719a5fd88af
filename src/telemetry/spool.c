#include "spool.h"

#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "telemetry/spool_disk.h"

/* A file, as far as it is known without opening it. */
struct entry {
    uint64_t seq;
    size_t charge; /* what it takes on disk */
    int64_t created_ms;
    unsigned items;
};

struct spool {
    struct spool_disk disk;
    size_t max_bytes;
    uint64_t max_age_ms;
    struct trouble *trouble;
    /* a ring would do; but what leaves, leaves at the front, and what comes,
     * comes at the end */
    struct entry *entries; /* by seq, entries[front] the oldest */
    size_t front, end, cap;
    size_t bytes;
    uint64_t next_seq;
    uint64_t held; /* 0: none */
};

static size_t charge_of(uint64_t body_len)
{
    return (size_t)(body_len + SPOOL_HEAD_SIZE + SPOOL_BLOCK - 1) /
           SPOOL_BLOCK * SPOOL_BLOCK;
}

/* --- what is known of the files ------------------------------------------ */

static void make_room(struct spool *spool)
{
    size_t count = spool->end - spool->front;

    if (spool->end < spool->cap)
        return;
    if (spool->front > count) {
        memcpy(spool->entries, spool->entries + spool->front,
               count * sizeof(*spool->entries));
        spool->front = 0;
        spool->end = count;
        return;
    }
    spool->cap = spool->cap == 0 ? 64 : spool->cap * 2;
    spool->entries =
        must_realloc(spool->entries, spool->cap * sizeof(*spool->entries));
}

static void count(struct spool *spool, const struct entry *entry)
{
    spool->bytes += entry->charge;
    figures_add(&spool->trouble->figures->spooled, entry->items);
    figures_add(&spool->trouble->figures->spooled_bytes, entry->charge);
}

static void append(struct spool *spool, const struct entry *entry)
{
    make_room(spool);
    spool->entries[spool->end++] = *entry;
    count(spool, entry);
}

/* Nearly always the last; the first, when what was being sent comes back. */
static void insert(struct spool *spool, const struct entry *entry)
{
    size_t at;

    append(spool, entry);
    for (at = spool->end - 1;
         at > spool->front && spool->entries[at - 1].seq > entry->seq; at--)
        spool->entries[at] = spool->entries[at - 1];
    spool->entries[at] = *entry;
    if (entry->seq >= spool->next_seq)
        spool->next_seq = entry->seq + 1;
}

/* The place of that number, or `end`. */
static size_t find(const struct spool *spool, uint64_t seq)
{
    size_t low = spool->front;
    size_t high = spool->end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (spool->entries[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spool->end && spool->entries[low].seq == seq ? low
                                                              : spool->end;
}

/* Forgets it; the file is the caller's to remove. */
static void forget(struct spool *spool, size_t at)
{
    struct entry entry = spool->entries[at];

    for (; at > spool->front; at--)
        spool->entries[at] = spool->entries[at - 1];
    spool->front++;
    spool->bytes -= entry.charge;
    if (spool->held == entry.seq)
        spool->held = 0;
    figures_sub(&spool->trouble->figures->spooled, entry.items);
    figures_sub(&spool->trouble->figures->spooled_bytes, entry.charge);
}

static void drop(struct spool *spool, size_t at, enum drop_cause cause)
{
    uint64_t seq = spool->entries[at].seq;

    trouble_count(spool->trouble, cause, spool->entries[at].items);
    spool_disk_remove(&spool->disk, seq);
    forget(spool, at);
}

/* --- writing ------------------------------------------------------------- */

/* The oldest go, but for the one that is held. */
static bool make_space(struct spool *spool, size_t charge)
{
    while (spool->bytes + charge > spool->max_bytes) {
        size_t at = spool->front;

        if (at < spool->end && spool->entries[at].seq == spool->held)
            at++;
        if (at == spool->end)
            return false;
        drop(spool, at, DROP_SPOOL_FULL);
    }
    return true;
}

bool spool_fits(const struct spool *spool, size_t len)
{
    return charge_of(len) <= spool->max_bytes;
}

bool spool_put(struct spool *spool, uint64_t seq, struct str body,
               unsigned items)
{
    struct spool_head head = {.items = items, .created_ms = clock_wall_ms()};
    struct entry entry = {seq, charge_of(body.len), head.created_ms, items};
    uint64_t held = spool->held;
    size_t at = find(spool, seq);

    if (at < spool->end) /* it is as old as it was */
        head.created_ms = entry.created_ms = spool->entries[at].created_ms;
    if (!make_space(spool, entry.charge) ||
        !spool_disk_write(&spool->disk, seq, &head, body))
        return false;
    at = find(spool, seq);
    if (at < spool->end)
        forget(spool, at);
    insert(spool, &entry);
    spool->held = held;
    return true;
}

/* --- reading ------------------------------------------------------------- */

static void lose(struct spool *spool, size_t at)
{
    trouble_count(spool->trouble, DROP_SPOOL_DISK, spool->entries[at].items);
    spool_disk_set_aside(&spool->disk, spool->entries[at].seq);
    forget(spool, at);
}

bool spool_first(struct spool *spool, struct spool_batch *out)
{
    (void)spool_age(spool);
    while (spool->front < spool->end) {
        const struct entry *entry = &spool->entries[spool->front];
        enum spool_find find;

        buf_init(&out->body, spool->max_bytes);
        out->seq = entry->seq;
        out->items = entry->items;
        find = spool_disk_read(&spool->disk, entry->seq, &out->body);
        if (find == SPOOL_WHOLE) {
            spool->held = entry->seq;
            return true;
        }
        buf_fini(&out->body);
        if (find == SPOOL_UNREADABLE)
            return false;
        lose(spool, spool->front);
    }
    return false;
}

/* --- what leaves --------------------------------------------------------- */

bool spool_age(struct spool *spool)
{
    /* what a file says of its age may be anything: nothing is taken from it */
    int64_t oldest_ms = clock_wall_ms() - (int64_t)spool->max_age_ms;

    for (size_t at = spool->front; at < spool->end;) {
        const struct entry *entry = &spool->entries[at];

        if (entry->created_ms >= oldest_ms)
            return false;
        if (entry->seq == spool->held)
            return true;
        drop(spool, at, DROP_SPOOL_AGE);
        at = spool->front;
    }
    return false;
}

void spool_hold(struct spool *spool, uint64_t seq)
{
    spool->held = seq;
}

void spool_remove(struct spool *spool, uint64_t seq)
{
    size_t at = find(spool, seq);

    if (at == spool->end)
        return;
    spool_disk_remove(&spool->disk, seq);
    forget(spool, at);
}

bool spool_is_empty(const struct spool *spool)
{
    return spool->front == spool->end;
}

uint64_t spool_next_seq(const struct spool *spool)
{
    return spool->next_seq;
}

/* --- opening ------------------------------------------------------------- */

/* A file of an earlier process.  Nobody knows how many items were in one that
 * is damaged; one at least. */
static void on_file(void *ctx, uint64_t seq)
{
    struct spool *spool = ctx;
    struct entry entry = {.seq = seq};
    struct spool_head head;

    switch (spool_disk_look(&spool->disk, seq, &head)) {
    case SPOOL_UNREADABLE:
        return; /* the next process finds it */
    case SPOOL_DAMAGED:
        trouble_count(spool->trouble, DROP_SPOOL_DISK, 1);
        spool_disk_set_aside(&spool->disk, seq);
        return;
    case SPOOL_WHOLE:
        break;
    }
    if (!spool_fits(spool, head.body_len)) {
        trouble_count(spool->trouble, DROP_SPOOL_FULL, head.items);
        spool_disk_remove(&spool->disk, seq);
        return;
    }
    entry.charge = charge_of(head.body_len);
    entry.items = head.items;
    entry.created_ms = head.created_ms;
    append(spool, &entry);
}

static int by_seq(const void *a, const void *b)
{
    uint64_t first = ((const struct entry *)a)->seq;
    uint64_t second = ((const struct entry *)b)->seq;

    return first < second ? -1 : first > second;
}

static bool take_up(struct spool *spool)
{
    if (!spool_disk_each(&spool->disk, on_file, spool))
        return false;
    if (spool->end > 0)
        qsort(spool->entries, spool->end, sizeof(*spool->entries), by_seq);
    spool->next_seq = spool->disk.last_seq + 1;
    (void)spool_age(spool);
    (void)make_space(spool, 0);
    return true;
}

struct spool *spool_open(struct str dir, struct str kind, size_t max_bytes,
                         uint64_t max_age_ms, struct trouble *trouble,
                         struct buf *why)
{
    struct spool *spool = must_calloc(1, sizeof(*spool));

    spool->max_bytes = max_bytes;
    spool->max_age_ms = max_age_ms;
    spool->trouble = trouble;
    if (!spool_disk_open(&spool->disk, dir, kind, why)) {
        free(spool);
        return NULL;
    }
    if (take_up(spool))
        return spool;
    buf_printf(why, "the spool %.*s cannot be read", STR_ARG(dir));
    spool_close(spool);
    return NULL;
}

void spool_close(struct spool *spool)
{
    spool_disk_close(&spool->disk);
    free(spool->entries);
    free(spool);
}
