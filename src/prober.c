#include "prober.h"

#include <stdlib.h>

#include "check.h"
#include "choose/health.h"
#include "forward/attempt.h"
#include "forward/order.h"

/* One replica that has a path to be asked at. */
struct probe {
    struct prober *prober;
    struct replica *replica;
    struct attempt *attempt; /* the question under way */
    struct buf order;
    struct deadline next;    /* when to ask again */
    struct deadline timeout; /* of the question under way */
    int status;
};

static void ask(struct probe *probe);

/* Is it on its way back, so that the next probe matters? */
static bool is_down(const struct replica *replica)
{
    return health_state(replica) != HEALTH_WARM;
}

static void finish(struct probe *probe, enum health_event event, struct str why)
{
    struct prober *prober = probe->prober;
    const struct settings *settings = &prober->catalog->settings;
    enum health_state was;

    probe->attempt = NULL;
    deadline_clear(&probe->timeout);
    if (prober->is_closing)
        return;
    if (health_is_drilled(probe->replica)) {
        event = HEALTH_PROBE_FAILED;
        why = STR("drill");
    }
    if (health_note(probe->replica, event, uv_now(prober->loop), settings, 0,
                    &was)) {
        health_log(probe->replica, was, why);
        prober->on_change(prober->ctx);
    }
    deadline_set(&prober->deadlines, &probe->next,
                 is_down(probe->replica) ? settings->probe_cold_ms
                                         : settings->probe_interval_ms);
}

static void on_head(void *ctx, const struct answer_head *head)
{
    struct probe *probe = ctx;

    probe->status = head->status;
}

static void on_body(void *ctx, struct str bytes)
{
    (void)ctx;
    (void)bytes;
}

static void on_end(void *ctx)
{
    struct probe *probe = ctx;

    if (probe->status >= 200 && probe->status < 300)
        finish(probe, HEALTH_PROBE_OK, STR("probe answered"));
    else
        finish(probe, HEALTH_PROBE_FAILED, STR("probe was refused"));
}

static void on_fail(void *ctx, enum error error, const char *detail)
{
    struct probe *probe = ctx;
    struct arena words;
    struct str name = error_name(error);

    arena_init(&words);
    finish(probe, HEALTH_PROBE_FAILED,
           detail == NULL
               ? name
               : arena_printf(&words, "%.*s: %s", STR_ARG(name), detail));
    arena_clear(&words);
}

static const struct attempt_events events = {on_head, on_body, on_end, on_fail};

static void ask(struct probe *probe)
{
    struct prober *prober = probe->prober;
    uint64_t timeout_ms = prober->catalog->settings.probe_timeout_ms;
    struct order order = {
        .method = STR("GET"),
        .path = probe->replica->backend->health_path,
    };
    struct attempt_order attempt = {
        .replica = probe->replica,
        .allowed = TIER_ANY, /* it bears nothing of a caller's */
        .connect_ms = timeout_ms,
        .tls_ms = timeout_ms,
        .piece_count = 1,
    };

    if (probe->attempt != NULL || prober->is_closing)
        return;
    probe->status = 0;
    buf_clear(&probe->order);
    order_write(&order, probe->replica,
                prober->catalog->settings.anthropic_version, &probe->order);
    attempt.pieces[0] = buf_str(&probe->order);
    deadline_set(&prober->deadlines, &probe->timeout, timeout_ms);
    probe->attempt = attempt_open(&prober->pool, &attempt, &events, probe);
}

static void on_next(struct deadline *deadline)
{
    ask(list_entry(deadline, struct probe, next));
}

static void on_timeout(struct deadline *deadline)
{
    struct probe *probe = list_entry(deadline, struct probe, timeout);
    struct attempt *attempt = probe->attempt;

    if (attempt != NULL)
        attempt_close(attempt);
    finish(probe, HEALTH_PROBE_FAILED, STR("probe timed out"));
}

static void open_probes(struct prober *prober, struct catalog *catalog)
{
    prober->catalog = catalog;
    prober->count = 0;
    prober->probes =
        must_calloc(catalog->replica_count + 1, sizeof(*prober->probes));
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0;
             k < backend->replica_count && backend->health_path.len > 0; k++) {
            struct probe *probe = &prober->probes[prober->count++];

            probe->prober = prober;
            probe->replica = &backend->replicas[k];
            buf_init(&probe->order, 16 * 1024);
            deadline_init(&probe->next, on_next);
            deadline_init(&probe->timeout, on_timeout);
            ask(probe);
        }
    }
}

static void close_probes(struct prober *prober)
{
    for (unsigned i = 0; i < prober->count; i++) {
        struct probe *probe = &prober->probes[i];

        deadline_clear(&probe->next);
        deadline_clear(&probe->timeout);
        if (probe->attempt != NULL)
            attempt_close(probe->attempt);
        probe->attempt = NULL;
        buf_fini(&probe->order);
    }
    free(prober->probes);
    prober->probes = NULL;
    prober->count = 0;
}

void prober_open(struct prober *prober, uv_loop_t *loop,
                 struct catalog *catalog, void (*on_change)(void *ctx),
                 void *ctx)
{
    *prober = (struct prober){.loop = loop, .on_change = on_change, .ctx = ctx};
    deadlines_open(&prober->deadlines, loop);
    pool_init(&prober->pool, loop, &prober->deadlines, catalog);
    open_probes(prober, catalog);
}

void prober_follow(struct prober *prober, struct catalog *catalog)
{
    close_probes(prober);
    pool_follow(&prober->pool, catalog);
    open_probes(prober, catalog);
}

/* No later than a cold one; who is hurried again and again must not be put off
 * each time. */
static void ask_soon(struct probe *probe)
{
    struct prober *prober = probe->prober;
    uint64_t ms = prober->catalog->settings.probe_cold_ms;

    if (!deadline_is_set(&probe->next) ||
        probe->next.at_ms > uv_now(prober->loop) + ms)
        deadline_set(&prober->deadlines, &probe->next, ms);
}

void prober_hurry(struct prober *prober)
{
    for (unsigned i = 0; i < prober->count; i++) {
        struct probe *probe = &prober->probes[i];
        enum health_state state = health_state(probe->replica);

        if (state == HEALTH_COLD)
            ask(probe);
        else if (state == HEALTH_RESTING && probe->attempt == NULL)
            ask_soon(probe);
    }
}

void prober_close(struct prober *prober)
{
    prober->is_closing = true;
    close_probes(prober);
    pool_close(&prober->pool);
    deadlines_close(&prober->deadlines);
}

void prober_fini(struct prober *prober)
{
    pool_fini(&prober->pool);
}
