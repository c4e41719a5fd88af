/* What all unit tests need: cmocka and a few words of our own. */
#ifndef WEIR_TESTING_H
#define WEIR_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "str.h"

/* `actual` is the text `expected`; both are shown when not. */
#define assert_str(actual, expected) \
    assert_str_at((actual), (expected), __FILE__, __LINE__)

static inline void assert_str_at(struct str actual, const char *expected,
                                 const char *file, int line)
{
    if (str_eq(actual, str_of(expected)))
        return;
    print_error("  got:      %.*s\n  expected: %s\n", STR_ARG(actual),
                expected);
    _fail(file, line);
}

/* `needle` stands somewhere in `text`, or nowhere. */
#define assert_has(text, needle) \
    assert_has_at((text), (needle), true, __FILE__, __LINE__)
#define assert_lacks(text, needle) \
    assert_has_at((text), (needle), false, __FILE__, __LINE__)

static inline void assert_has_at(struct str text, const char *needle,
                                 bool wanted, const char *file, int line)
{
    if (str_contains(text, str_of(needle)) == wanted)
        return;
    print_error("  in:   %.*s\n  %s: %s\n", STR_ARG(text),
                wanted ? "lacks" : "has", needle);
    _fail(file, line);
}

#endif
