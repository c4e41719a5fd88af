/* What goes wrong with an exporter: counted at once, said now and then, so
 * that an outage does not fill the log. */
#ifndef WEIR_TROUBLE_H
#define WEIR_TROUBLE_H

#include "figures.h"

enum { TROUBLE_PAUSE_MS = 10000 }; /* between two lines of a kind */

struct trouble {
    struct figures *figures;
    uint64_t untold[DROP_CAUSES];
    uint64_t next_drop_ms, next_fail_ms;
    bool is_down; /* and it was said */
};

void trouble_init(struct trouble *trouble, struct figures *figures);

/* What will never be delivered. */
void trouble_count(struct trouble *trouble, enum drop_cause cause,
                   uint64_t items);
/* One line for each cause that has something new, unless it is too early;
 * UINT64_MAX: all that is left. */
void trouble_tell(struct trouble *trouble, uint64_t now_ms);

/* The receiver does not take anything; `meanwhile` says what becomes of it. */
void trouble_down(struct trouble *trouble, struct str why, struct str meanwhile,
                  uint64_t now_ms);
/* It does again, after so many tries. */
void trouble_up(struct trouble *trouble, unsigned failures);
/* It does not want what it was sent. */
void trouble_refused(struct trouble *trouble, struct str why, uint64_t now_ms);

#endif
