/* Anthropic Messages, the format of the cloud: requests out; answers, stream
 * events and errors in.
 *
 * Facts: the vendor's API reference and the types of the official SDK, as of
 * November 2026. */
#ifndef WEIR_ANTHROPIC_H
#define WEIR_ANTHROPIC_H

#include "buf.h"
#include "chat.h"
#include "claude.h"
#include "names.h"
#include "openai.h"

/* How requests are to be written. */
struct anthropic_options {
    struct str model; /* the name upstream */
    const struct claude_model *traits;
    int64_t default_max_tokens;
    bool is_2026_10_21;   /* that API version: it has no sampling fields */
    bool shows_reasoning; /* the caller shall see the thinking */
    bool caches_prompt;   /* set a cache breakpoint at the end by ourselves */
};

/* What was found out on the way, for the answer. */
struct anthropic_notes {
    struct names names;
    struct str *dropped; /* request fields without effect */
    unsigned dropped_count;
};

/* Writes the request's body.  Everything in *notes belongs to the arena or
 * to the chat.  False with *error set when it cannot be expressed. */
MUST_USE bool anthropic_write_request(struct arena *arena,
                                      const struct chat *chat,
                                      const struct anthropic_options *options,
                                      struct buf *out,
                                      struct anthropic_notes *notes,
                                      struct chat_error *error);

/* Reads the body of a complete answer.  The answer belongs to the arena and
 * borrows from `names`.  False when it is none. */
MUST_USE bool anthropic_read_answer(struct arena *arena, struct str body,
                                    const struct names *names,
                                    struct chat_answer *answer);

/* What the open content block of a stream is. */
enum anthropic_block {
    ANTHROPIC_NO_BLOCK, /* or one that has no place in the common form */
    ANTHROPIC_TEXT,
    ANTHROPIC_THINKING,
    ANTHROPIC_REDACTED,
    ANTHROPIC_TOOL,
};

struct anthropic_counts {
    bool is_known;
    int64_t input; /* neither read from a cache nor written to one */
    int64_t output;
    int64_t cache_read;
    int64_t cache_write;
    bool has_thinking;
    int64_t thinking;
    struct str service_tier; /* in OpenAI's words, static */
};

/* Reads the events of a streamed answer. */
struct anthropic_stream {
    const struct names *names;
    bool has_started;
    bool has_ended; /* the last event was given out */
    enum anthropic_block open;
    unsigned call_count;
    bool call_is_custom;
    bool has_fragment;    /* of the open tool call */
    struct buf text;      /* of the open block: thinking, data or input */
    struct buf signature; /* of an open thinking block */
    bool has_stop_reason;
    enum chat_finish finish;
    struct buf refusal;
    struct anthropic_counts counts;
};

/* `names` is borrowed for the stream's life. */
void anthropic_stream_init(struct anthropic_stream *stream,
                           const struct names *names);
void anthropic_stream_fini(struct anthropic_stream *stream);
/* Takes one event's data and tells the listener what it means: nothing, one
 * or several events of the common form.  False when it cannot be understood;
 * the stream is then broken. */
MUST_USE bool anthropic_read_event(struct anthropic_stream *stream,
                                   struct str data,
                                   const struct chat_listener *listener);
/* The connection has ended.  Gives out the end, if a stop reason had come,
 * or nothing: then the stream was cut, and false is returned. */
MUST_USE bool anthropic_stream_close(struct anthropic_stream *stream,
                                     const struct chat_listener *listener);

/* Reads an answer with an error status. */
void anthropic_read_error(struct arena *arena, const struct backend_head *head,
                          struct str body, struct chat_error *error);

#endif
