#include "pacer.h"

#include "check.h"
#include "clock.h"

static void on_tick(uv_timer_t *timer)
{
    struct pacer *pacer = timer->data;
    uint64_t now = clock_us();
    struct list due;

    /* First gather, then call: who is called may clear others. */
    list_init(&due);
    list_each_safe (link, &pacer->sleepers) {
        if (list_entry(link, struct sleeper, link)->due_us <= now) {
            list_remove(link);
            list_push_back(&due, link);
        }
    }
    while (!list_empty(&due)) {
        struct sleeper *sleeper = list_entry(due.next, struct sleeper, link);

        list_remove(&sleeper->link);
        sleeper->on_due(sleeper);
    }
    if (list_empty(&pacer->sleepers))
        uv_timer_stop(timer);
}

void pacer_open(struct pacer *pacer, uv_loop_t *loop)
{
    check(uv_timer_init(loop, &pacer->timer) == 0);
    pacer->timer.data = pacer;
    list_init(&pacer->sleepers);
}

void pacer_close(struct pacer *pacer)
{
    uv_close((uv_handle_t *)&pacer->timer, NULL);
}

void sleeper_init(struct sleeper *sleeper,
                  void (*on_due)(struct sleeper *sleeper))
{
    list_init(&sleeper->link);
    sleeper->due_us = 0;
    sleeper->on_due = on_due;
}

void sleeper_wake_at(struct pacer *pacer, struct sleeper *sleeper,
                     uint64_t due_us)
{
    list_remove(&sleeper->link);
    sleeper->due_us = due_us;
    list_push_back(&pacer->sleepers, &sleeper->link);
    if (!uv_is_active((uv_handle_t *)&pacer->timer))
        uv_timer_start(&pacer->timer, on_tick, PACER_TICK_MS, PACER_TICK_MS);
}

void sleeper_clear(struct sleeper *sleeper)
{
    list_remove(&sleeper->link);
}
