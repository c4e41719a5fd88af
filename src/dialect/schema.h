/* JSON Schema, cut to what Anthropic's API takes.
 *
 * Facts: the vendor's pages on structured outputs and tool use, as of
 * November 2026. */
#ifndef WEIR_SCHEMA_H
#define WEIR_SCHEMA_H

#include "json.h"

/* The input schema of a tool: an object with properties at its top level,
 * whose own combinators (anyOf, oneOf, allOf: a 400 there) are folded into
 * it.  `schema` may be NULL: no arguments.  A strict one is also cut as by
 * schema_put_strict(). */
void schema_put_tool(struct json_out *out, struct arena *scratch,
                     yyjson_val *schema, bool is_strict);

/* The schema of a structured output: only the keywords that are supported,
 * every object closed. */
void schema_put_strict(struct json_out *out, yyjson_val *schema);

#endif
