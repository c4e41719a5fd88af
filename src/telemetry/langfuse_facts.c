#include "langfuse_facts.h"

#include "langfuse_text.h"

enum {
    KEY_MAX = 200,    /* bytes of a key of the caller's */
    VALUE_MAX = 2000, /* the same of its value; the rest is cut off */
    NUMBER_MAX = 20,  /* of a number that is sent as one */
};

bool langfuse_is_generation(const struct record *record)
{
    return record->is_chat && record->operation != OPERATION_COUNT;
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

static void put_key(struct buf *out, struct str quote, struct str key)
{
    if (out->ptr[out->len - 1] != '{')
        buf_put_char(out, ',');
    buf_put(out, quote);
    buf_put(out, key);
    buf_put(out, quote);
    buf_put_char(out, ':');
}

static void put_count(struct buf *out, struct str quote, struct str key,
                      int64_t n)
{
    put_key(out, quote, key);
    buf_put_i64(out, n);
}

/* A number as the caller spelled it, if every reader takes it for one: 1e999
 * is none to most. */
static void put_number(struct buf *out, struct str quote, struct str key,
                       struct str number)
{
    bool is_plain = number.len <= NUMBER_MAX;

    if (number.len == 0)
        return;
    for (size_t i = 0; i < number.len && is_plain; i++)
        is_plain = number.ptr[i] != 'e' && number.ptr[i] != 'E';
    put_key(out, quote, key);
    if (!is_plain)
        buf_put(out, quote);
    buf_put(out, str_clip(number, 2 * NUMBER_MAX));
    if (!is_plain)
        buf_put(out, quote);
}

bool langfuse_has_parameters(const struct record *record)
{
    const struct record_params *params = &record->params;

    return params->has_max_tokens || params->temperature.len > 0 ||
           params->top_p.len > 0 || params->top_k.len > 0 || params->n > 0 ||
           params->stop_count > 0 || params->wants_json;
}

void langfuse_put_parameters(struct buf *out, const struct record *record,
                             struct str quote)
{
    const struct record_params *params = &record->params;

    buf_put_char(out, '{');
    if (params->has_max_tokens)
        put_count(out, quote, STR("max_tokens"), params->max_tokens);
    put_number(out, quote, STR("temperature"), params->temperature);
    put_number(out, quote, STR("top_p"), params->top_p);
    put_number(out, quote, STR("top_k"), params->top_k);
    if (params->n > 0)
        put_count(out, quote, STR("n"), params->n);
    if (params->stop_count > 0)
        put_count(out, quote, STR("stop_sequences"), params->stop_count);
    if (params->wants_json) {
        put_key(out, quote, STR("json"));
        buf_put(out, STR("true"));
    }
    buf_put_char(out, '}');
}

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

static void put_some(struct buf *out, struct str quote, struct str key,
                     int64_t n)
{
    if (n > 0)
        put_count(out, quote, key, n);
}

void langfuse_put_usage(struct buf *out, const struct record *record,
                        struct str quote)
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
    put_count(out, quote, STR("input"), input);
    put_count(out, quote, STR("output"), output);
    put_some(out, quote, STR("cache_read_input_tokens"), read);
    put_some(out, quote, STR("cache_creation_input_tokens"),
             written - for_an_hour);
    put_some(out, quote, STR("input_cache_creation_1h"), for_an_hour);
    put_some(out, quote, STR("output_reasoning_tokens"), reasoning);
    put_count(out, quote, STR("total"),
              input + read + written + output + reasoning);
    buf_put_char(out, '}');
}

void langfuse_put_cost(struct buf *out, const struct record *record,
                       struct str quote)
{
    buf_put_char(out, '{');
    put_key(out, quote, STR("total"));
    langfuse_put_dollars(out, at_least_0(record->cost));
    buf_put_char(out, '}');
}

/* --- the routing facts --------------------------------------------------- */

enum { DIGITS = 32 };

/* Writes the entries one after the other. */
struct pen {
    struct buf *out;
    langfuse_put_entry *put;
};

static void text(const struct pen *pen, struct str key, struct str value)
{
    if (value.len > 0)
        pen->put(pen->out, key, LANGFUSE_TEXT, str_clip(value, VALUE_MAX));
}

static void number(const struct pen *pen, struct str key, int64_t n)
{
    char digits[DIGITS];
    size_t at = sizeof(digits);
    uint64_t rest = n > 0 ? (uint64_t)n : 0;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    pen->put(pen->out, key, LANGFUSE_COUNT,
             (struct str){digits + at, sizeof(digits) - at});
}

static void flag(const struct pen *pen, struct str key, bool is_set)
{
    if (is_set)
        pen->put(pen->out, key, LANGFUSE_FLAG, STR("true"));
}

static void dollars(const struct pen *pen, struct str key, int64_t nano)
{
    char room[DIGITS];
    struct buf digits = {.ptr = room, .cap = sizeof(room), .max = sizeof(room)};

    langfuse_put_dollars(&digits, at_least_0(nano));
    pen->put(pen->out, key, LANGFUSE_DECIMAL, buf_str(&digits));
}

/* Which backend should have answered. */
static struct str given_up(const struct record *record)
{
    return is_second_choice(record) && record->tries_kept > 1
               ? record->tries_made[0].backend
               : STR("");
}

void langfuse_put_facts(struct buf *out, const struct record *record,
                        bool without_content, langfuse_put_entry *put)
{
    const struct pen pen = {out, put};

    text(&pen, STR("router_request_id"), record->id);
    text(&pen, STR("router_trace_id"), record->trace_id);
    text(&pen, STR("router_span_id"), record->span_id);
    text(&pen, STR("router_parent_span_id"), record->parent_span_id);
    text(&pen, STR("router_key"), record->key);
    text(&pen, STR("router_format"), record->format);
    text(&pen, STR("router_requested_model"), record->model);
    if (record->tier != TIER_NONE)
        text(&pen, STR("router_backend"), tier_name(record->tier));
    text(&pen, STR("router_target"), record->backend);
    text(&pen, STR("router_reason"), record->reason);
    text(&pen, STR("router_rule"), record->rule);
    text(&pen, STR("router_fallback_from"), given_up(record));
    number(&pen, STR("router_tries"), record->tries);
    number(&pen, STR("router_status"), record->status);
    number(&pen, STR("router_estimated_tokens"),
           record->prompt_tokens_estimated);
    if (record->dropped_count > 0)
        number(&pen, STR("router_dropped"), record->dropped_count);
    put(out, STR("router_stream"), LANGFUSE_FLAG,
        record->is_stream ? STR("true") : STR("false"));
    flag(&pen, STR("router_pinned"), record->is_pinned);
    flag(&pen, STR("router_held"), record->was_held);
    text(&pen, STR("router_finish"), finish_name(record->finish));
    text(&pen, STR("router_answer_id"), record->answer_id);
    text(&pen, STR("router_service_tier"), record->usage.service_tier);
    if (record->has_cloud_cost)
        dollars(&pen, STR("router_cloud_cost"), record->cloud_cost);
    flag(&pen, STR("router_unpriced"),
         record->usage.is_known && !record->is_priced);
    flag(&pen, STR("router_content_clipped"), record->is_clipped);
    flag(&pen, STR("router_content_dropped"), without_content);
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
