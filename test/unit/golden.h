/* Golden cases: one JSON file each, with `input` and `expected`, in a folder
 * of test/golden; and the comparison of what came out with what was expected.
 *
 * Compared by value: the order of members is free, a null member equals an
 * absent one (except where null has a meaning of its own), and the string
 * "<any-string>" stands for any non-empty string. */
#ifndef WEIR_GOLDEN_H
#define WEIR_GOLDEN_H

#include <yyjson.h>

#include "arena.h"
#include "buf.h"

struct golden_case {
    struct arena *arena; /* cleared after the case */
    yyjson_val *root;
    yyjson_val *context;
    yyjson_val *input;
    yyjson_val *expected;
};

/* Runs every case of test/golden/<folder>; `run` writes what came out, as
 * JSON, to `actual`.  Fails the test when a case differs or when there are
 * fewer than `least` of them. */
void golden_run(const char *folder, unsigned least,
                void (*run)(const struct golden_case *c, struct buf *actual));

/* The value as compact JSON text, in the arena. */
struct str golden_text(struct arena *arena, yyjson_val *value);

#endif
