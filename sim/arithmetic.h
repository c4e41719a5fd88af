/* Sums, as people write them: "2+2", "(3 + 4) * 5", "7 times 6". */
#ifndef WEIR_SIM_ARITHMETIC_H
#define WEIR_SIM_ARITHMETIC_H

#include "arena.h"
#include "clues.h"

/* Finds the first sum with at least one operator; *expression is borrowed
 * from the text, *result is its value as text, in the arena. */
bool arithmetic_find(struct arena *arena, const struct clues *clues,
                     struct str *expression, struct str *result);

#endif
