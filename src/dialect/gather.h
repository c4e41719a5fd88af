/* What was asked and what was answered, for who keeps it (telemetry.content):
 * each one JSON value of at most so many bytes. */
#ifndef WEIR_GATHER_H
#define WEIR_GATHER_H

#include "buf.h"
#include "chat.h"

struct format;

/* The members of a request that say what it is about, as one object:
 *
 *   {"messages":[…]}, {"system":…,"messages":[…]}, {"input":…}, …
 *
 * Base64 is left out, with a note of its size in its place (gather_value.h).
 * Of what has no room the middle is left out: a third is for what comes before
 * the messages and those that open them, the rest for the last ones, with
 *
 *   {"role":"router","content":"[messages left out: 12]"}
 *
 * between.  In the arena; empty when there is nothing.  *is_clipped is set
 * when not all had room. */
struct str gather_request(struct arena *arena, const struct format *format,
                          const struct chat *chat, size_t max,
                          bool *is_clipped);

/* --- answers ------------------------------------------------------------- */

enum gather_kind {
    GATHER_CONTENT,
    GATHER_REASONING,
    GATHER_REFUSAL,
    GATHER_KINDS,
};

enum { GATHER_CALLS_MAX = 128 };

struct gather_call {
    int64_t key; /* its backend's number for it */
    struct str id, name;
    bool is_custom;
    struct buf arguments;
};

/* An answer as it comes, piece by piece or whole.  Of several choices the
 * first is taken. */
struct gather {
    struct arena *arena;
    size_t max;
    size_t left;          /* bytes that may still be kept, */
    size_t thoughts_left; /* and of these, of what was thought */
    struct buf texts[GATHER_KINDS];
    struct gather_call *calls;
    unsigned call_count, call_cap;
    bool has_begun;   /* there is an answer, be it empty */
    bool has_thought; /* since the last thinking block was complete */
    bool is_clipped;
};

/* `arena` is borrowed. */
void gather_init(struct gather *gather, struct arena *arena, size_t max);
void gather_fini(struct gather *gather);

void gather_begin(struct gather *gather);
void gather_text(struct gather *gather, enum gather_kind kind, struct str text);
/* A call begins, or one that has begun gets what it has not. */
void gather_call(struct gather *gather, int64_t key,
                 const struct chat_call *call);
/* A fragment of the call's arguments. */
void gather_arguments(struct gather *gather, int64_t key, struct str text);
/* All of them, as JSON. */
void gather_input(struct gather *gather, int64_t key, yyjson_val *input);

/* What goes through the common form. */
void gather_event(struct gather *gather, const struct chat_event *event);
void gather_answer(struct gather *gather, const struct chat_answer *answer);

/* {"role":"assistant","content":…,"tool_calls":[…],"refusal":…,
 * "reasoning_content":…} of all so far, in the arena; empty when nothing has
 * begun.  Sets gather->is_clipped when not all had room. */
struct str gather_result(struct gather *gather);

#endif
