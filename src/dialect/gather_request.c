/* What was asked, without the bytes of images, files and sounds. */
#include "clip.h"
#include "format.h"
#include "gather.h"

enum {
    ENCODED_MIN = 64,    /* bytes of Base64 where there may be some, */
    ENCODED_LONG = 1024, /* and anywhere */
    TYPE_MAX = 64,
};

static bool is_digit64(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '-' ||
           c == '_' || c == '=';
}

/* Looks at the beginning alone: what begins so is no text. */
static bool looks_encoded(struct str s, size_t min)
{
    struct str front = str_slice(s, 0, ENCODED_LONG);
    bool has_lower = false, has_upper = false;

    for (size_t i = 0; i < front.len; i++) {
        if (!is_digit64(front.ptr[i]))
            return false;
        has_lower = has_lower || (front.ptr[i] >= 'a' && front.ptr[i] <= 'z');
        has_upper = has_upper || (front.ptr[i] >= 'A' && front.ptr[i] <= 'Z');
    }
    return s.len >= min && has_lower && has_upper;
}

/* "data:image/png;base64,…": its type and where the data begin. */
static bool is_data_url(struct str s, struct str *type, struct str *data)
{
    struct str front = str_slice(s, 0, 256);
    size_t at;

    if (!str_eq_nocase(str_slice(s, 0, 5), STR("data:")) ||
        !str_find(front, STR(";base64,"), &at))
        return false;
    *type = str_slice(s, 5, at);
    *data = str_slice(s, at + 8, s.len);
    return true;
}

/* In place of `data`, which is Base64: how much it was. */
static void put_note(struct clip *clip, struct str type, struct str data)
{
    char note[TYPE_MAX + 64];
    struct str shown = str_clip(type, TYPE_MAX);
    size_t len = data.len / 4 * 3 + data.len % 4 * 3 / 4;
    struct buf text;

    while (data.len > 0 && data.ptr[data.len - 1] == '=' && len > 0) {
        data.len--;
        len--;
    }
    buf_init(&text, sizeof(note));
    buf_put_char(&text, '[');
    buf_put(&text, shown.len > 0 ? shown : STR("base64"));
    buf_put(&text, STR(", "));
    buf_put_u64(&text, len);
    buf_put(&text, STR(" bytes]"));
    clip_str(clip, buf_str(&text));
    buf_fini(&text);
}

/* Members that hold Base64 where they hold anything of that length. */
static bool is_holder(struct str key)
{
    static const struct str holders[] = {
        STR_INIT("data"),         STR_INIT("file_data"),
        STR_INIT("b64_json"),     STR_INIT("encrypted_content"),
        STR_INIT("signature"),    STR_INIT("result"),
        STR_INIT("image_embeds"),
    };

    for (size_t i = 0; i < COUNT_OF(holders); i++)
        if (str_eq(key, holders[i]))
            return true;
    return false;
}

/* `holder`: the object whose member `key` it is; NULL: an item. */
static void put_string(struct clip *clip, yyjson_val *holder, struct str key,
                       struct str s)
{
    struct str type = STR("");
    struct str data = s;
    bool is_encoded;

    if (holder != NULL && str_eq(key, STR("data")) &&
        str_eq(json_get_text(holder, STR("type")), STR("base64"))) {
        type = json_get_text(holder, STR("media_type"));
        is_encoded = true;
    } else {
        is_encoded =
            is_data_url(s, &type, &data) ||
            looks_encoded(s, holder != NULL && is_holder(key) ? ENCODED_MIN
                                                              : ENCODED_LONG);
    }
    if (is_encoded)
        put_note(clip, type, data);
    else
        clip_str(clip, s);
}

/* Recursion is bounded: no document is deeper than JSON_MAX_DEPTH. */
static void put_value(struct clip *clip, yyjson_val *holder, struct str key,
                      yyjson_val *value)
{
    if (yyjson_is_str(value)) {
        put_string(clip, holder, key, json_text(value));
    } else if (yyjson_is_arr(value)) {
        if (!clip_open(clip, '['))
            return;
        json_each_item (item, value) {
            if (clip->is_clipped)
                break;
            put_value(clip, NULL, STR(""), item);
        }
        clip_close(clip, ']');
    } else if (yyjson_is_obj(value)) {
        if (!clip_open(clip, '{'))
            return;
        json_each_member (name, member, value) {
            if (!clip_key(clip, json_text(name)))
                break;
            put_value(clip, value, json_text(name), member);
        }
        clip_close(clip, '}');
    } else if (json_is_number(value)) {
        clip_raw(clip, json_number_text(value));
    } else {
        clip_raw(clip, yyjson_is_null(value) ? STR("null")
                       : json_is_true(value) ? STR("true")
                                             : STR("false"));
    }
}

static void put_members(struct clip *clip, const struct format *format,
                        yyjson_val *root)
{
    for (size_t i = 0; i < COUNT_OF(format->said); i++) {
        yyjson_val *value = json_get(root, format->said[i]);

        if (value != NULL && clip_key(clip, format->said[i]))
            put_value(clip, root, format->said[i], value);
    }
}

struct str gather_request(struct arena *arena, const struct format *format,
                          const struct chat *chat, size_t max, bool *is_clipped)
{
    struct str result = STR("");
    struct clip clip;
    struct buf text;

    buf_init(&text, max);
    clip_init(&clip, &text, max);
    if (clip_open(&clip, '{')) {
        put_members(&clip, format, chat->doc.root);
        clip_close(&clip, '}');
        if (!buf_failed(&text))
            result = arena_copy(arena, buf_str(&text));
    }
    *is_clipped = *is_clipped || clip.is_clipped;
    buf_fini(&text);
    return result;
}
