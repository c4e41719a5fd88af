/* The rules of Anthropic's Messages API. */
#ifndef WEIR_FUZZ_RULES_H
#define WEIR_FUZZ_RULES_H

#include "dialect/chat.h"

/* Writes the chat for every kind of model: refused with a 400, or none of the
 * rules is broken. */
void rules_write_anthropic(struct arena *arena, const struct chat *chat);

#endif
