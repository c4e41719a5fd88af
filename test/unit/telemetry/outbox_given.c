#include "outbox_given.h"

#include <stdlib.h>

#include "../scratch.h"

struct given_outbox given;

static void address(void *ctx, struct str body, struct fetch_order *order)
{
    (void)ctx;
    order->url = STR("http://receiver.test/");
    order->body = body;
}

static unsigned long number_of(struct str text)
{
    uint64_t n = 0;

    assert_true(text.len == 0 || str_to_u64(text, &n));
    return n;
}

static struct outbox_verdict judge(void *ctx, struct str body,
                                   const struct fetch_answer *answer,
                                   struct buf *rest)
{
    struct outbox_verdict verdict = {.outcome = OUTBOX_RETRY};

    (void)ctx;
    given.judged++;
    assert_true(str_eq(body, buf_str(&receiver.body)));
    if (answer->error != FETCH_OK) {
        verdict.why = str_of(answer->detail);
        return verdict;
    }
    verdict.why = STR("it says so");
    switch (answer->status) {
    case 200:
        verdict.outcome = OUTBOX_DELIVERED;
        verdict.rejected = (unsigned)number_of(answer->body);
        break;
    case 207:
        buf_put(rest, answer->body);
        verdict.left = (unsigned)answer->body.len;
        break;
    case 400:
        verdict.outcome = OUTBOX_REJECTED;
        break;
    case 413:
        verdict.outcome = OUTBOX_TOO_LARGE;
        break;
    case 429:
        verdict.retry_after_ms = number_of(answer->body);
        break;
    default:
        break;
    }
    return verdict;
}

struct outbox_limits given_limits(void)
{
    return (struct outbox_limits){
        .memory_bytes = 100,
        .spool_dir = str_of(given.dir),
        .spool_bytes = 64 * 1024,
        .spool_age_ms = 60 * 1000,
        .first_retry_ms = 1000,
        .last_retry_ms = 8000,
    };
}

void given_open(const struct outbox_limits *limits)
{
    static const struct outbox_courier courier = {address, judge, NULL};
    struct buf why;

    buf_init(&why, 1024);
    given.figures =
        (struct figures){.name = STR_INIT("otlp"), .items = STR_INIT("spans")};
    given.outbox = outbox_open(NULL, STR("traces.pb"), limits, &courier,
                               &given.figures, &why);
    assert_str(buf_str(&why), "");
    assert_non_null(given.outbox);
    buf_fini(&why);
}

void given_close(void)
{
    outbox_close(given.outbox);
    given.outbox = NULL;
}

static int begin(bool has_spool)
{
    struct outbox_limits limits;

    receiver_reset();
    given = (struct given_outbox){.now_ms = 1000000};
    if (has_spool)
        scratch_make(given.dir);
    limits = given_limits();
    given_open(&limits);
    return 0;
}

int given_without_spool(void **state)
{
    (void)state;
    return begin(false);
}

int given_with_spool(void **state)
{
    (void)state;
    return begin(true);
}

int given_end(void **state)
{
    (void)state;
    if (given.outbox != NULL)
        given_close();
    if (given.dir[0] != '\0')
        scratch_remove(given.dir);
    receiver_reset();
    return 0;
}

void given_put(const char *body)
{
    struct buf batch;

    buf_init(&batch, 1 << 20);
    buf_put(&batch, str_of(body));
    outbox_put(given.outbox, &batch, (unsigned)strlen(body));
    assert_int_equal(batch.len, 0);
    assert_null(batch.ptr);
    assert_int_equal(batch.max, 1 << 20);
}

uint64_t given_tick(uint64_t ms)
{
    given.now_ms += ms;
    return outbox_tick(given.outbox, given.now_ms);
}
