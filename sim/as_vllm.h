/* The stand-in of vLLM's OpenAI server, in four rooms: routes and errors
 * (as_vllm.c), what is asked (as_vllm_read.c, as_vllm_sampling.c), what is
 * answered (as_vllm_write.c, as_vllm_stream.c), and the endpoints without a
 * conversation (as_vllm_texts.c). */
#ifndef WEIR_SIM_AS_VLLM_H
#define WEIR_SIM_AS_VLLM_H

#include "stand.h"

enum { VLLM_MAX_N = 64, VLLM_MAX_PROMPTS = 64 };

/* What the answer to one generating request needs to know; visit->answer. */
struct vllm_answer {
    struct str id;
    int64_t created;
    struct str model; /* as it is served */
    bool is_chat;     /* and not /v1/completions */
    bool include_usage;
    bool continuous_usage;
    bool hides_reasoning;
    struct str reasoning_key; /* as this version of vLLM calls it */
    struct str finish;        /* a finish_reason that was asked for; or NULL */
    bool has_odd_ids;
    bool is_choice_named; /* tool_choice named a function */
    bool echoes;          /* /v1/completions: the prompt comes first */
    uint64_t seed;        /* of the ids of calls */
    struct str prefix;    /* of each event: up to the number of the choice */
    const struct prompt *prompts; /* one for every `n` voices */
    unsigned n;
};

/* --- as_vllm.c ---------------------------------------------------------- */

/* Answers with an error and returns false, so that a reader can
 * `return as_vllm_fail(…)`. */
bool as_vllm_fail(struct visit *visit, int status, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Parses the body, which must be an object, and checks its `model`. */
bool as_vllm_read_body(struct visit *visit, yyjson_val **root);
/* Which of the served models a body that was read asks for. */
struct str as_vllm_model(const struct visit *visit, yyjson_val *root);
/* "chatcmpl-…": with the caller's X-Request-Id, if there is one. */
struct str as_vllm_id(struct visit *visit, const char *prefix);

/* --- as_vllm_read.c ----------------------------------------------------- */

/* Fills the prompt and the answer's traits.  False when it has refused. */
bool as_vllm_read_chat(struct visit *visit, yyjson_val *root,
                       struct prompt *prompt, struct vllm_answer *answer);
/* Only the messages and tools, for /tokenize. */
bool as_vllm_read_messages(struct visit *visit, yyjson_val *root,
                           struct prompt *prompt);
/* --- as_vllm_sampling.c ------------------------------------------------- */

/* The fields that chat and plain completions have in common. */
bool as_vllm_read_sampling(struct visit *visit, yyjson_val *root,
                           struct prompt *prompt, struct vllm_answer *answer);
/* Refuses what is longer than the context; else sets what is left for the
 * answer. */
bool as_vllm_check_length(struct visit *visit, struct prompt *prompt);

/* --- as_vllm_write.c ---------------------------------------------------- */

/* Lets the brain answer each prompt `n` times and sends it. */
void as_vllm_generate(struct visit *visit, struct prompt *prompts,
                      unsigned count, struct vllm_answer *answer);

void as_vllm_put_finish(struct json_out *out, const struct vllm_answer *answer,
                        const struct script *script);
void as_vllm_put_usage(struct json_out *out, const struct visit *visit,
                       size_t spoken);
/* The number of a call among the calls, by that of its block; its id. */
unsigned as_vllm_call_number(const struct script *script, unsigned block);
struct str as_vllm_call_id(const struct visit *visit, const struct voice *voice,
                           unsigned block);
void as_vllm_whole(struct visit *visit);

/* --- as_vllm_stream.c --------------------------------------------------- */

extern const struct manner as_vllm_chat_manner;
extern const struct manner as_vllm_text_manner;

/* --- as_vllm_texts.c ---------------------------------------------------- */

void as_vllm_completions(struct visit *visit);
void as_vllm_embeddings(struct visit *visit);
void as_vllm_tokenize(struct visit *visit);
void as_vllm_detokenize(struct visit *visit);

#endif
