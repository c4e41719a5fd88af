#include "gateway.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "check.h"
#include "choose/fit.h"
#include "clock.h"
#include "inherit.h"
#include "log.h"
#include "settle/meter.h"
#include "telemetry/process.h"
#include "web/pages.h"

enum {
    DRAIN_LOOK_MS = 20,
    METER_MS = 1000,        /* between two looks at what is up */
    FLUSH_MS = 5000,        /* for telemetry, once the last request has ended */
    DESCRIPTORS = 1024,     /* of a process, when nobody tells */
    REFUSED_SAY_MS = 10000, /* a flood of callers is no flood of the log */
};

struct gateway {
    uv_loop_t loop;
    uv_thread_t thread;
    struct wire_loop wire_loop;
    struct catalog *catalog; /* of the gateway's own thread, which alone
                                sets it; others read it under the lock */
    uv_mutex_t catalog_lock;
    struct catalog *_Atomic next;
    uv_sem_t followed; /* once by each worker */
    struct listener listener;
    struct prober prober;
    struct worker_host host;
    struct metrics_teller teller;
    struct metrics_names *names; /* that may be label values */
    uint64_t began_wall_us;
    struct store store;
    struct worker *workers;
    unsigned worker_count;
    _Atomic size_t memory_used;
    uint64_t descriptors;     /* of the process, at most */
    _Atomic uint64_t refused; /* callers for whom there was no room */
    uint64_t refused_said_ms;
    uv_async_t health, stop, reload;
    uv_timer_t drain, meter;
    uint64_t drain_until_ms;
    bool is_closed;         /* to new callers */
    _Atomic unsigned stops; /* how often gateway_stop() was called */
    _Atomic bool is_draining;
};

/* --- what workers ask for, from their threads --------------------------- */

static unsigned callers(const struct gateway *gateway)
{
    unsigned n = 0;

    for (unsigned i = 0; i < gateway->worker_count; i++)
        n += worker_load(&gateway->workers[i]);
    return n;
}

static void on_health(void *ctx)
{
    struct gateway *gateway = ctx;

    uv_async_send(&gateway->health);
}

static void tell_hours(const struct meter *meter,
                       const struct metrics_visitor *visitor)
{
    metrics_tell_family(visitor, FAMILY_GPU_SECONDS);
    for (unsigned i = 0; i < meter_count(meter); i++) {
        const struct meter_backend *backend = &meter->backends[i];
        struct str name = {backend->name, backend->name_len};

        metrics_tell(
            visitor, FAMILY_GPU_SECONDS, &name,
            atomic_load_explicit(&backend->up_us, memory_order_relaxed));
    }
}

/* What has no price is not free: there is no sample of it. */
static void tell_hours_cost(const struct meter *meter,
                            const struct metrics_visitor *visitor)
{
    metrics_tell_family(visitor, FAMILY_GPU_DOLLARS);
    for (unsigned i = 0; i < meter_count(meter); i++) {
        const struct meter_backend *backend = &meter->backends[i];
        struct str name = {backend->name, backend->name_len};
        int64_t cost =
            atomic_load_explicit(&backend->cost, memory_order_relaxed);
        bool has_price = atomic_load_explicit(&backend->hour_price,
                                              memory_order_relaxed) >= 0;

        if (has_price || cost > 0)
            metrics_tell(visitor, FAMILY_GPU_DOLLARS, &name, (uint64_t)cost);
    }
}

static void tell_metrics(void *ctx, const struct metrics_visitor *visitor)
{
    struct gateway *gateway = ctx;
    struct str version = STR(WEIR_VERSION);
    const struct metrics **shards =
        must_calloc(gateway->worker_count, sizeof(const struct metrics *));

    for (unsigned i = 0; i < gateway->worker_count; i++)
        shards[i] = &gateway->workers[i].metrics;
    metrics_walk(shards, gateway->worker_count, visitor);
    free(shards);
    tell_hours(meter_of_process(), visitor);
    tell_hours_cost(meter_of_process(), visitor);
    metrics_tell_one(visitor, FAMILY_CONNECTIONS, callers(gateway));
    metrics_tell_one(visitor, FAMILY_REFUSED, atomic_load(&gateway->refused));
    process_tell_clerk(visitor, gateway->host.clerk);
    process_tell(visitor, gateway->began_wall_us);
    metrics_tell_family(visitor, FAMILY_BUILD);
    metrics_tell(visitor, FAMILY_BUILD, &version, 1);
}

/* The same with the backends, for who has no catalog: from any thread. */
static void tell_all(void *ctx, const struct metrics_visitor *visitor)
{
    struct gateway *gateway = ctx;
    struct catalog *catalog;

    uv_mutex_lock(&gateway->catalog_lock);
    catalog = catalog_ref(gateway->catalog);
    uv_mutex_unlock(&gateway->catalog_lock);
    tell_metrics(gateway, visitor);
    page_tell_backends(catalog, visitor);
    catalog_unref(catalog);
}

/* The words that name a request's fate, and those of the catalog. */
static void follow_names(struct gateway *gateway, const struct catalog *catalog)
{
    for (unsigned i = MISFIT_NONE + 1; i < MISFITS; i++)
        metrics_names_add(gateway->names, NAMES_CAUSE,
                          fit_name((enum misfit)i));
    metrics_names_follow(gateway->names, catalog);
}

static bool is_draining(void *ctx)
{
    struct gateway *gateway = ctx;

    return atomic_load(&gateway->is_draining);
}

static void on_followed(void *ctx)
{
    struct gateway *gateway = ctx;

    uv_sem_post(&gateway->followed);
}

/* --- on the gateway's own thread ---------------------------------------- */

static uint64_t max_callers(const struct gateway *gateway)
{
    uint64_t asked = gateway->catalog->settings.connections;

    return asked != 0 ? asked : gateway->descriptors / 4 * 3;
}

static void refuse(struct gateway *gateway, uv_os_sock_t fd)
{
    uint64_t now = uv_now(&gateway->loop);

    atomic_fetch_add(&gateway->refused, 1);
    door_refuse(fd);
    if (gateway->refused_said_ms != 0 &&
        now < gateway->refused_said_ms + REFUSED_SAY_MS)
        return;
    gateway->refused_said_ms = now;
    log_say(LOG_WARN, "no room for another connection",
            "%llu callers are connected (limits.connections)",
            (unsigned long long)max_callers(gateway));
}

static void on_socket(void *ctx, uv_os_sock_t fd)
{
    struct gateway *gateway = ctx;
    struct worker *least = &gateway->workers[0];

    if (callers(gateway) >= max_callers(gateway)) {
        refuse(gateway, fd);
        return;
    }
    for (unsigned i = 1; i < gateway->worker_count; i++)
        if (worker_load(&gateway->workers[i]) < worker_load(least))
            least = &gateway->workers[i];
    worker_give(least, fd);
}

static void look_around(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_look(&gateway->workers[i]);
}

static void on_health_async(uv_async_t *async)
{
    struct gateway *gateway = async->data;

    prober_hurry(&gateway->prober);
    look_around(gateway);
}

static void on_probe_change(void *ctx)
{
    look_around(ctx);
}

static void look_at_meter(const struct gateway *gateway)
{
    meter_look(meter_of_process(), gateway->catalog, clock_us());
}

static void on_meter(uv_timer_t *timer)
{
    look_at_meter(timer->data);
}

static void on_reload_async(uv_async_t *async)
{
    struct gateway *gateway = async->data;
    struct catalog *next = atomic_exchange(&gateway->next, NULL);
    struct catalog *last = gateway->catalog;

    if (next == NULL)
        return;
    look_at_meter(gateway);
    inherit_health(next, last);
    follow_names(gateway, next);
    prober_follow(&gateway->prober, next);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_follow(&gateway->workers[i], next);
    uv_mutex_lock(&gateway->catalog_lock);
    gateway->catalog = next;
    uv_mutex_unlock(&gateway->catalog_lock);
    catalog_unref(last);
}

static void end_workers(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_stop(&gateway->workers[i]);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_join(&gateway->workers[i]);
    look_at_meter(gateway);
    prober_close(&gateway->prober);
    uv_close((uv_handle_t *)&gateway->drain, NULL);
    uv_close((uv_handle_t *)&gateway->meter, NULL);
    uv_close((uv_handle_t *)&gateway->health, NULL);
    uv_close((uv_handle_t *)&gateway->stop, NULL);
    uv_close((uv_handle_t *)&gateway->reload, NULL);
}

static void on_drain_look(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;

    if (callers(gateway) > 0 && atomic_load(&gateway->stops) < 2 &&
        uv_now(&gateway->loop) < gateway->drain_until_ms)
        return;
    uv_timer_stop(timer);
    end_workers(gateway);
}

static void close_listener(struct gateway *gateway)
{
    gateway->is_closed = true;
    listener_close(&gateway->listener);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_close_idle(&gateway->workers[i]);
    uv_update_time(&gateway->loop);
    gateway->drain_until_ms =
        uv_now(&gateway->loop) + gateway->catalog->settings.drain_ms;
    uv_timer_start(&gateway->drain, on_drain_look, 0, DRAIN_LOOK_MS);
}

static void on_delay_over(uv_timer_t *timer)
{
    close_listener(timer->data);
}

static void on_stop_async(uv_async_t *async)
{
    struct gateway *gateway = async->data;

    if (atomic_exchange(&gateway->is_draining, true)) {
        if (!gateway->is_closed) /* told again: no delay */
            close_listener(gateway);
        return;
    }
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_drain(&gateway->workers[i]);
    uv_update_time(&gateway->loop);
    uv_timer_start(&gateway->drain, on_delay_over,
                   atomic_load(&gateway->stops) > 1
                       ? 0
                       : gateway->catalog->settings.drain_delay_ms,
                   0);
}

static void gateway_main(void *arg)
{
    struct gateway *gateway = arg;

    uv_run(&gateway->loop, UV_RUN_DEFAULT);
}

/* --- for the owner ------------------------------------------------------ */

/* One for each connection: as many as the system lets us have.  Returns how
 * many these are. */
static uint64_t raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return DESCRIPTORS;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : DESCRIPTORS;
}

static bool adopt_sockets(struct listener *listener,
                          const struct gateway_sockets *given, struct buf *why)
{
    const char *reason = "";

    for (unsigned i = 0; i < given->count; i++) {
        int fd = given->first + (int)i;

        if (!listener_add_socket(listener, fd, &reason)) {
            buf_printf(why, "descriptor %d: %s", fd, reason);
            return false;
        }
    }
    return true;
}

static bool open_sockets(struct listener *listener,
                         const struct settings *settings, struct buf *why)
{
    const char *reason = "";

    if (!settings_has_port(settings) && settings->unix_path.len == 0) {
        buf_put(why, STR("listen.host is none, and there is no listen.unix"));
        return false;
    }
    if (settings_has_port(settings) &&
        !listener_add_port(listener, settings->host.ptr, settings->port,
                           &reason)) {
        buf_printf(why, "%.*s port %u: %s", STR_ARG(settings->host),
                   settings->port, reason);
        return false;
    }
    if (settings->unix_path.len > 0 &&
        !listener_add_unix(listener, settings->unix_path.ptr,
                           (mode_t)settings->unix_mode, &reason)) {
        buf_printf(why, "%.*s: %s", STR_ARG(settings->unix_path), reason);
        return false;
    }
    return true;
}

struct gateway *gateway_start(struct catalog *catalog, struct clerk *clerk,
                              const struct gateway_sockets *given,
                              struct buf *why)
{
    struct gateway *gateway = must_calloc(1, sizeof(*gateway));
    const struct settings *settings = &catalog->settings;
    uint64_t descriptors = raise_descriptors();

    gateway->catalog = catalog;
    gateway->began_wall_us = (uint64_t)clock_wall_us();
    gateway->descriptors = descriptors;
    gateway->names = metrics_names_new();
    follow_names(gateway, catalog);
    gateway->host = (struct worker_host){
        .on_health = on_health,
        .tell_metrics = tell_metrics,
        .is_draining = is_draining,
        .on_followed = on_followed,
        .ctx = gateway,
        .store = &gateway->store,
        .clerk = clerk,
        .names = gateway->names,
    };
    sampler_read(&gateway->host.sampler);
    store_init(&gateway->store);
    check(uv_loop_init(&gateway->loop) == 0);
    listener_init(&gateway->listener, &gateway->loop, on_socket, gateway);
    if (!(given->count > 0 ? adopt_sockets(&gateway->listener, given, why)
                           : open_sockets(&gateway->listener, settings, why))) {
        listener_close(&gateway->listener);
        uv_run(&gateway->loop, UV_RUN_DEFAULT);
        check(uv_loop_close(&gateway->loop) == 0);
        catalog_unref(catalog);
        store_fini(&gateway->store);
        metrics_names_free(gateway->names);
        if (clerk != NULL)
            clerk_stop(clerk, 0);
        free(gateway);
        return NULL;
    }
    wire_loop_init(&gateway->loop, &gateway->wire_loop);
    check(uv_async_init(&gateway->loop, &gateway->health, on_health_async) ==
          0);
    check(uv_async_init(&gateway->loop, &gateway->stop, on_stop_async) == 0);
    check(uv_async_init(&gateway->loop, &gateway->reload, on_reload_async) ==
          0);
    check(uv_timer_init(&gateway->loop, &gateway->drain) == 0);
    check(uv_timer_init(&gateway->loop, &gateway->meter) == 0);
    check(uv_sem_init(&gateway->followed, 0) == 0);
    check(uv_mutex_init(&gateway->catalog_lock) == 0);
    gateway->health.data = gateway->stop.data = gateway->drain.data = gateway;
    gateway->reload.data = gateway->meter.data = gateway;
    gateway->worker_count = settings->workers;
    gateway->workers =
        must_calloc(gateway->worker_count, sizeof(*gateway->workers));
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_start(&gateway->workers[i], i, catalog, &gateway->memory_used,
                     &gateway->host);
    prober_open(&gateway->prober, &gateway->loop, catalog, on_probe_change,
                gateway);
    check(uv_timer_start(&gateway->meter, on_meter, METER_MS, METER_MS) == 0);
    look_at_meter(gateway);
    check(uv_thread_create(&gateway->thread, gateway_main, gateway) == 0);
    gateway->teller = (struct metrics_teller){tell_all, gateway};
    atomic_store(&metrics_source_of_process()->teller, &gateway->teller);
    return gateway;
}

unsigned gateway_port(const struct gateway *gateway)
{
    return gateway->listener.port;
}

void gateway_follow(struct gateway *gateway, struct catalog *catalog)
{
    atomic_store(&gateway->next, catalog);
    uv_async_send(&gateway->reload);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        uv_sem_wait(&gateway->followed);
}

void gateway_stop(struct gateway *gateway)
{
    atomic_fetch_add(&gateway->stops, 1);
    uv_async_send(&gateway->stop);
}

void gateway_join(struct gateway *gateway)
{
    uv_thread_join(&gateway->thread);
    prober_fini(&gateway->prober);
    check(uv_loop_close(&gateway->loop) == 0);
    wire_loop_fini(&gateway->wire_loop);
    uv_sem_destroy(&gateway->followed);
    /* after the last request: its account is among them */
    if (gateway->host.clerk != NULL)
        clerk_stop(gateway->host.clerk, FLUSH_MS);
    /* which the clerk's last look was at */
    atomic_store(&metrics_source_of_process()->teller, NULL);
    uv_mutex_destroy(&gateway->catalog_lock);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        metrics_fini(&gateway->workers[i].metrics);
    metrics_names_free(gateway->names);
    free(gateway->workers);
    store_fini(&gateway->store);
    catalog_unref(gateway->catalog);
    free(gateway);
}
