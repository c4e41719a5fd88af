/* Waiting: parked until a probe says that a backend is back, or in the queue
 * of a full one.  Both end with a deadline. */
#include "clock.h"
#include "exchange_private.h"
#include "inherit.h"
#include "log.h"

bool exchange_is_excluded(const struct exchange *x, unsigned target)
{
    return (x->excluded >> target & 1) != 0;
}

static bool has_waited(const struct exchange *x, unsigned target)
{
    return (x->waited >> target & 1) != 0;
}

bool exchange_is_spent(const struct exchange *x, unsigned target)
{
    return exchange_is_excluded(x, target) || has_waited(x, target) ||
           x->tries_at[target] >=
               x->choice.targets[target].backend->replica_count;
}

static void stand_by(struct exchange *x, uint64_t ms)
{
    x->record.was_held = true;
    if (x->record.tries == 0 && x->record.waited_us == 0)
        x->record.waited_us = clock_us();
    log_say(LOG_DEBUG, "request waits", "id %.*s target %.*s",
            STR_ARG(x->record.id), STR_ARG(exchange_target(x)->backend->name));
    list_push_back(&x->worker->parked, &x->parked);
    exchange_set_deadline(x, &x->hold, ms);
}

static void go_on(struct exchange *x)
{
    list_remove(&x->parked);
    deadline_clear(&x->hold);
}

static void fail_waiting(struct exchange *x, enum error error, const char *what)
{
    const struct backend *backend = x->choice.targets[0].backend;
    struct chat_error failure = {
        .error = error,
        .message = arena_printf(
            x->arena, "The %.*s backend \"%.*s\" is %s%s. Try again.",
            STR_ARG(tier_name(backend->tier)), STR_ARG(backend->name), what,
            x->choice.is_pinned
                ? ", and the policy of this request allows no other"
                : ""),
        .retry_after_s =
            (unsigned)((exchange_settings(x)->retry_after_ms + 999) / 1000),
    };

    exchange_fail(x, &failure);
}

/* --- for a backend that is not there ------------------------------------ */

/* Would waiting help?  Only when all it may use are cold, and a probe will
 * tell when they are back. */
static bool may_park(const struct exchange *x)
{
    bool any = false;

    if (x->format->write_estimate != NULL)
        return false;
    if (x->has_error && exchange_blame(x, x->error.error) != HEALTH_TRY_GONE)
        return false;
    for (unsigned i = 0; i < x->choice.target_count; i++) {
        if (exchange_is_excluded(x, i))
            continue;
        if (health_has_any(x->choice.targets[i].backend))
            return false;
        any = true;
    }
    return any;
}

static void park(struct exchange *x)
{
    const struct backend *first = x->choice.targets[0].backend;
    uint64_t now = uv_now(&x->worker->loop);

    if (x->hold_until_ms == 0)
        x->hold_until_ms = now + exchange_settings(x)->hold_ms;
    if (now >= x->hold_until_ms) {
        fail_waiting(x, ERR_NOT_READY, "not ready");
        return;
    }
    exchange_record_event(x, RECORD_HELD, health_why_not(first), first);
    stand_by(x, x->hold_until_ms - now);
}

void exchange_wait_or_fail(struct exchange *x)
{
    if (may_park(x))
        park(x);
    else if (x->has_error)
        exchange_fail(x, &x->error);
    else if (x->waited != 0)
        fail_waiting(x, ERR_SATURATED, "full");
    else
        fail_waiting(x, ERR_NOT_READY, "not ready");
}

/* From the beginning: what was tried may be back, too. */
static void try_again(struct exchange *x)
{
    go_on(x);
    x->has_error = false;
    x->target = x->waited = 0;
    for (unsigned i = 0; i < CHOICE_MAX_TARGETS; i++) {
        x->tries_at[i] = 0;
        x->last_at[i] = NULL;
    }
    x->tries_anyhow = false;
    x->replica = NULL;
    x->is_translated = false;
    exchange_next_try(x);
}

/* --- for a place -------------------------------------------------------- */

static void on_place(struct waiter *waiter)
{
    struct exchange *x = list_entry(waiter, struct exchange, waiter);

    uv_async_send(&x->worker->wake);
}

static bool has_alternative(const struct exchange *x)
{
    for (unsigned i = 0; i < x->choice.target_count; i++)
        if (i != x->target && !exchange_is_spent(x, i) &&
            health_has_any(x->choice.targets[i].backend))
            return true;
    return false;
}

bool exchange_queue(struct exchange *x)
{
    const struct settings *settings = exchange_settings(x);
    uint64_t ms = has_alternative(x) ? settings->queue_ms : settings->hold_ms;

    if (has_waited(x, x->target))
        return false;
    x->waited |= 1u << x->target;
    if (ms == 0 || !queue_join(exchange_target(x)->backend, &x->waiter,
                               x->tries_anyhow, on_place))
        return false;
    x->is_queued = true;
    exchange_record_event(x, RECORD_QUEUED, STR("full"),
                          exchange_target(x)->backend);
    stand_by(x, ms);
    return true;
}

void exchange_leave_queue(struct exchange *x)
{
    if (x->is_queued)
        queue_leave(exchange_target(x)->backend, &x->waiter);
    x->is_queued = false;
}

/* False when no place has been given to it. */
static bool use_place(struct exchange *x)
{
    struct replica *place = queue_given(&x->waiter);

    if (place == NULL)
        return false;
    x->is_queued = false;
    go_on(x);
    exchange_send(x, place);
    return true;
}

/* --- the end of the wait ------------------------------------------------ */

void exchange_wake_parked(struct worker *worker)
{
    const struct catalog *catalog = worker->catalog;

    for (unsigned i = 0; i < catalog->backend_count; i++)
        if (queue_length(&catalog->backends[i]) > 0)
            queue_serve(&catalog->backends[i]);
    list_each_safe (link, &worker->parked) {
        struct exchange *x = list_entry(link, struct exchange, parked);

        /* the prober looks after the present catalog alone */
        if (x->catalog != worker->catalog)
            inherit_health(x->catalog, worker->catalog);
        if (x->is_queued)
            (void)use_place(x);
        else if (health_has_any(x->choice.targets[0].backend))
            try_again(x);
    }
}

void exchange_on_hold_due(struct deadline *deadline)
{
    struct exchange *x = list_entry(deadline, struct exchange, hold);

    if (!x->is_queued) {
        go_on(x);
        fail_waiting(x, ERR_NOT_READY, "not ready");
        return;
    }
    if (use_place(x))
        return;
    exchange_leave_queue(x);
    go_on(x);
    x->cause = STR("full");
    exchange_next_target(x);
    exchange_next_try(x);
}
