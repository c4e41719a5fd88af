/* telemetry/spool: order, bounds, age, and who may use it. */
#include "spool_given.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned mode_of(const char *name)
{
    char path[128];
    struct stat status;

    (void)snprintf(path, sizeof(path), "%s/%s", given.dir, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

/* --- what is kept --------------------------------------------------------- */

static void what_is_put_comes_back_in_order(void **state)
{
    (void)state;
    given_put(3, "three");
    given_put(5, "fifth");
    given_put(4, "4");
    given_put(1, "one");
    assert_figure(spooled, 14);
    assert_figure(spooled_bytes, 4 * SPOOL_BLOCK);
    assert_int_equal(spool_next_seq(given.spool), 6);
    assert_first(1, "one");
    assert_first(3, "three");
    given_put(2, "2"); /* what was the first comes back */
    assert_first(2, "2");
    assert_first(4, "4");
    assert_first(5, "fifth");
    assert_none();
    assert_files("", "t.pb.lock\n");
}

static void it_is_all_there_after_a_restart(void **state)
{
    (void)state;
    given_put(1, "one");
    given_put(2, "two");
    given_put(0x1f, "three");
    assert_files("", "t.pb.0000000000000001\nt.pb.0000000000000002\n"
                     "t.pb.000000000000001f\nt.pb.lock\n");
    given_reopen();
    assert_figure(spooled, 11);
    assert_int_equal(spool_next_seq(given.spool), 0x20);
    assert_first(1, "one");
    given_reopen();
    assert_first(2, "two");
    assert_first(0x1f, "three");
    assert_none();
}

static void nobody_else_may_read_it(void **state)
{
    (void)state;
    given_put(1, "one");
    assert_int_equal(mode_of("t.pb.0000000000000001"), 0600);
    assert_int_equal(mode_of("t.pb.lock"), 0600);
    spool_close(given.spool);
    given.spool = NULL;
    scratch_remove(given.dir);
    given_open(MAX_BYTES); /* which makes the folder */
    assert_int_equal(mode_of("."), 0700);
}

static void a_batch_is_written_anew_in_its_place(void **state)
{
    (void)state;
    given_put(1, "abcdef");
    given_put(2, "two");
    wall_ms += 600;
    given_put(1, "ab");
    assert_figure(spooled, 5);
    assert_figure(spooled_bytes, 2 * SPOOL_BLOCK);
    given_reopen();
    assert_figure(spooled, 5);
    /* and is as old as it was */
    wall_ms += 500;
    assert_none();
    assert_figure(dropped[DROP_SPOOL_AGE], 5);
}

static void the_head_is_as_it_is_described(void **state)
{
    static const char expected[SPOOL_HEAD_SIZE + 3 + 1] =
        "weirspl\n"
        "\1\0\0\0"
        "\3\0\0\0"
        "\x40\x42\x0f\0\0\0\0\0"
        "\3\0\0\0\0\0\0\0"
        "\xf1\x86\x6c\x7a" /* CRC-32 of "one" */
        "t.pb\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    struct buf file;

    (void)state;
    given_put(1, "one");
    scratch_read(given.dir, "t.pb.0000000000000001", &file);
    assert_int_equal(file.len, SPOOL_HEAD_SIZE + 3);
    assert_memory_equal(file.ptr, expected, SPOOL_HEAD_SIZE - 4);
    assert_memory_equal(file.ptr + SPOOL_HEAD_SIZE, "one", 3);
    buf_fini(&file);
}

static void many_files_are_sorted(void **state)
{
    uint64_t seq = 1;

    (void)state;
    spool_close(given.spool);
    given_open(1000 * SPOOL_BLOCK);
    /* 257 is a prime: each number once, in no order */
    for (unsigned i = 0; i < 256; i++) {
        seq = seq * 3 % 257;
        given_put(seq, "x");
    }
    spool_close(given.spool);
    given_open(1000 * SPOOL_BLOCK);
    for (seq = 1; seq <= 256; seq++)
        assert_first(seq, "x");
    assert_none();
}

/* --- bounds --------------------------------------------------------------- */

static void when_it_is_full_the_oldest_go(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 7; seq++)
        given_put(seq, "four");
    assert_figure(spooled, 5 * 4);
    assert_figure(spooled_bytes, MAX_BYTES);
    assert_figure(dropped[DROP_SPOOL_FULL], 2 * 4);
    assert_int_equal(scratch_count(given.dir, ""), 5 + 1);
    assert_first(3, "four");
}

static void what_is_being_sent_does_not_go(void **state)
{
    struct spool_batch batch;

    (void)state;
    given_put(1, "one");
    assert_true(spool_first(given.spool, &batch));
    buf_fini(&batch.body);
    for (uint64_t seq = 2; seq <= 7; seq++)
        given_put(seq, "x");
    assert_figure(dropped[DROP_SPOOL_FULL], 2);
    wall_ms += MAX_AGE_MS + 1;
    assert_true(spool_age(given.spool));
    assert_first(1, "one");
    assert_none();
    assert_figure(dropped[DROP_SPOOL_AGE], 4);
}

static void what_never_fits_is_known(void **state)
{
    (void)state;
    assert_true(spool_fits(given.spool, MAX_BYTES - SPOOL_HEAD_SIZE));
    assert_false(spool_fits(given.spool, MAX_BYTES - SPOOL_HEAD_SIZE + 1));
}

static void a_smaller_spool_keeps_the_newest(void **state)
{
    static char large[2 * SPOOL_BLOCK];

    (void)state;
    given_put(1, "one");
    memset(large, 'x', sizeof(large) - 1);
    given_put(2, large);
    given_put(3, "three");
    spool_close(given.spool);
    given_open(SPOOL_BLOCK);
    assert_first(3, "three");
    assert_none();
    assert_figure(dropped[DROP_SPOOL_FULL], 3 + sizeof(large) - 1);
    assert_files("", "t.pb.lock\n");
}

static void what_is_too_old_goes(void **state)
{
    (void)state;
    given_put(1, "one");
    wall_ms += MAX_AGE_MS;
    given_put(2, "two");
    assert_false(spool_age(given.spool));
    assert_figure(spooled, 6);
    wall_ms += 1;
    assert_false(spool_age(given.spool));
    assert_figure(spooled, 3);
    assert_figure(dropped[DROP_SPOOL_AGE], 3);
    assert_first(2, "two");
    given_put(3, "three");
    spool_close(given.spool);
    wall_ms += MAX_AGE_MS + 1;
    given_open(MAX_BYTES);
    assert_none();
    assert_figure(dropped[DROP_SPOOL_AGE], 5);
    assert_files("", "t.pb.lock\n");
}

static void a_clock_that_is_set_back_makes_nothing_old(void **state)
{
    (void)state;
    given_put(1, "one");
    wall_ms -= 100 * MAX_AGE_MS;
    given_reopen();
    assert_first(1, "one");
}

/* What a file says of its age may be anything. */
static void a_time_before_all_times_is_old(void **state)
{
    struct spool_head head = {.items = 3, .created_ms = INT64_MIN};
    char file[SPOOL_HEAD_SIZE + 3];

    (void)state;
    spool_write_head(file, STR("t.pb"), &head, STR("one"));
    memcpy(file + SPOOL_HEAD_SIZE, "one", 3);
    scratch_write(given.dir, "t.pb.0000000000000001",
                  (struct str){file, sizeof(file)});
    given_reopen();
    assert_none();
    assert_figure(dropped[DROP_SPOOL_AGE], 3);
}

/* --- who may use it ------------------------------------------------------- */

static void assert_refused(const char *path, const char *why_not)
{
    struct buf why;

    buf_init(&why, 1024);
    assert_null(spool_open(str_of(path), STR("t.pb"), MAX_BYTES, MAX_AGE_MS,
                           &given.trouble, &why));
    assert_has(buf_str(&why), why_not);
    assert_has(buf_str(&why), path);
    buf_fini(&why);
}

static void a_folder_is_one_processes(void **state)
{
    struct buf why;
    struct spool *other;

    (void)state;
    assert_refused(given.dir, "is in use by another process");
    buf_init(&why, 1024);
    other = spool_open(str_of(given.dir), STR("t.json"), MAX_BYTES, MAX_AGE_MS,
                       &given.trouble, &why);
    assert_non_null(other); /* another kind may be another's */
    spool_close(other);
    given_put(1, "one");
    spool_close(given.spool);
    given_open(MAX_BYTES);
    assert_first(1, "one");
}

static void the_lock_of_a_dead_process_does_not_hold(void **state)
{
    int status;
    pid_t child;

    (void)state;
    spool_close(given.spool);
    given.spool = NULL;
    child = fork();
    if (child == 0) {
        struct buf why;

        buf_init(&why, 1024);
        given.spool = spool_open(str_of(given.dir), STR("t.pb"), MAX_BYTES,
                                 MAX_AGE_MS, &given.trouble, &why);
        if (given.spool == NULL || !spool_put(given.spool, 1, STR("one"), 3))
            _exit(1);
        (void)raise(SIGKILL);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    given_open(MAX_BYTES);
    assert_first(1, "one");
}

static void a_folder_that_cannot_be_used_is_named(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/no/where", given.dir);
    assert_refused(path, "cannot be made: No such file or directory");
    scratch_write(given.dir, "file", STR("x"));
    (void)snprintf(path, sizeof(path), "%s/file", given.dir);
    assert_refused(path, "cannot be opened: Not a directory");
}

#define TEST(name)                                \
    {                                             \
#name, name, given_begin, given_end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_comes_back_in_order),
        TEST(it_is_all_there_after_a_restart),
        TEST(nobody_else_may_read_it),
        TEST(a_batch_is_written_anew_in_its_place),
        TEST(the_head_is_as_it_is_described),
        TEST(many_files_are_sorted),
        TEST(when_it_is_full_the_oldest_go),
        TEST(what_is_being_sent_does_not_go),
        TEST(what_never_fits_is_known),
        TEST(a_smaller_spool_keeps_the_newest),
        TEST(what_is_too_old_goes),
        TEST(a_clock_that_is_set_back_makes_nothing_old),
        TEST(a_time_before_all_times_is_old),
        TEST(a_folder_is_one_processes),
        TEST(the_lock_of_a_dead_process_does_not_hold),
        TEST(a_folder_that_cannot_be_used_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
