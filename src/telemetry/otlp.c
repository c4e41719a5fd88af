#include "otlp.h"

#include <stdlib.h>

#include "check.h"
#include "otlp_courier.h"
#include "otlp_wire.h"

enum {
    SPANS_MAX = 8 << 20,  /* bytes of one batch */
    BATCH_MAX = 16 << 20, /* the same with what is around it */
};

struct otlp {
    struct exporter exporter; /* the first member */
    struct arena arena;       /* what the environment says */
    struct otel otel;
    struct otlp_courier courier;
    struct outbox *outbox;
    struct otlp_writer writer;
    uint64_t due_ms; /* when the batch leaves; 0: not known yet */
};

static struct otlp *from(struct exporter *exporter)
{
    return (struct otlp *)(void *)exporter;
}

/* --- batches -------------------------------------------------------------- */

static void send_batch(struct otlp *otlp)
{
    struct otlp_writer *w = &otlp->writer;
    struct buf batch;

    otlp->due_ms = 0;
    if (w->span_count == 0)
        return;
    buf_init(&batch, BATCH_MAX);
    (void)buf_reserve(&batch, w->spans.len + BUF_SMALL / 64);
    w->wire->pack(w, &batch);
    outbox_put(otlp->outbox, &batch, w->span_count);
    buf_fini(&batch);
    otlp_writer_clear(w);
}

static void take(struct exporter *exporter, const struct record *record)
{
    struct otlp *otlp = from(exporter);
    unsigned spans = otlp_span_count(record);

    if (!record->is_sampled || !record->is_chat)
        return;
    figures_add(&exporter->figures.taken, spans);
    if (!otlp_put_record(&otlp->writer, record)) {
        /* perhaps it was the others that took the room */
        send_batch(otlp);
        if (!otlp_put_record(&otlp->writer, record))
            figures_add(&exporter->figures.dropped[DROP_TOO_LARGE], spans);
    }
    if (otlp->writer.span_count >= otlp->otel.batch_spans)
        send_batch(otlp);
}

static uint64_t tick(struct exporter *exporter, uint64_t now_ms)
{
    struct otlp *otlp = from(exporter);
    uint64_t next;

    if (otlp->writer.span_count > 0 && otlp->due_ms == 0)
        otlp->due_ms = now_ms + otlp->otel.schedule_ms;
    if (otlp->writer.span_count > 0 && now_ms >= otlp->due_ms)
        send_batch(otlp);
    next = outbox_tick(otlp->outbox, now_ms);
    return otlp->due_ms > 0 && otlp->due_ms < next ? otlp->due_ms : next;
}

static bool flush(struct exporter *exporter, uint64_t now_ms)
{
    struct otlp *otlp = from(exporter);

    send_batch(otlp);
    return outbox_flush(otlp->outbox, now_ms);
}

static void otlp_free(struct otlp *otlp)
{
    otlp_writer_fini(&otlp->writer);
    otlp_courier_fini(&otlp->courier);
    arena_clear(&otlp->arena);
    free(otlp);
}

static void close_exporter(struct exporter *exporter)
{
    struct otlp *otlp = from(exporter);

    send_batch(otlp);
    outbox_close(otlp->outbox);
    otlp_free(otlp);
}

/* --- the beginning -------------------------------------------------------- */

bool otlp_is_wanted(void)
{
    struct arena arena;
    struct otel otel;
    bool is_wanted;

    arena_init(&arena);
    otel_read(&arena, true, &otel);
    is_wanted = otel.exports[OTEL_TRACES];
    arena_clear(&arena);
    return is_wanted;
}

struct exporter *otlp_open(struct fetcher *fetcher,
                           const struct outbox_limits *limits, struct buf *why)
{
    static const struct exporter_verbs verbs = {take, tick, flush,
                                                close_exporter};
    struct otlp *otlp = must_calloc(1, sizeof(*otlp));
    const struct otlp_wire *wire;
    struct outbox_courier courier;

    arena_init(&otlp->arena);
    otel_read(&otlp->arena, false, &otlp->otel);
    wire = otlp->otel.endpoints[OTEL_TRACES].protocol == OTEL_HTTP_JSON
               ? &otlp_json
               : &otlp_protobuf;
    otlp->exporter.verbs = &verbs;
    otlp->exporter.has_spans = true;
    otlp->exporter.figures.name = STR("otlp");
    otlp->exporter.figures.items = STR("spans");
    otlp_writer_init(&otlp->writer, wire, &otlp->otel, SPANS_MAX);
    courier =
        otlp_courier_init(&otlp->courier, &otlp->otel, OTEL_TRACES, BATCH_MAX);
    otlp->outbox = outbox_open(fetcher, wire->kind, limits, &courier,
                               &otlp->exporter.figures, why);
    if (otlp->outbox != NULL)
        return &otlp->exporter;
    otlp_free(otlp);
    return NULL;
}
