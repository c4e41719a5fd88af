/* OpenAI Responses, a format at the door: requests in; answers, stream events
 * and errors out.
 *
 * Facts: the API reference of `POST /v1/responses` and the types of the
 * official SDK (7.57); and what Codex and the SDKs really send. */
#ifndef WEIR_RESPONSES_H
#define WEIR_RESPONSES_H

#include "format.h"

/* Reads a request.  Everything in *chat belongs to the arena or to `body`,
 * which must stay.  False with *error set when it cannot be served.
 *
 * Where chat->previous_id is set or chat->references has entries, the request
 * leans on what was said before: it is complete only after
 * responses_read_history(). */
MUST_USE bool responses_read_request(struct arena *arena, struct str body,
                                     struct chat *chat,
                                     struct chat_error *error);

/* Reads the messages anew, now that it is known what was said before: the
 * instructions, the earlier turns, the request's own input, in which items
 * of chat->known stand in the place of references to them.
 *
 * `texts` are JSON: the `input` of a request (chat->items), a list of items,
 * or a response object, whose output counts.  False with *error set when a
 * reference leads nowhere, or when the texts are too much. */
MUST_USE bool responses_read_history(struct arena *arena,
                                     const struct str texts[], size_t count,
                                     struct chat *chat,
                                     struct chat_error *error);

/* The body of a complete answer. */
void responses_write_answer(const struct answer_style *style,
                            const struct chat_answer *answer, struct buf *out);

struct responses_stream;
struct responses_stream *
responses_stream_open(struct arena *arena, const struct answer_style *style);
void responses_stream_close(struct responses_stream *stream);
/* Appends the SSE frames of one event; nothing after CHAT_EVENT_END or
 * CHAT_EVENT_ERROR. */
void responses_write_event(struct responses_stream *stream,
                           const struct chat_event *event, struct buf *out);
/* The response object of a stream (a writer of format_responses) that has come
 * to its end, as its last event told it: until the writer is closed.  Empty
 * before, and when the stream failed. */
struct str responses_stream_result(const struct responses_stream *stream);

#endif
