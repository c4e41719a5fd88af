/* Deadlines by the thousand, for the price of one timer per loop.
 *
 * A loop's deadlines are looked at every 100 ms, so they are late by that much
 * at most; setting one or moving it costs nothing.  The timer runs only while
 * there is something to watch. */
#ifndef WEIR_DEADLINE_H
#define WEIR_DEADLINE_H

#include <stdint.h>
#include <uv.h>

#include "list.h"

enum { DEADLINE_TICK_MS = 100 };

struct deadlines {
    uv_timer_t timer;
    struct list all;
};

struct deadline {
    struct list link;
    uint64_t at_ms; /* of the loop's clock, uv_now() */
    /* Called once, from the loop; the deadline is no longer set then. */
    void (*on_due)(struct deadline *deadline);
};

void deadlines_open(struct deadlines *deadlines, uv_loop_t *loop);
/* The memory must stay until the loop has run once more. */
void deadlines_close(struct deadlines *deadlines);

void deadline_init(struct deadline *deadline,
                   void (*on_due)(struct deadline *deadline));
/* Due in `ms` from now; 0 means never.  Replaces what was set before. */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline,
                  uint64_t ms);
void deadline_clear(struct deadline *deadline);
static inline bool deadline_is_set(const struct deadline *deadline)
{
    return !list_empty(&deadline->link);
}

#endif
