/* One try at one server: a request goes out, an answer comes in, piece by
 * piece.  An attempt knows HTTP and deadlines, and nothing of chats.
 *
 * A waiting connection that the server closed while the request was on its
 * way is replaced by a fresh one, once: that is no failure of the server. */
#ifndef WEIR_ATTEMPT_H
#define WEIR_ATTEMPT_H

#include "pool.h"

enum { ATTEMPT_MAX_PIECES = 8 };

struct answer_head {
    int status;
    const struct head *head; /* borrowed until the callback returns */
};

struct attempt_events {
    void (*on_head)(void *ctx, const struct answer_head *head);
    void (*on_body)(void *ctx, struct str bytes);
    /* The answer is complete.  The attempt is gone. */
    void (*on_end)(void *ctx);
    /* It failed.  `detail` is a sentence for the log, borrowed, or NULL.  The
     * attempt is gone. */
    void (*on_fail)(void *ctx, enum error error, const char *detail);
};

struct attempt_order {
    struct replica *replica;
    enum tier allowed; /* see pool_open() */
    /* Head and body as they go out, borrowed until the attempt is gone. */
    struct str pieces[ATTEMPT_MAX_PIECES];
    size_t piece_count;
    /* 0 = for ever; connect_ms is for all addresses, without TLS */
    uint64_t connect_ms, tls_ms, first_byte_ms, idle_ms;
    /* Gives back the place at the replica, which the caller has taken.  NULL:
     * it has none, being a probe. */
    void (*release)(struct replica *replica);
};

struct attempt;

/* Begins.  Keeps the replica's catalog, and gives the place back when it is
 * gone, or here: NULL when the policy forbids the tier.  No callback comes
 * from within. */
struct attempt *attempt_open(struct pool *pool,
                             const struct attempt_order *order,
                             const struct attempt_events *events, void *ctx);
/* Gives up: the connection is closed at once, no callback comes any more. */
void attempt_close(struct attempt *attempt);
/* Nothing of the answer matters any more, but its end may be near: if it comes
 * at once the connection is kept for the next request.  No callback comes. */
void attempt_abandon(struct attempt *attempt);
/* Are the order's pieces still needed? */
bool attempt_is_sending(const struct attempt *attempt);
/* Stops reading from the server, so that it has to wait; and goes on. */
void attempt_pause(struct attempt *attempt);
void attempt_resume(struct attempt *attempt);

#endif
