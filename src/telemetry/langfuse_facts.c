#include "langfuse_facts.h"

#include "langfuse_text.h"

enum {
    KEY_MAX = 200,    /* bytes of a key of the caller's */
    VALUE_MAX = 2000, /* the same of its value; the rest is cut off */
    NUMBER_MAX = 20,  /* of a number that is sent as one */
};

bool langfuse_is_generation(const struct record *record)
{
    return record->is_chat && record->operation != OPERATION_COUNT &&
           record->model.len > 0;
}

struct str langfuse_name(const struct record *record)
{
    switch (record->operation) {
    case OPERATION_COMPLETION:
        return STR("completions");
    case OPERATION_EMBEDDINGS:
        return STR("embeddings");
    default:
        return STR("chat.completions");
    }
}

struct str langfuse_model(const struct record *record)
{
    return record->served_model.len > 0 ? record->served_model : record->model;
}

struct str langfuse_person(struct str name)
{
    return str_code_points(name) <= LANGFUSE_NAME_MAX ? name : STR("");
}

/* --- how it ended -------------------------------------------------------- */

static bool is_second_choice(const struct record *record)
{
    return str_starts(record->reason, STR("fallback:")) ||
           str_starts(record->reason, STR("spill:"));
}

struct str langfuse_level(const struct record *record)
{
    switch (record->outcome) {
    case OUTCOME_ERROR:
    case OUTCOME_CLIENT_ERROR:
        return STR("ERROR");
    case OUTCOME_CANCELLED:
        return STR("WARNING");
    default:
        return is_second_choice(record) ? STR("WARNING") : STR("");
    }
}

void langfuse_put_message(struct buf *out, const struct record *record)
{
    if (record->error != OK) {
        buf_put(out, error_name(record->error));
        buf_put(out, STR(": "));
        json_escape(out, error_row(record->error)->says);
    } else if (record->outcome == OUTCOME_OK) {
        langfuse_put_text(out, record->reason);
    } else {
        buf_put(out, STR("HTTP "));
        buf_put_i64(out, record->status);
    }
}

/* --- numbers ------------------------------------------------------------- */

/* `key` needs no escapes. */
static void put_key(struct buf *out, enum langfuse_place place, struct str key)
{
    if (out->ptr[out->len - 1] != '{')
        buf_put_char(out, ',');
    langfuse_put_quote(out, place);
    buf_put(out, key);
    langfuse_put_quote(out, place);
    buf_put_char(out, ':');
}

static void put_count(struct buf *out, enum langfuse_place place,
                      struct str key, int64_t n)
{
    put_key(out, place, key);
    buf_put_i64(out, n);
}

/* A number as the caller spelled it, if every reader takes it for one: 1e999
 * is none to most. */
static void put_number(struct buf *out, enum langfuse_place place,
                       struct str key, struct str number)
{
    bool is_plain = number.len <= NUMBER_MAX;

    if (number.len == 0)
        return;
    for (size_t i = 0; i < number.len && is_plain; i++)
        is_plain = number.ptr[i] != 'e' && number.ptr[i] != 'E';
    put_key(out, place, key);
    if (!is_plain)
        langfuse_put_quote(out, place);
    buf_put(out, str_clip(number, 2 * NUMBER_MAX));
    if (!is_plain)
        langfuse_put_quote(out, place);
}

bool langfuse_has_parameters(const struct record *record)
{
    const struct record_params *params = &record->params;

    return params->has_max_tokens || params->temperature.len > 0 ||
           params->top_p.len > 0 || params->top_k.len > 0 || params->n > 0 ||
           params->stop_count > 0 || params->wants_json;
}

void langfuse_put_parameters(struct buf *out, const struct record *record,
                             enum langfuse_place place)
{
    const struct record_params *params = &record->params;

    buf_put_char(out, '{');
    if (params->has_max_tokens)
        put_count(out, place, STR("max_tokens"), params->max_tokens);
    put_number(out, place, STR("temperature"), params->temperature);
    put_number(out, place, STR("top_p"), params->top_p);
    put_number(out, place, STR("top_k"), params->top_k);
    if (params->n > 0)
        put_count(out, place, STR("n"), params->n);
    if (params->stop_count > 0)
        put_count(out, place, STR("stop_sequences"), params->stop_count);
    if (params->wants_json) {
        put_key(out, place, STR("json"));
        buf_put(out, STR("true"));
    }
    buf_put_char(out, '}');
}

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

static void put_some(struct buf *out, enum langfuse_place place, struct str key,
                     int64_t n)
{
    if (n > 0)
        put_count(out, place, key, n);
}

void langfuse_put_usage(struct buf *out, const struct record *record,
                        enum langfuse_place place)
{
    const struct chat_usage *usage = &record->usage;
    int64_t read = at_least_0(usage->cache_read);
    int64_t written = at_least_0(usage->cache_write);
    int64_t for_an_hour = at_least_0(usage->cache_write_1h);
    int64_t reasoning = usage->has_reasoning ? at_least_0(usage->reasoning) : 0;
    int64_t input = at_least_0(usage->input - read - written);
    int64_t output = at_least_0(usage->output - reasoning);

    if (for_an_hour > written)
        for_an_hour = written;
    buf_put_char(out, '{');
    put_count(out, place, STR("input"), input);
    put_count(out, place, STR("output"), output);
    put_some(out, place, STR("cache_read_input_tokens"), read);
    put_some(out, place, STR("cache_creation_input_tokens"),
             written - for_an_hour);
    put_some(out, place, STR("input_cache_creation_1h"), for_an_hour);
    put_some(out, place, STR("output_reasoning_tokens"), reasoning);
    put_count(out, place, STR("total"),
              input + read + written + output + reasoning);
    buf_put_char(out, '}');
}

void langfuse_put_cost(struct buf *out, const struct record *record,
                       enum langfuse_place place)
{
    buf_put_char(out, '{');
    put_key(out, place, STR("total"));
    langfuse_put_dollars(out, at_least_0(record->cost));
    buf_put_char(out, '}');
}

/* --- metadata ------------------------------------------------------------ */

static void put_text(struct buf *out, enum langfuse_place place, struct str key,
                     struct str value)
{
    if (value.len == 0)
        return;
    put_key(out, place, key);
    langfuse_put_quote(out, place);
    langfuse_put_text_at(out, str_clip(value, VALUE_MAX), place);
    langfuse_put_quote(out, place);
}

static void put_bool(struct buf *out, enum langfuse_place place, struct str key,
                     bool value)
{
    put_key(out, place, key);
    buf_put(out, value ? STR("true") : STR("false"));
}

static void put_flag(struct buf *out, enum langfuse_place place, struct str key,
                     bool is_set)
{
    if (is_set)
        put_bool(out, place, key, true);
}

/* Which backend should have answered. */
static struct str given_up(const struct record *record)
{
    return is_second_choice(record) && record->tries_kept > 1
               ? record->tries_made[0].backend
               : STR("");
}

/* Which request it is. */
static void put_request(struct buf *out, const struct record *record,
                        enum langfuse_place place)
{
    put_text(out, place, STR("router_request_id"), record->id);
    put_text(out, place, STR("router_trace_id"), record->trace_id);
    put_text(out, place, STR("router_span_id"), record->span_id);
    put_text(out, place, STR("router_parent_span_id"), record->parent_span_id);
    put_text(out, place, STR("router_key"), record->key);
    put_text(out, place, STR("router_format"), record->format);
    put_text(out, place, STR("router_requested_model"), record->model);
    put_count(out, place, STR("router_estimated_tokens"),
              record->prompt_tokens_estimated);
    put_bool(out, place, STR("router_stream"), record->is_stream);
    put_flag(out, place, STR("router_pinned"), record->is_pinned);
}

/* Who answered, and why. */
static void put_choice(struct buf *out, const struct record *record,
                       enum langfuse_place place)
{
    if (record->tier != TIER_NONE)
        put_text(out, place, STR("router_backend"), tier_name(record->tier));
    put_text(out, place, STR("router_target"), record->backend);
    put_text(out, place, STR("router_reason"), record->reason);
    put_text(out, place, STR("router_rule"), record->rule);
    put_text(out, place, STR("router_fallback_from"), given_up(record));
    put_count(out, place, STR("router_tries"), record->tries);
    put_flag(out, place, STR("router_held"), record->was_held);
    put_some(out, place, STR("router_dropped"), record->dropped_count);
}

static void put_answer(struct buf *out, const struct record *record,
                       bool without_content, enum langfuse_place place)
{
    put_count(out, place, STR("router_status"), record->status);
    put_text(out, place, STR("router_finish"), finish_name(record->finish));
    put_text(out, place, STR("router_answer_id"), record->answer_id);
    put_text(out, place, STR("router_service_tier"),
             record->usage.service_tier);
    if (record->has_cloud_cost) {
        put_key(out, place, STR("router_cloud_cost"));
        langfuse_put_dollars(out, at_least_0(record->cloud_cost));
    }
    put_flag(out, place, STR("router_unpriced"),
             record->usage.is_known && !record->is_priced);
    put_flag(out, place, STR("router_content_clipped"), record->is_clipped);
    put_flag(out, place, STR("router_content_dropped"), without_content);
}

void langfuse_put_metadata(struct buf *out, const struct record *record,
                           const struct langfuse_told *told,
                           bool without_content, enum langfuse_place place)
{
    buf_put_char(out, '{');
    put_request(out, record, place);
    put_choice(out, record, place);
    put_answer(out, record, without_content, place);
    for (unsigned i = 0; i < told->pair_count; i++) {
        buf_put_char(out, ',');
        langfuse_put_quote(out, place);
        langfuse_put_text_at(out, told->pairs[i].key, place);
        langfuse_put_quote(out, place);
        buf_put_char(out, ':');
        langfuse_put_quote(out, place);
        langfuse_put_text_at(out, told->pairs[i].value, place);
        langfuse_put_quote(out, place);
    }
    buf_put_char(out, '}');
}

/* --- the caller's metadata ----------------------------------------------- */

static void add_tag(struct langfuse_told *told, struct str tag)
{
    tag = str_trim(tag);
    if (told->tag_count == LANGFUSE_TAGS_MAX || tag.len == 0 ||
        str_code_points(tag) > LANGFUSE_NAME_MAX)
        return;
    for (unsigned i = 0; i < told->tag_count; i++)
        if (str_eq(told->tags[i], tag))
            return;
    told->tags[told->tag_count++] = tag;
}

/* A list of strings, or one string with commas. */
static bool read_tags(struct langfuse_told *told, yyjson_val *value)
{
    struct str rest = json_text(value);
    struct str tag;

    if (!yyjson_is_arr(value) && !yyjson_is_str(value))
        return false;
    while (str_split(&rest, ',', &tag))
        add_tag(told, tag);
    json_each_item (item, value)
        add_tag(told, json_text(item));
    return true;
}

/* Parts of a key that Langfuse drops, since objects of JavaScript have them. */
static bool is_unsafe(struct str key)
{
    struct str part;

    while (str_split(&key, '.', &part))
        if (str_eq(part, STR("__proto__")) ||
            str_eq(part, STR("constructor")) || str_eq(part, STR("prototype")))
            return true;
    return false;
}

/* Ours, theirs, or there already. */
static bool is_taken(const struct langfuse_told *told, struct str key)
{
    for (unsigned i = 0; i < told->pair_count; i++)
        if (str_eq(told->pairs[i].key, key))
            return true;
    return str_starts(key, STR("router_"));
}

/* A string's text; the JSON of anything else. */
static struct str value_text(struct arena *arena, yyjson_val *value)
{
    struct json_out out;
    struct buf text;
    struct str copy = STR("");

    if (yyjson_is_str(value))
        return str_clip(json_text(value), VALUE_MAX);
    buf_init(&text, VALUE_MAX);
    out = json_out_to(&text);
    json_put_val(&out, value);
    if (!buf_failed(&text)) /* a part of it would be no JSON */
        copy = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

void langfuse_read_told(struct arena *arena, struct str metadata,
                        struct langfuse_told *told)
{
    struct json_error error;
    struct json_doc doc;

    told->pair_count = told->tag_count = 0;
    if (metadata.len == 0 || !json_read(arena, metadata, &doc, &error))
        return;
    json_each_member (key, value, doc.root) {
        struct str name = json_text(key);
        struct str text;

        if (str_eq(name, STR("tags")) && read_tags(told, value))
            continue;
        if (name.len == 0 || name.len > KEY_MAX || is_unsafe(name) ||
            is_taken(told, name) || told->pair_count == LANGFUSE_PAIRS_MAX)
            continue;
        text = value_text(arena, value);
        if (text.len == 0)
            continue;
        told->pairs[told->pair_count].key = name;
        told->pairs[told->pair_count++].value = text;
    }
}
