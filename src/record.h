/* The account of one exchange: what was asked, what became of it, and what it
 * took.  Filled in on the way, closed in settle; read by the access log, the
 * counters, and, as a copy on the clerk's thread, by the ledger and the
 * exporters. */
#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include "catalog.h"
#include "dialect/chat.h"
#include "dialect/fields.h"
#include "telemetry/trace.h"

enum outcome {
    OUTCOME_OK,
    OUTCOME_CLIENT_ERROR,
    OUTCOME_ERROR,
    OUTCOME_CANCELLED, /* the caller left */
    OUTCOMES,
};

/* What was done, in the words of the GenAI conventions. */
enum operation {
    OPERATION_CHAT,
    OPERATION_COMPLETION, /* text_completion */
    OPERATION_EMBEDDINGS,
    OPERATION_COUNT, /* count_tokens, a word of our own */
    OPERATIONS,
};

/* One request to a backend. */
struct record_try {
    enum tier tier;
    enum dialect dialect;
    struct str backend; /* its name in the configuration */
    struct str model;   /* as the backend calls it */
    struct str host;
    unsigned port;
    char span_id[TRACE_SPAN_LEN]; /* of its client span */
    int status;                   /* of the answer; 0: there was none */
    enum error error;             /* OK: it answered */
    unsigned in_flight;           /* tries at the replica when it began, this
                                     one included; at least 1 */
    /* microseconds of clock_us(); 0 = it never came to that */
    uint64_t began_us, first_byte_us, first_token_us, ended_us;
};

enum record_event_kind {
    RECORD_FIRST_TOKEN, /* of a stream, on its way to the caller */
    RECORD_RETRY,       /* the next try, at the same backend */
    RECORD_FALLBACK,    /* the next try, at another backend */
    RECORD_SPILL,       /* the same, since the one before was full */
    RECORD_QUEUED,      /* waits for a place at a full backend */
    RECORD_HELD,        /* waits for a backend to become ready */
    RECORD_EVENTS,
};

struct record_event {
    enum record_event_kind kind;
    uint64_t at_us;
    struct str cause;   /* why: cold, connect, 503, full; may be empty */
    struct str backend; /* where it goes on or waits; may be empty */
};

enum { RECORD_TRIES_MAX = 8, RECORD_EVENTS_MAX = 16 };

/* What the caller set; numbers as they were spelled, empty when absent. */
struct record_params {
    bool has_max_tokens;
    int64_t max_tokens;
    struct str temperature, top_p, top_k;
    int64_t n;           /* 0: absent */
    unsigned stop_count; /* stop sequences */
    bool wants_json;     /* with a schema or without one */
};

struct record {
    /* the request */
    struct str id;
    struct str trace_id;
    struct str peer;
    struct str method, path;
    struct str format; /* its name: chat, messages, responses, … */
    enum operation operation;
    struct str key;   /* its name, empty when none was needed */
    struct str model; /* as asked for; "auto" when none was */
    bool is_chat;     /* a request that needed a backend */
    bool is_stream;
    bool wants_local;  /* the policy wanted it local … */
    struct str wanted; /* … at this backend */
    bool is_pinned;    /* one tier only was allowed */
    bool was_held;     /* it waited for a backend to become ready */
    int64_t prompt_tokens_estimated;
    int64_t max_tokens; /* as the rules saw it: asked for, or assumed */
    struct record_params params;
    size_t bytes_in;

    /* its place in the caller's trace; ids in lower-case hexadecimal */
    struct str span_id;        /* of the server span */
    struct str parent_span_id; /* the caller's; empty: none */
    struct str trace_state;    /* the caller's tracestate; empty: none */
    unsigned trace_flags;      /* as they went out */
    bool is_sampled;           /* spans of it are exported */
    /* the caller's, where a new trace was begun all the same: a span link;
     * empty: none */
    struct str link_trace_id, link_span_id;
    unsigned link_flags;

    /* who and what the caller says it is for; empty when absent */
    struct str user, session;
    struct str metadata; /* JSON, an object */

    /* who answered, if anybody */
    enum tier tier;
    struct str backend, served_model;
    struct str reason;
    struct str rule; /* its name, if a rule decided */
    unsigned tries;
    struct record_try *tries_made; /* the first RECORD_TRIES_MAX of them */
    unsigned tries_kept;
    struct record_event *events;
    unsigned event_count;
    /* what it could not take: slots of dialect/fields.h */
    uint16_t *dropped;
    unsigned dropped_count;

    /* the answer */
    int status;
    enum error error;  /* OK when all went well */
    struct str detail; /* of the error, for the log only */
    size_t bytes_out;
    struct chat_usage usage;
    enum chat_finish finish;
    struct str answer_id; /* that the backend gave it; may be empty */

    /* Only with content capture, and never against a pin, a key or a rule
     * that forbids it: JSON; empty when it was not captured. */
    struct str input, output;
    bool is_clipped; /* one of them was longer than what is kept */

    /* whole nano-dollars; see settle/price.h */
    bool is_priced; /* `cost` is known; never 0 for want of a price */
    bool is_hourly; /* `cost` is a share of the price of a server's hour */
    int64_t cost;
    bool has_cloud_cost;
    int64_t cloud_cost; /* what the cloud would have cost for these tokens */

    /* microseconds of clock_us(); 0 = it never came to that */
    uint64_t began_us, chosen_us, first_byte_us, first_token_us, ended_us;
    /* when all of the request was here; when it began to wait for a place or a
     * backend, before its first try; when all of an answer in one piece had
     * come */
    uint64_t received_us, waited_us, answered_us;
    int64_t ended_wall_us; /* when it ended, since 1970 */

    enum outcome outcome; /* see settle() */
    size_t size;          /* of a copy, in bytes */
};

/* A moment of clock_us() that the record speaks of, in nanoseconds since
 * 1970; 0 stays 0. */
uint64_t record_wall_ns(const struct record *record, uint64_t at_us);

/* "local", "cloud" or "none". */
struct str record_tier(const struct record *record);
struct str operation_name(enum operation operation);
struct str outcome_name(enum outcome outcome);
struct str finish_name(enum chat_finish finish); /* empty when unset */

/* A copy in one piece of memory, with all that it points to: for another
 * thread.  record_free() frees it. */
struct record *record_copy(const struct record *record);
void record_free(struct record *copy);

#endif
