#include "meter.h"

#include "price.h"

struct meter *meter_of_process(void)
{
    static struct meter meter;

    return &meter;
}

static struct meter_backend *find(struct meter *meter, struct str name)
{
    unsigned count = meter_count(meter);
    struct meter_backend *backend;

    for (unsigned i = 0; i < count; i++) {
        backend = &meter->backends[i];
        if (str_eq((struct str){backend->name, backend->name_len}, name))
            return backend;
    }
    if (count == METER_BACKENDS_MAX || name.len > METER_NAME_MAX)
        return NULL;
    backend = &meter->backends[count];
    memcpy(backend->name, name.ptr, name.len);
    backend->name_len = name.len;
    atomic_store_explicit(&meter->count, count + 1, memory_order_release);
    return backend;
}

static unsigned count_up(const struct backend *backend)
{
    unsigned up = 0;

    for (unsigned i = 0; i < backend->replica_count; i++)
        up += atomic_load_explicit(&backend->replicas[i].state,
                                   memory_order_relaxed) != HEALTH_COLD;
    return up;
}

/* From the whole time at a price, so that nothing is rounded twice. */
static void add_cost(struct meter_backend *backend, uint64_t us)
{
    int64_t price =
        atomic_load_explicit(&backend->hour_price, memory_order_relaxed);

    if (price < 0)
        return;
    backend->priced_us += us;
    atomic_store_explicit(&backend->cost,
                          backend->cost_before +
                              price_time(price, backend->priced_us, 1),
                          memory_order_relaxed);
}

static void set_price(struct meter_backend *backend, int64_t price)
{
    if (price ==
        atomic_load_explicit(&backend->hour_price, memory_order_relaxed))
        return;
    backend->cost_before =
        atomic_load_explicit(&backend->cost, memory_order_relaxed);
    backend->priced_us = 0;
    atomic_store_explicit(&backend->hour_price, price, memory_order_relaxed);
}

static void add_time(struct meter *meter, uint64_t us)
{
    for (unsigned i = 0; i < meter_count(meter); i++) {
        struct meter_backend *backend = &meter->backends[i];
        unsigned up = atomic_load_explicit(&backend->up, memory_order_relaxed);

        atomic_fetch_add_explicit(&backend->up_us, up * us,
                                  memory_order_relaxed);
        add_cost(backend, up * us);
        /* until it is found among the backends of now */
        atomic_store_explicit(&backend->up, 0, memory_order_relaxed);
    }
}

void meter_look(struct meter *meter, const struct catalog *catalog,
                uint64_t now_us)
{
    add_time(meter, meter->looked_us == 0 ? 0 : now_us - meter->looked_us);
    meter->looked_us = now_us;
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];
        struct meter_backend *seen;

        if (backend->tier != TIER_LOCAL)
            continue;
        seen = find(meter, backend->name);
        if (seen == NULL)
            continue;
        set_price(seen, backend->has_hour_price ? backend->hour_price : -1);
        atomic_store_explicit(&seen->up, count_up(backend),
                              memory_order_relaxed);
    }
}
