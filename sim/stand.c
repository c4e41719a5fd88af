#include "stand.h"

#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "control.h"

enum {
    LAST_HEAD_MAX = 128 * 1024,
    LAST_BODY_MAX = 4 * 1024 * 1024,
    HEAD_MS = 30 * 1000,
    BODY_MS = 60 * 1000,
    SECOND_US = 1000000,
    RETRY_LISTEN_MS = 200,
};

struct pacer *stand_pacer(const struct stand *stand)
{
    return stand->pacer;
}

/* --- what was asked for ------------------------------------------------- */

/* Keys are not kept, only that there was one. */
static struct str shown(struct head_field field)
{
    if (str_eq_nocase(field.name, STR("authorization")) ||
        str_eq_nocase(field.name, STR("x-api-key")))
        return STR("present");
    return field.value;
}

static void remember(struct stand *stand, const struct request *request)
{
    struct str body = request_body(request);

    buf_clear(&stand->last_head);
    buf_printf(&stand->last_head, "%.*s %.*s\n", STR_ARG(request->method),
               STR_ARG(request->head.target));
    for (unsigned i = 0; i < request->head.count; i++) {
        struct head_field field = request->head.fields[i];

        buf_printf(&stand->last_head, "%.*s:%.*s\n", STR_ARG(field.name),
                   STR_ARG(shown(field)));
    }
    buf_clear(&stand->last_body);
    stand->last_is_cut = body.len > LAST_BODY_MAX;
    buf_put(&stand->last_body, str_clip(body, LAST_BODY_MAX));
}

/* --- faults ------------------------------------------------------------- */

bool stand_is_cold(const struct stand *stand)
{
    return stand->cold_until_us > clock_us();
}

/* The fault of the control endpoint, if it is for this request. */
static void take_common_fault(struct visit *visit)
{
    struct stand_fault *fault = &visit->stand->fault;

    if (fault->is_set && fault->until_us != 0 && fault->until_us <= clock_us())
        fault->is_set = false;
    if (!fault->is_set || (!visit->is_counted && !fault->takes_probes))
        return;
    fault_add(&visit->fault, &fault->fault);
    if (fault->left > 0 && --fault->left == 0)
        fault->is_set = false;
}

/* False when the request was answered: the header names no fault. */
static bool take_own_fault(struct visit *visit, struct str text)
{
    struct str why;

    if (fault_parse(visit->arena, text, &visit->fault, &why))
        return true;
    visit->stand->kind->refuse(visit, 400, why);
    return false;
}

bool stand_misbehaves(struct visit *visit)
{
    struct fault *fault = &visit->fault;

    if (fault->is_set[FAULT_NEVER])
        return true; /* and nothing wakes it again */
    if (fault->is_set[FAULT_GARBAGE] &&
        fault->value[FAULT_GARBAGE] == GARBAGE_HTTP) {
        page_garbage(&visit->page);
        return true;
    }
    if (fault->is_set[FAULT_STATUS]) {
        visit->stand->kind->refuse(visit, (int)fault->value[FAULT_STATUS],
                                   STR(""));
        return true;
    }
    return false;
}

bool stand_takes_directive(struct visit *visit, struct prompt *prompt)
{
    struct str directive = prompt_take_directive(prompt);

    if (directive.ptr == NULL)
        return true;
    return take_own_fault(visit, directive) && !stand_misbehaves(visit);
}

static void listen_again_in(struct stand *stand, uint64_t ms);

static void on_reopen(uv_timer_t *timer)
{
    struct stand *stand = timer->data;
    const char *why;

    if (listener_open(&stand->listener, stand->loop, stand->options->host,
                      stand->port, stand->listener.on_socket, stand, &why)) {
        stand->door.is_closing = false;
        stand->refuses_until_us = 0;
    } else {
        /* somebody else has the port for the moment */
        listen_again_in(stand, RETRY_LISTEN_MS);
    }
}

/* The listener's memory is free again only when the loop has run once. */
static void listen_again_in(struct stand *stand, uint64_t ms)
{
    uv_timer_start(&stand->reopen, on_reopen, ms == 0 ? 1 : ms, 0);
}

static void refuse_connections(struct stand *stand, uint64_t seconds)
{
    listener_close(&stand->listener);
    door_close_idle(&stand->door);
    stand->refuses_until_us = clock_us() + seconds * SECOND_US;
    listen_again_in(stand, seconds * 1000);
}

void stand_set_fault(struct stand *stand, const struct stand_fault *fault)
{
    const struct fault *wanted = &fault->fault;

    stand->fault = *fault;
    stand->cold_until_us =
        wanted->is_set[FAULT_COLD]
            ? clock_us() + wanted->value[FAULT_COLD] * SECOND_US
            : 0;
    if (wanted->is_set[FAULT_CRASH]) {
        refuse_connections(stand, wanted->value[FAULT_CRASH]);
        door_cut(&stand->door);
    } else if (wanted->is_set[FAULT_REFUSE]) {
        refuse_connections(stand, wanted->value[FAULT_REFUSE]);
    } else if (stand->refuses_until_us != 0) {
        listen_again_in(stand, 0);
    }
}

void stand_clear_faults(struct stand *stand)
{
    static const struct stand_fault none;

    stand_set_fault(stand, &none);
}

void stand_reset(struct stand *stand)
{
    stand->counters = (struct stand_counters){0};
    buf_clear(&stand->last_head);
    buf_clear(&stand->last_body);
    stand->last_is_cut = false;
    memset(stand->cache, 0, sizeof(*stand->cache));
}

/* --- requests ----------------------------------------------------------- */

static void serve(struct visit *visit)
{
    if (!stand_misbehaves(visit))
        visit->stand->kind->serve(visit);
}

static void receive(struct visit *visit)
{
    struct stand *stand = visit->stand;
    struct request *request = visit->request;
    struct str own = head_find(&request->head, STR("x-sim-fault"));
    uint64_t late_ms;

    if (str_starts(request->path, STR("/sim/"))) {
        control_serve(visit);
        return;
    }
    visit->is_counted = str_eq(request->method, STR("POST"));
    if (visit->is_counted) {
        stand->counters.requests++;
        remember(stand, request);
    } else {
        stand->counters.probes++;
    }
    if (stand_is_cold(stand)) {
        stand->kind->refuse(visit, 503, STR(""));
        return;
    }
    take_common_fault(visit);
    if (own.ptr != NULL && !take_own_fault(visit, own))
        return;
    late_ms = visit->fault.value[FAULT_LATE];
    if (visit->fault.is_set[FAULT_LATE]) {
        visit->fault.is_set[FAULT_LATE] = false;
        visit_sleep(visit, late_ms, serve);
    } else {
        serve(visit);
    }
}

static void on_request(void *ctx, struct request *request)
{
    visit_run(visit_new(ctx, request), receive);
}

static enum error on_head(void *ctx, struct request *request)
{
    (void)ctx;
    (void)request;
    return OK;
}

static void refuse_early(struct visit *visit)
{
    visit->stand->kind->refuse(visit, visit->early_status, visit->early_says);
}

static void on_refused(void *ctx, struct request *request, enum error error,
                       const char *detail)
{
    struct visit *visit = visit_new(ctx, request);
    const struct error_row *row = error_row(error);

    visit->early_status = row->status;
    visit->early_says = detail == NULL ? row->says : str_of(detail);
    visit->stand->counters.probes++;
    visit_run(visit, refuse_early);
}

static void on_drain(void *ctx, struct request *request)
{
    (void)ctx;
    if (request->owner != NULL)
        visit_on_drain(request->owner);
}

static void on_gone(void *ctx, struct request *request)
{
    (void)ctx;
    if (request->owner != NULL)
        visit_on_gone(request->owner);
}

/* --- slots and counters ------------------------------------------------- */

/* Not at once: who leaves may do so in the middle of a walk over all. */
static void on_chores(uv_timer_t *timer)
{
    struct stand *stand = timer->data;
    struct slots_seat *seat;

    while ((seat = slots_next(&stand->slots)) != NULL)
        visit_run(list_entry(seat, struct visit, seat), visit_begin_work);
}

static double seconds_between(uint64_t from_us, uint64_t to_us)
{
    return to_us <= from_us ? 0 : (double)(to_us - from_us) / SECOND_US;
}

static void measure(struct stand *stand, const struct visit *visit,
                    enum gauges_reason reason)
{
    struct gauges *gauges = &stand->gauges;
    size_t spoken = visit_spoken(visit);
    uint64_t now = clock_us();
    uint64_t spoke = visit->spoke_us == 0 ? now : visit->spoke_us;
    double decode = seconds_between(spoke, now);

    gauges->finished[reason]++;
    gauges->prompt_tokens += visit->prompt_tokens;
    gauges->cached_tokens += visit->cached_tokens;
    gauges->generation_tokens += spoken;
    gauges_size_add(gauges, SIZE_PROMPT, (double)visit->prompt_tokens);
    gauges_size_add(gauges, SIZE_GENERATION, (double)spoken);
    gauges_size_add(gauges, SIZE_MAX_TOKENS, (double)visit->max_tokens);
    gauges_size_add(gauges, SIZE_N, visit->voice_count);
    gauges_seconds_add(gauges, SECONDS_FIRST_TOKEN,
                       seconds_between(visit->arrived_us, spoke), 1);
    gauges_seconds_add(gauges, SECONDS_E2E,
                       seconds_between(visit->arrived_us, now), 1);
    gauges_seconds_add(gauges, SECONDS_QUEUE,
                       seconds_between(visit->arrived_us, visit->started_us),
                       1);
    gauges_seconds_add(gauges, SECONDS_INFERENCE,
                       seconds_between(visit->started_us, now), 1);
    gauges_seconds_add(gauges, SECONDS_PREFILL,
                       seconds_between(visit->started_us, spoke), 1);
    gauges_seconds_add(gauges, SECONDS_DECODE, decode, 1);
    if (spoken < 2)
        return;
    gauges_seconds_add(gauges, SECONDS_INTER_TOKEN,
                       decode / (double)(spoken - 1), spoken - 1);
    gauges_seconds_add(gauges, SECONDS_PER_TOKEN, decode / (double)(spoken - 1),
                       1);
}

static enum gauges_reason reason_of(const struct visit *visit,
                                    bool was_cancelled)
{
    if (was_cancelled || visit->page.verdict == PAGE_CUT)
        return REASON_ABORT;
    return visit->voice_count > 0 &&
                   visit->voices[0].script->end == SCRIPT_LENGTH
               ? REASON_LENGTH
               : REASON_STOP;
}

void stand_account(struct stand *stand, struct visit *visit, bool was_cancelled)
{
    bool had_slot = visit->seat.place == SLOTS_RUNNING;

    slots_leave(&stand->slots, &visit->seat);
    if (had_slot && stand->slots.waiting > 0)
        uv_timer_start(&stand->chores, on_chores, 0, 0);
    if (!visit->is_counted)
        return;
    if (was_cancelled)
        stand->counters.cancelled++;
    else if (visit->page.verdict == PAGE_CUT)
        stand->counters.cut++;
    else
        stand->counters.answered++;
    stand->tokens_held -= visit->held_tokens;
    if (visit->started_us != 0)
        measure(stand, visit, reason_of(visit, was_cancelled));
}

/* --- life --------------------------------------------------------------- */

static void on_socket(void *ctx, uv_os_sock_t fd)
{
    struct stand *stand = ctx;

    stand->counters.accepted++;
    door_expect(&stand->door);
    door_admit(&stand->door, fd, NULL);
}

bool stand_open(struct stand *stand, const struct stand_kind *kind,
                const struct sim_options *options, unsigned port,
                uv_loop_t *loop, struct deadlines *deadlines,
                struct pacer *pacer, const char **why)
{
    struct accept_limits limits = {
        .max_body_bytes = kind->max_body_bytes,
        .head_ms = HEAD_MS,
        .body_ms = BODY_MS,
        .idle_ms = kind->idle_ms,
    };

    stand->kind = kind;
    stand->options = options;
    stand->pacer = pacer;
    stand->loop = loop;
    stand->handler = (struct accept_handler){
        .on_head = on_head,
        .on_request = on_request,
        .on_refused = on_refused,
        .on_drain = on_drain,
        .on_gone = on_gone,
        .ctx = stand,
    };
    if (!listener_open(&stand->listener, loop, options->host, port, on_socket,
                       stand, why))
        return false;
    stand->port = stand->listener.port;
    door_init(&stand->door, loop, deadlines, &stand->handler, &limits);
    slots_init(&stand->slots, options->slots, options->queue);
    check(uv_timer_init(loop, &stand->chores) == 0);
    check(uv_timer_init(loop, &stand->reopen) == 0);
    stand->chores.data = stand->reopen.data = stand;
    buf_init(&stand->last_head, LAST_HEAD_MAX);
    buf_init(&stand->last_body, LAST_BODY_MAX);
    stand->cache = must_calloc(1, sizeof(*stand->cache));
    return true;
}

void stand_close(struct stand *stand)
{
    uv_close((uv_handle_t *)&stand->chores, NULL);
    uv_close((uv_handle_t *)&stand->reopen, NULL);
    listener_close(&stand->listener);
    door_cut(&stand->door);
}

void stand_fini(struct stand *stand)
{
    buf_fini(&stand->last_head);
    buf_fini(&stand->last_body);
    free(stand->cache);
}
