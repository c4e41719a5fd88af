/* OpenAI Chat Completions, the format at the door: requests in, answers,
 * stream chunks and errors out; and errors of OpenAI-compatible backends in.
 *
 * Facts: the API reference of `POST /v1/chat/completions` and the types of
 * the official SDK (7.57); for backends also vLLM's sources. */
#ifndef WEIR_OPENAI_H
#define WEIR_OPENAI_H

#include "buf.h"
#include "chat.h"

/* Reads a request.  Everything in *chat belongs to the arena or to `body`,
 * which must stay.  False with *error set when it cannot be served. */
MUST_USE bool openai_read_request(struct arena *arena, struct str body,
                                  struct chat *chat, struct chat_error *error);

/* How answers are to be written. */
struct openai_style {
    struct str model;     /* the name that the caller used */
    int64_t created;      /* seconds since 1970 */
    bool shows_reasoning; /* reasoning_content */
    bool shows_thinking;  /* thinking_blocks, an extension */
    bool include_usage;   /* in streams */
};

/* The body of a complete answer. */
void openai_write_answer(const struct openai_style *style,
                         const struct chat_answer *answer, struct buf *out);

/* Writes a streamed answer, event by event, "data: [DONE]" included. */
struct openai_stream {
    struct openai_style style;
    struct buf prefix; /* of every chunk, up to its delta */
    bool has_ended;
};

void openai_stream_init(struct openai_stream *stream,
                        const struct openai_style *style);
void openai_stream_fini(struct openai_stream *stream);
/* Appends the SSE frames of one event; nothing after CHAT_EVENT_END or
 * CHAT_EVENT_ERROR. */
void openai_write_event(struct openai_stream *stream,
                        const struct chat_event *event, struct buf *out);

/* {"error":{…}} */
void openai_write_error(const struct chat_error *error, struct buf *out);
/* The same as the last words of a stream, with "data: [DONE]". */
void openai_write_stream_error(const struct chat_error *error, struct buf *out);

/* What a backend's answer with an error status tells, besides its body. */
struct backend_head {
    int status;
    struct str retry_after; /* header values; empty when absent */
    struct str request_id;
};

/* Seconds; 0 when absent or not a number of seconds. */
unsigned backend_retry_after_s(const struct backend_head *head);

/* Reads the error answer of an OpenAI-compatible backend in any of the shapes
 * they have: OpenAI's, vLLM's flat one, FastAPI's, a string, HTML. */
void openai_read_error(struct arena *arena, const struct backend_head *head,
                       struct str body, struct chat_error *error);
/* The same for an error frame inside a stream: `frame` is the object that has
 * the member "error". */
void openai_read_stream_error(struct arena *arena, yyjson_val *frame,
                              struct chat_error *error);

#endif
