/* The common form between the formats: what was asked, what was answered, a
 * piece of a streamed answer, and what went wrong.
 *
 * Every format reads to it and writes from it, so N formats need N files and
 * not N times N translators.  The structs borrow: their strings stand in the
 * document they were read from or in the arena that goes with it. */
#ifndef WEIR_CHAT_H
#define WEIR_CHAT_H

#include "arena.h"
#include "error.h"
#include "json.h"
#include "str.h"

/* --- what went wrong ---------------------------------------------------- */

/* An error on its way to the caller.  Fields that are not set (ptr NULL, 0)
 * are taken from the row of `error`. */
struct chat_error {
    enum error error;
    int status;
    struct str type; /* in OpenAI's dialect */
    struct str code; /* the same; set and empty means null */
    struct str message;
    struct str param;   /* path of the field: messages[2].content[0].text */
    struct str details; /* JSON; in Anthropic's dialect */
    unsigned retry_after_s;
    bool never_retry;       /* repeating is useless: x-should-retry: false */
    bool is_final;          /* nor is the next target to be tried */
    bool is_unpaid;         /* in Anthropic's dialect: 402, a billing_error */
    struct str upstream_id; /* the backend's own request id */
};

/* Sets *error; returns false, so that a reader can `return chat_refuse(…)`. */
bool chat_refuse(struct chat_error *error, struct arena *arena, enum error kind,
                 struct str param, const char *format, ...) PRINTF_LIKE(5, 6);

int chat_error_status(const struct chat_error *error);
struct str chat_error_type(const struct chat_error *error);
/* Empty means null. */
struct str chat_error_code(const struct chat_error *error);
struct str chat_error_message(const struct chat_error *error);

/* --- what was asked ----------------------------------------------------- */

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

enum chat_part_kind {
    CHAT_TEXT,
    CHAT_REFUSAL,
    CHAT_IMAGE,
    CHAT_FILE,
    CHAT_THINKING, /* what a model thought, CHAT_ASSISTANT only */
    CHAT_CALL,     /* a tool call stands here, CHAT_ASSISTANT only */
    CHAT_OTHER,    /* a kind that only some backends know: `text` is its name */
};

/* Images and files come as a URL (`url`: https: or data:), or as Base64 with
 * its type (`media_type`, `data`), files also as plain text (`text`) or by
 * reference (`file_id`). */
struct chat_part {
    enum chat_part_kind kind;
    unsigned index;  /* content[index] in the request */
    struct str text; /* CHAT_TEXT, CHAT_REFUSAL, CHAT_THINKING (may be empty),
                        CHAT_FILE; CHAT_OTHER: the kind's name */
    struct str url;
    struct str media_type;
    struct str data;
    struct str detail;    /* CHAT_IMAGE: how closely to look, may be empty */
    struct str file_name; /* CHAT_FILE, may be empty */
    struct str file_id;
    yyjson_val *cache; /* a cache breakpoint behind this part, or NULL */
    yyjson_val *block; /* CHAT_THINKING: Anthropic's block as it was given out,
                          with its signature; NULL: nobody signed it.
                          CHAT_OTHER: as it came, if it may hold text */
    unsigned call;     /* CHAT_CALL: calls[call] of the message */
};

struct chat_call {
    struct str id;
    struct str name;
    struct str arguments; /* JSON text, as a model wrote it: may be broken */
    bool is_custom;       /* `arguments` is free text */
};

struct chat_message {
    enum chat_role role;
    unsigned index;         /* messages[index] in the request */
    bool content_is_string; /* CHAT_TOOL: and not a list of parts */
    bool is_function;       /* CHAT_TOOL: the deprecated role "function" */
    bool is_error;          /* CHAT_TOOL: the tool has failed */
    /* In the order in which the model said them or the caller gave them. */
    struct chat_part *parts;
    unsigned part_count;
    /* CHAT_ASSISTANT: each call has a part CHAT_CALL at its place */
    struct chat_call *calls;
    unsigned call_count;
    struct str call_id; /* CHAT_TOOL: whose result this is */
    struct str refusal; /* CHAT_ASSISTANT, beside the parts */
};

struct chat_tool {
    struct str name;
    struct str description; /* may be empty */
    yyjson_val *schema;     /* NULL: no arguments */
    yyjson_val *cache;
    bool is_strict;
    bool is_custom; /* takes free text */
};

enum chat_choice {
    CHAT_CHOICE_UNSET,
    CHAT_CHOICE_NONE,
    CHAT_CHOICE_AUTO,
    CHAT_CHOICE_REQUIRED,
    CHAT_CHOICE_NAMED,
};

enum chat_format {
    CHAT_FORMAT_TEXT,
    CHAT_FORMAT_JSON_OBJECT,
    CHAT_FORMAT_JSON_SCHEMA,
};

enum chat_effort {
    CHAT_EFFORT_UNSET,
    CHAT_EFFORT_NONE,
    CHAT_EFFORT_MINIMAL,
    CHAT_EFFORT_LOW,
    CHAT_EFFORT_MEDIUM,
    CHAT_EFFORT_HIGH,
    CHAT_EFFORT_XHIGH,
    CHAT_EFFORT_MAX,
};

/* What the caller's format calls the members of the common form: for errors
 * and for the names of what was dropped. */
struct chat_words {
    struct str messages; /* messages: messages[index] */
    struct str call_id;  /* tool_call_id, of a result */
    struct str format;   /* response_format */
    struct str effort;   /* reasoning_effort */
    struct str stops;    /* stop */
    struct str user;     /* user */
    /* before the name of a part's member, and of one in a tool's result */
    struct str part;         /* messages[].content[]. */
    struct str result_part;  /* the same */
    struct str result;       /* content: where a result's parts stand */
    struct str detail;       /* image_url.detail, of a part */
    struct str file_name;    /* file.filename */
    struct str format_about; /* response_format.json_schema.description */
    struct str redacted;     /* thinking that Claude alone can read */
    bool starts_with_usage;  /* a stream's first event counts the prompt */
};

struct chat {
    struct str body; /* the request as it came */
    struct json_doc doc;
    const struct chat_words *words; /* static */

    struct str model; /* as the caller wrote it; empty when absent */
    size_t model_at;  /* where its value stands in `body`, quotes included; */
    size_t model_len; /* both 0 when the member is absent */

    struct chat_message *messages;
    unsigned message_count;
    struct chat_tool *tools;
    unsigned tool_count;
    enum chat_choice choice;
    struct str choice_name;    /* CHAT_CHOICE_NAMED */
    struct str *allowed_tools; /* names; NULL: all of them */
    unsigned allowed_count;
    bool is_serial; /* parallel tool calls are switched off */

    bool has_max_tokens;
    int64_t max_tokens;
    struct str max_tokens_name; /* the field it came from */
    struct str temperature;     /* numbers as they were spelled; empty when */
    struct str top_p;           /* absent */
    struct str top_k;
    struct str *stops;
    unsigned stop_count;
    enum chat_format format;
    yyjson_val *format_schema; /* CHAT_FORMAT_JSON_SCHEMA */
    struct str format_name;  /* its name and what it is for; OpenAI's formats */
    struct str format_about; /* only, may be empty */
    enum chat_effort effort;
    bool wants_thinking; /* asked for without saying how much */
    bool has_n;
    int64_t n;
    bool wants_audio;
    struct str user;
    struct str safety_identifier;
    yyjson_val *metadata; /* as it came; NULL: none */
    struct str service_tier;
    bool is_stream;
    bool include_usage; /* the stream's last chunk shall bear it */
    /* Where the value of stream_options stands in `body`, and that of its
     * include_usage; 0, 0 when absent.  Of an object the length is 0. */
    size_t options_at, options_len;
    bool has_stream_options; /* at least one */
    size_t usage_at, usage_len;

    /* Members that have no place in the common form, each once: of the top
     * level, or deeper ones by their path without indexes
     * ("messages[].name"). */
    struct str *others;
    unsigned other_count, other_cap;

    size_t characters; /* of all text: messages, system prompt, tools */
    unsigned image_count;
    unsigned file_count;
    /* Built-in tools that a vendor's servers run, and no local model has. */
    unsigned server_tool_count;
    struct str server_tool;  /* the first one's name */
    bool server_tools_exist; /* where a backend speaks the caller's format */
    /* Thinking that nobody signed: it must not go to who checks signatures. */
    bool has_unsigned_thinking;

    /* System messages between the others, which not every Claude takes. */
    bool has_mid_system;
    /* Goes on with what a vendor's server has kept ("thread"): the messages
     * are not all of the conversation, and mean little to anybody else. */
    bool has_thread;

    /* of the Responses format only */
    struct str previous_id; /* previous_response_id */
    bool is_stored;         /* `store`, which is on unless switched off */
    bool wants_encrypted;   /* include: reasoning.encrypted_content */
    struct str items;       /* the text of `input` */
    struct str *references; /* ids of responses that items are taken from, */
    unsigned reference_count;
    struct str *known; /* and the texts of those that are remembered */
    unsigned known_count;
    size_t fixed_characters; /* of `characters`, without the messages */
    unsigned fixed_tools;    /* of `tools`, without what was found later */
    struct str echo; /* members of the request that the answer repeats */
};

/* Signature of thinking that no Claude has signed: Anthropic's callers insist
 * on one. */
#define CHAT_UNSIGNED STR("router-unsigned")

/* A thinking block that no Claude has signed. */
bool chat_is_unsigned(yyjson_val *block);
/* A thinking block as Anthropic gave it out: sets *part. */
void chat_thinking(struct chat *chat, yyjson_val *block,
                   struct chat_part *part);
/* The effort that OpenAI's formats call `name`; false when there is none. */
MUST_USE bool chat_effort_named(struct str name, enum chat_effort *effort);
/* One more member that has no place in the common form; twice is once, and
 * a hundred are enough. */
void chat_other(struct chat *chat, struct arena *arena, struct str name);

/* --- what was answered -------------------------------------------------- */

enum chat_finish {
    CHAT_FINISH_UNSET,
    CHAT_FINISH_STOP,
    CHAT_FINISH_LENGTH,
    CHAT_FINISH_TOOL_CALLS,
    CHAT_FINISH_CONTENT_FILTER,
};

struct chat_usage {
    bool is_known;
    int64_t input;          /* all of the prompt, cached parts included */
    int64_t cache_read;     /* of these, read from a cache */
    int64_t cache_write;    /* of these, written to one */
    int64_t cache_write_1h; /* of those written, the ones kept for an hour */
    int64_t output;         /* reasoning included */
    bool has_reasoning;
    int64_t reasoning;
    struct str service_tier; /* empty when unknown */
};

enum chat_block_kind {
    CHAT_BLOCK_TEXT,
    CHAT_BLOCK_THINKING,
    CHAT_BLOCK_REDACTED,
    CHAT_BLOCK_CALL,
};

/* A quotation of the web: the span of the answer's text that rests on it, in
 * code points. */
struct chat_citation {
    struct str url;
    struct str title;
    size_t start;
    size_t end;
};

struct chat_block {
    enum chat_block_kind kind;
    struct str text;       /* TEXT, THINKING; REDACTED: its data */
    struct str signature;  /* THINKING */
    struct chat_call call; /* CALL */
};

struct chat_answer {
    struct str id;       /* without the format's prefix */
    struct str given_id; /* as it came */
    struct chat_block *blocks;
    unsigned block_count;
    struct chat_citation *citations;
    unsigned citation_count;
    enum chat_finish finish;
    struct str stop_sequence; /* that ended it; ptr NULL: none */
    struct str refusal;       /* the explanation, may be empty */
    struct chat_usage usage;
};

/* --- a piece of a streamed answer --------------------------------------- */

/* START comes first and once, END or ERROR last.  What a reader tells is in
 * order: a call's fragments come right behind its CALL, and nothing between
 * them; a reader whose backend mixes them holds them back. */
enum chat_event_kind {
    CHAT_EVENT_START,    /* id, given_id; usage, as far as it is known */
    CHAT_EVENT_TEXT,     /* text, never empty */
    CHAT_EVENT_THINKING, /* text, never empty */
    CHAT_EVENT_BLOCK,    /* the thinking so far is complete: block.  Its text is
                            set where it was signed, else it may be empty; it
                            may come without any THINKING before it */
    CHAT_EVENT_CALL,     /* a tool call begins: call.id, call.name,
                            call.is_custom, index */
    CHAT_EVENT_ARGUMENTS, /* text: a fragment of call `index` */
    CHAT_EVENT_END,       /* finish, stop_sequence, refusal, usage */
    CHAT_EVENT_ERROR,     /* error */
};

struct chat_event {
    enum chat_event_kind kind;
    struct str id;
    struct str given_id;
    struct str text;
    unsigned index; /* counts the tool calls of the answer from 0 */
    struct chat_call call;
    struct chat_block block;
    enum chat_finish finish;
    struct str stop_sequence; /* ptr NULL: none */
    struct str refusal;
    struct chat_usage usage;
    struct chat_error error;
};

/* Whom a reader hands its events; each is borrowed until it returns. */
struct chat_listener {
    void (*on_event)(void *ctx, const struct chat_event *event);
    void *ctx;
};

#endif
