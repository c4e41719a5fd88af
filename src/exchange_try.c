/* One backend after the other, until one answers.
 *
 *   pick a replica ─▶ translate ─▶ send ─▶ (exchange_answer.c) ─┬─▶ answered
 *        ▲                                                      │
 *        └────────────── the next replica, the next target ◀────┴─ failed
 *   none left ─▶ wait for one to become ready, or fail
 */
#include "check.h"
#include "choose/fit.h"
#include "clock.h"
#include "exchange_private.h"
#include "forward/order.h"
#include "log.h"

/* Room for most heads. */
enum { ORDER_HEAD_BYTES = 512 };
/* Of the names of beta features that a caller may ask for. */
enum { BETAS_MAX = 4096 };

void exchange_drop_attempt(struct exchange *x)
{
    struct attempt *attempt = x->attempt;

    x->attempt = NULL;
    if (attempt != NULL)
        attempt_close(attempt);
}

void exchange_note_health(struct exchange *x, enum health_event event,
                          uint64_t busy_ms, struct str why)
{
    struct replica *replica = x->replica;
    enum health_state was;

    if (!health_note(replica, event, uv_now(&x->worker->loop),
                     exchange_settings(x), busy_ms, &was))
        return;
    health_log(replica, was, why);
    x->worker->host->on_health(x->worker->host->ctx);
}

enum health_event exchange_blame(const struct exchange *x, enum error error)
{
    switch (error) {
    case ERR_RESOLVE:
    case ERR_CONNECT:
    case ERR_CONNECT_TIMEOUT:
    case ERR_TLS:
    case ERR_TLS_TIMEOUT:
    case ERR_PROXY:
    case ERR_CLOSED:
        return HEALTH_TRY_GONE;
    case ERR_BACKEND_BUSY:
        return HEALTH_TRY_BUSY;
    case ERR_BACKEND_STATUS:
        if (x->head.status == 529)
            return HEALTH_TRY_BUSY;
        return x->head.status == 503 ? HEALTH_TRY_GONE : HEALTH_TRY_FAILED;
    default:
        return error_row(error)->blames_target ? HEALTH_TRY_FAILED
                                               : HEALTH_EVENTS;
    }
}

/* The try has failed and is gone.  The next one, if there may be one. */
void exchange_try_failed(struct exchange *x, const struct chat_error *error)
{
    const struct error_row *row = error_row(error->error);
    const struct target *target = exchange_target(x);
    enum health_event event = exchange_blame(x, error->error);
    struct str cause = row->name;

    x->error = *error;
    x->has_error = true;
    exchange_record_try_end(x, error->error, clock_us());
    deadline_clear(&x->first_token);
    metrics_count_try(&x->worker->metrics, target->backend, TRY_FAILED);
    if (error->error == ERR_BACKEND_STATUS || error->error == ERR_BACKEND_BUSY)
        cause = arena_printf(x->arena, "%d",
                             x->head.status >= 400 ? x->head.status
                                                   : chat_error_status(error));
    if (event != HEALTH_EVENTS)
        exchange_note_health(
            x, event, (uint64_t)backend_retry_after_s(&x->head) * 1000, cause);
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
    x->tries_at[x->target]++;
    x->last_at[x->target] = x->replica;
    exchange_next_try(x);
}

void exchange_try_failed_with(struct exchange *x, enum error error)
{
    exchange_try_failed(x, &(struct chat_error){.error = error});
}

/* Does the body go out as it came, but for the model's name? */
static bool passes(const struct exchange *x)
{
    return exchange_target_format(x) == x->format &&
           (x->format->must_rewrite == NULL ||
            !x->format->must_rewrite(&x->chat, exchange_target(x)->claude));
}

static bool write_body(struct exchange *x, struct request_notes *notes,
                       struct chat_error *error)
{
    const struct settings *settings = exchange_settings(x);
    const struct target *target = exchange_target(x);
    const struct format *format = exchange_target_format(x);
    struct request_style style = {
        .model = target->upstream,
        .traits = target->claude,
        .default_max_tokens = settings->default_max_tokens,
        .is_2026_10_21 = settings->is_anthropic_2026_10_21,
        .shows_reasoning = settings->shows_reasoning,
        .caches_prompt = settings->caches_prompt,
        .without_usage = !target->backend->asks_usage,
    };

    exchange_recall(x);
    if (format != x->format)
        return format->write_request(&x->work, &x->chat, &style, &x->order_body,
                                     notes, error);
    format->rewrite(&x->chat, &style, &x->order_body);
    if (!buf_failed(&x->order_body))
        return true;
    *error = (struct chat_error){.error = ERR_MEMORY_BUDGET};
    return false;
}

/* Built-in tools run on a vendor's servers: another format has no word for
 * them, and a model without them would answer something else. */
static bool check_server_tools(const struct exchange *x,
                               struct chat_error *error)
{
    struct arena *arena = x->arena;
    struct str tool = str_clip(x->chat.server_tool, 80);

    if (x->chat.server_tool_count == 0 ||
        exchange_target_format(x) == x->format ||
        fit_drops_server_tools(exchange_settings(x), &x->chat))
        return true;
    return chat_refuse(error, arena, ERR_UNSUPPORTED_PARAMETER, STR("tools"),
                       "tools: the backend \"%.*s\" has no built-in tool "
                       "\"%.*s\"; leave it out (or set "
                       "translation.builtin_tools to drop)",
                       STR_ARG(exchange_target(x)->backend->name),
                       STR_ARG(tool));
}

/* A conversation of which a vendor's server has kept a part.  Clients know
 * this answer, and send all of it instead. */
static bool check_thread(const struct exchange *x, struct chat_error *error)
{
    if (!x->chat.has_thread || exchange_target_format(x) == x->format)
        return true;
    (void)chat_refuse(error, x->arena, ERR_UNSUPPORTED_PARAMETER, STR("thread"),
                      "thread: the backend \"%.*s\" keeps no conversations; "
                      "send all of it without this field",
                      STR_ARG(exchange_target(x)->backend->name));
    error->details = STR("{\"error_code\":\"thread_unsupported_request\","
                         "\"unsupported\":[\"thread\"]}");
    error->is_final = true;
    return false;
}

bool exchange_read_strict(struct exchange *x)
{
    struct str asked = head_find(&x->request->head, STR("x-router-strict"));
    struct str shown = str_clip(asked, 40);

    x->is_strict =
        exchange_settings(x)->is_strict || str_eq_nocase(asked, STR("true"));
    if (x->is_strict || asked.ptr == NULL || str_eq_nocase(asked, STR("false")))
        return true;
    return chat_refuse(&x->error, x->arena, ERR_BAD_VALUE,
                       STR("X-Router-Strict"),
                       "X-Router-Strict: expected true or false, got \"%.*s\"",
                       STR_ARG(shown));
}

/* Where no request is to lose anything. */
static bool check_strict(const struct exchange *x,
                         const struct request_notes *notes,
                         struct chat_error *error)
{
    struct str field;

    if (notes->dropped_count == 0 || !x->is_strict)
        return true;
    field = arena_copy(x->arena, str_clip(notes->dropped[0], 80));
    return chat_refuse(
        error, x->arena, ERR_UNSUPPORTED_PARAMETER, field,
        "%.*s: the backend \"%.*s\" cannot take this field, and nothing is "
        "to be left out (%s); %u such fields in all",
        STR_ARG(field), STR_ARG(exchange_target(x)->backend->name),
        exchange_settings(x)->is_strict ? "translation.strict"
                                        : "X-Router-Strict",
        notes->dropped_count);
}

static void translate(struct exchange *x)
{
    struct request_notes notes = {0};
    struct chat_error error;

    buf_clear(&x->order_body);
    /* room for most: a translation is about as long as what it translates */
    (void)buf_reserve(&x->order_body, x->chat.body.len + ORDER_HEAD_BYTES);
    x->is_translated =
        check_thread(x, &error) && check_server_tools(x, &error) &&
        write_body(x, &notes, &error) && check_strict(x, &notes, &error);
    if (!x->is_translated) {
        x->excluded |= 1u << x->target;
        if (x->target > 0 && !error.is_final)
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

/* What a caller who speaks Anthropic's format tells a backend that does, too.
 * They are the caller's words: plain ones, and not too many. */
static struct str plain_words(struct str words, size_t most)
{
    if (words.len > most)
        return STR("");
    for (size_t i = 0; i < words.len; i++)
        if (words.ptr[i] < ' ' || words.ptr[i] > '~')
            return STR("");
    return words;
}

static void pass_anthropic_headers(const struct exchange *x,
                                   struct order *order)
{
    const struct head *head = &x->request->head;
    struct buf betas;

    if (exchange_target_format(x) != x->format ||
        !x->format->has_anthropic_headers)
        return;
    order->anthropic_version =
        plain_words(head_find(head, STR("anthropic-version")), 32);
    if (str_eq(x->request->query, STR("beta=true")))
        order->query = x->request->query;
    buf_init(&betas, BETAS_MAX);
    for (unsigned i = 0; i < head->count; i++) {
        struct str value = plain_words(head->fields[i].value, BETAS_MAX);

        if (value.len == 0 ||
            !str_eq_nocase(head->fields[i].name, STR("anthropic-beta")))
            continue;
        if (betas.len > 0)
            buf_put_char(&betas, ',');
        buf_put(&betas, value);
    }
    if (!buf_failed(&betas))
        order->anthropic_beta = arena_copy(x->arena, buf_str(&betas));
    buf_fini(&betas);
}

/* In the account, and as what the backend's own spans come under. */
static void note_try(struct exchange *x, char parent[TRACE_PARENT_LEN],
                     struct order *order)
{
    enum { SUFFIX = 8 };
    char digits[1 + TRACE_SPAN_LEN] = {'-'};
    char *span_id = digits + 1;

    trace_random_hex(span_id, TRACE_SPAN_LEN);
    order->traceparent = trace_parent_of_try(&x->trace, span_id, parent);
    order->tracestate = x->trace.state;
    /* One of the caller's choosing may come twice; vLLM wants each once. */
    order->request_id =
        arena_join(x->arena, x->record.id, (struct str){digits, 1 + SUFFIX});
    exchange_record_move(x);
    exchange_record_try(x, (struct str){span_id, TRACE_SPAN_LEN});
    x->asked = exchange_target(x)->backend;
}

void exchange_send(struct exchange *x, struct replica *replica)
{
    const struct settings *settings = exchange_settings(x);
    const struct target *target = exchange_target(x);
    char parent[TRACE_PARENT_LEN];
    struct attempt_order order = {
        .replica = replica,
        .release = queue_release,
        .allowed = x->choice.allowed,
        .connect_ms = settings->connect_ms,
        .tls_ms = settings->tls_ms,
        .first_byte_ms = settings->first_byte_ms,
        .idle_ms = settings->idle_ms,
        .piece_count = 1,
    };
    struct order head = {
        .method = STR("POST"),
        .path = exchange_target_format(x)->path,
        .wants_stream = x->chat.is_stream,
    };

    x->replica = replica;
    note_try(x, parent, &head);
    if (x->is_translated)
        order.pieces[order.piece_count++] = buf_str(&x->order_body);
    else
        order.piece_count +=
            relay_request(&x->work, &x->chat, target->upstream,
                          exchange_asks_usage(x), order.pieces + 1);
    for (size_t i = 1; i < order.piece_count; i++)
        head.body_len += order.pieces[i].len;
    pass_anthropic_headers(x, &head);
    buf_clear(&x->order_head);
    (void)buf_reserve(&x->order_head, ORDER_HEAD_BYTES);
    order_write(&head, x->replica, settings->anthropic_version, &x->order_head);
    order.pieces[0] = buf_str(&x->order_head);
    exchange_prepare_answer(x);
    x->record.detail = (struct str){NULL, 0};
    x->is_paused = false;
    exchange_move(x, STEP_FORWARD);
    x->attempt =
        attempt_open(&x->worker->pool, &order, &exchange_answer_events, x);
    if (x->attempt == NULL) {
        log_say(LOG_ERROR, "bug: a pinned request came to a forbidden tier",
                "id %.*s backend %.*s", STR_ARG(x->record.id),
                STR_ARG(target->backend->name));
        exchange_fail_with(x, ERR_TIER_FORBIDDEN);
        return;
    }
    if (x->chat.is_stream)
        exchange_set_deadline(x, &x->first_token, settings->first_token_ms);
}

void exchange_next_target(struct exchange *x)
{
    x->target++;
    x->replica = NULL;
    x->is_translated = false;
    x->dropped_count = 0;
}

static void after_translate(struct exchange *x)
{
    if (!x->is_translated && x->has_error && x->error.is_final) {
        exchange_fail(x, &x->error);
        return;
    }
    if (!x->is_translated) {
        /* this backend cannot take the request; perhaps the next one can */
        if (x->target == 0) /* else the one before has said why */
            x->cause = error_row(x->error.error)->name;
        exchange_next_target(x);
    }
    exchange_next_try(x);
}

static void none_left(struct exchange *x)
{
    bool can_try_anyhow = false;

    for (unsigned i = 0; i < x->choice.target_count; i++)
        can_try_anyhow =
            can_try_anyhow || (health_has_any(x->choice.targets[i].backend) &&
                               !exchange_is_spent(x, i));
    if (can_try_anyhow && !x->tries_anyhow) {
        /* one that rests or ramps comes last, yet it comes */
        x->tries_anyhow = true;
        x->target = 0;
        exchange_next_try(x);
        return;
    }
    /* for the headers: the last one that was asked */
    x->target = x->choice.target_count - 1;
    exchange_wait_or_fail(x);
}

/* Is there a replica to hope for?  Nobody's turn is used up by the look. */
static bool is_worth_a_try(const struct exchange *x)
{
    const struct backend *backend = exchange_target(x)->backend;

    if (exchange_is_spent(x, x->target))
        return false;
    return x->tries_anyhow
               ? health_has_any(backend)
               : health_has_usable(backend, uv_now(&x->worker->loop));
}

/* Takes a place and sends, or stands in line for one.  False when neither is
 * possible. */
static bool take_place(struct exchange *x)
{
    const struct backend *backend = exchange_target(x)->backend;
    struct health_wish wish = {
        .settings = exchange_settings(x),
        .now_ms = uv_now(&x->worker->loop),
        .anyhow = x->tries_anyhow,
        .turn = x->worker->turn++,
        .skip = x->last_at[x->target],
    };
    bool is_full;
    struct replica *replica = queue_take(backend, &wish, &is_full);

    if (replica == NULL) {
        x->is_full = is_full;
        return is_full && exchange_queue(x);
    }
    exchange_send(x, replica);
    return true;
}

/* Why the present target is left for the next one.  One that was asked, or
 * that cannot take the request, has said so already. */
static void note_why_not(struct exchange *x)
{
    bool has_said =
        x->tries_at[x->target] > 0 || exchange_is_excluded(x, x->target);

    if (!has_said && x->target + 1 < x->choice.target_count)
        x->cause = x->is_full ? STR("full")
                              : health_why_not(exchange_target(x)->backend);
}

void exchange_next_try(struct exchange *x)
{
    for (; x->target < x->choice.target_count; exchange_next_target(x)) {
        const struct backend *backend = exchange_target(x)->backend;

        x->is_full = false;
        if (is_worth_a_try(x)) {
            if (!passes(x) && !x->is_translated) {
                exchange_run_job(x, translate, after_translate);
                return;
            }
            if (take_place(x))
                return;
        }
        if (!x->tries_anyhow && x->tries_at[x->target] == 0)
            health_meet_drill(backend);
        note_why_not(x);
    }
    none_left(x);
}
