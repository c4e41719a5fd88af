/* Anthropic: the rules for the blocks of a message. */
#include "as_anthropic.h"
#include "base64.h"

enum { MAX_IMAGES = 600, MAX_NAME = 64 };

/* --- pieces of blocks --------------------------------------------------- */

static struct str path_of(struct anthropic_check *c, struct str block,
                          const char *member)
{
    return arena_printf(c->arena, "%.*s.%s", STR_ARG(block), member);
}

bool as_anthropic_check_text(struct anthropic_check *c, struct str path,
                             yyjson_val *text)
{
    if (!yyjson_is_str(text))
        return as_anthropic_fail(c, "%.*s.text: Input should be a valid string",
                                 STR_ARG(path));
    if (json_text(text).len == 0)
        return as_anthropic_fail(
            c, "messages: text content blocks must be non-empty");
    if (str_is_blank(json_text(text)))
        return as_anthropic_fail(c, "messages: text content blocks must "
                                    "contain non-whitespace text");
    return true;
}

/* The type that the first bytes speak for; empty when none. */
static struct str type_of_bytes(struct str bytes)
{
    if (str_starts(bytes, STR("\x89PNG")))
        return STR("image/png");
    if (str_starts(bytes, STR("\xFF\xD8\xFF")))
        return STR("image/jpeg");
    if (str_starts(bytes, STR("GIF8")))
        return STR("image/gif");
    if (str_starts(bytes, STR("RIFF")) &&
        str_eq(str_slice(bytes, 8, 12), STR("WEBP")))
        return STR("image/webp");
    if (str_starts(bytes, STR("%PDF")))
        return STR("application/pdf");
    return STR("");
}

static bool check_bytes(struct anthropic_check *c, struct str path,
                        struct str declared, yyjson_val *data)
{
    struct str found;

    if (!yyjson_is_str(data) || !base64_is_valid(json_text(data)))
        return as_anthropic_fail(c,
                                 "%.*s.source.base64.data: Invalid base64 "
                                 "data",
                                 STR_ARG(path));
    found = type_of_bytes(prompt_front(c->arena, json_text(data)));
    if (str_eq(found, declared))
        return true;
    if (str_eq(declared, STR("application/pdf")))
        return as_anthropic_fail(c,
                                 "%.*s.source.base64.data: The PDF "
                                 "specified was not valid.",
                                 STR_ARG(path));
    if (found.len == 0)
        return as_anthropic_fail(c, "%.*s: Could not process image",
                                 STR_ARG(path));
    return as_anthropic_fail(
        c,
        "%.*s.source.base64: The image was specified using the %.*s media "
        "type, but the image appears to be a %.*s image",
        STR_ARG(path), STR_ARG(declared), STR_ARG(found));
}

static bool check_url(struct anthropic_check *c, struct str path,
                      yyjson_val *source)
{
    if (!str_starts(json_get_text(source, STR("url")), STR("https://")))
        return as_anthropic_fail(
            c, "%.*s.source.url.url: Only HTTPS URLs are supported.",
            STR_ARG(path));
    return as_anthropic_only(c, path_of(c, path, "source.url"), source,
                             STR("type|url"));
}

static bool check_file(struct anthropic_check *c, struct str path,
                       yyjson_val *source)
{
    if (!c->has_beta || json_get_text(source, STR("file_id")).len == 0)
        return as_anthropic_fail(c, "%.*s.source.file.file_id: File not found",
                                 STR_ARG(path));
    return true;
}

static bool fail_source(struct anthropic_check *c, struct str path,
                        yyjson_val *source)
{
    return as_anthropic_fail(
        c,
        "%.*s.source: Input tag '%.*s' found using 'type' does not match any "
        "of the expected tags",
        STR_ARG(path),
        STR_ARG(str_clip(json_get_text(source, STR("type")), 80)));
}

static bool check_image(struct anthropic_check *c, struct str path,
                        yyjson_val *source)
{
    struct str type = json_get_text(source, STR("type"));
    struct str media = json_get_text(source, STR("media_type"));

    if (++c->images > MAX_IMAGES)
        return as_anthropic_fail(c, "messages: too many images: more than %d",
                                 MAX_IMAGES);
    if (str_eq(type, STR("url")))
        return check_url(c, path, source);
    if (str_eq(type, STR("file")))
        return check_file(c, path, source);
    if (!str_eq(type, STR("base64")))
        return fail_source(c, path, source);
    if (!str_eq(media, STR("image/jpeg")) && !str_eq(media, STR("image/png")) &&
        !str_eq(media, STR("image/gif")) && !str_eq(media, STR("image/webp")))
        return as_anthropic_fail(
            c,
            "%.*s.source.base64.media_type: Input should be 'image/jpeg', "
            "'image/png', 'image/gif' or 'image/webp'",
            STR_ARG(path));
    return as_anthropic_only(c, path_of(c, path, "source.base64"), source,
                             STR("type|media_type|data")) &&
           check_bytes(c, path, media, json_get(source, STR("data")));
}

static bool check_document(struct anthropic_check *c, struct str path,
                           yyjson_val *source)
{
    struct str type = json_get_text(source, STR("type"));
    struct str media = json_get_text(source, STR("media_type"));

    if (str_eq(type, STR("url")))
        return check_url(c, path, source);
    if (str_eq(type, STR("file")))
        return check_file(c, path, source);
    if (str_eq(type, STR("content")))
        return true;
    if (str_eq(type, STR("text"))) {
        if (!str_eq(media, STR("text/plain")))
            return as_anthropic_fail(
                c, "%.*s.source.text.media_type: Input should be 'text/plain'",
                STR_ARG(path));
        if (str_is_blank(json_get_text(source, STR("data"))))
            return as_anthropic_fail(
                c, "%.*s.source.text.data: must be non-empty", STR_ARG(path));
        return true;
    }
    if (!str_eq(type, STR("base64")))
        return fail_source(c, path, source);
    if (!str_eq(media, STR("application/pdf")))
        return as_anthropic_fail(c,
                                 "%.*s.source.base64.media_type: Input "
                                 "should be 'application/pdf'",
                                 STR_ARG(path));
    return check_bytes(c, path, media, json_get(source, STR("data")));
}

/* --- tool blocks -------------------------------------------------------- */

static bool check_call(struct anthropic_check *c, struct str path,
                       yyjson_val *block)
{
    struct str name = json_get_text(block, STR("name"));

    c->has_tool_blocks = true;
    if (!as_anthropic_is_token(json_get_text(block, STR("id"))))
        return as_anthropic_fail(
            c, "%.*s.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
            STR_ARG(path));
    if (!as_anthropic_is_token(name) || name.len > MAX_NAME)
        return as_anthropic_fail(c,
                                 "%.*s.name: String should match pattern "
                                 "'^[a-zA-Z0-9_-]{1,64}$'",
                                 STR_ARG(path));
    if (!yyjson_is_obj(json_get(block, STR("input"))))
        return as_anthropic_fail(
            c, "%.*s.input: Input should be a valid dictionary", STR_ARG(path));
    return true;
}

static bool check_result(struct anthropic_check *c, struct str path,
                         yyjson_val *block)
{
    yyjson_val *content = json_get(block, STR("content"));
    yyjson_val *is_error = json_get(block, STR("is_error"));
    unsigned i = 0;

    c->has_tool_blocks = true;
    if (!as_anthropic_is_token(json_get_text(block, STR("tool_use_id"))))
        return as_anthropic_fail(c,
                                 "%.*s.tool_use_id: String should match "
                                 "pattern '^[a-zA-Z0-9_-]+$'",
                                 STR_ARG(path));
    if (is_error != NULL && !yyjson_is_bool(is_error))
        return as_anthropic_fail(
            c, "%.*s.is_error: Input should be a valid boolean", STR_ARG(path));
    if (content != NULL && !yyjson_is_str(content) && !yyjson_is_arr(content))
        return as_anthropic_fail(
            c, "%.*s.content: Input should be a valid list", STR_ARG(path));
    json_each_item (item, content) {
        struct str inner =
            arena_printf(c->arena, "%.*s.content.%u", STR_ARG(path), i++);

        if (!as_anthropic_check_block(c, inner, item, ANTHROPIC_IN_RESULT))
            return false;
    }
    return true;
}

/* --- thinking blocks ---------------------------------------------------- */

static bool check_thought(struct anthropic_check *c, struct str path,
                          yyjson_val *block)
{
    yyjson_val *thinking = json_get(block, STR("thinking"));
    yyjson_val *signature = json_get(block, STR("signature"));

    if (!yyjson_is_str(thinking))
        return as_anthropic_fail(c, "%.*s.thinking: Field required",
                                 STR_ARG(path));
    if (!yyjson_is_str(signature))
        return as_anthropic_fail(c, "%.*s.signature: Field required",
                                 STR_ARG(path));
    if (!as_anthropic_is_signed(json_text(thinking), json_text(signature)))
        return as_anthropic_fail(
            c, "%.*s: Invalid `signature` in `thinking` block", STR_ARG(path));
    return true;
}

/* --- any block ---------------------------------------------------------- */

static const struct {
    struct str type;
    struct str keys; /* besides "type"; empty: any */
    unsigned where;
} kinds[] = {
    {STR_INIT("text"), STR_INIT("type|text|cache_control|citations"),
     ANTHROPIC_IN_USER | ANTHROPIC_IN_ASSISTANT | ANTHROPIC_IN_SYSTEM |
         ANTHROPIC_IN_RESULT},
    {STR_INIT("image"), STR_INIT("type|source|cache_control|transformations"),
     ANTHROPIC_IN_USER | ANTHROPIC_IN_RESULT},
    {STR_INIT("document"),
     STR_INIT("type|source|title|context|citations|cache_control"),
     ANTHROPIC_IN_USER | ANTHROPIC_IN_ASSISTANT | ANTHROPIC_IN_RESULT},
    {STR_INIT("thinking"), STR_INIT("type|thinking|signature"),
     ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("redacted_thinking"), STR_INIT("type|data"),
     ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("tool_use"),
     STR_INIT("type|id|name|input|cache_control|caller|toolset_name"),
     ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("tool_result"),
     STR_INIT("type|tool_use_id|content|is_error|cache_control|"
              "toolset_name"),
     ANTHROPIC_IN_USER},
    {STR_INIT("search_result"),
     STR_INIT("type|source|title|content|citations|cache_control"),
     ANTHROPIC_IN_USER | ANTHROPIC_IN_RESULT},
    {STR_INIT("tool_reference"), STR_INIT("type|tool_name|cache_control"),
     ANTHROPIC_IN_RESULT},
    {STR_INIT("server_tool_use"), STR_INIT(""), ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("web_search_tool_result"), STR_INIT(""), ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("web_fetch_tool_result"), STR_INIT(""), ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("code_execution_tool_result"), STR_INIT(""),
     ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("bash_code_execution_tool_result"), STR_INIT(""),
     ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("text_editor_code_execution_tool_result"), STR_INIT(""),
     ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("tool_search_tool_result"), STR_INIT(""), ANTHROPIC_IN_ASSISTANT},
    {STR_INIT("browser_state"), STR_INIT(""), ANTHROPIC_IN_RESULT},
    {STR_INIT("container_upload"), STR_INIT(""), ANTHROPIC_IN_USER},
};

static bool fail_kind(struct anthropic_check *c, struct str path,
                      struct str type)
{
    return as_anthropic_fail(
        c,
        "%.*s: Input tag '%.*s' found using 'type' does not match any of the "
        "expected tags: 'document', 'image', 'redacted_thinking', "
        "'search_result', 'text', 'thinking', 'tool_result', 'tool_use'",
        STR_ARG(path), STR_ARG(str_clip(type, 80)));
}

/* What 2026-10-21 does not take any more. */
static bool check_version(struct anthropic_check *c, struct str path,
                          yyjson_val *block, struct str type, unsigned where)
{
    if (!c->is_new)
        return true;
    if (where == ANTHROPIC_IN_ASSISTANT && str_eq(type, STR("document")))
        return as_anthropic_fail(
            c, "%.*s: document blocks are not permitted in assistant messages",
            STR_ARG(path));
    if (where == ANTHROPIC_IN_USER && str_eq(type, STR("text")) &&
        yyjson_arr_size(json_get(block, STR("citations"))) > 0)
        return as_anthropic_fail(c,
                                 "%.*s.citations: citations are not "
                                 "permitted in user messages",
                                 STR_ARG(path));
    return true;
}

static bool check_inside(struct anthropic_check *c, struct str path,
                         yyjson_val *block, struct str type)
{
    yyjson_val *source = json_get(block, STR("source"));

    if (str_eq(type, STR("text")))
        return as_anthropic_check_text(c, path, json_get(block, STR("text")));
    if (str_eq(type, STR("image")))
        return check_image(c, path, source);
    if (str_eq(type, STR("document")))
        return check_document(c, path, source);
    if (str_eq(type, STR("tool_use")))
        return check_call(c, path, block);
    if (str_eq(type, STR("tool_result")))
        return check_result(c, path, block);
    if (str_eq(type, STR("thinking")))
        return check_thought(c, path, block);
    if (str_eq(type, STR("redacted_thinking")) &&
        json_get_text(block, STR("data")).len == 0)
        return as_anthropic_fail(
            c, "%.*s: Invalid `data` in `redacted_thinking` block",
            STR_ARG(path));
    return true;
}

bool as_anthropic_check_block(struct anthropic_check *c, struct str path,
                              yyjson_val *block, unsigned where)
{
    struct str type = json_get_text(block, STR("type"));
    struct str inner;

    if (!yyjson_is_obj(block))
        return as_anthropic_fail(c, "%.*s: Input should be a valid dictionary",
                                 STR_ARG(path));
    if (type.len == 0)
        return as_anthropic_fail(c, "%.*s.type: Field required", STR_ARG(path));
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!str_eq(kinds[i].type, type))
            continue;
        if (!(kinds[i].where & where))
            return as_anthropic_fail(
                c, "%.*s: `%.*s` blocks are not permitted here", STR_ARG(path),
                STR_ARG(type));
        inner =
            arena_printf(c->arena, "%.*s.%.*s", STR_ARG(path), STR_ARG(type));
        return (kinds[i].keys.len == 0 ||
                as_anthropic_only(c, inner, block, kinds[i].keys)) &&
               check_version(c, path, block, type, where) &&
               as_anthropic_check_mark(c, inner, block) &&
               check_inside(c, inner, block, type);
    }
    return fail_kind(c, path, type);
}

bool as_anthropic_check_system(struct anthropic_check *c)
{
    yyjson_val *system = json_get(c->root, STR("system"));
    unsigned i = 0;

    if (system != NULL && !yyjson_is_str(system) && !yyjson_is_arr(system))
        return as_anthropic_fail(c, "system: Input should be a valid list");
    json_each_item (block, system) {
        struct str path = arena_printf(c->arena, "system.%u", i++);

        if (!str_eq(json_get_text(block, STR("type")), STR("text")))
            return as_anthropic_fail(c, "%.*s.type: Input should be 'text'",
                                     STR_ARG(path));
        if (str_is_blank(json_get_text(block, STR("text"))))
            return as_anthropic_fail(
                c, "system: text content blocks must be non-empty");
        if (!as_anthropic_check_block(c, path, block, ANTHROPIC_IN_SYSTEM))
            return false;
    }
    return true;
}
