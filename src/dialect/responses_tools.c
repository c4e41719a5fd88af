/* OpenAI Responses: the tools of a request and the choice among them.
 *
 * function   as in Chat Completions, but flat
 * custom     takes free text; a grammar goes into its description, since no
 *            backend holds a tool's input to one
 * namespace  functions under a name of their own: each becomes a tool
 * tool_search  where the caller searches: a tool, whose calls and results
 *            are items of their own
 * others     run at OpenAI's or are known to its models only: no backend here
 *            has them.  They are noted, and the configuration says whether they
 *            are left out or refused */
#include "responses_private.h"

struct str responses_full_name(struct arena *arena, struct str space,
                               struct str name)
{
    return space.len == 0 ? name
                          : arena_printf(arena, "%.*s%c%.*s", STR_ARG(space),
                                         NAMES_SPACE_MARK, STR_ARG(name));
}

static struct str inner_path(struct field_reader *r, struct str path,
                             const char *member)
{
    return arena_printf(r->arena, "%.*s.%s", STR_ARG(path), member);
}

static bool read_schema(struct field_reader *r, yyjson_val *value,
                        struct str path, struct chat_tool *tool)
{
    tool->schema = json_get(value, STR("parameters"));
    if (tool->schema != NULL && !yyjson_is_obj(tool->schema))
        return field_wrong_type(r, inner_path(r, path, "parameters"),
                                "an object", tool->schema);
    return true;
}

static void count_tool(struct field_reader *r, const struct chat_tool *tool)
{
    r->chat->characters += str_code_points(tool->name) +
                           str_code_points(tool->description) +
                           json_characters(tool->schema);
}

static bool read_tool(struct field_reader *r, yyjson_val *value,
                      struct str space, struct str path, struct chat_tool *tool)
{
    static const struct str known[] = {
        STR_INIT("type"),        STR_INIT("name"),
        STR_INIT("description"), STR_INIT("parameters"),
        STR_INIT("strict"),      STR_INIT("cache_control"),
        STR_INIT("format"),      STR_INIT("defer_loading"),
    };
    yyjson_val *strict = json_get(value, STR("strict"));

    if (!field_take_text(r, value, STR("name"), path, &tool->name) ||
        !field_take_text(r, value, STR("description"), path,
                         &tool->description))
        return false;
    if (tool->name.len == 0)
        return field_missing(r, inner_path(r, path, "name"));
    if (strict != NULL && !yyjson_is_bool(strict))
        return field_wrong_type(r, inner_path(r, path, "strict"),
                                "true or false", strict);
    tool->is_strict = json_is_true(strict);
    tool->cache = json_get(value, STR("cache_control"));
    tool->name = responses_full_name(r->arena, space, tool->name);
    if (!tool->is_custom) {
        if (!read_schema(r, value, path, tool))
            return false;
    } else if (field_describe_grammar(r, json_get(value, STR("format")),
                                      tool)) {
        chat_other(r->chat, r->arena, STR("tools[].format"));
    }
    field_note_members(r, value, STR("tools[]."), known, COUNT_OF(known));
    count_tool(r, tool);
    return true;
}

static bool read_search(struct field_reader *r, yyjson_val *value,
                        struct str path)
{
    struct chat_tool *tool = &r->chat->tools[r->chat->tool_count++];

    tool->name = RESPONSES_SEARCH;
    if (!field_take_text(r, value, STR("description"), path,
                         &tool->description) ||
        !read_schema(r, value, path, tool))
        return false;
    count_tool(r, tool);
    return true;
}

/* One entry of a list of tools; `space` is the namespace around it. */
static bool read_entry(struct field_reader *r, yyjson_val *value,
                       struct str space, struct str path);

/* What is said of a namespace as a whole is said with its first tool. */
static bool read_namespace(struct field_reader *r, yyjson_val *value,
                           struct str path)
{
    yyjson_val *tools = json_get(value, STR("tools"));
    unsigned first = r->chat->tool_count;
    struct str name, about;
    unsigned i = 0;

    if (!field_take_text(r, value, STR("name"), path, &name) ||
        !field_take_text(r, value, STR("description"), path, &about))
        return false;
    if (name.len == 0)
        return field_missing(r, inner_path(r, path, "name"));
    if (!yyjson_is_arr(tools))
        return field_wrong_type(r, inner_path(r, path, "tools"), "an array",
                                tools);
    json_each_item (item, tools) {
        if (!read_entry(
                r, item, name,
                arena_printf(r->arena, "%.*s.tools[%u]", STR_ARG(path), i++)))
            return false;
    }
    if (r->chat->tool_count > first && !str_is_blank(about)) {
        struct chat_tool *tool = &r->chat->tools[first];

        tool->description = arena_printf(
            r->arena, "(%.*s: %.*s)%s%.*s", STR_ARG(name), STR_ARG(about),
            tool->description.len > 0 ? "\n\n" : "",
            STR_ARG(tool->description));
        r->chat->characters += str_code_points(about);
    }
    return true;
}

static bool read_entry(struct field_reader *r, yyjson_val *value,
                       struct str space, struct str path)
{
    struct str type;
    bool is_custom;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, path, "an object", value);
    if (!field_take_text(r, value, STR("type"), path, &type))
        return false;
    if (type.len == 0)
        return field_missing(r, inner_path(r, path, "type"));
    if (str_eq(type, STR("namespace")) && space.len == 0)
        return read_namespace(r, value, path);
    if (str_eq(type, STR("tool_search")) &&
        str_eq(json_get_text(value, STR("execution")), STR("client")))
        return read_search(r, value, path);
    is_custom = str_eq(type, STR("custom"));
    if (is_custom || str_eq(type, STR("function"))) {
        struct chat_tool *tool = &r->chat->tools[r->chat->tool_count++];

        tool->is_custom = is_custom;
        return read_tool(r, value, space, path, tool);
    }
    if (r->chat->server_tool.len == 0)
        r->chat->server_tool = type;
    r->chat->server_tool_count++;
    field_note(r, STR("tools[]."), type);
    return true;
}

/* Adds them to chat->tools, which have room for *cap and may move. */
static bool add_list(struct field_reader *r, yyjson_val *value, struct str path,
                     size_t *cap)
{
    struct chat *chat = r->chat;
    size_t most = chat->tool_count + yyjson_arr_size(value);
    unsigned i = 0;

    if (!yyjson_is_arr(value))
        return field_wrong_type(r, path, "an array", value);
    json_each_item (item, value) {
        most += yyjson_arr_size(json_get(item, STR("tools")));
    }
    if (most > *cap) {
        struct chat_tool *grown;

        *cap = most > 2 * *cap ? most : 2 * *cap;
        grown = ARENA_ARRAY(r->arena, struct chat_tool, *cap);
        if (chat->tool_count > 0)
            memcpy(grown, chat->tools, chat->tool_count * sizeof(*grown));
        chat->tools = grown;
    }
    json_each_item (entry, value) {
        if (!read_entry(r, entry, STR(""),
                        arena_printf(r->arena, "%.*s[%u]", STR_ARG(path), i++)))
            return false;
    }
    return true;
}

bool responses_read_tools(struct field_reader *r, yyjson_val *value)
{
    size_t cap = 0;

    return add_list(r, value, STR("tools"), &cap);
}

static bool is_new(struct responses_found *found, const struct chat_tool *tool)
{
    return ++*strmap_at(&found->names, tool->name) == 1;
}

bool responses_add_tools(struct field_reader *r, yyjson_val *value,
                         struct str path, struct responses_found *found)
{
    struct chat *chat = r->chat;
    unsigned count = chat->tool_count;
    unsigned server_tool_count = chat->server_tool_count;
    struct str server_tool = chat->server_tool;

    if (!found->is_open) {
        found->is_open = true;
        found->cap = count;
        strmap_init(&found->names, r->arena);
        for (unsigned i = 0; i < count; i++)
            (void)is_new(found, &chat->tools[i]);
    }
    if (!add_list(r, value, path, &found->cap))
        return false;
    chat->server_tool_count = server_tool_count;
    chat->server_tool = server_tool;
    for (unsigned i = count; i < chat->tool_count; i++)
        if (is_new(found, &chat->tools[i]))
            chat->tools[count++] = chat->tools[i];
    /* whoever comes next finds zeros there */
    memset(chat->tools + count, 0,
           (chat->tool_count - count) * sizeof(*chat->tools));
    chat->tool_count = count;
    return true;
}

/* --- the choice --------------------------------------------------------- */

static struct str named_in(struct field_reader *r, yyjson_val *object)
{
    return responses_full_name(r->arena,
                               json_get_text(object, STR("namespace")),
                               json_get_text(object, STR("name")));
}

static bool is_own_type(struct str type)
{
    return str_eq(type, STR("function")) || str_eq(type, STR("custom"));
}

static bool read_word(struct field_reader *r, struct str path, struct str word,
                      const char *expected, enum chat_choice *choice)
{
    if (str_eq(word, STR("none")))
        *choice = CHAT_CHOICE_NONE;
    else if (str_eq(word, STR("auto")))
        *choice = CHAT_CHOICE_AUTO;
    else if (str_eq(word, STR("required")))
        *choice = CHAT_CHOICE_REQUIRED;
    else
        return field_unknown_value(r, path, expected, word);
    return true;
}

/* Built-in tools on the list are noted with the tools. */
static bool read_allowed(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;
    yyjson_val *tools = json_get(value, STR("tools"));

    if (!read_word(r, STR("tool_choice.mode"),
                   json_get_text(value, STR("mode")),
                   "\"auto\" or \"required\"", &chat->choice))
        return false;
    if (!yyjson_is_arr(tools))
        return field_wrong_type(r, STR("tool_choice.tools"), "an array", tools);
    chat->allowed_tools =
        ARENA_ARRAY(r->arena, struct str, yyjson_arr_size(tools) + 1);
    json_each_item (item, tools) {
        if (is_own_type(json_get_text(item, STR("type"))))
            chat->allowed_tools[chat->allowed_count++] = named_in(r, item);
    }
    return true;
}

bool responses_read_choice(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;
    struct str type = json_get_text(value, STR("type"));

    if (yyjson_is_str(value))
        return read_word(r, STR("tool_choice"), json_text(value),
                         "\"none\", \"auto\", \"required\" or an object",
                         &chat->choice);
    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("tool_choice"), "a string or an object",
                                value);
    if (str_eq(type, STR("allowed_tools")))
        return read_allowed(r, value);
    if (!is_own_type(type)) {
        struct str shown = str_clip(type, 40);

        return chat_refuse(r->error, r->arena, ERR_UNSUPPORTED_VALUE,
                           STR("tool_choice.type"),
                           "tool_choice.type: expected \"function\", "
                           "\"custom\" or \"allowed_tools\", got \"%.*s\": no "
                           "backend has built-in tools",
                           STR_ARG(shown));
    }
    chat->choice = CHAT_CHOICE_NAMED;
    chat->choice_name = named_in(r, value);
    if (json_get_text(value, STR("name")).len == 0)
        return field_missing(r, STR("tool_choice.name"));
    return true;
}
