#include "order.h"

static void put_header(struct buf *out, struct str name, struct str value)
{
    buf_put(out, name);
    buf_put(out, STR(": "));
    buf_put(out, value);
    buf_put(out, STR("\r\n"));
}

static void put_credentials(const struct order *order,
                            const struct backend *backend,
                            struct str anthropic_version, struct buf *out)
{
    if (backend->dialect == DIALECT_ANTHROPIC) {
        if (secret_is_set(backend->key))
            put_header(out, STR("x-api-key"), backend->key.bytes);
        put_header(out, STR("anthropic-version"),
                   order->anthropic_version.len > 0 ? order->anthropic_version
                                                    : anthropic_version);
        if (order->anthropic_beta.len > 0)
            put_header(out, STR("anthropic-beta"), order->anthropic_beta);
    } else if (secret_is_set(backend->key)) {
        buf_put(out, STR("Authorization: Bearer "));
        buf_put(out, backend->key.bytes);
        buf_put(out, STR("\r\n"));
    }
}

void order_write(const struct order *order, const struct replica *replica,
                 struct str anthropic_version, struct buf *out)
{
    bool is_cloud = replica->backend->tier == TIER_CLOUD;
    bool takes_trace = replica->backend->takes_trace;

    buf_put(out, order->method);
    buf_put_char(out, ' ');
    buf_put(out, replica->endpoint.path);
    buf_put(out, order->path);
    if (order->query.len > 0) {
        buf_put_char(out, '?');
        buf_put(out, order->query);
    }
    buf_put(out, STR(" HTTP/1.1\r\n"));
    put_header(out, STR("Host"), replica->endpoint.authority);
    put_header(out, STR("User-Agent"), STR("weir/" WEIR_VERSION));
    put_header(out, STR("Accept"),
               order->wants_stream ? STR("text/event-stream")
                                   : STR("application/json"));
    put_credentials(order, replica->backend, anthropic_version, out);
    if (order->body_len > 0) {
        put_header(out, STR("Content-Type"), STR("application/json"));
        buf_put(out, STR("Content-Length: "));
        buf_put_u64(out, order->body_len);
        buf_put(out, STR("\r\n"));
    }
    /* Ids of ours mean nothing to a vendor, and would tell him how our
     * callers' calls hang together. */
    if (!is_cloud && order->request_id.len > 0)
        put_header(out, STR("X-Request-Id"), order->request_id);
    if (takes_trace && order->traceparent.len > 0)
        put_header(out, STR("traceparent"), order->traceparent);
    if (takes_trace && order->tracestate.len > 0)
        put_header(out, STR("tracestate"), order->tracestate);
    buf_put(out, STR("\r\n"));
}
