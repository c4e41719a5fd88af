/* Wakes thousands of sleepers with one timer.
 *
 * A sleeper is woken at the first tick behind its time; the timer runs only
 * while somebody sleeps. */
#ifndef WEIR_SIM_PACER_H
#define WEIR_SIM_PACER_H

#include <stdint.h>
#include <uv.h>

#include "list.h"

enum { PACER_TICK_MS = 2 };

struct pacer {
    uv_timer_t timer;
    struct list sleepers;
};

struct sleeper {
    struct list link;
    uint64_t due_us; /* of clock_us() */
    void (*on_due)(struct sleeper *sleeper);
};

void pacer_open(struct pacer *pacer, uv_loop_t *loop);
/* The memory must stay until the loop has run once more. */
void pacer_close(struct pacer *pacer);

void sleeper_init(struct sleeper *sleeper,
                  void (*on_due)(struct sleeper *sleeper));
/* Calls on_due once, from the loop.  Replaces what was set before. */
void sleeper_wake_at(struct pacer *pacer, struct sleeper *sleeper,
                     uint64_t due_us);
void sleeper_clear(struct sleeper *sleeper);

#endif
