/* What a record says as spans: one of kind SERVER for the request, and below
 * it one of kind CLIENT for each try, with the GenAI conventions (version
 * 1.41 of the semantic conventions) on the latter alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "otlp_wire.h"

enum {
    MESSAGE_MAX = 256,
    NUMBER_MAX = 32,
    SPAN_NAME_MAX = 160,
    MODEL_MAX = 128
};

/* --- within limits ------------------------------------------------------- */

void otlp_writer_init(struct otlp_writer *w, const struct otlp_wire *wire,
                      const struct otel *otel, size_t max)
{
    *w = (struct otlp_writer){.wire = wire, .otel = otel};
    buf_init(&w->spans, max);
}

void otlp_writer_fini(struct otlp_writer *w)
{
    buf_fini(&w->spans);
}

void otlp_writer_clear(struct otlp_writer *w)
{
    buf_clear(&w->spans);
    w->span_count = 0;
}

bool otlp_may_put(struct otlp_writer *w)
{
    if (w->in_event)
        return true;
    if (w->attributes >= w->otel->attributes_max) {
        w->dropped_attributes++;
        return false;
    }
    w->attributes++;
    return true;
}

struct str otlp_clip(const struct otlp_writer *w, struct str value)
{
    return value.len > w->otel->value_max
               ? str_clip(value, (size_t)w->otel->value_max)
               : value;
}

/* --- attributes ---------------------------------------------------------- */

static void put_str(struct otlp_writer *w, struct str key, struct str value)
{
    if (value.len > 0)
        w->wire->put_str(w, key, value);
}

/* As a caller spelled it.  JSON has no word for what is too large for a
 * double, and with it would be none any more: with all that is in the batch. */
static void put_number(struct otlp_writer *w, struct str key, struct str text)
{
    char copy[NUMBER_MAX];
    double number;

    if (text.len == 0 || text.len >= sizeof(copy))
        return;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    number = strtod(copy, NULL);
    if (isfinite(number))
        w->wire->put_double(w, key, number);
}

static void put_i64_if(struct otlp_writer *w, bool is_there, struct str key,
                       int64_t value)
{
    if (is_there)
        w->wire->put_i64(w, key, value);
}

/* --- one span ------------------------------------------------------------ */

static void begin_span(struct otlp_writer *w, const struct otlp_span *span)
{
    w->attributes = w->dropped_attributes = 0;
    w->events = w->dropped_events = 0;
    w->in_event = false;
    w->wire->begin_span(w, span);
}

static void end_span(struct otlp_writer *w, struct otlp_span *span)
{
    if (w->otel->links_max == 0)
        span->link_trace_id.len = 0;
    w->wire->end_span(w, span);
    w->span_count++;
}

static bool begin_event(struct otlp_writer *w, struct str name, uint64_t at_ns)
{
    if (w->events >= w->otel->events_max) {
        w->dropped_events++;
        return false;
    }
    w->events++;
    w->in_event = true;
    w->wire->begin_event(w, name, at_ns);
    return true;
}

static void end_event(struct otlp_writer *w)
{
    w->wire->end_event(w);
    w->in_event = false;
}

/* --- the server span ------------------------------------------------------ */

static struct str server_name(enum operation operation)
{
    static const struct str names[OPERATIONS] = {
        [OPERATION_CHAT] = STR_INIT("chat.completions"),
        [OPERATION_COMPLETION] = STR_INIT("completions"),
        [OPERATION_EMBEDDINGS] = STR_INIT("embeddings"),
        [OPERATION_COUNT] = STR_INIT("count_tokens"),
    };

    return names[operation];
}

/* The try whose answer was the answer, whole or not; NULL: there is none. */
static const struct record_try *answering_try(const struct record *record)
{
    const struct record_try *last;

    if (record->tries_kept == 0)
        return NULL;
    last = &record->tries_made[record->tries_kept - 1];
    return last->status >= 200 && last->status < 300 ? last : NULL;
}

/* Exactly what dashboards and searches rely on, and nothing else. */
static void put_server_attributes(struct otlp_writer *w,
                                  const struct record *record)
{
    const struct record_try *try = answering_try(record);

    put_str(w, STR("llm.model.requested"), record->model);
    if (record->tier != TIER_NONE)
        put_str(w, STR("llm.backend"), tier_name(record->tier));
    put_i64_if(w, record->max_tokens > 0, STR("llm.max_tokens"),
               record->max_tokens);
    put_i64_if(w, record->chosen_us > 0, STR("llm.prompt_tokens_estimated"),
               record->prompt_tokens_estimated);
    if (try != NULL && try->first_byte_us >= record->chosen_us &&
        record->chosen_us > 0)
        w->wire->put_double(w, STR("llm.latency_ms"),
                            (double)(try->first_byte_us - record->chosen_us) /
                                1000);
}

static struct str event_name(enum record_event_kind kind)
{
    static const struct str names[RECORD_EVENTS] = {
        [RECORD_FIRST_TOKEN] = STR_INIT("first_token"),
        [RECORD_RETRY] = STR_INIT("retry"),
        [RECORD_FALLBACK] = STR_INIT("fallback"),
        [RECORD_SPILL] = STR_INIT("spill"),
        [RECORD_QUEUED] = STR_INIT("queued"),
        [RECORD_HELD] = STR_INIT("held"),
    };

    return names[kind];
}

/* The decision: facts that the server span's attributes have no room for. */
static void put_routed(struct otlp_writer *w, const struct record *record)
{
    if (record->chosen_us == 0 ||
        !begin_event(w, STR("routed"),
                     record_wall_ns(record, record->chosen_us)))
        return;
    put_str(w, STR("reason"), record->reason);
    put_str(w, STR("rule"), record->rule);
    put_str(w, STR("target"), record->backend);
    w->wire->put_bool(w, STR("pinned"), record->is_pinned);
    end_event(w);
}

static void put_events(struct otlp_writer *w, const struct record *record)
{
    w->wire->open_events(w);
    put_routed(w, record);
    for (unsigned i = 0; i < record->event_count; i++) {
        const struct record_event *event = &record->events[i];

        if (!begin_event(w, event_name(event->kind),
                         record_wall_ns(record, event->at_us)))
            continue;
        put_str(w, STR("cause"), event->cause);
        put_str(w, STR("target"), event->backend);
        end_event(w);
    }
    if (record->outcome == OUTCOME_CANCELLED &&
        begin_event(w, STR("caller.left"),
                    record_wall_ns(record, record->ended_us)))
        end_event(w);
}

/* Callers' mistakes, and their leaving, are no errors of the server. */
static void set_server_status(struct otlp_span *span,
                              const struct record *record,
                              char message[MESSAGE_MAX])
{
    if (record->outcome != OUTCOME_ERROR)
        return;
    span->status = OTLP_ERROR;
    if (record->error == OK)
        (void)snprintf(message, MESSAGE_MAX, "HTTP %d", record->status);
    else
        (void)snprintf(message, MESSAGE_MAX, "%.*s: %.*s",
                       STR_ARG(error_row(record->error)->name),
                       STR_ARG(error_row(record->error)->says));
    span->message = str_of(message);
}

static void put_server_span(struct otlp_writer *w, const struct record *record)
{
    char message[MESSAGE_MAX];
    struct otlp_span span = {
        .trace_id = record->trace_id,
        .span_id = record->span_id,
        .parent_id = record->parent_span_id,
        .trace_state = record->trace_state,
        .name = server_name(record->operation),
        .kind = OTLP_SERVER,
        .began_ns = record_wall_ns(record, record->began_us),
        .ended_ns = record_wall_ns(record, record->ended_us),
        .flags = (record->trace_flags & 0xFF) | OTLP_REMOTE_KNOWN |
                 (record->parent_span_id.len > 0 ? OTLP_REMOTE : 0),
        .link_trace_id = record->link_trace_id,
        .link_span_id = record->link_span_id,
        .link_flags =
            (record->link_flags & 0xFF) | OTLP_REMOTE_KNOWN | OTLP_REMOTE,
    };

    set_server_status(&span, record, message);
    begin_span(w, &span);
    put_server_attributes(w, record);
    put_events(w, record);
    end_span(w, &span);
}

/* --- a client span -------------------------------------------------------- */

/* No convention has a word for vLLM. */
static struct str provider(const struct record_try *try)
{
    if (try->dialect == DIALECT_ANTHROPIC)
        return STR("anthropic");
    return try->tier == TIER_LOCAL ? STR("vllm") : STR("openai");
}

static void put_request(struct otlp_writer *w, const struct record *record,
                        const struct record_try *try)
{
    const struct record_params *params = &record->params;

    put_str(w, STR("gen_ai.operation.name"), operation_name(record->operation));
    put_str(w, STR("gen_ai.provider.name"), provider(try));
    put_str(w, STR("gen_ai.request.model"), try->model);
    put_str(w, STR("server.address"), try->host);
    put_i64_if(w, try->port > 0, STR("server.port"), try->port);
    put_i64_if(w, params->has_max_tokens, STR("gen_ai.request.max_tokens"),
               params->max_tokens);
    put_number(w, STR("gen_ai.request.temperature"), params->temperature);
    put_number(w, STR("gen_ai.request.top_p"), params->top_p);
    put_number(w, STR("gen_ai.request.top_k"), params->top_k);
    put_i64_if(w, params->n > 1, STR("gen_ai.request.choice.count"), params->n);
    if (record->is_stream)
        w->wire->put_bool(w, STR("gen_ai.request.stream"), true);
    if (params->wants_json)
        put_str(w, STR("gen_ai.output.type"), STR("json"));
    put_str(w, STR("gen_ai.conversation.id"), record->session);
}

static void put_usage(struct otlp_writer *w, const struct chat_usage *usage)
{
    if (!usage->is_known)
        return;
    w->wire->put_i64(w, STR("gen_ai.usage.input_tokens"), usage->input);
    w->wire->put_i64(w, STR("gen_ai.usage.output_tokens"), usage->output);
    put_i64_if(w, usage->cache_read > 0,
               STR("gen_ai.usage.cache_read.input_tokens"), usage->cache_read);
    put_i64_if(w, usage->cache_write > 0,
               STR("gen_ai.usage.cache_creation.input_tokens"),
               usage->cache_write);
    put_i64_if(w, usage->has_reasoning,
               STR("gen_ai.usage.reasoning.output_tokens"), usage->reasoning);
}

/* Of the try that answered. */
static void put_answer(struct otlp_writer *w, const struct record *record,
                       const struct record_try *try)
{
    put_str(w, STR("gen_ai.response.id"), record->answer_id);
    if (record->finish != CHAT_FINISH_UNSET)
        w->wire->put_list(w, STR("gen_ai.response.finish_reasons"),
                          finish_name(record->finish));
    put_usage(w, &record->usage);
    if (record->is_stream && try->first_token_us > try->began_us)
        w->wire->put_double(w, STR("gen_ai.response.time_to_first_chunk"),
                            (double)(try->first_token_us - try->began_us) /
                                1000000);
}

/* What kind of failure: few values, for counting. */
static void put_failure(struct otlp_writer *w, const struct record_try *try)
{
    char status[16];

    if (try->status >= 400) {
        (void)snprintf(status, sizeof(status), "%d", try->status);
        put_str(w, STR("error.type"), str_of(status));
    } else {
        put_str(w, STR("error.type"), error_row(try->error)->name);
    }
}

static void set_client_status(struct otlp_span *span,
                              const struct record_try *try,
                              char message[MESSAGE_MAX])
{
    span->status = OTLP_ERROR;
    if (try->status >= 400)
        (void)snprintf(message, MESSAGE_MAX, "%.*s: HTTP %d",
                       STR_ARG(error_row(try->error)->name), try->status);
    else
        (void)snprintf(message, MESSAGE_MAX, "%.*s",
                       STR_ARG(error_row(try->error)->name));
    span->message = str_of(message);
}

/* "chat qwen2.5-7b" */
static struct str client_name(char name[SPAN_NAME_MAX],
                              enum operation operation, struct str model)
{
    struct str verb = operation_name(operation);

    model = str_clip(model, MODEL_MAX);
    memcpy(name, verb.ptr, verb.len);
    name[verb.len] = ' ';
    if (model.len > 0)
        memcpy(name + verb.len + 1, model.ptr, model.len);
    return (struct str){name, verb.len + 1 + model.len};
}

static void put_client_span(struct otlp_writer *w, const struct record *record,
                            unsigned index)
{
    const struct record_try *try = &record->tries_made[index];
    bool has_failed = try->error != OK && try->error != ERR_CALLER_LEFT;
    uint64_t ended_us = try->ended_us > 0 ? try->ended_us : record->ended_us;
    char message[MESSAGE_MAX];
    char name[SPAN_NAME_MAX];
    struct otlp_span span = {
        .trace_id = record->trace_id,
        .span_id = {try->span_id, sizeof(try->span_id)},
        .parent_id = record->span_id,
        .trace_state = record->trace_state,
        .name = client_name(name, record->operation, try->model),
        .kind = OTLP_CLIENT,
        .began_ns = record_wall_ns(record, try->began_us),
        .ended_ns = record_wall_ns(record, ended_us),
        .flags = (record->trace_flags & 0xFF) | OTLP_REMOTE_KNOWN,
    };

    if (has_failed)
        set_client_status(&span, try, message);
    begin_span(w, &span);
    put_request(w, record, try);
    put_i64_if(w, try->status > 0, STR("http.response.status_code"),
               try->status);
    put_i64_if(w, index > 0, STR("http.request.resend_count"), index);
    if (has_failed)
        put_failure(w, try);
    if (try == answering_try(record))
        put_answer(w, record, try);
    w->wire->open_events(w);
    end_span(w, &span);
}

/* --- the whole ------------------------------------------------------------ */

unsigned otlp_span_count(const struct record *record)
{
    return 1 + record->tries_kept;
}

bool otlp_put_record(struct otlp_writer *w, const struct record *record)
{
    size_t len = w->spans.len;
    unsigned count = w->span_count;

    put_server_span(w, record);
    for (unsigned i = 0; i < record->tries_kept; i++)
        put_client_span(w, record, i);
    if (!buf_failed(&w->spans))
        return true;
    w->spans.failed = false;
    w->spans.len = len;
    w->span_count = count;
    return false;
}
