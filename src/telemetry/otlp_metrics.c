#include "otlp_metrics.h"

#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "otlp_courier.h"
#include "otlp_metrics_wire.h"

enum {
    PUSH_MAX = 4 << 20,          /* bytes of one push */
    HEAD_MAX = 1 << 20,          /* of what is around it */
    MEMORY_BYTES = 2 * PUSH_MAX, /* of those that wait */
};

struct pusher {
    struct exporter exporter; /* the first member */
    struct arena arena;       /* what the environment says */
    struct otel otel;
    const struct metrics_source *source;
    struct otlp_courier courier;
    struct outbox *outbox;
    struct otlp_metrics metrics;
    uint64_t due_ms; /* of the next push */
    bool is_ending;  /* the last push was made */
};

static struct pusher *from(struct exporter *exporter)
{
    return (struct pusher *)(void *)exporter;
}

static void push(struct pusher *pusher)
{
    const struct metrics_teller *teller =
        atomic_load_explicit(&pusher->source->teller, memory_order_acquire);
    struct otlp_metrics *metrics = &pusher->metrics;
    struct metrics_visitor visitor;
    struct buf batch;

    if (teller == NULL)
        return;
    visitor = otlp_metrics_begin(metrics, (uint64_t)clock_wall_us() * 1000,
                                 clock_us());
    teller->tell(teller->ctx, &visitor);
    buf_init(&batch, PUSH_MAX + HEAD_MAX);
    otlp_metrics_end(metrics, &batch);
    figures_add(&pusher->exporter.figures.taken, metrics->point_count);
    outbox_put(pusher->outbox, &batch, metrics->point_count);
    buf_fini(&batch);
}

static uint64_t tick(struct exporter *exporter, uint64_t now_ms)
{
    struct pusher *pusher = from(exporter);
    uint64_t next;

    if (now_ms >= pusher->due_ms && !pusher->is_ending) {
        push(pusher);
        /* from now: what was slept through is not made up for */
        pusher->due_ms = now_ms + pusher->otel.interval_ms;
    }
    next = outbox_tick(pusher->outbox, now_ms);
    return pusher->due_ms < next ? pusher->due_ms : next;
}

static bool flush(struct exporter *exporter, uint64_t now_ms)
{
    struct pusher *pusher = from(exporter);

    if (!pusher->is_ending)
        push(pusher);
    pusher->is_ending = true;
    return outbox_flush(pusher->outbox, now_ms);
}

static void pusher_free(struct pusher *pusher)
{
    otlp_metrics_fini(&pusher->metrics);
    otlp_courier_fini(&pusher->courier);
    arena_clear(&pusher->arena);
    free(pusher);
}

static void close_exporter(struct exporter *exporter)
{
    struct pusher *pusher = from(exporter);

    outbox_close(pusher->outbox);
    pusher_free(pusher);
}

/* --- the beginning -------------------------------------------------------- */

/* The traces' exporter has warned of what cannot be read. */
bool otlp_metrics_is_wanted(void)
{
    struct arena arena;
    struct otel otel;
    bool is_wanted;

    arena_init(&arena);
    otel_read(&arena, false, &otel);
    is_wanted = otel.exports[OTEL_METRICS];
    arena_clear(&arena);
    return is_wanted;
}

struct exporter *otlp_metrics_open(struct fetcher *fetcher,
                                   const struct metrics_source *source,
                                   struct buf *why)
{
    static const struct exporter_verbs verbs = {NULL, tick, flush,
                                                close_exporter};
    /* no spool: what comes later says all that came before */
    const struct outbox_limits limits = {.memory_bytes = MEMORY_BYTES};
    struct pusher *pusher = must_calloc(1, sizeof(*pusher));
    const struct otlp_metrics_wire *wire;
    struct outbox_courier courier;

    arena_init(&pusher->arena);
    otel_read(&pusher->arena, false, &pusher->otel);
    wire = pusher->otel.endpoints[OTEL_METRICS].protocol == OTEL_HTTP_JSON
               ? &otlp_metrics_json
               : &otlp_metrics_protobuf;
    pusher->exporter.verbs = &verbs;
    pusher->exporter.figures.name = STR("otlp_metrics");
    pusher->exporter.figures.items = STR("data points");
    pusher->source = source;
    pusher->due_ms = clock_ms() + pusher->otel.interval_ms;
    otlp_metrics_init(&pusher->metrics, wire, &pusher->otel,
                      (uint64_t)clock_wall_us() * 1000, PUSH_MAX);
    courier = otlp_courier_init(&pusher->courier, &pusher->otel, OTEL_METRICS,
                                PUSH_MAX + HEAD_MAX);
    pusher->outbox = outbox_open(fetcher, wire->kind, &limits, &courier,
                                 &pusher->exporter.figures, why);
    if (pusher->outbox != NULL)
        return &pusher->exporter;
    pusher_free(pusher);
    return NULL;
}
