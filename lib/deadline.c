#include "deadline.h"

#include "check.h"

static void on_tick(uv_timer_t *timer)
{
    struct deadlines *deadlines = timer->data;
    uint64_t now = uv_now(timer->loop);
    struct list due;

    /* First gather, then call: a callback may set and clear others. */
    list_init(&due);
    list_each_safe (link, &deadlines->all) {
        if (list_entry(link, struct deadline, link)->at_ms <= now) {
            list_remove(link);
            list_push_back(&due, link);
        }
    }
    while (!list_empty(&due)) {
        struct deadline *deadline = list_entry(due.next, struct deadline, link);

        list_remove(&deadline->link);
        if (deadline->at_ms > now) /* an earlier callback has moved it */
            list_push_back(&deadlines->all, &deadline->link);
        else
            deadline->on_due(deadline);
    }
    if (list_empty(&deadlines->all))
        uv_timer_stop(timer);
}

void deadlines_open(struct deadlines *deadlines, uv_loop_t *loop)
{
    check(uv_timer_init(loop, &deadlines->timer) == 0);
    deadlines->timer.data = deadlines;
    list_init(&deadlines->all);
}

void deadlines_close(struct deadlines *deadlines)
{
    uv_close((uv_handle_t *)&deadlines->timer, NULL);
}

void deadline_init(struct deadline *deadline,
                   void (*on_due)(struct deadline *deadline))
{
    list_init(&deadline->link);
    deadline->at_ms = 0;
    deadline->on_due = on_due;
}

void deadline_set(struct deadlines *deadlines, struct deadline *deadline,
                  uint64_t ms)
{
    if (ms == 0) {
        deadline_clear(deadline);
        return;
    }
    deadline->at_ms = uv_now(deadlines->timer.loop) + ms;
    if (!list_empty(&deadline->link))
        return; /* it is watched already, here or among the due ones */
    list_push_back(&deadlines->all, &deadline->link);
    if (!uv_is_active((uv_handle_t *)&deadlines->timer))
        uv_timer_start(&deadlines->timer, on_tick, DEADLINE_TICK_MS,
                       DEADLINE_TICK_MS);
}

void deadline_clear(struct deadline *deadline)
{
    list_remove(&deadline->link);
}
