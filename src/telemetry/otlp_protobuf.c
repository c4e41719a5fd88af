/* Spans as protocol buffers. */
#include "otlp_wire.h"
#include "protobuf.h"

/* Numbers of fields, message by message. */
enum {
    REQUEST_RESOURCE_SPANS = 1,
    RESOURCE_SPANS_RESOURCE = 1,
    RESOURCE_SPANS_SCOPE_SPANS = 2,
    RESOURCE_ATTRIBUTES = 1,
    SCOPE_SPANS_SCOPE = 1,
    SCOPE_SPANS_SPANS = 2,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT_SPAN_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_DROPPED_ATTRIBUTES = 10,
    SPAN_EVENTS = 11,
    SPAN_DROPPED_EVENTS = 12,
    SPAN_LINKS = 13,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
    EVENT_TIME = 1,
    EVENT_NAME = 2,
    EVENT_ATTRIBUTES = 3,
    LINK_TRACE_ID = 1,
    LINK_SPAN_ID = 2,
    LINK_FLAGS = 6,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = 2,
    VALUE_STRING = 1,
    VALUE_BOOL = 2,
    VALUE_INT = 3,
    VALUE_DOUBLE = 4,
    VALUE_ARRAY = 5,
    ARRAY_VALUES = 1,
};

enum { ID_BYTES = 16 };

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

void otlp_protobuf_id(struct buf *out, unsigned field, struct str digits)
{
    char bytes[ID_BYTES];
    size_t len = digits.len / 2;

    if (len == 0 || len > ID_BYTES)
        return;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(nibble(digits.ptr[2 * i]) << 4 |
                          nibble(digits.ptr[2 * i + 1]));
    protobuf_bytes(out, field, (struct str){bytes, len});
}

/* --- attributes ---------------------------------------------------------- */

/* Of a field with bytes and a number below 16. */
static size_t size_of(size_t len)
{
    return 1 + protobuf_varint_len(len) + len;
}

static unsigned attributes_field(const struct otlp_writer *w)
{
    return w->in_event ? EVENT_ATTRIBUTES : SPAN_ATTRIBUTES;
}

/* A KeyValue up to its value, which takes `len` bytes: where that goes. */
static char *put_key(struct buf *out, unsigned field, struct str key,
                     size_t len)
{
    size_t whole = size_of(key.len) + size_of(len);
    char *at = protobuf_room(out, size_of(whole));

    if (at == NULL)
        return NULL;
    at = protobuf_at_head(at, field, whole);
    at = protobuf_at_bytes(at, KEY_VALUE_KEY, key);
    at = protobuf_at_head(at, KEY_VALUE_VALUE, len);
    out->len = (size_t)(at - out->ptr);
    return at;
}

void otlp_protobuf_attribute(struct buf *out, unsigned field, struct str key,
                             struct str value)
{
    char *at = put_key(out, field, key, size_of(value.len));

    if (at == NULL)
        return;
    at = protobuf_at_bytes(at, VALUE_STRING, value);
    out->len = (size_t)(at - out->ptr);
}

static void put_str(struct otlp_writer *w, struct str key, struct str value)
{
    if (otlp_may_put(w))
        otlp_protobuf_attribute(&w->spans, attributes_field(w), key,
                                otlp_clip(w, value));
}

static void put_i64(struct otlp_writer *w, struct str key, int64_t value)
{
    if (!otlp_may_put(w))
        return;
    (void)put_key(&w->spans, attributes_field(w), key,
                  1 + protobuf_varint_len((uint64_t)value));
    protobuf_u64(&w->spans, VALUE_INT, (uint64_t)value);
}

static void put_double(struct otlp_writer *w, struct str key, double value)
{
    if (!otlp_may_put(w))
        return;
    (void)put_key(&w->spans, attributes_field(w), key, 1 + sizeof(uint64_t));
    protobuf_double(&w->spans, VALUE_DOUBLE, value);
}

static void put_bool(struct otlp_writer *w, struct str key, bool value)
{
    if (!otlp_may_put(w))
        return;
    (void)put_key(&w->spans, attributes_field(w), key, 2);
    protobuf_u64(&w->spans, VALUE_BOOL, value);
}

static void put_list(struct otlp_writer *w, struct str key, struct str value)
{
    struct buf *out = &w->spans;
    size_t len;

    if (!otlp_may_put(w))
        return;
    value = otlp_clip(w, value);
    len = size_of(value.len); /* of the AnyValue in the list */
    (void)put_key(out, attributes_field(w), key, size_of(size_of(len)));
    protobuf_head(out, VALUE_ARRAY, size_of(len));
    protobuf_head(out, ARRAY_VALUES, len);
    protobuf_bytes(out, VALUE_STRING, value);
}

/* --- spans --------------------------------------------------------------- */

static void begin_span(struct otlp_writer *w, const struct otlp_span *span)
{
    struct buf *out = &w->spans;

    w->span_at = protobuf_open(out, SCOPE_SPANS_SPANS);
    otlp_protobuf_id(out, SPAN_TRACE_ID, span->trace_id);
    otlp_protobuf_id(out, SPAN_SPAN_ID, span->span_id);
    if (span->trace_state.len > 0)
        protobuf_bytes(out, SPAN_TRACE_STATE, span->trace_state);
    otlp_protobuf_id(out, SPAN_PARENT_SPAN_ID, span->parent_id);
    protobuf_bytes(out, SPAN_NAME, span->name);
    protobuf_u64(out, SPAN_KIND, span->kind);
    protobuf_fixed64(out, SPAN_START, span->began_ns);
    protobuf_fixed64(out, SPAN_END, span->ended_ns);
}

static void open_events(struct otlp_writer *w)
{
    (void)w; /* each event says what it is */
}

static void begin_event(struct otlp_writer *w, struct str name, uint64_t at_ns)
{
    w->event_at = protobuf_open(&w->spans, SPAN_EVENTS);
    protobuf_fixed64(&w->spans, EVENT_TIME, at_ns);
    protobuf_bytes(&w->spans, EVENT_NAME, name);
}

static void end_event(struct otlp_writer *w)
{
    protobuf_close(&w->spans, w->event_at);
}

static void put_link(struct buf *out, const struct otlp_span *span)
{
    size_t at = protobuf_open(out, SPAN_LINKS);

    otlp_protobuf_id(out, LINK_TRACE_ID, span->link_trace_id);
    otlp_protobuf_id(out, LINK_SPAN_ID, span->link_span_id);
    protobuf_fixed32(out, LINK_FLAGS, span->link_flags);
    protobuf_close(out, at);
}

static void put_status(struct buf *out, const struct otlp_span *span)
{
    size_t at = protobuf_open(out, SPAN_STATUS);

    if (span->message.len > 0)
        protobuf_bytes(out, STATUS_MESSAGE, span->message);
    protobuf_u64(out, STATUS_CODE, span->status);
    protobuf_close(out, at);
}

static void end_span(struct otlp_writer *w, const struct otlp_span *span)
{
    struct buf *out = &w->spans;

    if (w->dropped_attributes > 0)
        protobuf_u64(out, SPAN_DROPPED_ATTRIBUTES, w->dropped_attributes);
    if (w->dropped_events > 0)
        protobuf_u64(out, SPAN_DROPPED_EVENTS, w->dropped_events);
    if (span->link_trace_id.len > 0)
        put_link(out, span);
    if (span->status != OTLP_UNSET)
        put_status(out, span);
    protobuf_fixed32(out, SPAN_FLAGS, span->flags);
    protobuf_close(out, w->span_at);
}

void otlp_protobuf_pack(const struct otel *otel, struct str items,
                        struct buf *out)
{
    struct buf head;
    struct str scope_name = STR(OTLP_SCOPE);
    struct str scope_version = STR(WEIR_VERSION);
    size_t scope_len = size_of(scope_name.len) + size_of(scope_version.len);
    size_t at;

    /* the fields before the items, so that all lengths are known */
    buf_init(&head, BUF_SMALL);
    at = protobuf_open(&head, RESOURCE_SPANS_RESOURCE);
    for (unsigned i = 0; i < otel->resource_count; i++)
        otlp_protobuf_attribute(&head, RESOURCE_ATTRIBUTES,
                                otel->resource[i].key, otel->resource[i].value);
    protobuf_close(&head, at);
    protobuf_head(&head, RESOURCE_SPANS_SCOPE_SPANS,
                  size_of(scope_len) + items.len);
    protobuf_head(&head, SCOPE_SPANS_SCOPE, scope_len);
    protobuf_bytes(&head, SCOPE_NAME, scope_name);
    protobuf_bytes(&head, SCOPE_VERSION, scope_version);
    protobuf_head(out, REQUEST_RESOURCE_SPANS, head.len + items.len);
    buf_put(out, buf_str(&head));
    buf_put(out, items);
    buf_fini(&head);
}

static void pack(const struct otlp_writer *w, struct buf *out)
{
    otlp_protobuf_pack(w->otel, buf_str(&w->spans), out);
}

const struct otlp_wire otlp_protobuf = {
    .kind = STR_INIT("otlp-traces.pb"),
    .begin_span = begin_span,
    .put_str = put_str,
    .put_i64 = put_i64,
    .put_double = put_double,
    .put_bool = put_bool,
    .put_list = put_list,
    .open_events = open_events,
    .begin_event = begin_event,
    .end_event = end_event,
    .end_span = end_span,
    .pack = pack,
};
