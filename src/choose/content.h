/* May what is asked and answered be kept for who looks at it later?  Whatever
 * cannot be decided means no. */
#ifndef WEIR_CONTENT_H
#define WEIR_CONTENT_H

#include "choose/rule.h"

/* `allowed`: what the pins left to the request.  All of these must hold:
 *
 *   the operator wants it     telemetry.content
 *   the key does not forbid   keys[].content
 *   nor does any rule that    rules[].content: every rule that matches or may
 *   the request matches       match counts, whichever decides
 *   it is not pinned to the   X-Router-Policy, the policies of key and rules,
 *   local tier                and those of the conversation that it goes on
 *   the caller does not       X-Router-Content, which may only say "on"
 *   forbid */
bool content_is_allowed(const struct catalog *catalog,
                        const struct rule_facts *facts, enum tier allowed);

#endif
