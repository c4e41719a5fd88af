#include "str.h"

static bool is_letter(unsigned char c)
{
    return (c | 0x20u) - 'a' < 26;
}

static bool is_white(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        unsigned char differs = (unsigned char)(a.ptr[i] ^ b.ptr[i]);

        /* upper and lower case differ in one bit */
        if (differs != 0 &&
            (differs != 0x20 || !is_letter((unsigned char)a.ptr[i])))
            return false;
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len &&
           (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           str_eq(str_slice(s, s.len - suffix.len, s.len), suffix);
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from >= to)
        return (struct str){s.ptr, 0};
    return (struct str){s.ptr + from, to - from};
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_white(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_white(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_is_blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_white(s.ptr[i]))
            return false;
    return true;
}

bool str_find(struct str s, struct str needle, size_t *at)
{
    if (needle.len == 0) {
        *at = 0;
        return true;
    }
    for (size_t i = 0; i + needle.len <= s.len;) {
        const char *hit =
            memchr(s.ptr + i, needle.ptr[0], s.len - needle.len - i + 1);

        if (hit == NULL)
            return false;
        if (memcmp(hit, needle.ptr, needle.len) == 0) {
            *at = (size_t)(hit - s.ptr);
            return true;
        }
        i = (size_t)(hit - s.ptr) + 1;
    }
    return false;
}

bool str_contains(struct str s, struct str needle)
{
    size_t at;

    return str_find(s, needle, &at);
}

bool str_split(struct str *rest, char sep, struct str *part)
{
    const char *hit;

    if (rest->len == 0)
        return false;
    hit = memchr(rest->ptr, sep, rest->len);
    if (hit == NULL) {
        *part = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    *part = (struct str){rest->ptr, (size_t)(hit - rest->ptr)};
    *rest = str_slice(*rest, part->len + 1, rest->len);
    return true;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t n = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit;

        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        digit = (uint64_t)(s.ptr[i] - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

/* Bytes that begin a character: all but continuation bytes, 10xxxxxx, which
 * are the smallest when they are read as signed. */
static size_t count_starts(const char *bytes, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += (signed char)bytes[i] >= -64;
    return n;
}

/* The same for blocks, with counters of one byte: compilers make vectors of
 * them.  Each counts up to 255, then they are added up. */
enum { LANES = 32, ROUNDS = 255 };

static size_t count_starts_in_blocks(const char *bytes, size_t blocks)
{
    size_t n = 0;

    while (blocks > 0) {
        size_t rounds = blocks < ROUNDS ? blocks : ROUNDS;
        unsigned char counts[LANES] = {0};

        for (size_t i = 0; i < rounds; i++, bytes += LANES)
            for (size_t k = 0; k < LANES; k++)
                counts[k] =
                    (unsigned char)(counts[k] + ((signed char)bytes[k] >= -64));
        for (size_t k = 0; k < LANES; k++)
            n += counts[k];
        blocks -= rounds;
    }
    return n;
}

size_t str_code_points(struct str s)
{
    size_t whole = s.len / LANES * LANES;

    if (s.len == 0)
        return 0; /* ptr may be NULL, and is no place to count from */
    return count_starts_in_blocks(s.ptr, s.len / LANES) +
           count_starts(s.ptr + whole, s.len - whole);
}

size_t str_utf8_length(struct str s, size_t at)
{
    const unsigned char *p;
    size_t len;

    if (at >= s.len)
        return 0;
    p = (const unsigned char *)s.ptr + at;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (s.len - at < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    /* overlong forms, surrogates, above U+10FFFF */
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

bool str_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        size_t len = str_utf8_length(s, i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

struct str str_clip(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && ((unsigned char)s.ptr[max] & 0xC0) == 0x80)
        max--;
    return (struct str){s.ptr, max};
}

uint32_t str_fnv1a32(struct str s)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 16777619u;
    return hash;
}

uint64_t str_fnv1a64(struct str s)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    return hash;
}

bool str_eq_secret(struct str a, struct str b)
{
    unsigned char difference = 0;

    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        difference |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
    return difference == 0;
}
