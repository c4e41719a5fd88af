#include "telemetry.h"

#include "catalog_langfuse.h"
#include "check.h"
#include "settle/ledger.h"
#include "telemetry/langfuse.h"
#include "telemetry/otlp.h"
#include "telemetry/otlp_metrics.h"

static uint64_t number(const struct config *config, enum config_option option)
{
    return (uint64_t)config_number(&config->root, option);
}

struct outbox_limits telemetry_limits(const struct config *config)
{
    uint64_t memory = number(config, CONFIG_ROOT_TELEMETRY_MEMORY);
    uint64_t spool = number(config, CONFIG_ROOT_SPOOL_BYTES);
    uint64_t age_ms = number(config, CONFIG_ROOT_SPOOL_AGE_MS);

    /* an outbox takes zeros as its own defaults */
    return (struct outbox_limits){
        .memory_bytes = memory > 0 ? (size_t)memory : 1,
        .spool_dir = spool > 0
                         ? config_text(&config->root, CONFIG_ROOT_SPOOL_DIR)
                         : STR(""),
        .spool_bytes = (size_t)spool,
        .spool_age_ms = age_ms > 0 ? age_ms : INT64_MAX,
    };
}

/* What is open so far. */
struct opening {
    const struct config *config;
    struct fetcher *fetcher; /* NULL until somebody sends */
    struct outbox_limits limits;
    struct exporter *exporters[CLERK_EXPORTERS_MAX];
    unsigned count;
    struct buf *why;
};

static bool open_fetcher(struct opening *opening)
{
    if (opening->fetcher == NULL)
        opening->fetcher = fetch_open(opening->why);
    return opening->fetcher != NULL;
}

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

static bool open_langfuse(struct opening *opening)
{
    struct langfuse_settings settings;

    langfuse_settings_read(opening->config, &settings);
    if (!settings.is_on)
        return true;
    return open_fetcher(opening) &&
           add(opening, langfuse_open(&settings, opening->fetcher,
                                      &opening->limits, opening->why));
}

static bool open_otlp(struct opening *opening)
{
    if (!otlp_is_wanted())
        return true;
    return open_fetcher(opening) &&
           add(opening,
               otlp_open(opening->fetcher, &opening->limits, opening->why));
}

static bool open_metrics(struct opening *opening)
{
    if (!otlp_metrics_is_wanted())
        return true;
    return open_fetcher(opening) &&
           add(opening,
               otlp_metrics_open(opening->fetcher, metrics_source_of_process(),
                                 opening->why));
}

static void close_all(struct opening *opening)
{
    for (unsigned i = 0; i < opening->count; i++)
        opening->exporters[i]->verbs->close(opening->exporters[i]);
    if (opening->fetcher != NULL)
        fetch_close(opening->fetcher);
}

bool telemetry_start(const struct config *config, unsigned workers,
                     struct clerk **clerk, struct buf *why)
{
    struct opening opening = {
        .config = config,
        .limits = telemetry_limits(config),
        .why = why,
    };

    *clerk = NULL;
    if (!open_ledger(&opening) || !open_otlp(&opening) ||
        !open_langfuse(&opening) || !open_metrics(&opening)) {
        close_all(&opening);
        return false;
    }
    if (opening.count > 0)
        *clerk = clerk_start(workers, opening.fetcher, opening.exporters,
                             opening.count);
    return true;
}
