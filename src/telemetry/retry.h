/* When to try again: exponential back-off with jitter, or when the receiver
 * says. */
#ifndef WEIR_RETRY_H
#define WEIR_RETRY_H

#include "str.h"

enum { RETRY_ASKED_MAX_MS = 10 * 60 * 1000 }; /* of what a receiver asks for */

struct retry {
    uint64_t first_ms, last_ms; /* pauses: after one failure, and at most */
    uint64_t seed;              /* of the jitter */
    unsigned failures;          /* since it went well */
    bool is_asked;              /* the pause is the receiver's wish */
    bool is_new;                /* it counts from the next look on */
    uint64_t pause_ms, due_ms;
};

void retry_init(struct retry *retry, uint64_t first_ms, uint64_t last_ms);
/* `asked_ms` is what the receiver asked for; 0: nothing. */
void retry_failed(struct retry *retry, uint64_t asked_ms);
void retry_succeeded(struct retry *retry);
/* What a Retry-After header asks for, in seconds, as far as it is heeded; 0:
 * nothing. */
uint64_t retry_asked_ms(struct str retry_after);
/* Without a pause, unless the receiver asked for it. */
void retry_hurry(struct retry *retry);
/* The moment at which to try again, of the same clock as `now_ms`. */
uint64_t retry_due(struct retry *retry, uint64_t now_ms);

#endif
