#include "trace.h"

#include <uv.h>

#include "check.h"
#include "word.h"

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

/* Eight digits, one in each byte, in whatever order. */
static uint64_t hex_digits(uint32_t word)
{
    uint64_t digits = word;
    uint64_t letters;

    digits = (digits | digits << 16) & UINT64_C(0x0000FFFF0000FFFF);
    digits = (digits | digits << 8) & UINT64_C(0x00FF00FF00FF00FF);
    digits = (digits | digits << 4) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    letters = (digits + WORD_ONES * 6) >> 4 & WORD_ONES;
    return digits + WORD_ONES * '0' + letters * ('a' - '0' - 10);
}

void trace_random_hex(char *out, size_t len)
{
    uint32_t words[8];
    uint64_t digits[COUNT_OF(words)];
    size_t count = (len + 7) / 8; /* of words, eight digits each */

    check(count <= COUNT_OF(words));
    random_bytes((unsigned char *)words, count * sizeof(*words));
    for (size_t i = 0; i < count; i++)
        digits[i] = hex_digits(words[i]);
    memcpy(out, digits, len);
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
