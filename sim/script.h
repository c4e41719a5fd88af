/* What a stand-in is going to say, and how far it has come.
 *
 * The whole answer is known before its first token leaves; pacing only
 * decides when each token does.  A `voice` speaks one script, beat by beat: a
 * beat is one token, or the mere opening and closing of an empty block. */
#ifndef WEIR_SIM_SCRIPT_H
#define WEIR_SIM_SCRIPT_H

#include "arena.h"
#include "prompt.h"

enum script_kind {
    SCRIPT_THINKING,
    SCRIPT_REDACTED, /* thinking that nobody may read */
    SCRIPT_TEXT,
    SCRIPT_CALL,   /* of a tool; its text is the arguments, as JSON */
    SCRIPT_SEARCH, /* of the web, by the server; its text likewise */
    SCRIPT_FOUND,  /* what that has found; its name is what was sought */
};

enum script_end {
    SCRIPT_STOP,
    SCRIPT_LENGTH,
    SCRIPT_STOP_TEXT,  /* one of the caller's stop texts came up */
    SCRIPT_STOP_TOKEN, /* or one of the caller's stop tokens */
    SCRIPT_CALLS,
    SCRIPT_REFUSAL,
};

enum {
    SCRIPT_MAX_CALLS = 8,
    SCRIPT_MAX_THOUGHTS = 4,
    SCRIPT_MAX_BLOCKS = SCRIPT_MAX_CALLS + SCRIPT_MAX_THOUGHTS + 4
};

struct script_block {
    enum script_kind kind;
    struct str text;
    struct str name; /* SCRIPT_CALL: of the tool */
    bool is_cut;     /* by the limit of tokens */
    bool is_cited;   /* SCRIPT_TEXT: it rests on what was found */
};

struct script {
    struct script_block blocks[SCRIPT_MAX_BLOCKS];
    unsigned block_count;
    enum script_end end;
    struct str stop;     /* SCRIPT_STOP_TEXT: which one */
    uint64_t stop_token; /* SCRIPT_STOP_TOKEN: which one */
    bool is_interleaved; /* calls take turns, token by token */
    size_t tokens;       /* of all blocks */
    size_t thinking_tokens;
};

/* Adds a block; the last one counts if there are too many. */
void script_add(struct script *script, enum script_kind kind, struct str name,
                struct str text);
/* Puts a block before the one of that number, which may be the end. */
void script_insert(struct script *script, unsigned at,
                   struct script_block block);
/* Makes the text as long as the prompt wants it, ends it at a stop text and
 * at the limit of tokens, and counts. */
void script_trim(struct arena *arena, struct script *script,
                 const struct prompt *prompt);
/* Lets it end in a refusal after that many tokens. */
void script_refuse(struct script *script, size_t tokens);

struct voice {
    const struct script *script;
    unsigned index; /* of the choice */
    unsigned block; /* the present one */
    /* what is left of each block; ptr NULL: it was not begun */
    struct str rests[SCRIPT_MAX_BLOCKS];
    size_t spoken; /* tokens */
};

struct beat {
    const struct script_block *block;
    unsigned number; /* of the block */
    struct str piece;
    bool opens;
    bool closes;
    bool is_last;
};

void voice_init(struct voice *voice, const struct script *script,
                unsigned index);
/* The next beat; false when all is said. */
bool voice_next(struct voice *voice, struct beat *beat);

#endif
