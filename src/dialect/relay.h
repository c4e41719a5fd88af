/* Where both ends speak the same format the bytes pass: only the model's name
 * is replaced, at its place, and what must be known is read on the way.  The
 * router asks for the usage of a Chat Completions stream by itself, and takes
 * it out of what goes to a caller who has not asked.
 * Unknown members, number spellings and white space survive. */
#ifndef WEIR_RELAY_H
#define WEIR_RELAY_H

#include "format.h"

enum {
    RELAY_EDITS = 2, /* places where a text is changed */
    RELAY_PIECES = 2 * RELAY_EDITS + 1,
};

/* The request's body with `model` in place of the caller's name, as pieces of
 * the original body and of the arena.  `asks_usage`: it asks for the usage of
 * its stream, whether or not the caller does. */
unsigned relay_request(struct arena *arena, const struct chat *chat,
                       struct str model, bool asks_usage,
                       struct str pieces[RELAY_PIECES]);

/* The same text with `model` as the model's name. */
unsigned relay_answer(struct arena *arena, struct str json,
                      const struct relay_facts *facts, struct str model,
                      struct str pieces[RELAY_PIECES]);

/* Appends the text, with the name replaced and without the usage whose place
 * the facts tell, as one SSE frame; `event` is its
 * name, or empty. */
void relay_chunk(struct str event, struct str json,
                 const struct relay_facts *facts, struct str quoted_model,
                 struct buf *out);

#endif
