/* What a Claude thought before its tool calls, kept for callers whose format
 * has no place for it: when they send the calls back with their results, the
 * signed blocks go before them again, unharmed and at their places.
 *
 * An answer becomes a note; the note is applied to the assistant's message
 * that has the same calls and the same text, and to no other. */
#ifndef WEIR_RECALL_H
#define WEIR_RECALL_H

#include "buf.h"
#include "chat.h"

struct recall {
    bool is_worth_it; /* there are signed blocks, and calls */
    bool has_thinking;
    struct str first_id; /* of the calls; in the arena */
    struct arena *arena;
    struct buf blocks;
    struct json_out out;
    uint64_t hash; /* of all text so far */
    size_t run;    /* bytes of text behind the last block */
};

/* `arena` is borrowed. */
void recall_init(struct recall *recall, struct arena *arena);
void recall_fini(struct recall *recall);
/* What an answer says, event by event or whole. */
void recall_event(struct recall *recall, const struct chat_event *event);
void recall_answer(struct recall *recall, const struct chat_answer *answer);
/* The note, in the arena; empty when there is nothing to remember. */
struct str recall_note(struct recall *recall);

/* Puts the note's blocks into the message, all in the arena; the note is
 * borrowed for as long.  False, and nothing has changed, when it is not of
 * this message. */
bool recall_apply(struct arena *arena, struct chat *chat,
                  struct chat_message *message, struct str note);

#endif
