/* OpenAI Chat Completions: from the request's bytes to the common form.
 *
 * Fields as in the API reference of `POST /v1/chat/completions` and the types
 * of the official SDK; null means absent everywhere.  What is checked here is
 * what the router itself must know or translate.  Values that only a model
 * server can judge (ranges, names of voices) are left to it. */
#include "openai_private.h"

/* --- tools -------------------------------------------------------------- */

/* A custom tool's grammar. */
static void read_grammar(struct field_reader *r, yyjson_val *inner,
                         struct chat_tool *tool)
{
    yyjson_val *format = json_get(inner, STR("format"));

    if (field_describe_grammar(r, json_get(format, STR("grammar")), tool))
        chat_other(r->chat, r->arena, STR("tools[].custom.format"));
}

static void note_tool(struct field_reader *r, yyjson_val *inner, bool is_custom)
{
    static const struct str known[] = {
        STR_INIT("name"), STR_INIT("description"), STR_INIT("parameters"),
        STR_INIT("strict")};
    static const struct str of_custom[] = {
        STR_INIT("name"), STR_INIT("description"), STR_INIT("format")};

    if (is_custom)
        FIELD_NOTE_OTHERS(r, inner, "tools[].custom.", of_custom);
    else
        FIELD_NOTE_OTHERS(r, inner, "tools[].function.", known);
}

static bool read_tool(struct field_reader *r, yyjson_val *inner,
                      struct str path, struct chat_tool *tool)
{
    yyjson_val *strict;

    if (inner == NULL)
        return field_missing(r, path);
    if (!yyjson_is_obj(inner))
        return field_wrong_type(r, path, "an object", inner);
    if (!field_take_text(r, inner, STR("name"), path, &tool->name) ||
        !field_take_text(r, inner, STR("description"), path,
                         &tool->description))
        return false;
    if (tool->name.len == 0)
        return field_missing(
            r, arena_printf(r->arena, "%.*s.name", STR_ARG(path)));
    strict = json_get(inner, STR("strict"));
    if (strict != NULL && !yyjson_is_bool(strict))
        return field_wrong_type(
            r, arena_printf(r->arena, "%.*s.strict", STR_ARG(path)),
            "true or false", strict);
    tool->is_strict = json_is_true(strict);
    note_tool(r, inner, tool->is_custom);
    if (tool->is_custom) {
        read_grammar(r, inner, tool);
    } else {
        tool->schema = json_get(inner, STR("parameters"));
        if (tool->schema != NULL && !yyjson_is_obj(tool->schema))
            return field_wrong_type(
                r, arena_printf(r->arena, "%.*s.parameters", STR_ARG(path)),
                "an object", tool->schema);
    }
    r->chat->characters += str_code_points(tool->name) +
                           str_code_points(tool->description) +
                           json_characters(tool->schema);
    return true;
}

static bool read_tools(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("tools"), "an array", value);
    chat->tools =
        ARENA_ARRAY(r->arena, struct chat_tool, yyjson_arr_size(value));
    chat->tool_count = 0; /* `functions` may have come first: tools win */
    json_each_item (item, value) {
        static const struct str known[] = {
            STR_INIT("type"), STR_INIT("function"), STR_INIT("custom"),
            STR_INIT("cache_control")};
        unsigned i = chat->tool_count++;
        struct chat_tool *tool = &chat->tools[i];
        struct str path = arena_printf(r->arena, "tools[%u]", i);
        struct str type;

        if (!yyjson_is_obj(item))
            return field_wrong_type(r, path, "an object", item);
        if (!field_take_text(r, item, STR("type"), path, &type))
            return false;
        tool->is_custom = str_eq(type, STR("custom"));
        if (!tool->is_custom && type.len > 0 && !str_eq(type, STR("function")))
            return field_unknown_value(
                r, arena_printf(r->arena, "tools[%u].type", i),
                "\"function\" or \"custom\"", type);
        FIELD_NOTE_OTHERS(r, item, "tools[].", known);
        tool->cache = json_get(item, STR("cache_control"));
        path = arena_printf(r->arena, "tools[%u].%s", i,
                            tool->is_custom ? "custom" : "function");
        if (!read_tool(r,
                       json_get(item, tool->is_custom ? STR("custom")
                                                      : STR("function")),
                       path, tool))
            return false;
    }
    return true;
}

static bool read_functions(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("functions"), "an array", value);
    if (chat->tools != NULL)
        return true; /* `tools` is its successor and wins */
    chat->tools =
        ARENA_ARRAY(r->arena, struct chat_tool, yyjson_arr_size(value));
    json_each_item (item, value) {
        unsigned i = chat->tool_count++;

        if (!read_tool(r, item, arena_printf(r->arena, "functions[%u]", i),
                       &chat->tools[i]))
            return false;
    }
    return true;
}

/* {"type":"function","function":{"name":…}} or the custom form. */
static struct str named_in(yyjson_val *object)
{
    struct str type = json_get_text(object, STR("type"));

    return json_get_text(json_get(object, str_eq(type, STR("custom"))
                                              ? STR("custom")
                                              : STR("function")),
                         STR("name"));
}

static bool read_allowed(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;
    yyjson_val *inner = json_get(value, STR("allowed_tools"));
    yyjson_val *tools = json_get(inner, STR("tools"));
    struct str mode = json_get_text(inner, STR("mode"));

    if (str_eq(mode, STR("required")))
        chat->choice = CHAT_CHOICE_REQUIRED;
    else if (str_eq(mode, STR("auto")))
        chat->choice = CHAT_CHOICE_AUTO;
    else
        return field_unknown_value(r, STR("tool_choice.allowed_tools.mode"),
                                   "\"auto\" or \"required\"", mode);
    if (!yyjson_is_arr(tools))
        return field_wrong_type(r, STR("tool_choice.allowed_tools.tools"),
                                "an array", tools);
    chat->allowed_tools =
        ARENA_ARRAY(r->arena, struct str, yyjson_arr_size(tools) + 1);
    json_each_item (item, tools) {
        chat->allowed_tools[chat->allowed_count++] = named_in(item);
    }
    return true;
}

static bool read_choice(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;
    struct str word = json_text(value);

    if (yyjson_is_str(value)) {
        if (str_eq(word, STR("none")))
            chat->choice = CHAT_CHOICE_NONE;
        else if (str_eq(word, STR("auto")))
            chat->choice = CHAT_CHOICE_AUTO;
        else if (str_eq(word, STR("required")))
            chat->choice = CHAT_CHOICE_REQUIRED;
        else
            return field_unknown_value(r, STR("tool_choice"),
                                       "\"none\", \"auto\", \"required\" or an "
                                       "object",
                                       word);
        return true;
    }
    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("tool_choice"), "a string or an object",
                                value);
    word = json_get_text(value, STR("type"));
    if (str_eq(word, STR("allowed_tools")))
        return read_allowed(r, value);
    if (!str_eq(word, STR("function")) && !str_eq(word, STR("custom")))
        return field_unknown_value(
            r, STR("tool_choice.type"),
            "\"function\", \"custom\" or \"allowed_tools\"", word);
    chat->choice = CHAT_CHOICE_NAMED;
    chat->choice_name = named_in(value);
    if (chat->choice_name.len == 0)
        return field_missing(
            r, arena_printf(r->arena, "tool_choice.%.*s.name", STR_ARG(word)));
    return true;
}

/* Deprecated: "none", "auto" or {"name":…}. */
static bool read_function_choice(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    if (chat->choice != CHAT_CHOICE_UNSET)
        return true;
    if (yyjson_is_str(value))
        return read_choice(r, value);
    chat->choice_name = json_get_text(value, STR("name"));
    if (chat->choice_name.len == 0)
        return field_wrong_type(r, STR("function_call"),
                                "\"none\", \"auto\" or an object with a name",
                                value);
    chat->choice = CHAT_CHOICE_NAMED;
    return true;
}

static bool read_parallel(struct field_reader *r, yyjson_val *value)
{
    if (!yyjson_is_bool(value))
        return field_wrong_type(r, STR("parallel_tool_calls"), "true or false",
                                value);
    r->chat->is_serial = !json_is_true(value);
    return true;
}

/* --- the plain fields --------------------------------------------------- */

static bool read_limit(struct field_reader *r, yyjson_val *value,
                       struct str name)
{
    if (!json_to_i64(value, &r->chat->max_tokens))
        return field_wrong_type(r, name, "a whole number", value);
    r->chat->has_max_tokens = true;
    r->chat->max_tokens_name = name;
    return true;
}

static bool read_max_tokens(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;
    bool has_better = chat->has_max_tokens;
    int64_t better = chat->max_tokens;
    struct str better_name = chat->max_tokens_name;

    if (!read_limit(r, value, STR("max_tokens")))
        return false;
    if (has_better) { /* max_completion_tokens came first, and wins */
        chat->max_tokens = better;
        chat->max_tokens_name = better_name;
    }
    return true;
}

static bool read_max_completion_tokens(struct field_reader *r,
                                       yyjson_val *value)
{
    return read_limit(r, value, STR("max_completion_tokens"));
}

static bool read_stop(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    if (yyjson_is_str(value)) {
        chat->stops = ARENA_NEW(r->arena, struct str);
        chat->stops[chat->stop_count++] = json_text(value);
        return true;
    }
    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("stop"), "a string or an array", value);
    chat->stops = ARENA_ARRAY(r->arena, struct str, yyjson_arr_size(value) + 1);
    json_each_item (item, value) {
        if (!yyjson_is_str(item))
            return field_wrong_type(
                r, arena_printf(r->arena, "stop[%u]", chat->stop_count),
                "a string", item);
        chat->stops[chat->stop_count++] = json_text(item);
    }
    return true;
}

static bool read_format(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("name"),
                                       STR_INIT("description"),
                                       STR_INIT("schema"), STR_INIT("strict")};
    struct chat *chat = r->chat;
    yyjson_val *inner;
    struct str type;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("response_format"), "an object", value);
    type = json_get_text(value, STR("type"));
    if (str_eq(type, STR("json_object"))) {
        chat->format = CHAT_FORMAT_JSON_OBJECT;
        return true;
    }
    if (!str_eq(type, STR("json_schema"))) {
        if (type.len > 0 &&
            !str_eq(type, STR("text"))) /* what only some backends know */
            chat_other(chat, r->arena, STR("response_format.type"));
        return true;
    }
    inner = json_get(value, STR("json_schema"));
    if (inner == NULL)
        return field_missing(r, STR("response_format.json_schema"));
    chat->format = CHAT_FORMAT_JSON_SCHEMA;
    chat->format_name = json_get_text(inner, STR("name"));
    chat->format_about = json_get_text(inner, STR("description"));
    FIELD_NOTE_OTHERS(r, inner, "response_format.json_schema.", known);
    chat->format_schema = json_get(inner, STR("schema"));
    if (chat->format_schema != NULL && !yyjson_is_obj(chat->format_schema))
        return field_wrong_type(r, STR("response_format.json_schema.schema"),
                                "an object", chat->format_schema);
    chat->characters += json_characters(chat->format_schema);
    return true;
}

static bool read_effort(struct field_reader *r, yyjson_val *value)
{
    struct str name;

    if (!field_text(r, value, "reasoning_effort", &name))
        return false;
    return chat_effort_named(name, &r->chat->effort) ||
           field_unknown_value(
               r, STR("reasoning_effort"),
               "one of none, minimal, low, medium, high, xhigh, max", name);
}

static bool read_n(struct field_reader *r, yyjson_val *value)
{
    if (!json_to_i64(value, &r->chat->n))
        return field_wrong_type(r, STR("n"), "a whole number", value);
    r->chat->has_n = true;
    return true;
}

static bool read_modalities(struct field_reader *r, yyjson_val *value)
{
    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("modalities"), "an array", value);
    json_each_item (item, value) {
        if (str_eq(json_text(item), STR("audio")))
            r->chat->wants_audio = true;
    }
    return true;
}

/* Fields that have no place in the common form; at these values they ask for
 * what is so anyhow. */

static bool note_unless(struct field_reader *r, bool is_so_anyhow,
                        const char *name)
{
    if (!is_so_anyhow)
        chat_other(r->chat, r->arena, str_of(name));
    return true;
}

static bool is_off(yyjson_val *value)
{
    return yyjson_is_bool(value) && !json_is_true(value);
}

static bool is_zero(yyjson_val *value)
{
    struct str number = json_number_text(value);

    return str_eq(number, STR("0")) || str_eq(number, STR("0.0"));
}

static bool is_empty(yyjson_val *value)
{
    return yyjson_is_obj(value) && yyjson_obj_size(value) == 0;
}

static bool read_store(struct field_reader *r, yyjson_val *value)
{
    return note_unless(r, is_off(value), "store");
}

static bool read_metadata(struct field_reader *r, yyjson_val *value)
{
    r->chat->metadata = value;
    return note_unless(r, is_empty(value), "metadata");
}

static bool read_logprobs(struct field_reader *r, yyjson_val *value)
{
    return note_unless(r, is_off(value), "logprobs");
}

static bool read_logit_bias(struct field_reader *r, yyjson_val *value)
{
    return note_unless(r, is_empty(value), "logit_bias");
}

static bool read_frequency_penalty(struct field_reader *r, yyjson_val *value)
{
    return note_unless(r, is_zero(value), "frequency_penalty");
}

static bool read_presence_penalty(struct field_reader *r, yyjson_val *value)
{
    return note_unless(r, is_zero(value), "presence_penalty");
}

/* A hint as to which server may have a prefix in its cache; every backend
 * finds its own. */
static bool read_cache_key(struct field_reader *r, yyjson_val *value)
{
    (void)r;
    (void)value;
    return true;
}

/* The top-level members that are understood. */
const struct field openai_fields[] = {
    {STR_INIT("model"), field_model},
    {STR_INIT("messages"), openai_read_messages},
    {STR_INIT("stream"), field_stream},
    {STR_INIT("max_tokens"), read_max_tokens},
    {STR_INIT("max_completion_tokens"), read_max_completion_tokens},
    {STR_INIT("temperature"), field_temperature},
    {STR_INIT("tools"), read_tools},
    {STR_INIT("tool_choice"), read_choice},
    {STR_INIT("parallel_tool_calls"), read_parallel},
    {STR_INIT("functions"), read_functions},
    {STR_INIT("function_call"), read_function_choice},
    {STR_INIT("response_format"), read_format},
    {STR_INIT("stream_options"), field_stream_options},
    {STR_INIT("stop"), read_stop},
    {STR_INIT("top_p"), field_top_p},
    {STR_INIT("top_k"), field_top_k},
    {STR_INIT("reasoning_effort"), read_effort},
    {STR_INIT("n"), read_n},
    {STR_INIT("modalities"), read_modalities},
    {STR_INIT("user"), field_user},
    {STR_INIT("safety_identifier"), field_safety_identifier},
    {STR_INIT("service_tier"), field_service_tier},
    {STR_INIT("prompt_cache_key"), read_cache_key},
    {STR_INIT("store"), read_store},
    {STR_INIT("metadata"), read_metadata},
    {STR_INIT("logprobs"), read_logprobs},
    {STR_INIT("logit_bias"), read_logit_bias},
    {STR_INIT("frequency_penalty"), read_frequency_penalty},
    {STR_INIT("presence_penalty"), read_presence_penalty},
};
const size_t openai_field_count = COUNT_OF(openai_fields);

static const struct chat_words openai_words = {
    .messages = STR_INIT("messages"),
    .call_id = STR_INIT("tool_call_id"),
    .format = STR_INIT("response_format"),
    .effort = STR_INIT("reasoning_effort"),
    .stops = STR_INIT("stop"),
    .user = STR_INIT("user"),
    .part = STR_INIT("messages[].content[]."),
    .result_part = STR_INIT("messages[].content[]."),
    .detail = STR_INIT("image_url.detail"),
    .result = STR_INIT("content"),
    .file_name = STR_INIT("file.filename"),
    .format_about = STR_INIT("response_format.json_schema.description"),
};

bool openai_read_request(struct arena *arena, struct str body,
                         struct chat *chat, struct chat_error *error)
{
    struct field_reader reader = {arena, chat, error};

    *chat = (struct chat){.body = body, .words = &openai_words};
    if (!field_read_body(&reader, openai_fields, openai_field_count))
        return false;
    if (chat->messages == NULL)
        return field_missing(&reader, STR("messages"));
    if (chat->message_count == 0)
        return chat_refuse(error, arena, ERR_BAD_VALUE, STR("messages"),
                           "messages: expected at least one message, got an "
                           "empty array");
    return true;
}
