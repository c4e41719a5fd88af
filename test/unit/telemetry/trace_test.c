/* telemetry/trace: W3C Trace Context. */
#include "telemetry/trace.h"

#include "../testing.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("0123456789abcdef", s.ptr[i]) == NULL)
            return false;
    return true;
}

static struct str begun(struct trace *trace, const char *incoming)
{
    struct str parent;

    trace_begin(trace, str_of(incoming));
    parent = str_of(trace->parent);
    assert_int_equal(parent.len, TRACE_PARENT_LEN);
    assert_true(str_starts(parent, STR("00-")));
    assert_int_equal(parent.ptr[35], '-');
    assert_int_equal(parent.ptr[52], '-');
    assert_true(is_hex(str_slice(parent, 3, 35)));
    assert_true(is_hex(str_slice(parent, 36, 52)));
    assert_true(is_hex(str_slice(parent, 53, 55)));
    return parent;
}

static void a_valid_trace_is_continued_with_a_span_of_ours(void **state)
{
    static const struct {
        const char *incoming;
        const char *flags;
    } cases[] = {
        {"00-" TRACE "-" SPAN "-01", "01"},
        {"00-" TRACE "-" SPAN "-00", "00"},
        {"00-" TRACE "-" SPAN "-ff", "ff"},
        {"cc-" TRACE "-" SPAN "-01", "01"},
        {"cc-" TRACE "-" SPAN "-01-more", "01"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trace trace;
        struct str parent = begun(&trace, cases[i].incoming);

        assert_str(trace_id(&trace), TRACE);
        assert_false(str_eq(str_slice(parent, 36, 52), STR(SPAN)));
        assert_str(str_slice(parent, 53, 55), cases[i].flags);
    }
}

static void anything_else_begins_a_new_one(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-01-more", /* not in version 00 */
        "00-" TRACE "-" SPAN "-011",
        "ff-" TRACE "-" SPAN "-01",
        "0g-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "-00f067aa0ba902bX-01",
        "00-" TRACE "-" SPAN "-0x",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "cc-" TRACE "-" SPAN "-01x",
        " 00-" TRACE "-" SPAN "-01",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct trace trace;
        struct trace again;

        (void)begun(&trace, bad[i]);
        (void)begun(&again, bad[i]);
        assert_false(str_eq(trace_id(&trace), STR(TRACE)));
        assert_false(str_eq(trace_id(&trace), trace_id(&again)));
    }
}

static void random_digits_do_not_repeat(void **state)
{
    enum { COUNT = 300, LEN = 32 };
    static char ids[COUNT][LEN];
    char odd[5] = "????";

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        trace_random_hex(ids[i], LEN);
        assert_true(is_hex((struct str){ids[i], LEN}));
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(ids[i], ids[k], LEN);
    }
    trace_random_hex(odd, 3);
    assert_true(is_hex((struct str){odd, 3}));
    assert_int_equal(odd[3], '?');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_trace_is_continued_with_a_span_of_ours),
        cmocka_unit_test(anything_else_begins_a_new_one),
        cmocka_unit_test(random_digits_do_not_repeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
