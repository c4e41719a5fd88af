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

static size_t put_tag(char *out, unsigned field, enum protobuf_type type)
{
    return put_varint(out, field << 3 | type);
}

void protobuf_u64(struct buf *out, unsigned field, uint64_t n)
{
    char bytes[2 * VARINT_MAX];
    size_t len = put_tag(bytes, field, PROTOBUF_VARINT);

    len += put_varint(bytes + len, n);
    buf_put(out, (struct str){bytes, len});
}

static void put_fixed(struct buf *out, unsigned field, enum protobuf_type type,
                      uint64_t n, size_t len)
{
    char bytes[VARINT_MAX + sizeof(n)];
    size_t at = put_tag(bytes, field, type);

    for (size_t i = 0; i < len; i++)
        bytes[at + i] = (char)(n >> 8 * i);
    buf_put(out, (struct str){bytes, at + len});
}

void protobuf_fixed64(struct buf *out, unsigned field, uint64_t n)
{
    put_fixed(out, field, PROTOBUF_FIXED64, n, 8);
}

void protobuf_fixed32(struct buf *out, unsigned field, uint32_t n)
{
    put_fixed(out, field, PROTOBUF_FIXED32, n, 4);
}

void protobuf_double(struct buf *out, unsigned field, double n)
{
    uint64_t bits;

    memcpy(&bits, &n, sizeof(bits));
    protobuf_fixed64(out, field, bits);
}

void protobuf_head(struct buf *out, unsigned field, size_t len)
{
    char bytes[2 * VARINT_MAX];
    size_t at = put_tag(bytes, field, PROTOBUF_BYTES);

    at += put_varint(bytes + at, len);
    buf_put(out, (struct str){bytes, at});
}

void protobuf_bytes(struct buf *out, unsigned field, struct str bytes)
{
    protobuf_head(out, field, bytes.len);
    buf_put(out, bytes);
}

/* Attributes are most of what telemetry says: room is made once for each, and
 * its bytes are put there without asking again. */
char *protobuf_room(struct buf *out, size_t len)
{
    if ((out->cap - out->len < len && !buf_reserve(out, len)) || out->failed)
        return NULL;
    return out->ptr + out->len;
}

char *protobuf_at_head(char *at, unsigned field, size_t len)
{
    at += put_tag(at, field, PROTOBUF_BYTES);
    return at + put_varint(at, len);
}

char *protobuf_at_bytes(char *at, unsigned field, struct str bytes)
{
    at = protobuf_at_head(at, field, bytes.len);
    if (bytes.len > 0)
        memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

size_t protobuf_open(struct buf *out, unsigned field)
{
    char bytes[VARINT_MAX + USUAL_LEN] = {0};
    size_t len = put_tag(bytes, field, PROTOBUF_BYTES);

    buf_put(out, (struct str){bytes, len + USUAL_LEN});
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
