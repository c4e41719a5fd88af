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

#include "admit/key.h"
#include "check.h"
#include "choose/explain.h"
#include "clock.h"
#include "exchange_private.h"
#include "log.h"
#include "reply/failure.h"
#include "settle/settle.h"
#include "telemetry/access.h"

enum {
    OFFLOAD_BYTES = 256 * 1024,
    ID_DIGITS = 32,
    ID_MAX = 128,
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

void exchange_move(struct exchange *x, enum step step)
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

const struct settings *exchange_settings(const struct exchange *x)
{
    return &x->catalog->settings;
}

const struct target *exchange_target(const struct exchange *x)
{
    return &x->choice.targets[x->target];
}

const struct format *exchange_target_format(const struct exchange *x)
{
    return exchange_target(x)->backend->dialect == DIALECT_ANTHROPIC
               ? x->format->with_anthropic
               : x->format->with_openai;
}

void exchange_set_deadline(struct exchange *x, struct deadline *deadline,
                           uint64_t ms)
{
    deadline_set(&x->worker->deadlines, deadline, ms);
}

/* --- settle ------------------------------------------------------------- */

/* What only another try would need. */
void exchange_release_work(struct exchange *x)
{
    buf_fini(&x->order_head);
    buf_fini(&x->order_body);
    arena_clear(&x->work);
    /* the items of a stored response stand in the body: it goes at the end */
    if (exchange_is_stored(x))
        request_settle_body(x->request);
    else
        request_drop_body(x->request);
}

/* The last call: the exchange and its request are gone when it returns. */
void exchange_settle(struct exchange *x)
{
    struct record *record = &x->record;
    struct catalog *catalog = x->catalog;
    uint64_t now = clock_us();

    exchange_move(x, STEP_SETTLE);
    check(x->attempt == NULL && !x->is_offloaded);
    if (x->is_gone)
        record->error = ERR_CALLER_LEFT;
    record->status =
        x->reply.status != 0 && x->reply.has_begun ? x->reply.status : 499;
    record->bytes_out = x->reply.bytes;
    exchange_record_try_end(
        x,
        x->try != NULL && x->try->error != OK ? x->try->error : record->error,
        now);
    if (x->has_answer)
        record->answer_id = x->answer.id;
    exchange_record_output(x);
    settle(record, now);
    exchange_record_price(x);
    metrics_count(&x->worker->metrics, record, &x->catalog->claude);
    if (x->target > 0 && x->target < x->choice.target_count &&
        record->tier != TIER_NONE)
        metrics_count_fallback(&x->worker->metrics,
                               x->choice.targets[0].backend,
                               exchange_target(x)->backend, x->cause);
    if (x->worker->host->clerk != NULL)
        clerk_take(x->worker->host->clerk, x->worker->index, record);
    access_log(record);
    deadline_clear(&x->total);
    deadline_clear(&x->first_token);
    deadline_clear(&x->hold);
    deadline_clear(&x->comment);
    list_remove(&x->link);
    list_remove(&x->parked);
    exchange_leave_queue(x);
    exchange_release_answer(x);
    store_unref(x->earlier);
    exchange_release_work(x);
    exchange_move(x, STEP_DONE);
    /* the request's arena goes with it, and there stands the exchange */
    reply_close(&x->reply);
    catalog_unref(catalog);
}

/* --- failure ------------------------------------------------------------ */

/* The status has gone: the stream's own words are all that is left. */
static void end_badly(struct exchange *x, const struct chat_error *error)
{
    struct buf *last = &x->worker->scratch;

    if (x->reply.is_stream && x->has_answer) {
        buf_clear(last);
        answer_fail(&x->answer, error, last);
        reply_put(&x->reply, buf_str(last));
        reply_end(&x->reply);
    }
    exchange_settle(x);
}

/* The one door for bad news. */
void exchange_fail(struct exchange *x, const struct chat_error *error)
{
    x->record.error = error->error;
    if (x->try != NULL)
        x->try->error = error->error;
    if (x->reply.has_begun) {
        end_badly(x, error);
        return;
    }
    exchange_move(x, STEP_FAIL);
    if (exchange_cannot_count(x, error) && exchange_estimate(x)) {
        x->record.error = OK;
        exchange_settle(x);
        return;
    }
    exchange_put_ids(x);
    if (x->record.tries > 0 && x->target < x->choice.target_count)
        exchange_put_backend(x);
    failure_reply(&x->reply, x->format, x->record.id, error);
    exchange_settle(x);
}

void exchange_fail_with(struct exchange *x, enum error error)
{
    exchange_fail(x, &(struct chat_error){.error = error});
}

/* --- the thread pool ---------------------------------------------------- */

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

void exchange_run_job(struct exchange *x, void (*work_on)(struct exchange *x),
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

/* --- from receive to choose --------------------------------------------- */

static void on_total_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, total);

    if (x->is_offloaded) {
        exchange_set_deadline(x, &x->total, DEADLINE_TICK_MS);
        return;
    }
    exchange_drop_attempt(x);
    exchange_fail_with(x, ERR_TOTAL_TIMEOUT);
}

static enum service service_of(const struct format *format)
{
    if (format == &format_completions)
        return SERVICE_COMPLETIONS;
    return format == &format_embeddings ? SERVICE_EMBEDDINGS : SERVICE_CHAT;
}

/* Of several texts each is read by itself; see rule_facts. */
static int64_t longest_tokens(const struct chat *chat)
{
    size_t longest = 0;

    for (unsigned i = 0; i < chat->messages[0].part_count; i++) {
        size_t points = str_code_points(chat->messages[0].parts[i].text);

        longest = points > longest ? points : longest;
    }
    return rule_estimate_tokens(longest);
}

/* Reads the request and decides; on the loop or on the thread pool. */
static void prepare(struct exchange *x)
{
    const struct settings *settings = exchange_settings(x);
    struct chat *chat = &x->chat;

    x->has_error = !x->format->read_request(&x->work, request_body(x->request),
                                            chat, &x->error);
    x->has_error =
        x->has_error || !exchange_read_strict(x) || !exchange_read_earlier(x);
    if (x->has_error)
        return;
    /* whatever the caller says: no backend may answer with events either */
    if (x->format->never_streams)
        chat->is_stream = false;
    x->facts = (struct rule_facts){
        .service = service_of(x->format),
        .chat = chat,
        .head = &x->request->head,
        .key = x->key,
        .prompt_tokens = rule_estimate_tokens(chat->characters),
        .max_tokens = chat->has_max_tokens ? chat->max_tokens
                                           : settings->assumed_max_tokens,
        .minute_of_day = rule_minute_now(),
        .is_confined = x->is_confined,
        .confined = x->confined,
        .goes_on_refused = x->goes_on_refused,
    };
    if (x->facts.service != SERVICE_CHAT)
        x->facts.longest_tokens = longest_tokens(chat);
    x->has_error =
        !choose(x->arena, x->catalog, &x->facts, &x->choice, &x->error);
    if (!x->has_error)
        exchange_record_input(x);
}

static void answer_route(struct exchange *x)
{
    struct buf body;
    struct str piece;

    buf_init(&body, 256 * 1024);
    explain(x->arena, &x->facts, &x->choice, uv_now(&x->worker->loop), &body);
    piece = buf_str(&body);
    exchange_put_ids(x);
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
    exchange_record_request(x);
    if (x->has_error) {
        exchange_fail(x, &x->error);
        return;
    }
    record->chosen_us = clock_us();
    record->prompt_tokens_estimated = x->choice.prompt_tokens;
    if (x->is_route_only) {
        answer_route(x);
        return;
    }
    if (x->format->write_estimate != NULL)
        x->choice.target_count = 1; /* another model's count is no count */
    else if (x->choice.wants_local) {
        record->wants_local = true;
        record->wanted = x->choice.targets[0].backend->name;
    }
    exchange_set_deadline(x, &x->total, exchange_settings(x)->total_ms);
    exchange_next_try(x);
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
    return arena_join(x->arena, STR("req_"),
                      (struct str){digits, sizeof(digits)});
}

static struct exchange *exchange_new(struct worker *worker,
                                     struct request *request,
                                     const struct format *format)
{
    struct exchange *x = ARENA_NEW(&request->arena, struct exchange);

    request->owner = x;
    x->worker = worker;
    x->catalog = catalog_ref(worker->catalog);
    x->request = request;
    x->format = format;
    x->arena = &request->arena;
    arena_init(&x->work);
    list_init(&x->parked);
    list_push_back(&worker->exchanges, &x->link);
    deadline_init(&x->total, on_total_due);
    deadline_init(&x->first_token, exchange_on_first_token_due);
    deadline_init(&x->hold, exchange_on_hold_due);
    deadline_init(&x->comment, exchange_on_comment_due);
    buf_init(&x->order_head, SIZE_MAX / 4);
    buf_init(&x->order_body, SIZE_MAX / 4);
    reply_init(&x->reply, &request->sink);
    x->reply.is_http_1_0 = request->is_http_1_0;
    x->reply.keeps_alive = request->keeps_alive;
    x->reply.is_head_method = str_eq(request->method, STR("HEAD"));
    trace_begin(&x->trace, &request->head, x->arena, &worker->host->sampler,
                (enum trace_trust)exchange_settings(x)->incoming_trace);
    x->record = (struct record){
        .trace_id = trace_id(&x->trace),
        .span_id = {x->trace.span_id, sizeof(x->trace.span_id)},
        .parent_span_id = x->trace.parent_id,
        .trace_state = x->trace.state,
        .trace_flags = x->trace.flags,
        .is_sampled = x->trace.is_sampled,
        .link_trace_id = x->trace.link_id,
        .link_span_id = x->trace.link_span_id,
        .link_flags = x->trace.link_flags,
        .peer = request_peer(request),
        .method = request->method,
        .path = request->path,
        .format = format->name,
        .operation = exchange_operation(format),
        .bytes_in = request->body_len,
        .began_us = request->began_us,
        .received_us = clock_us(),
    };
    x->record.id = make_id(x);
    return x;
}

void exchange_begin(struct worker *worker, struct request *request,
                    const struct format *format, bool is_route_only)
{
    struct exchange *x = exchange_new(worker, request, format);

    x->is_route_only = is_route_only;
    x->record.is_chat = !is_route_only;
    exchange_move(x, STEP_ADMIT);
    if (!key_check(x->catalog, &request->head, &x->key)) {
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
    exchange_run_job(x, prepare, after_prepare);
}

void exchange_refuse(struct worker *worker, struct request *request,
                     const struct format *format, enum error error,
                     const char *detail)
{
    struct exchange *x = exchange_new(worker, request, format);
    struct chat_error refusal = {.error = error};

    if (detail != NULL)
        refusal.message = arena_printf(x->arena, "%.*s (%s)",
                                       STR_ARG(error_row(error)->says), detail);
    exchange_fail(x, &refusal);
}

/* --- the caller meanwhile ----------------------------------------------- */

static void leave(struct exchange *x)
{
    x->is_gone = true;
    if (x->is_offloaded)
        return; /* on_job_done settles */
    if (x->attempt != NULL)
        metrics_count_try(&x->worker->metrics, exchange_target(x)->backend,
                          TRY_CANCELLED);
    /* at once: the backend must not go on for nobody */
    exchange_drop_attempt(x);
    if (x->record.tries > 0 && x->record.tier == TIER_NONE) {
        x->record.tier = exchange_target(x)->backend->tier;
        x->record.backend = exchange_target(x)->backend->name;
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
        exchange_drop_attempt(x);
        exchange_fail_with(x, ERR_SHUTTING_DOWN);
    }
}
