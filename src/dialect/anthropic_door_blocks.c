/* Anthropic Messages at the door: content blocks. */
#include "anthropic_door_blocks.h"

/* --- errors that name the block ----------------------------------------- */

struct str blocks_path(struct blocks *b, const char *outer, struct str key)
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

struct str blocks_prefix(const struct blocks *b)
{
    if (b->is_prompt)
        return STR("system[].");
    return b->inner >= 0 ? STR("messages[].content[].content[].")
                         : STR("messages[].content[].");
}

bool blocks_wrong_type(struct blocks *b, const char *outer, struct str key,
                       const char *expected, yyjson_val *got)
{
    return field_wrong_type(b->r, blocks_path(b, outer, key), expected, got);
}

bool blocks_missing(struct blocks *b, const char *outer, struct str key)
{
    return field_missing(b->r, blocks_path(b, outer, key));
}

bool blocks_need_text(struct blocks *b, yyjson_val *object, const char *outer,
                      struct str key, struct str *out)
{
    yyjson_val *value = json_get(object, key);

    *out = json_text(value);
    if (yyjson_is_str(value))
        return true;
    return value == NULL ? blocks_missing(b, outer, key)
                         : blocks_wrong_type(b, outer, key, "a string", value);
}

/* One that may be missing. */
static bool take_text(struct blocks *b, yyjson_val *object, struct str key,
                      struct str *out)
{
    *out = (struct str){NULL, 0};
    return json_get(object, key) == NULL ||
           blocks_need_text(b, object, "", key, out);
}

/* --- blocks ------------------------------------------------------------- */

static bool read_text(struct blocks *b, yyjson_val *block,
                      struct chat_part *part)
{
    part->kind = CHAT_TEXT;
    if (!blocks_need_text(b, block, "", STR("text"), &part->text))
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
    field_note(b->r, blocks_prefix(b), name);
}

static bool read_source(struct blocks *b, yyjson_val *block,
                        struct chat_part *part)
{
    yyjson_val *source = json_get(block, STR("source"));
    struct str type;

    if (source == NULL)
        return blocks_missing(b, "", STR("source"));
    if (!yyjson_is_obj(source))
        return blocks_wrong_type(b, "", STR("source"), "an object", source);
    if (!blocks_need_text(b, source, ".source", STR("type"), &type))
        return false;
    if (str_eq(type, STR("base64")))
        return blocks_need_text(b, source, ".source", STR("media_type"),
                                &part->media_type) &&
               blocks_need_text(b, source, ".source", STR("data"), &part->data);
    if (str_eq(type, STR("url")))
        return blocks_need_text(b, source, ".source", STR("url"), &part->url);
    if (str_eq(type, STR("file")))
        return blocks_need_text(b, source, ".source", STR("file_id"),
                                &part->file_id);
    if (part->kind == CHAT_FILE && str_eq(type, STR("text")))
        return blocks_need_text(b, source, ".source", STR("data"), &part->text);
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

    if (!blocks_need_text(b, block, "", STR("thinking"), &ignored) ||
        !take_text(b, block, STR("signature"), &ignored))
        return false;
    chat_thinking(b->r->chat, block, part);
    return true;
}

static bool read_redacted(struct blocks *b, yyjson_val *block,
                          struct chat_part *part)
{
    struct str ignored;

    if (!blocks_need_text(b, block, "", STR("data"), &ignored))
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
    if (!blocks_need_text(b, block, "", STR("id"), &call->id) ||
        !blocks_need_text(b, block, "", STR("name"), &call->name))
        return false;
    if (input == NULL)
        return blocks_missing(b, "", STR("input"));
    if (!yyjson_is_obj(input))
        return blocks_wrong_type(b, "", STR("input"), "an object", input);
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
        field_note(b->r, blocks_prefix(b), STR("caller"));
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

bool blocks_refuse_kind(struct blocks *b, struct str type, const char *expected)
{
    return field_unknown_value(b->r, blocks_path(b, "", STR("type")), expected,
                               type);
}

bool blocks_read(struct blocks *b, yyjson_val *block, struct str type,
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
        return blocks_refuse_kind(b, type, "\"text\"");
    if (kind == kinds + COUNT_OF(kinds)) {
        be_other(b, block, type, part);
        return true;
    }
    if (kind->is_assistants && message->role != CHAT_ASSISTANT)
        return blocks_refuse_kind(
            b, type,
            "what a message of another role than assistant may "
            "hold");
    ok = kind->read == NULL ? read_call(b, block, message, part)
                            : kind->read(b, block, part);
    if (ok && part->kind != CHAT_OTHER)
        field_note_members(b->r, block, blocks_prefix(b), kind->known,
                           kind->known_count);
    return ok;
}

bool blocks_type(struct blocks *b, yyjson_val *block, struct str *type)
{
    if (!yyjson_is_obj(block))
        return blocks_wrong_type(b, "", STR(""), "an object", block);
    return blocks_need_text(b, block, "", STR("type"), type);
}

void blocks_read_string(struct blocks *b, yyjson_val *text,
                        struct chat_message *message)
{
    message->content_is_string = true;
    message->parts = ARENA_NEW(b->r->arena, struct chat_part);
    message->parts[message->part_count++].text = json_text(text);
    b->r->chat->characters += str_code_points(json_text(text));
}
