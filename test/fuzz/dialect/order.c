#include "order.h"

#include "check.h"
#include "oracle.h"

void order_init(struct order *order)
{
    *order = (struct order){.has_started = false};
    buf_init(&order->trace, OUT_MAX);
}

void order_fini(struct order *order)
{
    buf_fini(&order->trace);
}

static void put(struct order *order, struct str text)
{
    buf_printf(&order->trace, "%zu:", text.len);
    buf_put(&order->trace, text);
}

static void check_call(struct order *order, const struct chat_event *event)
{
    if (event->kind == CHAT_EVENT_CALL) {
        check(event->index == order->calls);
        order->calls++;
        order->in_call = true;
        order->is_custom = event->call.is_custom;
    } else {
        check(order->in_call);
        check(event->index == order->calls - 1);
        check(event->call.is_custom == order->is_custom);
        check(event->text.len > 0);
    }
}

void order_take(void *ctx, const struct chat_event *event)
{
    struct order *order = ctx;

    check(!order->has_ended);
    if (event->kind == CHAT_EVENT_START)
        check(!order->has_started);
    else if (event->kind != CHAT_EVENT_ERROR)
        check(order->has_started);
    if (order->closes_thinking && order->in_thinking)
        check(event->kind == CHAT_EVENT_THINKING ||
              event->kind == CHAT_EVENT_BLOCK ||
              event->kind == CHAT_EVENT_ERROR);
    order->in_thinking = event->kind == CHAT_EVENT_THINKING;
    buf_printf(&order->trace, "\n%d %u ", (int)event->kind, event->index);
    switch (event->kind) {
    case CHAT_EVENT_START:
        order->has_started = true;
        put(order, event->id);
        break;
    case CHAT_EVENT_TEXT:
    case CHAT_EVENT_THINKING:
        check(event->text.len > 0);
        put(order, event->text);
        break;
    case CHAT_EVENT_BLOCK:
        check(event->block.kind == CHAT_BLOCK_THINKING ||
              event->block.kind == CHAT_BLOCK_REDACTED);
        put(order, event->block.text);
        put(order, event->block.signature);
        break;
    case CHAT_EVENT_CALL:
        check_call(order, event);
        put(order, event->call.id);
        put(order, event->call.name);
        break;
    case CHAT_EVENT_ARGUMENTS:
        check_call(order, event);
        put(order, event->text);
        break;
    case CHAT_EVENT_END:
        check(event->finish != CHAT_FINISH_UNSET);
        put(order, event->stop_sequence);
        put(order, event->refusal);
        buf_printf(&order->trace, "%d %lld", (int)event->finish,
                   (long long)event->usage.output);
        order->has_ended = true;
        break;
    case CHAT_EVENT_ERROR:
        oracle_check_error(&event->error);
        put(order, chat_error_message(&event->error));
        order->has_ended = true;
        break;
    }
    order->in_call =
        event->kind == CHAT_EVENT_CALL || event->kind == CHAT_EVENT_ARGUMENTS;
}

bool order_read(struct order *order, const struct format *from,
                struct str bytes, unsigned seed)
{
    const struct chat_listener listener = {order_take, order};
    struct sse_decoder sse;
    struct sse_event event;
    struct arena arena;
    bool ok = true;
    void *reader;

    arena_init(&arena);
    sse_decoder_init(&sse, EVENT_MAX);
    reader = from->reader_open(&arena, oracle_names());
    while (bytes.len > 0 && ok) {
        size_t step = oracle_step(&seed);
        struct str piece = str_slice(bytes, 0, step);

        while (ok && sse_next(&sse, &piece, &event))
            ok = from->read_event(reader, event.data, &listener);
        ok = ok && !sse_failed(&sse);
        bytes = str_slice(bytes, step, bytes.len);
    }
    ok = ok && from->read_end(reader, &listener);
    /* all is well only where it was told so */
    check(!ok || order->has_ended);
    from->reader_close(reader);
    sse_decoder_fini(&sse);
    arena_clear(&arena);
    return ok;
}

void order_check(const struct format *from, bool closes_thinking,
                 struct str bytes, unsigned seed)
{
    struct order whole;
    bool ok;

    order_init(&whole);
    whole.closes_thinking = closes_thinking;
    ok = order_read(&whole, from, bytes, 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct order cut;

        order_init(&cut);
        cut.closes_thinking = closes_thinking;
        check(order_read(&cut, from, bytes, seed * 3 + i) == ok);
        check(str_eq(buf_str(&whole.trace), buf_str(&cut.trace)));
        order_fini(&cut);
    }
    order_fini(&whole);
}
