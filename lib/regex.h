/* Perl-compatible regular expressions on UTF-8, with a bound on what a match
 * may cost.  Read-only once made: all threads may use one. */
#ifndef WEIR_REGEX_H
#define WEIR_REGEX_H

#include "str.h"

struct regex;

/* NULL when the pattern is not valid. */
struct regex *regex_new(struct str pattern);
void regex_free(struct regex *regex);

/* Does it match somewhere in the first megabyte of `text`, which must be
 * valid UTF-8?  A match that would cost more than the bound is none. */
bool regex_matches(const struct regex *regex, struct str text);

#endif
