#include "pages.h"

#include "choose/queue.h"
#include "telemetry/metrics.h"

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

static void put_waiting(const struct catalog *catalog, struct buf *out)
{
    metrics_family(out, "weir_backend_waiting",
                   "Requests that wait for a place at the backend.", "gauge");
    for (unsigned i = 0; i < catalog->backend_count; i++)
        buf_printf(out, "weir_backend_waiting{backend=\"%.*s\"} %u\n",
                   STR_ARG(catalog->backends[i].name),
                   queue_length(&catalog->backends[i]));
}

static void put_moves(const struct catalog *catalog, struct buf *out)
{
    metrics_family(out, "weir_backend_state_changes_total",
                   "How often the replica came into the state.", "counter");
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++)
            for (unsigned s = 0; s < HEALTH_STATES; s++)
                buf_printf(out,
                           "weir_backend_state_changes_total{backend=\"%.*s\","
                           "replica=\"%u\",to=\"%.*s\"} %llu\n",
                           STR_ARG(backend->name), k,
                           STR_ARG(health_state_name((enum health_state)s)),
                           (unsigned long long)atomic_load(
                               &backend->replicas[k].moves[s]));
    }
}

void page_put_replicas(const struct catalog *catalog, struct buf *out)
{
    metrics_family(out, "weir_backend_in_flight",
                   "Requests under way, by replica.", "gauge");
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++)
            buf_printf(out,
                       "weir_backend_in_flight{backend=\"%.*s\",replica=\"%u\"}"
                       " %u\n",
                       STR_ARG(backend->name), k,
                       atomic_load(&backend->replicas[k].in_flight));
    }
    metrics_family(out, "weir_backend_state",
                   "1 for the state that the replica is in.", "gauge");
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++) {
            enum health_state state = health_state(&backend->replicas[k]);

            for (unsigned s = 0; s < HEALTH_STATES; s++)
                buf_printf(out,
                           "weir_backend_state{backend=\"%.*s\",replica=\"%u\","
                           "state=\"%.*s\"} %d\n",
                           STR_ARG(backend->name), k,
                           STR_ARG(health_state_name((enum health_state)s)),
                           state == (enum health_state)s);
        }
    }
    put_waiting(catalog, out);
    put_moves(catalog, out);
}

void page_metrics(struct reply *reply, struct str text)
{
    reply_whole(reply, 200, STR("text/plain; version=0.0.4; charset=utf-8"),
                &text, 1);
}
