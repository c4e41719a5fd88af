/* lib/regex: patterns with a bound on what a match may cost. */
#include "regex.h"

#include <stdlib.h>

#include "../testing.h"
#include "clock.h"

static enum regex_result match(const char *pattern, struct str text)
{
    struct regex *regex = regex_new(str_of(pattern));
    enum regex_result found;

    assert_non_null(regex);
    found = regex_match(regex, text);
    regex_free(regex);
    return found;
}

static void a_pattern_matches_anywhere(void **state)
{
    (void)state;
    assert_int_equal(REGEX_YES,
                     match("sql|select", STR("please SELECT or select")));
    assert_int_equal(REGEX_NO, match("sql|select", STR("SELECT")));
    assert_int_equal(REGEX_YES, match("(?i)select", STR("SELECT")));
    assert_int_equal(REGEX_YES, match("^$", STR("")));
    assert_int_equal(REGEX_YES, match("^$", (struct str){NULL, 0}));
    assert_int_equal(REGEX_YES, match("b\\z", STR("a\nb")));
}

static void characters_are_unicode(void **state)
{
    (void)state;
    assert_int_equal(REGEX_YES, match("^.$", STR("\xE2\x82\xAC")));
    assert_int_equal(REGEX_YES, match("\\p{Han}", STR("abc \xE4\xB8\xAD")));
    assert_int_equal(REGEX_YES, match("(?i)\xC3\x84", STR("\xC3\xA4")));
}

static void a_nul_byte_does_not_end_the_text(void **state)
{
    (void)state;
    assert_int_equal(REGEX_YES, match("behind", STR("before\0behind")));
}

static void what_is_no_pattern_is_refused(void **state)
{
    static const char *const bad[] = {"(",    "[a",   "*", "a{2,1}",
                                      "(?<n", "\xFF", "\\"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(regex_new(str_of(bad[i])));
    regex_free(NULL);
}

static void a_catastrophic_pattern_gives_up_quickly(void **state)
{
    static const char *const patterns[] = {
        "^(a+)+$",
        "^(a|a)*$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(.*)*(.*)*(.*)*=x",
        "(?:(?:(?:a+)+)+)+b",
    };
    char text[4096];
    uint64_t began = clock_ms();

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '!';
    for (size_t i = 0; i < COUNT_OF(patterns); i++)
        assert_int_not_equal(
            REGEX_YES, match(patterns[i], (struct str){text, sizeof(text)}));
    assert_int_equal(REGEX_UNDECIDED,
                     match(patterns[0], (struct str){text, sizeof(text)}));
    assert_true(clock_ms() - began < 5000);
}

static void only_the_first_megabyte_is_looked_at(void **state)
{
    enum { SIZE = (1 << 20) + 100 };
    char *text = malloc(SIZE);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', SIZE);
    memcpy(text + SIZE - 10, "needle", 6);
    assert_int_equal(REGEX_UNDECIDED,
                     match("needle", (struct str){text, SIZE}));
    memcpy(text + (1 << 20) - 6, "needle", 6);
    assert_int_equal(REGEX_YES, match("needle", (struct str){text, SIZE}));
    free(text);
}

static void a_long_match_is_no_undecided_one(void **state)
{
    enum { SIZE = 40000 };
    char *text = malloc(SIZE);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', SIZE);
    memcpy(text, "patient", 7);
    memcpy(text + SIZE - 7, "insulin", 7);
    /* more than the stack of compiled patterns takes */
    assert_int_equal(
        REGEX_YES, match("patient(?:.|\\n)*insulin", (struct str){text, SIZE}));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_matches_anywhere),
        cmocka_unit_test(characters_are_unicode),
        cmocka_unit_test(a_nul_byte_does_not_end_the_text),
        cmocka_unit_test(what_is_no_pattern_is_refused),
        cmocka_unit_test(a_catastrophic_pattern_gives_up_quickly),
        cmocka_unit_test(a_long_match_is_no_undecided_one),
        cmocka_unit_test(only_the_first_megabyte_is_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
