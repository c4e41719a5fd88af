#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

enum { FIRST_CAP = 256 };

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_fini(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){.max = buf->max};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

bool buf_reserve(struct buf *buf, size_t more)
{
    size_t need;
    size_t cap;
    char *grown;

    if (buf->failed)
        return false;
    if (more <= buf->cap - buf->len)
        return true;
    if (more > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    need = buf->len + more;
    cap = buf->cap < FIRST_CAP ? FIRST_CAP : buf->cap;
    if (cap > buf->max)
        cap = buf->max;
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    grown = realloc(buf->ptr, cap);
    if (grown == NULL) {
        if (cap <= BUF_SMALL)
            out_of_memory();
        buf->failed = true;
        return false;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return true;
}

void buf_put_u64(struct buf *buf, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_put(buf, (struct str){digits + at, sizeof(digits) - at});
}

void buf_put_i64(struct buf *buf, int64_t n)
{
    if (n < 0) {
        buf_put_char(buf, '-');
        buf_put_u64(buf, 0 - (uint64_t)n);
    } else {
        buf_put_u64(buf, (uint64_t)n);
    }
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    int need;

    va_start(args, format);
    va_copy(again, args);
    need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    check(need >= 0);
    /* one more byte for the NUL that vsnprintf insists on */
    if (buf_reserve(buf, (size_t)need + 1)) {
        (void)vsnprintf(buf->ptr + buf->len, (size_t)need + 1, format, again);
        buf->len += (size_t)need;
    }
    va_end(again);
}

void buf_consume(struct buf *buf, size_t n)
{
    check(n <= buf->len);
    buf->len -= n;
    if (buf->len > 0)
        memmove(buf->ptr, buf->ptr + n, buf->len);
}
