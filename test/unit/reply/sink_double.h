/* A sink that keeps what is written to it. */
#ifndef WEIR_SINK_DOUBLE_H
#define WEIR_SINK_DOUBLE_H

#include "../testing.h"
#include "buf.h"
#include "sink.h"

struct sink_double {
    struct sink sink; /* first */
    struct buf written;
    size_t queued;
    unsigned writes, finishes, aborts;
    bool kept; /* what finish() was told */
};

static struct sink_double *sink_double_of(const struct sink *sink)
{
    return (struct sink_double *)(uintptr_t)sink;
}

static void sink_double_write(struct sink *sink, const struct str pieces[],
                              size_t count)
{
    struct sink_double *d = sink_double_of(sink);

    assert_int_equal(d->finishes + d->aborts, 0);
    d->writes++;
    for (size_t i = 0; i < count; i++)
        buf_put(&d->written, pieces[i]);
}

static size_t sink_double_queued(const struct sink *sink)
{
    return sink_double_of(sink)->queued;
}

static void sink_double_finish(struct sink *sink, bool keep)
{
    struct sink_double *d = sink_double_of(sink);

    d->finishes++;
    d->kept = keep;
}

static void sink_double_abort(struct sink *sink)
{
    sink_double_of(sink)->aborts++;
}

static const struct sink_ops sink_double_ops = {
    .write = sink_double_write,
    .queued = sink_double_queued,
    .finish = sink_double_finish,
    .abort = sink_double_abort,
};

static inline void sink_double_init(struct sink_double *d)
{
    *d = (struct sink_double){.sink.ops = &sink_double_ops};
    buf_init(&d->written, 1 << 20);
}

static inline void sink_double_fini(struct sink_double *d)
{
    buf_fini(&d->written);
}

/* What was written, without its line "Date: …". */
static inline struct str sink_double_text(struct sink_double *d)
{
    size_t from;
    size_t len;

    if (str_find(buf_str(&d->written), STR("Date: "), &from) &&
        str_find(str_slice(buf_str(&d->written), from, d->written.len),
                 STR(" GMT\r\n"), &len)) {
        size_t to = from + len + 6;

        /* "Date: Sat, 21 Nov 2026 21:38:05 GMT" */
        assert_int_equal(len + 4, 35);
        memmove(d->written.ptr + from, d->written.ptr + to,
                d->written.len - to);
        d->written.len -= to - from;
    }
    return buf_str(&d->written);
}

#endif
