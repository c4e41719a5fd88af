/* Base64 with padding (RFC 4648, 4), and data URLs (RFC 2397). */
#ifndef WEIR_BASE64_H
#define WEIR_BASE64_H

#include "arena.h"
#include "buf.h"
#include "str.h"

/* Whole groups of four of the standard alphabet, padding at the end only. */
bool base64_is_valid(struct str s);
/* Decodes at most `room` bytes of the front of valid Base64. */
size_t base64_decode_front(struct str s, unsigned char *out, size_t room);
/* Decodes valid Base64 into the arena. */
struct str base64_decode(struct arena *arena, struct str s);

/* Appends the bytes in Base64. */
void base64_encode(struct buf *out, struct str bytes);

struct data_url {
    struct str media_type; /* without parameters; may be empty */
    struct str data;       /* Base64 */
};

/* "data:<type>[;params];base64,<data>" with valid Base64; false otherwise. */
bool data_url_parse(struct str url, struct data_url *out);

#endif
