/* Whether to call tools, which, and with what. */
#ifndef WEIR_SIM_CALLS_H
#define WEIR_SIM_CALLS_H

#include "script.h"

/* Adds the calls to the script.  False when none is to be made.
 *
 * Forced choices are always met.  Left free, a tool is called when the
 * question has its name or the words of its name, or two words of its
 * description; "with the NAME tool" means that one alone; one call for each
 * place when it asks for one place and the question names several.  Behind
 * tool results nothing is called freely, so that a conversation comes to its
 * end.  `wanted` > 0: that many calls, of whatever there is. */
bool calls_decide(struct arena *arena, const struct prompt *prompt,
                  struct str question, unsigned wanted, struct script *script);

#endif
