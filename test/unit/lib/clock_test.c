/* lib/clock: dates of the wall clock, durations of the monotonic one. */
#include "clock.h"

#include <stdio.h>
#include <time.h>

#include "../testing.h"

static void known_moments_have_their_known_dates(void **state)
{
    static const struct {
        int64_t wall_s;
        const char *http;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110, 5.6.7 */
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"}, /* 2000 is a leap year */
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {1709164800, "Thu, 29 Feb 2024 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {1735689600, "Wed, 01 Jan 2025 00:00:00 GMT"},
        {1740787199, "Fri, 28 Feb 2025 23:59:59 GMT"},
        {1740787200, "Sat, 01 Mar 2025 00:00:00 GMT"},
        {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"}, /* above 31 bits */
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"}, /* 2100 is none */
    };
    char date[CLOCK_HTTP_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        clock_http_date(cases[i].wall_s, date);
        assert_string_equal(date, cases[i].http);
    }
}

static void rfc_3339_has_milliseconds_and_a_z(void **state)
{
    char date[CLOCK_RFC3339_SIZE];

    (void)state;
    clock_rfc3339(0, date);
    assert_string_equal(date, "1970-01-01T00:00:00.000Z");
    clock_rfc3339(1795297085123, date);
    assert_string_equal(date, "2026-11-21T21:38:05.123Z");
    clock_rfc3339(1709251199999, date);
    assert_string_equal(date, "2024-02-29T23:59:59.999Z");
    clock_rfc3339(253402300799999, date);
    assert_string_equal(date, "9999-12-31T23:59:59.999Z");
}

/* Every day from 1970 to 2110 against the C library's calendar. */
static void the_calendar_agrees_with_the_c_library(void **state)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char days[] = "SunMonTueWedThuFriSat";

    (void)state;
    for (int64_t day = 0; day < 51000; day += 1) {
        int64_t second = day * 86400 + day * 7919 % 86400;
        time_t t = (time_t)second;
        char date[CLOCK_HTTP_SIZE];
        char want[64];
        struct tm tm;

        assert_non_null(gmtime_r(&t, &tm));
        clock_http_date(second, date);
        (void)snprintf(
            want, sizeof(want), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
            days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
            1900 + tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_string_equal(date, want);
    }
}

static void durations_never_go_back(void **state)
{
    uint64_t before = clock_us();

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = clock_us();

        assert_true(now >= before);
        before = now;
    }
    assert_true(clock_ms() >= before / 1000);
}

static void the_wall_clock_is_the_systems(void **state)
{
    int64_t before = (int64_t)time(NULL);
    int64_t now = clock_wall_s();

    (void)state;
    assert_true(now >= before && now <= before + 5);
    assert_true(clock_wall_ms() / 1000 >= now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_moments_have_their_known_dates),
        cmocka_unit_test(rfc_3339_has_milliseconds_and_a_z),
        cmocka_unit_test(the_calendar_agrees_with_the_c_library),
        cmocka_unit_test(durations_never_go_back),
        cmocka_unit_test(the_wall_clock_is_the_systems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
