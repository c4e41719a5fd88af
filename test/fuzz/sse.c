/* Server-sent events: any cut of the same bytes gives the same events, and
 * what is written reads back. */
#include "sse.h"

#include "check.h"
#include "fuzz.h"

enum { EVENT_MAX = 1 << 16 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void note(struct buf *out, const struct sse_event *event)
{
    buf_put_u64(out, event->name.ptr == NULL ? 0 : 1 + event->name.len);
    buf_put_char(out, ' ');
    buf_put_u64(out, event->data.len);
    buf_put_char(out, ' ');
    buf_put(out, event->name);
    buf_put(out, event->data);
    buf_put_char(out, '\n');
}

/* In pieces of `step` bytes.  False when an event was too large. */
static bool decode(struct str stream, size_t step, size_t max, struct buf *out)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool ok;

    sse_decoder_init(&decoder, max);
    for (size_t at = 0; at < stream.len; at += step) {
        struct str piece = str_slice(stream, at, at + step);

        while (sse_next(&decoder, &piece, &event))
            note(out, &event);
        if (sse_failed(&decoder))
            break;
        check(piece.len == 0);
    }
    ok = !sse_failed(&decoder);
    if (ok && sse_finish(&decoder, &event))
        note(out, &event);
    sse_decoder_fini(&decoder);
    return ok;
}

/* One event, written as its data lines. */
static void write_and_read(struct str data)
{
    struct sse_decoder decoder;
    struct sse_event event;
    struct buf out;
    struct str bytes;

    if (memchr(data.ptr, '\r', data.len) != NULL)
        return; /* JSON has none, and nothing else is written */
    buf_init(&out, 8 * EVENT_MAX);
    sse_put_named(&out, STR("name"), data);
    bytes = buf_str(&out);
    sse_decoder_init(&decoder, EVENT_MAX);
    check(!buf_failed(&out));
    if (sse_next(&decoder, &bytes, &event)) {
        check(str_eq(event.data, data));
        check(str_eq(event.name, STR("name")));
        check(bytes.len == 0);
    } else {
        check(sse_failed(&decoder));
    }
    sse_decoder_fini(&decoder);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str stream = fuzz_input(data, size);
    struct buf whole;
    struct buf cut;

    if (size == 0)
        return 0;
    buf_init(&whole, 16 * EVENT_MAX);
    buf_init(&cut, 16 * EVENT_MAX);
    if (decode(stream, size, EVENT_MAX, &whole)) {
        for (size_t step = 1; step < 8; step += 3) {
            buf_clear(&cut);
            check(decode(stream, step, EVENT_MAX, &cut));
            check(str_eq(buf_str(&whole), buf_str(&cut)));
        }
    }
    /* a small bound: nothing but the failure */
    buf_clear(&cut);
    (void)decode(stream, 3, 300, &cut);
    write_and_read(stream);
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
