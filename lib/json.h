/* JSON in and out, on yyjson.
 *
 * Reading: a document is parsed in situ on a copy, so that a string's place
 * in the copy tells its place in the original text (json_offset).  Numbers
 * stay the text they were written as: nothing is rounded on the way through.
 * Before the parser comes a cheap pass: see json_skim.h.
 *
 * Writing: a json_out appends compact JSON to a buffer and sets the commas.
 * Non-ASCII characters go out as raw UTF-8. */
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

#include <yyjson.h>

#include "arena.h"
#include "buf.h"
#include "str.h"

enum { JSON_MAX_DEPTH = 128, JSON_MAX_VALUES = 1000000 };

enum json_fault {
    JSON_SYNTAX,
    JSON_TOO_DEEP,
    JSON_TOO_MANY_VALUES,
    JSON_NO_MEMORY, /* for a document above 32 KB */
};

struct json_error {
    enum json_fault fault;
    size_t offset;       /* in bytes, from 0 */
    size_t line, column; /* from 1; the column counts bytes */
    const char *says;    /* a static sentence */
};

/* A string that the parser has not seen: see json_skim.h. */
struct json_long {
    size_t at, len;   /* its inside in the text */
    const char *read; /* what it says, in this many bytes: */
    size_t read_len;
};

struct json_doc {
    yyjson_val *root;
    struct str text; /* that was read */
    /* what was parsed, and what it lacks, for json_offset() */
    const char *copy;
    size_t len;
    const struct json_long *longs;
    size_t long_count;
};

/* Parses `text` (RFC 8259, UTF-8).  Everything belongs to the arena.  A lone
 * surrogate escape is read as U+FFFD: model servers cut emojis in half.
 * False with *error set when it is not JSON, above the limits, or too large for
 * the memory that is left. */
MUST_USE bool json_read(struct arena *arena, struct str text,
                        struct json_doc *doc, struct json_error *error);

/* Where the first byte of this string (behind its quote) stood in the text
 * that was read. */
size_t json_offset(const struct json_doc *doc, yyjson_val *string);

/* Where the value of the member `key` stands in `text`, from its first byte,
 * quotes and brackets included; strings, numbers, true, false and null only
 * (for others the length is 0). */
void json_member_place(const struct json_doc *doc, struct str text,
                       yyjson_val *key, size_t *at, size_t *len);
/* The member's value as it stands in `text`, of any type. */
struct str json_member_text(const struct json_doc *doc, struct str text,
                            yyjson_val *key);
/* The member and the comma that goes with it: the object is the same without
 * them, but for the member. */
void json_member_cut(const struct json_doc *doc, struct str text,
                     yyjson_val *key, size_t *at, size_t *len);
/* Roughly how many characters the value takes when written: for estimates. */
size_t json_characters(yyjson_val *value);

/* The text of a string value; empty for NULL or another type. */
struct str json_text(yyjson_val *value);
/* The member `key` of an object, NULL when absent, null, or `object` is not
 * an object: in requests null means absent. */
yyjson_val *json_get(yyjson_val *object, struct str key);
/* json_text(json_get()). */
struct str json_get_text(yyjson_val *object, struct str key);
/* True when the value is a whole number that fits; "3.0" is none. */
MUST_USE bool json_to_i64(yyjson_val *value, int64_t *out);
/* The member as a whole number, 0 when it is none. */
int64_t json_get_i64(yyjson_val *object, struct str key);
/* True for any JSON number. */
bool json_is_number(yyjson_val *value);
/* A number's spelling; empty when it is none. */
struct str json_number_text(yyjson_val *value);
bool json_is_true(yyjson_val *value);
/* "an object", "a string", … for error messages. */
const char *json_type_name(yyjson_val *value);

/* The first item of an array or key of an object, and the end of both; the
 * two are equal when it is empty, absent or of another type. */
static inline yyjson_val *json_first(yyjson_val *in, yyjson_type type)
{
    return yyjson_get_type(in) == type ? unsafe_yyjson_get_first(in) : NULL;
}

static inline yyjson_val *json_end(yyjson_val *in, yyjson_type type)
{
    return yyjson_get_type(in) == type ? unsafe_yyjson_get_next(in) : NULL;
}

#define json_each_item(item, array)                                   \
    for (yyjson_val *item = json_first((array), YYJSON_TYPE_ARR),     \
                    *item##_end = json_end((array), YYJSON_TYPE_ARR); \
         item != item##_end; item = unsafe_yyjson_get_next(item))

#define json_each_member(key, value, object)                          \
    for (yyjson_val *key = json_first((object), YYJSON_TYPE_OBJ),     \
                    *key##_end = json_end((object), YYJSON_TYPE_OBJ), \
                    *value = key == key##_end ? NULL : key + 1;       \
         key != key##_end; key = unsafe_yyjson_get_next(value),       \
                    value = key == key##_end ? NULL : key + 1)

struct json_out {
    struct buf *buf;
    bool comma; /* the next value needs one in front */
    /* Where strings come from, or NULL: its long ones go out as they stand in
     * its text, which must still be there. */
    const struct json_doc *source;
};

static inline struct json_out json_out_to(struct buf *buf)
{
    return (struct json_out){buf, false, NULL};
}

static inline struct json_out json_out_from(struct buf *buf,
                                            const struct json_doc *source)
{
    return (struct json_out){buf, false, source};
}

void json_open(struct json_out *out, char bracket);
void json_close(struct json_out *out, char bracket);
/* Names the next value.  `key` must need no escapes. */
void json_key(struct json_out *out, struct str key);
/* The same for any key. */
void json_key_any(struct json_out *out, struct str key);
void json_put_str(struct json_out *out, struct str s);
void json_put_i64(struct json_out *out, int64_t n);
void json_put_u64(struct json_out *out, uint64_t n);
void json_put_bool(struct json_out *out, bool b);
void json_put_null(struct json_out *out);
/* `text` must be one JSON value. */
void json_put_raw(struct json_out *out, struct str text);
/* A value that was read, compact, order and number spelling as received. */
void json_put_val(struct json_out *out, yyjson_val *value);

/* json_key() and the value. */
void json_member_str(struct json_out *out, struct str key, struct str s);
void json_member_i64(struct json_out *out, struct str key, int64_t n);

/* The inside of a string, between quotes that the caller puts. */
void json_put_inside(struct json_out *out, struct str s);

/* `s` as a JSON string, quotes included. */
struct str json_quote(struct arena *arena, struct str s);
/* The inside of a JSON string, without the quotes. */
void json_escape(struct buf *buf, struct str s);

#endif
