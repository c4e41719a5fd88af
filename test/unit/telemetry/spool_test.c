/* telemetry/spool: order, bounds, age, what comes from the disk. */
#include "telemetry/spool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../capture.h"
#include "../scratch.h"
#include "../testing.h"
#include "telemetry/spool_disk.h"
#include "wall.h"

enum { MAX_BYTES = 5 * SPOOL_BLOCK, MAX_AGE_MS = 1000 };

static char dir[64];
static struct figures figures;
static struct trouble trouble;
static struct spool *spool;

static void open_spool(void)
{
    struct buf why;

    buf_init(&why, 1024);
    figures =
        (struct figures){.name = STR_INIT("otlp"), .items = STR_INIT("spans")};
    trouble_init(&trouble, &figures);
    spool = spool_open(str_of(dir), STR("t.pb"), MAX_BYTES, MAX_AGE_MS,
                       &trouble, &why);
    assert_str(buf_str(&why), "");
    assert_non_null(spool);
}

static void reopen_spool(void)
{
    spool_close(spool);
    open_spool();
}

static int begin(void **state)
{
    (void)state;
    wall_ms = WALL_BEGIN_MS;
    scratch_make(dir);
    open_spool();
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (spool != NULL)
        spool_close(spool);
    spool = NULL;
    scratch_remove(dir);
    return 0;
}

static void put(uint64_t seq, const char *body)
{
    assert_true(spool_put(spool, seq, str_of(body), (unsigned)strlen(body)));
}

#define assert_figure(name, n) assert_int_equal(figures_get(&figures.name), (n))

/* The oldest is that one; it is removed. */
#define assert_first(seq, body) assert_first_at((seq), (body), __LINE__)

static void assert_first_at(uint64_t seq, const char *body, int line)
{
    struct spool_batch batch;

    if (!spool_first(spool, &batch)) {
        print_error("no batch at line %d\n", line);
        fail();
    }
    assert_int_equal(batch.seq, seq);
    assert_str_at(buf_str(&batch.body), body, __FILE__, line);
    assert_int_equal(batch.items, strlen(body));
    buf_fini(&batch.body);
    spool_remove(spool, seq);
}

static void assert_none(void)
{
    struct spool_batch batch;

    assert_false(spool_first(spool, &batch));
    assert_true(spool_is_empty(spool));
    assert_figure(spooled, 0);
    assert_figure(spooled_bytes, 0);
}

static void assert_files(const char *ending, const char *expected)
{
    struct buf list;

    assert_str(scratch_list(dir, ending, &list), expected);
    buf_fini(&list);
}

static unsigned mode_of(const char *name)
{
    char path[128];
    struct stat status;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

/* --- what is kept --------------------------------------------------------- */

static void what_is_put_comes_back_in_order(void **state)
{
    (void)state;
    put(3, "three");
    put(5, "fifth");
    put(4, "4");
    put(1, "one");
    assert_figure(spooled, 14);
    assert_figure(spooled_bytes, 4 * SPOOL_BLOCK);
    assert_int_equal(spool_next_seq(spool), 6);
    assert_first(1, "one");
    assert_first(3, "three");
    put(2, "2"); /* what was the first comes back */
    assert_first(2, "2");
    assert_first(4, "4");
    assert_first(5, "fifth");
    assert_none();
    assert_files("", "t.pb.lock\n");
}

static void it_is_all_there_after_a_restart(void **state)
{
    (void)state;
    put(1, "one");
    put(2, "two");
    put(0x1f, "three");
    assert_files("", "t.pb.0000000000000001\nt.pb.0000000000000002\n"
                     "t.pb.000000000000001f\nt.pb.lock\n");
    reopen_spool();
    assert_figure(spooled, 11);
    assert_int_equal(spool_next_seq(spool), 0x20);
    assert_first(1, "one");
    reopen_spool();
    assert_first(2, "two");
    assert_first(0x1f, "three");
    assert_none();
}

static void nobody_else_may_read_it(void **state)
{
    (void)state;
    put(1, "one");
    assert_int_equal(mode_of("t.pb.0000000000000001"), 0600);
    assert_int_equal(mode_of("t.pb.lock"), 0600);
    spool_close(spool);
    spool = NULL;
    scratch_remove(dir);
    open_spool(); /* which makes the folder */
    assert_int_equal(mode_of("."), 0700);
}

static void a_batch_is_written_anew_in_its_place(void **state)
{
    (void)state;
    put(1, "abcdef");
    put(2, "two");
    wall_ms += 600;
    put(1, "ab");
    assert_figure(spooled, 5);
    assert_figure(spooled_bytes, 2 * SPOOL_BLOCK);
    reopen_spool();
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
    put(1, "one");
    scratch_read(dir, "t.pb.0000000000000001", &file);
    assert_int_equal(file.len, SPOOL_HEAD_SIZE + 3);
    assert_memory_equal(file.ptr, expected, SPOOL_HEAD_SIZE - 4);
    assert_memory_equal(file.ptr + SPOOL_HEAD_SIZE, "one", 3);
    buf_fini(&file);
}

static void many_files_are_sorted(void **state)
{
    uint64_t seq = 1;

    (void)state;
    spool_close(spool);
    {
        struct buf why;

        buf_init(&why, 1024);
        spool = spool_open(str_of(dir), STR("t.pb"), 1000 * SPOOL_BLOCK,
                           MAX_AGE_MS, &trouble, &why);
        /* 257 is a prime: each number once, in no order */
        for (unsigned i = 0; i < 256; i++) {
            seq = seq * 3 % 257;
            put(seq, "x");
        }
        spool_close(spool);
        spool = spool_open(str_of(dir), STR("t.pb"), 1000 * SPOOL_BLOCK,
                           MAX_AGE_MS, &trouble, &why);
        assert_non_null(spool);
    }
    for (seq = 1; seq <= 256; seq++)
        assert_first(seq, "x");
    assert_true(spool_is_empty(spool));
}

/* --- bounds --------------------------------------------------------------- */

static void when_it_is_full_the_oldest_go(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 7; seq++)
        put(seq, "four");
    assert_figure(spooled, 5 * 4);
    assert_figure(spooled_bytes, MAX_BYTES);
    assert_figure(dropped[DROP_SPOOL_FULL], 2 * 4);
    assert_int_equal(scratch_count(dir, ""), 5 + 1);
    assert_first(3, "four");
}

static void what_is_being_sent_does_not_go(void **state)
{
    struct spool_batch batch;

    (void)state;
    put(1, "one");
    assert_true(spool_first(spool, &batch));
    buf_fini(&batch.body);
    for (uint64_t seq = 2; seq <= 7; seq++)
        put(seq, "x");
    assert_figure(dropped[DROP_SPOOL_FULL], 2);
    wall_ms += MAX_AGE_MS + 1;
    assert_true(spool_age(spool));
    assert_first(1, "one");
    assert_none();
    assert_figure(dropped[DROP_SPOOL_AGE], 4);
}

static void what_never_fits_is_known(void **state)
{
    (void)state;
    assert_true(spool_fits(spool, MAX_BYTES - SPOOL_HEAD_SIZE));
    assert_false(spool_fits(spool, MAX_BYTES - SPOOL_HEAD_SIZE + 1));
}

static void a_smaller_spool_keeps_the_newest(void **state)
{
    struct buf why;
    static char large[3 * SPOOL_BLOCK];

    (void)state;
    buf_init(&why, 1024);
    put(1, "one");
    memset(large, 'x', sizeof(large) - 1);
    put(2, large);
    put(3, "three");
    spool_close(spool);
    spool = spool_open(str_of(dir), STR("t.pb"), SPOOL_BLOCK, MAX_AGE_MS,
                       &trouble, &why);
    assert_non_null(spool);
    assert_first(3, "three");
    assert_true(spool_is_empty(spool));
    assert_figure(dropped[DROP_SPOOL_FULL], 3 + sizeof(large) - 1);
    assert_files("", "t.pb.lock\n");
}

static void what_is_too_old_goes(void **state)
{
    (void)state;
    put(1, "one");
    wall_ms += MAX_AGE_MS;
    put(2, "two");
    assert_false(spool_age(spool));
    assert_figure(spooled, 6);
    wall_ms += 1;
    assert_false(spool_age(spool));
    assert_figure(spooled, 3);
    assert_figure(dropped[DROP_SPOOL_AGE], 3);
    assert_first(2, "two");
    put(3, "three");
    spool_close(spool);
    wall_ms += MAX_AGE_MS + 1;
    open_spool();
    assert_none();
    assert_figure(dropped[DROP_SPOOL_AGE], 5);
    assert_files("", "t.pb.lock\n");
}

static void a_clock_that_is_set_back_makes_nothing_old(void **state)
{
    (void)state;
    put(1, "one");
    wall_ms -= 100 * MAX_AGE_MS;
    reopen_spool();
    assert_first(1, "one");
}

/* --- what comes from the disk --------------------------------------------- */

/* Is read anew with that file in the place of its first. */
static void assert_damaged(struct str file)
{
    scratch_write(dir, "t.pb.0000000000000001", file);
    put(2, "whole");
    reopen_spool();
    assert_first(2, "whole");
    assert_none();
    assert_true(figures_get(&figures.dropped[DROP_SPOOL_DISK]) > 0);
    assert_files(".bad", "t.pb.0000000000000001.bad\n");
}

static void a_file_cut_at_any_byte_is_set_aside(void **state)
{
    struct buf file;

    (void)state;
    put(1, "the body of a batch");
    scratch_read(dir, "t.pb.0000000000000001", &file);
    spool_remove(spool, 1);
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
    put(1, "a body");
    scratch_read(dir, "t.pb.0000000000000001", &file);
    spool_remove(spool, 1);
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
    put(1, "seven77");
    put(2, "two");
    scratch_read(dir, "t.pb.0000000000000001", &file);
    file.ptr[SPOOL_HEAD_SIZE] ^= 1;
    scratch_write(dir, "t.pb.0000000000000001", buf_str(&file));
    buf_fini(&file);
    assert_first(2, "two");
    assert_figure(dropped[DROP_SPOOL_DISK], 7);
    assert_none();
}

static void a_file_that_somebody_removed_is_counted(void **state)
{
    char path[128];

    (void)state;
    put(1, "one");
    put(2, "two");
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000001", dir);
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
    put(4, "four");
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000001", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000002", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof(path), "%s/t.pb.0000000000000003", dir);
    assert_int_equal(symlink("t.pb.0000000000000004", path), 0);
    reopen_spool();
    assert_figure(dropped[DROP_SPOOL_DISK], 3);
    assert_first(4, "four");
    assert_none();
    assert_int_equal(scratch_count(dir, ".bad"), 3);
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
        scratch_write(dir, names[i], STR("mine"));
    reopen_spool();
    assert_none();
    assert_figure(dropped[DROP_SPOOL_DISK], 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buf file;

        scratch_read(dir, names[i], &file);
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
    scratch_write(dir, "t.pb.0000000000000009.tmp", STR("weirspl"));
    reopen_spool();
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
        scratch_write(dir, name, STR("garbage"));
    }
    reopen_spool();
    assert_none();
    assert_figure(dropped[DROP_SPOOL_DISK], 20);
    assert_int_equal(scratch_count(dir, ".bad"), SPOOL_BAD_MAX);
    assert_int_equal(scratch_count(dir, ""), SPOOL_BAD_MAX + 1);
    scratch_write(dir, "t.pb.0000000000000077", STR("garbage"));
    reopen_spool();
    assert_int_equal(scratch_count(dir, ""), SPOOL_BAD_MAX + 1);
    /* a new batch has the name of none of them */
    assert_int_equal(spool_next_seq(spool), 0x78);
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
    put(1, "one");
    capture_begin(0);
    set_file_limit(80);
    was_put[0] = spool_put(spool, 2, STR("a body beyond 80 bytes"), 9);
    was_put[1] = spool_put(spool, 1, STR("another one beyond 80 bytes"), 9);
    was_put[2] = spool_put(spool, 3, STR("and a third"), 9);
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
    put(2, "two");
    assert_first(1, "one");
    assert_first(2, "two");
}

/* --- who may use it ------------------------------------------------------- */

static void assert_refused(const char *path, const char *why_not)
{
    struct buf why;

    buf_init(&why, 1024);
    assert_null(spool_open(str_of(path), STR("t.pb"), MAX_BYTES, MAX_AGE_MS,
                           &trouble, &why));
    assert_has(buf_str(&why), why_not);
    assert_has(buf_str(&why), path);
    buf_fini(&why);
}

static void a_folder_is_one_processes(void **state)
{
    struct buf why;
    struct spool *other;

    (void)state;
    assert_refused(dir, "is in use by another process");
    buf_init(&why, 1024);
    other = spool_open(str_of(dir), STR("t.json"), MAX_BYTES, MAX_AGE_MS,
                       &trouble, &why);
    assert_non_null(other); /* another kind may be another's */
    spool_close(other);
    put(1, "one");
    spool_close(spool);
    open_spool();
    assert_first(1, "one");
}

static void the_lock_of_a_dead_process_does_not_hold(void **state)
{
    int status;
    pid_t child;

    (void)state;
    spool_close(spool);
    spool = NULL;
    child = fork();
    if (child == 0) {
        struct buf why;

        buf_init(&why, 1024);
        spool = spool_open(str_of(dir), STR("t.pb"), MAX_BYTES, MAX_AGE_MS,
                           &trouble, &why);
        if (spool == NULL || !spool_put(spool, 1, STR("one"), 3))
            _exit(1);
        (void)raise(SIGKILL);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    open_spool();
    assert_first(1, "one");
}

static void a_folder_that_cannot_be_used_is_named(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/no/where", dir);
    assert_refused(path, "cannot be made: No such file or directory");
    scratch_write(dir, "file", STR("x"));
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    assert_refused(path, "cannot be opened: Not a directory");
}

#define TEST(name)                    \
    {                                 \
#name, name, begin, end, NULL \
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
        TEST(a_folder_is_one_processes),
        TEST(the_lock_of_a_dead_process_does_not_hold),
        TEST(a_folder_that_cannot_be_used_is_named),
    };
    int failed;

    (void)signal(SIGXFSZ, SIG_IGN);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    capture_drop();
    return failed;
}
