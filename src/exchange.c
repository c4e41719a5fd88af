/* OVERALL DESIGN
 *
 * An exchange lives in its request's arena, on one loop.  It takes its steps
 * by exchange_move(), which checks them against the table below.
 *
 * What can be large, the parsed request and the body for the backend, stands
 * in a second arena, `work`, and is given back once no other backend can be
 * tried any more: when the first token has gone to the caller.  Until then
 * everything that came back is held, so that the next backend can be tried
 * and the caller sees nothing of it.
 *
 * Bodies above OFFLOAD_BYTES are read on libuv's thread pool: the loop goes
 * on, and meanwhile nobody else touches the exchange.  */
#include "exchange.h"

#include <stdio.h>

#include "admit/key.h"
#include "check.h"
#include "choose/choose.h"
#include "choose/explain.h"
#include "choose/health.h"
#include "clock.h"
#include "dialect/answer.h"
#include "forward/attempt.h"
#include "forward/order.h"
#include "log.h"
#include "reply/failure.h"
#include "settle/settle.h"
#include "telemetry/access.h"
#include "telemetry/trace.h"

enum {
    OFFLOAD_BYTES = 256 * 1024,
    ERROR_BODY_MAX = 256 * 1024, /* of a backend's error answer */
    ID_DIGITS = 32,
    ID_MAX = 128,
};

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

#define TO(step) (1u << STEP_##step)

static const struct step_rule {
    const char *name;
    unsigned next;
} steps[STEPS] = {
    [STEP_RECEIVE] = {"receive", TO(ADMIT) | TO(FAIL)},
    [STEP_ADMIT] = {"admit", TO(CHOOSE) | TO(FAIL)},
    /* to SETTLE: the caller asked for the decision alone, or has left */
    [STEP_CHOOSE] = {"choose", TO(FORWARD) | TO(FAIL) | TO(SETTLE)},
    /* again FORWARD: the next backend, as long as nothing was sent back */
    [STEP_FORWARD] = {"forward",
                      TO(FORWARD) | TO(STREAM) | TO(FAIL) | TO(SETTLE)},
    [STEP_STREAM] = {"stream", TO(SETTLE)},
    [STEP_FAIL] = {"fail", TO(SETTLE)},
    [STEP_SETTLE] = {"settle", TO(DONE)},
    [STEP_DONE] = {"done", 0},
};

#undef TO

/* What is being read of a backend's answer. */
enum reading {
    READING_HEAD,
    READING_ERROR,  /* an error status: its body tells more */
    READING_WHOLE,  /* an answer in one piece */
    READING_STREAM, /* events */
};

struct exchange {
    struct worker *worker;
    struct request *request;
    struct arena *arena; /* the request's */
    struct arena work;   /* see above */
    struct list link;    /* in worker->exchanges */
    struct list parked;  /* in worker->parked, while it waits */
    enum step step;
    bool is_route_only;
    bool is_gone; /* the caller has left */

    /* a job on the thread pool: hands off until it is done */
    bool is_offloaded;
    uv_work_t job;
    void (*work_on)(struct exchange *x);
    void (*after)(struct exchange *x);

    struct record record;
    struct trace trace;
    struct reply reply;
    const struct api_key *key;
    struct chat chat;
    struct rule_facts facts;
    struct choice choice;
    bool is_prepared;        /* the request was read, the choice made */
    struct chat_error error; /* the last one; in the end the caller's */
    bool has_error;

    /* where it is tried */
    unsigned target; /* index into choice.targets */
    unsigned tries_at_target;
    unsigned excluded; /* bits of targets that cannot take the request at all */
    bool tries_anyhow; /* also backends that rest */
    struct replica *replica;
    struct str cause; /* why the target before was left: cold, connect, 503 */

    /* the try under way */
    struct attempt *attempt;
    bool is_paused;
    struct buf order_head, order_body; /* for the backend */
    bool is_translated; /* order_body holds the chat in Anthropic's dialect */
    struct names names;
    struct str *dropped;
    unsigned dropped_count;
    enum reading reading;
    struct backend_head head;
    struct answer answer;
    bool has_answer; /* `answer` is initialised */
    struct buf held; /* a body in one piece, or events before the first token */

    struct deadline total, first_token, hold, comment;
    uint64_t hold_until_ms;
};

static void next_try(struct exchange *x);

static void exchange_move(struct exchange *x, enum step step)
{
    check((steps[x->step].next >> step & 1) != 0);
    if (log_enabled(LOG_DEBUG)) {
        struct log_line line;

        log_begin(&line, LOG_DEBUG, "step");
        log_str(&line, "id", x->record.id);
        log_str(&line, "from", str_of(steps[x->step].name));
        log_str(&line, "to", str_of(steps[step].name));
        log_end(&line);
    }
    x->step = step;
}

static const struct settings *settings_of(const struct exchange *x)
{
    return &x->worker->catalog->settings;
}

static const struct target *target_of(const struct exchange *x)
{
    return &x->choice.targets[x->target];
}

static void set_deadline(struct exchange *x, struct deadline *deadline,
                         uint64_t ms)
{
    deadline_set(&x->worker->deadlines, deadline, ms);
}

/* --- settle
 * --------------------------------------------------------------------- */

static void release_answer(struct exchange *x)
{
    if (x->has_answer)
        answer_fini(&x->answer);
    x->has_answer = false;
    buf_fini(&x->held);
}

/* What only another try would need. */
static void release_work(struct exchange *x)
{
    buf_fini(&x->order_head);
    buf_fini(&x->order_body);
    arena_clear(&x->work);
    request_drop_body(x->request);
}

/* The last call: the exchange and its request are gone when it returns. */
static void exchange_settle(struct exchange *x)
{
    struct record *record = &x->record;

    exchange_move(x, STEP_SETTLE);
    check(x->attempt == NULL && !x->is_offloaded);
    if (x->is_gone)
        record->error = ERR_CALLER_LEFT;
    record->status =
        x->reply.status != 0 && x->reply.has_begun ? x->reply.status : 499;
    record->bytes_out = x->reply.bytes;
    settle(record, clock_us());
    metrics_count(&x->worker->metrics, record);
    access_log(record);
    deadline_clear(&x->total);
    deadline_clear(&x->first_token);
    deadline_clear(&x->hold);
    deadline_clear(&x->comment);
    list_remove(&x->link);
    list_remove(&x->parked);
    release_answer(x);
    release_work(x);
    exchange_move(x, STEP_DONE);
    /* the request's arena goes with it, and there stands the exchange */
    reply_close(&x->reply);
}

/* --- the answer's head
 * ------------------------------------------------------------ */

static void put_dropped(struct exchange *x)
{
    enum { SHOWN = 1024 };
    struct buf list;

    if (x->dropped_count == 0)
        return;
    buf_init(&list, SHOWN);
    for (unsigned i = 0; i < x->dropped_count; i++) {
        struct str name = str_clip(x->dropped[i], 64);

        if (list.len + name.len + 2 > SHOWN)
            break;
        if (list.len > 0)
            buf_put(&list, STR(", "));
        buf_put(&list, name);
    }
    reply_header(&x->reply, STR("X-Router-Dropped"), buf_str(&list));
    buf_fini(&list);
}

static void put_ids(struct exchange *x)
{
    reply_header(&x->reply, STR("X-Request-Id"), x->record.id);
    reply_header(&x->reply, STR("traceparent"),
                 (struct str){x->trace.parent, TRACE_PARENT_LEN});
}

/* Who answers, and why. */
static void put_backend(struct exchange *x)
{
    const struct target *target = target_of(x);
    struct record *record = &x->record;

    record->tier = target->backend->tier;
    record->backend = target->backend->name;
    record->served_model = target->upstream;
    record->reason = x->choice.reason;
    if (x->target > 0)
        record->reason =
            arena_printf(x->arena, "fallback:%.*s",
                         STR_ARG(x->cause.len > 0 ? x->cause : STR("unknown")));
    reply_header(&x->reply, STR("X-Router-Backend"), tier_name(record->tier));
    reply_header(&x->reply, STR("X-Router-Target"), record->backend);
    reply_header(&x->reply, STR("X-Router-Model"), record->served_model);
    reply_header(&x->reply, STR("X-Router-Reason"), record->reason);
    put_dropped(x);
}

/* --- failure
 * ------------------------------------------------------------------------ */

/* The one door for bad news. */
static void exchange_fail(struct exchange *x, const struct chat_error *error)
{
    x->record.error = error->error;
    if (x->reply.has_begun) {
        failure_reply(&x->reply, error);
        exchange_settle(x);
        return;
    }
    exchange_move(x, STEP_FAIL);
    put_ids(x);
    if (x->record.tries > 0 && x->target < x->choice.target_count)
        put_backend(x);
    failure_reply(&x->reply, error);
    exchange_settle(x);
}

static void exchange_fail_with(struct exchange *x, enum error error)
{
    exchange_fail(x, &(struct chat_error){.error = error});
}

/* --- the thread pool
 * ------------------------------------------------------------------- */

static void on_job(uv_work_t *job)
{
    struct exchange *x = job->data;

    x->work_on(x);
}

static void on_job_done(uv_work_t *job, int status)
{
    struct exchange *x = job->data;

    (void)status;
    x->is_offloaded = false;
    if (x->is_gone)
        exchange_settle(x);
    else
        x->after(x);
}

/* Runs work_on, then after: at once for small requests, for large ones on the
 * thread pool, so that they do not hold up everybody else on this loop. */
static void run_job(struct exchange *x, void (*work_on)(struct exchange *x),
                    void (*after)(struct exchange *x))
{
    if (x->request->body_len <= OFFLOAD_BYTES) {
        work_on(x);
        after(x);
        return;
    }
    x->work_on = work_on;
    x->after = after;
    x->job.data = x;
    x->is_offloaded = true;
    check(uv_queue_work(&x->worker->loop, &x->job, on_job, on_job_done) == 0);
}

/* --- answers
 * -----------------------------------------------------------------------------
 */

static void note_health(struct exchange *x, enum health_event event,
                        struct str why)
{
    struct replica *replica = x->replica;
    enum health_state was;

    if (!health_note(replica, event, uv_now(&x->worker->loop),
                     settings_of(x)->rest_ms, &was))
        return;
    health_log(replica, was, why);
    x->worker->host->on_health(x->worker->host->ctx);
}

/* The backend's answer is good: from here on it is the answer. */
static void commit(struct exchange *x)
{
    exchange_move(x, STEP_STREAM);
    note_health(x, HEALTH_TRY_OK, STR("answered"));
    deadline_clear(&x->first_token);
    put_ids(x);
    put_backend(x);
}

static void finish(struct exchange *x)
{
    x->record.usage = x->answer.usage;
    x->record.finish = x->answer.finish;
    metrics_count_try(&x->worker->metrics, x->record.tier, TRY_OK);
    exchange_settle(x);
}

static void commit_stream(struct exchange *x)
{
    commit(x);
    x->record.first_token_us = clock_us();
    reply_stream(&x->reply);
    reply_put(&x->reply, buf_str(&x->held));
    buf_fini(&x->held);
    set_deadline(x, &x->comment, settings_of(x)->comment_ms);
    if (x->attempt == NULL || !attempt_is_sending(x->attempt))
        release_work(x);
}

static void finish_stream(struct exchange *x)
{
    reply_end(&x->reply);
    finish(x);
}

/* The try has failed and is gone.  The next one, if there may be one. */
static void try_failed(struct exchange *x, const struct chat_error *error)
{
    const struct error_row *row = error_row(error->error);
    const struct target *target = target_of(x);
    struct str cause = row->name;

    x->error = *error;
    x->has_error = true;
    deadline_clear(&x->first_token);
    metrics_count_try(&x->worker->metrics, target->backend->tier, TRY_FAILED);
    if (error->error == ERR_BACKEND_STATUS || error->error == ERR_BACKEND_BUSY)
        cause = arena_printf(x->arena, "%d", x->head.status);
    if (row->blames_target)
        note_health(x, HEALTH_TRY_FAILED, cause);
    if (log_enabled(LOG_WARN)) {
        struct log_line line;

        log_begin(&line, LOG_WARN, "try failed");
        log_str(&line, "id", x->record.id);
        log_str(&line, "target", target->backend->name);
        log_i64(&line, "replica",
                (int64_t)(x->replica - target->backend->replicas));
        log_str(&line, "error", cause);
        if (x->record.detail.len > 0)
            log_str(&line, "detail", x->record.detail);
        log_end(&line);
    }
    if (x->reply.has_begun || !row->tries_next || error->is_final) {
        exchange_fail(x, error);
        return;
    }
    x->cause = cause;
    x->tries_at_target++;
    next_try(x);
}

static void try_failed_with(struct exchange *x, enum error error)
{
    try_failed(x, &(struct chat_error){.error = error});
}

/* An answer with an error status is complete, or as complete as it gets. */
static void take_error(struct exchange *x)
{
    struct chat_error error;

    if (target_of(x)->backend->dialect == DIALECT_ANTHROPIC)
        anthropic_read_error(x->arena, &x->head, buf_str(&x->held), &error);
    else
        openai_read_error(x->arena, &x->head, buf_str(&x->held), &error);
    if (error.error == ERR_BACKEND_AUTH)
        log_say(LOG_ERROR, "backend refuses the router's key",
                "backend %.*s answered %d",
                STR_ARG(target_of(x)->backend->name), x->head.status);
    try_failed(x, &error);
}

static void take_whole(struct exchange *x)
{
    struct str pieces[RELAY_PIECES];
    unsigned count = answer_whole(&x->answer, &x->work, buf_str(&x->held),
                                  &x->names, pieces);

    if (count == 0) {
        try_failed_with(x, ERR_BAD_ANSWER);
        return;
    }
    commit(x);
    x->record.first_token_us = clock_us();
    reply_whole(&x->reply, 200, STR("application/json"), pieces, count);
    finish(x);
}

/* What reading came to: on, or to the end. */
static void take_status(struct exchange *x, enum answer_status status,
                        struct buf *out)
{
    struct attempt *attempt = x->attempt;

    if (buf_failed(out)) {
        status = ANSWER_FAILED;
        x->answer.error = (struct chat_error){.error = ERR_ANSWER_TOO_LARGE};
    }
    if (x->reply.is_stream)
        reply_put(&x->reply, buf_str(out));
    else if (status != ANSWER_FAILED &&
             (x->answer.has_token || status == ANSWER_ENDED))
        commit_stream(x);
    if (status == ANSWER_GOES_ON) {
        if (x->reply.is_stream)
            set_deadline(x, &x->comment, settings_of(x)->comment_ms);
        if (attempt != NULL && !x->is_paused &&
            reply_queued(&x->reply) > REPLY_HIGH_WATER) {
            /* a slow reader must slow the backend, not grow our memory */
            x->is_paused = true;
            attempt_pause(attempt);
        }
        return;
    }
    x->attempt = NULL;
    if (status == ANSWER_ENDED) {
        if (attempt != NULL)
            attempt_abandon(attempt);
        finish_stream(x);
    } else {
        if (attempt != NULL)
            attempt_close(attempt);
        try_failed(x, &x->answer.error);
    }
}

static struct buf *stream_buffer(struct exchange *x)
{
    if (!x->reply.is_stream)
        return &x->held;
    buf_clear(&x->worker->scratch);
    return &x->worker->scratch;
}

static void on_head(void *ctx, const struct answer_head *head)
{
    struct exchange *x = ctx;
    struct str type = head_find(head->head, STR("content-type"));
    bool is_stream =
        str_eq_nocase(str_slice(type, 0, 17), STR("text/event-stream"));

    if (x->record.first_byte_us == 0)
        x->record.first_byte_us = clock_us();
    x->head = (struct backend_head){
        .status = head->status,
        .retry_after =
            arena_copy(x->arena, head_find(head->head, STR("retry-after"))),
        .request_id =
            arena_copy(x->arena, head_find(head->head, STR("request-id"))),
    };
    if (head->status < 200 || head->status > 299) {
        x->reading = READING_ERROR;
    } else if (x->chat.is_stream && is_stream) {
        x->reading = READING_STREAM;
    } else if (x->chat.is_stream == is_stream) {
        x->reading = READING_WHOLE;
    } else {
        /* not what was asked for: whoever answers so is no model server */
        attempt_close(x->attempt);
        x->attempt = NULL;
        try_failed_with(x, ERR_BAD_ANSWER);
    }
}

static void on_body(void *ctx, struct str bytes)
{
    struct exchange *x = ctx;

    switch (x->reading) {
    case READING_STREAM: {
        struct buf *out = stream_buffer(x);

        take_status(x, answer_feed(&x->answer, bytes, out), out);
        break;
    }
    case READING_ERROR:
        buf_put(&x->held, str_slice(bytes, 0, ERROR_BODY_MAX - x->held.len));
        break;
    default:
        buf_put(&x->held, bytes);
        if (buf_failed(&x->held)) {
            attempt_close(x->attempt);
            x->attempt = NULL;
            try_failed_with(x, ERR_ANSWER_TOO_LARGE);
        }
        break;
    }
}

static void on_end(void *ctx)
{
    struct exchange *x = ctx;

    x->attempt = NULL;
    if (x->reading == READING_ERROR) {
        take_error(x);
    } else if (x->reading == READING_WHOLE) {
        take_whole(x);
    } else {
        struct buf *out = stream_buffer(x);

        take_status(x, answer_close(&x->answer, out), out);
    }
}

static void on_fail(void *ctx, enum error error, const char *detail)
{
    struct exchange *x = ctx;

    x->attempt = NULL;
    x->record.detail = arena_copy(x->arena, str_of(detail));
    if (x->reading == READING_ERROR) {
        take_error(x); /* the status alone says enough */
        return;
    }
    if (x->reading == READING_STREAM) {
        struct buf *out = stream_buffer(x);
        enum answer_status status = answer_close(&x->answer, out);

        if (status == ANSWER_ENDED) {
            /* all had been said but goodbye */
            take_status(x, status, out);
            return;
        }
    }
    try_failed_with(x, error);
}

static const struct attempt_events attempt_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
    .on_fail = on_fail,
};

/* --- tries
 * ---------------------------------------------------------------------------------
 */

static void translate(struct exchange *x)
{
    const struct settings *settings = settings_of(x);
    const struct target *target = target_of(x);
    struct anthropic_options options = {
        .model = target->upstream,
        .traits = target->claude,
        .default_max_tokens = settings->default_max_tokens,
        .is_2026_10_21 = settings->is_anthropic_2026_10_21,
        .shows_reasoning = settings->shows_reasoning,
        .caches_prompt = settings->caches_prompt,
    };
    struct anthropic_notes notes = {0};
    struct chat_error error;

    buf_clear(&x->order_body);
    x->is_translated = anthropic_write_request(&x->work, &x->chat, &options,
                                               &x->order_body, &notes, &error);
    if (!x->is_translated) {
        x->excluded |= 1u << x->target;
        if (x->target > 0)
            return; /* what the first choice said, or will say, counts */
        /* its strings must outlive the work */
        error.message = arena_copy(x->arena, error.message);
        error.param = arena_copy(x->arena, error.param);
        x->error = error;
        x->has_error = true;
        return;
    }
    names_copy(x->arena, &notes.names, &x->names);
    x->dropped = notes.dropped;
    x->dropped_count = notes.dropped_count;
}

static void prepare_answer(struct exchange *x, bool is_translated)
{
    const struct settings *settings = settings_of(x);
    struct openai_style style = {
        .model = x->record.model,
        .created = clock_wall_s(),
        .shows_reasoning = settings->shows_reasoning,
        .shows_thinking = settings->shows_thinking,
        .include_usage = x->chat.include_usage,
    };

    release_answer(x);
    buf_init(&x->held, settings->answer_bytes);
    answer_init(&x->answer, is_translated, &style, &x->names,
                settings->answer_bytes);
    x->has_answer = true;
    x->reading = READING_HEAD;
}

/* An id of the caller's choosing may come twice; vLLM wants each once. */
static struct str upstream_id(struct exchange *x)
{
    char suffix[8];

    trace_random_hex(suffix, sizeof(suffix));
    return arena_printf(x->arena, "%.*s-%.8s", STR_ARG(x->record.id), suffix);
}

static void send_order(struct exchange *x)
{
    const struct settings *settings = settings_of(x);
    const struct target *target = target_of(x);
    bool is_anthropic = target->backend->dialect == DIALECT_ANTHROPIC;
    struct attempt_order order = {
        .replica = x->replica,
        .allowed = x->choice.allowed,
        .connect_ms = settings->connect_ms,
        .first_byte_ms = settings->first_byte_ms,
        .idle_ms = settings->idle_ms,
        .piece_count = 1,
    };
    struct order head = {
        .method = STR("POST"),
        .path =
            is_anthropic ? STR("/v1/messages") : STR("/v1/chat/completions"),
        .wants_stream = x->chat.is_stream,
        .request_id = upstream_id(x),
        .traceparent = {x->trace.parent, TRACE_PARENT_LEN},
    };

    if (is_anthropic)
        order.pieces[order.piece_count++] = buf_str(&x->order_body);
    else
        order.piece_count += relay_request(&x->work, &x->chat, target->upstream,
                                           order.pieces + 1);
    for (size_t i = 1; i < order.piece_count; i++)
        head.body_len += order.pieces[i].len;
    buf_clear(&x->order_head);
    order_write(&head, x->replica, settings->anthropic_version, &x->order_head);
    order.pieces[0] = buf_str(&x->order_head);
    prepare_answer(x, is_anthropic);
    x->record.tries++;
    x->is_paused = false;
    exchange_move(x, STEP_FORWARD);
    x->attempt = attempt_open(&x->worker->pool, &order, &attempt_events, x);
    if (x->attempt == NULL) {
        log_say(LOG_ERROR, "bug: a pinned request came to a forbidden tier",
                "id %.*s backend %.*s", STR_ARG(x->record.id),
                STR_ARG(target->backend->name));
        exchange_fail_with(x, ERR_TIER_FORBIDDEN);
        return;
    }
    if (x->chat.is_stream)
        set_deadline(x, &x->first_token, settings->first_token_ms);
}

static void next_target(struct exchange *x)
{
    x->target++;
    x->tries_at_target = 0;
    x->replica = NULL;
    x->is_translated = false;
    x->dropped_count = 0;
}

static void after_translate(struct exchange *x)
{
    if (x->is_translated) {
        send_order(x);
        return;
    }
    /* this backend cannot take the request; perhaps the next one can */
    next_target(x);
    next_try(x);
}

static bool rests(const struct backend *backend)
{
    return backend->health_path.len == 0;
}

static bool is_excluded(const struct exchange *x, unsigned target)
{
    return (x->excluded >> target & 1) != 0;
}

/* Would waiting help?  Only when all it may use are cold, and a probe will
 * tell when they are back. */
static bool may_wait(const struct exchange *x)
{
    uint64_t now = uv_now(&x->worker->loop);
    bool any = false;

    if (x->has_error && x->error.error != ERR_CONNECT &&
        x->error.error != ERR_RESOLVE && x->error.error != ERR_CLOSED &&
        x->error.error != ERR_CONNECT_TIMEOUT && x->error.error != ERR_TLS &&
        (x->error.error != ERR_BACKEND_STATUS || x->head.status != 503))
        return false;
    for (unsigned i = 0; i < x->choice.target_count; i++) {
        const struct backend *backend = x->choice.targets[i].backend;

        if (is_excluded(x, i))
            continue;
        if (rests(backend) || health_has_usable(backend, now))
            return false;
        any = true;
    }
    return any;
}

static void fail_not_ready(struct exchange *x)
{
    const struct backend *backend = x->choice.targets[0].backend;
    struct chat_error error = {
        .error = ERR_NOT_READY,
        .message = arena_printf(
            x->arena, "The %.*s backend \"%.*s\" is not ready%s. Try again.",
            STR_ARG(tier_name(backend->tier)), STR_ARG(backend->name),
            x->choice.is_pinned
                ? ", and the policy of this request allows no other"
                : ""),
        .retry_after_s = (unsigned)(settings_of(x)->retry_after_ms / 1000),
    };

    exchange_fail(x, &error);
}

static void park(struct exchange *x)
{
    uint64_t now = uv_now(&x->worker->loop);

    if (!x->record.was_held)
        x->hold_until_ms = now + settings_of(x)->hold_ms;
    if (now >= x->hold_until_ms) {
        fail_not_ready(x);
        return;
    }
    x->record.was_held = true;
    list_push_back(&x->worker->parked, &x->parked);
    set_deadline(x, &x->hold, x->hold_until_ms - now);
}

static void none_left(struct exchange *x)
{
    bool can_try_anyhow = false;

    for (unsigned i = 0; i < x->choice.target_count; i++)
        can_try_anyhow =
            can_try_anyhow ||
            (rests(x->choice.targets[i].backend) && !is_excluded(x, i));
    if (can_try_anyhow && !x->tries_anyhow && x->record.tries == 0 &&
        !x->has_error) {
        /* a backend without a probe comes last when it failed, yet it comes */
        x->tries_anyhow = true;
        x->target = 0;
        next_try(x);
        return;
    }
    /* for the headers: the last one that was asked */
    x->target = x->choice.target_count - 1;
    if (may_wait(x))
        park(x);
    else if (x->has_error)
        exchange_fail(x, &x->error);
    else
        fail_not_ready(x);
}

static void next_try(struct exchange *x)
{
    uint64_t now = uv_now(&x->worker->loop);

    for (; x->target < x->choice.target_count; next_target(x)) {
        const struct backend *backend = target_of(x)->backend;
        struct replica *replica =
            health_pick(backend, now, x->worker->turn++,
                        x->tries_anyhow && rests(backend), x->replica);

        if (is_excluded(x, x->target))
            continue;
        if (replica == NULL && x->tries_at_target == 0)
            x->cause = rests(backend) ? STR("resting") : STR("cold");
        if (replica == NULL || x->tries_at_target >= backend->replica_count)
            continue;
        x->replica = replica;
        if (backend->dialect == DIALECT_ANTHROPIC && !x->is_translated)
            run_job(x, translate, after_translate);
        else
            send_order(x);
        return;
    }
    none_left(x);
}

void exchange_wake_parked(struct worker *worker)
{
    uint64_t now = uv_now(&worker->loop);

    list_each_safe (link, &worker->parked) {
        struct exchange *x = list_entry(link, struct exchange, parked);

        if (!health_has_usable(x->choice.targets[0].backend, now))
            continue;
        list_remove(&x->parked);
        deadline_clear(&x->hold);
        x->has_error = false;
        x->target = x->tries_at_target = 0;
        x->replica = NULL;
        x->is_translated = false;
        next_try(x);
    }
}

/* --- deadlines
 * ---------------------------------------------------------------------------------
 */

static void drop_attempt(struct exchange *x)
{
    struct attempt *attempt = x->attempt;

    x->attempt = NULL;
    if (attempt != NULL)
        attempt_close(attempt);
}

static void on_total_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, total);

    if (x->is_offloaded) {
        set_deadline(x, &x->total, DEADLINE_TICK_MS);
        return;
    }
    drop_attempt(x);
    exchange_fail_with(x, ERR_TOTAL_TIMEOUT);
}

static void on_first_token_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, first_token);

    drop_attempt(x);
    try_failed_with(x, ERR_FIRST_TOKEN_TIMEOUT);
}

static void on_hold_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, hold);

    list_remove(&x->parked);
    fail_not_ready(x);
}

static void on_comment_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, comment);

    if (reply_queued(&x->reply) == 0)
        reply_put(&x->reply, STR(": keep-alive\n\n"));
    set_deadline(x, &x->comment, settings_of(x)->comment_ms);
}

/* --- from receive to choose
 * ------------------------------------------------------------------------ */

/* Reads the request and decides; on the loop or on the thread pool. */
static void prepare(struct exchange *x)
{
    const struct settings *settings = settings_of(x);
    struct chat *chat = &x->chat;

    x->has_error = !openai_read_request(&x->work, request_body(x->request),
                                        chat, &x->error);
    if (x->has_error)
        return;
    x->facts = (struct rule_facts){
        .chat = chat,
        .head = &x->request->head,
        .key = x->key,
        .prompt_tokens = rule_estimate_tokens(chat->characters),
        .max_tokens = chat->has_max_tokens ? chat->max_tokens
                                           : settings->assumed_max_tokens,
        .minute_of_day = rule_minute_now(),
    };
    x->has_error =
        !choose(x->arena, x->worker->catalog, &x->facts, &x->choice, &x->error);
}

static void answer_route(struct exchange *x)
{
    struct buf body;
    struct str piece;

    buf_init(&body, 256 * 1024);
    explain(&x->facts, &x->choice, uv_now(&x->worker->loop), &body);
    piece = buf_str(&body);
    put_ids(x);
    reply_whole(&x->reply, 200, STR("application/json"), &piece, 1);
    buf_fini(&body);
    exchange_settle(x);
}

static void after_prepare(struct exchange *x)
{
    struct record *record = &x->record;
    struct str model = x->chat.model;

    record->is_stream = x->chat.is_stream;
    record->model = model.len > 0 ? arena_copy(x->arena, model) : STR("auto");
    if (x->has_error) {
        exchange_fail(x, &x->error);
        return;
    }
    record->prompt_tokens_estimated = x->choice.prompt_tokens;
    if (x->is_route_only) {
        answer_route(x);
        return;
    }
    record->is_chat = true;
    record->wants_local = x->choice.wants_local;
    set_deadline(x, &x->total, settings_of(x)->total_ms);
    next_try(x);
}

static bool is_json(const struct head *head)
{
    struct str type = head_find(head, STR("content-type"));
    struct str media;

    if (type.ptr == NULL)
        return true;
    if (!str_split(&type, ';', &media))
        return false;
    return str_eq_nocase(str_trim(media), STR("application/json"));
}

/* The caller's id if it is a plain one, else one of our own. */
static struct str make_id(struct exchange *x)
{
    struct str asked = head_find(&x->request->head, STR("x-request-id"));
    char digits[ID_DIGITS];
    bool is_plain = asked.len > 0 && asked.len <= ID_MAX;

    for (size_t i = 0; i < asked.len && is_plain; i++)
        is_plain = asked.ptr[i] > ' ' && asked.ptr[i] < 0x7F &&
                   asked.ptr[i] != '"' && asked.ptr[i] != '\\';
    if (is_plain)
        return asked;
    trace_random_hex(digits, sizeof(digits));
    return arena_printf(x->arena, "req_%.*s", (int)sizeof(digits), digits);
}

static struct exchange *exchange_new(struct worker *worker,
                                     struct request *request)
{
    struct exchange *x = ARENA_NEW(&request->arena, struct exchange);

    request->owner = x;
    x->worker = worker;
    x->request = request;
    x->arena = &request->arena;
    arena_init(&x->work);
    list_init(&x->parked);
    list_push_back(&worker->exchanges, &x->link);
    deadline_init(&x->total, on_total_due);
    deadline_init(&x->first_token, on_first_token_due);
    deadline_init(&x->hold, on_hold_due);
    deadline_init(&x->comment, on_comment_due);
    buf_init(&x->order_head, SIZE_MAX / 4);
    buf_init(&x->order_body, SIZE_MAX / 4);
    reply_init(&x->reply, &request->sink);
    x->reply.is_http_1_0 = request->is_http_1_0;
    x->reply.keeps_alive = request->keeps_alive;
    trace_begin(&x->trace, head_find(&request->head, STR("traceparent")));
    x->record = (struct record){
        .trace_id = trace_id(&x->trace),
        .peer = request_peer(request),
        .method = request->method,
        .path = request->path,
        .bytes_in = request->body_len,
        .began_us = request->began_us,
    };
    x->record.id = make_id(x);
    return x;
}

void exchange_begin(struct worker *worker, struct request *request,
                    bool is_route_only)
{
    struct exchange *x = exchange_new(worker, request);

    x->is_route_only = is_route_only;
    exchange_move(x, STEP_ADMIT);
    if (!key_check(worker->catalog, &request->head, &x->key)) {
        exchange_fail_with(x, ERR_UNAUTHORIZED);
        return;
    }
    if (x->key != NULL)
        x->record.key = x->key->name;
    if (!is_json(&request->head)) {
        exchange_fail_with(x, ERR_MEDIA_TYPE);
        return;
    }
    exchange_move(x, STEP_CHOOSE);
    run_job(x, prepare, after_prepare);
}

void exchange_refuse(struct worker *worker, struct request *request,
                     enum error error, const char *detail)
{
    struct exchange *x = exchange_new(worker, request);
    struct chat_error refusal = {.error = error};

    if (detail != NULL)
        refusal.message = arena_printf(x->arena, "%.*s (%s)",
                                       STR_ARG(error_row(error)->says), detail);
    exchange_fail(x, &refusal);
}

/* --- the caller meanwhile
 * ------------------------------------------------------------------------------
 */

static void leave(struct exchange *x)
{
    x->is_gone = true;
    if (x->is_offloaded)
        return; /* on_job_done settles */
    if (x->attempt != NULL)
        metrics_count_try(&x->worker->metrics, target_of(x)->backend->tier,
                          TRY_CANCELLED);
    /* at once: the backend must not go on for nobody */
    drop_attempt(x);
    if (x->record.tries > 0 && x->record.tier == TIER_NONE) {
        x->record.tier = target_of(x)->backend->tier;
        x->record.backend = target_of(x)->backend->name;
        x->record.reason = x->choice.reason;
    }
    exchange_settle(x);
}

void exchange_on_drain(struct request *request)
{
    struct exchange *x = request->owner;

    if (x == NULL || !x->is_paused || x->attempt == NULL)
        return;
    x->is_paused = false;
    attempt_resume(x->attempt);
}

void exchange_on_gone(struct request *request)
{
    leave(request->owner);
}

void exchange_cut_all(struct worker *worker)
{
    list_each_safe (link, &worker->exchanges) {
        struct exchange *x = list_entry(link, struct exchange, link);

        if (x->is_offloaded)
            continue; /* it comes back by itself */
        drop_attempt(x);
        exchange_fail_with(x, ERR_SHUTTING_DOWN);
    }
}
