/* What the tests of the outbox share: an outbox before the receiver of
 * receiver.h, whose courier reads what the test answers:
 *
 *   200 N     taken, N items of it not
 *   207 B     the rest B is to be sent instead; one item each letter of it
 *   400, 413  refused, too large
 *   429 N     asks to wait N ms
 *   else      again
 *
 * The items of a batch are the letters of its body. */
#ifndef WEIR_OUTBOX_GIVEN_H
#define WEIR_OUTBOX_GIVEN_H

#include "../testing.h"
#include "receiver.h"
#include "telemetry/outbox.h"

struct given_outbox {
    struct outbox *outbox;
    struct figures figures;
    uint64_t now_ms;
    unsigned judged;
    char dir[64]; /* of the spool; empty: none */
};

extern struct given_outbox given;

/* cmocka's set-up and tear-down: without a spool, and with one in a folder of
 * its own.  Times are 1000 and 8000 ms, the memory takes 100 bytes, the spool
 * 64 KiB. */
int given_without_spool(void **state);
int given_with_spool(void **state);
int given_end(void **state);

void given_open(const struct outbox_limits *limits);
struct outbox_limits given_limits(void);
/* Closes it; what it held is on disk. */
void given_close(void);

void given_put(const char *body);
/* A tick after so many milliseconds. */
uint64_t given_tick(uint64_t ms);

/* A transfer of that batch is under way after a tick. */
#define assert_sent(expected)                            \
    do {                                                 \
        (void)given_tick(0);                             \
        assert_true(receiver.is_busy);                   \
        assert_str(buf_str(&receiver.body), (expected)); \
    } while (0)
#define assert_quiet()                  \
    do {                                \
        (void)given_tick(0);            \
        assert_false(receiver.is_busy); \
    } while (0)

#define assert_figure(name, n) \
    assert_int_equal(figures_get(&given.figures.name), (n))

#endif
