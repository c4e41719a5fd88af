/* What a reader of streams tells, held against what chat.h promises of it. */
#ifndef WEIR_FUZZ_ORDER_H
#define WEIR_FUZZ_ORDER_H

#include "dialect/format.h"

struct order {
    struct buf trace; /* all that was told, to be compared */
    bool has_started, has_ended;
    bool in_call; /* the last event was a call's */
    bool is_custom;
    bool in_thinking;     /* the last event was THINKING */
    bool closes_thinking; /* promised by this reader: BLOCK comes before all
                             else */
    unsigned calls;
};

void order_init(struct order *order);
void order_fini(struct order *order);
/* For a chat_listener; `ctx` is the struct order. */
void order_take(void *ctx, const struct chat_event *event);

/* Reads `bytes` as a stream of `from`, in pieces that follow from `seed` (0:
 * in one), into *order.  True when it ended well. */
bool order_read(struct order *order, const struct format *from,
                struct str bytes, unsigned seed);
/* The same for several seeds: all tell the same. */
void order_check(const struct format *from, bool closes_thinking,
                 struct str bytes, unsigned seed);

#endif
