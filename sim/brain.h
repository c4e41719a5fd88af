/* Deterministic answers that make sense for the small tasks people try.
 *
 * The same prompt always gives the same script.  The brain knows no wire
 * format: it reads a prompt and writes a script. */
#ifndef WEIR_SIM_BRAIN_H
#define WEIR_SIM_BRAIN_H

#include "fault.h"
#include "script.h"

/* Writes the whole answer; it belongs to the arena and borrows from the
 * prompt.  `fault` may ask for a refusal, a length and the like. */
void brain_answer(struct arena *arena, const struct prompt *prompt,
                  const struct fault *fault, struct script *script);

#endif
