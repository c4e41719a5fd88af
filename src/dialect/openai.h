/* OpenAI Chat Completions, the format at the door: requests in, answers,
 * stream chunks and errors out; and errors of OpenAI-compatible backends in.
 *
 * Facts: the API reference of `POST /v1/chat/completions` and the types of
 * the official SDK (7.57); for backends also vLLM's sources. */
#ifndef WEIR_OPENAI_H
#define WEIR_OPENAI_H

#include "format.h"

/* Reads a request.  Everything in *chat belongs to the arena or to `body`,
 * which must stay.  False with *error set when it cannot be served. */
MUST_USE bool openai_read_request(struct arena *arena, struct str body,
                                  struct chat *chat, struct chat_error *error);

/* The body of a complete answer. */
void openai_write_answer(const struct answer_style *style,
                         const struct chat_answer *answer, struct buf *out);

/* The finish_reason of an answer; UNSET when it is empty. */
enum chat_finish openai_finish(struct str name);
/* Takes a `usage` object in place of what was known; others change nothing. */
void openai_read_usage(yyjson_val *value, struct chat_usage *usage);

/* See format.h: of Chat Completions, and of plain ones. */
void openai_relay_gather(struct gather *gather, yyjson_val *root);
/* See relay_read in format.h. */
MUST_USE bool openai_relay_read(struct arena *arena, struct str json,
                                struct relay_facts *facts);
/* The same for plain completions. */
MUST_USE bool openai_relay_plain(struct arena *arena, struct str json,
                                 struct relay_facts *facts);

/* Writes a streamed answer, event by event, "data: [DONE]" included. */
struct openai_stream {
    struct answer_style style;
    struct buf prefix; /* of every chunk, up to its delta */
    bool has_ended;
};

void openai_stream_init(struct openai_stream *stream,
                        const struct answer_style *style);
void openai_stream_fini(struct openai_stream *stream);
/* Appends the SSE frames of one event; nothing after CHAT_EVENT_END or
 * CHAT_EVENT_ERROR. */
void openai_write_event(struct openai_stream *stream,
                        const struct chat_event *event, struct buf *out);

/* {"error":{…}} */
void openai_write_error(const struct chat_error *error, struct buf *out);
/* The same as a verb of format.h: what OpenAI says has no id. */
void openai_write_any_error(const struct chat_error *error, struct str id,
                            struct buf *out);
/* The same as the last words of a stream, with "data: [DONE]". */
void openai_write_stream_error(const struct chat_error *error, struct buf *out);

/* Reads the error answer of an OpenAI-compatible backend in any of the shapes
 * they have: OpenAI's, vLLM's flat one, FastAPI's, a string, HTML. */
void openai_read_error(struct arena *arena, const struct backend_head *head,
                       struct str body, struct chat_error *error);
/* The same for an error frame inside a stream: `frame` is the object that has
 * the member "error". */
void openai_read_stream_error(struct arena *arena, yyjson_val *frame,
                              struct chat_error *error);

#endif
