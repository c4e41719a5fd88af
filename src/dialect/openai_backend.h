/* OpenAI Chat Completions, the format spoken with a backend: requests out,
 * answers and stream chunks in.  The backend is vLLM, or another server that
 * claims to be OpenAI's like.
 *
 * Facts: vLLM's sources and documents. */
#ifndef WEIR_OPENAI_BACKEND_H
#define WEIR_OPENAI_BACKEND_H

#include "openai.h"

/* See write_request in format.h. */
MUST_USE bool openai_write_request(struct arena *arena, const struct chat *chat,
                                   const struct request_style *style,
                                   struct buf *out, struct request_notes *notes,
                                   struct chat_error *error);
/* The members that make the prompt, "messages" and "tools", into an object
 * that is open: for requests that count its tokens.  False with *error set
 * when it cannot be expressed. */
MUST_USE bool openai_write_prompt(struct arena *arena, const struct chat *chat,
                                  struct json_out *out,
                                  struct chat_error *error);

/* See read_answer in format.h. */
MUST_USE bool openai_read_answer(struct arena *arena, struct str body,
                                 const struct names *names,
                                 struct chat_answer *answer,
                                 struct chat_error *error);

/* Reads a streamed answer, chunk by chunk, "[DONE]" included; see reader_open
 * and its neighbours in format.h. */
struct openai_chunks;

struct openai_chunks *openai_chunks_open(struct arena *arena,
                                         const struct names *names);
void openai_chunks_close(struct openai_chunks *chunks);
MUST_USE bool openai_chunks_read(struct openai_chunks *chunks, struct str data,
                                 const struct chat_listener *listener);
MUST_USE bool openai_chunks_end(struct openai_chunks *chunks,
                                const struct chat_listener *listener);

#endif
