#include "clock.h"

#include <stdio.h>
#include <time.h>

#include "check.h"

uint64_t clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_ms(void)
{
    return clock_us() / 1000;
}

int64_t clock_wall_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

int64_t clock_wall_s(void)
{
    return clock_wall_ms() / 1000;
}

/* The calendar of a date from 1970 on, without the locks of gmtime. */
struct civil {
    unsigned year, month, day, hour, minute, second, weekday;
};

static struct civil civil_from(int64_t wall_s)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30,
                                            31, 31, 30, 31, 30, 31};
    uint64_t s = wall_s < 0 ? 0 : (uint64_t)wall_s;
    uint64_t days = s / 86400;
    unsigned rest = (unsigned)(s % 86400);
    struct civil c = {.year = 1970, .hour = rest / 3600};

    c.minute = rest / 60 % 60;
    c.second = rest % 60;
    c.weekday = (unsigned)((days + 4) % 7); /* 1970 began on a Thursday */
    for (;; c.year++) {
        bool leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
        uint64_t in_year = leap ? 366 : 365;

        if (days >= in_year) {
            days -= in_year;
            continue;
        }
        for (c.month = 0;; c.month++) {
            uint64_t in_month = c.month == 1 && leap ? 29u : lengths[c.month];

            if (days < in_month)
                break;
            days -= in_month;
        }
        break;
    }
    c.day = (unsigned)days + 1;
    return c;
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
    struct civil c = civil_from(wall_ms / 1000);

    (void)snprintf(out, CLOCK_RFC3339_SIZE,
                   "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", c.year % 10000,
                   (c.month + 1) % 100, c.day % 100, c.hour % 100,
                   c.minute % 100, c.second % 100, (unsigned)(wall_ms % 1000));
}

void clock_http_date(int64_t wall_s, char out[CLOCK_HTTP_SIZE])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = civil_from(wall_s);

    check(c.weekday < 7 && c.month < 12);
    (void)snprintf(
        out, CLOCK_HTTP_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
        days + 3 * c.weekday, c.day % 100, months + 3 * c.month, c.year % 10000,
        c.hour % 100, c.minute % 100, c.second % 100);
}
