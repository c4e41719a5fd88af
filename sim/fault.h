/* What can go wrong on demand: one row each.
 *
 * A fault is asked for by name, for one request or for the next ones:
 *
 *   x-sim-fault: status=429; retry-after=7
 *   {"fault": "stall", "tokens": 3, "count": 1}
 *   [[sim: cut=100]]
 */
#ifndef WEIR_SIM_FAULT_H
#define WEIR_SIM_FAULT_H

#include "arena.h"
#include "json.h"

enum fault_kind {
    /* of the whole stand-in; by the control endpoint only */
    FAULT_REFUSE,
    FAULT_CRASH,
    FAULT_COLD,
    /* of one request */
    FAULT_LATE,
    FAULT_SLOW,
    FAULT_STALL,
    FAULT_CUT,
    FAULT_END,
    FAULT_GARBAGE,
    FAULT_SPLIT,
    FAULT_STATUS,
    FAULT_RETRY_AFTER,
    FAULT_ERROR,
    FAULT_EMPTY,
    FAULT_NEVER,
    FAULT_NO_END,
    FAULT_CLOSE,
    /* not faults, but as useful to ask for */
    FAULT_REFUSAL,
    FAULT_REDACTED,
    FAULT_SILENT,
    FAULT_TOKENS,
    FAULT_THINK,
    FAULT_CALLS,
    FAULT_SEARCH,
    /* vLLM's */
    FAULT_FINISH,
    FAULT_STOP_TOKEN,
    FAULT_INTERLEAVE,
    FAULT_REASONING_CONTENT,
    FAULT_ODD_IDS,
    /* Anthropic's */
    FAULT_STOP_REASON,
    FAULT_CATEGORY,
    FAULT_KINDS,
};

enum fault_garbage { GARBAGE_HTTP, GARBAGE_JSON };

struct fault_row {
    struct str name;
    struct str field; /* of the argument, in the control endpoint's JSON */
    uint64_t usual;   /* the argument when none is given */
    uint64_t most;
    const char *says;
    struct str words; /* "a|b|c": the argument is one of these, and `value` its
                         place; empty: it is a number */
};

struct fault {
    bool is_set[FAULT_KINDS];
    uint64_t value[FAULT_KINDS];
};

const struct fault_row *fault_row(enum fault_kind kind);
/* The word that was asked for; ptr NULL when the fault is not set. */
struct str fault_word(const struct fault *fault, enum fault_kind kind);

/* Reads "name[=argument]; …" and adds it to *fault.  False with *why in the
 * arena, and *fault as it was, when it is none. */
MUST_USE bool fault_parse(struct arena *arena, struct str text,
                          struct fault *fault, struct str *why);
/* The same from {"fault": "name[=argument]; …", "<field>": argument, …}. */
MUST_USE bool fault_read(struct arena *arena, yyjson_val *object,
                         struct fault *fault, struct str *why);
/* "name=argument; …", in the arena. */
struct str fault_text(struct arena *arena, const struct fault *fault);

/* Adds what is set in `more`; it wins. */
void fault_add(struct fault *fault, const struct fault *more);

#endif
