/* Anthropic Messages at the door: from the request's bytes to the common form.
 *
 * Fields as in the vendor's API reference and the types of the official SDK;
 * null means absent everywhere.  Where the request goes to Anthropic its bytes
 * pass: so nothing that Anthropic may know is refused here, and what has no
 * place in the common form is noted for the other backends. */
#include "anthropic_door.h"

/* --- tools -------------------------------------------------------------- */

static struct str tool_path(struct field_reader *r, unsigned index,
                            const char *rest)
{
    return arena_printf(r->arena, "tools[%u]%s", index, rest);
}

static bool tool_text(struct field_reader *r, yyjson_val *item, unsigned index,
                      struct str key, struct str *out)
{
    yyjson_val *value = json_get(item, key);

    *out = json_text(value);
    return value == NULL || yyjson_is_str(value) ||
           field_take_text(r, item, key, tool_path(r, index, ""), out);
}

/* A tool that Anthropic itself has, by its dated type. */
static void take_server_tool(struct chat *chat, yyjson_val *item,
                             struct str type)
{
    struct str name = json_get_text(item, STR("name"));

    chat->server_tools_exist = true;
    if (chat->server_tool_count++ == 0)
        chat->server_tool = name.len > 0 ? name : type;
    chat->characters += json_characters(item);
}

static bool take_tool(struct field_reader *r, yyjson_val *item, unsigned index)
{
    static const struct str known[] = {
        STR_INIT("type"),         STR_INIT("name"),   STR_INIT("description"),
        STR_INIT("input_schema"), STR_INIT("strict"), STR_INIT("cache_control"),
    };
    struct chat *chat = r->chat;
    struct chat_tool *tool = &chat->tools[chat->tool_count];
    yyjson_val *strict = json_get(item, STR("strict"));

    if (!tool_text(r, item, index, STR("name"), &tool->name) ||
        !tool_text(r, item, index, STR("description"), &tool->description))
        return false;
    if (tool->name.len == 0)
        return field_missing(r, tool_path(r, index, ".name"));
    if (strict != NULL && !yyjson_is_bool(strict))
        return field_wrong_type(r, tool_path(r, index, ".strict"),
                                "true or false", strict);
    tool->is_strict = json_is_true(strict);
    tool->schema = json_get(item, STR("input_schema"));
    if (tool->schema == NULL)
        return field_missing(r, tool_path(r, index, ".input_schema"));
    if (!yyjson_is_obj(tool->schema))
        return field_wrong_type(r, tool_path(r, index, ".input_schema"),
                                "an object", tool->schema);
    tool->cache = json_get(item, STR("cache_control"));
    chat->characters += str_code_points(tool->name) +
                        str_code_points(tool->description) +
                        json_characters(tool->schema);
    field_note_members(r, item, STR("tools[]."), known, COUNT_OF(known));
    chat->tool_count++;
    return true;
}

static bool read_tools(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;
    unsigned index = 0;

    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("tools"), "an array", value);
    chat->tools =
        ARENA_ARRAY(r->arena, struct chat_tool, yyjson_arr_size(value));
    json_each_item (item, value) {
        struct str type;

        if (!yyjson_is_obj(item))
            return field_wrong_type(r, tool_path(r, index, ""), "an object",
                                    item);
        if (!tool_text(r, item, index, STR("type"), &type))
            return false;
        if (type.len > 0 && !str_eq(type, STR("custom")))
            take_server_tool(chat, item, type);
        else if (!take_tool(r, item, index))
            return false;
        index++;
    }
    return true;
}

static bool read_choice(struct field_reader *r, yyjson_val *value)
{
    static const struct {
        struct str name;
        enum chat_choice choice;
    } choices[] = {
        {STR_INIT("auto"), CHAT_CHOICE_AUTO},
        {STR_INIT("any"), CHAT_CHOICE_REQUIRED},
        {STR_INIT("tool"), CHAT_CHOICE_NAMED},
        {STR_INIT("none"), CHAT_CHOICE_NONE},
    };
    static const struct str known[] = {STR_INIT("type"), STR_INIT("name"),
                                       STR_INIT("disable_parallel_tool_use")};
    struct chat *chat = r->chat;
    yyjson_val *serial = json_get(value, STR("disable_parallel_tool_use"));
    struct str type;
    size_t i = 0;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("tool_choice"), "an object", value);
    if (!field_take_text(r, value, STR("type"), STR("tool_choice"), &type))
        return false;
    while (i < COUNT_OF(choices) && !str_eq(type, choices[i].name))
        i++;
    if (i == COUNT_OF(choices))
        return field_unknown_value(r, STR("tool_choice.type"),
                                   "one of auto, any, tool, none", type);
    chat->choice = choices[i].choice;
    if (serial != NULL && !yyjson_is_bool(serial))
        return field_wrong_type(r, STR("tool_choice.disable_parallel_tool_use"),
                                "true or false", serial);
    chat->is_serial = json_is_true(serial);
    FIELD_NOTE_OTHERS(r, value, "tool_choice.", known);
    if (chat->choice != CHAT_CHOICE_NAMED)
        return true;
    if (!field_take_text(r, value, STR("name"), STR("tool_choice"),
                         &chat->choice_name))
        return false;
    return chat->choice_name.len > 0 ||
           field_missing(r, STR("tool_choice.name"));
}

/* --- thinking and the form of the answer -------------------------------- */

static bool read_thinking(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("type")};
    struct str type;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("thinking"), "an object", value);
    if (!field_take_text(r, value, STR("type"), STR("thinking"), &type))
        return false;
    if (str_eq(type, STR("adaptive")) || str_eq(type, STR("enabled")))
        r->chat->wants_thinking = true;
    else if (str_eq(type, STR("disabled")) ||
             str_eq(type, STR("between_tools")))
        r->chat->effort = CHAT_EFFORT_NONE;
    else
        return field_unknown_value(
            r, STR("thinking.type"),
            "one of adaptive, enabled, disabled, between_tools", type);
    field_note_members(r, value, STR("thinking."), known, COUNT_OF(known));
    return true;
}

static bool read_effort(struct field_reader *r, yyjson_val *value)
{
    static const struct {
        struct str name;
        enum chat_effort effort;
    } efforts[] = {
        {STR_INIT("low"), CHAT_EFFORT_LOW},
        {STR_INIT("medium"), CHAT_EFFORT_MEDIUM},
        {STR_INIT("high"), CHAT_EFFORT_HIGH},
        {STR_INIT("xhigh"), CHAT_EFFORT_XHIGH},
        {STR_INIT("max"), CHAT_EFFORT_MAX},
    };
    struct str name;
    size_t i = 0;

    if (value == NULL)
        return true;
    if (!field_text(r, value, "output_config.effort", &name))
        return false;
    while (i < COUNT_OF(efforts) && !str_eq(name, efforts[i].name))
        i++;
    if (i == COUNT_OF(efforts))
        return field_unknown_value(r, STR("output_config.effort"),
                                   "one of low, medium, high, xhigh, max",
                                   name);
    /* that there is to be none says more than how much it would be */
    if (r->chat->effort == CHAT_EFFORT_NONE)
        chat_other(r->chat, r->arena, STR("output_config.effort"));
    else
        r->chat->effort = efforts[i].effort;
    return true;
}

static bool read_format(struct field_reader *r, yyjson_val *value,
                        const char *name)
{
    struct str path = str_of(name);
    struct chat *chat = r->chat;
    struct str type;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, path, "an object", value);
    if (!field_take_text(r, value, STR("type"), path, &type))
        return false;
    if (!str_eq(type, STR("json_schema")))
        return field_unknown_value(r, arena_join(r->arena, path, STR(".type")),
                                   "\"json_schema\"", type);
    path = arena_join(r->arena, path, STR(".schema"));
    chat->format = CHAT_FORMAT_JSON_SCHEMA;
    chat->format_schema = json_get(value, STR("schema"));
    if (chat->format_schema == NULL)
        return field_missing(r, path);
    return yyjson_is_obj(chat->format_schema) ||
           field_wrong_type(r, path, "an object", chat->format_schema);
}

static bool read_output_config(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("effort"), STR_INIT("format")};
    yyjson_val *format = json_get(value, STR("format"));

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("output_config"), "an object", value);
    field_note_members(r, value, STR("output_config."), known, COUNT_OF(known));
    return format == NULL || read_format(r, format, "output_config.format");
}

/* What output_config.format was called in the beta. */
static bool read_output_format(struct field_reader *r, yyjson_val *value)
{
    return r->chat->format == CHAT_FORMAT_JSON_SCHEMA ||
           read_format(r, value, "output_format");
}

/* --- the plain fields --------------------------------------------------- */

static bool read_max_tokens(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    chat->max_tokens_name = STR("max_tokens");
    if (!json_to_i64(value, &chat->max_tokens))
        return field_wrong_type(r, chat->max_tokens_name, "a whole number",
                                value);
    chat->has_max_tokens = true;
    if (chat->max_tokens < 1)
        return chat_refuse(r->error, r->arena, ERR_BAD_VALUE,
                           chat->max_tokens_name,
                           "max_tokens: expected at least 1, got %lld",
                           (long long)chat->max_tokens);
    return true;
}

static bool read_stops(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("stop_sequences"), "an array", value);
    chat->stops = ARENA_ARRAY(r->arena, struct str, yyjson_arr_size(value));
    json_each_item (item, value) {
        if (!yyjson_is_str(item))
            return field_wrong_type(
                r,
                arena_printf(r->arena, "stop_sequences[%u]", chat->stop_count),
                "a string", item);
        chat->stops[chat->stop_count++] = json_text(item);
    }
    return true;
}

static bool read_metadata(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("user_id")};

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("metadata"), "an object", value);
    r->chat->metadata = value;
    field_note_members(r, value, STR("metadata."), known, COUNT_OF(known));
    return field_take_text(r, value, STR("user_id"), STR("metadata"),
                           &r->chat->user);
}

/* The common form has OpenAI's words. */
static bool read_service_tier(struct field_reader *r, yyjson_val *value)
{
    struct str *tier = &r->chat->service_tier;

    if (!field_text(r, value, "service_tier", tier))
        return false;
    if (str_eq(*tier, STR("standard_only")))
        *tier = STR("default");
    return true;
}

static bool read_thread(struct field_reader *r, yyjson_val *value)
{
    (void)value; /* what it holds is between the caller and Anthropic */
    r->chat->has_thread = true;
    return true;
}

/* Read when all else has been: the system prompt comes first wherever it
 * stands, and how much is thought depends on whether at all. */
static bool read_later(struct field_reader *r, yyjson_val *value)
{
    (void)r;
    (void)value;
    return true;
}

/* The top-level members that are understood. */
const struct field anthropic_fields[] = {
    {STR_INIT("model"), field_model},
    {STR_INIT("max_tokens"), read_max_tokens},
    {STR_INIT("messages"), read_later},
    {STR_INIT("system"), read_later},
    {STR_INIT("stream"), field_stream},
    {STR_INIT("tools"), read_tools},
    {STR_INIT("tool_choice"), read_choice},
    {STR_INIT("thinking"), read_thinking},
    {STR_INIT("output_config"), read_output_config},
    {STR_INIT("output_format"), read_output_format},
    {STR_INIT("stop_sequences"), read_stops},
    {STR_INIT("temperature"), field_temperature},
    {STR_INIT("top_p"), field_top_p},
    {STR_INIT("top_k"), field_top_k},
    {STR_INIT("metadata"), read_metadata},
    {STR_INIT("service_tier"), read_service_tier},
    {STR_INIT("thread"), read_thread},
    {STR_INIT("cache_control"), read_later}, /* others cache by themselves */
};
const size_t anthropic_field_count = COUNT_OF(anthropic_fields);

static const struct chat_words anthropic_words = {
    .messages = STR_INIT("messages"),
    .call_id = STR_INIT("tool_use_id"),
    .format = STR_INIT("output_config.format"),
    .effort = STR_INIT("output_config.effort"),
    .stops = STR_INIT("stop_sequences"),
    .user = STR_INIT("metadata.user_id"),
    .part = STR_INIT("messages[].content[]."),
    .result_part = STR_INIT("messages[].content[].content[]."),
    .result = STR_INIT("content"),
    .file_name = STR_INIT("title"),
    .redacted = STR_INIT("messages[].content[].redacted_thinking"),
    .starts_with_usage = true,
};

static bool read_request(struct field_reader *r, struct str body)
{
    struct chat *chat = r->chat;
    yyjson_val *root;

    *chat = (struct chat){.body = body, .words = &anthropic_words};
    if (!field_read_body(r, anthropic_fields, anthropic_field_count))
        return false;
    root = chat->doc.root;
    return read_effort(r, json_get(json_get(root, STR("output_config")),
                                   STR("effort"))) &&
           anthropic_read_messages(r, json_get(root, STR("system")),
                                   json_get(root, STR("messages")));
}

bool anthropic_read_request(struct arena *arena, struct str body,
                            struct chat *chat, struct chat_error *error)
{
    struct field_reader reader = {arena, chat, error};

    if (!read_request(&reader, body))
        return false;
    return chat->has_max_tokens || field_missing(&reader, STR("max_tokens"));
}

bool anthropic_read_count(struct arena *arena, struct str body,
                          struct chat *chat, struct chat_error *error)
{
    struct field_reader reader = {arena, chat, error};

    return read_request(&reader, body);
}
