#include "otlp_courier.h"

#include "otlp_answer.h"

enum {
    ANSWER_MAX = 4 << 20, /* as the specification advises */
    OWN_HEADERS = 6,
    GRPC_PREFIX = 5,
};

/* gRPC: each message has a flag, is it compressed, and its length. */
static struct str put_prefix(struct otlp_courier *courier, struct str body,
                             bool is_zipped)
{
    struct buf *out = &courier->packed;

    buf_clear(out);
    buf_put_char(out, is_zipped);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_put_char(out, (char)(body.len >> shift));
    buf_put(out, body);
    return buf_str(out);
}

static bool zip(struct otlp_courier *courier, struct str *body)
{
    buf_clear(&courier->zipped);
    if (courier->gzip == NULL ||
        !gzip_pack(courier->gzip, *body, &courier->zipped))
        return false;
    *body = buf_str(&courier->zipped);
    return true;
}

static unsigned set_headers(struct otlp_courier *courier, bool is_zipped)
{
    const struct otel_endpoint *endpoint = courier->endpoint;
    struct fetch_header *headers = courier->headers;
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
        headers[n++] = (struct fetch_header){
            STR("Content-Type"), endpoint->protocol == OTEL_HTTP_JSON
                                     ? STR("application/json")
                                     : STR("application/x-protobuf")};
        if (is_zipped)
            headers[n++] =
                (struct fetch_header){STR("Content-Encoding"), STR("gzip")};
    }
    return n;
}

static void address(void *ctx, struct str body, struct fetch_order *order)
{
    struct otlp_courier *courier = ctx;
    const struct otel_endpoint *endpoint = courier->endpoint;
    bool is_grpc = endpoint->protocol == OTEL_GRPC;
    bool is_zipped = zip(courier, &body);

    *order = (struct fetch_order){
        .url = endpoint->url,
        .headers = courier->headers,
        .header_count = set_headers(courier, is_zipped),
        .body = is_grpc ? put_prefix(courier, body, is_zipped) : body,
        .speaks_http2 = is_grpc,
        .tls = &endpoint->tls,
        .timeout_ms = courier->timeout_ms,
        .max_answer = ANSWER_MAX,
    };
}

static struct outbox_verdict judge(void *ctx, struct str body,
                                   const struct fetch_answer *answer,
                                   struct buf *rest)
{
    struct otlp_courier *courier = ctx;

    (void)body;
    (void)rest;
    arena_clear(&courier->told);
    return otlp_judge(&courier->told, courier->endpoint->protocol, answer);
}

struct outbox_courier otlp_courier_init(struct otlp_courier *courier,
                                        const struct otel *otel,
                                        enum otel_signal signal,
                                        size_t batch_max)
{
    const struct otel_endpoint *endpoint = &otel->endpoints[signal];
    uint64_t export_ms = signal == OTEL_METRICS ? otel->push_timeout_ms
                                                : otel->export_timeout_ms;

    *courier = (struct otlp_courier){
        .endpoint = endpoint,
        .timeout_ms =
            endpoint->timeout_ms < export_ms ? endpoint->timeout_ms : export_ms,
    };
    arena_init(&courier->arena);
    arena_init(&courier->told);
    buf_init(&courier->packed, batch_max + GRPC_PREFIX);
    buf_init(&courier->zipped, batch_max);
    courier->headers = ARENA_ARRAY(&courier->arena, struct fetch_header,
                                   endpoint->header_count + OWN_HEADERS);
    if (endpoint->is_zipped)
        courier->gzip = gzip_new();
    return (struct outbox_courier){address, judge, courier};
}

void otlp_courier_fini(struct otlp_courier *courier)
{
    gzip_free(courier->gzip);
    buf_fini(&courier->packed);
    buf_fini(&courier->zipped);
    arena_clear(&courier->arena);
    arena_clear(&courier->told);
}
