/* What the files that read Chat Completions requests share: openai_request.c
 * (the whole) and openai_messages.c.  Nobody else includes this. */
#ifndef WEIR_OPENAI_PRIVATE_H
#define WEIR_OPENAI_PRIVATE_H

#include "field.h"
#include "openai.h"

/* The member "messages". */
bool openai_read_messages(struct field_reader *r, yyjson_val *value);

/* The members of the top level that are understood. */
extern const struct field openai_fields[];
extern const size_t openai_field_count;

#endif
