#include "visit.h"

#include "check.h"
#include "clock.h"
#include "stand.h"

enum {
    HIGH_WATER = 256 * 1024,
    PIECE_BYTES = 16 * 1024,
    BEATS_AT_ONCE = 4096, /* then others have their turn */
    SECOND_US = 1000000,
};

static void on_due(struct sleeper *sleeper)
{
    struct visit *visit = list_entry(sleeper, struct visit, sleeper);

    visit_run(visit, visit->next);
}

struct visit *visit_new(struct stand *stand, struct request *request)
{
    struct visit *visit = ARENA_NEW(&request->arena, struct visit);

    visit->stand = stand;
    visit->request = request;
    visit->arena = &request->arena;
    visit->serial = ++stand->serial;
    visit->arrived_us = clock_us();
    slots_seat_init(&visit->seat);
    sleeper_init(&visit->sleeper, on_due);
    page_init(&visit->page, request, &visit->fault);
    request->owner = visit;
    return visit;
}

size_t visit_spoken(const struct visit *visit)
{
    size_t spoken = 0;

    for (unsigned i = 0; i < visit->voice_count; i++)
        spoken += visit->voices[i].spoken;
    return spoken;
}

/* The request's memory, and the visit in it, is gone afterwards. */
static void leave(struct visit *visit)
{
    struct sink *sink = &visit->request->sink;
    enum page_verdict verdict = visit->page.verdict;
    bool was_cancelled = visit->is_gone && verdict == PAGE_OPEN;

    sleeper_clear(&visit->sleeper);
    stand_account(visit->stand, visit, was_cancelled);
    page_fini(&visit->page);
    visit->request->owner = NULL;
    if (visit->is_gone || verdict == PAGE_CUT)
        sink->ops->abort(sink);
    else
        sink->ops->finish(sink, verdict == PAGE_DONE);
}

void visit_run(struct visit *visit, void (*what)(struct visit *visit))
{
    check(!visit->is_busy);
    visit->is_busy = true;
    what(visit);
    visit->is_busy = false;
    if (visit->is_gone || visit->page.verdict != PAGE_OPEN)
        leave(visit);
}

void visit_on_gone(struct visit *visit)
{
    visit->is_gone = true;
    if (!visit->is_busy)
        leave(visit);
}

void visit_sleep(struct visit *visit, uint64_t ms,
                 void (*next)(struct visit *visit))
{
    visit->next = next;
    sleeper_wake_at(stand_pacer(visit->stand), &visit->sleeper,
                    clock_us() + ms * 1000);
}

/* --- speaking ----------------------------------------------------------- */

static void sleep_until(struct visit *visit, uint64_t due_us,
                        void (*next)(struct visit *visit))
{
    visit->next = next;
    sleeper_wake_at(stand_pacer(visit->stand), &visit->sleeper, due_us);
}

/* When the beat of that number, from 0, may leave. */
static uint64_t due_of(const struct visit *visit, size_t beat)
{
    unsigned rate = visit->stand->options->tokens_per_second;

    return visit->first_us +
           (rate == 0 ? 0 : (uint64_t)beat * SECOND_US / rate);
}

static bool is_fault_due(const struct visit *visit, enum fault_kind kind)
{
    return visit->fault.is_set[kind] &&
           visit->beats >= visit->fault.value[kind];
}

/* All voices say their next token; false when none has any left. */
static bool speak(struct visit *visit)
{
    bool any = false;

    for (unsigned i = 0; i < visit->voice_count; i++) {
        struct beat beat;

        if (!voice_next(&visit->voices[i], &beat))
            continue;
        visit->manner->beat(visit, &visit->voices[i], &beat);
        any = true;
    }
    if (any && visit->spoke_us == 0)
        visit->spoke_us = clock_us();
    visit->beats += any;
    return any;
}

static bool is_full(const struct visit *visit)
{
    const struct sink *sink = &visit->request->sink;

    return sink->ops->queued(sink) > HIGH_WATER;
}

static void step_stream(struct visit *visit)
{
    uint64_t now = clock_us();
    size_t left = BEATS_AT_ONCE;

    while (left-- > 0 && due_of(visit, visit->beats) <= now) {
        if (is_fault_due(visit, FAULT_STALL)) {
            page_flush(&visit->page);
            return; /* and nothing wakes it again */
        }
        if (is_fault_due(visit, FAULT_ERROR)) {
            visit->manner->broken(visit);
            return;
        }
        if (!speak(visit)) {
            visit->manner->end(visit);
            return;
        }
        if (visit->page.out.len >= PIECE_BYTES)
            page_flush(&visit->page);
        if (visit->page.verdict != PAGE_OPEN || visit->is_gone)
            return;
        if (is_full(visit)) {
            visit->is_blocked = true;
            return;
        }
    }
    page_flush(&visit->page);
    if (visit->page.verdict == PAGE_OPEN)
        sleep_until(visit, due_of(visit, visit->beats), step_stream);
}

/* All voices say everything, unheard: for the counters. */
static void speak_all(struct visit *visit)
{
    struct beat beat;

    for (unsigned i = 0; i < visit->voice_count; i++)
        while (voice_next(&visit->voices[i], &beat))
            ;
    visit->spoke_us = clock_us();
}

static void step_whole(struct visit *visit)
{
    if (visit->fault.is_set[FAULT_STALL])
        return;
    if (visit->fault.is_set[FAULT_ERROR]) {
        visit->stand->kind->refuse(visit, 500, STR(""));
        return;
    }
    speak_all(visit);
    visit->manner->whole(visit);
}

static size_t longest(const struct visit *visit)
{
    size_t most = 0;

    for (unsigned i = 0; i < visit->voice_count; i++)
        if (visit->voices[i].script->tokens > most)
            most = visit->voices[i].script->tokens;
    return most;
}

void visit_begin_work(struct visit *visit)
{
    const struct sim_options *options = visit->stand->options;
    uint64_t wait_ms = visit->fault.is_set[FAULT_SLOW]
                           ? visit->fault.value[FAULT_SLOW]
                           : options->first_token_ms;
    uint64_t now = clock_us();
    uint64_t due;

    visit->started_us = now;
    visit->held_tokens = visit->prompt_tokens + longest(visit);
    visit->stand->tokens_held += visit->held_tokens;
    visit->first_us = now + wait_ms * 1000;
    due = visit->is_stream || longest(visit) == 0
              ? visit->first_us
              : due_of(visit, longest(visit) - 1);
    visit->next = visit->is_stream ? step_stream : step_whole;
    if (due > now)
        sleep_until(visit, due, visit->next);
    else
        visit->next(visit);
}

void visit_on_drain(struct visit *visit)
{
    if (!visit->is_blocked || visit->is_busy)
        return;
    visit->is_blocked = false;
    visit_run(visit, step_stream);
}

/* --- waiting ------------------------------------------------------------ */

static void speak_garbage(struct visit *visit)
{
    buf_put(&visit->page.out, visit->manner->garbage);
    page_end(&visit->page);
}

static void enter(struct visit *visit)
{
    struct stand *stand = visit->stand;

    if (slots_enter(&stand->slots, &visit->seat) == SLOTS_NONE) {
        stand->kind->refuse(visit, stand->kind->busy_status, STR(""));
        return;
    }
    if (visit->is_stream) {
        visit->manner->begin(visit);
        if (visit->fault.is_set[FAULT_GARBAGE] &&
            visit->page.verdict == PAGE_OPEN)
            speak_garbage(visit);
    }
    if (visit->page.verdict == PAGE_OPEN && visit->seat.place == SLOTS_RUNNING)
        visit_begin_work(visit);
}

void visit_generate(struct visit *visit)
{
    uint64_t late_ms = visit->fault.value[FAULT_LATE];

    if (!visit->fault.is_set[FAULT_LATE]) {
        enter(visit);
        return;
    }
    visit->fault.is_set[FAULT_LATE] = false;
    visit_sleep(visit, late_ms, enter);
}
