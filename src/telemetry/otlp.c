#include "otlp.h"

#include <stdlib.h>

#include "check.h"
#include "gzip.h"
#include "otlp_answer.h"
#include "otlp_wire.h"

enum {
    SPANS_MAX = 8 << 20,  /* bytes of one batch */
    BATCH_MAX = 16 << 20, /* the same with what is around it */
    ANSWER_MAX = 4 << 20, /* as the specification advises */
    OWN_HEADERS = 6,
    GRPC_PREFIX = 5,
};

struct otlp {
    struct exporter exporter; /* the first member */
    struct arena arena;       /* what the environment says */
    struct otel otel;
    const struct otel_endpoint *endpoint;
    struct outbox *outbox;
    struct otlp_writer writer;
    uint64_t due_ms; /* when the batch leaves; 0: not known yet */
    /* of the transfer under way */
    struct gzip *gzip; /* NULL: nothing is compressed */
    struct buf packed, zipped;
    struct fetch_header *headers;
    struct arena told; /* of the last answer */
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
    gzip_free(otlp->gzip);
    buf_fini(&otlp->packed);
    buf_fini(&otlp->zipped);
    arena_clear(&otlp->told);
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

/* --- on the way ----------------------------------------------------------- */

/* gRPC: each message has a flag, is it compressed, and its length. */
static struct str put_prefix(struct otlp *otlp, struct str body, bool is_zipped)
{
    struct buf *out = &otlp->packed;

    buf_clear(out);
    buf_put_char(out, is_zipped);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_put_char(out, (char)(body.len >> shift));
    buf_put(out, body);
    return buf_str(out);
}

static bool zip(struct otlp *otlp, struct str *body)
{
    buf_clear(&otlp->zipped);
    if (otlp->gzip == NULL || !gzip_pack(otlp->gzip, *body, &otlp->zipped))
        return false;
    *body = buf_str(&otlp->zipped);
    return true;
}

static unsigned set_headers(struct otlp *otlp, bool is_zipped)
{
    const struct otel_endpoint *endpoint = otlp->endpoint;
    struct fetch_header *headers = otlp->headers;
    unsigned n = 0;

    for (unsigned i = 0; i < endpoint->header_count; i++)
        headers[n++] = (struct fetch_header){endpoint->headers[i].key,
                                             endpoint->headers[i].value};
    headers[n++] = (struct fetch_header){
        STR("User-Agent"), STR("OTel-OTLP-Exporter-C/" WEIR_VERSION)};
    if (endpoint->protocol == OTEL_GRPC) {
        headers[n++] =
            (struct fetch_header){STR("Content-Type"), STR("application/grpc")};
        headers[n++] = (struct fetch_header){STR("te"), STR("trailers")};
        headers[n++] =
            (struct fetch_header){STR("grpc-accept-encoding"), STR("identity")};
        if (is_zipped)
            headers[n++] =
                (struct fetch_header){STR("grpc-encoding"), STR("gzip")};
    } else {
        headers[n++] = (struct fetch_header){STR("Content-Type"),
                                             otlp->writer.wire->content_type};
        if (is_zipped)
            headers[n++] =
                (struct fetch_header){STR("Content-Encoding"), STR("gzip")};
    }
    return n;
}

static void address(void *ctx, struct str body, struct fetch_order *order)
{
    struct otlp *otlp = ctx;
    const struct otel_endpoint *endpoint = otlp->endpoint;
    bool is_grpc = endpoint->protocol == OTEL_GRPC;
    bool is_zipped = zip(otlp, &body);
    uint64_t timeout_ms = endpoint->timeout_ms < otlp->otel.export_timeout_ms
                              ? endpoint->timeout_ms
                              : otlp->otel.export_timeout_ms;

    *order = (struct fetch_order){
        .url = endpoint->url,
        .headers = otlp->headers,
        .header_count = set_headers(otlp, is_zipped),
        .body = is_grpc ? put_prefix(otlp, body, is_zipped) : body,
        .speaks_http2 = is_grpc,
        .ignores_proxies = endpoint->is_loopback,
        .tls = &endpoint->tls,
        .timeout_ms = timeout_ms,
        .max_answer = ANSWER_MAX,
    };
}

static struct outbox_verdict judge(void *ctx, struct str body,
                                   const struct fetch_answer *answer,
                                   struct buf *rest)
{
    struct otlp *otlp = ctx;

    (void)body;
    (void)rest;
    arena_clear(&otlp->told);
    return otlp_judge(&otlp->told, otlp->endpoint->protocol, answer);
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
    const struct outbox_courier courier = {address, judge, otlp};
    const struct otlp_wire *wire;

    arena_init(&otlp->arena);
    arena_init(&otlp->told);
    otel_read(&otlp->arena, false, &otlp->otel);
    otlp->endpoint = &otlp->otel.endpoints[OTEL_TRACES];
    wire = otlp->endpoint->protocol == OTEL_HTTP_JSON ? &otlp_json
                                                      : &otlp_protobuf;
    otlp->exporter.verbs = &verbs;
    otlp->exporter.figures.name = STR("otlp");
    otlp->exporter.figures.items = STR("spans");
    otlp_writer_init(&otlp->writer, wire, &otlp->otel, SPANS_MAX);
    buf_init(&otlp->packed, BATCH_MAX + GRPC_PREFIX);
    buf_init(&otlp->zipped, BATCH_MAX);
    otlp->headers = ARENA_ARRAY(&otlp->arena, struct fetch_header,
                                otlp->endpoint->header_count + OWN_HEADERS);
    if (otlp->endpoint->is_zipped)
        otlp->gzip = gzip_new();
    otlp->outbox = outbox_open(fetcher, wire->kind, limits, &courier,
                               &otlp->exporter.figures, why);
    if (otlp->outbox != NULL)
        return &otlp->exporter;
    otlp_free(otlp);
    return NULL;
}
