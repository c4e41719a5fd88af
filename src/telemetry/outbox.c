#include "outbox.h"

#include <stdlib.h>

#include "check.h"
#include "list.h"
#include "telemetry/retry.h"
#include "telemetry/spool.h"
#include "telemetry/trouble.h"

enum {
    FIRST_RETRY_MS = 1000,
    LAST_RETRY_MS = 30000,
    MEMORY_BYTES = 16 << 20,
    SPOOL_BYTES = 256 << 20,
    SPOOL_AGE_MS = 24 * 60 * 60 * 1000,
    /* At the end of the process: how often an outbox without a spool tries
     * yet, and for how long one with a spool begins to send what is on disk.
     * What is cut off in the middle may arrive twice. */
    HURRIED_TRIES = 2,
    HURRIED_WAIT_MS = 5000,
    HURRIED_SPOOL_MS = 2000,
};

struct batch {
    struct list link; /* in outbox->memory, unless it is the first */
    uint64_t seq;     /* its place in the line, and its file's name */
    unsigned items;
    bool is_spooled; /* it has a file, and counts as that */
    struct buf body;
};

struct outbox {
    struct fetcher *fetcher;
    struct outbox_courier courier;
    struct outbox_limits limits;
    struct figures *figures;
    struct trouble trouble;
    struct spool *spool; /* NULL: none */

    /* the line: first, spool, memory */
    struct batch *first;
    struct list memory;
    size_t memory_bytes; /* of all that have no file */
    uint64_t next_seq;

    struct fetch *fetch; /* that carries the first */
    struct retry retry;
    bool is_down;    /* the last send has failed */
    uint64_t now_ms; /* at the last tick */

    bool is_hurried;
    uint64_t hurried_since_ms;
    unsigned hurried_failures;
    bool is_done; /* nothing is begun any more */
};

/* --- one batch ----------------------------------------------------------- */

static struct batch *batch_new(uint64_t seq, unsigned items)
{
    struct batch *batch = must_calloc(1, sizeof(*batch));

    batch->seq = seq;
    batch->items = items;
    list_init(&batch->link);
    return batch;
}

static void batch_free(struct batch *batch)
{
    list_remove(&batch->link);
    buf_fini(&batch->body);
    free(batch);
}

/* What is in memory and nowhere else. */
static void count_in(struct outbox *outbox, const struct batch *batch)
{
    outbox->memory_bytes += batch->body.len;
    figures_add(&outbox->figures->queued, batch->items);
    figures_add(&outbox->figures->queued_bytes, batch->body.len);
}

static void count_out(struct outbox *outbox, const struct batch *batch)
{
    outbox->memory_bytes -= batch->body.len;
    figures_sub(&outbox->figures->queued, batch->items);
    figures_sub(&outbox->figures->queued_bytes, batch->body.len);
}

/* It has left the line, for whatever reason. */
static void remove_batch(struct outbox *outbox, struct batch *batch)
{
    if (batch->is_spooled)
        spool_remove(outbox->spool, batch->seq);
    else
        count_out(outbox, batch);
    if (outbox->first == batch)
        outbox->first = NULL;
    batch_free(batch);
}

static void drop(struct outbox *outbox, struct batch *batch,
                 enum drop_cause cause)
{
    trouble_count(&outbox->trouble, cause, batch->items);
    remove_batch(outbox, batch);
}

/* --- from memory to disk ------------------------------------------------- */

/* From memory to its file; the first of the line stays in both.  False when
 * the disk does not take it. */
static bool spill_one(struct outbox *outbox, struct batch *batch)
{
    if (batch->is_spooled)
        return true;
    if (!spool_fits(outbox->spool, batch->body.len)) {
        drop(outbox, batch, DROP_SPOOL_FULL);
        return true;
    }
    if (!spool_put(outbox->spool, batch->seq, buf_str(&batch->body),
                   batch->items))
        return false;
    count_out(outbox, batch);
    batch->is_spooled = true;
    if (batch == outbox->first)
        spool_hold(outbox->spool, batch->seq);
    else
        batch_free(batch);
    return true;
}

/* All that waits, the oldest first, as long as the disk takes it. */
static void spill(struct outbox *outbox)
{
    if (outbox->spool == NULL)
        return;
    if (outbox->first != NULL && outbox->fetch == NULL &&
        !spill_one(outbox, outbox->first))
        return;
    list_each_safe (link, &outbox->memory) {
        if (!spill_one(outbox, list_entry(link, struct batch, link)))
            return;
    }
}

/* The oldest that may go, and is in memory alone. */
static struct batch *oldest(struct outbox *outbox)
{
    if (outbox->first != NULL && outbox->fetch == NULL &&
        !outbox->first->is_spooled)
        return outbox->first;
    /* the link of a batch that is gone is not in the list any more */
    return list_empty(&outbox->memory) /* NOLINT(clang-analyzer-unix.Malloc) */
               ? NULL
               : list_entry(outbox->memory.next, struct batch, link);
}

static void keep_bounds(struct outbox *outbox)
{
    struct batch *batch;

    if (outbox->spool != NULL &&
        (outbox->is_down || !spool_is_empty(outbox->spool) ||
         outbox->memory_bytes > outbox->limits.memory_bytes))
        spill(outbox);
    while (outbox->memory_bytes > outbox->limits.memory_bytes &&
           (batch = oldest(outbox)) != NULL)
        drop(outbox, batch,
             outbox->spool == NULL ? DROP_MEMORY_FULL : DROP_SPOOL_DISK);
}

/* Batches are built in buffers that grow by doubling: what waits shall take
 * what it counts for. */
static void fit_buf(struct buf *buf)
{
    if (buf->cap - buf->len > buf->len / 8) {
        buf->ptr = must_realloc(buf->ptr, buf->len);
        buf->cap = buf->len;
    }
}

static void set_limits(struct outbox *outbox,
                       const struct outbox_limits *limits)
{
    struct outbox_limits *mine = &outbox->limits;

    *mine = *limits;
    mine->spool_dir = STR(""); /* borrowed for the opening alone */
    if (mine->memory_bytes == 0)
        mine->memory_bytes = MEMORY_BYTES;
    if (mine->spool_bytes == 0)
        mine->spool_bytes = SPOOL_BYTES;
    if (mine->spool_age_ms == 0)
        mine->spool_age_ms = SPOOL_AGE_MS;
    if (mine->first_retry_ms == 0)
        mine->first_retry_ms = FIRST_RETRY_MS;
    if (mine->last_retry_ms == 0)
        mine->last_retry_ms = LAST_RETRY_MS;
}

struct outbox *outbox_open(struct fetcher *fetcher, struct str kind,
                           const struct outbox_limits *limits,
                           const struct outbox_courier *courier,
                           struct figures *figures, struct buf *why)
{
    struct outbox *outbox = must_calloc(1, sizeof(*outbox));

    outbox->fetcher = fetcher;
    outbox->courier = *courier;
    outbox->figures = figures;
    set_limits(outbox, limits);
    trouble_init(&outbox->trouble, figures);
    list_init(&outbox->memory);
    retry_init(&outbox->retry, outbox->limits.first_retry_ms,
               outbox->limits.last_retry_ms);
    outbox->next_seq = 1;
    if (limits->spool_dir.len == 0)
        return outbox;
    outbox->spool =
        spool_open(limits->spool_dir, kind, outbox->limits.spool_bytes,
                   outbox->limits.spool_age_ms, &outbox->trouble, why);
    if (outbox->spool == NULL) {
        free(outbox);
        return NULL;
    }
    outbox->next_seq = spool_next_seq(outbox->spool);
    return outbox;
}

void outbox_put(struct outbox *outbox, struct buf *batch, unsigned items)
{
    struct batch *fresh;
    size_t max = batch->max;

    if (batch->len == 0 || buf_failed(batch)) {
        trouble_count(&outbox->trouble, DROP_TOO_LARGE, items);
        buf_clear(batch);
        return;
    }
    if (batch->len > outbox->limits.memory_bytes && outbox->spool == NULL) {
        trouble_count(&outbox->trouble, DROP_MEMORY_FULL, items);
        buf_fini(batch);
        buf_init(batch, max);
        return;
    }
    fresh = batch_new(outbox->next_seq++, items);
    fresh->body = *batch;
    buf_init(batch, max);
    fit_buf(&fresh->body);
    list_push_back(&outbox->memory, &fresh->link);
    count_in(outbox, fresh);
    keep_bounds(outbox);
}

/* --- the answer ---------------------------------------------------------- */

/* The receiver answers: it takes batches, or at least knows what it wants. */
static void be_up(struct outbox *outbox)
{
    trouble_up(&outbox->trouble, outbox->retry.failures);
    outbox->is_down = false;
    retry_succeeded(&outbox->retry);
}

static void be_down(struct outbox *outbox, const struct outbox_verdict *verdict)
{
    trouble_down(&outbox->trouble, verdict->why,
                 outbox->spool != NULL ? STR("it waits in the spool")
                                       : STR("it waits in memory"),
                 outbox->now_ms);
    outbox->is_down = true;
    outbox->hurried_failures += outbox->is_hurried;
    retry_failed(&outbox->retry, verdict->retry_after_ms);
}

/* Some of the items were settled: the rest stands in their place. */
static void replace_first(struct outbox *outbox, struct buf *rest,
                          const struct outbox_verdict *verdict)
{
    struct batch *batch = outbox->first;
    unsigned settled =
        batch->items > verdict->left ? batch->items - verdict->left : 0;
    unsigned rejected =
        verdict->rejected < settled ? verdict->rejected : settled;

    figures_add(&outbox->figures->delivered, settled - rejected);
    trouble_count(&outbox->trouble, DROP_REJECTED, rejected);
    if (!batch->is_spooled)
        count_out(outbox, batch);
    batch->items -= settled;
    buf_fini(&batch->body);
    batch->body = *rest;
    buf_init(rest, rest->max);
    /* the old file must not outlive what was delivered of it */
    if (batch->is_spooled && spool_put(outbox->spool, batch->seq,
                                       buf_str(&batch->body), batch->items))
        return;
    if (batch->is_spooled)
        spool_remove(outbox->spool, batch->seq);
    batch->is_spooled = false;
    count_in(outbox, batch);
}

static void delivered(struct outbox *outbox,
                      const struct outbox_verdict *verdict)
{
    unsigned items = outbox->first->items;
    unsigned rejected = verdict->rejected < items ? verdict->rejected : items;

    figures_add(&outbox->figures->delivered, items - rejected);
    trouble_count(&outbox->trouble, DROP_REJECTED, rejected);
    remove_batch(outbox, outbox->first);
    be_up(outbox);
}

static void on_answer(void *ctx, const struct fetch_answer *answer)
{
    struct outbox *outbox = ctx;
    struct str body = buf_str(&outbox->first->body);
    struct outbox_verdict verdict;
    struct buf rest;

    outbox->fetch = NULL;
    buf_init(&rest, 2 * body.len);
    verdict = outbox->courier.judge(outbox->courier.ctx, body, answer, &rest);
    /* not before it is known how it went: what went well never goes back */
    figures_add(&outbox->figures->sends, 1);
    if (verdict.outcome != OUTBOX_DELIVERED)
        figures_add(&outbox->figures->failed_sends, 1);
    switch (verdict.outcome) {
    case OUTBOX_DELIVERED:
        /* all of it, a part of it, or all of it with a warning */
        if (verdict.rejected > 0 || verdict.why.len > 0)
            trouble_refused(&outbox->trouble, verdict.why, outbox->now_ms);
        delivered(outbox, &verdict);
        break;
    case OUTBOX_RETRY:
        if (rest.len > 0 && !buf_failed(&rest))
            replace_first(outbox, &rest, &verdict);
        be_down(outbox, &verdict);
        break;
    case OUTBOX_REJECTED:
    case OUTBOX_TOO_LARGE:
        trouble_refused(&outbox->trouble, verdict.why, outbox->now_ms);
        drop(outbox, outbox->first,
             verdict.outcome == OUTBOX_REJECTED ? DROP_REJECTED
                                                : DROP_TOO_LARGE);
        be_up(outbox);
        break;
    }
    buf_fini(&rest);
    keep_bounds(outbox);
}

/* --- the line moves ------------------------------------------------------ */

/* From the spool first: what is there is older. */
static bool take_first(struct outbox *outbox)
{
    struct spool_batch found;

    if (outbox->first != NULL)
        return true;
    if (outbox->spool != NULL && spool_first(outbox->spool, &found)) {
        outbox->first = batch_new(found.seq, found.items);
        outbox->first->body = found.body;
        outbox->first->is_spooled = true;
        return true;
    }
    if (list_empty(&outbox->memory) ||
        (outbox->spool != NULL && !spool_is_empty(outbox->spool)))
        return false;
    outbox->first = list_entry(outbox->memory.next, struct batch, link);
    list_remove(&outbox->first->link);
    return true;
}

static void send_first(struct outbox *outbox)
{
    struct str body = buf_str(&outbox->first->body);
    struct fetch_order order = {0};

    outbox->courier.address(outbox->courier.ctx, body, &order);
    outbox->fetch = fetch_begin(outbox->fetcher, &order, on_answer, outbox);
}

/* What waits for too long goes, the first of the line too. */
static void keep_young(struct outbox *outbox)
{
    if (outbox->spool != NULL && spool_age(outbox->spool) &&
        outbox->first != NULL && outbox->first->is_spooled)
        drop(outbox, outbox->first, DROP_SPOOL_AGE);
}

uint64_t outbox_tick(struct outbox *outbox, uint64_t now_ms)
{
    uint64_t due_ms;

    outbox->now_ms = now_ms;
    trouble_tell(&outbox->trouble, now_ms);
    if (outbox->fetch != NULL || outbox->is_done)
        return UINT64_MAX;
    keep_young(outbox);
    due_ms = retry_due(&outbox->retry, now_ms);
    if (now_ms < due_ms)
        return due_ms;
    if (take_first(outbox))
        send_first(outbox);
    return UINT64_MAX;
}

/* --- the end ------------------------------------------------------------- */

static bool is_idle(const struct outbox *outbox)
{
    return outbox->first == NULL && list_empty(&outbox->memory) &&
           (outbox->spool == NULL || spool_is_empty(outbox->spool));
}

/* The receiver wants nothing before that, and says so. */
static bool is_asked_to_wait(struct outbox *outbox, uint64_t now_ms,
                             uint64_t until_ms)
{
    return outbox->retry.is_asked &&
           retry_due(&outbox->retry, now_ms) > until_ms;
}

static void begin_to_hurry(struct outbox *outbox, uint64_t now_ms)
{
    if (outbox->is_hurried)
        return;
    outbox->is_hurried = true;
    outbox->hurried_since_ms = now_ms;
    retry_hurry(&outbox->retry);
}

bool outbox_flush(struct outbox *outbox, uint64_t now_ms)
{
    uint64_t until_ms;

    begin_to_hurry(outbox, now_ms);
    if (outbox->fetch != NULL)
        return false;
    if (outbox->is_done || is_idle(outbox))
        return true;
    until_ms = outbox->hurried_since_ms;
    if (outbox->spool == NULL)
        outbox->is_done =
            outbox->hurried_failures >= HURRIED_TRIES ||
            is_asked_to_wait(outbox, now_ms, until_ms + HURRIED_WAIT_MS);
    else
        outbox->is_done = outbox->hurried_failures > 0 ||
                          now_ms >= until_ms + HURRIED_SPOOL_MS ||
                          is_asked_to_wait(outbox, now_ms, now_ms);
    return outbox->is_done;
}

void outbox_close(struct outbox *outbox)
{
    struct batch *batch;

    if (outbox->fetch != NULL)
        fetch_cancel(outbox->fetch);
    outbox->fetch = NULL;
    spill(outbox);
    while ((batch = oldest(outbox)) != NULL)
        drop(outbox, batch,
             outbox->spool == NULL ? DROP_SHUTDOWN : DROP_SPOOL_DISK);
    trouble_tell(&outbox->trouble, UINT64_MAX);
    if (outbox->first != NULL)
        batch_free(outbox->first);
    if (outbox->spool != NULL)
        spool_close(outbox->spool);
    free(outbox);
}
