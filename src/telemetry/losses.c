#include "losses.h"

#include "log.h"

void losses_init(struct losses *losses, struct figures *figures)
{
    *losses = (struct losses){.figures = figures};
}

void losses_count(struct losses *losses, enum drop_cause cause, uint64_t items)
{
    losses->unsaid[cause] += items;
    figures_add(&losses->figures->dropped[cause], items);
}

void losses_say(struct losses *losses, uint64_t now_ms)
{
    if (now_ms < losses->next_say_ms)
        return;
    for (unsigned cause = 0; cause < DROP_CAUSES; cause++) {
        struct log_line line;

        if (losses->unsaid[cause] == 0)
            continue;
        log_begin(&line, LOG_WARN, "telemetry was dropped");
        log_str(&line, "exporter", losses->figures->name);
        log_str(&line, "cause", drop_cause_name(cause));
        log_i64(&line, "count", (int64_t)losses->unsaid[cause]);
        log_str(&line, "of", losses->figures->items);
        log_end(&line);
        losses->unsaid[cause] = 0;
        if (now_ms != UINT64_MAX)
            losses->next_say_ms = now_ms + LOSSES_SAY_MS;
    }
}
