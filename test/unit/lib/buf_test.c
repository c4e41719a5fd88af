/* lib/buf: growing bytes with a ceiling. */
#include "buf.h"

#include "../testing.h"

static void bytes_are_appended_in_order(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_null(buf.ptr);
    buf_put(&buf, STR("ab"));
    buf_put(&buf, (struct str){NULL, 0});
    buf_put_char(&buf, 'c');
    buf_printf(&buf, "%d%s", 7, "x");
    assert_str(buf_str(&buf), "abc7x");
    assert_false(buf_failed(&buf));
    buf_fini(&buf);
    assert_null(buf.ptr);
}

static void numbers_are_written_up_to_their_ends(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    buf_put_u64(&buf, 0);
    buf_put_char(&buf, ' ');
    buf_put_u64(&buf, UINT64_MAX);
    buf_put_char(&buf, ' ');
    buf_put_i64(&buf, INT64_MIN);
    buf_put_char(&buf, ' ');
    buf_put_i64(&buf, INT64_MAX);
    buf_put_char(&buf, ' ');
    buf_put_i64(&buf, -1);
    assert_str(buf_str(&buf), "0 18446744073709551615 -9223372036854775808 "
                              "9223372036854775807 -1");
    buf_fini(&buf);
}

static void it_grows_to_its_ceiling_and_not_beyond(void **state)
{
    enum { CEILING = 1000 };
    struct buf buf;

    (void)state;
    buf_init(&buf, CEILING);
    for (unsigned i = 0; i < CEILING; i++)
        buf_put_char(&buf, (char)('a' + i % 26));
    assert_int_equal(buf.len, CEILING);
    assert_true(buf.cap <= CEILING);
    assert_false(buf_failed(&buf));
    for (unsigned i = 0; i < CEILING; i++)
        assert_int_equal(buf.ptr[i], 'a' + i % 26);
    buf_put_char(&buf, '!');
    assert_true(buf_failed(&buf));
    assert_int_equal(buf.len, CEILING);
    buf_fini(&buf);
}

static void what_does_not_fit_is_dropped_and_all_after_it(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 300);
    buf_put(&buf, STR("front"));
    assert_false(buf_reserve(&buf, 296));
    assert_true(buf_failed(&buf));
    buf_put(&buf, STR("x"));
    buf_put_char(&buf, 'y');
    buf_printf(&buf, "z");
    assert_str(buf_str(&buf), "front");
    buf_clear(&buf);
    assert_false(buf_failed(&buf));
    buf_put(&buf, STR("again"));
    assert_str(buf_str(&buf), "again");
    buf_fini(&buf);
}

static void an_impossible_size_is_refused_and_not_wrapped(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, SIZE_MAX / 2);
    buf_put_char(&buf, 'a');
    assert_false(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf_failed(&buf));
    buf_fini(&buf);
    buf_init(&buf, 0);
    buf_put_char(&buf, 'a');
    assert_true(buf_failed(&buf));
    assert_null(buf.ptr);
    buf_fini(&buf);
}

static void clearing_keeps_the_memory(void **state)
{
    struct buf buf;
    const char *before;

    (void)state;
    buf_init(&buf, 4096);
    buf_put(&buf, STR("some bytes"));
    before = buf.ptr;
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    buf_put(&buf, STR("others"));
    assert_ptr_equal(buf.ptr, before);
    buf_fini(&buf);
    assert_int_equal(buf.max, 4096); /* to be used again */
    buf_put(&buf, STR("more"));
    assert_str(buf_str(&buf), "more");
    buf_fini(&buf);
}

static void consuming_takes_the_front_away(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 4096);
    buf_put(&buf, STR("0123456789"));
    buf_consume(&buf, 0);
    assert_str(buf_str(&buf), "0123456789");
    buf_consume(&buf, 4);
    assert_str(buf_str(&buf), "456789");
    buf_consume(&buf, 6);
    assert_int_equal(buf.len, 0);
    buf_fini(&buf);
}

static void a_long_printed_text_grows_the_buffer(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10000);
    buf_printf(&buf, "%05000d", 1);
    assert_int_equal(buf.len, 5000);
    assert_int_equal(buf.ptr[4999], '1');
    assert_int_equal(buf.ptr[0], '0');
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_appended_in_order),
        cmocka_unit_test(numbers_are_written_up_to_their_ends),
        cmocka_unit_test(it_grows_to_its_ceiling_and_not_beyond),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_all_after_it),
        cmocka_unit_test(an_impossible_size_is_refused_and_not_wrapped),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(consuming_takes_the_front_away),
        cmocka_unit_test(a_long_printed_text_grows_the_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
