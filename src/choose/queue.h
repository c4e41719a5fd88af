/* Places at a backend, and the queue for them.
 *
 * A replica has a bounded number of places: tries under way, by all workers
 * together.  When the usable replicas are full a request waits in the
 * backend's queue, first come first served whatever worker it belongs to: a
 * place that becomes free goes to the front of the queue, and nobody passes
 * by while somebody waits.
 *
 * While nobody waits no lock is taken. */
#ifndef WEIR_QUEUE_H
#define WEIR_QUEUE_H

#include "health.h"
#include "list.h"

/* Someone who waits.  Stands in its owner's struct, and is zero before its
 * first use. */
struct waiter {
    struct list link;                /* the queue's lock guards it */
    _Atomic(struct replica *) place; /* that it was given */
    bool anyhow;                     /* see struct health_wish */
    bool is_waiting;                 /* the queue's lock guards it */
    void (*on_place)(struct waiter *waiter);
};

/* A place at one of the backend's replicas (see health_pick()), NULL when
 * there is none: *is_full then tells whether waiting could help. */
struct replica *queue_take(const struct backend *backend,
                           const struct health_wish *wish, bool *is_full);
/* Gives the place back: to the one who has waited longest. */
void queue_release(struct replica *replica);

/* Stands in line; `anyhow` as in the wish.  `on_place` may be called at once
 * and from any thread, with the queue locked: it may only wake its owner.
 * False when too many wait already. */
bool queue_join(const struct backend *backend, struct waiter *waiter,
                bool anyhow, void (*on_place)(struct waiter *waiter));
/* The place that it was given, which is the caller's from now on; NULL: it
 * waits on. */
struct replica *queue_given(struct waiter *waiter);
/* Gives up, and gives back what it was given meanwhile.  May be repeated. */
void queue_leave(const struct backend *backend, struct waiter *waiter);

/* A replica may have become usable: hands out what there is. */
void queue_serve(const struct backend *backend);

/* How many wait. */
unsigned queue_length(const struct backend *backend);

#endif
