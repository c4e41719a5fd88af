/* OpenAI Chat Completions: the messages of a request. */
#include "openai_private.h"

/* --- messages ----------------------------------------------------------- */

static struct str message_path(struct field_reader *r, unsigned i,
                               const char *rest)
{
    return arena_printf(r->arena, "messages[%u]%s", i, rest);
}

static struct str part_path(struct field_reader *r, unsigned i, unsigned j,
                            const char *rest)
{
    return arena_printf(r->arena, "messages[%u].content[%u]%s", i, j, rest);
}

/* A member that holds its value in an object: {"image_url":{"url":…}}; some
 * clients give the value itself. */
static bool take_wrapped(struct field_reader *r, yyjson_val *part, unsigned i,
                         unsigned j, const char *outer, const char *inner,
                         struct str *out)
{
    yyjson_val *value = json_get(part, str_of(outer));
    struct str path;

    if (yyjson_is_str(value)) {
        *out = json_text(value);
        return true;
    }
    path = part_path(r, i, j, "");
    path = arena_printf(r->arena, "%.*s.%s", STR_ARG(path), outer);
    if (value == NULL)
        return field_missing(r, path);
    if (!yyjson_is_obj(value))
        return field_wrong_type(r, path, "an object", value);
    return field_take_text(r, value, str_of(inner), path, out);
}

static void note_part(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("type"),
                                       STR_INIT("text"),
                                       STR_INIT("refusal"),
                                       STR_INIT("image_url"),
                                       STR_INIT("file"),
                                       STR_INIT("cache_control"),
                                       STR_INIT("prompt_cache_breakpoint")};
    static const struct str of_image[] = {STR_INIT("url"), STR_INIT("detail")};
    static const struct str of_breakpoint[] = {STR_INIT("mode")};
    static const struct str of_file[] = {
        STR_INIT("filename"), STR_INIT("file_data"), STR_INIT("file_id")};

    FIELD_NOTE_OTHERS(r, value, "messages[].content[].", known);
    FIELD_NOTE_OTHERS(r, json_get(value, STR("image_url")),
                      "messages[].content[].image_url.", of_image);
    FIELD_NOTE_OTHERS(r, json_get(value, STR("prompt_cache_breakpoint")),
                      "messages[].content[].prompt_cache_breakpoint.",
                      of_breakpoint);
    FIELD_NOTE_OTHERS(r, json_get(value, STR("file")),
                      "messages[].content[].file.", of_file);
}

static bool read_part(struct field_reader *r, yyjson_val *value, unsigned i,
                      struct chat_part *part)
{
    struct chat *chat = r->chat;
    yyjson_val *type;
    struct str name;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, part_path(r, i, part->index, ""),
                                "an object", value);
    type = json_get(value, STR("type"));
    if (type == NULL)
        return field_missing(r, part_path(r, i, part->index, ".type"));
    if (!yyjson_is_str(type))
        return field_wrong_type(r, part_path(r, i, part->index, ".type"),
                                "a string", type);
    name = json_text(type);
    part->cache = json_get(value, STR("prompt_cache_breakpoint"));
    if (part->cache == NULL)
        part->cache = json_get(value, STR("cache_control"));
    if (str_eq(name, STR("text")) || str_eq(name, STR("refusal"))) {
        yyjson_val *text = json_get(value, name);

        part->kind = name.ptr[0] == 't' ? CHAT_TEXT : CHAT_REFUSAL;
        part->text = json_text(text);
        if (!yyjson_is_str(text)) {
            struct str path =
                part_path(r, i, part->index,
                          part->kind == CHAT_TEXT ? ".text" : ".refusal");

            return text == NULL ? field_missing(r, path)
                                : field_wrong_type(r, path, "a string", text);
        }
        chat->characters += str_code_points(part->text);
        return true;
    }
    if (str_eq(name, STR("image_url"))) {
        part->kind = CHAT_IMAGE;
        chat->image_count++;
        part->detail = json_get_text(json_get(value, name), STR("detail"));
        return take_wrapped(r, value, i, part->index, "image_url", "url",
                            &part->url);
    }
    if (str_eq(name, STR("file"))) {
        yyjson_val *file = json_get(value, STR("file"));
        struct str path = part_path(r, i, part->index, ".file");

        part->kind = CHAT_FILE;
        chat->file_count++;
        if (file == NULL)
            return field_missing(r, path);
        if (!yyjson_is_obj(file))
            return field_wrong_type(r, path, "an object", file);
        return field_take_text(r, file, STR("filename"), path,
                               &part->file_name) &&
               field_take_text(r, file, STR("file_data"), path, &part->url) &&
               field_take_text(r, file, STR("file_id"), path, &part->file_id);
    }
    part->kind = CHAT_OTHER;
    part->text = name;
    return true;
}

/* Into message->parts, where there is room. */
static bool read_content(struct field_reader *r, yyjson_val *content,
                         struct chat_message *message)
{
    unsigned index = 0;

    if (content == NULL)
        return true;
    if (yyjson_is_str(content)) {
        struct chat_part *part = &message->parts[message->part_count++];

        message->content_is_string = true;
        part->text = json_text(content);
        r->chat->characters += str_code_points(part->text);
        return true;
    }
    if (!yyjson_is_arr(content))
        return field_wrong_type(r, message_path(r, message->index, ".content"),
                                "a string or an array", content);
    json_each_item (item, content) {
        struct chat_part *part = &message->parts[message->part_count++];

        part->index = index++;
        if (!read_part(r, item, message->index, part))
            return false;
        if (part->kind != CHAT_OTHER)
            note_part(r, item);
    }
    return true;
}

/* The name and arguments of a call or of a deprecated function_call. */
static bool read_function(struct field_reader *r, yyjson_val *function,
                          struct str path, struct str arguments_key,
                          struct chat_call *call)
{
    yyjson_val *arguments;

    if (function == NULL)
        return field_missing(r, path);
    if (!yyjson_is_obj(function))
        return field_wrong_type(r, path, "an object", function);
    if (!field_take_text(r, function, STR("name"), path, &call->name))
        return false;
    if (call->name.len == 0)
        return field_missing(
            r, arena_printf(r->arena, "%.*s.name", STR_ARG(path)));
    arguments = json_get(function, arguments_key);
    if (yyjson_is_obj(arguments)) {
        /* not by the book, yet some clients do: the meaning is clear */
        struct buf text;
        struct json_out out = json_out_to(&text);

        buf_init(&text, SIZE_MAX / 2);
        json_put_val(&out, arguments);
        call->arguments = arena_copy(r->arena, buf_str(&text));
        buf_fini(&text);
    } else if (!field_take_text(r, function, arguments_key, path,
                                &call->arguments)) {
        return false;
    }
    r->chat->characters +=
        str_code_points(call->name) + str_code_points(call->arguments);
    return true;
}

static bool read_call(struct field_reader *r, yyjson_val *value, unsigned i,
                      unsigned k, struct chat_call *call)
{
    /* `index` comes from the pieces of streams that callers put together */
    static const struct str known[] = {STR_INIT("id"), STR_INIT("type"),
                                       STR_INIT("function"), STR_INIT("custom"),
                                       STR_INIT("index")};
    struct str path =
        arena_printf(r->arena, "messages[%u].tool_calls[%u]", i, k);
    struct str type;
    struct str inner;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, path, "an object", value);
    if (!field_take_text(r, value, STR("id"), path, &call->id) ||
        !field_take_text(r, value, STR("type"), path, &type))
        return false;
    call->is_custom = str_eq(type, STR("custom"));
    FIELD_NOTE_OTHERS(r, value, "messages[].tool_calls[].", known);
    if (!call->is_custom && type.len > 0 && !str_eq(type, STR("function")))
        return field_unknown_value(
            r, arena_printf(r->arena, "%.*s.type", STR_ARG(path)),
            "\"function\" or \"custom\"", type);
    inner = call->is_custom ? STR("custom") : STR("function");
    path = arena_printf(r->arena, "%.*s.%.*s", STR_ARG(path), STR_ARG(inner));
    return read_function(r, json_get(value, inner), path,
                         call->is_custom ? STR("input") : STR("arguments"),
                         call);
}

/* Calls stand behind all else that was said. */
static struct chat_call *call_add(struct chat_message *message)
{
    struct chat_part *part = &message->parts[message->part_count++];

    part->kind = CHAT_CALL;
    part->call = message->call_count;
    return &message->calls[message->call_count++];
}

static bool read_calls(struct field_reader *r, yyjson_val *value,
                       struct chat_message *message)
{
    yyjson_val *calls = json_get(value, STR("tool_calls"));
    yyjson_val *legacy = json_get(value, STR("function_call"));

    if (calls != NULL && !yyjson_is_arr(calls))
        return field_wrong_type(r,
                                message_path(r, message->index, ".tool_calls"),
                                "an array", calls);
    message->calls =
        ARENA_ARRAY(r->arena, struct chat_call, yyjson_arr_size(calls) + 1);
    json_each_item (item, calls) {
        unsigned k = message->call_count;

        if (!read_call(r, item, message->index, k, call_add(message)))
            return false;
    }
    if (legacy != NULL) {
        struct chat_call *call = call_add(message);

        call->id =
            arena_printf(r->arena, "call_fn_%u", (unsigned)message->index);
        return read_function(r, legacy,
                             message_path(r, message->index, ".function_call"),
                             STR("arguments"), call);
    }
    return true;
}

/* thinking_blocks, an extension: what Claude thought comes first. */
static bool read_thinking(struct field_reader *r, yyjson_val *blocks,
                          struct chat_message *message)
{
    if (blocks != NULL && !yyjson_is_arr(blocks))
        return field_wrong_type(
            r, message_path(r, message->index, ".thinking_blocks"), "an array",
            blocks);
    json_each_item (block, blocks) {
        struct chat_part *part = &message->parts[message->part_count++];

        chat_thinking(r->chat, block, part);
    }
    return true;
}

static bool read_assistant(struct field_reader *r, yyjson_val *value,
                           struct chat_message *message)
{
    yyjson_val *thinking = json_get(value, STR("thinking_blocks"));
    yyjson_val *content = json_get(value, STR("content"));

    if (!field_take_text(r, value, STR("refusal"),
                         message_path(r, message->index, ""),
                         &message->refusal))
        return false;
    r->chat->characters += str_code_points(message->refusal);
    message->parts = ARENA_ARRAY(
        r->arena, struct chat_part,
        yyjson_arr_size(thinking) + yyjson_arr_size(content) +
            yyjson_arr_size(json_get(value, STR("tool_calls"))) + 2);
    return read_thinking(r, thinking, message) &&
           read_content(r, content, message) && read_calls(r, value, message);
}

/* A result's name is its call's.  Thinking without a signature is known and
 * left out: whose it was puts it back by itself (recall.h), and nobody else
 * would take it. */
static void note_message(struct field_reader *r, yyjson_val *value,
                         enum chat_role role)
{
    static const struct str known[] = {STR_INIT("role"),
                                       STR_INIT("content"),
                                       STR_INIT("tool_call_id"),
                                       STR_INIT("tool_calls"),
                                       STR_INIT("function_call"),
                                       STR_INIT("refusal"),
                                       STR_INIT("thinking_blocks"),
                                       STR_INIT("reasoning_content"),
                                       STR_INIT("reasoning"),
                                       STR_INIT("name")};

    field_note_members(r, value, STR("messages[]."), known,
                       COUNT_OF(known) - (role == CHAT_TOOL ? 0 : 1));
}

static bool read_message(struct field_reader *r, yyjson_val *value,
                         struct chat_message *message)
{
    static const struct {
        struct str name;
        enum chat_role role;
    } roles[] = {
        {STR_INIT("user"), CHAT_USER},
        {STR_INIT("assistant"), CHAT_ASSISTANT},
        {STR_INIT("system"), CHAT_SYSTEM},
        {STR_INIT("developer"), CHAT_SYSTEM},
        {STR_INIT("tool"), CHAT_TOOL},
        {STR_INIT("function"), CHAT_TOOL},
    };
    yyjson_val *role;
    struct str name;
    size_t i = 0;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, message_path(r, message->index, ""),
                                "an object", value);
    role = json_get(value, STR("role"));
    if (role == NULL)
        return field_missing(r, message_path(r, message->index, ".role"));
    if (!yyjson_is_str(role))
        return field_wrong_type(r, message_path(r, message->index, ".role"),
                                "a string", role);
    name = json_text(role);
    while (i < COUNT_OF(roles) && !str_eq(name, roles[i].name))
        i++;
    if (i == COUNT_OF(roles))
        return field_unknown_value(r, message_path(r, message->index, ".role"),
                                   "one of system, developer, user, assistant, "
                                   "tool, function",
                                   name);
    message->role = roles[i].role;
    note_message(r, value, message->role);
    message->is_function = str_eq(name, STR("function"));
    if (message->role == CHAT_ASSISTANT)
        return read_assistant(r, value, message);
    message->parts =
        ARENA_ARRAY(r->arena, struct chat_part,
                    yyjson_arr_size(json_get(value, STR("content"))) + 1);
    if (!read_content(r, json_get(value, STR("content")), message))
        return false;
    if (message->role == CHAT_TOOL && !message->is_function) {
        if (!field_take_text(r, value, STR("tool_call_id"),
                             message_path(r, message->index, ""),
                             &message->call_id))
            return false;
        if (message->call_id.ptr == NULL)
            return field_missing(
                r, message_path(r, message->index, ".tool_call_id"));
    }
    return true;
}

bool openai_read_messages(struct field_reader *r, yyjson_val *value)
{
    struct chat *chat = r->chat;

    if (!yyjson_is_arr(value))
        return field_wrong_type(r, STR("messages"), "an array", value);
    chat->messages =
        ARENA_ARRAY(r->arena, struct chat_message, yyjson_arr_size(value));
    json_each_item (item, value) {
        struct chat_message *message = &chat->messages[chat->message_count];

        message->index = chat->message_count++;
        if (!read_message(r, item, message))
            return false;
    }
    return true;
}
