/* telemetry/spool: what comes from the disk, and a disk that is full. */
#include "spool_given.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../capture.h"
#include "telemetry/spool_disk.h"

/* --- what comes from the disk --------------------------------------------- */

/* Is read anew with that file in the place of its first. */
static void assert_damaged(struct str file)
{
    scratch_write(given.dir, "t.pb.0000000000000001", file);
    given_put(2, "whole");
    given_reopen();
    assert_first(2, "whole");
    assert_none();
    assert_true(figures_get(&given.figures.dropped[DROP_SPOOL_DISK]) > 0);
    assert_files(".bad", "t.pb.0000000000000001.bad\n");
}

static void a_file_cut_at_any_byte_is_set_aside(void **state)
{
    struct buf file;

    (void)state;
    given_put(1, "the body of a batch");
    scratch_read(given.dir, "t.pb.0000000000000001", &file);
    spool_remove(given.spool, 1);
    for (size_t len = 0; len < file.len; len++)
        assert_damaged(str_slice(buf_str(&file), 0, len));
    buf_put_char(&file, 'x');
    assert_damaged(buf_str(&file));
    buf_fini(&file);
}

static void a_file_with_any_bit_changed_is_set_aside(void **state)
{
    struct buf file;

    (void)state;
    given_put(1, "a body");
    scratch_read(given.dir, "t.pb.0000000000000001", &file);
    spool_remove(given.spool, 1);
    for (size_t bit = 0; bit < 8 * file.len; bit++) {
        file.ptr[bit / 8] ^= (char)(1 << bit % 8);
        assert_damaged(buf_str(&file));
        file.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
    buf_fini(&file);
}

static void a_body_that_goes_bad_counts_its_items(void **state)
{
    struct buf file;

    (void)state;
    given_put(1, "seven77");
    given_put(2, "two");
    scratch_read(given.dir, "t.pb.0000000000000001", &file);
    file.ptr[SPOOL_HEAD_SIZE] ^= 1;
    scratch_write(given.dir, "t.pb.0000000000000001", buf_str(&file));
    buf_fini(&file);
    assert_first(2, "two");
    assert_figure(dropped[DROP_SPOOL_DISK], 7);
    assert_none();
}

static void a_file_that_somebody_removed_is_counted(void **state)
{
    char path[128];

    (void)state;
    given_put(1, "one");
    given_put(2, "two");
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000001", given.dir);
    assert_int_equal(unlink(path), 0);
    assert_first(2, "two");
    assert_figure(dropped[DROP_SPOOL_DISK], 3);
    assert_none();
}

/* An empty folder, a pipe that nobody writes to, a link to a whole file. */
static void what_is_no_file_is_set_aside(void **state)
{
    char path[128];

    (void)state;
    given_put(4, "four");
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000001", given.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000002", given.dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000003", given.dir);
    assert_int_equal(symlink("t.pb.0000000000000004", path), 0);
    given_reopen();
    assert_figure(dropped[DROP_SPOOL_DISK], 3);
    assert_first(4, "four");
    assert_none();
    assert_int_equal(scratch_count(given.dir, ".bad"), 3);
}

/* Not ours are other kinds, names that we never give, and their batches. */
static void what_is_not_ours_stays_as_it_is(void **state)
{
    static const char *const names[] = {
        "README",
        "t.pb",
        "t.pb.",
        "t.pb.1",
        "t.pb.0000000000000000",
        "t.pb.ffffffffffffffff",
        "t.pb.000000000000000G",
        "t.pb.0000000000000001.old",
        "t.pb.00000000000000001",
        "t.0000000000000001",
        "t.pb2.0000000000000001",
        "xt.pb.0000000000000001",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        scratch_write(given.dir, names[i], STR("mine"));
    given_reopen();
    assert_none();
    assert_figure(dropped[DROP_SPOOL_DISK], 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buf file;

        scratch_read(given.dir, names[i], &file);
        assert_str(buf_str(&file), "mine");
        buf_fini(&file);
    }
}

static void a_file_of_another_kind_under_our_name_is_set_aside(void **state)
{
    char head[SPOOL_HEAD_SIZE + 3];
    struct spool_head other = {.items = 3, .created_ms = WALL_BEGIN_MS};

    (void)state;
    spool_write_head(head, STR("t.json"), &other, STR("one"));
    memcpy(head + SPOOL_HEAD_SIZE, "one", 3);
    assert_damaged((struct str){head, sizeof(head)});
}

static void what_was_half_written_is_removed(void **state)
{
    (void)state;
    scratch_write(given.dir, "t.pb.0000000000000009.tmp", STR("weirspl"));
    given_reopen();
    assert_none();
    assert_files("", "t.pb.lock\n");
    assert_figure(dropped[DROP_SPOOL_DISK], 0);
}

static void only_a_few_damaged_files_are_kept(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "t.pb.%016x", i);
        scratch_write(given.dir, name, STR("garbage"));
    }
    given_reopen();
    assert_none();
    assert_figure(dropped[DROP_SPOOL_DISK], 20);
    assert_int_equal(scratch_count(given.dir, ".bad"), SPOOL_BAD_MAX);
    assert_int_equal(scratch_count(given.dir, ""), SPOOL_BAD_MAX + 1);
    scratch_write(given.dir, "t.pb.0000000000000077", STR("garbage"));
    given_reopen();
    assert_int_equal(scratch_count(given.dir, ""), SPOOL_BAD_MAX + 1);
    /* a new batch has the name of none of them */
    assert_int_equal(spool_next_seq(given.spool), 0x78);
}

/* --- a disk that is full -------------------------------------------------- */

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_disk_that_is_full_changes_nothing(void **state)
{
    struct str said;
    bool was_put[3];

    (void)state;
    given_put(1, "one");
    capture_begin(0);
    set_file_limit(80);
    was_put[0] = spool_put(given.spool, 2, STR("a body beyond 80 bytes"), 9);
    was_put[1] =
        spool_put(given.spool, 1, STR("another one beyond 80 bytes"), 9);
    was_put[2] = spool_put(given.spool, 3, STR("and a third"), 9);
    set_file_limit(0);
    said = capture_end();
    assert_false(was_put[0]);
    assert_false(was_put[1]);
    assert_false(was_put[2]);
    assert_has(said, "the spool has trouble");
    assert_has(said, "cannot write a file of t.pb: ");
    {
        size_t at;

        assert_true(str_find(said, STR("has trouble"), &at));
        assert_lacks(str_slice(said, at + 1, said.len), "has trouble");
    }
    assert_figure(spooled, 3);
    assert_figure(dropped[DROP_SPOOL_DISK], 0);
    assert_files("", "t.pb.0000000000000001\nt.pb.lock\n");
    given_put(2, "two");
    assert_first(1, "one");
    assert_first(2, "two");
}

#define TEST(name)                                \
    {                                             \
#name, name, given_begin, given_end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_cut_at_any_byte_is_set_aside),
        TEST(a_file_with_any_bit_changed_is_set_aside),
        TEST(a_body_that_goes_bad_counts_its_items),
        TEST(a_file_that_somebody_removed_is_counted),
        TEST(what_is_no_file_is_set_aside),
        TEST(what_is_not_ours_stays_as_it_is),
        TEST(a_file_of_another_kind_under_our_name_is_set_aside),
        TEST(what_was_half_written_is_removed),
        TEST(only_a_few_damaged_files_are_kept),
        TEST(a_disk_that_is_full_changes_nothing),
    };
    int failed;

    (void)signal(SIGXFSZ, SIG_IGN);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    capture_drop();
    return failed;
}
