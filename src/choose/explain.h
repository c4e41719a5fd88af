/* A decision in words, for POST /v1/route. */
#ifndef WEIR_EXPLAIN_H
#define WEIR_EXPLAIN_H

#include "choose/choose.h"

/* The body of the answer.  `now_ms` is for the replicas that rest; words are
 * made in the arena. */
void explain(struct arena *arena, const struct rule_facts *facts,
             const struct choice *choice, uint64_t now_ms, struct buf *out);

#endif
