/* telemetry/langfuse_text: text, dates and money as Langfuse reads them. */
#include "telemetry/langfuse_text.h"

#include <stdio.h>

#include "../testing.h"
#include "clock.h"

static struct buf out;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 16);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static void text_is_escaped_and_always_utf8(void **state)
{
    (void)state;
    langfuse_put_text(&out, STR("a\"b\\c\n\x01\xc3\xa9"));
    assert_str(buf_str(&out), "a\\\"b\\\\c\\n\\u0001\xc3\xa9");
    buf_clear(&out);
    langfuse_put_text(&out, STR("\xff"
                                "a\"\xc3\xa9\xc3 \xe2\x82"));
    assert_str(buf_str(&out), "?a\\\"\xc3\xa9? ??");
}

static void in_a_string_all_is_escaped_once_more(void **state)
{
    (void)state;
    langfuse_put_text_at(&out, STR("plain"), LANGFUSE_IN_STRING);
    assert_str(buf_str(&out), "plain");
    buf_clear(&out);
    langfuse_put_text_at(&out, STR("a\"b\\\n\xff\xc3\xa9 12345678"),
                         LANGFUSE_IN_STRING);
    assert_str(buf_str(&out), "a\\\\\\\"b\\\\\\\\\\\\n?\xc3\xa9 12345678");
    buf_clear(&out);
    langfuse_put_text_at(&out, STR("\""), LANGFUSE_PLAIN);
    langfuse_put_quote(&out, LANGFUSE_PLAIN);
    langfuse_put_quote(&out, LANGFUSE_IN_STRING);
    assert_str(buf_str(&out), "\\\"\"\\\"");
}

/* Eight bytes are looked at together: each place in them, and behind them. */
static void an_odd_byte_is_found_wherever_it_stands(void **state)
{
    static const struct {
        char odd;
        const char *escaped;
    } cases[] = {{'"', "\\\""},    {'\\', "\\\\"}, {'\t', "\\t"},
                 {'\x7f', "\x7f"}, {'\x80', "?"},  {'\xff', "?"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t at = 0; at < 19; at++) {
            char text[] = "abcdefghijklmnopqrs";
            char expected[32];

            (void)snprintf(expected, sizeof(expected), "%.*s%s%s", (int)at,
                           text, cases[i].escaped, text + at + 1);
            text[at] = cases[i].odd;
            buf_clear(&out);
            langfuse_put_text(&out, str_of(text));
            assert_str(buf_str(&out), expected);
        }
    }
}

static void dates_are_those_of_the_calendar(void **state)
{
    (void)state;
    langfuse_put_date(&out, 0);
    assert_str(buf_str(&out), "1970-01-01T00:00:00.000Z");
    buf_clear(&out);
    langfuse_put_date(&out, 1795654925500999999);
    assert_str(buf_str(&out), "2026-11-26T01:02:05.500Z");
    /* every day of two centuries, leap years and the one that is none */
    for (uint64_t day = 0; day < 80000; day++) {
        uint64_t ms = day * 86400000 + day % 86400 * 1000 + day % 1000;
        char expected[CLOCK_RFC3339_SIZE];

        clock_rfc3339((int64_t)ms, expected);
        buf_clear(&out);
        langfuse_put_date(&out, ms * 1000000);
        assert_str(buf_str(&out), expected);
    }
}

static void dollars_are_exact(void **state)
{
    static const struct {
        int64_t nano;
        const char *dollars;
    } cases[] = {
        {0, "0"},
        {1, "0.000000001"},
        {1234500, "0.0012345"},
        {1000000000, "1"},
        {12300000000, "12.3"},
        {999999999, "0.999999999"},
        {INT64_MAX, "9223372036.854775807"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&out);
        langfuse_put_dollars(&out, cases[i].nano);
        assert_str(buf_str(&out), cases[i].dollars);
    }
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(text_is_escaped_and_always_utf8),
        fresh(in_a_string_all_is_escaped_once_more),
        fresh(an_odd_byte_is_found_wherever_it_stands),
        fresh(dates_are_those_of_the_calendar),
        fresh(dollars_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
