#include "spool_head.h"

#include <zlib.h>

#include "check.h"

enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_ITEMS = 12,
    AT_CREATED = 16,
    AT_LENGTH = 24,
    AT_BODY_CRC = 32,
    AT_KIND = 36,
    AT_CRC = 68,
};

/* The line feed finds out who treats it as text. */
static const char magic[AT_VERSION] = {'w', 'e', 'i', 'r', 's', 'p', 'l', '\n'};

static void put_number(char *out, uint64_t n, unsigned size)
{
    for (unsigned i = 0; i < size; i++, n >>= 8)
        out[i] = (char)(unsigned char)(n & 0xff);
}

static uint64_t get_number(const char *bytes, unsigned size)
{
    uint64_t n = 0;

    while (size-- > 0)
        n = n << 8 | (unsigned char)bytes[size];
    return n;
}

static uint32_t crc_of(struct str bytes)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0),
                             (const unsigned char *)bytes.ptr, bytes.len);
}

bool spool_is_kind(struct str kind)
{
    for (size_t i = 0; i < kind.len; i++) {
        char c = kind.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
            c != '.')
            return false;
    }
    return kind.len > 0 && kind.len < SPOOL_KIND_SIZE && kind.ptr[0] != '.';
}

void spool_write_head(char out[SPOOL_HEAD_SIZE], struct str kind,
                      struct spool_head *head, struct str body)
{
    check(spool_is_kind(kind));
    head->body_len = body.len;
    head->body_crc = crc_of(body);
    memset(out, 0, SPOOL_HEAD_SIZE);
    memcpy(out, magic, sizeof(magic));
    put_number(out + AT_VERSION, VERSION, 4);
    put_number(out + AT_ITEMS, head->items, 4);
    put_number(out + AT_CREATED, (uint64_t)head->created_ms, 8);
    put_number(out + AT_LENGTH, head->body_len, 8);
    put_number(out + AT_BODY_CRC, head->body_crc, 4);
    memcpy(out + AT_KIND, kind.ptr, kind.len);
    put_number(out + AT_CRC, crc_of((struct str){out, AT_CRC}), 4);
}

bool spool_read_head(struct str file, struct str kind, struct spool_head *head)
{
    char expected[SPOOL_KIND_SIZE] = {0};

    if (file.len < SPOOL_HEAD_SIZE || !spool_is_kind(kind))
        return false;
    memcpy(expected, kind.ptr, kind.len);
    if (memcmp(file.ptr, magic, sizeof(magic)) != 0 ||
        get_number(file.ptr + AT_VERSION, 4) != VERSION ||
        memcmp(file.ptr + AT_KIND, expected, sizeof(expected)) != 0 ||
        get_number(file.ptr + AT_CRC, 4) !=
            crc_of((struct str){file.ptr, AT_CRC}))
        return false;
    *head = (struct spool_head){
        .items = (uint32_t)get_number(file.ptr + AT_ITEMS, 4),
        .created_ms = (int64_t)get_number(file.ptr + AT_CREATED, 8),
        .body_len = get_number(file.ptr + AT_LENGTH, 8),
        .body_crc = (uint32_t)get_number(file.ptr + AT_BODY_CRC, 4),
    };
    return true;
}

bool spool_is_body(const struct spool_head *head, struct str body)
{
    return head->body_len == body.len && head->body_crc == crc_of(body);
}
