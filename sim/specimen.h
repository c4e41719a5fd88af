/* A text that fits a regular expression, for JSON schemas with a `pattern`.
 *
 * It takes the first branch of every choice and as few repetitions as
 * allowed.  Assertions about the text around (lookahead, \b) are passed over,
 * so a pattern that rests on them may not be met. */
#ifndef WEIR_SIM_SPECIMEN_H
#define WEIR_SIM_SPECIMEN_H

#include "buf.h"

/* `least` is the wanted length, in characters, as far as an open-ended
 * repetition (+, *, {n,}) lets it be reached. */
void specimen_put(struct str pattern, size_t least, struct buf *out);

#endif
