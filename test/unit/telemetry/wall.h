/* A wall clock that the test sets, in the place of clock_wall_ms().  Linked
 * with --wrap (test/CMakeLists.txt). */
#ifndef WEIR_TEST_WALL_H
#define WEIR_TEST_WALL_H

#include <stdint.h>

enum { WALL_BEGIN_MS = 1000000 };

extern int64_t wall_ms;

#endif
