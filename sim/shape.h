/* Reading JSON schemas: references, choices and what they come to. */
#ifndef WEIR_SIM_SHAPE_H
#define WEIR_SIM_SHAPE_H

#include "json.h"

enum {
    SHAPE_PARTS = 16,
    /* Deeper than that a schema that speaks of itself is to come to an end:
     * choices take the branch that does. */
    SHAPE_SHALLOW = 6,
};

/* Is `kind` the type, or one of the types, that it allows? */
bool shape_is(yyjson_val *schema, struct str kind);
/* Follows references (into `root`) and choices to a schema that says
 * something itself; NULL when they lead nowhere. */
yyjson_val *shape_resolve(yyjson_val *root, unsigned depth, yyjson_val *schema);
/* The schema and everything it is made of: what it refers to, its "allOf",
 * the chosen branch of a choice.  How many they are. */
size_t shape_gather(yyjson_val *root, unsigned depth, yyjson_val *schema,
                    yyjson_val *all[SHAPE_PARTS]);
/* The keyword's value in the first one that has it, or NULL. */
yyjson_val *shape_keyword(yyjson_val *const all[], size_t count,
                          struct str key);

#endif
