/* The stand-in of the Anthropic API, in rooms: routes, headers and errors
 * (as_anthropic.c); what it refuses, as strictly as the real one, because
 * that is what proves a translation (…_check.c, …_messages.c, …_blocks.c and
 * …_tools.c); what is asked (…_read.c) and what is answered (…_write.c,
 * …_search.c). */
#ifndef WEIR_SIM_AS_ANTHROPIC_H
#define WEIR_SIM_AS_ANTHROPIC_H

#include "roster.h"
#include "stand.h"

/* Where a block may stand. */
enum {
    ANTHROPIC_IN_USER = 1,
    ANTHROPIC_IN_ASSISTANT = 2,
    ANTHROPIC_IN_SYSTEM = 4,
    ANTHROPIC_IN_RESULT = 8,
};

/* One request under examination.  Needs no connection, so that the rules can
 * be tested by themselves. */
struct anthropic_check {
    struct arena *arena;
    const struct roster *roster;
    yyjson_val *root;
    bool is_count; /* count_tokens: the prompt's part of a request only */
    bool is_new;   /* anthropic-version 2026-10-21 */
    bool has_beta; /* an anthropic-beta header: beta fields are let through */

    /* found out on the way */
    const struct roster_model *model;
    unsigned cache_marks;
    unsigned images;
    bool has_tool_blocks;
    bool forces_choice;
    bool thinks;          /* thinking is on */
    bool thinks_manually; /* by a budget */

    /* why it is refused */
    int status;
    struct str message;
    struct str details; /* as JSON; empty: there are none */
};

/* True when the real API would take the request.  Otherwise `status` and
 * `message` (in the arena) are set. */
bool as_anthropic_check(struct anthropic_check *c);

/* Sets why and returns false. */
bool as_anthropic_fail(struct anthropic_check *c, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* Refuses a member that is not in the list "a|b|c". */
bool as_anthropic_only(struct anthropic_check *c, struct str path,
                       yyjson_val *object, struct str keys);
/* The cache mark of a block or tool, if it has one: well-formed, and not one
 * too many. */
bool as_anthropic_check_mark(struct anthropic_check *c, struct str path,
                             yyjson_val *owner);
/* Is the word in the list "a|b|c"? */
bool as_anthropic_is_listed(struct str list, struct str word);
/* Letters, digits, "_" and "-", at least one. */
bool as_anthropic_is_token(struct str s);
/* A text that says something. */
bool as_anthropic_check_text(struct anthropic_check *c, struct str path,
                             yyjson_val *text);
/* A block that stands in a message of that role, or in a tool_result. */
bool as_anthropic_check_block(struct anthropic_check *c, struct str path,
                              yyjson_val *block, unsigned where);
/* The three parts of the examination. */
bool as_anthropic_check_messages(struct anthropic_check *c);
bool as_anthropic_check_system(struct anthropic_check *c);
bool as_anthropic_check_tools(struct anthropic_check *c);
/* What structured outputs and strict tools allow in a schema. */
bool as_anthropic_check_strict(struct anthropic_check *c, struct str path,
                               yyjson_val *schema);

/* The signature of a model's thinking, as the API would put it on; in the
 * arena. */
struct str as_anthropic_sign(struct arena *arena, struct str model,
                             struct str thinking);
/* Is it one of ours, on this text or, when the text was left out, on any? */
bool as_anthropic_is_signed(struct str thinking, struct str signature);
/* Is one of ours this model's? */
bool as_anthropic_is_signed_by(struct str model, struct str signature);

/* What an answer needs to know; visit->answer. */
struct anthropic_answer {
    struct str id;
    struct str model;
    struct str signer; /* the model's own id */
    struct str stop;   /* the caller's first stop sequence */
    bool hides_thinking;
    bool is_near_window; /* what ends it is the context, not max_tokens */
    uint64_t seed;       /* of the ids of calls */
    struct prefix_use use;
};

/* --- as_anthropic_search.c ---------------------------------------------- */

/* The members of the two blocks of a search, and of the citation. */
void as_anthropic_put_search(struct json_out *out, struct str id,
                             const struct script_block *block, bool empty);
void as_anthropic_put_found(struct json_out *out, struct str id,
                            const struct script_block *block);
void as_anthropic_put_citation(struct json_out *out,
                               const struct script_block *block);
/* "server_tool_use" of the usage. */
void as_anthropic_put_searches(struct json_out *out,
                               const struct script *script);

/* Fills the prompt from a request that was found right. */
void as_anthropic_read(const struct anthropic_check *c, struct prompt *prompt,
                       struct anthropic_answer *answer);
/* Lets the brain answer and sends it. */
void as_anthropic_generate(struct visit *visit, struct prompt *prompt,
                           struct anthropic_answer *answer);

#endif
