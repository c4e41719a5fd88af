/* Spans as JSON: names in lowerCamelCase, ids in hexadecimal, enums as numbers,
 * 64-bit numbers as strings.
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
#include "json.h"
#include "otlp_wire.h"

static void put_quoted(struct buf *out, struct str text)
{
    buf_put_char(out, '"');
    json_escape(out, text);
    buf_put_char(out, '"');
}

static void put_member(struct buf *out, struct str before, struct str text)
{
    buf_put(out, before);
    json_escape(out, text);
    buf_put_char(out, '"');
}

/* --- attributes ---------------------------------------------------------- */

/* A KeyValue up to its value; false when there is no room for one. */
static bool put_key(struct otlp_writer *w, struct str key)
{
    if (!otlp_may_put(w))
        return false;
    buf_put(&w->spans,
            w->has_attribute ? STR(",{\"key\":\"") : STR("{\"key\":\""));
    w->has_attribute = true;
    buf_put(&w->spans, key);
    buf_put(&w->spans, STR("\",\"value\":{"));
    return true;
}

static void put_str(struct otlp_writer *w, struct str key, struct str value)
{
    if (!put_key(w, key))
        return;
    put_member(&w->spans, STR("\"stringValue\":\""), otlp_clip(w, value));
    buf_put(&w->spans, STR("}}"));
}

static void put_i64(struct otlp_writer *w, struct str key, int64_t value)
{
    if (!put_key(w, key))
        return;
    buf_put(&w->spans, STR("\"intValue\":\""));
    buf_put_i64(&w->spans, value);
    buf_put(&w->spans, STR("\"}}"));
}

static void put_double(struct otlp_writer *w, struct str key, double value)
{
    if (put_key(w, key))
        buf_printf(&w->spans, "\"doubleValue\":%.15g}}", value);
}

static void put_bool(struct otlp_writer *w, struct str key, bool value)
{
    if (put_key(w, key))
        buf_put(&w->spans, value ? STR("\"boolValue\":true}}")
                                 : STR("\"boolValue\":false}}"));
}

static void put_list(struct otlp_writer *w, struct str key, struct str value)
{
    if (!put_key(w, key))
        return;
    put_member(&w->spans,
               STR("\"arrayValue\":{\"values\":[{\"stringValue\":\""),
               otlp_clip(w, value));
    buf_put(&w->spans, STR("}]}}}"));
}

/* --- spans --------------------------------------------------------------- */

static void begin_span(struct otlp_writer *w, const struct otlp_span *span)
{
    struct buf *out = &w->spans;

    if (w->span_count > 0)
        buf_put_char(out, ',');
    put_member(out, STR("{\"traceId\":\""), span->trace_id);
    put_member(out, STR(",\"spanId\":\""), span->span_id);
    if (span->trace_state.len > 0)
        put_member(out, STR(",\"traceState\":\""), span->trace_state);
    if (span->parent_id.len > 0)
        put_member(out, STR(",\"parentSpanId\":\""), span->parent_id);
    put_member(out, STR(",\"name\":\""), span->name);
    buf_put(out, STR(",\"kind\":"));
    buf_put_u64(out, span->kind);
    buf_put(out, STR(",\"startTimeUnixNano\":\""));
    buf_put_u64(out, span->began_ns);
    buf_put(out, STR("\",\"endTimeUnixNano\":\""));
    buf_put_u64(out, span->ended_ns);
    buf_put(out, STR("\",\"flags\":"));
    buf_put_u64(out, span->flags);
    buf_put(out, STR(",\"attributes\":["));
    w->has_attribute = false;
}

static void open_events(struct otlp_writer *w)
{
    buf_put(&w->spans, STR("],\"events\":["));
    w->has_event = false;
}

static void begin_event(struct otlp_writer *w, struct str name, uint64_t at_ns)
{
    struct buf *out = &w->spans;

    buf_put(out, w->has_event ? STR(",{\"timeUnixNano\":\"")
                              : STR("{\"timeUnixNano\":\""));
    w->has_event = true;
    buf_put_u64(out, at_ns);
    put_member(out, STR("\",\"name\":\""), name);
    buf_put(out, STR(",\"attributes\":["));
    w->has_attribute = false;
}

static void end_event(struct otlp_writer *w)
{
    buf_put(&w->spans, STR("]}"));
}

static void put_link(struct buf *out, const struct otlp_span *span)
{
    put_member(out, STR(",\"links\":[{\"traceId\":\""), span->link_trace_id);
    put_member(out, STR(",\"spanId\":\""), span->link_span_id);
    buf_put(out, STR(",\"flags\":"));
    buf_put_u64(out, span->link_flags);
    buf_put(out, STR("}]"));
}

static void put_status(struct buf *out, const struct otlp_span *span)
{
    buf_put(out, STR(",\"status\":{\"code\":"));
    buf_put_u64(out, span->status);
    if (span->message.len > 0)
        put_member(out, STR(",\"message\":\""), span->message);
    buf_put_char(out, '}');
}

static void end_span(struct otlp_writer *w, const struct otlp_span *span)
{
    struct buf *out = &w->spans;

    buf_put_char(out, ']');
    if (w->dropped_attributes > 0) {
        buf_put(out, STR(",\"droppedAttributesCount\":"));
        buf_put_u64(out, w->dropped_attributes);
    }
    if (w->dropped_events > 0) {
        buf_put(out, STR(",\"droppedEventsCount\":"));
        buf_put_u64(out, w->dropped_events);
    }
    if (span->link_trace_id.len > 0)
        put_link(out, span);
    if (span->status != OTLP_UNSET)
        put_status(out, span);
    buf_put_char(out, '}');
}

void otlp_json_attribute(struct buf *out, struct str key, struct str value)
{
    buf_put(out, STR("{\"key\":"));
    put_quoted(out, key);
    buf_put(out, STR(",\"value\":{\"stringValue\":"));
    put_quoted(out, value);
    buf_put(out, STR("}}"));
}

void otlp_json_pack(const struct otel *otel, enum otel_signal signal,
                    struct str items, struct buf *out)
{
    bool is_traces = signal == OTEL_TRACES;

    buf_put(out, is_traces ? STR("{\"resourceSpans\":[")
                           : STR("{\"resourceMetrics\":["));
    buf_put(out, STR("{\"resource\":{\"attributes\":["));
    for (unsigned i = 0; i < otel->resource_count; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        otlp_json_attribute(out, otel->resource[i].key,
                            otel->resource[i].value);
    }
    buf_put(out, is_traces ? STR("]},\"scopeSpans\":[")
                           : STR("]},\"scopeMetrics\":["));
    buf_put(out, STR("{\"scope\":{\"name\":\"" OTLP_SCOPE
                     "\",\"version\":\"" WEIR_VERSION "\"},"));
    buf_put(out, is_traces ? STR("\"spans\":[") : STR("\"metrics\":["));
    buf_put(out, items);
    buf_put(out, STR("]}]}]}"));
}

static void pack(const struct otlp_writer *w, struct buf *out)
{
    otlp_json_pack(w->otel, OTEL_TRACES, buf_str(&w->spans), out);
}

const struct otlp_wire otlp_json = {
    .kind = STR_INIT("otlp-traces.json"),
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
