/* Bytes with a length, passed by value.
 *
 * A `struct str` never owns what it points to and is not NUL-terminated.
 * `ptr` may be NULL only when `len` is 0. */
#ifndef WEIR_STR_H
#define WEIR_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_INIT(literal)              \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }
/* For "%.*s". */
#define STR_ARG(s) (int)(s).len, ((s).ptr == NULL ? "" : (s).ptr)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Borrows `z` without its NUL; NULL gives the empty string. */
static inline struct str str_of(const char *z)
{
    return (struct str){z, z == NULL ? 0 : strlen(z)};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Equal but for the case of ASCII letters, as header names are compared. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Bytes from `from` up to but not including `to`, both cut to the length. */
struct str str_slice(struct str s, size_t from, size_t to);
/* Without the white space (space, tab, CR, LF, VT, FF) at both ends. */
struct str str_trim(struct str s);
/* Empty or nothing but white space. */
bool str_is_blank(struct str s);

/* Where `needle` starts in `s`; false when it is not there. */
bool str_find(struct str s, struct str needle, size_t *at);
bool str_contains(struct str s, struct str needle);

/* Cuts the part before the first `sep` off the front of *rest, and that
 * separator with it.  False when *rest was empty already. */
bool str_split(struct str *rest, char sep, struct str *part);

/* Decimal digits and nothing else; false for anything else or overflow. */
MUST_USE bool str_to_u64(struct str s, uint64_t *out);

/* The number of Unicode code points in valid UTF-8. */
size_t str_code_points(struct str s);

/* The length of the well-formed UTF-8 sequence that starts at s.ptr[at]
 * (Unicode 15, table 3-7), 0 when there is none. */
size_t str_utf8_length(struct str s, size_t at);
/* Well-formed from the first byte to the last. */
bool str_is_utf8(struct str s);
/* At most `max` bytes from the front, never half a character. */
struct str str_clip(struct str s, size_t max);

/* FNV-1a, 32 and 64 bits, of the bytes. */
uint32_t str_fnv1a32(struct str s);
uint64_t str_fnv1a64(struct str s);

/* Equal, in a time that depends on the length alone. */
bool str_eq_secret(struct str a, struct str b);

#endif
