/* Anthropic Messages at the door: the system prompt and the messages.
 *
 * One message of Anthropic's may be several of the common form: the results of
 * tools stand in a user's message there, and are messages of their own here.
 * They come first, and then one message of the rest. */
#include "anthropic_door_blocks.h"

static const struct str result_type = STR_INIT("tool_result");

/* --- tool results ------------------------------------------------------- */

static bool read_result_content(struct blocks *b, yyjson_val *content,
                                struct chat_message *message)
{
    struct str type;

    if (yyjson_is_str(content)) {
        blocks_read_string(b, content, message);
        message->parts[0].index = (unsigned)b->block;
        return true;
    }
    if (content != NULL && !yyjson_is_arr(content))
        return blocks_wrong_type(b, "", STR("content"), "a string or an array",
                                 content);
    message->parts =
        ARENA_ARRAY(b->r->arena, struct chat_part, yyjson_arr_size(content));
    json_each_item (item, content) {
        b->inner++;
        if (!blocks_type(b, item, &type))
            return false;
        if (str_eq(type, result_type))
            return blocks_refuse_kind(b, type, "what a tool result may hold");
        if (!blocks_read(b, item, type, message))
            return false;
    }
    b->inner = -1;
    return true;
}

static bool read_result(struct blocks *b, yyjson_val *block,
                        struct chat_message *message)
{
    static const struct str known[] = {
        STR_INIT("type"), STR_INIT("cache_control"), STR_INIT("tool_use_id"),
        STR_INIT("content"), STR_INIT("is_error")};
    yyjson_val *is_error = json_get(block, STR("is_error"));
    yyjson_val *cache = json_get(block, STR("cache_control"));

    if (!blocks_need_text(b, block, "", STR("tool_use_id"), &message->call_id))
        return false;
    if (is_error != NULL && !yyjson_is_bool(is_error))
        return blocks_wrong_type(b, "", STR("is_error"), "true or false",
                                 is_error);
    message->is_error = json_is_true(is_error);
    if (!read_result_content(b, json_get(block, STR("content")), message))
        return false;
    if (cache != NULL && message->part_count > 0)
        message->parts[message->part_count - 1].cache = cache;
    field_note_members(b->r, block, blocks_prefix(b), known, COUNT_OF(known));
    return true;
}

/* --- messages ----------------------------------------------------------- */

static size_t count_blocks(yyjson_val *content, struct str type)
{
    size_t n = 0;

    json_each_item (block, content) {
        n += str_eq(json_get_text(block, STR("type")), type);
    }
    return n;
}

static struct chat_message *add_message(struct blocks *b, enum chat_role role)
{
    struct chat *chat = b->r->chat;
    struct chat_message *message = &chat->messages[chat->message_count++];

    *message = (struct chat_message){.role = role, .index = b->message};
    return message;
}

/* Tool results become messages in front of the one that they stand in. */
static bool read_results(struct blocks *b, yyjson_val *content)
{
    b->block = -1;
    json_each_item (block, content) {
        b->block++;
        if (str_eq(json_get_text(block, STR("type")), result_type) &&
            !read_result(b, block, add_message(b, CHAT_TOOL)))
            return false;
    }
    return true;
}

static bool read_blocks(struct blocks *b, yyjson_val *content,
                        struct chat_message *message)
{
    struct str type;

    b->block = -1;
    json_each_item (block, content) {
        b->block++;
        if (!blocks_type(b, block, &type))
            return false;
        if (!str_eq(type, result_type)) {
            if (!blocks_read(b, block, type, message))
                return false;
        } else if (message->role != CHAT_USER) {
            return blocks_refuse_kind(
                b, type,
                "what a message of another role than user may "
                "hold");
        }
    }
    b->block = -1;
    return true;
}

static bool read_content(struct blocks *b, yyjson_val *content,
                         enum chat_role role)
{
    struct arena *arena = b->r->arena;
    size_t size = yyjson_arr_size(content);
    size_t results = 0;
    struct chat_message *message;

    if (content == NULL)
        return blocks_missing(b, "", STR("content"));
    if (yyjson_is_str(content)) {
        blocks_read_string(b, content, add_message(b, role));
        return true;
    }
    if (!yyjson_is_arr(content))
        return blocks_wrong_type(b, "", STR("content"), "a string or an array",
                                 content);
    if (role == CHAT_USER) {
        results = count_blocks(content, result_type);
        if (!read_results(b, content))
            return false;
        if (results > 0 && results == size)
            return true;
    }
    message = add_message(b, role);
    message->parts = ARENA_ARRAY(arena, struct chat_part, size - results);
    if (role == CHAT_ASSISTANT)
        message->calls = ARENA_ARRAY(arena, struct chat_call,
                                     count_blocks(content, STR("tool_use")));
    return read_blocks(b, content, message);
}

static bool read_message(struct blocks *b, yyjson_val *value)
{
    static const struct {
        struct str name;
        enum chat_role role;
    } roles[] = {
        {STR_INIT("user"), CHAT_USER},
        {STR_INIT("assistant"), CHAT_ASSISTANT},
        {STR_INIT("system"), CHAT_SYSTEM},
    };
    static const struct str known[] = {STR_INIT("role"), STR_INIT("content")};
    struct str name;
    size_t i = 0;

    if (!yyjson_is_obj(value))
        return blocks_wrong_type(b, "", STR(""), "an object", value);
    if (!blocks_need_text(b, value, "", STR("role"), &name))
        return false;
    while (i < COUNT_OF(roles) && !str_eq(name, roles[i].name))
        i++;
    if (i == COUNT_OF(roles))
        return field_unknown_value(b->r, blocks_path(b, "", STR("role")),
                                   "one of user, assistant, system", name);
    field_note_members(b->r, value, STR("messages[]."), known, COUNT_OF(known));
    b->r->chat->has_mid_system |= roles[i].role == CHAT_SYSTEM;
    return read_content(b, json_get(value, STR("content")), roles[i].role);
}

/* A line that Claude Code puts in front: it changes with every request, so
 * that no prefix would be found in a cache. */
static bool is_billing(struct str text)
{
    return str_starts(text, STR("x-anthropic-billing-header"));
}

static bool read_system(struct blocks *b, yyjson_val *value)
{
    struct chat *chat = b->r->chat;
    size_t characters = chat->characters;
    struct chat_message *message;
    struct str type;

    if (yyjson_is_str(value) && !is_billing(json_text(value)))
        blocks_read_string(b, value, add_message(b, CHAT_SYSTEM));
    if (value == NULL || yyjson_is_str(value))
        return true;
    if (!yyjson_is_arr(value))
        return blocks_wrong_type(b, "", STR(""), "a string or an array", value);
    message = add_message(b, CHAT_SYSTEM);
    message->parts =
        ARENA_ARRAY(b->r->arena, struct chat_part, yyjson_arr_size(value));
    json_each_item (item, value) {
        b->block++;
        if (!blocks_type(b, item, &type) ||
            !blocks_read(b, item, type, message))
            return false;
        if (is_billing(message->parts[message->part_count - 1].text)) {
            message->parts[--message->part_count] = (struct chat_part){0};
            chat->characters = characters;
        }
        characters = chat->characters;
    }
    b->block = -1;
    chat->message_count -= message->part_count == 0;
    return true;
}

static bool read_all(struct blocks *b, yyjson_val *system, yyjson_val *messages)
{
    b->is_prompt = true;
    if (!read_system(b, system))
        return false;
    b->is_prompt = false;
    json_each_item (item, messages) {
        if (!read_message(b, item))
            return false;
        b->message++;
    }
    return true;
}

bool anthropic_read_messages(struct field_reader *r, yyjson_val *system,
                             yyjson_val *messages)
{
    struct blocks blocks = {.r = r, .block = -1, .inner = -1};
    size_t most = yyjson_arr_size(messages) + 1;
    bool ok;

    if (messages == NULL)
        return field_missing(r, STR("messages"));
    if (!yyjson_is_arr(messages))
        return field_wrong_type(r, STR("messages"), "an array", messages);
    if (yyjson_arr_size(messages) == 0)
        return chat_refuse(r->error, r->arena, ERR_BAD_VALUE, STR("messages"),
                           "messages: expected at least one message, got an "
                           "empty array");
    json_each_item (item, messages) {
        most += count_blocks(json_get(item, STR("content")), result_type);
    }
    r->chat->messages = ARENA_ARRAY(r->arena, struct chat_message, most);
    buf_init(&blocks.input, SIZE_MAX / 2);
    ok = read_all(&blocks, system, messages);
    buf_fini(&blocks.input);
    return ok;
}
