/* OpenAI Responses: from the request's bytes to the common form.
 *
 * Fields as in the API reference of `POST /v1/responses` and the types of the
 * official SDK; null means absent everywhere. */
#include "responses_private.h"

/* --- the plain fields --------------------------------------------------- */

static bool read_bool(struct field_reader *r, yyjson_val *value,
                      const char *name, bool *out)
{
    if (!yyjson_is_bool(value))
        return field_wrong_type(r, str_of(name), "true or false", value);
    *out = json_is_true(value);
    return true;
}

/* The items are read when all else is known. */
static bool read_input(struct field_reader *r, yyjson_val *value)
{
    if (!yyjson_is_str(value) && !yyjson_is_arr(value))
        return field_wrong_type(r, STR("input"), "a string or an array", value);
    return true;
}

static bool read_instructions(struct field_reader *r, yyjson_val *value)
{
    struct str ignored;

    return field_text(r, value, "instructions", &ignored);
}

static bool read_limit(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    if (!json_to_i64(value, &chat->max_tokens))
        return field_wrong_type(r, STR("max_output_tokens"), "a whole number",
                                value);
    chat->has_max_tokens = true;
    chat->max_tokens_name = STR("max_output_tokens");
    return true;
}

static bool read_parallel(struct field_reader *r, yyjson_val *value)
{
    bool is_parallel = true;

    if (!read_bool(r, value, "parallel_tool_calls", &is_parallel))
        return false;
    r->chat->is_serial = !is_parallel;
    return true;
}

static bool read_store(struct field_reader *r, yyjson_val *value)
{
    return read_bool(r, value, "store", &r->chat->is_stored);
}

static bool read_stream_options(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("include_obfuscation")};

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("stream_options"), "an object", value);
    field_note_obfuscation(r, value);
    FIELD_NOTE_OTHERS(r, value, "stream_options.", known);
    return true;
}

/* A summary is given out whenever there is one. */
static bool read_reasoning(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("effort"), STR_INIT("summary"),
                                       STR_INIT("generate_summary")};
    struct str effort;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("reasoning"), "an object", value);
    field_note_members(r, value, STR("reasoning."), known, COUNT_OF(known));
    if (!field_take_text(r, value, STR("effort"), STR("reasoning"), &effort))
        return false;
    if (effort.len == 0 || chat_effort_named(effort, &r->chat->effort))
        return true;
    return field_unknown_value(
        r, STR("reasoning.effort"),
        "one of none, minimal, low, medium, high, xhigh, max", effort);
}

static bool read_format(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("type"), STR_INIT("name"),
                                       STR_INIT("description"),
                                       STR_INIT("schema"), STR_INIT("strict")};
    struct chat *chat = r->chat;
    struct str type;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("text.format"), "an object", value);
    if (!field_take_text(r, value, STR("type"), STR("text.format"), &type))
        return false;
    if (str_eq(type, STR("text")))
        return true;
    if (str_eq(type, STR("json_object"))) {
        chat->format = CHAT_FORMAT_JSON_OBJECT;
        return true;
    }
    if (!str_eq(type, STR("json_schema")))
        return field_unknown_value(
            r, STR("text.format.type"),
            "\"text\", \"json_object\" or \"json_schema\"", type);
    chat->format = CHAT_FORMAT_JSON_SCHEMA;
    chat->format_name = json_get_text(value, STR("name"));
    chat->format_about = json_get_text(value, STR("description"));
    FIELD_NOTE_OTHERS(r, value, "text.format.", known);
    chat->format_schema = json_get(value, STR("schema"));
    if (chat->format_schema == NULL)
        return field_missing(r, STR("text.format.schema"));
    if (!yyjson_is_obj(chat->format_schema))
        return field_wrong_type(r, STR("text.format.schema"), "an object",
                                chat->format_schema);
    chat->characters += json_characters(chat->format_schema);
    return true;
}

static bool read_text(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("format")};
    yyjson_val *format = json_get(value, STR("format"));

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("text"), "an object", value);
    field_note_members(r, value, STR("text."), known, COUNT_OF(known));
    return format == NULL || read_format(r, format);
}

static bool read_include(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;
    unsigned i = 0;

    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("include"), "an array", value);
    json_each_item (item, value) {
        struct str name = json_text(item);

        if (!yyjson_is_str(item))
            return field_wrong_type(r, arena_printf(r->arena, "include[%u]", i),
                                    "a string", item);
        if (str_eq(name, STR("reasoning.encrypted_content")))
            chat->wants_encrypted = true;
        else
            field_note(r, STR("include."), name);
        i++;
    }
    return true;
}

/* How many built-in tools may be called, where there are none; and a hint as
 * to which server may have a prefix in its cache, of which every backend finds
 * its own. */
static bool read_known(struct field_reader *r, yyjson_val *value)
{
    (void)r;
    (void)value;
    return true;
}

static bool read_truncation(struct field_reader *r, yyjson_val *value)
{
    if (!str_eq(json_text(value), STR("disabled")))
        chat_other(r->chat, r->arena, STR("truncation"));
    return true;
}

static bool read_top_logprobs(struct field_reader *r, yyjson_val *value)
{
    if (!str_eq(json_number_text(value), STR("0")))
        chat_other(r->chat, r->arena, STR("top_logprobs"));
    return true;
}

/* --- what leans on a memory --------------------------------------------- */

enum { PREVIOUS_ID_MAX = 128 };

static bool read_previous_id(struct field_reader *r, yyjson_val *value)
{
    struct str *id = &r->chat->previous_id;

    if (!field_text(r, value, "previous_response_id", id))
        return false;
    if (id->len >= 1 && id->len <= PREVIOUS_ID_MAX)
        return true;
    return chat_refuse(r->error, r->arena, ERR_BAD_VALUE,
                       STR("previous_response_id"),
                       "previous_response_id: expected 1 to %d bytes, got %zu",
                       PREVIOUS_ID_MAX, id->len);
}

static bool refuse(struct field_reader *r, const char *name, const char *why)
{
    return chat_refuse(r->error, r->arena, ERR_UNSUPPORTED_PARAMETER,
                       str_of(name), "%s: %s", name, why);
}

static bool read_conversation(struct field_reader *r, yyjson_val *value)
{
    (void)value;
    return refuse(r, "conversation",
                  "conversations are not kept here; send the items, or "
                  "previous_response_id");
}

static bool read_prompt(struct field_reader *r, yyjson_val *value)
{
    (void)value;
    return refuse(r, "prompt", "templates are not kept here; send the text");
}

static bool read_background(struct field_reader *r, yyjson_val *value)
{
    bool is_background = false;

    if (!read_bool(r, value, "background", &is_background))
        return false;
    return !is_background ||
           refuse(r, "background",
                  "no answer is made in the background; ask for a stream");
}

/* --- what the answer repeats -------------------------------------------- */

/* Members of the response object that are the request's, and how they are
 * written when it lacks them. */
static const struct echo {
    struct str name;
    struct str absent;
} echoes[] = {
    {STR_INIT("background"), STR_INIT("\"background\":false")},
    {STR_INIT("instructions"), STR_INIT("\"instructions\":null")},
    {STR_INIT("max_output_tokens"), STR_INIT("\"max_output_tokens\":null")},
    {STR_INIT("max_tool_calls"), STR_INIT("\"max_tool_calls\":null")},
    {STR_INIT("metadata"), STR_INIT("\"metadata\":{}")},
    {STR_INIT("parallel_tool_calls"), STR_INIT("\"parallel_tool_calls\":true")},
    {STR_INIT("previous_response_id"),
     STR_INIT("\"previous_response_id\":null")},
    {STR_INIT("prompt_cache_key"), STR_INIT("\"prompt_cache_key\":null")},
    {STR_INIT("reasoning"),
     STR_INIT("\"reasoning\":{\"effort\":null,\"summary\":null}")},
    {STR_INIT("safety_identifier"), STR_INIT("\"safety_identifier\":null")},
    {STR_INIT("temperature"), STR_INIT("\"temperature\":1.0")},
    {STR_INIT("text"), STR_INIT("\"text\":{\"format\":{\"type\":\"text\"}}")},
    {STR_INIT("tool_choice"), STR_INIT("\"tool_choice\":\"auto\"")},
    {STR_INIT("tools"), STR_INIT("\"tools\":[]")},
    {STR_INIT("top_logprobs"), STR_INIT("\"top_logprobs\":0")},
    {STR_INIT("top_p"), STR_INIT("\"top_p\":1.0")},
    {STR_INIT("truncation"), STR_INIT("\"truncation\":\"disabled\"")},
    {STR_INIT("user"), STR_INIT("\"user\":null")},
};

/* `text` without a format means plain text. */
static void put_text_echo(struct json_out *out, yyjson_val *text)
{
    json_open(out, '{');
    if (json_get(text, STR("format")) == NULL) {
        json_key(out, STR("format"));
        json_put_raw(out, STR("{\"type\":\"text\"}"));
    }
    json_each_member (key, value, text) {
        if (yyjson_is_null(value))
            continue;
        json_key_any(out, json_text(key));
        json_put_val(out, value);
    }
    json_close(out, '}');
}

enum { ECHO_BYTES = 1024 }; /* of most requests */

static bool render_echo(struct field_reader *r)
{
    struct buf text;
    struct json_out out = json_out_from(&text, &r->chat->doc);
    bool ok;

    buf_init(&text, SIZE_MAX / 2);
    (void)buf_reserve(&text, ECHO_BYTES);
    for (size_t i = 0; i < COUNT_OF(echoes); i++) {
        struct str name = echoes[i].name;
        yyjson_val *value = json_get(r->chat->doc.root, name);

        if (value == NULL) {
            json_put_raw(&out, echoes[i].absent);
            continue;
        }
        json_key(&out, name);
        if (str_eq(name, STR("text")))
            put_text_echo(&out, value);
        else
            json_put_val(&out, value);
    }
    ok = !buf_failed(&text);
    if (ok)
        r->chat->echo = arena_copy(r->arena, buf_str(&text));
    else
        *r->error = (struct chat_error){.error = ERR_MEMORY_BUDGET};
    buf_fini(&text);
    return ok;
}

/* --- the whole ---------------------------------------------------------- */

const struct field responses_fields[] = {
    {STR_INIT("model"), field_model},
    {STR_INIT("input"), read_input},
    {STR_INIT("instructions"), read_instructions},
    {STR_INIT("stream"), field_stream},
    {STR_INIT("stream_options"), read_stream_options},
    {STR_INIT("max_output_tokens"), read_limit},
    {STR_INIT("tools"), responses_read_tools},
    {STR_INIT("tool_choice"), responses_read_choice},
    {STR_INIT("parallel_tool_calls"), read_parallel},
    {STR_INIT("reasoning"), read_reasoning},
    {STR_INIT("text"), read_text},
    {STR_INIT("include"), read_include},
    {STR_INIT("temperature"), field_temperature},
    {STR_INIT("top_p"), field_top_p},
    {STR_INIT("user"), field_user},
    {STR_INIT("safety_identifier"), field_safety_identifier},
    {STR_INIT("service_tier"), field_service_tier},
    {STR_INIT("store"), read_store},
    {STR_INIT("previous_response_id"), read_previous_id},
    {STR_INIT("conversation"), read_conversation},
    {STR_INIT("prompt"), read_prompt},
    {STR_INIT("background"), read_background},
    {STR_INIT("metadata"), field_metadata},
    {STR_INIT("max_tool_calls"), read_known},
    {STR_INIT("prompt_cache_key"), read_known},
    {STR_INIT("truncation"), read_truncation},
    {STR_INIT("top_logprobs"), read_top_logprobs},
};
const size_t responses_field_count = COUNT_OF(responses_fields);

static const struct chat_words words = {
    .messages = STR_INIT("input"),
    .call_id = STR_INIT("call_id"),
    .format = STR_INIT("text.format"),
    .effort = STR_INIT("reasoning.effort"),
    .stops = STR_INIT("stop"),
    .user = STR_INIT("user"),
    .part = STR_INIT("input[].content[]."),
    .result_part = STR_INIT("input[].output[]."),
    .detail = STR_INIT("detail"),
    .result = STR_INIT("output"),
    .file_name = STR_INIT("filename"),
    .format_about = STR_INIT("text.format.description"),
    .redacted = STR_INIT("input[].encrypted_content"),
};

static struct str input_text(const struct chat *chat)
{
    json_each_member (key, value, chat->doc.root) {
        if (str_eq(json_text(key), STR("input")) && !yyjson_is_null(value))
            return json_member_text(&chat->doc, chat->body, key);
    }
    return (struct str){NULL, 0};
}

static bool has_messages(struct field_reader *r)
{
    return r->chat->message_count > 0 ||
           chat_refuse(r->error, r->arena, ERR_BAD_VALUE, STR("input"),
                       "input: expected at least one item, got none that can "
                       "be used");
}

bool responses_read_request(struct arena *arena, struct str body,
                            struct chat *chat, struct chat_error *error)
{
    struct field_reader reader = {arena, chat, error};

    *chat = (struct chat){.body = body, .words = &words, .is_stored = true};
    if (!field_read_body(&reader, responses_fields, responses_field_count))
        return false;
    chat->items = input_text(chat);
    if (chat->items.len == 0)
        return field_missing(&reader, STR("input"));
    chat->fixed_characters = chat->characters;
    chat->fixed_tools = chat->tool_count;
    if (!responses_read_messages(&reader, NULL))
        return false;
    /* with a past there may be more to come */
    if (chat->previous_id.len == 0 && chat->reference_count == 0 &&
        !has_messages(&reader))
        return false;
    return render_echo(&reader);
}

bool responses_read_history(struct arena *arena, const struct str texts[],
                            size_t count, struct chat *chat,
                            struct chat_error *error)
{
    struct field_reader reader = {arena, chat, error};
    struct responses_past past = {texts, count};

    chat->characters = chat->fixed_characters;
    chat->tool_count = chat->fixed_tools;
    chat->image_count = 0;
    chat->file_count = 0;
    return responses_read_messages(&reader, &past) && has_messages(&reader);
}
