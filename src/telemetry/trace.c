#include "trace.h"

#include <uv.h>

#include "check.h"

enum { POOL_SIZE = 1024 };

/* Random bytes are fetched by the kilobyte: one system call for many ids. */
static void random_bytes(unsigned char *out, size_t len)
{
    static _Thread_local unsigned char pool[POOL_SIZE];
    static _Thread_local size_t left;

    check(len <= POOL_SIZE);
    if (left < len) {
        check(uv_random(NULL, NULL, pool, sizeof(pool), 0, NULL) == 0);
        left = POOL_SIZE;
    }
    left -= len;
    memcpy(out, pool + left, len);
}

void trace_random_hex(char *out, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[32];

    check(len <= 2 * sizeof(bytes));
    random_bytes(bytes, (len + 1) / 2);
    for (size_t i = 0; i + 1 < len; i += 2) {
        out[i] = hex[bytes[i / 2] >> 4];
        out[i + 1] = hex[bytes[i / 2] & 15];
    }
    if (len % 2 != 0)
        out[len - 1] = hex[bytes[len / 2] >> 4];
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') ||
              (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static bool is_zero(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '0')
            return false;
    return true;
}

/* 00-<32 hex>-<16 hex>-<2 hex>; a later version may have more behind it. */
static bool is_valid(struct str parent)
{
    struct str version = str_slice(parent, 0, 2);

    if (parent.len < TRACE_PARENT_LEN || !is_hex(version) ||
        str_eq(version, STR("ff")) || parent.ptr[2] != '-' ||
        parent.ptr[35] != '-' || parent.ptr[52] != '-')
        return false;
    if (parent.len > TRACE_PARENT_LEN &&
        (str_eq(version, STR("00")) || parent.ptr[TRACE_PARENT_LEN] != '-'))
        return false;
    return is_hex(str_slice(parent, 3, 35)) &&
           is_hex(str_slice(parent, 36, 52)) &&
           is_hex(str_slice(parent, 53, 55)) &&
           !is_zero(str_slice(parent, 3, 35)) &&
           !is_zero(str_slice(parent, 36, 52));
}

void trace_begin(struct trace *trace, struct str incoming)
{
    char *out = trace->parent;

    memcpy(out, "00-", 3);
    if (is_valid(incoming)) {
        memcpy(out + 3, incoming.ptr + 3, 32);
        memcpy(out + 53, incoming.ptr + 53, 2);
    } else {
        trace_random_hex(out + 3, 32);
        memcpy(out + 53, "03", 2); /* sampled, and the id is random */
    }
    out[35] = '-';
    trace_random_hex(out + 36, 16);
    out[52] = '-';
    out[55] = '\0';
}

struct str trace_id(const struct trace *trace)
{
    return (struct str){trace->parent + 3, TRACE_ID_LEN};
}
