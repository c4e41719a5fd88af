#include "trouble.h"

#include "log.h"

void trouble_init(struct trouble *trouble, struct figures *figures)
{
    *trouble = (struct trouble){.figures = figures};
}

void trouble_count(struct trouble *trouble, enum drop_cause cause,
                   uint64_t items)
{
    trouble->untold[cause] += items;
    figures_add(&trouble->figures->dropped[cause], items);
}

void trouble_tell(struct trouble *trouble, uint64_t now_ms)
{
    if (now_ms < trouble->next_drop_ms)
        return;
    for (enum drop_cause cause = 0; cause < DROP_CAUSES; cause++) {
        struct log_line line;

        if (trouble->untold[cause] == 0)
            continue;
        log_begin(&line, LOG_WARN, "telemetry was dropped");
        log_str(&line, "exporter", trouble->figures->name);
        log_str(&line, "cause", drop_cause_name(cause));
        log_i64(&line, "count", (int64_t)trouble->untold[cause]);
        log_str(&line, "of", trouble->figures->items);
        log_end(&line);
        trouble->untold[cause] = 0;
        if (now_ms != UINT64_MAX)
            trouble->next_drop_ms = now_ms + TROUBLE_PAUSE_MS;
    }
}

/* A receiver that comes and goes shall not fill the log. */
static bool may_say(struct trouble *trouble, uint64_t now_ms)
{
    if (now_ms < trouble->next_fail_ms)
        return false;
    trouble->next_fail_ms = now_ms + TROUBLE_PAUSE_MS;
    return true;
}

void trouble_down(struct trouble *trouble, struct str why, struct str meanwhile,
                  uint64_t now_ms)
{
    struct log_line line;

    if (trouble->is_down || !may_say(trouble, now_ms))
        return;
    trouble->is_down = true;
    log_begin(&line, LOG_WARN, "telemetry cannot be delivered");
    log_str(&line, "exporter", trouble->figures->name);
    log_str(&line, "why", why);
    log_str(&line, "meanwhile", meanwhile);
    log_end(&line);
}

void trouble_up(struct trouble *trouble, unsigned failures)
{
    struct log_line line;

    if (!trouble->is_down)
        return;
    trouble->is_down = false;
    log_begin(&line, LOG_INFO, "telemetry is delivered again");
    log_str(&line, "exporter", trouble->figures->name);
    log_i64(&line, "failures", failures);
    log_end(&line);
}

void trouble_refused(struct trouble *trouble, struct str why, uint64_t now_ms)
{
    struct log_line line;

    if (!may_say(trouble, now_ms))
        return;
    log_begin(&line, LOG_WARN, "telemetry was refused");
    log_str(&line, "exporter", trouble->figures->name);
    log_str(&line, "why", why);
    log_end(&line);
}
