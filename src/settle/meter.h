/* How long the servers of the local backends have been up: what is paid by the
 * hour.  The gateway looks about once a second; the ledger and /metrics read
 * what it saw, from their own threads.  A backend is known by its name, so
 * that a new configuration goes on where the old one was. */
#ifndef WEIR_METER_H
#define WEIR_METER_H

#include "catalog.h"

enum { METER_BACKENDS_MAX = 32, METER_NAME_MAX = 128 };

/* Written by the gateway's thread, read by others. */
struct meter_backend {
    char name[METER_NAME_MAX + 1];
    size_t name_len;
    _Atomic uint64_t up_us;     /* of all its servers together */
    _Atomic unsigned up;        /* servers that are up now */
    _Atomic int64_t hour_price; /* micro-dollars for one; -1: not known */
    _Atomic int64_t cost;       /* nano-dollars of all that had a price */
    /* the gateway's own: the time at the price of now, and what was paid
     * before it */
    uint64_t priced_us;
    int64_t cost_before;
};

struct meter {
    _Atomic unsigned count; /* of backends that are complete */
    struct meter_backend backends[METER_BACKENDS_MAX];
    uint64_t looked_us; /* 0: not yet */
};

/* The one that the process has. */
struct meter *meter_of_process(void);

/* Since the last look all was as it was seen then.  A server is up in every
 * state but cold. */
void meter_look(struct meter *meter, const struct catalog *catalog,
                uint64_t now_us);

static inline unsigned meter_count(const struct meter *meter)
{
    return atomic_load_explicit(&meter->count, memory_order_acquire);
}

#endif
