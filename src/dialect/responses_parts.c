/* OpenAI Responses: the content of an item, into parts. */
#include "responses_private.h"

#include "base64.h"

/* For errors: input[item].list[part]. */
struct place {
    unsigned item;
    const char *list; /* content, output */
    unsigned part;
};

static struct str part_path(struct field_reader *r, struct place at,
                            const char *rest)
{
    return arena_printf(r->arena, "input[%u].%s[%u]%s", at.item, at.list,
                        at.part, rest);
}

/* The path is made only when it is needed. */
static bool take_text(struct field_reader *r, yyjson_val *value, struct str key,
                      struct place at, struct str *out)
{
    return field_get_text(value, key, out) ||
           field_take_text(r, value, key, part_path(r, at, ""), out);
}

static bool read_text_part(struct field_reader *r, yyjson_val *value,
                           struct str key, struct place at,
                           struct chat_part *part)
{
    yyjson_val *text = json_get(value, key);

    part->text = json_text(text);
    r->chat->characters += str_code_points(part->text);
    if (yyjson_is_str(text))
        return true;
    {
        struct str path =
            part_path(r, at, key.ptr[0] == 't' ? ".text" : ".refusal");

        return text == NULL ? field_missing(r, path)
                            : field_wrong_type(r, path, "a string", text);
    }
}

/* `image_url` is a string; some send the object of Chat Completions. */
static bool read_image(struct field_reader *r, yyjson_val *value,
                       struct place at, struct chat_part *part)
{
    yyjson_val *url = json_get(value, STR("image_url"));

    r->chat->image_count++;
    if (yyjson_is_obj(url))
        url = json_get(url, STR("url"));
    part->url = json_text(url);
    part->detail = json_get_text(value, STR("detail"));
    part->file_id = json_get_text(value, STR("file_id"));
    if (yyjson_is_str(url) || (url == NULL && part->file_id.len > 0))
        return true;
    return url == NULL ? field_missing(r, part_path(r, at, ".image_url"))
                       : field_wrong_type(r, part_path(r, at, ".image_url"),
                                          "a string", url);
}

static bool read_file(struct field_reader *r, yyjson_val *value,
                      struct place at, struct chat_part *part)
{
    struct str url;

    r->chat->file_count++;
    if (!take_text(r, value, STR("filename"), at, &part->file_name) ||
        !take_text(r, value, STR("file_data"), at, &part->url) ||
        !take_text(r, value, STR("file_url"), at, &url) ||
        !take_text(r, value, STR("file_id"), at, &part->file_id))
        return false;
    if (part->url.len == 0)
        part->url = url;
    return true;
}

/* What quotes and likelihoods an earlier answer had are not in its text;
 * nearly always both are empty lists. */
static void note_part(struct field_reader *r, yyjson_val *value,
                      struct place at)
{
    static const struct str known[] = {
        STR_INIT("type"),      STR_INIT("text"),
        STR_INIT("refusal"),   STR_INIT("image_url"),
        STR_INIT("file_id"),   STR_INIT("filename"),
        STR_INIT("file_data"), STR_INIT("file_url"),
        STR_INIT("detail"),    STR_INIT("prompt_cache_breakpoint")};
    static const struct str of_breakpoint[] = {STR_INIT("mode")};
    struct str detail = json_get_text(value, STR("detail"));
    bool is_file = str_eq(json_get_text(value, STR("type")), STR("input_file"));
    struct str prefix = at.list[0] == 'o' ? STR("input[].output[].")
                                          : STR("input[].content[].");

    field_note_members(r, value, prefix, known, COUNT_OF(known));
    field_note_members(
        r, json_get(value, STR("prompt_cache_breakpoint")),
        arena_join(r->arena, prefix, STR("prompt_cache_breakpoint.")),
        of_breakpoint, COUNT_OF(of_breakpoint));
    if (is_file && !str_eq(detail, STR("auto")) && detail.len > 0)
        field_note(r, prefix, STR("detail"));
}

static bool read_part(struct field_reader *r, yyjson_val *value,
                      struct place at, struct chat_part *part)
{
    static const struct {
        struct str name;
        enum chat_part_kind kind;
    } kinds[] = {
        {STR_INIT("input_text"), CHAT_TEXT},
        {STR_INIT("output_text"), CHAT_TEXT},
        {STR_INIT("text"), CHAT_TEXT},
        {STR_INIT("refusal"), CHAT_REFUSAL},
        {STR_INIT("input_image"), CHAT_IMAGE},
        {STR_INIT("input_file"), CHAT_FILE},
    };
    yyjson_val *type = json_get(value, STR("type"));

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, part_path(r, at, ""), "an object", value);
    if (type == NULL)
        return field_missing(r, part_path(r, at, ".type"));
    if (!yyjson_is_str(type))
        return field_wrong_type(r, part_path(r, at, ".type"), "a string", type);
    part->kind = CHAT_OTHER;
    part->index = at.part;
    part->cache = json_get(value, STR("prompt_cache_breakpoint"));
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (str_eq(json_text(type), kinds[i].name))
            part->kind = kinds[i].kind;
    switch (part->kind) {
    case CHAT_TEXT:
        return read_text_part(r, value, STR("text"), at, part);
    case CHAT_REFUSAL:
        return read_text_part(r, value, STR("refusal"), at, part);
    case CHAT_IMAGE:
        return read_image(r, value, at, part);
    case CHAT_FILE:
        return read_file(r, value, at, part);
    default:
        part->text = json_text(type);
        return true;
    }
}

bool responses_read_content(struct field_reader *r, unsigned index,
                            const char *list, yyjson_val *content,
                            struct chat_message *message)
{
    struct place at = {.item = index, .list = list};

    if (yyjson_is_str(content)) {
        struct chat_part *part = &message->parts[message->part_count++];

        message->content_is_string = true;
        part->text = json_text(content);
        r->chat->characters += str_code_points(part->text);
        return true;
    }
    if (!yyjson_is_arr(content)) {
        struct str path = arena_printf(r->arena, "input[%u].%s", index, list);

        return content == NULL
                   ? field_missing(r, path)
                   : field_wrong_type(r, path, "a string or an array", content);
    }
    json_each_item (item, content) {
        if (!read_part(r, item, at, &message->parts[message->part_count++]))
            return false;
        if (message->parts[message->part_count - 1].kind != CHAT_OTHER)
            note_part(r, item, at);
        at.part++;
    }
    return true;
}

/* --- what was thought --------------------------------------------------- */

/* The texts of a list of {"text":…}, apart by an empty line. */
static struct str joined_texts(struct arena *arena, yyjson_val *list)
{
    struct str all = {NULL, 0};
    struct buf joined;

    buf_init(&joined, SIZE_MAX / 2);
    json_each_item (item, list) {
        struct str text = json_get_text(item, STR("text"));

        if (joined.len > 0 && text.len > 0)
            buf_put(&joined, STR("\n\n"));
        buf_put(&joined, text);
    }
    if (joined.len > 0)
        all = arena_copy(arena, buf_str(&joined));
    buf_fini(&joined);
    return all;
}

/* The block that was sealed in an answer of ours; NULL when it is none. */
static yyjson_val *unsealed(struct arena *arena, yyjson_val *item)
{
    struct str sealed = json_get_text(item, STR("encrypted_content"));
    struct json_error ignored;
    struct json_doc doc;
    struct str type;

    if (!str_starts(sealed, STR("ant1.")))
        return NULL;
    sealed = str_slice(sealed, 5, sealed.len);
    if (!base64_is_valid(sealed) ||
        !json_read(arena, base64_decode(arena, sealed), &doc, &ignored))
        return NULL;
    type = json_get_text(doc.root, STR("type"));
    if (str_eq(type, STR("redacted_thinking")))
        return json_get_text(doc.root, STR("data")).len > 0 ? doc.root : NULL;
    return str_eq(type, STR("thinking")) &&
                   yyjson_is_str(json_get(doc.root, STR("thinking"))) &&
                   json_get_text(doc.root, STR("signature")).len > 0
               ? doc.root
               : NULL;
}

void responses_read_reasoning(struct field_reader *r, yyjson_val *item,
                              struct chat_part *part)
{
    yyjson_val *block = unsealed(r->arena, item);

    if (block != NULL) {
        chat_thinking(r->chat, block, part);
        return;
    }
    part->kind = CHAT_THINKING;
    part->text = joined_texts(r->arena, json_get(item, STR("summary")));
    if (part->text.len == 0)
        part->text = joined_texts(r->arena, json_get(item, STR("content")));
    r->chat->characters += str_code_points(part->text);
}
