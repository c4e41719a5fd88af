/* One request, from its arrival to the last byte of its answer.
 *
 * A visit stands in its request's arena and ends with it.  Whatever is done
 * with it runs inside visit_run(), because writing can find out that the
 * caller has left: what must not vanish meanwhile vanishes behind it.
 *
 *   new ─▶ serve ─▶ visit_generate ─┬─▶ waits ─▶ runs ─▶ speaks ─▶ ends
 *                                   └─▶ refused: all places are taken
 */
#ifndef WEIR_SIM_VISIT_H
#define WEIR_SIM_VISIT_H

#include "pacer.h"
#include "page.h"
#include "script.h"
#include "slots.h"

struct stand;
struct visit;

/* How one format writes a generated answer. */
struct manner {
    /* The head of a stream, and what comes before the first token. */
    void (*begin)(struct visit *visit);
    /* One token of one voice, into page.out. */
    void (*beat)(struct visit *visit, const struct voice *voice,
                 const struct beat *beat);
    /* What comes behind the last token; ends the page. */
    void (*end)(struct visit *visit);
    /* An error in the middle; ends the page. */
    void (*broken)(struct visit *visit);
    /* All of it in one piece. */
    void (*whole)(struct visit *visit);
    struct str garbage; /* an event whose data is no JSON */
};

struct visit {
    struct stand *stand;
    struct request *request;
    struct arena *arena; /* the request's */
    struct fault fault;
    struct page page;
    struct slots_seat seat;
    struct sleeper sleeper;
    void (*next)(struct visit *visit); /* what it was put to sleep for */
    uint64_t serial;                   /* its number at this stand-in */
    bool is_counted;                   /* a request for the model */
    bool is_busy;
    bool is_gone;     /* the caller */
    bool is_blocked;  /* until what was written has left */
    int early_status; /* the door could not read the request: why */
    struct str early_says;

    /* set by the format before visit_generate() */
    const struct manner *manner;
    void *answer; /* the format's own */
    bool is_stream;
    struct voice *voices;
    unsigned voice_count;
    size_t prompt_tokens;
    size_t cached_tokens;
    size_t max_tokens;  /* as asked for, for the metrics */
    size_t held_tokens; /* in the stand-in's memory, while it runs */

    size_t beats; /* each of up to one token per voice */
    uint64_t arrived_us;
    uint64_t started_us; /* 0: never ran */
    uint64_t first_us;   /* when the first token may leave */
    uint64_t spoke_us;   /* when it did; 0: not yet */
};

struct visit *visit_new(struct stand *stand, struct request *request);
/* Does `what`, then ends the visit if it is over. */
void visit_run(struct visit *visit, void (*what)(struct visit *visit));
/* Runs `next` in that many milliseconds. */
void visit_sleep(struct visit *visit, uint64_t ms,
                 void (*next)(struct visit *visit));
/* Answers with the script of its voices, once there is a slot. */
void visit_generate(struct visit *visit);
/* It has been given a slot. */
void visit_begin_work(struct visit *visit);

/* From the door. */
void visit_on_drain(struct visit *visit);
void visit_on_gone(struct visit *visit);

/* All tokens said so far. */
size_t visit_spoken(const struct visit *visit);

#endif
