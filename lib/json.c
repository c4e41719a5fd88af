#include "json.h"

#include <stdlib.h>

#include "check.h"
#include "json_skim.h"
#include "word.h"

/* Documents up to this size live in the arena; larger ones in malloc, so
 * that the parser's realloc gives back what it did not need. */
enum { SMALL = 32 * 1024 };

static const yyjson_read_flag read_flags =
    YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW;

/* --- reading ------------------------------------------------------------ */

static void *arena_malloc(void *ctx, size_t size)
{
    return arena_alloc(ctx, size);
}

static void *arena_realloc(void *ctx, void *old, size_t old_size, size_t size)
{
    void *grown;

    if (size <= old_size)
        return old;
    grown = arena_alloc(ctx, size);
    if (old_size > 0)
        memcpy(grown, old, old_size);
    return grown;
}

static void arena_no_free(void *ctx, void *memory)
{
    (void)ctx;
    (void)memory;
}

static void free_doc(void *doc)
{
    yyjson_doc_free(doc);
}

static bool is_hex(const char *digits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strchr("0123456789abcdefABCDEF", digits[i]) == NULL ||
            digits[i] == '\0')
            return false;
    return true;
}

/* Lone halves of surrogate pairs become � in place: both spellings take
 * six bytes, so every offset stays what it was. */
static void mend_surrogates(char *text, size_t len)
{
    size_t i = 0;

    while (i + 6 <= len) {
        char *escape = memchr(text + i, '\\', len - i);
        bool high;
        bool low;

        if (escape == NULL)
            return;
        i = (size_t)(escape - text);
        if (i + 6 > len)
            return;
        if (escape[1] != 'u' || (escape[2] != 'd' && escape[2] != 'D') ||
            !is_hex(escape + 2, 4)) {
            i += 2;
            continue;
        }
        high = strchr("89abAB", escape[3]) != NULL && escape[3] != '\0';
        low = strchr("cdefCDEF", escape[3]) != NULL && escape[3] != '\0';
        if (high && i + 12 <= len && escape[6] == '\\' && escape[7] == 'u' &&
            (escape[8] == 'd' || escape[8] == 'D') && is_hex(escape + 8, 4) &&
            strchr("cdefCDEF", escape[9]) != NULL) {
            i += 12;
            continue;
        }
        if (high || low)
            memcpy(escape + 2, "fffd", 4);
        i += 6;
    }
}

static void error_locate(struct str text, struct json_error *error)
{
    size_t line = 1;
    size_t start = 0;

    if (error->offset > text.len)
        error->offset = text.len;
    for (size_t i = 0; i < error->offset; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    error->line = line;
    error->column = error->offset - start + 1;
}

static yyjson_doc *parse(struct arena *arena, char *copy, size_t len,
                         yyjson_read_err *error)
{
    yyjson_alc from_arena = {arena_malloc, arena_realloc, arena_no_free, arena};

    return yyjson_read_opts(copy, len, read_flags,
                            len <= SMALL ? &from_arena : NULL, error);
}

/* Memory for a document of `len` bytes, see SMALL.  NULL when there is not so
 * much, which a small one does not survive. */
static char *room(struct arena *arena, size_t len, size_t size)
{
    char *memory;

    if (len <= SMALL)
        return arena_alloc(arena, size);
    memory = malloc(size);
    if (memory != NULL)
        arena_defer(arena, free, memory);
    return memory;
}

/* --- the text as it is -------------------------------------------------- */

static bool read_as_it_is(struct arena *arena, struct str text,
                          struct json_doc *doc, struct json_error *error)
{
    static const struct json_error no_memory = {
        .fault = JSON_NO_MEMORY,
        .line = 1,
        .column = 1,
        .says = "too large for the memory that is left",
    };
    yyjson_doc *parsed;
    yyjson_read_err trouble = {0};
    char *copy = room(arena, text.len, text.len + YYJSON_PADDING_SIZE);

    if (copy == NULL) {
        *error = no_memory;
        return false;
    }
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    memset(copy + text.len, 0, YYJSON_PADDING_SIZE);
    parsed = parse(arena, copy, text.len, &trouble);
    if (parsed == NULL && trouble.code == YYJSON_READ_ERROR_INVALID_STRING) {
        /* parsing in situ has changed the copy: begin again */
        memcpy(copy, text.ptr, text.len);
        mend_surrogates(copy, text.len);
        parsed = parse(arena, copy, text.len, &trouble);
    }
    if (parsed == NULL && trouble.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        *error = no_memory;
        return false;
    }
    if (parsed == NULL) {
        *error = (struct json_error){
            .fault = JSON_SYNTAX,
            .offset = trouble.pos,
            .says = trouble.msg == NULL ? "not JSON" : trouble.msg,
        };
        error_locate(text, error);
        return false;
    }
    if (text.len > SMALL)
        arena_defer(arena, free_doc, parsed);
    *doc = (struct json_doc){
        .root = yyjson_doc_get_root(parsed),
        .text = text,
        .copy = copy,
        .len = text.len,
    };
    return true;
}

/* --- its outline, and the long strings apart ----------------------------- */

/* Gives the values of the outline that are empty in place of a long string
 * what that says.  Values stand in the order of the text. */
static void fill_in(yyjson_doc *parsed, const char *outline,
                    const struct json_long *longs, size_t count)
{
    yyjson_val *value = yyjson_doc_get_root(parsed);
    yyjson_val *end = value + yyjson_doc_get_val_count(parsed);
    size_t removed = 0;

    for (size_t i = 0; i < count && value < end; value++) {
        if (!yyjson_is_str(value) ||
            yyjson_get_str(value) != outline + longs[i].at - removed)
            continue;
        unsafe_yyjson_set_strn(value, longs[i].read, longs[i].read_len);
        removed += longs[i++].len;
    }
}

/* False, and nothing is lost, when the text must be read as it is. */
static bool read_in_outline(struct arena *arena, struct str text,
                            struct json_skim *skim, struct json_doc *doc)
{
    size_t len = text.len - skim->long_bytes;
    /* each string has a NUL behind it and may be written a word ahead */
    char *strings = room(arena, text.len, skim->long_bytes + skim->count + 8);
    char *outline = room(arena, len, len + YYJSON_PADDING_SIZE);
    yyjson_read_err ignored = {0};
    struct json_long *longs;
    yyjson_doc *parsed;

    if (strings == NULL || outline == NULL)
        return false;
    for (size_t i = 0; i < skim->count; i++) {
        struct json_long *one = &skim->longs[i];

        if (!json_unescape(str_slice(text, one->at, one->at + one->len),
                           strings, &one->read_len))
            return false;
        one->read = strings;
        strings += one->read_len;
        *strings++ = '\0';
    }
    json_outline(text, skim, outline);
    memset(outline + len, 0, YYJSON_PADDING_SIZE);
    parsed = parse(arena, outline, len, &ignored);
    if (parsed == NULL)
        return false;
    if (len > SMALL)
        arena_defer(arena, free_doc, parsed);
    fill_in(parsed, outline, skim->longs, skim->count);
    longs = ARENA_ARRAY(arena, struct json_long, skim->count);
    memcpy(longs, skim->longs, skim->count * sizeof(*longs));
    *doc = (struct json_doc){
        .root = yyjson_doc_get_root(parsed),
        .text = text,
        .copy = outline,
        .len = len,
        .longs = longs,
        .long_count = skim->count,
    };
    return true;
}

bool json_read(struct arena *arena, struct str text, struct json_doc *doc,
               struct json_error *error)
{
    struct json_skim skim;

    if (!json_skim(text, &skim, error)) {
        error_locate(text, error);
        return false;
    }
    return (skim.count > 0 && read_in_outline(arena, text, &skim, doc)) ||
           read_as_it_is(arena, text, doc, error);
}

size_t json_offset(const struct json_doc *doc, yyjson_val *string)
{
    const char *read = yyjson_get_str(string);
    size_t at;

    for (size_t i = 0; i < doc->long_count; i++)
        if (doc->longs[i].read == read)
            return doc->longs[i].at;
    check(read >= doc->copy && read <= doc->copy + doc->len);
    at = (size_t)(read - doc->copy);
    for (size_t i = 0; i < doc->long_count && doc->longs[i].at < at; i++)
        at += doc->longs[i].len;
    return at;
}

static size_t skip_space(struct str text, size_t at)
{
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t' ||
                             text.ptr[at] == '\n' || text.ptr[at] == '\r'))
        at++;
    return at;
}

void json_member_place(const struct json_doc *doc, struct str text,
                       yyjson_val *key, size_t *at, size_t *len)
{
    size_t i = json_string_end(text, json_offset(doc, key) - 1) + 1;

    /* the document was parsed: a colon and a value follow */
    i = skip_space(text, i);
    i = skip_space(text, i + 1);
    *at = i;
    if (i < text.len && text.ptr[i] == '"') {
        *len = json_string_end(text, i) + 1 - i;
        return;
    }
    while (i < text.len && strchr(" \t\r\n,}]{[", text.ptr[i]) == NULL)
        i++;
    *len = i - *at;
}

struct str json_member_text(const struct json_doc *doc, struct str text,
                            yyjson_val *key)
{
    size_t at, len;

    json_member_place(doc, text, key, &at, &len);
    if (len == 0) /* it opens with a bracket */
        len = json_bracket_end(text, at) + 1 - at;
    return str_slice(text, at, at + len);
}

void json_member_cut(const struct json_doc *doc, struct str text,
                     yyjson_val *key, size_t *at, size_t *len)
{
    struct str value = json_member_text(doc, text, key);
    size_t end = (size_t)(value.ptr - text.ptr) + value.len;
    size_t next = skip_space(text, end);
    size_t before;

    *at = json_offset(doc, key) - 1;
    *len = end - *at;
    if (next < text.len && text.ptr[next] == ',') {
        *len = next + 1 - *at;
        return;
    }
    for (before = *at; str_is_blank(str_slice(text, before - 1, before));)
        before--;
    if (text.ptr[before - 1] == ',') {
        *len = end - (before - 1);
        *at = before - 1;
    }
}

size_t json_characters(yyjson_val *value)
{
    size_t n = 0;

    if (value == NULL)
        return 0;
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_OBJ:
        json_each_member (key, member, value) {
            n += json_characters(key) + json_characters(member) + 2;
        }
        return n + 2;
    case YYJSON_TYPE_ARR:
        json_each_item (item, value) {
            n += json_characters(item) + 1;
        }
        return n + 2;
    case YYJSON_TYPE_STR:
        return str_code_points(json_text(value)) + 2;
    case YYJSON_TYPE_RAW:
        return yyjson_get_len(value);
    default:
        return 4;
    }
}

struct str json_text(yyjson_val *value)
{
    if (!yyjson_is_str(value))
        return (struct str){NULL, 0};
    return (struct str){yyjson_get_str(value), yyjson_get_len(value)};
}

yyjson_val *json_get(yyjson_val *object, struct str key)
{
    yyjson_val *value = yyjson_obj_getn(object, key.ptr, key.len);

    return yyjson_is_null(value) ? NULL : value;
}

struct str json_get_text(yyjson_val *object, struct str key)
{
    return json_text(json_get(object, key));
}

bool json_is_number(yyjson_val *value)
{
    return yyjson_is_raw(value);
}

struct str json_number_text(yyjson_val *value)
{
    if (!yyjson_is_raw(value))
        return (struct str){NULL, 0};
    return (struct str){yyjson_get_raw(value), yyjson_get_len(value)};
}

bool json_to_i64(yyjson_val *value, int64_t *out)
{
    struct str digits = json_number_text(value);
    bool negative = digits.len > 0 && digits.ptr[0] == '-';
    uint64_t n;

    if (negative)
        digits = str_slice(digits, 1, digits.len);
    if (!str_to_u64(digits, &n) || n > (uint64_t)INT64_MAX)
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

int64_t json_get_i64(yyjson_val *object, struct str key)
{
    int64_t n;

    return json_to_i64(json_get(object, key), &n) ? n : 0;
}

bool json_is_true(yyjson_val *value)
{
    return yyjson_is_true(value);
}

const char *json_type_name(yyjson_val *value)
{
    if (value == NULL)
        return "nothing";
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return yyjson_is_true(value) ? "true" : "false";
    case YYJSON_TYPE_RAW:
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "an array";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "nothing";
    }
}

/* --- writing ------------------------------------------------------------ */

static void comma(struct json_out *out)
{
    if (out->comma)
        buf_put_char(out->buf, ',');
    out->comma = true;
}

void json_open(struct json_out *out, char bracket)
{
    comma(out);
    buf_put_char(out->buf, bracket);
    out->comma = false;
}

void json_close(struct json_out *out, char bracket)
{
    buf_put_char(out->buf, bracket);
    out->comma = true;
}

void json_key(struct json_out *out, struct str key)
{
    comma(out);
    buf_put_char(out->buf, '"');
    buf_put(out->buf, key);
    buf_put(out->buf, STR("\":"));
    out->comma = false;
}

/* How many bytes from `at` on need no escape. */
static size_t plain_run(struct str s, size_t at)
{
    size_t i = at;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t word = word_read(s.ptr + i);
        uint64_t stop = word_find_control(word) | word_find(word, '"') |
                        word_find(word, '\\');

        if (stop != 0)
            return i + word_first(stop) - at;
    }
    while (i < s.len && (unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != '"' &&
           s.ptr[i] != '\\')
        i++;
    return i - at;
}

static void put_escape(struct buf *buf, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_forms[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    size_t len = 6;

    if (c >= 0x20 || short_forms[c] != '\0') {
        escape[1] = c >= 0x20 ? (char)c : short_forms[c];
        len = 2;
    }
    buf_put(buf, (struct str){escape, len});
}

void json_escape(struct buf *buf, struct str s)
{
    size_t at = 0;

    while (at < s.len) {
        size_t run = plain_run(s, at);

        buf_put(buf, str_slice(s, at, at + run));
        at += run;
        if (at < s.len)
            put_escape(buf, (unsigned char)s.ptr[at++]);
    }
}

struct str json_quote(struct arena *arena, struct str s)
{
    struct buf text;
    struct str quoted;

    if (plain_run(s, 0) == s.len) { /* nearly always */
        char *out = arena_alloc(arena, s.len + 2);

        out[0] = out[s.len + 1] = '"';
        if (s.len > 0)
            memcpy(out + 1, s.ptr, s.len);
        return (struct str){out, s.len + 2};
    }
    buf_init(&text, SIZE_MAX / 2);
    buf_put_char(&text, '"');
    json_escape(&text, s);
    buf_put_char(&text, '"');
    quoted = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return quoted;
}

/* How a string that was read stands in its text; ptr NULL: read it is not, or
 * nobody has noted where. */
static struct str as_it_stood(const struct json_doc *doc, struct str s)
{
    const struct json_long *longs = doc->longs;
    size_t count = doc->long_count;

    /* they were read one after the other into one piece of memory */
    while (count > 0) {
        const struct json_long *middle = &longs[count / 2];

        if (middle->read == s.ptr)
            return middle->read_len == s.len
                       ? str_slice(doc->text, middle->at,
                                   middle->at + middle->len)
                       : (struct str){NULL, 0};
        if ((uintptr_t)middle->read < (uintptr_t)s.ptr) {
            longs = middle + 1;
            count -= count / 2 + 1;
        } else {
            count /= 2;
        }
    }
    return (struct str){NULL, 0};
}

void json_put_inside(struct json_out *out, struct str s)
{
    struct str raw = {NULL, 0};

    if (out->source != NULL)
        raw = as_it_stood(out->source, s);
    if (raw.ptr != NULL)
        buf_put(out->buf, raw);
    else
        json_escape(out->buf, s);
}

void json_put_str(struct json_out *out, struct str s)
{
    comma(out);
    buf_put_char(out->buf, '"');
    json_put_inside(out, s);
    buf_put_char(out->buf, '"');
}

void json_key_any(struct json_out *out, struct str key)
{
    json_put_str(out, key);
    buf_put_char(out->buf, ':');
    out->comma = false;
}

void json_put_i64(struct json_out *out, int64_t n)
{
    comma(out);
    buf_put_i64(out->buf, n);
}

void json_put_u64(struct json_out *out, uint64_t n)
{
    comma(out);
    buf_put_u64(out->buf, n);
}

void json_put_bool(struct json_out *out, bool b)
{
    json_put_raw(out, b ? STR("true") : STR("false"));
}

void json_put_null(struct json_out *out)
{
    json_put_raw(out, STR("null"));
}

void json_put_raw(struct json_out *out, struct str text)
{
    comma(out);
    buf_put(out->buf, text);
}

/* Recursion is bounded: no document is deeper than JSON_MAX_DEPTH. */
void json_put_val(struct json_out *out, yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_OBJ:
        json_open(out, '{');
        json_each_member (key, member, value) {
            json_key_any(out, json_text(key));
            json_put_val(out, member);
        }
        json_close(out, '}');
        break;
    case YYJSON_TYPE_ARR:
        json_open(out, '[');
        json_each_item (item, value) {
            json_put_val(out, item);
        }
        json_close(out, ']');
        break;
    case YYJSON_TYPE_STR:
        json_put_str(out, json_text(value));
        break;
    case YYJSON_TYPE_RAW:
        json_put_raw(out, json_number_text(value));
        break;
    case YYJSON_TYPE_BOOL:
        json_put_bool(out, yyjson_is_true(value));
        break;
    default:
        json_put_null(out);
        break;
    }
}

void json_member_str(struct json_out *out, struct str key, struct str s)
{
    json_key(out, key);
    json_put_str(out, s);
}

void json_member_i64(struct json_out *out, struct str key, int64_t n)
{
    json_key(out, key);
    json_put_i64(out, n);
}
