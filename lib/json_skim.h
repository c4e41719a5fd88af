/* What is done with a JSON text before it is parsed.
 *
 * One pass bounds depth and number of values, because 10 MB of "[" would cost
 * the parser 200 MB, and notes where long strings stand.  Those are most of a
 * chat's bytes, and here they are read in words of eight bytes.  The parser
 * gets an outline of the text, in which they are empty:
 *
 *     {"role":"user","content":"Once upon a time …"}     the text
 *     {"role":"user","content":""}                       the outline
 *
 * A text is valid when its outline is and each of the strings is. */
#ifndef WEIR_JSON_SKIM_H
#define WEIR_JSON_SKIM_H

#include "json.h"

enum {
    JSON_SHORT_BYTES = 1024, /* up to here the parser gets the text itself */
    JSON_LONG_BYTES = 64,
    JSON_LONG_MAX = 256,
};

struct json_skim {
    struct json_long longs[JSON_LONG_MAX]; /* in the order of the text */
    size_t count;
    size_t long_bytes; /* of all of them, as they stand in the text */
};

/* The closing quote of the string that opens at text[at], or text.len. */
size_t json_string_end(struct str text, size_t at);

/* The last byte of the object or array that opens at text[at], in valid
 * JSON. */
size_t json_bracket_end(struct str text, size_t at);

/* False with *error set when the text is above a limit. */
MUST_USE bool json_skim(struct str text, struct json_skim *skim,
                        struct json_error *error);

/* Writes the outline: text.len - skim->long_bytes bytes. */
void json_outline(struct str text, const struct json_skim *skim, char *out);

/* Reads the inside of a string (RFC 8259, 7) into `out`, which has room for
 * raw.len bytes and 8 more.  False when it is not valid, or has a lone half of
 * a surrogate pair: then the caller lets the parser judge the whole text. */
MUST_USE bool json_unescape(struct str raw, char *out, size_t *len);

#endif
