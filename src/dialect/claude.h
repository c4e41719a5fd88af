/* What each Claude model takes and costs: read once from the data file
 * `data/claude-models.json`, which stands in the binary too. */
#ifndef WEIR_CLAUDE_H
#define WEIR_CLAUDE_H

#include "arena.h"
#include "str.h"

/* How thinking is switched off for `reasoning_effort: none`. */
enum claude_thinking_off {
    CLAUDE_OFF_DEFAULT,       /* it is off unless asked for: send nothing */
    CLAUDE_OFF_DISABLED,      /* {"type":"disabled"} */
    CLAUDE_OFF_BETWEEN_TOOLS, /* {"type":"between_tools"} */
    CLAUDE_OFF_NEVER,         /* impossible: ask for little effort */
};

enum claude_effort {
    CLAUDE_EFFORT_LOW,
    CLAUDE_EFFORT_MEDIUM,
    CLAUDE_EFFORT_HIGH,
    CLAUDE_EFFORT_XHIGH,
    CLAUDE_EFFORT_MAX,
    CLAUDE_EFFORTS,
};

/* Pico-dollars per token, which are micro-dollars per million tokens: what is
 * published, 0.0375 USD per million, say, is whole. */
struct claude_price {
    bool is_known;
    int64_t input; /* neither read from a cache nor written to one */
    int64_t output;
    int64_t cache_write_5m;
    int64_t cache_write_1h;
    int64_t cache_read;
};

/* What the tokens of a model cost. */
struct claude_tariff {
    struct claude_price price;
    /* A request with a longer prompt, cached parts included, has the second
     * price for all its tokens; 0 = there is none. */
    int64_t long_prompt_tokens;
    struct claude_price long_price;
};

struct claude_model {
    struct str id;
    struct str *aliases;
    unsigned alias_count;
    int64_t context_window;    /* tokens; 0 = unknown */
    int64_t max_output_tokens; /* 0 = unknown */
    bool takes_adaptive;       /* thinking {"type":"adaptive"} */
    bool takes_manual;         /* thinking {"type":"enabled"} with a budget */
    enum claude_thinking_off thinking_off;
    unsigned efforts;         /* bit 1 << enum claude_effort */
    bool takes_forced_choice; /* tool_choice any and tool */
    bool takes_prefill;
    bool takes_sampling;   /* temperature, top_p, top_k */
    bool takes_mid_system; /* messages of the role system */
    bool hides_thinking;   /* the text is omitted unless asked for */
    struct claude_tariff tariff;
};

struct claude_models {
    struct claude_model *models;
    unsigned count;
};

/* An amount in USD as it is spelled, "0.0375", to whole micro-dollars: exact,
 * without floating point.  At most a million, with at most six decimal places;
 * false for anything else. */
MUST_USE bool claude_read_usd(struct str text, int64_t *micro);

/* Reads the data file's text.  Everything belongs to the arena.  False with
 * *why, in the arena, when it is not what it must be. */
MUST_USE bool claude_models_read(struct arena *arena, struct str text,
                                 struct claude_models *out, struct str *why);

/* The model of that id or alias, with or without a date at its end, a vendor
 * prefix or "-latest"; NULL when it is unknown. */
const struct claude_model *claude_find(const struct claude_models *models,
                                       struct str name);

/* What a model that is in no list is assumed to be: new, so that it takes the
 * fewest fields. */
extern const struct claude_model claude_unknown;

/* The data file as it was at build time. */
extern const char claude_default_data[];
extern const size_t claude_default_data_len;

#endif
