/* The formats that callers and backends speak, one row each: what it is
 * called, how to read and to write it, all to and from the common form
 * (chat.h).  A new format is a new file and a new row.
 *
 * A row may be spoken at the door (read_request, write_answer, write_event,
 * write_error), with a backend (write_request, read_answer, read_event,
 * read_error), or both; then, where both ends speak the same, the bytes pass
 * (relay.h) and relay_read() reads what must be known of them.  A verb that a
 * format lacks is NULL. */
#ifndef WEIR_FORMAT_H
#define WEIR_FORMAT_H

#include "buf.h"
#include "chat.h"
#include "claude.h"
#include "names.h"

/* How a request is to be written. */
struct request_style {
    struct str model;                  /* the name upstream */
    const struct claude_model *traits; /* of a Claude; else NULL */
    int64_t default_max_tokens;
    bool is_2026_10_21;   /* that version of Anthropic's API */
    bool shows_reasoning; /* the caller shall see the thinking */
    bool caches_prompt;   /* set a cache breakpoint at the end by ourselves */
    bool without_usage;   /* do not ask for that of a stream */
};

/* What was found out on the way, for the answer. */
struct request_notes {
    struct names names;
    struct str *dropped; /* members of the request without effect, each once,
                            by the caller's own words */
    unsigned dropped_count, dropped_cap;
};

/* Ready to take the names of what is dropped; chat->others are in already. */
void request_notes_init(struct request_notes *notes, struct arena *arena,
                        const struct chat *chat);
/* One more; twice is once.  `name` is borrowed. */
void request_notes_drop(struct request_notes *notes, struct arena *arena,
                        struct str name);

/* How an answer is to be written.  Its strings are borrowed for as long as
 * it is being written. */
struct answer_style {
    struct str model;     /* the name that the caller used */
    struct str id;        /* of an answer that comes without one */
    int64_t created;      /* seconds since 1970 */
    bool shows_reasoning; /* what the model thought */
    bool shows_thinking;  /* also as signed blocks, an extension */
    bool include_usage;   /* Chat Completions: in streams, too */
    bool hides_usage;     /* of a stream that passes: the router has asked for
                             it, and not the caller */
    bool wants_encrypted; /* Responses: signed blocks as encrypted_content */
    bool is_stored;       /* Responses: can be called up later */
    struct str echo;      /* Responses: members that repeat the request */
};

/* What a backend's answer with an error status tells, besides its body. */
struct backend_head {
    int status;
    struct str retry_after; /* header values; empty when absent */
    struct str request_id;
};

/* Seconds; 0 when absent or not a number of seconds. */
unsigned backend_retry_after_s(const struct backend_head *head);

/* Anthropic's counters; see anthropic_reply.h. */
struct anthropic_counts {
    bool is_known;
    int64_t input; /* neither read from a cache nor written to one */
    int64_t output;
    int64_t cache_read;
    int64_t cache_write;
    int64_t cache_write_1h; /* of cache_write */
    bool has_thinking;
    int64_t thinking;
    struct str service_tier; /* in OpenAI's words, static */
};

/* What was read in an answer, or in the events of a stream so far. */
struct relay_facts {
    /* of the answer, or of the last event */
    bool is_error;    /* an error in place of an answer */
    bool is_last;     /* the stream's last event */
    yyjson_val *root; /* as long as the arena */
    size_t model_at;  /* where the model's value stands; 0, 0 = nowhere */
    size_t model_len;
    bool is_usage;    /* nothing but a stream's usage */
    size_t usage_at;  /* if seeks_usage is set: where the member `usage` and */
    size_t usage_len; /* its comma stand; 0, 0 = nowhere */
    /* of all so far */
    bool seeks_usage; /* set by who wants to know its place */
    bool has_token;   /* content, reasoning, a refusal or a tool call */
    enum chat_finish finish;
    struct chat_usage usage;
    struct anthropic_counts counts;
};

struct gather;

struct format {
    struct str name; /* as the log and docs/translation.md call it */
    struct str path; /* of a request to a backend */
    /* What is spoken with a backend of each dialect for a request in this
     * format; NULL: that dialect has no such thing. */
    const struct format *with_openai;
    const struct format *with_anthropic;
    bool never_streams;
    /* Streams tell their usage to who asks for it (stream_options). */
    bool has_stream_options;
    /* Anthropic's callers bring headers that its backend understands, and
     * look for the request's id in one of their own. */
    bool has_anthropic_headers;

    /* --- requests --- */

    /* Everything in *chat belongs to the arena or to `body`, which must stay.
     * False with *error set when it cannot be served. */
    bool (*read_request)(struct arena *arena, struct str body,
                         struct chat *chat, struct chat_error *error);
    /* Everything in *notes belongs to the arena or to the chat.  False with
     * *error set when it cannot be expressed. */
    bool (*write_request)(struct arena *arena, const struct chat *chat,
                          const struct request_style *style, struct buf *out,
                          struct request_notes *notes,
                          struct chat_error *error);

    /* Members of a request that hold what is said; empty: it says nothing. */
    struct str said[2];

    /* --- complete answers --- */

    /* The answer belongs to the arena and borrows from `names` and `body`.
     * False when it is none; *error is set when it says more than that. */
    bool (*read_answer)(struct arena *arena, struct str body,
                        const struct names *names, struct chat_answer *answer,
                        struct chat_error *error);
    void (*write_answer)(const struct answer_style *style,
                         const struct chat_answer *answer, struct buf *out);

    /* --- streamed answers --- */

    /* Readers and writers stand in the arena, which outlives them; _close
     * frees what they have besides.  `names` and `style` are copied or stay. */
    void *(*reader_open)(struct arena *arena, const struct names *names);
    void (*reader_close)(void *reader);
    /* Takes one event's data and tells the listener what it means: nothing,
     * one or several events.  False when it cannot be understood; the stream
     * is then broken. */
    bool (*read_event)(void *reader, struct str data,
                       const struct chat_listener *listener);
    /* The connection has ended.  Tells the end if all had been said but
     * that; false: the stream was cut. */
    bool (*read_end)(void *reader, const struct chat_listener *listener);

    void *(*writer_open)(struct arena *arena, const struct answer_style *style);
    void (*writer_close)(void *writer);
    /* Appends the frames of one event; nothing after END or ERROR. */
    void (*write_event)(void *writer, const struct chat_event *event,
                        struct buf *out);

    /* The text of the complete answer, after END; ptr NULL when it has none. */
    struct str (*writer_result)(void *writer);
    /* Answers with an estimate where no backend can be asked. */
    void (*write_estimate)(int64_t prompt_tokens, struct buf *out);
    /* What earlier turns said, as the texts of their items: behind the
     * instructions, before the items of the request. */
    bool (*read_history)(struct arena *arena, const struct str texts[],
                         size_t count, struct chat *chat,
                         struct chat_error *error);

    /* --- errors --- */

    /* Reads an answer with an error status. */
    void (*read_error)(struct arena *arena, const struct backend_head *head,
                       struct str body, struct chat_error *error);
    /* The HTTP status that callers of this format expect. */
    int (*error_status)(const struct chat_error *error);
    /* Seconds after which to try again, 0 = unknown; NULL: what the error
     * itself says. */
    unsigned (*error_retry_s)(const struct chat_error *error);
    /* `id` is the request's. */
    void (*write_error)(const struct chat_error *error, struct str id,
                        struct buf *out);

    /* --- the same at both ends --- */

    /* Reads an answer, or an event of a stream, and takes it into *facts,
     * which is zero at first.  False when it is none. */
    bool (*relay_read)(struct arena *arena, struct str json,
                       struct relay_facts *facts);
    /* The same text, of which relay_read() gave `root`, for who keeps what is
     * said.  NULL: nothing is said in words. */
    void (*relay_gather)(struct gather *gather, yyjson_val *root);
    /* Would a backend of the same format refuse what the caller sent?  NULL:
     * nobody minds. */
    bool (*must_rewrite)(const struct chat *chat,
                         const struct claude_model *traits);
    /* Then writes the body anew, without that; everything else stays. */
    void (*rewrite)(const struct chat *chat, const struct request_style *style,
                    struct buf *out);
    /* The error inside a stream that facts->root holds. */
    void (*read_stream_error)(struct arena *arena, yyjson_val *event,
                              struct chat_error *error);
    /* The last words of a stream that went wrong. */
    void (*write_stream_error)(const struct chat_error *error, struct buf *out);
    /* Ends a stream in which all was said but goodbye: whole frames. */
    struct str goodbye;
    /* A frame's data that is the end of a stream and no JSON; empty: none. */
    struct str done;
    /* What a stream that is silent gets from time to time: whole frames. */
    struct str keep_alive;
    /* Frames have an `event:` line. */
    bool names_events;
};

extern const struct format format_chat;        /* openai_*.c */
extern const struct format format_messages;    /* anthropic_*.c */
extern const struct format format_responses;   /* responses_*.c */
extern const struct format format_count;       /* count.c: count_tokens */
extern const struct format format_tokenize;    /* count.c: vLLM's */
extern const struct format format_completions; /* openai_plain.c */
extern const struct format format_embeddings;  /* openai_plain.c */

#endif
