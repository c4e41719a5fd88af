/* What the code under test writes to standard error. */
#ifndef WEIR_CAPTURE_H
#define WEIR_CAPTURE_H

#include "str.h"

/* From now on standard error is a pipe that a thread reads.  The reader
 * begins `delay_ms` later: until then the pipe fills. */
void capture_begin(unsigned delay_ms);
/* Gives standard error back.  What was written is valid until the next
 * capture_begin() or capture_drop(). */
struct str capture_end(void);
void capture_drop(void);

#endif
