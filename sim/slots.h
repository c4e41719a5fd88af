/* How many requests are worked on at the same time, and who waits: first
 * come, first served, up to a bound.  It knows places only; the owner starts
 * what it is given. */
#ifndef WEIR_SIM_SLOTS_H
#define WEIR_SIM_SLOTS_H

#include "list.h"

enum slots_place {
    SLOTS_NONE,
    SLOTS_WAITING,
    SLOTS_RUNNING,
};

struct slots {
    unsigned most_running;
    unsigned most_waiting;
    unsigned running;
    unsigned waiting;
    struct list queue; /* the waiting ones, oldest first */
};

/* One request's place. */
struct slots_seat {
    struct list link; /* in slots->queue */
    enum slots_place place;
};

void slots_init(struct slots *slots, unsigned most_running,
                unsigned most_waiting);
void slots_seat_init(struct slots_seat *seat);
/* Gives a place; SLOTS_NONE when all are taken, in the queue too. */
enum slots_place slots_enter(struct slots *slots, struct slots_seat *seat);
/* Gives the place back, whichever it is.  May be repeated. */
void slots_leave(struct slots *slots, struct slots_seat *seat);
/* Moves the oldest waiting one to a free slot: its seat, or NULL. */
struct slots_seat *slots_next(struct slots *slots);

#endif
