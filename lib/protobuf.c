#include "protobuf.h"

enum {
    USUAL_LEN = 2, /* bytes of most messages' lengths: 128 to 16,383 */
    VARINT_MAX = 10,
};

static size_t put_varint(char *out, uint64_t n)
{
    size_t len = 0;

    for (; n >= 0x80; n >>= 7)
        out[len++] = (char)(n | 0x80);
    out[len++] = (char)n;
    return len;
}

void protobuf_varint(struct buf *out, uint64_t n)
{
    char bytes[VARINT_MAX];

    buf_put(out, (struct str){bytes, put_varint(bytes, n)});
}

unsigned protobuf_varint_len(uint64_t n)
{
    unsigned len = 1;

    for (; n >= 0x80; n >>= 7)
        len++;
    return len;
}

static void put_tag(struct buf *out, unsigned field, enum protobuf_type type)
{
    protobuf_varint(out, field << 3 | type);
}

void protobuf_u64(struct buf *out, unsigned field, uint64_t n)
{
    put_tag(out, field, PROTOBUF_VARINT);
    protobuf_varint(out, n);
}

static void put_little_endian(struct buf *out, uint64_t n, size_t len)
{
    char bytes[8];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(n >> 8 * i);
    buf_put(out, (struct str){bytes, len});
}

void protobuf_fixed64(struct buf *out, unsigned field, uint64_t n)
{
    put_tag(out, field, PROTOBUF_FIXED64);
    put_little_endian(out, n, 8);
}

void protobuf_fixed32(struct buf *out, unsigned field, uint32_t n)
{
    put_tag(out, field, PROTOBUF_FIXED32);
    put_little_endian(out, n, 4);
}

void protobuf_double(struct buf *out, unsigned field, double n)
{
    uint64_t bits;

    memcpy(&bits, &n, sizeof(bits));
    protobuf_fixed64(out, field, bits);
}

void protobuf_head(struct buf *out, unsigned field, size_t len)
{
    put_tag(out, field, PROTOBUF_BYTES);
    protobuf_varint(out, len);
}

void protobuf_bytes(struct buf *out, unsigned field, struct str bytes)
{
    protobuf_head(out, field, bytes.len);
    buf_put(out, bytes);
}

size_t protobuf_open(struct buf *out, unsigned field)
{
    put_tag(out, field, PROTOBUF_BYTES);
    buf_put(out, (struct str){"\0\0", USUAL_LEN});
    return out->len;
}

void protobuf_close(struct buf *out, size_t at)
{
    char head[VARINT_MAX];
    size_t len;
    size_t head_len;

    if (buf_failed(out))
        return;
    len = out->len - at;
    head_len = put_varint(head, len);
    if (head_len > USUAL_LEN && !buf_reserve(out, head_len - USUAL_LEN))
        return;
    if (head_len != USUAL_LEN) {
        memmove(out->ptr + at - USUAL_LEN + head_len, out->ptr + at, len);
        out->len = at - USUAL_LEN + head_len + len;
    }
    memcpy(out->ptr + at - USUAL_LEN, head, head_len);
}

/* --- reading ------------------------------------------------------------- */

static bool take_varint(struct str *rest, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < rest->len && i < VARINT_MAX; i++) {
        uint64_t digit = (unsigned char)rest->ptr[i] & 0x7F;

        if (i == VARINT_MAX - 1 && digit > 1)
            return false;
        *n |= digit << 7 * i;
        if (((unsigned char)rest->ptr[i] & 0x80) == 0) {
            *rest = str_slice(*rest, i + 1, rest->len);
            return true;
        }
    }
    return false;
}

static bool take_little_endian(struct str *rest, size_t len, uint64_t *n)
{
    if (rest->len < len)
        return false;
    *n = 0;
    for (size_t i = 0; i < len; i++)
        *n |= (uint64_t)(unsigned char)rest->ptr[i] << 8 * i;
    *rest = str_slice(*rest, len, rest->len);
    return true;
}

static bool take_value(struct str *rest, struct protobuf_field *field)
{
    switch (field->type) {
    case PROTOBUF_VARINT:
        return take_varint(rest, &field->value);
    case PROTOBUF_FIXED64:
        return take_little_endian(rest, 8, &field->value);
    case PROTOBUF_FIXED32:
        return take_little_endian(rest, 4, &field->value);
    case PROTOBUF_BYTES: {
        uint64_t len;

        if (!take_varint(rest, &len) || len > rest->len)
            return false;
        field->bytes = str_slice(*rest, 0, (size_t)len);
        *rest = str_slice(*rest, (size_t)len, rest->len);
        return true;
    }
    }
    return false; /* groups, which nobody uses any more */
}

bool protobuf_next(struct str *rest, struct protobuf_field *field)
{
    struct str at = *rest;
    uint64_t tag;

    *field = (struct protobuf_field){0};
    if (at.len == 0 || !take_varint(&at, &tag) || tag >> 3 == 0 ||
        tag >> 3 > 0x1FFFFFFF)
        return false;
    field->number = (unsigned)(tag >> 3);
    field->type = (enum protobuf_type)(tag & 7);
    if (!take_value(&at, field))
        return false;
    *rest = at;
    return true;
}
