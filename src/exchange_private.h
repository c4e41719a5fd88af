/* What the files of an exchange share: exchange.c (the corridor),
 * exchange_try.c (one backend after the other), exchange_wait.c (waiting for
 * one), exchange_answer.c (what comes back) and exchange_record.c (what is
 * noted of all that).  Nobody else includes this. */
#ifndef WEIR_EXCHANGE_PRIVATE_H
#define WEIR_EXCHANGE_PRIVATE_H

#include "choose/choose.h"
#include "choose/queue.h"
#include "dialect/answer.h"
#include "exchange.h"
#include "forward/attempt.h"
#include "record.h"
#include "reply/reply.h"
#include "store.h"
#include "telemetry/trace.h"

enum step {
    STEP_RECEIVE,
    STEP_ADMIT,
    STEP_CHOOSE,
    STEP_FORWARD,
    STEP_STREAM,
    STEP_FAIL,
    STEP_SETTLE,
    STEP_DONE,
    STEPS,
};

/* What is being read of a backend's answer. */
enum reading {
    READING_HEAD,
    READING_ERROR,  /* an error status: its body tells more */
    READING_WHOLE,  /* an answer in one piece */
    READING_STREAM, /* events */
};

struct exchange {
    struct worker *worker;
    struct catalog *catalog; /* that it began with: one reference */
    struct request *request;
    struct arena *arena; /* the request's */
    struct arena work;   /* see above */
    struct list link;    /* in worker->exchanges */
    struct list parked;  /* in worker->parked, while it waits */
    enum step step;
    const struct format *format; /* that the caller speaks */
    bool is_route_only;
    bool is_gone; /* the caller has left */

    /* a job on the thread pool: hands off until it is done */
    bool is_offloaded;
    uv_work_t job;
    void (*work_on)(struct exchange *x);
    void (*after)(struct exchange *x);

    struct record record;
    struct record_try *try; /* under way; NULL: none, or too many were made */
    struct trace trace;
    struct reply reply;
    const struct api_key *key;
    struct chat chat;
    struct rule_facts facts;
    struct choice choice;
    bool is_prepared;        /* the request was read, the choice made */
    bool is_strict;          /* what a backend cannot take it shall not get */
    struct chat_error error; /* the last one; in the end the caller's */
    bool has_error;

    /* where it is tried */
    unsigned target;                             /* index into choice.targets */
    unsigned tries_at[CHOICE_MAX_TARGETS];       /* of each target */
    struct replica *last_at[CHOICE_MAX_TARGETS]; /* that was asked there */
    unsigned excluded; /* bits of targets that cannot take the request at all */
    bool tries_anyhow; /* also backends that rest */
    struct replica *replica;
    struct waiter waiter; /* in the queue of the target, if is_queued */
    bool is_queued;
    bool is_full;     /* the present target is */
    unsigned waited;  /* bits of targets that it has waited for in vain */
    struct str cause; /* why the target before was left: cold, connect, 503 */
    const struct backend *asked; /* by the last try; NULL: none yet */

    /* the try under way */
    struct attempt *attempt;
    bool is_paused;
    uint64_t piece_us; /* of a stream: when its last piece came, clock_us() */
    struct buf order_head, order_body; /* for the backend */
    bool is_translated; /* order_body holds the chat in the target's format */
    struct names names;
    struct str *dropped;
    unsigned dropped_count;
    enum reading reading;
    struct backend_head head;
    struct answer answer;
    bool has_answer;             /* `answer` is initialised */
    struct recall recall;        /* if answer.recall is set */
    bool keeps_content;          /* what is asked and answered, for a clerk */
    struct gather *gather;       /* of the present answer; NULL: nobody does */
    struct store_entry *earlier; /* the response that this goes on with */
    bool is_confined;            /* it goes on with something stored, */
    enum tier confined;          /* and that is what policies left to it */
    bool goes_on_refused;        /* or whose content nobody may keep */
    bool refuses_content; /* so it is with this request; if it is stored */
    struct buf held; /* a body in one piece, or events before the first token */

    struct deadline total, first_token, hold, comment;
    uint64_t hold_until_ms;
};

/* --- exchange.c --------------------------------------------------------- */

void exchange_move(struct exchange *x, enum step step);
const struct settings *exchange_settings(const struct exchange *x);
/* The target that is being tried. */
const struct target *exchange_target(const struct exchange *x);
/* What is spoken with it for this request. */
const struct format *exchange_target_format(const struct exchange *x);
void exchange_set_deadline(struct exchange *x, struct deadline *deadline,
                           uint64_t ms);

/* Runs work_on, then after: at once for small requests, for large ones on the
 * thread pool, so that they do not hold up everybody else on this loop. */
void exchange_run_job(struct exchange *x, void (*work_on)(struct exchange *x),
                      void (*after)(struct exchange *x));

/* Gives back what only another try would need. */
void exchange_release_work(struct exchange *x);

/* The last calls: the exchange and its request are gone when they return. */
void exchange_settle(struct exchange *x);
void exchange_fail(struct exchange *x, const struct chat_error *error);
void exchange_fail_with(struct exchange *x, enum error error);

/* --- exchange_try.c ----------------------------------------------------- */

/* x->is_strict: as the operator wants it, or the caller, who may ask for more
 * of it and not for less.  False with x->error set. */
bool exchange_read_strict(struct exchange *x);
/* Goes to the first backend that may take the request, or on to the next.
 * When none is left it waits or fails. */
void exchange_next_try(struct exchange *x);
/* The try has failed and is gone: the next one, if there may be one. */
void exchange_try_failed(struct exchange *x, const struct chat_error *error);
void exchange_try_failed_with(struct exchange *x, enum error error);
/* What a failed try says of the replica; HEALTH_EVENTS: nothing. */
enum health_event exchange_blame(const struct exchange *x, enum error error);
/* Cuts the try under way, if there is one. */
void exchange_drop_attempt(struct exchange *x);
/* `busy_ms`: see health_note(). */
void exchange_note_health(struct exchange *x, enum health_event event,
                          uint64_t busy_ms, struct str why);

/* Sends it to the replica, at which it has a place. */
void exchange_send(struct exchange *x, struct replica *replica);
void exchange_next_target(struct exchange *x);

/* --- exchange_wait.c ---------------------------------------------------- */

/* It cannot take the request at all. */
bool exchange_is_excluded(const struct exchange *x, unsigned target);
/* Nothing more to hope for from this target: all its servers were asked, it
 * cannot take the request, or it was full for too long. */
bool exchange_is_spent(const struct exchange *x, unsigned target);
/* No target is left to be tried. */
void exchange_wait_or_fail(struct exchange *x);
/* Stands in line for a place at the present target.  False: no use. */
bool exchange_queue(struct exchange *x);
/* Gives up its place in line, if it stands in one. */
void exchange_leave_queue(struct exchange *x);
void exchange_on_hold_due(struct deadline *deadline);

/* --- exchange_memory.c -------------------------------------------------- */

/* The turns before, if the request goes on with a stored response, into
 * x->chat.  False with x->error set. */
bool exchange_read_earlier(struct exchange *x);
/* Puts back what the target's model thought in turns before. */
void exchange_recall(struct exchange *x);
/* Notes what it thinks now. */
void exchange_note(struct exchange *x);
/* Is the answer to be stored, and the request's items with it? */
bool exchange_is_stored(const struct exchange *x);
/* The answer is complete; `result` is its text, ptr NULL for a stream. */
void exchange_remember(struct exchange *x, struct str result);

/* --- exchange_record.c -------------------------------------------------- */

enum operation exchange_operation(const struct format *format);
/* What was read and decided, or as much of it as there is. */
void exchange_record_request(struct exchange *x);
/* What is asked, if that may be kept: it was read, the choice is made.  On the
 * loop or on the thread pool. */
void exchange_record_input(struct exchange *x);
/* What was answered so far. */
void exchange_record_output(struct exchange *x);
/* The next try is about to begin: why it is not the first. */
void exchange_record_move(struct exchange *x);
/* It begins, at x->replica. */
void exchange_record_try(struct exchange *x, struct str span_id);
/* It is answered, */
void exchange_record_head(struct exchange *x, int status);
/* what was said goes to the caller, */
void exchange_record_token(struct exchange *x);
/* and it has ended, if it has not yet. */
void exchange_record_try_end(struct exchange *x, enum error error,
                             uint64_t now_us);
/* `cause` is borrowed. */
void exchange_record_event(struct exchange *x, enum record_event_kind kind,
                           struct str cause, const struct backend *backend);
/* What it cost; the record must be closed. */
void exchange_record_price(struct exchange *x);

/* --- exchange_answer.c -------------------------------------------------- */

/* What an attempt tells goes here; its context is the exchange. */
extern const struct attempt_events exchange_answer_events;
/* Is the router to ask for the usage of a stream that passes, the caller
 * having not? */
bool exchange_asks_usage(const struct exchange *x);
/* Headers of the answer: its ids; who answered, and why. */
void exchange_put_ids(struct exchange *x);
void exchange_put_backend(struct exchange *x);
/* Ready for the answer of the next try. */
void exchange_prepare_answer(struct exchange *x);
void exchange_release_answer(struct exchange *x);
/* Nobody is there to count: the request itself may be fine. */
bool exchange_cannot_count(const struct exchange *x,
                           const struct chat_error *error);
/* Answers with an estimate, if the format has that. */
bool exchange_estimate(struct exchange *x);
void exchange_on_first_token_due(struct deadline *deadline);
void exchange_on_comment_due(struct deadline *deadline);

#endif
