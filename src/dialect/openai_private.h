/* What the files that read requests in OpenAI's words share: openai_request.c
 * (the whole), openai_messages.c and openai_plain.c.  Nobody else includes
 * this. */
#ifndef WEIR_OPENAI_PRIVATE_H
#define WEIR_OPENAI_PRIVATE_H

#include "openai.h"

struct openai_reader {
    struct arena *arena;
    struct chat *chat;
    struct chat_error *error;
};

/* Errors that name the field by its path.  All return false. */
bool openai_wrong_type(struct openai_reader *r, struct str path,
                       const char *expected, yyjson_val *got);
bool openai_missing(struct openai_reader *r, struct str path);
bool openai_unknown_value(struct openai_reader *r, struct str path,
                          const char *expected, struct str got);

/* Parsers differ in which of two they take: what the router judged must be
 * what the model gets. */
bool openai_twice(struct openai_reader *r, struct str name);

/* A string member of `object`; absent and null give the empty string. */
bool openai_take_text(struct openai_reader *r, yyjson_val *object,
                      struct str key, struct str path, struct str *out);

/* Parses the body, which must be an object, into chat->doc. */
bool openai_read_body(struct openai_reader *r, struct str body);
/* The member "model". */
bool openai_read_model(struct openai_reader *r, yyjson_val *value);
/* The member "messages". */
bool openai_read_messages(struct openai_reader *r, yyjson_val *value);

#endif
