/* telemetry/outbox without a spool: order, retries, bounds, the end. */
#include "outbox_given.h"

#include "../capture.h"
#include "log.h"

static void batches_leave_in_order_one_at_a_time(void **state)
{
    (void)state;
    given_put("one");
    given_put("three");
    assert_figure(queued, 8);
    assert_figure(queued_bytes, 8);
    assert_sent("one");
    assert_int_equal(given_tick(1000), UINT64_MAX);
    assert_int_equal(receiver.begun, 1);
    receiver_answer(200, "");
    assert_figure(queued, 5);
    assert_sent("three");
    given_put("x");
    receiver_answer(200, "");
    assert_sent("x");
    receiver_answer(200, "");
    assert_quiet();
    assert_figure(delivered, 9);
    assert_figure(sends, 3);
    assert_figure(failed_sends, 0);
    assert_figure(queued, 0);
    assert_figure(queued_bytes, 0);
    assert_figure(taken, 0);
}

/* The pause after the n-th failure is between the half and the whole of what
 * doubles, and ends at the last. */
static void what_fails_is_tried_again_later_each_time(void **state)
{
    static const uint64_t pauses[] = {1000, 2000, 4000, 8000, 8000, 8000};

    (void)state;
    given_put("one");
    given_put("two");
    for (unsigned i = 0; i < COUNT_OF(pauses); i++) {
        uint64_t due;

        assert_sent("one");
        receiver_fail(FETCH_UNREACHABLE, "nobody is there");
        due = given_tick(0);
        assert_in_range(due, given.now_ms + pauses[i] / 2,
                        given.now_ms + pauses[i]);
        assert_int_equal(given_tick(due - given.now_ms - 1), due);
        assert_false(receiver.is_busy);
        (void)given_tick(1);
    }
    assert_sent("one");
    receiver_answer(200, "");
    assert_sent("two");
    receiver_fail(FETCH_CLOSED, "it hung up");
    /* it begins anew once it went well */
    assert_in_range(given_tick(0), given.now_ms + 500, given.now_ms + 1000);
    assert_figure(delivered, 3);
    assert_figure(failed_sends, COUNT_OF(pauses) + 1);
    assert_figure(sends, COUNT_OF(pauses) + 2);
}

static void the_pauses_differ(void **state)
{
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    given_put("one");
    for (unsigned i = 0; i < 60; i++) {
        uint64_t pause;

        assert_sent("one");
        receiver_answer(503, "");
        pause = given_tick(0) - given.now_ms;
        if (i >= 4) {
            least = pause < least ? pause : least;
            most = pause > most ? pause : most;
        }
        (void)given_tick(pause);
    }
    assert_in_range(least, 4000, 5500);
    assert_in_range(most, 6500, 8000);
}

static void a_receiver_that_asks_to_wait_is_obeyed(void **state)
{
    (void)state;
    given_put("one");
    assert_sent("one");
    receiver_answer(429, "12345");
    assert_int_equal(given_tick(0), given.now_ms + 12345);
    (void)given_tick(12344);
    assert_quiet();
    (void)given_tick(1);
    assert_sent("one");
    /* but not for as long as it likes */
    receiver_answer(429, "86400000");
    assert_int_equal(given_tick(0), given.now_ms + 600000);
}

static void what_was_not_taken_is_counted(void **state)
{
    (void)state;
    given_put("four");
    assert_sent("four");
    assert_figure(sends, 0); /* nobody knows yet how it goes */
    receiver_answer(200, "3");
    assert_figure(sends, 1);
    given_put("four");
    assert_sent("four");
    receiver_answer(200, "99"); /* a lie */
    given_put("refused");
    assert_sent("refused");
    receiver_answer(400, "");
    given_put("large");
    assert_sent("large");
    receiver_answer(413, "");
    assert_quiet();
    assert_figure(delivered, 1);
    assert_figure(dropped[DROP_REJECTED], 3 + 4 + 7);
    assert_figure(dropped[DROP_TOO_LARGE], 5);
    assert_figure(sends, 4);
    assert_figure(failed_sends, 2);
    assert_figure(queued, 0);
}

static void the_rest_of_a_batch_goes_in_its_place(void **state)
{
    (void)state;
    given_put("abcde");
    given_put("second");
    assert_sent("abcde");
    receiver_answer(207, "bd");
    assert_figure(delivered, 3);
    assert_figure(queued, 8);
    assert_figure(queued_bytes, 8);
    (void)given_tick(0);
    (void)given_tick(1000);
    assert_sent("bd");
    receiver_answer(200, "");
    assert_sent("second");
    receiver_answer(200, "");
    assert_figure(delivered, 11);
    assert_figure(queued, 0);
}

static void a_rest_without_an_end_is_not_believed(void **state)
{
    char endless[300];

    (void)state;
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    given_put("abcde");
    assert_sent("abcde");
    receiver_answer(207, endless);
    assert_figure(delivered, 0);
    (void)given_tick(0);
    (void)given_tick(1000);
    assert_sent("abcde");
}

/* 100 bytes are the limit. */
static void when_memory_has_its_fill_the_oldest_go(void **state)
{
    (void)state;
    given_put("1234567890123456789012345678901234567890");
    given_put("second2222222222222222222222222222222222");
    assert_sent("1234567890123456789012345678901234567890");
    given_put("third33333333333333333333333333333333333");
    /* not the one that may be arriving just now */
    assert_figure(dropped[DROP_MEMORY_FULL], 40);
    assert_figure(queued, 80);
    receiver_fail(FETCH_TIMEOUT, "slow");
    given_put("fourth4444444444444444444444444444444444");
    assert_figure(dropped[DROP_MEMORY_FULL], 80);
    (void)given_tick(0);
    (void)given_tick(1000);
    assert_sent("third33333333333333333333333333333333333");
    receiver_answer(200, "");
    assert_sent("fourth4444444444444444444444444444444444");
    receiver_answer(200, "");
    assert_quiet();
    assert_figure(delivered, 80);
    assert_figure(queued_bytes, 0);
}

static void a_batch_that_never_fits_is_dropped(void **state)
{
    char large[102];

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    given_put("small");
    given_put(large);
    assert_figure(dropped[DROP_MEMORY_FULL], 101);
    assert_sent("small");
    receiver_answer(200, "");
    assert_quiet();
    assert_figure(queued, 0);
}

static void a_batch_that_was_cut_is_not_sent(void **state)
{
    struct buf batch;

    (void)state;
    buf_init(&batch, 4);
    buf_put(&batch, STR("12"));
    buf_put(&batch, STR("345"));
    outbox_put(given.outbox, &batch, 5);
    assert_int_equal(batch.len, 0);
    assert_false(buf_failed(&batch));
    assert_quiet();
    assert_figure(dropped[DROP_TOO_LARGE], 5);
    buf_fini(&batch);
}

/* --- the end -------------------------------------------------------------- */

static void a_flush_does_not_wait_for_the_back_off(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    assert_sent("one");
    receiver_answer(503, "");
    assert_quiet();
    assert_false(outbox_flush(given.outbox, given.now_ms));
    assert_sent("one");
    assert_false(outbox_flush(given.outbox, given.now_ms));
    receiver_answer(200, "");
    assert_false(outbox_flush(given.outbox, given.now_ms));
    assert_sent("two");
    receiver_answer(200, "");
    assert_true(outbox_flush(given.outbox, given.now_ms));
    given_close();
    assert_figure(dropped[DROP_SHUTDOWN], 0);
    assert_figure(delivered, 6);
}

static void a_flush_tries_twice_and_then_counts_the_loss(void **state)
{
    (void)state;
    given_put("one");
    given_put("three");
    assert_false(outbox_flush(given.outbox, given.now_ms));
    assert_sent("one");
    receiver_fail(FETCH_UNREACHABLE, "nobody is there");
    assert_false(outbox_flush(given.outbox, given.now_ms));
    (void)given_tick(0);
    (void)given_tick(1000);
    assert_sent("one");
    receiver_fail(FETCH_UNREACHABLE, "nobody is there");
    assert_true(outbox_flush(given.outbox, given.now_ms));
    /* others are still busy: nothing begins here */
    (void)given_tick(0);
    (void)given_tick(100000);
    assert_quiet();
    given_close();
    assert_figure(dropped[DROP_SHUTDOWN], 8);
    assert_figure(queued, 0);
    assert_figure(queued_bytes, 0);
}

static void a_flush_does_not_go_against_the_receivers_wish(void **state)
{
    (void)state;
    given_put("one");
    assert_sent("one");
    receiver_answer(429, "60000");
    assert_true(outbox_flush(given.outbox, given.now_ms));
    assert_quiet();
}

static void a_flush_waits_for_a_short_wish(void **state)
{
    (void)state;
    given_put("one");
    assert_sent("one");
    receiver_answer(429, "1500");
    assert_quiet();
    assert_false(outbox_flush(given.outbox, given.now_ms));
    assert_quiet();
    (void)given_tick(1500);
    assert_sent("one");
    receiver_answer(200, "");
    assert_true(outbox_flush(given.outbox, given.now_ms));
}

static void what_is_under_way_at_the_end_is_given_up(void **state)
{
    (void)state;
    given_put("one");
    assert_sent("one");
    given_close();
    assert_int_equal(receiver.cancelled, 1);
    assert_int_equal(given.judged, 0);
    assert_figure(dropped[DROP_SHUTDOWN], 3);
}

/* --- what is said --------------------------------------------------------- */

static void who_refuses_everything_is_told_of_now_and_then(void **state)
{
    size_t at;
    struct str said;

    (void)state;
    capture_begin(0);
    for (unsigned i = 0; i < 20; i++) {
        given_put("one");
        (void)given_tick(100);
        receiver_answer(400, "");
    }
    said = capture_end();
    assert_true(str_find(said, STR("telemetry was refused"), &at));
    assert_has(said, "why=\"it says so\"");
    assert_lacks(str_slice(said, at + 1, said.len), "telemetry was refused");
}

static void trouble_is_said_once_and_its_end_too(void **state)
{
    struct str said;

    (void)state;
    capture_begin(0);
    given_put("one");
    for (unsigned i = 0; i < 5; i++) {
        (void)given_tick(0);
        (void)given_tick(8000);
        assert_true(receiver.is_busy);
        receiver_fail(FETCH_UNREACHABLE, "nobody is there");
    }
    (void)given_tick(0);
    (void)given_tick(8000);
    receiver_answer(200, "");
    said = capture_end();
    assert_has(said, "telemetry cannot be delivered");
    assert_has(said, "exporter=otlp");
    assert_has(said, "nobody is there");
    assert_has(said, "telemetry is delivered again");
    assert_has(said, "failures=5");
    {
        size_t at;

        assert_true(str_find(said, STR("cannot be delivered"), &at));
        assert_lacks(str_slice(said, at + 1, said.len), "cannot be delivered");
    }
}

static void losses_are_said_by_cause_and_not_each(void **state)
{
    struct str said;

    (void)state;
    capture_begin(0);
    for (unsigned i = 0; i < 50; i++) {
        given_put("123456789012345678901234567890");
        (void)given_tick(0);
    }
    said = capture_end();
    assert_has(said, "telemetry was dropped");
    assert_has(said, "cause=memory_full");
    assert_has(said, "of=spans");
    assert_has(said, "count=30 ");
    assert_lacks(said, "count=60 ");
    /* the rest ten seconds later */
    capture_begin(0);
    (void)given_tick(10000);
    said = capture_end();
    assert_has(said, "cause=memory_full count=1380 ");
}

#define TEST(name)                                        \
    {                                                     \
#name, name, given_without_spool, given_end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batches_leave_in_order_one_at_a_time),
        TEST(what_fails_is_tried_again_later_each_time),
        TEST(the_pauses_differ),
        TEST(a_receiver_that_asks_to_wait_is_obeyed),
        TEST(what_was_not_taken_is_counted),
        TEST(the_rest_of_a_batch_goes_in_its_place),
        TEST(a_rest_without_an_end_is_not_believed),
        TEST(when_memory_has_its_fill_the_oldest_go),
        TEST(a_batch_that_never_fits_is_dropped),
        TEST(a_batch_that_was_cut_is_not_sent),
        TEST(a_flush_does_not_wait_for_the_back_off),
        TEST(a_flush_tries_twice_and_then_counts_the_loss),
        TEST(a_flush_does_not_go_against_the_receivers_wish),
        TEST(a_flush_waits_for_a_short_wish),
        TEST(what_is_under_way_at_the_end_is_given_up),
        TEST(who_refuses_everything_is_told_of_now_and_then),
        TEST(trouble_is_said_once_and_its_end_too),
        TEST(losses_are_said_by_cause_and_not_each),
    };
    int failed;

    failed = cmocka_run_group_tests(tests, NULL, NULL);
    capture_drop();
    return failed;
}
