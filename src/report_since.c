#include "report_since.h"

#define SECOND INT64_C(1000000)

static bool duration(struct str text, int64_t *us)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {
        {'s', SECOND},         {'m', 60 * SECOND},        {'h', 3600 * SECOND},
        {'d', 86400 * SECOND}, {'w', 7 * 86400 * SECOND},
    };
    uint64_t n;

    if (text.len < 2 || !str_to_u64(str_slice(text, 0, text.len - 1), &n) ||
        n > 100000000)
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (text.ptr[text.len - 1] == units[i].unit &&
            n <= (uint64_t)(INT64_MAX / 2 / units[i].us)) {
            *us = (int64_t)n * units[i].us;
            return true;
        }
    }
    return false;
}

/* Exactly so many digits, from the front. */
static bool take_digits(struct str *text, size_t count, int64_t *out)
{
    uint64_t n;

    if (text->len < count || !str_to_u64(str_slice(*text, 0, count), &n))
        return false;
    *text = str_slice(*text, count, text->len);
    *out = (int64_t)n;
    return true;
}

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = str_slice(*text, 1, text->len);
    return true;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap);
}

/* Days since 1970-01-01. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t before = year - 1;
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400;

    for (int64_t m = 1; m < month; m++)
        days += days_of_month(year, m);
    return days + day - 1 - 719162;
}

static bool time_of_day(struct str text, int64_t *seconds)
{
    int64_t hour, minute, second = 0;

    if (!take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &minute))
        return false;
    if (take_char(&text, ':') && !take_digits(&text, 2, &second))
        return false;
    (void)take_char(&text, 'Z');
    *seconds = (hour * 60 + minute) * 60 + second;
    return text.len == 0 && hour < 24 && minute < 60 && second < 60;
}

static bool date(struct str text, int64_t *us)
{
    int64_t year, month, day, seconds = 0;

    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &month) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &day) || year < 1970 || month < 1 ||
        month > 12 || day < 1 || day > days_of_month(year, month))
        return false;
    if (text.len > 0 && ((!take_char(&text, 'T') && !take_char(&text, ' ')) ||
                         !time_of_day(text, &seconds)))
        return false;
    *us = (days_since_1970(year, month, day) * 86400 + seconds) * SECOND;
    return true;
}

bool report_since(struct str text, int64_t now_us, int64_t *from_us)
{
    int64_t us;

    if (duration(text, &us)) {
        *from_us = us < now_us ? now_us - us : 0;
        return true;
    }
    return date(text, from_us);
}
