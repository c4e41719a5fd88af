/* JSON that fits a JSON schema, filled with what stands in a text. */
#ifndef WEIR_SIM_INSTANCE_H
#define WEIR_SIM_INSTANCE_H

#include "buf.h"
#include "clues.h"
#include "json.h"

enum { INSTANCE_PLACES = 8 };

struct instance_source {
    struct arena *arena;
    struct clues near; /* the part of the question that is about this one */
    struct clues question;
    struct str answer; /* the plain answer; ptr NULL for arguments of a tool */
    bool is_echo;      /* it only says what was asked */
    struct str places[INSTANCE_PLACES];
    size_t place_count;
};

/* Sets everything but the answer; `near` becomes the question. */
void instance_source_init(struct instance_source *source, struct arena *arena,
                          struct str question);

/* Writes one value.  A NULL schema gives {}.  Arguments of a tool have the
 * required members and those that the text speaks of; an answer has all. */
void instance_write(const struct instance_source *source, yyjson_val *schema,
                    struct buf *out);

/* {"a": …, "b": …} for names without a schema. */
void instance_write_keys(const struct instance_source *source,
                         const struct str keys[], size_t count,
                         struct buf *out);

/* True when a text member of that name asks for a place. */
bool instance_is_place(struct arena *arena, struct str key);

#endif
