/* What the files that speak Chat Completions with a backend share.  Nobody
 * else includes this. */
#ifndef WEIR_OPENAI_BACKEND_PRIVATE_H
#define WEIR_OPENAI_BACKEND_PRIVATE_H

#include "openai_backend.h"

/* --- requests: openai_backend_request.c and openai_backend_messages.c ----- */

struct openai_writer {
    struct arena *arena;
    const struct chat *chat;
    struct chat_error *error;
    struct request_notes *notes;
    struct json_out out;
    struct buf text; /* for one string at a time */
};

/* The member "messages".  False with w->error set. */
bool openai_put_messages(struct openai_writer *w);

/* --- answers: openai_backend_reply.c and openai_backend_stream.c ---------- */

/* Without "chatcmpl-". */
struct str openai_bare_id(struct str id);
/* A string, or the texts of a list of parts. */
struct str openai_text_of(struct arena *arena, yyjson_val *content);
/* What was thought, by either of its names. */
struct str openai_reasoning_of(yyjson_val *message);
/* The text inside {"input":"…"}, which is how a function stands in for a
 * custom tool; other arguments are that text themselves. */
struct str openai_custom_text(struct arena *arena, struct str arguments);
/* A finish_reason that says that there was no answer: sets *error. */
bool openai_is_failure(struct str reason, enum error kind,
                       struct chat_error *error);
/* Why the answer ended, by its reason and by what is in it: servers say "stop"
 * where a call was forced. */
enum chat_finish openai_finish_of(struct str reason, bool has_calls,
                                  bool is_refused);
/* An id for a call that came without one. */
struct str openai_call_id(struct arena *arena, struct str answer_id,
                          unsigned index);

#endif
