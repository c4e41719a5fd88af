/* What --since of the report takes. */
#ifndef WEIR_REPORT_SINCE_H
#define WEIR_REPORT_SINCE_H

#include "str.h"

/* "24h" and the like: so long before `now_us`; "2026-11-25",
 * "2026-11-25T13:00", with or without seconds and Z: that moment of UTC.
 * Microseconds since 1970; false for anything else. */
MUST_USE bool report_since(struct str text, int64_t now_us, int64_t *from_us);

#endif
