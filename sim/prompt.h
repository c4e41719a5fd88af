/* What a caller asks, in neither format: both stand-ins fill it, and the
 * brain reads nothing else.
 *
 * Everything is borrowed from the request's document or its arena. */
#ifndef WEIR_SIM_PROMPT_H
#define WEIR_SIM_PROMPT_H

#include "arena.h"
#include "json.h"

enum {
    PROMPT_MESSAGE_TOKENS = 4, /* what a chat template puts around one */
    PROMPT_REPLY_TOKENS = 3,   /* and in front of the answer */
};

enum prompt_role { PROMPT_SYSTEM, PROMPT_USER, PROMPT_ASSISTANT, PROMPT_TOOL };

enum prompt_kind {
    PROMPT_TEXT,
    PROMPT_MEDIA,    /* an image, a sound or a file */
    PROMPT_CALL,     /* of a tool, by the assistant */
    PROMPT_RESULT,   /* of a call */
    PROMPT_THINKING, /* the assistant's, handed back */
};

struct prompt_part {
    enum prompt_kind kind;
    struct str text; /* also arguments, a result's text, a document's text */
    struct str name; /* of the called tool, or of the file */
    struct str id;   /* of the call */
    struct str media_type;  /* PROMPT_MEDIA; empty when it cannot be known */
    struct str bytes;       /* PROMPT_MEDIA: as much as is needed to look at */
    size_t size;            /* PROMPT_MEDIA: in bytes, 0 = unknown */
    bool is_error;          /* PROMPT_RESULT */
    unsigned cache_minutes; /* a cache breakpoint behind this part; 0 = none */
};

struct prompt_message {
    enum prompt_role role;
    struct prompt_part *parts;
    unsigned part_count;
};

struct prompt_tool {
    struct str name;
    struct str description;
    yyjson_val *schema; /* NULL: no arguments */
    unsigned cache_minutes;
};

enum prompt_choice {
    PROMPT_CHOICE_AUTO,
    PROMPT_CHOICE_NONE,
    PROMPT_CHOICE_REQUIRED,
    PROMPT_CHOICE_NAMED,
};

enum prompt_format { PROMPT_FREE, PROMPT_JSON_OBJECT, PROMPT_JSON_SCHEMA };

struct prompt {
    struct str model;
    struct prompt_message *messages;
    unsigned message_count;
    struct prompt_tool *tools;
    unsigned tool_count;
    enum prompt_choice choice;
    struct str choice_name;
    bool is_serial;       /* one call at most */
    bool announces_calls; /* a sentence comes before calls made freely */
    enum prompt_format format;
    yyjson_val *schema;
    struct str *words; /* the answer must be one of these */
    unsigned word_count;
    bool wants_thinking;
    unsigned thinking_effort; /* sentences more than the usual one */
    struct str *stops;
    unsigned stop_count;
    uint64_t *stop_tokens;
    unsigned stop_token_count;
    bool can_search; /* the server would search the web */
    bool keeps_stop; /* the matched text stays in the answer */
    size_t max_tokens;
    size_t min_tokens; /* the answer is made at least that long */
};

/* The size of the prompt as the stand-ins count it: the texts, four tokens
 * for each message, the tools as JSON, 256 for an image, and a quarter of a
 * file's bytes. */
size_t prompt_tokens(const struct prompt *prompt);
size_t prompt_part_tokens(const struct prompt_part *part);
size_t prompt_tool_tokens(const struct prompt_tool *tool);

/* The first message behind the assistant's last one: where the part begins
 * that waits for an answer. */
unsigned prompt_tail(const struct prompt *prompt);
/* Without what a coding agent puts around everything, like
 * <system-reminder>…</system-reminder>. */
struct str prompt_unframed(struct arena *arena, struct str text);
/* The last thing the user wrote, without that; of a long text, beginning and
 * end. */
struct str prompt_question(struct arena *arena, const struct prompt *prompt);

/* Cuts a last line "[[sim: …]]" off each message of the user.  Gives what
 * stands in that of the last message, if the user has the last word; ptr NULL
 * when there is none. */
struct str prompt_take_directive(struct prompt *prompt);

/* How many bytes valid Base64 stands for, and the first of them: as many as
 * are needed to tell what they are. */
size_t prompt_decoded_size(struct str base64);
struct str prompt_front(struct arena *arena, struct str base64);

/* A number that follows from the whole prompt. */
uint64_t prompt_hash(const struct prompt *prompt);

#endif
