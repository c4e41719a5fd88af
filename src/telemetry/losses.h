/* What will never be delivered, and why: counted at once, said now and then,
 * so that an outage does not fill the log. */
#ifndef WEIR_LOSSES_H
#define WEIR_LOSSES_H

#include "telemetry/figures.h"

enum { LOSSES_SAY_MS = 10000 }; /* between two lines */

struct losses {
    struct figures *figures;
    uint64_t unsaid[DROP_CAUSES];
    uint64_t next_say_ms;
};

void losses_init(struct losses *losses, struct figures *figures);
void losses_count(struct losses *losses, enum drop_cause cause, uint64_t items);
/* One line for each cause that has something new, unless it is too early;
 * UINT64_MAX says all that is left. */
void losses_say(struct losses *losses, uint64_t now_ms);

#endif
