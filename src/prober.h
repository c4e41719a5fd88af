/* Asks, in the background, how the backends are doing. */
#ifndef WEIR_PROBER_H
#define WEIR_PROBER_H

#include "forward/pool.h"

struct probe;

struct prober {
    uv_loop_t *loop;
    struct catalog *catalog;
    struct deadlines deadlines;
    struct pool pool;
    struct probe *probes;
    unsigned count;
    /* A replica's state has changed. */
    void (*on_change)(void *ctx);
    void *ctx;
    bool is_closing;
};

/* Begins at once; the catalog is borrowed until prober_fini(). */
void prober_open(struct prober *prober, uv_loop_t *loop,
                 struct catalog *catalog, void (*on_change)(void *ctx),
                 void *ctx);
/* Asks the replicas of another catalog from now on, and all of them at once.
 * It is borrowed as the first one was, which is needed no more. */
void prober_follow(struct prober *prober, struct catalog *catalog);
/* Somebody has seen a failure: cold replicas are asked now, those that rest
 * soon. */
void prober_hurry(struct prober *prober);
/* Stops.  The loop must run until all is closed, then prober_fini(). */
void prober_close(struct prober *prober);
void prober_fini(struct prober *prober);

#endif
