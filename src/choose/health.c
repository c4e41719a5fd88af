#include "health.h"

#include "check.h"
#include "log.h"

/* From each state, what an event makes of it.  Rows: the state; columns: the
 * events in their order.  RESTING is for replicas without a probe, which
 * never see the first two. */
static const unsigned char moves[HEALTH_STATES][HEALTH_EVENTS] = {
    /*                  probe ok      probe failed  try ok        try failed */
    [HEALTH_UNKNOWN] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
    [HEALTH_COLD] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
    [HEALTH_WARM] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
    [HEALTH_RESTING] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
};

static const struct str names[HEALTH_STATES] = {
    [HEALTH_UNKNOWN] = STR_INIT("unknown"),
    [HEALTH_COLD] = STR_INIT("cold"),
    [HEALTH_WARM] = STR_INIT("warm"),
    [HEALTH_RESTING] = STR_INIT("resting"),
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

bool health_note(struct replica *replica, enum health_event event,
                 uint64_t now_ms, uint64_t rest_ms, enum health_state *was)
{
    int before = atomic_load(&replica->state);
    int after;

    check(event < HEALTH_EVENTS);
    do {
        after = moves[before][event];
        if (after == HEALTH_COLD && replica->backend->health_path.len == 0) {
            /* no probe would ever wake it: time does */
            after = HEALTH_RESTING;
            atomic_store(&replica->rests_until_ms, now_ms + rest_ms);
        }
        if (after == before)
            return false;
    } while (!atomic_compare_exchange_weak(&replica->state, &before, after));
    *was = (enum health_state)before;
    return true;
}

void health_log(const struct replica *replica, enum health_state was,
                struct str why)
{
    enum health_state now = health_state(replica);
    struct log_line line;

    log_begin(&line, now == HEALTH_WARM ? LOG_INFO : LOG_WARN, "backend state");
    log_str(&line, "backend", replica->backend->name);
    log_i64(&line, "replica", replica - replica->backend->replicas);
    log_str(&line, "from", names[was]);
    log_str(&line, "to", names[now]);
    log_str(&line, "why", why);
    log_end(&line);
}

bool health_is_usable(const struct replica *replica, uint64_t now_ms)
{
    switch (health_state(replica)) {
    case HEALTH_COLD:
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

struct replica *health_pick(const struct backend *backend, uint64_t now_ms,
                            unsigned turn, bool anyhow,
                            const struct replica *skip)
{
    struct replica *best = NULL;
    uint64_t best_rank = UINT64_MAX;

    for (unsigned i = 0; i < backend->replica_count; i++) {
        struct replica *replica =
            &backend->replicas[(turn + i) % backend->replica_count];
        bool usable = health_is_usable(replica, now_ms);
        uint64_t rank =
            atomic_load_explicit(&replica->in_flight, memory_order_relaxed);

        if (!usable && !anyhow)
            continue;
        /* usable before unusable, fresh before the one just tried */
        rank += (uint64_t)!usable << 40 | (uint64_t)(replica == skip) << 41;
        if (rank < best_rank) {
            best = replica;
            best_rank = rank;
        }
    }
    return best;
}
