#include "telemetry.h"

#include "check.h"
#include "settle/ledger.h"

/* What is open so far. */
struct opening {
    const struct config *config;
    struct exporter *exporters[CLERK_EXPORTERS_MAX];
    unsigned count;
    struct buf *why;
};

static bool add(struct opening *opening, struct exporter *exporter)
{
    if (exporter == NULL)
        return false;
    check(opening->count < CLERK_EXPORTERS_MAX);
    opening->exporters[opening->count++] = exporter;
    return true;
}

static bool open_ledger(struct opening *opening)
{
    const struct config_node *root = &opening->config->root;
    const struct ledger_options options = {
        .path = config_text(root, CONFIG_ROOT_LEDGER_PATH),
        .max_age_ms = (uint64_t)config_number(root, CONFIG_ROOT_LEDGER_AGE_MS),
        .max_bytes = config_number(root, CONFIG_ROOT_LEDGER_BYTES),
        .meter = meter_of_process(),
    };

    return options.path.len == 0 ||
           add(opening, ledger_open(&options, opening->why));
}

static void close_all(struct opening *opening)
{
    for (unsigned i = 0; i < opening->count; i++)
        opening->exporters[i]->verbs->close(opening->exporters[i]);
}

bool telemetry_start(const struct config *config, unsigned workers,
                     struct clerk **clerk, struct buf *why)
{
    struct opening opening = {.config = config, .why = why};

    *clerk = NULL;
    if (!open_ledger(&opening)) {
        close_all(&opening);
        return false;
    }
    if (opening.count > 0)
        *clerk = clerk_start(workers, NULL, opening.exporters, opening.count);
    return true;
}
