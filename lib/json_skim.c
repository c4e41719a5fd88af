#include "json_skim.h"

#include "word.h"

/* --- short texts -------------------------------------------------------- */

/* Opening brackets, or some more: brackets in strings count, too, and a word
 * may count a byte too many. */
static size_t brackets_at_most(struct str text)
{
    size_t n = 0;
    size_t i = 0;

    for (; text.len - i >= 8; i += 8) {
        /* '[' and '{' differ in this bit */
        uint64_t word = word_read(text.ptr + i) | WORD_ONES * 0x20;

        n += word_count(word_find(word, '{'));
    }
    return n + (text.len - i);
}

/* Too short for many values, and it cannot be deep: nothing to look for. */
static bool is_simple(struct str text)
{
    return text.len <= JSON_SHORT_BYTES &&
           brackets_at_most(text) <= JSON_MAX_DEPTH;
}

/* --- the pass over the text --------------------------------------------- */

size_t json_string_end(struct str text, size_t at)
{
    for (at++; at < text.len;) {
        const char *quote = memchr(text.ptr + at, '"', text.len - at);
        size_t slashes = 0;
        size_t found;

        if (quote == NULL)
            return text.len;
        found = (size_t)(quote - text.ptr);
        while (slashes < found - at && text.ptr[found - 1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return found;
        at = found + 1;
    }
    return text.len;
}

size_t json_bracket_end(struct str text, size_t at)
{
    size_t depth = 0;

    for (; at < text.len; at++) {
        switch (text.ptr[at]) {
        case '"':
            at = json_string_end(text, at);
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return at;
            break;
        default:
            break;
        }
    }
    return at;
}

/* Returns where the string that opens at `at` ends. */
static size_t skim_string(struct str text, size_t at, struct json_skim *skim)
{
    size_t end = json_string_end(text, at);
    size_t len = end - at - 1;

    if (end < text.len && len >= JSON_LONG_BYTES &&
        skim->count < JSON_LONG_MAX) {
        skim->longs[skim->count++] =
            (struct json_long){.at = at + 1, .len = len};
        skim->long_bytes += len;
    }
    return end;
}

bool json_skim(struct str text, struct json_skim *skim,
               struct json_error *error)
{
    size_t depth = 0;
    size_t values = 0;

    skim->count = skim->long_bytes = 0;
    if (is_simple(text))
        return true;
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '"':
            i = skim_string(text, i, skim);
            break;
        case '[':
        case '{':
            if (++depth > JSON_MAX_DEPTH) {
                *error = (struct json_error){
                    .fault = JSON_TOO_DEEP,
                    .offset = i,
                    .says = "nested deeper than 128 levels",
                };
                return false;
            }
            values++;
            break;
        case ']':
        case '}':
            if (depth > 0)
                depth--;
            break;
        case ',':
        case ':':
            if (++values > JSON_MAX_VALUES) {
                *error = (struct json_error){
                    .fault = JSON_TOO_MANY_VALUES,
                    .offset = i,
                    .says = "more than 1000000 values",
                };
                return false;
            }
            break;
        default:
            break;
        }
    }
    return true;
}

void json_outline(struct str text, const struct json_skim *skim, char *out)
{
    size_t from = 0;

    for (size_t i = 0; i < skim->count; i++) {
        size_t len = skim->longs[i].at - from;

        memcpy(out, text.ptr + from, len);
        out += len;
        from = skim->longs[i].at + skim->longs[i].len;
    }
    memcpy(out, text.ptr + from, text.len - from);
}

/* --- a long string ------------------------------------------------------ */

/* Where reading stands.  `out` may be written up to 8 bytes ahead. */
struct unescape {
    struct str raw;
    size_t at;
    char *out;
    size_t len;
};

/* Bytes that stand for themselves: ASCII, no escape, no control. */
static void take_plain(struct unescape *u)
{
    const char *in = u->raw.ptr;
    size_t at = u->at;
    char *out = u->out + u->len;
    uint64_t stop = 0;

    while (stop == 0 && u->raw.len - at >= 8) {
        size_t run;

        memcpy(out, in + at, 8);
        stop = word_find_odd(word_read(in + at), '\\');
        run = stop == 0 ? 8 : word_first(stop);
        at += run;
        out += run;
    }
    while (stop == 0 && at < u->raw.len &&
           (unsigned char)in[at] - 0x20u < 0x60u && in[at] != '\\')
        *out++ = in[at++];
    u->len += at - u->at;
    u->at = at;
}

/* The length of the character at p, 0 when it is not well formed.  Most of
 * what the world writes is seen at once. */
static size_t utf8_length(struct str raw, size_t at)
{
    const unsigned char *p = (const unsigned char *)raw.ptr + at;
    size_t left = raw.len - at;

    if (left >= 2 && p[0] >= 0xC2 && p[0] <= 0xDF && (p[1] & 0xC0) == 0x80)
        return 2;
    if (left >= 3 && p[0] >= 0xE1 && p[0] <= 0xEC && (p[1] & 0xC0) == 0x80 &&
        (p[2] & 0xC0) == 0x80)
        return 3;
    return str_utf8_length(raw, at);
}

/* A run of characters beyond ASCII. */
static bool take_utf8(struct unescape *u)
{
    while (u->at < u->raw.len && (unsigned char)u->raw.ptr[u->at] >= 0x80) {
        size_t len = utf8_length(u->raw, u->at);

        if (len == 0)
            return false;
        if (u->raw.len - u->at >= 4)
            memcpy(u->out + u->len, u->raw.ptr + u->at, 4);
        else
            memcpy(u->out + u->len, u->raw.ptr + u->at, len);
        u->at += len;
        u->len += len;
    }
    return true;
}

/* Four hexadecimal digits; above 0xFFFF when they are none. */
static uint32_t take_hex(struct unescape *u)
{
    uint32_t n = 0;

    if (u->raw.len - u->at < 4)
        return UINT32_MAX;
    for (size_t i = 0; i < 4; i++) {
        char c = u->raw.ptr[u->at++];

        if (c >= '0' && c <= '9')
            n = n * 16 + (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            n = n * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else
            return UINT32_MAX;
    }
    return n;
}

static void put_code_point(struct unescape *u, uint32_t c)
{
    char *out = u->out + u->len;

    if (c < 0x80) {
        out[0] = (char)c;
        u->len += 1;
    } else if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        u->len += 2;
    } else if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        u->len += 3;
    } else {
        out[0] = (char)(0xF0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 63));
        out[2] = (char)(0x80 | (c >> 6 & 63));
        out[3] = (char)(0x80 | (c & 63));
        u->len += 4;
    }
}

/* Behind "\u". */
static bool take_unicode(struct unescape *u)
{
    uint32_t c = take_hex(u);

    if (c >= 0xD800 && c < 0xDC00) {
        uint32_t low;

        if (!str_starts(str_slice(u->raw, u->at, u->raw.len), STR("\\u")))
            return false;
        u->at += 2;
        low = take_hex(u);
        if (low < 0xDC00 || low > 0xDFFF)
            return false;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    } else if (c > 0xFFFF || (c >= 0xDC00 && c < 0xE000)) {
        return false;
    }
    put_code_point(u, c);
    return true;
}

static bool take_escape(struct unescape *u)
{
    static const char means[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
        ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
    };
    unsigned char c;

    if (u->raw.len - u->at < 2)
        return false;
    c = (unsigned char)u->raw.ptr[u->at + 1];
    u->at += 2;
    if (c == 'u')
        return take_unicode(u);
    if (c >= sizeof(means) || means[c] == '\0')
        return false;
    u->out[u->len++] = means[c];
    return true;
}

bool json_unescape(struct str raw, char *out, size_t *len)
{
    struct unescape u = {.raw = raw};

    u.out = out;
    while (u.at < raw.len) {
        unsigned char c;
        bool is_fine;

        take_plain(&u);
        if (u.at == raw.len)
            break;
        c = (unsigned char)raw.ptr[u.at];
        is_fine = c == '\\'   ? take_escape(&u)
                  : c >= 0x80 ? take_utf8(&u)
                              : false;
        if (!is_fine)
            return false;
    }
    *len = u.len;
    return true;
}
