/* telemetry/outbox: whatever receiver, disk and operator do, and kill -9. */
#include "outbox_given.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../capture.h"
#include "../scratch.h"
#include "log.h"
#include "wall.h"

static unsigned files(void)
{
    return scratch_count(given.dir, "") - 1; /* without the lock */
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* --- whatever comes ------------------------------------------------------- */

static uint64_t seed;

static unsigned dice(unsigned sides)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(seed >> 33) % sides;
}

/* All that was put is somewhere, or was counted. */
static void assert_accounts(uint64_t put, uint64_t dropped_before,
                            uint64_t delivered_before)
{
    uint64_t sum = dropped_before + delivered_before;

    for (unsigned cause = 0; cause < DROP_CAUSES; cause++)
        sum += figures_get(&given.figures.dropped[cause]);
    sum += figures_get(&given.figures.delivered);
    sum += figures_get(&given.figures.queued);
    sum += figures_get(&given.figures.spooled);
    assert_int_equal(sum, put);
}

/* Batches bear numbers of four digits.  Whatever the receiver, the disk and
 * the operator do: they arrive in order, none twice, and the figures add up. */
static void play(uint64_t with_seed)
{
    uint64_t put = 0, dropped = 0, delivered = 0;
    unsigned number = 1000, last = 0;

    seed = with_seed;
    for (unsigned step = 0; step < 600; step++) {
        char body[41];
        unsigned cause = dice(100);

        set_file_limit(dice(8) == 0 ? 10 : 0);
        if (cause < 45) {
            (void)snprintf(body, sizeof(body), "%u%.*s", number++,
                           (int)dice(36),
                           "abcdefghijklmnopqrstuvwxyzabcdefghij");
            given_put(body);
            put += strlen(body);
        } else if (cause < 47) {
            set_file_limit(0);
            given_close();
            for (unsigned i = 0; i < DROP_CAUSES; i++)
                dropped += figures_get(&given.figures.dropped[i]);
            delivered += figures_get(&given.figures.delivered);
            {
                struct outbox_limits limits = given_limits();

                given_open(&limits);
            }
            receiver.is_busy = false;
        } else if (!receiver.is_busy) {
            (void)given_tick(dice(3000));
            wall_ms += dice(200);
        } else if (cause < 60) {
            receiver_answer(503, "");
        } else if (cause < 63) {
            receiver_answer(429, "500");
        } else if (cause < 66) {
            receiver_answer(400, "");
        } else {
            unsigned now = 0;

            for (unsigned i = 0; i < 4; i++)
                now = now * 10 + (unsigned)(receiver.body.ptr[i] - '0');
            assert_true(now > last);
            last = now;
            receiver_answer(200, "");
        }
        assert_accounts(put, dropped, delivered);
    }
    set_file_limit(0);
}

static void whatever_comes_the_order_and_the_accounts_hold(void **state)
{
    for (uint64_t i = 1; i <= 40; i++) {
        (void)given_end(state);
        (void)given_with_spool(state);
        capture_begin(0);
        play(i * 7919);
        (void)capture_end();
        capture_drop();
    }
}

/* --- kill -9 -------------------------------------------------------------- */

/* Puts numbers, in an outage, until it is killed; tells by the pipe what it
 * has put. */
static void child_main(int told)
{
    struct outbox_limits limits = given_limits();

    limits.spool_bytes = 64 << 20;
    given_open(&limits);
    given_put("0");
    (void)given_tick(0);
    receiver_answer(503, "");
    for (unsigned i = 1;; i++) {
        char body[16];

        (void)snprintf(body, sizeof(body), "%u", i);
        given_put(body);
        if (write(told, &i, sizeof(i)) != (ssize_t)sizeof(i))
            _exit(1);
    }
}

static void wait_a_moment(unsigned us)
{
    struct timespec pause = {0, (long)us * 1000};

    (void)nanosleep(&pause, NULL);
}

/* What the child told is there, whole, in order and without a gap; one more
 * may be. */
static void assert_all_there(unsigned told)
{
    struct outbox_limits limits = given_limits();
    unsigned next = 0;

    limits.spool_bytes = 64 << 20;
    given_open(&limits);
    assert_figure(dropped[DROP_SPOOL_DISK], 0);
    for (; (void)given_tick(0), receiver.is_busy; next++) {
        uint64_t number;

        assert_true(str_to_u64(buf_str(&receiver.body), &number));
        assert_int_equal(number, next);
        receiver_answer(200, "");
    }
    assert_in_range(next, told + 1, told + 2);
    assert_int_equal(files(), 0);
    given_close();
}

static void a_killed_process_loses_nothing_of_an_outage(void **state)
{
    (void)state;
    given_close();
    for (unsigned round = 0; round < 20; round++) {
        unsigned last = 0, told;
        int ends[2];
        int status;
        pid_t child;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        if (child == 0) {
            close(ends[0]);
            log_setup(LOG_ERROR, LOG_LOGFMT);
            child_main(ends[1]);
        }
        assert_true(child > 0);
        close(ends[1]);
        wait_a_moment(500 + 700 * round);
        /* it has begun at least */
        assert_int_equal(read(ends[0], &told, sizeof(told)), sizeof(told));
        assert_int_equal(kill(child, SIGKILL), 0);
        do
            last = told;
        while (read(ends[0], &told, sizeof(told)) == (ssize_t)sizeof(told));
        assert_int_equal(waitpid(child, &status, 0), child);
        close(ends[0]);
        assert_all_there(last);
    }
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
        TEST(whatever_comes_the_order_and_the_accounts_hold),
        TEST(a_killed_process_loses_nothing_of_an_outage),
    };
    int failed;

    (void)signal(SIGXFSZ, SIG_IGN);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    capture_drop();
    return failed;
}
