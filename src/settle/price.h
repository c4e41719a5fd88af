/* What an exchange costs, in whole nano-dollars.
 *
 * Tokens are priced by the kind: a prompt's cached parts apart from the rest,
 * and what was written to a cache by how long it stays.  Rates are whole
 * pico-dollars per token, so that all sums are exact; a record is rounded once,
 * half up.  What is too much for a number stays at the largest one.
 *
 * A model of one's own may have the price of its server's hour instead.  A
 * request then pays for the time of the try that answered, shared with those
 * that were under way beside it.  What a server costs while it is idle stands
 * in no record. */
#ifndef WEIR_PRICE_H
#define WEIR_PRICE_H

#include "record.h"

/* Where an exchange ended up; all is borrowed. */
struct price_terms {
    const struct backend *backend;         /* NULL: it came to none */
    const struct claude_tariff *tariff;    /* of its model there; NULL: none */
    const struct claude_tariff *reference; /* what the cloud would cost */
};

/* Sets what the record says of money.  Its end must be set.  What no backend
 * answered costs nothing; what one answered and nobody can price stays
 * unpriced. */
void price_record(struct record *record, const struct price_terms *terms);

/* Nano-dollars for these tokens; false when there is no price. */
MUST_USE bool price_tokens(const struct claude_tariff *tariff,
                           const struct chat_usage *usage, int64_t *cost);
/* Nano-dollars for `us` microseconds of a server that costs `hour_price`
 * micro-dollars for an hour, shared by `in_flight` requests. */
int64_t price_time(int64_t hour_price, uint64_t us, unsigned in_flight);

#endif
