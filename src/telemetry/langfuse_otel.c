/* A span for each generation: https://opentelemetry.io/docs/specs/otlp/, as
 * JSON (ids in hexadecimal, 64-bit numbers as strings), with the attributes
 * that Langfuse reads.  Its metadata are one attribute, whose JSON Langfuse
 * takes apart: an attribute for each would be twice as long. */
#include "json.h"
#include "langfuse_text.h"
#include "langfuse_wire.h"

/* An attribute up to its value, and behind it. */
#define TEXT(key) STR(",{\"key\":\"" key "\",\"value\":{\"stringValue\":\"")
#define TEXT_END STR("\"}}")

static void put_text(struct buf *out, struct str attribute, struct str value)
{
    if (value.len == 0)
        return;
    buf_put(out, attribute);
    langfuse_put_text(out, value);
    buf_put(out, TEXT_END);
}

static void put_nanoseconds(struct buf *out, struct str member,
                            const struct record *record, uint64_t at_us)
{
    buf_put(out, member);
    buf_put_u64(out, record_wall_ns(record, at_us));
}

static void put_ids(struct buf *out, const struct record *record)
{
    buf_put(out, STR("{\"traceId\":\""));
    buf_put(out, record->trace_id);
    buf_put(out, STR("\",\"spanId\":\""));
    buf_put(out, record->span_id);
    if (record->parent_span_id.len > 0) {
        buf_put(out, STR("\",\"parentSpanId\":\""));
        buf_put(out, record->parent_span_id);
    }
    buf_put(out, STR("\",\"name\":\""));
    buf_put(out, langfuse_name(record));
    put_nanoseconds(out, STR("\",\"kind\":2,\"startTimeUnixNano\":\""), record,
                    record->began_us);
    put_nanoseconds(out, STR("\",\"endTimeUnixNano\":\""), record,
                    record->ended_us);
}

static void put_numbers(struct buf *out, const struct record *record)
{
    if (langfuse_has_parameters(record)) {
        buf_put(out, TEXT("langfuse.observation.model.parameters"));
        langfuse_put_parameters(out, record, LANGFUSE_IN_STRING);
        buf_put(out, TEXT_END);
    }
    if (record->usage.is_known) {
        buf_put(out, TEXT("langfuse.observation.usage_details"));
        langfuse_put_usage(out, record, LANGFUSE_IN_STRING);
        buf_put(out, TEXT_END);
    }
    if (record->is_priced) {
        buf_put(out, TEXT("langfuse.observation.cost_details"));
        langfuse_put_cost(out, record, LANGFUSE_IN_STRING);
        buf_put(out, TEXT_END);
    }
    if (record->first_token_us > 0) {
        buf_put(out, TEXT("langfuse.observation.completion_start_time"));
        langfuse_put_date(out, record_wall_ns(record, record->first_token_us));
        buf_put(out, TEXT_END);
    }
}

static void put_level(struct buf *out, const struct record *record)
{
    struct str level = langfuse_level(record);

    if (level.len == 0)
        return;
    put_text(out, TEXT("langfuse.observation.level"), level);
    buf_put(out, TEXT("langfuse.observation.status_message"));
    langfuse_put_message(out, record);
    buf_put(out, TEXT_END);
}

static void put_tags(struct buf *out, const struct langfuse_told *told)
{
    if (told->tag_count == 0)
        return;
    buf_put(out, STR(",{\"key\":\"langfuse.trace.tags\",\"value\":"
                     "{\"arrayValue\":{\"values\":["));
    for (unsigned i = 0; i < told->tag_count; i++) {
        buf_put(out, i > 0 ? STR(",{\"stringValue\":\"")
                           : STR("{\"stringValue\":\""));
        langfuse_put_text(out, told->tags[i]);
        buf_put(out, STR("\"}"));
    }
    buf_put(out, STR("]}}}"));
}

/* What Langfuse wants to find on every span of a trace. */
static void put_trace(struct buf *out, const struct langfuse_labels *labels,
                      const struct record *record,
                      const struct langfuse_told *told)
{
    if (record->parent_span_id.len == 0)
        put_text(out, TEXT("langfuse.trace.name"), langfuse_name(record));
    put_text(out, TEXT("user.id"), langfuse_person(record->user));
    put_text(out, TEXT("session.id"), langfuse_person(record->session));
    put_tags(out, told);
    put_text(out, TEXT("langfuse.environment"), labels->environment);
    put_text(out, TEXT("langfuse.release"), labels->release);
    buf_put(out, STR(",{\"key\":\"langfuse.version\",\"value\":"
                     "{\"stringValue\":\"" WEIR_VERSION "\"}}"));
}

static void put_span(struct buf *out, const struct langfuse_labels *labels,
                     const struct record *record,
                     const struct langfuse_told *told, bool without_content)
{
    put_ids(out, record);
    buf_put(out, STR("\",\"attributes\":["
                     "{\"key\":\"langfuse.observation.type\",\"value\":"
                     "{\"stringValue\":\"generation\"}},"
                     "{\"key\":\"langfuse.internal.is_app_root\",\"value\":"
                     "{\"boolValue\":true}}"));
    put_text(out, TEXT("langfuse.observation.model.name"),
             langfuse_model(record));
    put_numbers(out, record);
    put_level(out, record);
    put_trace(out, labels, record, told);
    buf_put(out, TEXT("langfuse.observation.metadata"));
    langfuse_put_metadata(out, record, told, without_content,
                          LANGFUSE_IN_STRING);
    buf_put(out, TEXT_END);
    if (!without_content) {
        put_text(out, TEXT("langfuse.observation.input"), record->input);
        put_text(out, TEXT("langfuse.observation.output"), record->output);
    }
    buf_put_char(out, ']');
    if (str_eq(langfuse_level(record), STR("ERROR")))
        buf_put(out, STR(",\"status\":{\"code\":2}"));
    buf_put_char(out, '}');
}

/* --- the answer ---------------------------------------------------------- */

/* {"partialSuccess":{"rejectedSpans":"2","errorMessage":"…"}}; what was
 * rejected must not be sent again.  Langfuse says other things in JSON; what is
 * none comes from somebody else, a page to log in for example. */
static void read_answer(struct arena *arena, struct str sent, struct str answer,
                        struct langfuse_reading *out, struct buf *rest)
{
    struct json_error error;
    struct json_doc doc;
    yyjson_val *partial;
    yyjson_val *count;
    uint64_t n = 0;

    (void)sent;
    (void)rest;
    *out = (struct langfuse_reading){.is_readable = true};
    if (answer.len == 0)
        return;
    out->is_readable = json_read(arena, answer, &doc, &error);
    if (!out->is_readable)
        return;
    partial = json_get(doc.root, STR("partialSuccess"));
    count = json_get(partial, STR("rejectedSpans"));
    if (!str_to_u64(yyjson_is_str(count) ? json_text(count)
                                         : json_number_text(count),
                    &n))
        return;
    out->rejected = n > UINT32_MAX ? UINT32_MAX : (unsigned)n;
    if (n > 0)
        out->why = json_get_text(partial, STR("errorMessage"));
}

const struct langfuse_wire langfuse_otel = {
    .path = STR_INIT("/api/public/otel/v1/traces"),
    .kind = STR_INIT("langfuse-otel.json"),
    .batch_bytes = 1000000, /* what proxies take unless told otherwise */
    .takes_gzip = true,
    .head =
        STR_INIT("{\"resourceSpans\":[{\"resource\":{\"attributes\":["
                 "{\"key\":\"service.name\",\"value\":"
                 "{\"stringValue\":\"hybrid-llm-router\"}},"
                 "{\"key\":\"service.version\",\"value\":"
                 "{\"stringValue\":\"" WEIR_VERSION "\"}}]},"
                 "\"scopeSpans\":[{\"scope\":{\"name\":\"weir\",\"version\":"
                 "\"" WEIR_VERSION "\"},\"spans\":["),
    .tail = STR_INIT("]}]}]}"),
    .put = put_span,
    .read = read_answer,
};
