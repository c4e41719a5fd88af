/* Time.  Durations are taken from the monotonic clock, dates from the wall
 * clock; the two are never mixed. */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <stdint.h>

#include "str.h"

/* Microseconds since some fixed point; never goes back. */
uint64_t clock_us(void);
/* Milliseconds of the same clock. */
uint64_t clock_ms(void);

/* Seconds, milliseconds and microseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_s(void);
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);

enum { CLOCK_RFC3339_SIZE = 25, CLOCK_HTTP_SIZE = 30 };

/* "2026-11-21T21:38:05.123Z" with its NUL. */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);
/* "Sat, 21 Nov 2026 21:38:05 GMT" with its NUL (RFC 9110, 5.6.7). */
void clock_http_date(int64_t wall_s, char out[CLOCK_HTTP_SIZE]);

#endif
