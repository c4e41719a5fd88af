/* A growing run of bytes that is born with its ceiling.
 *
 * Writing past the ceiling marks the buffer as failed, drops what did not fit
 * and everything after it; a writer of many pieces asks once, at the end, with
 * buf_failed().  So does a lack of memory above BUF_SMALL bytes; below, it
 * ends the program (check.h), so that who writes no more than that need not
 * ask: half a head would be worse than none. */
#ifndef WEIR_BUF_H
#define WEIR_BUF_H

#include "str.h"

enum { BUF_SMALL = 256 * 1024 };

struct buf {
    char *ptr; /* owned; NULL until the first byte */
    size_t len;
    size_t cap;
    size_t max; /* never more bytes than this */
    bool failed;
};

void buf_init(struct buf *buf, size_t max);
/* Frees the bytes; the buffer may be used again after buf_init(). */
void buf_fini(struct buf *buf);
/* Forgets the bytes and the failure, keeps the memory. */
void buf_clear(struct buf *buf);

/* Room for `more` bytes behind the present ones.  False, and the buffer is
 * marked as failed, when that is above the ceiling, or is large and cannot be
 * had. */
bool buf_reserve(struct buf *buf, size_t more);

void buf_put_u64(struct buf *buf, uint64_t n);
void buf_put_i64(struct buf *buf, int64_t n);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Removes the first `n` bytes. */
void buf_consume(struct buf *buf, size_t n);

static inline void buf_put(struct buf *buf, struct str bytes)
{
    if (bytes.len == 0 ||
        (bytes.len > buf->cap - buf->len && !buf_reserve(buf, bytes.len)))
        return;
    if (buf->failed)
        return;
    memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
    buf->len += bytes.len;
}

static inline void buf_put_char(struct buf *buf, char c)
{
    buf_put(buf, (struct str){&c, 1});
}

static inline bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr, buf->len};
}

#endif
