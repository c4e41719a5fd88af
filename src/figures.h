/* What becomes of what is exported: counted for each exporter and for the
 * ledger, written by the clerk's thread, read by whoever asks for /metrics. */
#ifndef WEIR_FIGURES_H
#define WEIR_FIGURES_H

#include <stdatomic.h>

#include "str.h"

/* Why something was not delivered and never will be. */
enum drop_cause {
    DROP_QUEUE_FULL,  /* the clerk could not keep up */
    DROP_MEMORY_FULL, /* waits for delivery, and there is no spool */
    DROP_SPOOL_FULL,  /* the oldest had to go */
    DROP_SPOOL_AGE,   /* it waited for too long */
    DROP_SPOOL_DISK,  /* the disk did not take it, or gave back garbage */
    DROP_REJECTED,    /* the receiver does not want it */
    DROP_TOO_LARGE,   /* more than the receiver takes at once */
    DROP_SHUTDOWN,    /* the process ended first, and there is no spool */
    DROP_CAUSES,
};

/* As the `cause` label says it: queue_full, … */
struct str drop_cause_name(enum drop_cause cause);

/* Counts things of one kind: spans, generations, rows. */
struct figures {
    struct str name;  /* the `exporter` label: otlp, langfuse, ledger */
    struct str items; /* what is counted: spans, generations, rows */
    _Atomic uint64_t taken;
    _Atomic uint64_t delivered;
    _Atomic uint64_t dropped[DROP_CAUSES];
    _Atomic uint64_t sends, failed_sends;    /* batches, each attempt */
    _Atomic uint64_t queued, queued_bytes;   /* in memory, now */
    _Atomic uint64_t spooled, spooled_bytes; /* on disk, now */
};

static inline void figures_add(_Atomic uint64_t *figure, uint64_t n)
{
    atomic_fetch_add_explicit(figure, n, memory_order_relaxed);
}

static inline void figures_sub(_Atomic uint64_t *figure, uint64_t n)
{
    atomic_fetch_sub_explicit(figure, n, memory_order_relaxed);
}

static inline void figures_set(_Atomic uint64_t *figure, uint64_t n)
{
    atomic_store_explicit(figure, n, memory_order_relaxed);
}

static inline uint64_t figures_get(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

#endif
