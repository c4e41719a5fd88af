#include "serve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "catalog.h"
#include "check.h"
#include "gateway.h"
#include "log.h"
#include "systemd.h"
#include "telemetry.h"

const char serve_no_backend[] =
    "weir: there is no backend to serve: set VLLM_BASE_URL and LOCAL_MODEL "
    "for a local server,\n"
    "ANTHROPIC_API_KEY for the Anthropic API, or list `backends` in a file "
    "(--config).\n"
    "To look around without any: weir demo\n";

void serve_print_problems(const struct config *config)
{
    fprintf(stderr, "weir: the configuration has %u problem%s:\n%.*s",
            config->problem_count, config->problem_count == 1 ? "" : "s",
            STR_ARG(buf_str(&config->problems)));
}

/* --- what is worth a word ------------------------------------------------ */

/* Everybody may use a paid key: that must be meant. */
static void warn_if_open(const struct catalog *catalog)
{
    struct str host = catalog->settings.host;
    bool is_loopback = !settings_has_port(&catalog->settings) ||
                       str_starts(host, STR("127.")) ||
                       str_eq(host, STR("::1")) ||
                       str_eq(host, STR("localhost"));

    if (catalog->key_count == 0 && catalog->cloud != NULL && !is_loopback)
        log_say(LOG_WARN, "open to everybody",
                "no keys are configured: whoever reaches this port can spend "
                "the key of backend %.*s",
                STR_ARG(catalog->cloud->name));
}

/* Which way leads to the backends, without what opens it. */
static void say_proxies(const struct catalog *catalog)
{
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++)
            if (backend->replicas[k].proxy != NULL)
                log_say(LOG_INFO, "proxy", "backend %.*s replica %u by %s:%u",
                        STR_ARG(backend->name), k,
                        backend->replicas[k].proxy->host,
                        backend->replicas[k].proxy->port);
    }
}

static void warn_if_ignored(const struct config *config)
{
    static const enum config_option short_form[] = {
        CONFIG_ROOT_LOCAL_URL, CONFIG_ROOT_LOCAL_KEY, CONFIG_ROOT_LOCAL_MODEL,
        CONFIG_ROOT_CLOUD_URL, CONFIG_ROOT_CLOUD_KEY, CONFIG_ROOT_CLOUD_MODEL,
    };

    for (size_t i = 0; i < COUNT_OF(short_form) && config->backend_count > 0;
         i++) {
        const struct config_value *value =
            config_get(&config->root, short_form[i]);

        if (value->source != CONFIG_ENV && value->source != CONFIG_FILE)
            continue;
        log_say(LOG_WARN, "setting ignored",
                "the file lists backends, so local.* and cloud.* (and their "
                "environment variables) have no effect");
        return;
    }
}

/* --- the options that stay as they are until a restart ------------------- */

static const enum config_option fixed[] = {
    /* clang-format off */
    CONFIG_ROOT_LISTEN_HOST,
    CONFIG_ROOT_LISTEN_PORT,
    CONFIG_ROOT_LISTEN_UNIX,
    CONFIG_ROOT_LISTEN_UNIX_MODE,
    CONFIG_ROOT_WORKERS,
    CONFIG_ROOT_TELEMETRY_MEMORY,
    CONFIG_ROOT_SPOOL_DIR,
    CONFIG_ROOT_SPOOL_BYTES,
    CONFIG_ROOT_SPOOL_AGE_MS,
    CONFIG_ROOT_LANGFUSE_URL,
    CONFIG_ROOT_LANGFUSE_MODE,
    CONFIG_ROOT_LANGFUSE_ENVIRONMENT,
    CONFIG_ROOT_LANGFUSE_RELEASE,
    CONFIG_ROOT_LANGFUSE_SAMPLE_RATE,
    CONFIG_ROOT_LANGFUSE_TIMEOUT_MS,
    CONFIG_ROOT_LANGFUSE_FLUSH_MS,
    CONFIG_ROOT_LANGFUSE_FLUSH_AT,
    CONFIG_ROOT_LANGFUSE_GZIP,
    CONFIG_ROOT_LEDGER_PATH,
    CONFIG_ROOT_LEDGER_AGE_MS,
    CONFIG_ROOT_LEDGER_BYTES,
    /* clang-format on */
};

struct fixed_values {
    char *texts[COUNT_OF(fixed)];
};

static void keep_fixed(const struct config *config, struct fixed_values *values)
{
    for (size_t i = 0; i < COUNT_OF(fixed); i++) {
        struct str text = config_text(&config->root, fixed[i]);

        values->texts[i] = must_strdup(text.ptr == NULL ? "" : text.ptr);
    }
}

static void drop_fixed(struct fixed_values *values)
{
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        free(values->texts[i]);
}

static void warn_if_fixed(const struct config *config,
                          const struct fixed_values *values)
{
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        if (!str_eq(config_text(&config->root, fixed[i]),
                    str_of(values->texts[i])))
            log_say(LOG_WARN, "setting not changed",
                    "%.*s stays \"%s\" until a restart",
                    STR_ARG(config_path(fixed[i])), values->texts[i]);
}

/* --- reload -------------------------------------------------------------- */

static void set_log(const struct config *config)
{
    log_setup(
        (enum log_level)config_number(&config->root, CONFIG_ROOT_LOG_LEVEL),
        (enum log_format)config_number(&config->root, CONFIG_ROOT_LOG_FORMAT));
}

/* A catalog that can be served; NULL with a problem for the log. */
static struct catalog *make_catalog(struct config *config, bool is_fine)
{
    struct catalog *catalog = is_fine ? catalog_new(config) : NULL;

    if (catalog == NULL || catalog->backend_count > 0)
        return catalog;
    catalog_unref(catalog);
    config_complain_node(config, &config->root, "there is no backend to serve");
    return NULL;
}

static void say_refused(const struct config *config)
{
    struct str rest = buf_str(&config->problems);
    struct str line;

    while (str_split(&rest, '\n', &line))
        if (line.len > 0)
            log_say(LOG_ERROR, "configuration refused", "%.*s", STR_ARG(line));
    log_say(LOG_ERROR, "configuration refused",
            "problems: %u; the one before stays in force",
            config->problem_count);
}

static void reload(struct gateway *gateway, serve_load *load, void *ctx,
                   const struct fixed_values *values)
{
    struct config config;
    struct catalog *catalog;
    bool is_fine;

    systemd_notify_reloading();
    is_fine = load(&config, ctx);
    catalog = make_catalog(&config, is_fine);
    if (catalog == NULL) {
        say_refused(&config);
    } else {
        set_log(&config);
        warn_if_ignored(&config);
        warn_if_fixed(&config, values);
        warn_if_open(catalog);
        say_proxies(catalog);
        gateway_follow(gateway, catalog_ref(catalog));
        log_say(LOG_INFO, "configuration reloaded",
                "backends %u models %u rules %u keys %u",
                catalog->backend_count, catalog->model_count,
                catalog->rule_count, catalog->key_count);
        catalog_unref(catalog);
    }
    config_fini(&config);
    systemd_notify("READY=1");
}

/* --- the whole ----------------------------------------------------------- */

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void stop(struct gateway *gateway, int signal)
{
    sigset_t endings;

    systemd_notify("STOPPING=1");
    log_say(LOG_INFO, "stopping", "signal %d", signal);
    gateway_stop(gateway);
    /* a second signal ends the wait; a late SIGHUP must not */
    sigemptyset(&endings);
    sigaddset(&endings, SIGINT);
    sigaddset(&endings, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &endings, NULL);
    gateway_join(gateway);
}

static void say_listening(const struct gateway *gateway,
                          const struct settings *settings, unsigned given)
{
    const char *scheme = settings->tls == NULL ? "http" : "https";

    if (given > 0)
        log_say(LOG_INFO, "listening",
                "on %u sockets that were given, workers %u", given,
                settings->workers);
    else if (settings_has_port(settings))
        log_say(LOG_INFO, "listening", "%s://%.*s:%u workers %u", scheme,
                STR_ARG(settings->host), gateway_port(gateway),
                settings->workers);
    if (given == 0 && settings->unix_path.len > 0)
        log_say(LOG_INFO, "listening", "unix:%.*s workers %u",
                STR_ARG(settings->unix_path), settings->workers);
}

/* Telemetry first: what is served is accounted for.  NULL, and said why, when
 * one of them cannot be had. */
static struct gateway *start(struct catalog *catalog,
                             const struct config *config,
                             const struct gateway_sockets *given)
{
    struct gateway *gateway = NULL;
    struct clerk *clerk;
    struct buf why;
    const char *what = "export telemetry:";

    buf_init(&why, 1024);
    if (telemetry_start(config, catalog->settings.workers, &clerk, &why)) {
        what = "listen on";
        gateway = gateway_start(catalog_ref(catalog), clerk, given, &why);
    }
    if (gateway == NULL) {
        log_stop();
        fprintf(stderr, "weir: cannot %s %.*s\n", what, STR_ARG(buf_str(&why)));
    }
    buf_fini(&why);
    return gateway;
}

/* Takes over the configuration. */
static int run(struct catalog *catalog, struct config *config, serve_load *load,
               void *ctx, const struct fixed_values *values)
{
    struct gateway_sockets given = {0};
    struct gateway *gateway;
    sigset_t signals;
    int signal = 0;

    given.count = systemd_sockets(&given.first);
    block_signals(&signals);
    log_start();
    warn_if_open(catalog);
    say_proxies(catalog);
    gateway = start(catalog, config, &given);
    config_fini(config);
    if (gateway == NULL) {
        catalog_unref(catalog);
        return EXIT_FAILURE;
    }
    say_listening(gateway, &catalog->settings, given.count);
    catalog_unref(catalog);
    systemd_notify("READY=1");
    while (sigwait(&signals, &signal) != 0 || signal == SIGHUP)
        reload(gateway, load, ctx, values);
    stop(gateway, signal);
    log_stop();
    return EXIT_SUCCESS;
}

int serve(serve_load *load, void *ctx)
{
    struct config config;
    struct catalog *catalog = NULL;
    struct fixed_values values;
    int status;

    if (load(&config, ctx))
        catalog = catalog_new(&config);
    if (catalog == NULL || catalog->backend_count == 0) {
        if (catalog == NULL)
            serve_print_problems(&config);
        else
            fputs(serve_no_backend, stderr);
        if (catalog != NULL)
            catalog_unref(catalog);
        config_fini(&config);
        return EXIT_FAILURE;
    }
    set_log(&config);
    warn_if_ignored(&config);
    keep_fixed(&config, &values);
    status = run(catalog, &config, load, ctx, &values);
    drop_fixed(&values);
    return status;
}
