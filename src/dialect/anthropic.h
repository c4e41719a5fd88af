/* Anthropic Messages, the format of the cloud: requests out; answers, stream
 * events and errors in.
 *
 * Facts: the vendor's API reference and the types of the official SDK, as of
 * November 2026. */
#ifndef WEIR_ANTHROPIC_H
#define WEIR_ANTHROPIC_H

#include "format.h"

/* Writes the request's body.  Everything in *notes belongs to the arena or
 * to the chat.  False with *error set when it cannot be expressed. */
MUST_USE bool
anthropic_write_request(struct arena *arena, const struct chat *chat,
                        const struct request_style *style, struct buf *out,
                        struct request_notes *notes, struct chat_error *error);

/* A call's input: an object whatever the model wrote, since one bad call must
 * not make the whole conversation unusable. */
void anthropic_put_call_input(struct json_out *out, struct arena *arena,
                              const struct chat_call *call);

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
    struct buf stop_sequence;
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

/* See format.h. */
void anthropic_relay_gather(struct gather *gather, yyjson_val *root);
/* See relay_read in format.h. */
MUST_USE bool anthropic_relay_read(struct arena *arena, struct str json,
                                   struct relay_facts *facts);

/* Reads an answer with an error status. */
void anthropic_read_error(struct arena *arena, const struct backend_head *head,
                          struct str body, struct chat_error *error);

/* The error event of a stream. */
void anthropic_read_stream_error(struct arena *arena, yyjson_val *event,
                                 struct chat_error *error);

#endif
