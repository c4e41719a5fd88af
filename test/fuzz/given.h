/* A catalog for the targets that need one. */
#ifndef WEIR_FUZZ_GIVEN_H
#define WEIR_FUZZ_GIVEN_H

#include "catalog.h"

/* Of a configuration that must be right; nothing of the environment comes
 * in. */
struct catalog *given_catalog(const char *yaml);

#endif
