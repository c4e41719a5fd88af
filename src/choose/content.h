/* May what is asked and answered be kept for who looks at it later?  Whatever
 * cannot be decided means no. */
#ifndef WEIR_CONTENT_H
#define WEIR_CONTENT_H

#include "choose/rule.h"

/* Does somebody forbid it, whatever the operator wants?
 *
 *   the key                   keys[].content
 *   a rule that the request   rules[].content: every rule that matches or may
 *   matches                   match counts, whichever decides
 *   the caller                X-Router-Content, which may only say "on"
 *   the conversation that     one of these, for something stored that it
 *   it goes on with           quotes */
bool content_is_refused(const struct catalog *catalog,
                        const struct rule_facts *facts);

/* `allowed`: what the pins left to the request.  All of these must hold:
 *
 *   the operator wants it     telemetry.content
 *   it is not pinned to the   X-Router-Policy, the policies of key and rules,
 *   local tier                and those of the conversation that it goes on
 *   nobody forbids it         content_is_refused() */
bool content_is_allowed(const struct catalog *catalog,
                        const struct rule_facts *facts, enum tier allowed);

#endif
