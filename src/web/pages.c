#include "pages.h"

#include <stdio.h>

#include "choose/queue.h"

static void reply_json(struct reply *reply, int status, struct str body)
{
    reply_whole(reply, status, STR("application/json"), &body, 1);
}

void page_health(struct reply *reply)
{
    reply_json(reply, 200, STR("{\"status\":\"ok\"}"));
}

void page_ready(struct reply *reply, bool is_draining)
{
    if (is_draining)
        reply_json(reply, 503, STR("{\"status\":\"draining\"}"));
    else
        reply_json(reply, 200, STR("{\"status\":\"ready\"}"));
}

/* --- metrics ------------------------------------------------------------ */

struct spot {
    const struct replica *replica;
    struct str values[3]; /* of backend, replica, state */
    char number[12];
};

/* Calls `tell` for each replica of the catalog. */
static void each_replica(const struct catalog *catalog,
                         const struct metrics_visitor *visitor,
                         enum family family,
                         void (*tell)(const struct metrics_visitor *visitor,
                                      struct spot *spot))
{
    metrics_tell_family(visitor, family);
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++) {
            struct spot spot = {.replica = &backend->replicas[k],
                                .values = {backend->name}};
            int len = snprintf(spot.number, sizeof(spot.number), "%u", k);

            spot.values[1] = (struct str){spot.number, (size_t)len};
            tell(visitor, &spot);
        }
    }
}

static void tell_in_flight(const struct metrics_visitor *visitor,
                           struct spot *spot)
{
    metrics_tell(visitor, FAMILY_IN_FLIGHT, spot->values,
                 atomic_load(&spot->replica->in_flight));
}

static void tell_state(const struct metrics_visitor *visitor, struct spot *spot)
{
    enum health_state state = health_state(spot->replica);

    for (unsigned s = 0; s < HEALTH_STATES; s++) {
        spot->values[2] = health_state_name((enum health_state)s);
        metrics_tell(visitor, FAMILY_STATE, spot->values,
                     state == (enum health_state)s);
    }
}

static void tell_moves(const struct metrics_visitor *visitor, struct spot *spot)
{
    for (unsigned s = 0; s < HEALTH_STATES; s++) {
        spot->values[2] = health_state_name((enum health_state)s);
        metrics_tell(visitor, FAMILY_MOVES, spot->values,
                     atomic_load(&spot->replica->moves[s]));
    }
}

static void tell_breaker(const struct metrics_visitor *visitor,
                         struct spot *spot)
{
    static const struct str names[] = {STR_INIT("closed"), STR_INIT("open"),
                                       STR_INIT("trial")};
    unsigned state = 0;

    if (health_state(spot->replica) == HEALTH_RESTING)
        state = atomic_load(&spot->replica->is_on_trial) ? 2 : 1;
    for (unsigned s = 0; s < COUNT_OF(names); s++) {
        spot->values[2] = names[s];
        metrics_tell(visitor, FAMILY_BREAKER, spot->values, state == s);
    }
}

void page_tell_backends(const struct catalog *catalog,
                        const struct metrics_visitor *visitor)
{
    each_replica(catalog, visitor, FAMILY_IN_FLIGHT, tell_in_flight);
    metrics_tell_family(visitor, FAMILY_WAITING);
    for (unsigned i = 0; i < catalog->backend_count; i++)
        metrics_tell(visitor, FAMILY_WAITING, &catalog->backends[i].name,
                     queue_length(&catalog->backends[i]));
    each_replica(catalog, visitor, FAMILY_STATE, tell_state);
    each_replica(catalog, visitor, FAMILY_MOVES, tell_moves);
    each_replica(catalog, visitor, FAMILY_BREAKER, tell_breaker);
}
