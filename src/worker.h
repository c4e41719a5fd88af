/* One event loop on a thread of its own, with all that it owns: the callers
 * it was given, its connections to the backends, its counters.  Nothing on
 * the path of a request is shared with another worker but the catalog, and
 * the replicas' atomics in it. */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include <uv.h>

#include "accept/client.h"
#include "catalog.h"
#include "forward/pool.h"
#include "store.h"
#include "telemetry/clerk.h"
#include "telemetry/metrics_count.h"
#include "telemetry/metrics_walk.h"
#include "telemetry/sampler.h"
#include "wire.h"

/* What a worker asks of the process. */
struct worker_host {
    /* A replica's state has changed; from any worker's thread. */
    void (*on_health)(void *ctx);
    /* All that is measured, but for the backends: from all workers' shards. */
    void (*tell_metrics)(void *ctx, const struct metrics_visitor *visitor);
    /* Is the process on its way out? */
    bool (*is_draining)(void *ctx);
    /* worker_follow() is done; from the worker's thread. */
    void (*on_followed)(void *ctx);
    void *ctx;
    struct store *store; /* what all of them remember */
    struct clerk *clerk; /* takes the accounts; NULL: nobody does */
    const struct metrics_names *names; /* that may be label values */
    struct sampler sampler;
};

struct worker {
    uv_loop_t loop;
    uv_thread_t thread;
    struct wire_loop wire_loop;
    struct deadlines deadlines;
    struct door door;
    struct accept_handler handler;
    struct pool pool;
    struct catalog *catalog; /* one reference */
    const struct worker_host *host;
    unsigned index; /* counts the workers from 0 */
    _Atomic size_t *memory_used;
    struct metrics metrics;
    struct list exchanges; /* all that are under way */
    struct list parked;    /* those that wait for a backend */
    struct list drills;    /* those that it has begun */
    struct buf scratch;    /* what one read of a backend becomes */
    unsigned turn;         /* goes round among equal replicas */

    /* from other threads */
    uv_async_t wake;
    uv_mutex_t inbox_lock;
    uv_os_sock_t *inbox;
    unsigned inbox_count, inbox_cap;
    struct catalog *next; /* to follow, or NULL; under inbox_lock */
    _Atomic bool asked_to_drain, asked_to_close, asked_to_stop;
    bool has_closed, is_stopping;
};

/* Starts the thread.  The worker keeps a reference to the catalog. */
void worker_start(struct worker *worker, unsigned index,
                  struct catalog *catalog, _Atomic size_t *memory_used,
                  const struct worker_host *host);
/* The rest may be called from any thread. */
void worker_give(struct worker *worker, uv_os_sock_t fd);
/* Callers that it serves: the listener gives to the one with the fewest. */
unsigned worker_load(const struct worker *worker);
/* A replica's state has changed: those who wait for one look again. */
void worker_look(struct worker *worker);
/* New requests are served by another catalog; the worker keeps a reference.
 * Tells on_followed() when it is so. */
void worker_follow(struct worker *worker, struct catalog *catalog);
/* Every connection ends with its next answer. */
void worker_drain(struct worker *worker);
/* No more requests: idle connections are closed. */
void worker_close_idle(struct worker *worker);
/* Cuts what is left and ends the thread; worker_join() waits for it. */
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);

#endif
