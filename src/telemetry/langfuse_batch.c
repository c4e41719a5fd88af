/* Two events for each generation, the trace and the generation itself.  Their
 * ids are made from those of the request, so that one that is sent again is
 * known to be the same. */
#include "json.h"
#include "langfuse_answer.h"
#include "langfuse_text.h"
#include "langfuse_wire.h"

/* `member` is ,"name":" */
static void put_text(struct buf *out, struct str member, struct str value)
{
    if (value.len == 0)
        return;
    buf_put(out, member);
    langfuse_put_text(out, value);
    buf_put_char(out, '"');
}

static void put_date(struct buf *out, struct str member,
                     const struct record *record, uint64_t at_us)
{
    buf_put(out, member);
    langfuse_put_date(out, record_wall_ns(record, at_us));
    buf_put_char(out, '"');
}

/* {"id":…,"timestamp":…,"type":…,"body":{"id":" */
static void put_envelope(struct buf *out, const struct record *record,
                         struct str suffix, struct str type)
{
    buf_put(out, STR("{\"id\":\""));
    buf_put(out, record->trace_id);
    buf_put_char(out, '-');
    buf_put(out, record->span_id);
    buf_put(out, suffix);
    put_date(out, STR("\",\"timestamp\":\""), record, record->ended_us);
    buf_put(out, STR(",\"type\":\""));
    buf_put(out, type);
    buf_put(out, STR("\",\"body\":{\"id\":\""));
}

static void put_tags(struct buf *out, const struct langfuse_told *told)
{
    if (told->tag_count == 0)
        return;
    buf_put(out, STR(",\"tags\":["));
    for (unsigned i = 0; i < told->tag_count; i++) {
        buf_put(out, i > 0 ? STR(",\"") : STR("\""));
        langfuse_put_text(out, told->tags[i]);
        buf_put_char(out, '"');
    }
    buf_put_char(out, ']');
}

static void put_content(struct buf *out, struct str member, struct str json)
{
    if (json.len == 0)
        return;
    buf_put(out, member);
    buf_put(out, json);
}

/* A trace whose first span is the caller's is named by the caller, and has its
 * input and output. */
static void put_trace(struct buf *out, const struct langfuse_labels *labels,
                      const struct record *record,
                      const struct langfuse_told *told, bool without_content)
{
    put_envelope(out, record, STR("-trace"), STR("trace-create"));
    buf_put(out, record->trace_id);
    put_date(out, STR("\",\"timestamp\":\""), record, record->began_us);
    put_text(out, STR(",\"userId\":\""), langfuse_person(record->user));
    put_text(out, STR(",\"sessionId\":\""), langfuse_person(record->session));
    put_tags(out, told);
    put_text(out, STR(",\"environment\":\""), labels->environment);
    put_text(out, STR(",\"release\":\""), labels->release);
    if (record->parent_span_id.len == 0) {
        put_text(out, STR(",\"name\":\""), langfuse_name(record));
        buf_put(out, STR(",\"version\":\"" WEIR_VERSION "\""));
        if (!without_content) {
            put_content(out, STR(",\"input\":"), record->input);
            put_content(out, STR(",\"output\":"), record->output);
        }
    }
    buf_put(out, STR("}}"));
}

static void put_numbers(struct buf *out, const struct record *record)
{
    if (langfuse_has_parameters(record)) {
        buf_put(out, STR(",\"modelParameters\":"));
        langfuse_put_parameters(out, record, LANGFUSE_PLAIN);
    }
    if (record->usage.is_known) {
        buf_put(out, STR(",\"usageDetails\":"));
        langfuse_put_usage(out, record, LANGFUSE_PLAIN);
    }
    if (record->is_priced) {
        buf_put(out, STR(",\"costDetails\":"));
        langfuse_put_cost(out, record, LANGFUSE_PLAIN);
    }
}

static void put_level(struct buf *out, const struct record *record)
{
    struct str level = langfuse_level(record);

    if (level.len == 0)
        return;
    put_text(out, STR(",\"level\":\""), level);
    buf_put(out, STR(",\"statusMessage\":\""));
    langfuse_put_message(out, record);
    buf_put_char(out, '"');
}

static void put_generation(struct buf *out,
                           const struct langfuse_labels *labels,
                           const struct record *record,
                           const struct langfuse_told *told,
                           bool without_content)
{
    put_envelope(out, record, STR("-generation"), STR("generation-create"));
    buf_put(out, record->span_id);
    buf_put(out, STR("\",\"traceId\":\""));
    buf_put(out, record->trace_id);
    buf_put_char(out, '"');
    put_text(out, STR(",\"parentObservationId\":\""), record->parent_span_id);
    put_text(out, STR(",\"name\":\""), langfuse_name(record));
    put_date(out, STR(",\"startTime\":\""), record, record->began_us);
    if (record->first_token_us > 0)
        put_date(out, STR(",\"completionStartTime\":\""), record,
                 record->first_token_us);
    put_date(out, STR(",\"endTime\":\""), record, record->ended_us);
    put_text(out, STR(",\"model\":\""), langfuse_model(record));
    put_numbers(out, record);
    put_level(out, record);
    put_text(out, STR(",\"environment\":\""), labels->environment);
    buf_put(out, STR(",\"version\":\"" WEIR_VERSION "\",\"metadata\":"));
    langfuse_put_metadata(out, record, told, without_content, LANGFUSE_PLAIN);
    if (!without_content) {
        put_content(out, STR(",\"input\":"), record->input);
        put_content(out, STR(",\"output\":"), record->output);
    }
    buf_put(out, STR("}}"));
}

static void put_events(struct buf *out, const struct langfuse_labels *labels,
                       const struct record *record,
                       const struct langfuse_told *told, bool without_content)
{
    put_trace(out, labels, record, told, without_content);
    buf_put_char(out, ',');
    put_generation(out, labels, record, told, without_content);
}

const struct langfuse_wire langfuse_batch = {
    .path = STR_INIT("/api/public/ingestion"),
    .kind = STR_INIT("langfuse-batch.json"),
    .batch_bytes = 2500000, /* what Langfuse's own libraries send at most */
    .head = STR_INIT("{\"batch\":["),
    .tail = STR_INIT("]}"),
    .put = put_events,
    .read = langfuse_answer_read,
};
