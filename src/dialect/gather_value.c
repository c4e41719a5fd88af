/* A value of a request without the bytes of images, files and sounds. */
#include "gather_value.h"

enum {
    ENCODED_MIN = 64,    /* bytes of Base64 where there may be some, */
    ENCODED_LONG = 1024, /* and anywhere */
    TYPE_MAX = 64,
    NOTE_MAX = 128,
};

/* --- Base64 --------------------------------------------------------------- */

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit64(char c)
{
    return is_lower(c) || is_upper(c) || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '-' || c == '_';
}

/* What Base64 may be written with: ends, lines as MIME breaks them (RFC 2045,
 * 6.8), and what escapes them in a URL or in a JSON text. */
static bool is_run64(char c)
{
    return is_digit64(c) || c == '=' || c == ' ' || (c >= '\t' && c <= '\r') ||
           c == '%' || c == '\\';
}

static size_t run64(struct str s)
{
    size_t len = 0;

    while (len < s.len && is_run64(s.ptr[len]))
        len++;
    return len;
}

/* Looks at the beginning alone: what begins so is no text.  A word repeated or
 * a row of lines may be one. */
static bool looks_encoded(struct str s)
{
    struct str front = str_slice(s, 0, ENCODED_LONG);
    bool has_lower = false, has_upper = false;

    if (s.len < ENCODED_LONG)
        return false;
    for (size_t i = 0; i < front.len; i++) {
        if (!is_digit64(front.ptr[i]) && front.ptr[i] != '=')
            return false;
        has_lower = has_lower || is_lower(front.ptr[i]);
        has_upper = has_upper || is_upper(front.ptr[i]);
    }
    return has_lower && has_upper;
}

/* Behind the first ";base64," of `s`. */
static bool find_data(struct str s, size_t *behind)
{
    struct str mark = STR(";base64,");
    size_t at = 0, next;

    while (str_find(str_slice(s, at, s.len), STR(";"), &next)) {
        at += next;
        if (str_eq_nocase(str_slice(s, at, at + mark.len), mark)) {
            *behind = at + mark.len;
            return true;
        }
        at++;
    }
    return false;
}

/* "data:image/png;base64,…" and nothing behind it: its type and its data. */
static bool is_data_url(struct str s, struct str *type, struct str *data)
{
    size_t behind;

    if (!str_eq_nocase(str_slice(s, 0, 5), STR("data:")) ||
        !find_data(str_slice(s, 0, 256), &behind))
        return false;
    *type = str_slice(s, 5, behind - 8);
    *data = str_slice(s, behind, s.len);
    return run64(*data) == data->len;
}

/* In place of `data`, which is Base64: how much it was. */
static void write_note(struct buf *text, struct str type, struct str data)
{
    size_t digits = 0;

    for (size_t i = 0; i < data.len; i++)
        digits += is_digit64(data.ptr[i]) ? 1 : 0;
    buf_put_char(text, '[');
    if (type.len > 0) {
        buf_put(text, str_clip(type, TYPE_MAX));
        buf_put(text, STR(", "));
    }
    buf_put_u64(text, digits / 4 * 3 + digits % 4 * 3 / 4);
    buf_put(text, STR(" bytes]"));
}

static void put_note(struct clip *clip, struct str type, struct str data)
{
    struct buf text;

    buf_init(&text, NOTE_MAX);
    write_note(&text, type.len > 0 ? type : STR("base64"), data);
    clip_str(clip, buf_str(&text));
    buf_fini(&text);
}

/* With a note in place of the data of each data URL in it.  What is beyond the
 * bound is not looked at: it has no room anyway. */
static void put_text(struct clip *clip, struct str s)
{
    size_t enough = clip->max + 8; /* more than has room, also when cut */
    struct buf text;
    size_t behind;

    if (!find_data(str_slice(s, 0, enough), &behind)) {
        clip_str(clip, s);
        return;
    }
    buf_init(&text, enough + NOTE_MAX);
    do {
        struct str data = str_slice(s, behind, s.len);

        data.len = run64(data);
        buf_put(&text, str_clip(str_slice(s, 0, behind), enough - text.len));
        if (data.len > 0)
            write_note(&text, STR(""), data);
        s = str_slice(s, behind + data.len, s.len);
    } while (text.len < enough &&
             find_data(str_slice(s, 0, enough - text.len), &behind));
    if (text.len < enough)
        buf_put(&text, str_clip(s, enough - text.len));
    clip_str(clip, buf_str(&text));
    buf_fini(&text);
}

/* Members that hold Base64 where they hold anything of that length. */
static bool is_holder(struct str key)
{
    static const struct str holders[] = {
        STR_INIT("file_data"),    STR_INIT("b64_json"),
        STR_INIT("signature"),    STR_INIT("encrypted_content"),
        STR_INIT("image_embeds"),
    };

    for (size_t i = 0; i < COUNT_OF(holders); i++)
        if (str_eq(key, holders[i]))
            return true;
    return false;
}

/* Is member `key` of `holder` (NULL: an item) no text? */
static bool is_media(yyjson_val *holder, struct str key, struct str s)
{
    struct str type;

    if (holder == NULL || s.len < ENCODED_MIN)
        return looks_encoded(s);
    if (is_holder(key))
        return true;
    if (!str_eq(key, STR("data")) && !str_eq(key, STR("result")))
        return looks_encoded(s);
    /* arguments of tools are called so, too, and they may be texts */
    type = json_get_text(holder, STR("type"));
    if (type.len > 0)
        return !str_eq(type, STR("text")) || looks_encoded(s);
    return run64(str_slice(s, 0, ENCODED_LONG)) ==
           str_slice(s, 0, ENCODED_LONG).len;
}

static void put_string(struct clip *clip, yyjson_val *holder, struct str key,
                       struct str s)
{
    struct str type, data;

    if (holder != NULL && str_eq(key, STR("data")) &&
        str_eq(json_get_text(holder, STR("type")), STR("base64")))
        put_note(clip, json_get_text(holder, STR("media_type")), s);
    else if (is_data_url(s, &type, &data))
        put_note(clip, type, data);
    else if (is_media(holder, key, s))
        put_note(clip, STR(""), s);
    else
        put_text(clip, s);
}

/* --- values --------------------------------------------------------------- */

/* Recursion is bounded: no document is deeper than JSON_MAX_DEPTH. */
void gather_value(struct clip *clip, yyjson_val *holder, struct str key,
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
            gather_value(clip, NULL, STR(""), item);
        }
        clip_close(clip, ']');
    } else if (yyjson_is_obj(value)) {
        if (!clip_open(clip, '{'))
            return;
        json_each_member (name, member, value) {
            if (!clip_key(clip, json_text(name)))
                break;
            gather_value(clip, value, json_text(name), member);
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
