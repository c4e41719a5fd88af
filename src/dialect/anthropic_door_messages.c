/* Anthropic Messages at the door: the system prompt and the messages.
 *
 * One message of Anthropic's may be several of the common form: the results of
 * tools stand in a user's message there, and are messages of their own here.
 * They come first, and then one message of the rest. */
#include "anthropic_door.h"

/* Where the reader stands. */
struct blocks {
    struct field_reader *r;
    struct buf input; /* of one tool call */
    bool is_prompt;   /* in `system`, not in `messages` */
    unsigned message;
    int block; /* of its content; -1 = none */
    int inner; /* of a tool result's content; -1 = none */
};

/* --- errors that name the block ----------------------------------------- */

static struct str path_of(struct blocks *b, const char *outer, struct str key)
{
    struct arena *arena = b->r->arena;
    struct str path = b->is_prompt
                          ? STR("system")
                          : arena_printf(arena, "messages[%u]", b->message);

    if (b->block >= 0)
        path = arena_printf(arena, "%.*s%s[%d]", STR_ARG(path),
                            b->is_prompt ? "" : ".content", b->block);
    if (b->inner >= 0)
        path = arena_printf(arena, "%.*s.content[%d]", STR_ARG(path), b->inner);
    return arena_printf(arena, "%.*s%s%s%.*s", STR_ARG(path), outer,
                        key.len > 0 ? "." : "", STR_ARG(key));
}

static struct str prefix_of(const struct blocks *b)
{
    if (b->is_prompt)
        return STR("system[].");
    return b->inner >= 0 ? STR("messages[].content[].content[].")
                         : STR("messages[].content[].");
}

static bool wrong_type(struct blocks *b, const char *outer, struct str key,
                       const char *expected, yyjson_val *got)
{
    return field_wrong_type(b->r, path_of(b, outer, key), expected, got);
}

static bool missing(struct blocks *b, const char *outer, struct str key)
{
    return field_missing(b->r, path_of(b, outer, key));
}

/* A string that must be there.  `object` stands at `outer` in the block. */
static bool need_text(struct blocks *b, yyjson_val *object, const char *outer,
                      struct str key, struct str *out)
{
    yyjson_val *value = json_get(object, key);

    *out = json_text(value);
    if (yyjson_is_str(value))
        return true;
    return value == NULL ? missing(b, outer, key)
                         : wrong_type(b, outer, key, "a string", value);
}

/* One that may be missing. */
static bool take_text(struct blocks *b, yyjson_val *object, struct str key,
                      struct str *out)
{
    *out = (struct str){NULL, 0};
    return json_get(object, key) == NULL || need_text(b, object, "", key, out);
}

/* --- blocks ------------------------------------------------------------- */

static bool read_text(struct blocks *b, yyjson_val *block,
                      struct chat_part *part)
{
    part->kind = CHAT_TEXT;
    if (!need_text(b, block, "", STR("text"), &part->text))
        return false;
    b->r->chat->characters += str_code_points(part->text);
    return true;
}

/* A block, or a source of one, that only Anthropic knows. */
static void be_other(struct blocks *b, yyjson_val *block, struct str name,
                     struct chat_part *part)
{
    part->kind = CHAT_OTHER;
    part->text = json_get_text(block, STR("type"));
    part->block = block;
    b->r->chat->characters += json_characters(block);
    field_note(b->r, prefix_of(b), name);
}

static bool read_source(struct blocks *b, yyjson_val *block,
                        struct chat_part *part)
{
    yyjson_val *source = json_get(block, STR("source"));
    struct str type;

    if (source == NULL)
        return missing(b, "", STR("source"));
    if (!yyjson_is_obj(source))
        return wrong_type(b, "", STR("source"), "an object", source);
    if (!need_text(b, source, ".source", STR("type"), &type))
        return false;
    if (str_eq(type, STR("base64")))
        return need_text(b, source, ".source", STR("media_type"),
                         &part->media_type) &&
               need_text(b, source, ".source", STR("data"), &part->data);
    if (str_eq(type, STR("url")))
        return need_text(b, source, ".source", STR("url"), &part->url);
    if (str_eq(type, STR("file")))
        return need_text(b, source, ".source", STR("file_id"), &part->file_id);
    if (part->kind == CHAT_FILE && str_eq(type, STR("text")))
        return need_text(b, source, ".source", STR("data"), &part->text);
    be_other(b, block, arena_join(b->r->arena, STR("source."), type), part);
    return true;
}

static bool read_image(struct blocks *b, yyjson_val *block,
                       struct chat_part *part)
{
    part->kind = CHAT_IMAGE;
    if (!read_source(b, block, part))
        return false;
    b->r->chat->image_count += part->kind == CHAT_IMAGE;
    return true;
}

static bool read_document(struct blocks *b, yyjson_val *block,
                          struct chat_part *part)
{
    part->kind = CHAT_FILE;
    if (!take_text(b, block, STR("title"), &part->file_name) ||
        !read_source(b, block, part))
        return false;
    if (part->kind == CHAT_FILE && part->text.len > 0)
        b->r->chat->characters += str_code_points(part->text);
    else
        b->r->chat->file_count += part->kind == CHAT_FILE;
    return true;
}

static bool read_thinking(struct blocks *b, yyjson_val *block,
                          struct chat_part *part)
{
    struct str ignored;

    if (!need_text(b, block, "", STR("thinking"), &ignored) ||
        !take_text(b, block, STR("signature"), &ignored))
        return false;
    chat_thinking(b->r->chat, block, part);
    return true;
}

static bool read_redacted(struct blocks *b, yyjson_val *block,
                          struct chat_part *part)
{
    struct str ignored;

    if (!need_text(b, block, "", STR("data"), &ignored))
        return false;
    chat_thinking(b->r->chat, block, part);
    return true;
}

/* Into the message's calls, where there is room. */
static bool read_call(struct blocks *b, yyjson_val *block,
                      struct chat_message *message, struct chat_part *part)
{
    struct chat_call *call = &message->calls[message->call_count];
    yyjson_val *input = json_get(block, STR("input"));
    struct json_out out = json_out_to(&b->input);

    part->kind = CHAT_CALL;
    part->call = message->call_count++;
    if (!need_text(b, block, "", STR("id"), &call->id) ||
        !need_text(b, block, "", STR("name"), &call->name))
        return false;
    if (input == NULL)
        return missing(b, "", STR("input"));
    if (!yyjson_is_obj(input))
        return wrong_type(b, "", STR("input"), "an object", input);
    buf_clear(&b->input);
    json_put_val(&out, input);
    if (buf_failed(&b->input)) {
        *b->r->error = (struct chat_error){.error = ERR_MEMORY_BUDGET};
        return false;
    }
    call->arguments = arena_copy(b->r->arena, buf_str(&b->input));
    b->r->chat->characters +=
        str_code_points(call->name) + str_code_points(call->arguments);
    if (!str_eq(json_get_text(json_get(block, STR("caller")), STR("type")),
                STR("direct")) &&
        json_get(block, STR("caller")) != NULL)
        field_note(b->r, prefix_of(b), STR("caller"));
    return true;
}

/* Members that are understood in every block; the kinds have their own. */
#define COMMON_MEMBERS STR_INIT("type"), STR_INIT("cache_control")
enum { KNOWN_MAX = 6 };

/* The blocks that have a place in the common form. */
static const struct kind {
    struct str type;
    bool is_assistants; /* nobody else may say it */
    /* NULL: a tool call, which stands in its message, too */
    bool (*read)(struct blocks *b, yyjson_val *block, struct chat_part *part);
    size_t known_count;
    struct str known[KNOWN_MAX];
} kinds[] = {
    {STR_INIT("text"), false, read_text, 3, {COMMON_MEMBERS, STR_INIT("text")}},
    {STR_INIT("image"),
     false,
     read_image,
     3,
     {COMMON_MEMBERS, STR_INIT("source")}},
    {STR_INIT("document"),
     false,
     read_document,
     4,
     {COMMON_MEMBERS, STR_INIT("source"), STR_INIT("title")}},
    {STR_INIT("thinking"),
     true,
     read_thinking,
     4,
     {COMMON_MEMBERS, STR_INIT("thinking"), STR_INIT("signature")}},
    {STR_INIT("redacted_thinking"),
     true,
     read_redacted,
     3,
     {COMMON_MEMBERS, STR_INIT("data")}},
    {STR_INIT("tool_use"),
     true,
     NULL,
     6,
     {COMMON_MEMBERS, STR_INIT("id"), STR_INIT("name"), STR_INIT("input"),
      STR_INIT("caller")}},
};

static const struct str result_type = STR_INIT("tool_result");

static bool refuse_kind(struct blocks *b, struct str type, const char *expected)
{
    return field_unknown_value(b->r, path_of(b, "", STR("type")), expected,
                               type);
}

/* One block, which is no tool result, into the message. */
static bool read_block(struct blocks *b, yyjson_val *block, struct str type,
                       struct chat_message *message)
{
    struct chat_part *part = &message->parts[message->part_count++];
    const struct kind *kind = kinds;
    bool ok;

    part->index = (unsigned)b->block;
    part->cache = json_get(block, STR("cache_control"));
    while (kind < kinds + COUNT_OF(kinds) && !str_eq(type, kind->type))
        kind++;
    if (b->is_prompt && kind != kinds)
        return refuse_kind(b, type, "\"text\"");
    if (kind == kinds + COUNT_OF(kinds)) {
        be_other(b, block, type, part);
        return true;
    }
    if (kind->is_assistants && message->role != CHAT_ASSISTANT)
        return refuse_kind(b, type,
                           "what a message of another role than assistant may "
                           "hold");
    ok = kind->read == NULL ? read_call(b, block, message, part)
                            : kind->read(b, block, part);
    if (ok && part->kind != CHAT_OTHER)
        field_note_members(b->r, block, prefix_of(b), kind->known,
                           kind->known_count);
    return ok;
}

/* The type of a block at the place where the reader stands. */
static bool read_type(struct blocks *b, yyjson_val *block, struct str *type)
{
    if (!yyjson_is_obj(block))
        return wrong_type(b, "", STR(""), "an object", block);
    return need_text(b, block, "", STR("type"), type);
}

static void put_string(struct blocks *b, yyjson_val *text,
                       struct chat_message *message)
{
    message->content_is_string = true;
    message->parts = ARENA_NEW(b->r->arena, struct chat_part);
    message->parts[message->part_count++].text = json_text(text);
    b->r->chat->characters += str_code_points(json_text(text));
}

/* --- tool results ------------------------------------------------------- */

static bool read_result_content(struct blocks *b, yyjson_val *content,
                                struct chat_message *message)
{
    struct str type;

    if (yyjson_is_str(content)) {
        put_string(b, content, message);
        message->parts[0].index = (unsigned)b->block;
        return true;
    }
    if (content != NULL && !yyjson_is_arr(content))
        return wrong_type(b, "", STR("content"), "a string or an array",
                          content);
    message->parts =
        ARENA_ARRAY(b->r->arena, struct chat_part, yyjson_arr_size(content));
    json_each_item (item, content) {
        b->inner++;
        if (!read_type(b, item, &type))
            return false;
        if (str_eq(type, result_type))
            return refuse_kind(b, type, "what a tool result may hold");
        if (!read_block(b, item, type, message))
            return false;
    }
    b->inner = -1;
    return true;
}

static bool read_result(struct blocks *b, yyjson_val *block,
                        struct chat_message *message)
{
    static const struct str known[] = {COMMON_MEMBERS, STR_INIT("tool_use_id"),
                                       STR_INIT("content"),
                                       STR_INIT("is_error")};
    yyjson_val *is_error = json_get(block, STR("is_error"));
    yyjson_val *cache = json_get(block, STR("cache_control"));

    if (!need_text(b, block, "", STR("tool_use_id"), &message->call_id))
        return false;
    if (is_error != NULL && !yyjson_is_bool(is_error))
        return wrong_type(b, "", STR("is_error"), "true or false", is_error);
    message->is_error = json_is_true(is_error);
    if (!read_result_content(b, json_get(block, STR("content")), message))
        return false;
    if (cache != NULL && message->part_count > 0)
        message->parts[message->part_count - 1].cache = cache;
    field_note_members(b->r, block, prefix_of(b), known, COUNT_OF(known));
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
        if (!read_type(b, block, &type))
            return false;
        if (!str_eq(type, result_type)) {
            if (!read_block(b, block, type, message))
                return false;
        } else if (message->role != CHAT_USER) {
            return refuse_kind(b, type,
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
        return missing(b, "", STR("content"));
    if (yyjson_is_str(content)) {
        put_string(b, content, add_message(b, role));
        return true;
    }
    if (!yyjson_is_arr(content))
        return wrong_type(b, "", STR("content"), "a string or an array",
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
        return wrong_type(b, "", STR(""), "an object", value);
    if (!need_text(b, value, "", STR("role"), &name))
        return false;
    while (i < COUNT_OF(roles) && !str_eq(name, roles[i].name))
        i++;
    if (i == COUNT_OF(roles))
        return field_unknown_value(b->r, path_of(b, "", STR("role")),
                                   "one of user, assistant, system", name);
    field_note_members(b->r, value, STR("messages[]."), known, COUNT_OF(known));
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
        put_string(b, value, add_message(b, CHAT_SYSTEM));
    if (value == NULL || yyjson_is_str(value))
        return true;
    if (!yyjson_is_arr(value))
        return wrong_type(b, "", STR(""), "a string or an array", value);
    message = add_message(b, CHAT_SYSTEM);
    message->parts =
        ARENA_ARRAY(b->r->arena, struct chat_part, yyjson_arr_size(value));
    json_each_item (item, value) {
        b->block++;
        if (!read_type(b, item, &type) || !read_block(b, item, type, message))
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
