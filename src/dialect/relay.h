/* Where both ends speak Chat Completions the bytes pass: only the model's
 * name is replaced, at its place, and what must be known is read on the way.
 * Unknown members, number spellings and white space survive. */
#ifndef WEIR_RELAY_H
#define WEIR_RELAY_H

#include "buf.h"
#include "chat.h"

enum { RELAY_PIECES = 3 };

/* The request's body with `model` in place of the caller's name, as pieces of
 * the original body and of the arena. */
unsigned relay_request(struct arena *arena, const struct chat *chat,
                       struct str model, struct str pieces[RELAY_PIECES]);

/* What was read in an answer or in a chunk of a stream. */
struct relay_facts {
    bool is_error;  /* a frame with a member "error" */
    bool has_token; /* content, reasoning, a refusal or a tool call */
    enum chat_finish finish;
    struct chat_usage usage;
    struct str id;    /* without "chatcmpl-"; valid as long as the arena */
    yyjson_val *root; /* the same */
    size_t model_at;  /* where the model's value stands; 0, 0 = nowhere */
    size_t model_len;
};

/* Reads a complete answer or a chunk.  False when it is not a JSON object
 * with choices (or an error). */
MUST_USE bool relay_read(struct arena *arena, struct str json,
                         struct relay_facts *facts);

/* The same text with `model` as the model's name. */
unsigned relay_answer(struct arena *arena, struct str json,
                      const struct relay_facts *facts, struct str model,
                      struct str pieces[RELAY_PIECES]);

/* Appends the text, with the name replaced, as one SSE frame. */
void relay_chunk(struct str json, const struct relay_facts *facts,
                 struct str quoted_model, struct buf *out);

#endif
