/* One stand-in: its port, who is served, what goes wrong, what was seen.
 *
 * What is true of both formats is here; what a format says stands in the
 * functions of its `stand_kind`. */
#ifndef WEIR_SIM_STAND_H
#define WEIR_SIM_STAND_H

#include "accept/client.h"
#include "accept/listener.h"
#include "gauges.h"
#include "prefix.h"
#include "sim.h"
#include "visit.h"

struct roster;

struct stand_kind {
    struct str name;
    /* Answers a request. */
    void (*serve)(struct visit *visit);
    /* Answers with an error of that status; an empty message stands for the
     * usual one. */
    void (*refuse)(struct visit *visit, int status, struct str message);
    int busy_status; /* when all places are taken */
    uint64_t idle_ms;
    size_t max_body_bytes;
};

extern const struct stand_kind as_vllm;
extern const struct stand_kind as_anthropic;

struct stand_counters {
    uint64_t accepted; /* connections */
    uint64_t requests; /* for the model */
    uint64_t probes;   /* all others, without the control endpoint's */
    uint64_t answered;
    uint64_t cancelled; /* the caller left before the end */
    uint64_t cut;       /* by a fault */
};

/* What was asked for by the control endpoint. */
struct stand_fault {
    bool is_set;
    bool takes_probes; /* and not only requests for the model */
    struct fault fault;
    uint64_t left;     /* requests that it is for; 0 = without limit */
    uint64_t until_us; /* 0 = without limit */
};

struct stand {
    const struct stand_kind *kind;
    const struct sim_options *options;
    const struct roster *roster;
    struct stand *other;
    struct pacer *pacer;
    uv_loop_t *loop;
    struct listener listener;
    struct accept_handler handler;
    struct door door;
    unsigned port;
    uv_timer_t chores; /* gives free slots away, once per turn of the loop */
    uv_timer_t reopen; /* ends a refusal of connections */
    struct slots slots;
    struct stand_fault fault;
    uint64_t cold_until_us;
    uint64_t refuses_until_us; /* 0: it listens */
    struct stand_counters counters;
    uint64_t serial;
    struct buf last_head; /* of the last request for the model */
    struct buf last_body;
    bool last_is_cut; /* its body was too long to be kept */
    struct prefix_cache *cache;
    struct gauges gauges;
    size_t tokens_held; /* by the requests that run */
};

/* Begins to listen.  `port` 0 = any free one.  The pointers must stay. */
MUST_USE bool stand_open(struct stand *stand, const struct stand_kind *kind,
                         const struct sim_options *options, unsigned port,
                         uv_loop_t *loop, struct deadlines *deadlines,
                         struct pacer *pacer, const char **why);
/* Cuts all connections.  The memory must stay until the loop is through;
 * then comes stand_fini(). */
void stand_close(struct stand *stand);
void stand_fini(struct stand *stand);

struct pacer *stand_pacer(const struct stand *stand);

/* Does what a fault of this one request wants instead of an answer; false
 * when the answer is to be given. */
bool stand_misbehaves(struct visit *visit);
/* Reads "[[sim: …]]" out of the prompt.  False when that has led to an
 * answer already. */
bool stand_takes_directive(struct visit *visit, struct prompt *prompt);
/* A visit ends: its slot is free, the counters count. */
void stand_account(struct stand *stand, struct visit *visit,
                   bool was_cancelled);

/* --- by the control endpoint -------------------------------------------- */

/* Sets what goes wrong from now on, in place of what did so far. */
void stand_set_fault(struct stand *stand, const struct stand_fault *fault);
void stand_clear_faults(struct stand *stand);
/* Counters and the last request are forgotten. */
void stand_reset(struct stand *stand);
bool stand_is_cold(const struct stand *stand);

#endif
