/* Pins: which tiers a request may go to, by its header, its key and the rules
 * that guard it. */
#ifndef WEIR_PIN_H
#define WEIR_PIN_H

#include "choose/rule.h"

/* The tiers that are left; guards[i] says of each rule whether it has a
 * policy and matches.  False with *error set when nothing is left, or when a
 * policy cannot be read. */
MUST_USE bool pin_take(struct arena *arena, const struct catalog *catalog,
                       const struct rule_facts *facts, enum tier *allowed,
                       bool *guards, struct chat_error *error);

#endif
