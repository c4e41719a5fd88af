/* One wire under test: notes what it is told, and sees to it that no call is
 * answered by a callback from within. */
#ifndef WEIR_WIRE_END_H
#define WEIR_WIRE_END_H

#include "../loop.h"
#include "../testing.h"

struct end {
    struct wire wire;
    struct buf got;
    unsigned opens, drains, ends, closes;
    int why;            /* of on_end */
    bool closes_on_end; /* as owners do */
    bool closes_on_bytes;
    size_t queued_at_drain;
};

static bool in_call;

/* Runs a call on a wire; no callback may come meanwhile. */
#define wire_call(call)        \
    do {                       \
        assert_false(in_call); \
        in_call = true;        \
        call;                  \
        in_call = false;       \
    } while (0)

static void end_on_open(struct wire *wire)
{
    struct end *end = wire->owner;

    assert_false(in_call);
    end->opens++;
}

static void end_on_bytes(struct wire *wire, struct str bytes)
{
    struct end *end = wire->owner;

    assert_false(in_call);
    assert_int_equal(end->ends, 0);
    assert_true(bytes.len > 0);
    buf_put(&end->got, bytes);
    if (end->closes_on_bytes)
        wire_call(wire_close(wire));
}

static void end_on_drain(struct wire *wire)
{
    struct end *end = wire->owner;

    assert_false(in_call);
    end->drains++;
    end->queued_at_drain = wire_queued(wire);
}

static void end_on_end(struct wire *wire, int why)
{
    struct end *end = wire->owner;

    assert_false(in_call);
    end->ends++;
    end->why = why;
    if (end->closes_on_end)
        wire_call(wire_close(wire));
}

static void end_on_closed(struct wire *wire)
{
    struct end *end = wire->owner;

    assert_false(in_call);
    end->closes++;
}

static const struct wire_events end_events = {
    .on_open = end_on_open,
    .on_bytes = end_on_bytes,
    .on_drain = end_on_drain,
    .on_end = end_on_end,
    .on_closed = end_on_closed,
};

static inline void end_init(struct end *end)
{
    *end = (struct end){.closes_on_end = false};
    buf_init(&end->got, 64 << 20);
}

static inline void end_adopt(struct end *end, struct loop *loop, int fd)
{
    end_init(end);
    assert_int_equal(
        wire_adopt(&end->wire, &loop->uv, fd, NULL, &end_events, end), 0);
}

/* Closes, and waits until it is. */
static inline void end_drop(struct end *end, struct loop *loop)
{
    wire_call(wire_close(&end->wire));
    loop_until(loop, end->closes == 1);
    buf_fini(&end->got);
}

/* Bytes that differ from place to place. */
static inline void fill_pattern(char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 131 + (i >> 8) * 7 + (i >> 16));
}

#endif
