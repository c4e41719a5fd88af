/* How each replica is doing, shared by all workers through atomics.
 *
 *   unknown ─▶ warm ─▶ cold ─▶ warming ─▶ ramping ─▶ warm
 *                └──▶ resting ─── trial ────┘
 *
 * Probes run in the background; requests add what they see: a connection
 * that failed or a bad answer counts at once.  A request reads the state and
 * never waits for a probe. */
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include "catalog.h"

enum health_event {
    HEALTH_PROBE_OK,
    HEALTH_PROBE_FAILED,
    HEALTH_TRY_OK,
    HEALTH_TRY_GONE,   /* no connection, or 503: it is not there */
    HEALTH_TRY_FAILED, /* it is there, and answered badly or too late */
    HEALTH_TRY_BUSY,   /* it asks for a rest: 429, 529 */
    HEALTH_EVENTS,
};

/* Moves the replica's state; true when it changed, with the old one in *was.
 * `busy_ms` is the rest that HEALTH_TRY_BUSY asks for, 0 = the configured
 * one. */
bool health_note(struct replica *replica, enum health_event event,
                 uint64_t now_ms, const struct settings *settings,
                 uint64_t busy_ms, enum health_state *was);

/* Says in the log that the state changed, and why. */
void health_log(const struct replica *replica, enum health_state was,
                struct str why);

enum health_state health_state(const struct replica *replica);
struct str health_state_name(enum health_state state);

/* RAMPING: the thousandths of the requests that it gets now; else 1000 or
 * 0. */
unsigned health_share(const struct replica *replica, uint64_t now_ms,
                      const struct settings *settings);

/* Does a drill make it look failed? */
bool health_is_drilled(const struct replica *replica);
/* A request has met the drill. */
void health_meet_drill(const struct backend *backend);

/* Would a request be sent there now? */
bool health_is_usable(const struct replica *replica, uint64_t now_ms);
/* Is any replica of the backend usable? */
bool health_has_usable(const struct backend *backend, uint64_t now_ms);
/* Is any replica there at all, if only as the last resort? */
bool health_has_any(const struct backend *backend);
/* Why a request is not sent there: "cold", "resting", "ramping" or
 * "drill". */
struct str health_why_not(const struct backend *backend);

struct health_wish {
    const struct settings *settings;
    uint64_t now_ms;
    unsigned turn;              /* among equals it goes round */
    bool anyhow;                /* also those that rest or ramp, but last */
    const struct replica *skip; /* left out when there is another; or NULL */
};

/* The usable replica with the fewest tries under way, NULL when there is
 * none with a free place: *is_full tells whether there is one without.  One
 * that rests is given to one request at a time, as its trial; one that ramps to
 * its share of them. */
struct replica *health_pick(const struct backend *backend,
                            const struct health_wish *wish, bool *is_full);

#endif
