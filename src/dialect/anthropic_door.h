/* Anthropic Messages at the door: requests in; answers, streams and errors
 * out.  What the files of that side share; nobody else includes this but
 * the row (anthropic.c), the row of count_tokens, and their tests. */
#ifndef WEIR_ANTHROPIC_DOOR_H
#define WEIR_ANTHROPIC_DOOR_H

#include "anthropic.h"
#include "field.h"

/* --- requests ----------------------------------------------------------- */

/* The members of the top level that are understood. */
extern const struct field anthropic_fields[];
extern const size_t anthropic_field_count;

MUST_USE bool anthropic_read_request(struct arena *arena, struct str body,
                                     struct chat *chat,
                                     struct chat_error *error);
/* The same for count_tokens, where nothing says how long the answer may be. */
MUST_USE bool anthropic_read_count(struct arena *arena, struct str body,
                                   struct chat *chat, struct chat_error *error);

/* The members "system", which may be NULL, and "messages". */
bool anthropic_read_messages(struct field_reader *r, yyjson_val *system,
                             yyjson_val *messages);

/* See rewrite in format.h. */
bool anthropic_must_rewrite(const struct chat *chat,
                            const struct claude_model *traits);
void anthropic_rewrite(const struct chat *chat,
                       const struct request_style *style, struct buf *out);

/* --- answers ------------------------------------------------------------ */

void anthropic_write_answer(const struct answer_style *style,
                            const struct chat_answer *answer, struct buf *out);

/* What answers and streams write alike. */

/* `"id":…,"type":"message","role":…,"model":…`. */
void anthropic_put_head(struct json_out *out, struct str id, struct str model);
/* "stop_reason", "stop_sequence" and "stop_details". */
void anthropic_put_stop(struct json_out *out, enum chat_finish finish,
                        bool has_calls, struct str stop_sequence,
                        struct str refusal);
/* What no message of ours has, yet the types of the clients. */
void anthropic_put_tail(struct json_out *out);
/* "usage" of a message, and the members of the one that message_delta has. */
void anthropic_put_usage(struct json_out *out, const struct chat_usage *usage);
void anthropic_put_counts(struct json_out *out, const struct chat_usage *usage);
/* "type", "id" and "name" of call `index`: an id of plain characters. */
void anthropic_put_call_head(struct json_out *out, const struct chat_call *call,
                             struct str answer_id, unsigned index);
/* Shall the caller see this thinking? */
bool anthropic_shows(const struct answer_style *style,
                     const struct chat_block *block);
void anthropic_put_thinking(struct json_out *out,
                            const struct chat_block *block);

/* --- streams ------------------------------------------------------------ */

void *anthropic_writer_open(struct arena *arena,
                            const struct answer_style *style);
void anthropic_writer_close(void *writer);
void anthropic_write_event(void *writer, const struct chat_event *event,
                           struct buf *out);

/* --- errors ------------------------------------------------------------- */

int anthropic_error_status(const struct chat_error *error);
unsigned anthropic_error_retry_s(const struct chat_error *error);
void anthropic_write_error(const struct chat_error *error, struct str id,
                           struct buf *out);
void anthropic_write_stream_error(const struct chat_error *error,
                                  struct buf *out);

#endif
