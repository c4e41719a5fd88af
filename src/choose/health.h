/* How each replica is doing, shared by all workers through atomics.
 *
 * Probes run in the background; requests add what they see: a connection
 * that failed or a 5xx counts at once.  A request reads the state and never
 * waits for a probe. */
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include "catalog.h"

enum health_event {
    HEALTH_PROBE_OK,
    HEALTH_PROBE_FAILED,
    HEALTH_TRY_OK,
    HEALTH_TRY_FAILED,
    HEALTH_EVENTS,
};

/* Moves the replica's state; true when it changed, with the old one in *was.
 * `rest_ms` is how long one without a probe rests. */
bool health_note(struct replica *replica, enum health_event event,
                 uint64_t now_ms, uint64_t rest_ms, enum health_state *was);

/* Says in the log that the state changed, and why. */
void health_log(const struct replica *replica, enum health_state was,
                struct str why);

enum health_state health_state(const struct replica *replica);
struct str health_state_name(enum health_state state);

/* May a request be sent there? */
bool health_is_usable(const struct replica *replica, uint64_t now_ms);
/* Is any replica of the backend usable? */
bool health_has_usable(const struct backend *backend, uint64_t now_ms);

/* The usable replica with the fewest tries under way; among equals the turn
 * goes round.  NULL when none is usable.  With `anyhow` the unusable ones
 * count too, but come last.  `skip` (may be NULL) is left out when there is
 * another. */
struct replica *health_pick(const struct backend *backend, uint64_t now_ms,
                            unsigned turn, bool anyhow,
                            const struct replica *skip);

#endif
