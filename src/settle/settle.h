/* The end of every exchange, whatever happened to it: its account is closed
 * here. */
#ifndef WEIR_SETTLE_H
#define WEIR_SETTLE_H

#include "record.h"

/* Sets the end and the outcome.  Once per exchange. */
void settle(struct record *record, uint64_t now_us);

#endif
