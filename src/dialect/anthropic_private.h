/* What the files that write Anthropic's requests share: anthropic_request.c
 * (the whole), anthropic_turns.c (messages sorted into turns) and
 * anthropic_content.c (blocks and messages).  Nobody else includes this. */
#ifndef WEIR_ANTHROPIC_PRIVATE_H
#define WEIR_ANTHROPIC_PRIVATE_H

#include "anthropic.h"
#include "strmap.h"

/* One content block that is no tool result. */
struct anthropic_piece {
    struct str text;              /* when the rest is not set */
    const struct chat_part *part; /* an image or a file, or a text's cache */
    yyjson_val *thinking;         /* a signed block, passed as it is */
    size_t call;                  /* 1 + a tool call */
    unsigned message;             /* its message, for error paths */
};

struct anthropic_call {
    const struct chat_call *call;
    struct str id;
    const struct chat_message *result; /* NULL: none was given */
    size_t next_same;                  /* 1 + the next call with this id */
};

struct anthropic_turn {
    bool is_assistant;
    bool has_results; /* a result for one of its calls has been seen */
    bool is_merged;   /* of several messages: all calls go behind the rest */
    size_t first_piece, piece_count;
    size_t first_call, call_count;
};

struct anthropic_writer {
    struct arena *arena;
    const struct chat *chat;
    const struct request_style *style;
    struct request_notes *notes;
    struct chat_error *error;
    struct json_out out;

    struct anthropic_piece *system;
    size_t system_count;
    struct anthropic_piece *pieces;
    size_t piece_count;
    struct anthropic_call *calls;
    size_t call_count;
    struct anthropic_turn *turns;
    size_t turn_count;
    struct strmap ids;         /* tool_use ids in use */
    struct strmap next_result; /* of the latest assistant turn: id → 1 + the
                                  call that the next result belongs to */
    struct strmap last_call;   /* id → 1 + the last call with it */

    struct strmap allowed;   /* names of the tools that may go along */
    unsigned tool_count;     /* how many do */
    size_t skip_breakpoints; /* cache breakpoints above the limit */
    int64_t max_tokens;
    bool is_choice_forced;
    bool is_choice_degraded;
    bool is_in_result; /* a tool result is being written */
    enum { THINK_SILENT, THINK_ADAPTIVE, THINK_MANUAL, THINK_OFF } thinking;
    int64_t thinking_budget;
    int effort; /* enum claude_effort, or -1 */
};

/* Sorts the messages into turns that alternate, each tool call with its
 * result.  False with w->error set. */
bool anthropic_sort_messages(struct anthropic_writer *w);

/* Writes "messages", of the turns. */
bool anthropic_put_messages(struct anthropic_writer *w);
/* One text block. */
void anthropic_put_text(struct anthropic_writer *w, struct str text,
                        yyjson_val *cache);
/* {"cache_control":…}, unless the limit of breakpoints says no: the last ones
 * cover the most. */
void anthropic_put_cache(struct anthropic_writer *w, yyjson_val *cache);

bool anthropic_is_blank(const struct chat_part *part);
bool anthropic_has_parts(const struct chat_message *message);
/* The cache breakpoint of a tool result, or NULL. */
yyjson_val *anthropic_result_cache(const struct chat_message *message);
/* Sets the error "messages[i].content[j]: why"; returns false. */
bool anthropic_refuse_part(struct anthropic_writer *w, unsigned message,
                           const struct chat_part *part, const char *why);

#endif
