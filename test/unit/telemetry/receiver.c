#include "receiver.h"

#include "check.h"

struct receiver receiver;

static struct {
    void (*on_answer)(void *ctx, const struct fetch_answer *answer);
    void *ctx;
} under_way;

static struct head head, trailers;

/* what the linker puts in the place of lib/fetch.c's */
struct fetch *__wrap_fetch_begin(
    struct fetcher *fetcher, const struct fetch_order *order,
    void (*on_answer)(void *ctx, const struct fetch_answer *answer), void *ctx);
void __wrap_fetch_cancel(struct fetch *fetch);

struct fetch *__wrap_fetch_begin(
    struct fetcher *fetcher, const struct fetch_order *order,
    void (*on_answer)(void *ctx, const struct fetch_answer *answer), void *ctx)
{
    (void)fetcher;
    check(!receiver.is_busy);
    receiver.is_busy = true;
    receiver.begun++;
    receiver.url = order->url;
    buf_fini(&receiver.body);
    buf_init(&receiver.body, SIZE_MAX);
    buf_put(&receiver.body, order->body);
    under_way.on_answer = on_answer;
    under_way.ctx = ctx;
    return (struct fetch *)(void *)&under_way;
}

void __wrap_fetch_cancel(struct fetch *fetch)
{
    check(receiver.is_busy && (void *)fetch == (void *)&under_way);
    receiver.is_busy = false;
    receiver.cancelled++;
}

void receiver_reset(void)
{
    buf_fini(&receiver.body);
    receiver = (struct receiver){0};
    buf_init(&receiver.body, SIZE_MAX);
}

static void give(struct fetch_answer answer)
{
    check(receiver.is_busy);
    receiver.is_busy = false;
    answer.head = &head;
    answer.trailers = &trailers;
    under_way.on_answer(under_way.ctx, &answer);
}

void receiver_answer(int status, const char *body)
{
    give((struct fetch_answer){.status = status, .body = str_of(body)});
}

void receiver_fail(enum fetch_error error, const char *detail)
{
    give((struct fetch_answer){.error = error, .detail = detail});
}
