#include "inherit.h"

struct replica *inherit_find(const struct catalog *catalog,
                             const struct replica *like)
{
    const struct backend *backend =
        catalog_find_backend(catalog, like->backend->name);

    for (unsigned k = 0; backend != NULL && k < backend->replica_count; k++)
        if (str_eq(backend->replicas[k].endpoint.url, like->endpoint.url))
            return &backend->replicas[k];
    return NULL;
}

bool inherit_connections(const struct replica *from, const struct replica *to)
{
    return str_eq(from->backend->ca_file, to->backend->ca_file) &&
           proxy_equal(from->proxy, to->proxy);
}

static void copy_health(struct replica *to, struct replica *from)
{
    bool was_probed = from->backend->health_path.len > 0;
    bool is_probed = to->backend->health_path.len > 0;

    /* a cold one that nobody probes any more would never be tried again */
    if (was_probed != is_probed)
        return;
    atomic_store(&to->rests_until_ms, atomic_load(&from->rests_until_ms));
    atomic_store(&to->drill_until_ms, atomic_load(&from->drill_until_ms));
    atomic_store(&to->drill_met, atomic_load(&from->drill_met));
    atomic_store(&to->is_on_trial, atomic_load(&from->is_on_trial));
    atomic_store(&to->ramp_began_ms, atomic_load(&from->ramp_began_ms));
    atomic_store(&to->probes_ok, atomic_load(&from->probes_ok));
    atomic_store(&to->relapses, atomic_load(&from->relapses));
    for (unsigned i = 0; i < HEALTH_STATES; i++)
        atomic_store(&to->moves[i], atomic_load(&from->moves[i]));
    atomic_store(&to->state, atomic_load(&from->state));
}

void inherit_health(const struct catalog *to, const struct catalog *from)
{
    for (unsigned i = 0; i < to->backend_count; i++) {
        const struct backend *backend = &to->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++) {
            struct replica *old = inherit_find(from, &backend->replicas[k]);

            if (old != NULL)
                copy_health(&backend->replicas[k], old);
        }
    }
}
