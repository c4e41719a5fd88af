/* What comes back from a backend, and how it goes to the caller.
 *
 *   head ─▶ error status ─▶ its body ─▶ the try has failed
 *        ─▶ one piece ─────▶ collected, translated, sent
 *        ─▶ events ────────▶ held up to the first token, then sent as they come
 *
 * With the first token the exchange is committed: no other backend is tried
 * any more. */
#include "clock.h"
#include "exchange_private.h"
#include "log.h"

/* The body of an error only explains its status: neither its size nor its
 * time may keep the next backend waiting. */
enum { ERROR_BODY_MAX = 256 * 1024, ERROR_BODY_MS = 1000 };

void exchange_release_answer(struct exchange *x)
{
    if (x->has_answer && x->answer.recall != NULL)
        recall_fini(&x->recall);
    if (x->has_answer)
        answer_fini(&x->answer);
    x->has_answer = false;
    if (x->gather != NULL)
        gather_fini(x->gather);
    x->gather = NULL;
    buf_fini(&x->held);
}

static void gather_answers(struct exchange *x)
{
    x->gather = ARENA_NEW(x->arena, struct gather);
    gather_init(x->gather, x->arena, exchange_settings(x)->content_bytes);
    x->answer.gather = x->gather;
}

bool exchange_asks_usage(const struct exchange *x)
{
    return x->chat.is_stream && !x->chat.include_usage &&
           exchange_target_format(x)->has_stream_options &&
           exchange_target(x)->backend->asks_usage;
}

void exchange_prepare_answer(struct exchange *x)
{
    const struct settings *settings = exchange_settings(x);
    struct answer_style style = {
        .model = x->record.model,
        .id = x->record.id,
        .created = clock_wall_s(),
        .shows_reasoning = settings->shows_reasoning,
        .shows_thinking = settings->shows_thinking,
        .include_usage = x->chat.include_usage,
        .hides_usage = exchange_asks_usage(x),
        .wants_encrypted = x->chat.wants_encrypted,
        .is_stored = x->chat.is_stored && settings->store_bytes > 0,
        /* the request goes before a stream ends */
        .echo = arena_copy(x->arena, x->chat.echo),
    };

    exchange_release_answer(x);
    buf_init(&x->held, settings->answer_bytes);
    answer_init(&x->answer, x->arena, exchange_target_format(x), x->format,
                &style, &x->names, settings->answer_bytes);
    x->has_answer = true;
    if (x->keeps_content)
        gather_answers(x);
    x->answer.seeks_id = x->worker->host->clerk != NULL;
    exchange_note(x);
    x->reading = READING_HEAD;
}

/* --- the answer's head -------------------------------------------------- */

static void note_dropped(struct exchange *x)
{
    struct record *record = &x->record;

    record->dropped_count = x->dropped_count;
    record->dropped = ARENA_ARRAY(x->arena, uint16_t, x->dropped_count);
    for (unsigned i = 0; i < x->dropped_count; i++)
        record->dropped[i] =
            (uint16_t)fields_slot(x->format->name, x->dropped[i]);
}

static void put_dropped(struct exchange *x)
{
    enum { SHOWN = 1024 };
    struct buf list;

    if (x->dropped_count == 0)
        return;
    note_dropped(x);
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

void exchange_put_ids(struct exchange *x)
{
    char parent[TRACE_PARENT_LEN];

    reply_header(&x->reply, STR("X-Request-Id"), x->record.id);
    if (x->format->has_anthropic_headers)
        reply_header(&x->reply, STR("request-id"), x->record.id);
    trace_parent(&x->trace, x->trace.span_id, parent);
    reply_header(&x->reply, STR("traceparent"),
                 (struct str){parent, sizeof(parent)});
}

/* Who answers, and why. */
void exchange_put_backend(struct exchange *x)
{
    const struct target *target = exchange_target(x);
    struct record *record = &x->record;

    record->tier = target->backend->tier;
    record->backend = target->backend->name;
    record->served_model = target->upstream;
    record->reason = x->choice.reason;
    if (x->target > 0)
        record->reason =
            arena_printf(x->arena, "%s:%.*s",
                         str_eq(x->cause, STR("full")) ? "spill" : "fallback",
                         STR_ARG(x->cause.len > 0 ? x->cause : STR("unknown")));
    reply_header(&x->reply, STR("X-Router-Backend"), tier_name(record->tier));
    reply_header(&x->reply, STR("X-Router-Target"), record->backend);
    reply_header(&x->reply, STR("X-Router-Model"), record->served_model);
    reply_header(&x->reply, STR("X-Router-Reason"), record->reason);
    put_dropped(x);
}

/* --- the answer is good --------------------------------------------------- */

/* The backend's answer is good: from here on it is the answer. */
static void commit(struct exchange *x)
{
    exchange_move(x, STEP_STREAM);
    exchange_note_health(x, HEALTH_TRY_OK, 0, STR("answered"));
    deadline_clear(&x->first_token);
    exchange_put_ids(x);
    exchange_put_backend(x);
    if (x->format->write_estimate != NULL)
        reply_header(&x->reply, STR("X-Router-Token-Count"),
                     exchange_target_format(x)->name);
}

bool exchange_cannot_count(const struct exchange *x,
                           const struct chat_error *error)
{
    if (error_row(error->error)->tries_next)
        return true;
    /* a server that speaks like OpenAI's need not have vLLM's tokenizer */
    return error->error == ERR_BACKEND_REFUSED && x->record.tries > 0 &&
           exchange_target_format(x) != x->format &&
           (x->head.status == 404 || x->head.status == 405 ||
            x->head.status == 501);
}

bool exchange_estimate(struct exchange *x)
{
    struct buf body;
    struct str piece;

    if (x->format->write_estimate == NULL || x->choice.target_count == 0)
        return false;
    buf_init(&body, 4096);
    x->format->write_estimate(x->choice.prompt_tokens, &body);
    piece = buf_str(&body);
    exchange_put_ids(x);
    reply_header(&x->reply, STR("X-Router-Token-Count"), STR("estimate"));
    reply_whole(&x->reply, 200, STR("application/json"), &piece, 1);
    buf_fini(&body);
    return true;
}

static void finish(struct exchange *x)
{
    x->record.usage = x->answer.usage;
    x->record.finish = x->answer.finish;
    metrics_count_try(&x->worker->metrics, exchange_target(x)->backend, TRY_OK);
    exchange_settle(x);
}

/* What is remembered is there before the caller knows that it is. */
static void remember_stream(struct exchange *x)
{
    exchange_remember(x, (struct str){NULL, 0});
}

static void commit_stream(struct exchange *x, bool is_whole)
{
    commit(x);
    if (is_whole)
        remember_stream(x);
    exchange_record_token(x);
    x->piece_us = x->record.first_token_us;
    reply_stream(&x->reply);
    reply_put(&x->reply, buf_str(&x->held));
    buf_fini(&x->held);
    exchange_set_deadline(x, &x->comment, exchange_settings(x)->comment_ms);
    if (x->attempt == NULL || !attempt_is_sending(x->attempt))
        exchange_release_work(x);
}

static void finish_stream(struct exchange *x)
{
    reply_end(&x->reply);
    finish(x);
}

/* An answer with an error status is complete, or as complete as it gets. */
static void take_error(struct exchange *x)
{
    struct chat_error error;

    exchange_target_format(x)->read_error(x->arena, &x->head, buf_str(&x->held),
                                          &error);
    if (error.error == ERR_BACKEND_AUTH)
        log_say(LOG_ERROR, "backend refuses the router's key",
                "backend %.*s answered %d",
                STR_ARG(exchange_target(x)->backend->name), x->head.status);
    exchange_try_failed(x, &error);
}

static void take_whole(struct exchange *x)
{
    struct str pieces[RELAY_PIECES];
    unsigned count = answer_whole(&x->answer, &x->work, buf_str(&x->held),
                                  &x->names, pieces);

    if (count == 0) {
        struct chat_error error = x->answer.error;

        if (error.error == OK)
            error.error = ERR_BAD_ANSWER;
        if (error.message.ptr != NULL) /* it must outlive the work */
            error.message = arena_copy(x->arena, error.message);
        exchange_try_failed(x, &error);
        return;
    }
    commit(x);
    exchange_remember(x, pieces[0]);
    exchange_record_token(x);
    reply_whole(&x->reply, 200, STR("application/json"), pieces, count);
    finish(x);
}

/* How long the answer's reader had to wait for it.  The last words, which bring
 * no content, are none. */
static void note_piece(struct exchange *x, const struct buf *out)
{
    uint64_t now;

    if (out->len == 0 || x->answer.finish != CHAT_FINISH_UNSET)
        return;
    now = clock_us();
    metrics_count_piece(&x->worker->metrics, &x->record, now - x->piece_us,
                        now);
    x->piece_us = now;
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
    if (x->reply.is_stream) {
        if (status == ANSWER_GOES_ON)
            note_piece(x, out);
        if (status == ANSWER_ENDED)
            remember_stream(x);
        reply_put(&x->reply, buf_str(out));
    } else if (status != ANSWER_FAILED &&
               (x->answer.has_token || status == ANSWER_ENDED)) {
        commit_stream(x, status == ANSWER_ENDED);
    }
    if (status == ANSWER_GOES_ON) {
        if (x->reply.is_stream)
            exchange_set_deadline(x, &x->comment,
                                  exchange_settings(x)->comment_ms);
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
        exchange_try_failed(x, &x->answer.error);
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

    exchange_record_head(x, head->status);
    x->head = (struct backend_head){
        .status = head->status,
        .retry_after =
            arena_copy(x->arena, head_find(head->head, STR("retry-after"))),
        .request_id =
            arena_copy(x->arena, head_find(head->head, STR("request-id"))),
    };
    if (head->status < 200 || head->status > 299) {
        x->reading = READING_ERROR;
        exchange_set_deadline(x, &x->first_token, ERROR_BODY_MS);
    } else if (x->chat.is_stream && is_stream) {
        x->reading = READING_STREAM;
    } else if (x->chat.is_stream == is_stream) {
        x->reading = READING_WHOLE;
    } else {
        /* not what was asked for: whoever answers so is no model server */
        attempt_close(x->attempt);
        x->attempt = NULL;
        exchange_try_failed_with(x, ERR_BAD_ANSWER);
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
        if (x->held.len == ERROR_BODY_MAX) {
            exchange_drop_attempt(x);
            take_error(x);
        }
        break;
    default:
        buf_put(&x->held, bytes);
        if (buf_failed(&x->held)) {
            attempt_close(x->attempt);
            x->attempt = NULL;
            exchange_try_failed_with(x, ERR_ANSWER_TOO_LARGE);
        }
        break;
    }
}

static void on_end(void *ctx)
{
    struct exchange *x = ctx;

    x->attempt = NULL;
    if (x->reading == READING_WHOLE)
        x->record.answered_us = clock_us();
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
    exchange_try_failed_with(x, error);
}

const struct attempt_events exchange_answer_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
    .on_fail = on_fail,
};

void exchange_on_first_token_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, first_token);

    exchange_drop_attempt(x);
    if (x->reading == READING_ERROR)
        take_error(x);
    else
        exchange_try_failed_with(x, ERR_FIRST_TOKEN_TIMEOUT);
}

void exchange_on_comment_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, comment);

    if (reply_queued(&x->reply) == 0)
        reply_put(&x->reply, x->format->keep_alive);
    exchange_set_deadline(x, &x->comment, exchange_settings(x)->comment_ms);
}
