/* Perl-compatible regular expressions on UTF-8, with a bound on what a match
 * may cost.  Read-only once made: all threads may use one. */
#ifndef WEIR_REGEX_H
#define WEIR_REGEX_H

#include "str.h"

struct regex;

enum regex_result {
    REGEX_NO,
    REGEX_YES,
    /* the match would have cost more than the bound, or the text is longer
     * than what is looked at: nobody can say */
    REGEX_UNDECIDED,
};

/* NULL when the pattern is not valid. */
struct regex *regex_new(struct str pattern);
void regex_free(struct regex *regex);

/* Does it match somewhere in the first megabyte of `text`, which must be
 * valid UTF-8? */
enum regex_result regex_match(const struct regex *regex, struct str text);

#endif
