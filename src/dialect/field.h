/* The fields of a caller's request: how they are read, and the errors that
 * name them by their path in the caller's own words. */
#ifndef WEIR_FIELD_H
#define WEIR_FIELD_H

#include "chat.h"

struct field_reader {
    struct arena *arena;
    struct chat *chat;
    struct chat_error *error;
};

/* A member of the top level that is understood. */
struct field {
    struct str name;
    bool (*read)(struct field_reader *r, yyjson_val *value);
};

enum { FIELDS_MAX = 32 };

/* Reads chat->body, whose members go to their fields; null means absent.
 * A field that is there twice is refused, since parsers differ in which one
 * they take; what no field claims is noted by chat_other().  `model` must be
 * among them. */
bool field_read_body(struct field_reader *r, const struct field *fields,
                     size_t count);

/* Errors.  All return false. */
bool field_wrong_type(struct field_reader *r, struct str path,
                      const char *expected, yyjson_val *got);
bool field_missing(struct field_reader *r, struct str path);
bool field_unknown_value(struct field_reader *r, struct str path,
                         const char *expected, struct str got);

/* The field `name` itself. */
bool field_text(struct field_reader *r, yyjson_val *value, const char *name,
                struct str *out);
bool field_number(struct field_reader *r, yyjson_val *value, const char *name,
                  struct str *out);
bool field_model(struct field_reader *r, yyjson_val *value);
bool field_stream(struct field_reader *r, yyjson_val *value);
/* The stream_options of Chat Completions and of plain completions. */
bool field_stream_options(struct field_reader *r, yyjson_val *value);
bool field_temperature(struct field_reader *r, yyjson_val *value);
bool field_top_p(struct field_reader *r, yyjson_val *value);
bool field_top_k(struct field_reader *r, yyjson_val *value);
bool field_user(struct field_reader *r, yyjson_val *value);
bool field_safety_identifier(struct field_reader *r, yyjson_val *value);
/* What a caller wants to find again, whatever it is. */
bool field_metadata(struct field_reader *r, yyjson_val *value);
bool field_service_tier(struct field_reader *r, yyjson_val *value);

/* A string member of `object`; absent and null give the empty string.  False
 * when it is something else. */
bool field_get_text(yyjson_val *object, struct str key, struct str *out);
/* The same, and the error names it: `path` is the object's. */
bool field_take_text(struct field_reader *r, yyjson_val *object, struct str key,
                     struct str path, struct str *out);

/* Notes each member of `object` that says something, which null and an empty
 * list do not, and is not among `known`: as `prefix` and its name. */
void field_note_members(struct field_reader *r, yyjson_val *object,
                        struct str prefix, const struct str *known,
                        size_t count);
#define FIELD_NOTE_OTHERS(r, object, prefix, known) \
    field_note_members(r, object, STR(prefix), known, COUNT_OF(known))
/* The same for one name. */
void field_note(struct field_reader *r, struct str prefix, struct str name);

/* A grammar goes into the description of its tool, since no backend holds a
 * tool's input to one.  False when `grammar` is none. */
bool field_describe_grammar(struct field_reader *r, yyjson_val *grammar,
                            struct chat_tool *tool);
/* `include_obfuscation` of stream_options: no stream is padded here. */
void field_note_obfuscation(struct field_reader *r, yyjson_val *options);

#endif
