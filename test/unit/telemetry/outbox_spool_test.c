/* telemetry/outbox with a spool: outages, restarts, disks, the end. */
#include "outbox_given.h"

#include <signal.h>
#include <sys/resource.h>

#include "../capture.h"
#include "../scratch.h"
#include "wall.h"

static unsigned files(void)
{
    return scratch_count(given.dir, "") - 1; /* without the lock */
}

static void reopen(void)
{
    struct outbox_limits limits = given_limits();

    given_close();
    given_open(&limits);
}

/* The receiver takes the next ones, in this order, and then nothing is left. */
static void assert_delivers(const char *const *bodies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_sent(bodies[i]);
        receiver_answer(200, "");
    }
    assert_quiet();
    assert_figure(queued, 0);
    assert_figure(queued_bytes, 0);
    assert_figure(spooled, 0);
    assert_figure(spooled_bytes, 0);
    assert_int_equal(files(), 0);
}

#define DELIVERS(...)                                            \
    assert_delivers((const char *const[]){__VA_ARGS__},          \
                    sizeof((const char *const[]){__VA_ARGS__}) / \
                        sizeof(const char *))

static void go_down(const char *first)
{
    assert_sent(first);
    receiver_fail(FETCH_UNREACHABLE, "nobody is there");
}

static void come_up(void)
{
    (void)given_tick(0);
    (void)given_tick(8000);
}

static void nothing_is_written_while_all_goes_well(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    assert_sent("one");
    assert_int_equal(files(), 0);
    assert_figure(queued, 6);
    receiver_answer(200, "");
    DELIVERS("two");
}

static void in_an_outage_all_goes_to_disk_at_once(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    go_down("one");
    assert_int_equal(files(), 2);
    assert_figure(queued, 0);
    assert_figure(spooled, 6);
    given_put("three");
    assert_int_equal(files(), 3);
    assert_figure(spooled, 11);
    come_up();
    assert_sent("one");
    receiver_answer(200, "");
    assert_int_equal(files(), 2);
    /* behind what is on disk, so that memory never is the older one */
    given_put("four");
    assert_figure(queued, 0);
    DELIVERS("two", "three", "four");
    given_put("five");
    assert_figure(queued, 4);
    DELIVERS("five");
    assert_figure(delivered, 19);
}

static void it_goes_on_after_a_restart(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    go_down("one");
    given_put("three");
    reopen();
    assert_figure(spooled, 11);
    given_put("four");
    DELIVERS("one", "two", "three", "four");
}

static void what_was_delivered_is_not_there_after_a_restart(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    go_down("one");
    come_up();
    assert_sent("one");
    receiver_answer(200, "");
    reopen();
    DELIVERS("two");
}

static void what_is_in_memory_at_the_end_is_kept(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    assert_sent("one");
    reopen();
    assert_int_equal(receiver.cancelled, 1);
    DELIVERS("one", "two");
}

static void a_slow_receiver_fills_the_disk_and_not_memory(void **state)
{
    static const char forty[] = "1234567890123456789012345678901234567890";

    (void)state;
    given_put("first");
    assert_sent("first");
    given_put(forty);
    given_put("second");
    assert_int_equal(files(), 0);
    given_put(forty);
    given_put(forty);
    assert_int_equal(files(), 4);
    assert_figure(queued, 5); /* that is under way */
    receiver_answer(503, "");
    assert_int_equal(files(), 5);
    come_up();
    DELIVERS("first", forty, "second", forty, forty);
}

static void a_batch_larger_than_memory_goes_by_the_disk(void **state)
{
    char large[200];

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    given_put(large);
    assert_int_equal(files(), 1);
    DELIVERS(large);
}

static void the_rest_of_a_batch_takes_its_place_on_disk(void **state)
{
    (void)state;
    given_put("abcdef");
    given_put("second");
    assert_sent("abcdef");
    receiver_answer(207, "bdf");
    assert_int_equal(files(), 2);
    assert_figure(spooled, 9);
    come_up();
    assert_sent("bdf");
    receiver_answer(207, "d");
    assert_figure(spooled, 7);
    assert_figure(delivered, 5);
    reopen();
    DELIVERS("d", "second");
}

/* All but the first, which may be on its way. */
static void a_full_spool_drops_the_oldest_that_waits(void **state)
{
    char body[2] = "a";

    (void)state;
    given_put("first");
    go_down("first");
    /* 16 files are the limit */
    for (; body[0] <= 'r'; body[0]++)
        given_put(body);
    assert_int_equal(files(), 16);
    assert_figure(dropped[DROP_SPOOL_FULL], 3);
    come_up();
    DELIVERS("first", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
             "o", "p", "q", "r");
}

static void what_waits_for_too_long_is_dropped(void **state)
{
    (void)state;
    given_put("old");
    go_down("old");
    wall_ms += 30001;
    given_put("younger");
    wall_ms += 30000;
    come_up();
    assert_figure(dropped[DROP_SPOOL_AGE], 3);
    DELIVERS("younger");
}

static void a_damaged_file_does_not_stop_the_line(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    given_put("three");
    go_down("one");
    given_close();
    scratch_write(given.dir, "traces.pb.0000000000000002", STR("garbage"));
    {
        struct outbox_limits limits = given_limits();

        given_open(&limits);
    }
    assert_figure(dropped[DROP_SPOOL_DISK], 1);
    assert_sent("one");
    receiver_answer(200, "");
    assert_sent("three");
    receiver_answer(200, "");
    assert_quiet();
    assert_int_equal(scratch_count(given.dir, ".bad"), 1);
}

/* --- a disk that takes nothing ------------------------------------------- */

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_leaves_it_in_memory(void **state)
{
    (void)state;
    given_put("one");
    set_file_limit(10);
    go_down("one");
    given_put("two");
    set_file_limit(0);
    assert_int_equal(files(), 0);
    assert_figure(queued, 6);
    assert_figure(dropped[DROP_SPOOL_DISK], 0);
    /* there is room again: in order */
    given_put("three");
    assert_figure(queued, 0);
    assert_int_equal(files(), 3);
    come_up();
    DELIVERS("one", "two", "three");
}

static void a_full_disk_and_a_full_memory_lose_the_oldest(void **state)
{
    static const char forty[] = "1234567890123456789012345678901234567890";

    (void)state;
    given_put("one");
    set_file_limit(10);
    go_down("one");
    given_put("two");
    given_put(forty);
    given_put(forty);
    given_put("345678901234567");
    assert_figure(dropped[DROP_SPOOL_DISK], 3);
    set_file_limit(0);
    come_up();
    DELIVERS("two", forty, forty, "345678901234567");
}

static void a_rest_that_cannot_be_written_is_not_the_whole_again(void **state)
{
    (void)state;
    given_put("abcdef");
    go_down("abcdef");
    come_up();
    assert_sent("abcdef");
    set_file_limit(10);
    receiver_answer(207, "bdf");
    set_file_limit(0);
    assert_figure(queued, 3);
    assert_figure(spooled, 0);
    assert_int_equal(files(), 0);
    reopen();
    DELIVERS("bdf");
}

/* --- the end -------------------------------------------------------------- */

static void a_flush_tries_once_and_keeps_the_rest(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    assert_false(outbox_flush(given.outbox, given.now_ms));
    go_down("one");
    assert_true(outbox_flush(given.outbox, given.now_ms));
    assert_quiet();
    reopen();
    assert_figure(dropped[DROP_SHUTDOWN], 0);
    DELIVERS("one", "two");
}

static void a_flush_does_not_begin_what_it_may_not_end(void **state)
{
    (void)state;
    given_put("one");
    given_put("two");
    given_put("three");
    go_down("one");
    assert_false(outbox_flush(given.outbox, given.now_ms));
    assert_sent("one");
    (void)given_tick(1000);
    receiver_answer(200, "");
    assert_false(outbox_flush(given.outbox, given.now_ms));
    assert_sent("two");
    (void)given_tick(1000);
    assert_false(outbox_flush(given.outbox, given.now_ms));
    receiver_answer(200, "");
    assert_true(outbox_flush(given.outbox, given.now_ms));
    assert_quiet();
    reopen();
    DELIVERS("three");
}

static void a_flush_obeys_the_receivers_wish(void **state)
{
    (void)state;
    given_put("one");
    assert_sent("one");
    receiver_answer(429, "1000");
    assert_true(outbox_flush(given.outbox, given.now_ms));
    assert_quiet();
    reopen();
    DELIVERS("one");
}

#define TEST(name)                    \
    {                                 \
#name, name, begin, end, NULL \
    }

static int begin(void **state)
{
    wall_ms = WALL_BEGIN_MS;
    return given_with_spool(state);
}

static int end(void **state)
{
    return given_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_written_while_all_goes_well),
        TEST(in_an_outage_all_goes_to_disk_at_once),
        TEST(it_goes_on_after_a_restart),
        TEST(what_was_delivered_is_not_there_after_a_restart),
        TEST(what_is_in_memory_at_the_end_is_kept),
        TEST(a_slow_receiver_fills_the_disk_and_not_memory),
        TEST(a_batch_larger_than_memory_goes_by_the_disk),
        TEST(the_rest_of_a_batch_takes_its_place_on_disk),
        TEST(a_full_spool_drops_the_oldest_that_waits),
        TEST(what_waits_for_too_long_is_dropped),
        TEST(a_damaged_file_does_not_stop_the_line),
        TEST(a_full_disk_leaves_it_in_memory),
        TEST(a_full_disk_and_a_full_memory_lose_the_oldest),
        TEST(a_rest_that_cannot_be_written_is_not_the_whole_again),
        TEST(a_flush_tries_once_and_keeps_the_rest),
        TEST(a_flush_does_not_begin_what_it_may_not_end),
        TEST(a_flush_obeys_the_receivers_wish),
    };
    int failed;

    (void)signal(SIGXFSZ, SIG_IGN);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    capture_drop();
    return failed;
}
