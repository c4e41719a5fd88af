/* Batches on their way to a receiver: in order, each delivered once.
 *
 *   put ─▶ [ memory ] ─▶ one at a time ─▶ the receiver
 *              │              │ cannot be reached, or asks to wait
 *              ▼              ▼
 *          [ spool: files, within bounds ] ─▶ later, the oldest first
 *
 * The outbox is one line of batches.  The first of them is being sent; while
 * that fails it is tried again with back-off and jitter, and with a spool all
 * that waits goes to disk at once, and what comes goes behind it until the
 * disk is empty again: so a crash in the middle of an outage loses nothing.
 * Without a spool, or if the disk does not take it, the line stays in memory,
 * and when that has its fill the oldest go.
 *
 * A batch that the receiver took is gone from memory and disk at once; only a
 * crash, or a transfer that breaks off, between the receiver's taking it and
 * its answer can bring one twice.
 *
 * All is done on one thread, the fetcher's.  Of the figures an outbox writes
 * all but `taken`, by adding: outboxes may share them. */
#ifndef WEIR_OUTBOX_H
#define WEIR_OUTBOX_H

#include "fetch.h"
#include "figures.h"

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
    unsigned rejected;       /* DELIVERED, RETRY with a `rest`: items that
                                were not taken and never will be */
    unsigned left;           /* RETRY: items that `rest` holds */
    struct str why;          /* for the log; borrowed until the next call */
};

/* How a batch of one kind is sent and its answer read. */
struct outbox_courier {
    /* Sets url, headers, body, tls, timeouts of the order, which is zero
     * before.  `body` is the batch as it was put; what this makes of it must
     * stay until judge(), or until the next address() if a transfer is given
     * up, or until the outbox is closed. */
    void (*address)(void *ctx, struct str body, struct fetch_order *order);
    /* Reads the answer, of whatever kind.  With RETRY it may put into `rest`
     * (empty at first) the batch that is to be sent instead of this one: the
     * items that are neither in it nor `rejected` count as delivered. */
    struct outbox_verdict (*judge)(void *ctx, struct str body,
                                   const struct fetch_answer *answer,
                                   struct buf *rest);
    void *ctx;
};

/* Zeros are taken as the defaults: of memory and spool those of the
 * configuration's options, of the back-off one second to thirty. */
struct outbox_limits {
    size_t memory_bytes;                    /* of all batches in memory */
    struct str spool_dir;                   /* empty: no spool */
    size_t spool_bytes;                     /* of all files of this outbox */
    uint64_t spool_age_ms;                  /* older ones are dropped */
    uint64_t first_retry_ms, last_retry_ms; /* of the back-off */
};

struct outbox;

/* `kind` says what the batches are ("otlp-traces.pb"; at most 31 of a-z, 0-9,
 * '-' and '.'): a file of another kind is not this outbox's.  Takes up what
 * the spool holds.  The courier is copied, all else borrowed.  NULL with a
 * sentence in `why` when the folder cannot be used. */
struct outbox *outbox_open(struct fetcher *fetcher, struct str kind,
                           const struct outbox_limits *limits,
                           const struct outbox_courier *courier,
                           struct figures *figures, struct buf *why);
/* Takes over the batch's bytes: `batch` is empty afterwards, with the same
 * ceiling. */
void outbox_put(struct outbox *outbox, struct buf *batch, unsigned items);
/* Sends what is due; when to call again, as exporter_verbs.tick. */
uint64_t outbox_tick(struct outbox *outbox, uint64_t now_ms);
/* Hurries: no back-off but what the receiver asked for.  True when nothing is
 * left, or nothing that can leave now.  To be called beside outbox_tick(). */
bool outbox_flush(struct outbox *outbox, uint64_t now_ms);
/* Writes what is left to the spool, or counts it as lost. */
void outbox_close(struct outbox *outbox);

#endif
