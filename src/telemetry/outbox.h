/* Batches on their way to a receiver: in order, each delivered once.
 *
 *   put ─▶ [ memory ] ─▶ one at a time ─▶ the receiver
 *              │              │ cannot be reached, or asks to wait
 *              ▼              ▼
 *          [ spool: files, within bounds ] ─▶ later, the oldest first
 *
 * The outbox is one line of batches.  The first of them is being sent; while
 * that fails it is tried again with back-off and jitter, and what waits behind
 * it goes to disk when memory has its fill.  Without a spool the oldest go.
 *
 * A batch that the receiver took is gone from memory and disk at once; only a
 * crash between its answer and that moment can bring one twice. */
#ifndef WEIR_OUTBOX_H
#define WEIR_OUTBOX_H

#include "fetch.h"
#include "telemetry/figures.h"

enum outbox_outcome {
    OUTBOX_DELIVERED,
    OUTBOX_RETRY,     /* the same again, later */
    OUTBOX_REJECTED,  /* never again */
    OUTBOX_TOO_LARGE, /* the same, for its size */
};

/* What an answer means for the batch that it answers. */
struct outbox_verdict {
    enum outbox_outcome outcome;
    uint64_t retry_after_ms; /* 0: as the back-off says */
    unsigned rejected;       /* DELIVERED: items that were not taken */
    unsigned left;           /* RETRY: items that `rest` holds */
    struct str why;          /* for the log; borrowed until the next call */
};

/* How a batch of one kind is sent and its answer read. */
struct outbox_courier {
    /* Sets url, headers, body, tls, timeouts of the order.  `body` is the
     * batch as it was put; what this makes of it must stay until judge(). */
    void (*address)(void *ctx, struct str body, struct fetch_order *order);
    /* Reads the answer.  With RETRY it may put into `rest` (empty at first)
     * the batch that is to be sent instead of this one. */
    struct outbox_verdict (*judge)(void *ctx, struct str body,
                                   const struct fetch_answer *answer,
                                   struct buf *rest);
    void *ctx;
};

struct outbox_limits {
    size_t memory_bytes;                    /* of all batches in memory */
    struct str spool_dir;                   /* empty: no spool */
    size_t spool_bytes;                     /* of all files of this outbox */
    uint64_t spool_age_ms;                  /* older ones are dropped */
    uint64_t first_retry_ms, last_retry_ms; /* of the back-off */
};

struct outbox;

/* `kind` says what the batches are ("otlp-traces.pb"): a file of another kind
 * is not this outbox's.  Takes up what the spool holds.  NULL with a sentence
 * in `why` when the folder cannot be used. */
struct outbox *outbox_open(struct fetcher *fetcher, struct str kind,
                           const struct outbox_limits *limits,
                           const struct outbox_courier *courier,
                           struct figures *figures, struct buf *why);
/* Takes over the batch's bytes: `batch` is empty afterwards. */
void outbox_put(struct outbox *outbox, struct buf *batch, unsigned items);
/* Sends what is due; when to call again, as exporter_verbs.tick. */
uint64_t outbox_tick(struct outbox *outbox, uint64_t now_ms);
/* Hurries: no back-off but what the receiver asked for.  True when nothing is
 * left, or nothing that can leave now. */
bool outbox_flush(struct outbox *outbox, uint64_t now_ms);
/* Writes what is left to the spool, or counts it as lost. */
void outbox_close(struct outbox *outbox);

#endif
