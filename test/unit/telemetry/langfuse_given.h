/* Records for the tests of what goes to Langfuse. */
#ifndef WEIR_LANGFUSE_GIVEN_H
#define WEIR_LANGFUSE_GIVEN_H

#include "record.h"

/* Took from 2026-11-26T01:02:03.000Z to 01:02:05.500Z, its first token came
 * after half a second. */
struct record langfuse_given_record(void);
/* One that says as much as a record can. */
struct record langfuse_given_full(void);

#endif
