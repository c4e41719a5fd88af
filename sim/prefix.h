/* Which beginnings of prompts were seen before: a stand-in for a prompt
 * cache.
 *
 * It knows the boundaries between tools and message parts, not single tokens.
 * It is a table of fixed size whose newest entries drive out older ones. */
#ifndef WEIR_SIM_PREFIX_H
#define WEIR_SIM_PREFIX_H

#include "prompt.h"

enum { PREFIX_ENTRIES = 1024 };

struct prefix_entry {
    uint64_t hash;
    uint64_t until_ms;
    unsigned minutes;
};

struct prefix_cache {
    struct prefix_entry entries[PREFIX_ENTRIES];
};

/* Tokens of one prompt; together they are prompt_tokens(). */
struct prefix_use {
    size_t read;       /* from the cache */
    size_t written_5m; /* to it, for five minutes */
    size_t written_1h;
    size_t rest;
};

/* Anthropic's way: only breakpoints are kept, for as long as they say. */
void prefix_use_marked(struct prefix_cache *cache, const struct prompt *prompt,
                       uint64_t now_ms, struct prefix_use *use);
/* vLLM's way: everything is kept, in blocks of 16 tokens.  `rest` holds all
 * that was not read. */
void prefix_use_all(struct prefix_cache *cache, const struct prompt *prompt,
                    struct prefix_use *use);

#endif
