#include "spool_given.h"

struct given_spool given;

void given_open(size_t max_bytes)
{
    struct buf why;

    buf_init(&why, 1024);
    given.figures =
        (struct figures){.name = STR_INIT("otlp"), .items = STR_INIT("spans")};
    trouble_init(&given.trouble, &given.figures);
    given.spool = spool_open(str_of(given.dir), STR("t.pb"), max_bytes,
                             MAX_AGE_MS, &given.trouble, &why);
    assert_str(buf_str(&why), "");
    assert_non_null(given.spool);
}

void given_reopen(void)
{
    spool_close(given.spool);
    given_open(MAX_BYTES);
}

int given_begin(void **state)
{
    (void)state;
    wall_ms = WALL_BEGIN_MS;
    scratch_make(given.dir);
    given_open(MAX_BYTES);
    return 0;
}

int given_end(void **state)
{
    (void)state;
    if (given.spool != NULL)
        spool_close(given.spool);
    given.spool = NULL;
    scratch_remove(given.dir);
    return 0;
}

void given_put(uint64_t seq, const char *body)
{
    assert_true(
        spool_put(given.spool, seq, str_of(body), (unsigned)strlen(body)));
}

void assert_first_at(uint64_t seq, const char *body, const char *file, int line)
{
    struct spool_batch batch;

    if (!spool_first(given.spool, &batch)) {
        print_error("no batch\n");
        _fail(file, line);
    }
    assert_str_at(buf_str(&batch.body), body, file, line);
    assert_int_equal(batch.seq, seq);
    assert_int_equal(batch.items, strlen(body));
    buf_fini(&batch.body);
    spool_remove(given.spool, seq);
}

void assert_none(void)
{
    struct spool_batch batch;

    assert_false(spool_first(given.spool, &batch));
    assert_true(spool_is_empty(given.spool));
    assert_figure(spooled, 0);
    assert_figure(spooled_bytes, 0);
}

void assert_files(const char *ending, const char *expected)
{
    struct buf list;

    assert_str(scratch_list(given.dir, ending, &list), expected);
    buf_fini(&list);
}
