/* What every stream of Responses events must be, whatever is in it: numbered
 * without gaps; items one after the other, each opened and closed; deltas that
 * add up to the texts that the …done events tell; and a last event that tells
 * the same once more.  For unit tests and fuzzers alike. */
#ifndef WEIR_RESPONSES_CHECKER_H
#define WEIR_RESPONSES_CHECKER_H

#include "buf.h"

struct responses_checker {
    uint64_t sequence;
    struct buf id; /* the response's */
    enum {
        CHECKER_NOTHING,
        CHECKER_CREATED,
        CHECKER_IN_PROGRESS,
        CHECKER_ENDED,
    } phase;
    bool has_failed;
    bool has_item;
    bool has_part;
    bool has_done; /* the whole text was told */
    struct buf item_id, item_type;
    struct buf text;  /* the deltas of the open item */
    struct buf items; /* those that are done, one JSON text a line */
    int64_t index;
};

void responses_checker_init(struct responses_checker *c);
void responses_checker_fini(struct responses_checker *c);
/* One event: NULL when it is fine, or what is wrong with it. */
const char *responses_check(struct responses_checker *c, struct str name,
                            struct str data);
/* The stream is over. */
const char *responses_check_end(const struct responses_checker *c);

#endif
