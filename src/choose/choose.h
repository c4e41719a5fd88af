/* The decision: which backends a request may go to, in which order, and why.
 *
 *   pin → rules → explicit name → fit → the next tier
 *
 * It is pure: health and load come in later, when a target is tried. */
#ifndef WEIR_CHOOSE_H
#define WEIR_CHOOSE_H

#include "choose/fit.h"
#include "choose/rule.h"

enum { CHOICE_MAX_TARGETS = 2 };

struct target {
    const struct backend *backend;
    const struct model *model;         /* NULL: a Claude that is in no list */
    struct str upstream;               /* the model's name there */
    const struct claude_model *claude; /* for Anthropic's dialect */
};

/* A local model that could not take the request. */
struct passed {
    const struct model *model;
    enum misfit cause;
};

struct choice {
    enum tier allowed;     /* what the pins left: never go beyond it */
    bool is_pinned;        /* one tier only, by header, key or rule */
    bool wants_local;      /* the policy wanted it local, whoever answers */
    int64_t prompt_tokens; /* estimated */
    int64_t max_tokens;
    struct str reason; /* of the first target: explicit, pin, rule:NAME, … */
    struct str rule;   /* its name; empty: no rule has decided */
    struct target targets[CHOICE_MAX_TARGETS];
    unsigned target_count;
    struct passed *passed;
    unsigned passed_count;
};

/* Decides.  What *choice borrows lives in the arena or the catalog.  False
 * with *error set when the request can go nowhere. */
MUST_USE bool choose(struct arena *arena, const struct catalog *catalog,
                     const struct rule_facts *facts, struct choice *choice,
                     struct chat_error *error);

/* The names that callers may use when they ask for that service, as "auto,
 * local, …"; at most `max` bytes. */
struct str choose_known_names(struct arena *arena,
                              const struct catalog *catalog,
                              enum service service, size_t max);

#endif
