#include "health.h"

#include "check.h"
#include "clock.h"
#include "log.h"

enum {
    MAX_REST_MS = 60 * 1000,
    MAX_DOUBLINGS = 5,
    /* The longest rest that a backend may ask for. */
    MAX_BUSY_MS = 10 * 60 * 1000,
    FIRST_SHARE = 100, /* thousandths, when a ramp begins */
    WHOLE_SHARE = 1000,
};

#define U HEALTH_UNKNOWN
#define C HEALTH_COLD
#define G HEALTH_WARMING
#define W HEALTH_WARM
#define R HEALTH_RESTING
#define P HEALTH_RAMPING

/* From each state, what an event makes of it.  Some moves have a condition
 * beside, which is in due(); and a replica without a probe rests where
 * another would be cold, for no probe would ever wake it. */
static const unsigned char moves[HEALTH_STATES][HEALTH_EVENTS] = {
    /*        probe: ok  failed  try: ok  gone  failed  busy */
    [U] = {/*      */ W, C, /*     */ W, C, R, R},
    [C] = {/*      */ G, C, /*     */ C, C, C, C},
    [G] = {/*      */ P, C, /*     */ G, C, C, G},
    [W] = {/*      */ W, C, /*     */ W, C, R, R},
    [R] = {/*      */ P, C, /*     */ P, C, R, R},
    [P] = {/*      */ W, C, /*     */ W, C, R, R},
};

#undef U
#undef C
#undef G
#undef W
#undef R
#undef P

static const struct str names[HEALTH_STATES] = {
    [HEALTH_UNKNOWN] = STR_INIT("unknown"),
    [HEALTH_COLD] = STR_INIT("cold"),
    [HEALTH_WARMING] = STR_INIT("warming"),
    [HEALTH_WARM] = STR_INIT("warm"),
    [HEALTH_RESTING] = STR_INIT("resting"),
    [HEALTH_RAMPING] = STR_INIT("ramping"),
};

enum health_state health_state(const struct replica *replica)
{
    return (enum health_state)atomic_load_explicit(&replica->state,
                                                   memory_order_relaxed);
}

struct str health_state_name(enum health_state state)
{
    check(state < HEALTH_STATES);
    return names[state];
}

/* --- the moves ---------------------------------------------------------- */

static bool has_probe(const struct replica *replica)
{
    return replica->backend->health_path.len > 0;
}

/* A straggler of better times proves nothing: only the trial does, or a probe
 * when the time has come. */
static bool ends_rest(struct replica *replica, enum health_event event,
                      uint64_t now_ms)
{
    return event == HEALTH_PROBE_OK
               ? now_ms >= atomic_load(&replica->rests_until_ms)
               : atomic_load(&replica->is_on_trial);
}

/* Where the event leads from `before`, conditions included. */
static enum health_state due(struct replica *replica, enum health_state before,
                             enum health_event event, uint64_t now_ms,
                             const struct settings *settings)
{
    enum health_state after = (enum health_state)moves[before][event];

    if (after == HEALTH_COLD && !has_probe(replica))
        after = HEALTH_RESTING;
    if (before == HEALTH_RESTING && after == HEALTH_RAMPING &&
        !ends_rest(replica, event, now_ms))
        return HEALTH_RESTING;
    if (before == HEALTH_RAMPING && after == HEALTH_WARM &&
        now_ms - atomic_load(&replica->ramp_began_ms) < settings->ramp_ms)
        return HEALTH_RAMPING;
    if (event == HEALTH_PROBE_OK &&
        (before == HEALTH_COLD || before == HEALTH_WARMING))
        after =
            atomic_load(&replica->probes_ok) + 1 >= settings->probe_successes
                ? HEALTH_RAMPING
                : HEALTH_WARMING;
    /* who only asked for a rest has nothing to prove */
    if (after == HEALTH_RAMPING && before != HEALTH_RAMPING &&
        (settings->ramp_ms == 0 ||
         (before == HEALTH_RESTING && atomic_load(&replica->relapses) == 0)))
        after = HEALTH_WARM;
    return after;
}

static uint64_t rest_for(const struct replica *replica, enum health_event event,
                         const struct settings *settings, uint64_t busy_ms)
{
    unsigned relapses = atomic_load(&replica->relapses);
    uint64_t ms = settings->rest_ms;

    if (event == HEALTH_TRY_BUSY)
        return busy_ms == 0            ? ms
               : busy_ms > MAX_BUSY_MS ? MAX_BUSY_MS
                                       : busy_ms;
    if (relapses > 1)
        ms <<= relapses - 1 < MAX_DOUBLINGS ? relapses - 1 : MAX_DOUBLINGS;
    return ms > MAX_REST_MS && ms > settings->rest_ms ? MAX_REST_MS : ms;
}

/* What goes with a move.  Before the state itself changes, so that nobody
 * sees a rest without its end. */
static void prepare(struct replica *replica, enum health_state before,
                    enum health_state after, enum health_event event,
                    uint64_t now_ms, const struct settings *settings,
                    uint64_t busy_ms)
{
    bool failed = event == HEALTH_TRY_FAILED || event == HEALTH_TRY_GONE;
    bool on_trial = before == HEALTH_RESTING &&
                    atomic_exchange(&replica->is_on_trial, false);

    if (failed && after == HEALTH_RESTING &&
        (before != HEALTH_RESTING || on_trial))
        atomic_fetch_add(&replica->relapses, 1);
    if (after == HEALTH_RESTING &&
        (before != HEALTH_RESTING || on_trial || event == HEALTH_TRY_BUSY))
        atomic_store(&replica->rests_until_ms,
                     now_ms + rest_for(replica, event, settings, busy_ms));
    if (after == HEALTH_RAMPING && before != HEALTH_RAMPING) {
        atomic_store(&replica->ramp_began_ms, now_ms);
        atomic_store(&replica->ramp_sum, 0);
    }
    if (event == HEALTH_PROBE_OK && after == HEALTH_WARMING)
        atomic_fetch_add(&replica->probes_ok, 1);
    else
        atomic_store(&replica->probes_ok, 0);
    if (after == HEALTH_WARM && before != HEALTH_WARM)
        atomic_store(&replica->relapses, 0);
}

bool health_note(struct replica *replica, enum health_event event,
                 uint64_t now_ms, const struct settings *settings,
                 uint64_t busy_ms, enum health_state *was)
{
    int before = atomic_load(&replica->state);
    int after;

    check(event < HEALTH_EVENTS);
    /* by far the most frequent one */
    if (before == HEALTH_WARM && event == HEALTH_TRY_OK)
        return false;
    do {
        after = (int)due(replica, (enum health_state)before, event, now_ms,
                         settings);
        prepare(replica, (enum health_state)before, (enum health_state)after,
                event, now_ms, settings, busy_ms);
        if (after == before)
            return false;
    } while (!atomic_compare_exchange_weak(&replica->state, &before, after));
    atomic_fetch_add(&replica->moves[after], 1);
    *was = (enum health_state)before;
    return true;
}

void health_log(const struct replica *replica, enum health_state was,
                struct str why)
{
    enum health_state now = health_state(replica);
    bool is_good =
        now == HEALTH_WARM || now == HEALTH_RAMPING || now == HEALTH_WARMING;
    struct log_line line;

    log_begin(&line, is_good ? LOG_INFO : LOG_WARN, "backend state");
    log_str(&line, "backend", replica->backend->name);
    log_i64(&line, "replica", replica - replica->backend->replicas);
    log_str(&line, "from", names[was]);
    log_str(&line, "to", names[now]);
    log_str(&line, "why", why);
    log_end(&line);
}

/* --- who gets a request ------------------------------------------------- */

unsigned health_share(const struct replica *replica, uint64_t now_ms,
                      const struct settings *settings)
{
    uint64_t since;

    if (health_state(replica) != HEALTH_RAMPING)
        return health_is_usable(replica, now_ms) ? WHOLE_SHARE : 0;
    since = now_ms - atomic_load(&replica->ramp_began_ms);
    if (settings->ramp_ms == 0 || since >= settings->ramp_ms)
        return WHOLE_SHARE;
    return FIRST_SHARE +
           (unsigned)((WHOLE_SHARE - FIRST_SHARE) * since / settings->ramp_ms);
}

bool health_is_drilled(const struct replica *replica)
{
    uint64_t until =
        atomic_load_explicit(&replica->drill_until_ms, memory_order_relaxed);

    return until != 0 && clock_ms() < until;
}

void health_meet_drill(const struct backend *backend)
{
    for (unsigned i = 0; i < backend->replica_count; i++)
        if (health_is_drilled(&backend->replicas[i]))
            atomic_fetch_add(&backend->replicas[i].drill_met, 1);
}

bool health_is_usable(const struct replica *replica, uint64_t now_ms)
{
    if (health_is_drilled(replica))
        return false;
    switch (health_state(replica)) {
    case HEALTH_COLD:
    case HEALTH_WARMING:
        return false;
    case HEALTH_RESTING:
        return now_ms >= atomic_load_explicit(&replica->rests_until_ms,
                                              memory_order_relaxed);
    default:
        return true;
    }
}

bool health_has_usable(const struct backend *backend, uint64_t now_ms)
{
    for (unsigned i = 0; i < backend->replica_count; i++)
        if (health_is_usable(&backend->replicas[i], now_ms))
            return true;
    return false;
}

static bool is_there(const struct replica *replica)
{
    enum health_state state = health_state(replica);

    return state != HEALTH_COLD && state != HEALTH_WARMING &&
           !health_is_drilled(replica);
}

bool health_has_any(const struct backend *backend)
{
    for (unsigned i = 0; i < backend->replica_count; i++)
        if (is_there(&backend->replicas[i]))
            return true;
    return false;
}

struct str health_why_not(const struct backend *backend)
{
    struct str why = STR("cold");

    for (unsigned i = 0; i < backend->replica_count; i++) {
        enum health_state state = health_state(&backend->replicas[i]);

        if (health_is_drilled(&backend->replicas[i]))
            return STR("drill");
        if (state == HEALTH_RAMPING)
            return names[HEALTH_RAMPING];
        if (state == HEALTH_RESTING)
            why = names[HEALTH_RESTING];
    }
    return why;
}

/* Is this request one of the replica's share?  They are spread evenly: it is
 * when the sum of all shares passes a whole. */
static bool takes_share(struct replica *replica, const struct health_wish *wish)
{
    unsigned share = health_share(replica, wish->now_ms, wish->settings);
    unsigned sum = atomic_fetch_add(&replica->ramp_sum, share);

    return sum / WHOLE_SHARE != (sum + share) / WHOLE_SHARE;
}

/* A rest that is over is given to one request; until that has told how it
 * went, or another rest has passed, the others stay away. */
static bool begins_trial(struct replica *replica,
                         const struct health_wish *wish)
{
    uint64_t until = atomic_load(&replica->rests_until_ms);

    if (wish->now_ms < until ||
        !atomic_compare_exchange_strong(&replica->rests_until_ms, &until,
                                        wish->now_ms + wish->settings->rest_ms))
        return false;
    atomic_store(&replica->is_on_trial, true);
    return true;
}

enum place {
    PLACE_TRIAL, /* this request, and no other, is to try it */
    PLACE_READY,
    PLACE_LAST, /* as the last resort */
    PLACE_NONE,
};

static enum place place_of(struct replica *replica,
                           const struct health_wish *wish)
{
    if (health_is_drilled(replica))
        return PLACE_NONE;
    switch (health_state(replica)) {
    case HEALTH_COLD:
    case HEALTH_WARMING:
        return PLACE_NONE;
    case HEALTH_RESTING:
        return begins_trial(replica, wish) ? PLACE_TRIAL : PLACE_LAST;
    case HEALTH_RAMPING:
        return takes_share(replica, wish) ? PLACE_READY : PLACE_LAST;
    default:
        return PLACE_READY;
    }
}

struct replica *health_pick(const struct backend *backend,
                            const struct health_wish *wish, bool *is_full)
{
    struct replica *best = NULL;
    uint64_t best_rank = UINT64_MAX;

    *is_full = false;
    for (unsigned i = 0; i < backend->replica_count; i++) {
        struct replica *replica =
            &backend->replicas[(wish->turn + i) % backend->replica_count];
        uint64_t rank =
            atomic_load_explicit(&replica->in_flight, memory_order_relaxed);
        bool has_place = rank < backend->max_in_flight;
        enum place place;

        if (!has_place && health_is_usable(replica, wish->now_ms))
            *is_full = true;
        if (!has_place)
            continue;
        place = place_of(replica, wish);
        if (place == PLACE_NONE || (place == PLACE_LAST && !wish->anyhow))
            continue;
        /* trial before ready before last resort, and all of them before the
         * one just tried */
        rank += (uint64_t)place << 40 | (uint64_t)(replica == wish->skip) << 43;
        if (rank < best_rank) {
            best = replica;
            best_rank = rank;
        }
    }
    return best;
}
