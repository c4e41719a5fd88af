/* The command line: weir serve, check, report, demo, sim, options, errors,
 * fields, metrics, version, help. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "catalog.h"
#include "check.h"
#include "config.h"
#include "demo.h"
#include "dialect/fields.h"
#include "error.h"
#include "report.h"
#include "serve.h"
#include "sim.h"
#include "telemetry/metrics_document.h"
#include "telemetry/otel.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "weir " WEIR_VERSION
    ": one endpoint in front of a local model and a cloud model\n"
    "\n"
    "usage: weir <command> [options]\n"
    "\n"
    "  serve      route requests to the backends that are configured\n"
    "  demo       the same on stand-ins, with a few requests to look at\n"
    "  sim        stand-ins for vLLM and Anthropic, with faults on demand\n"
    "  check      print the configuration that is in force, and its problems\n"
    "  report     what the ledger says: shares, latencies, tokens, money\n"
    "  options    list every option; --man: as the manual page weir.yaml(5)\n"
    "  errors     list every error\n"
    "  fields     list every field of a request, and what becomes of it\n"
    "  metrics    list every metric of /metrics\n"
    "  version    print the version\n"
    "\n"
    "options of serve and check:\n"
    "  -c, --config FILE     configuration file (or WEIR_CONFIG)\n"
    "      --host ADDRESS    address to listen on\n"
    "      --port PORT       port to listen on; 0 takes a free one\n"
    "      --workers N       event loops; auto is one per processor\n"
    "      --log-level LEVEL error, warn, info or debug\n"
    "      --log-format F    logfmt or json\n"
    "\n"
    "The least that serve needs, in the environment:\n"
    "  VLLM_BASE_URL=http://127.0.0.1:8000 LOCAL_MODEL=qwen2.5-7b\n"
    "  ANTHROPIC_API_KEY=...\n";

/* --- options ------------------------------------------------------------ */

struct arguments {
    const char *file;
    struct {
        enum config_option option;
        const char *text;
    } overrides[8];
    unsigned override_count;
    bool is_manual;
};

static const struct {
    const char *name;
    enum config_option option;
} flags[] = {
    {"--host", CONFIG_ROOT_LISTEN_HOST},
    {"--port", CONFIG_ROOT_LISTEN_PORT},
    {"--workers", CONFIG_ROOT_WORKERS},
    {"--log-level", CONFIG_ROOT_LOG_LEVEL},
    {"--log-format", CONFIG_ROOT_LOG_FORMAT},
};

/* The value of "--name=value" or of "--name value"; NULL when `arg` is
 * another option. */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    size_t len = strlen(name);

    if (arg == NULL || strncmp(arg, name, len) != 0)
        return NULL;
    if (arg[len] == '=')
        return arg + len + 1;
    if (arg[len] != '\0')
        return NULL;
    if (*i + 1 >= argc) {
        fprintf(stderr, "weir: %s: expected a value behind it\n", name);
        exit(EXIT_USAGE);
    }
    return argv[++*i];
}

static bool take_flag(struct arguments *arguments, int argc, char **argv,
                      int *i)
{
    for (size_t k = 0; k < COUNT_OF(flags); k++) {
        const char *text = value_of(flags[k].name, argc, argv, i);

        if (text == NULL)
            continue;
        if (arguments->override_count == COUNT_OF(arguments->overrides)) {
            fprintf(stderr, "weir: too many options\n");
            exit(EXIT_USAGE);
        }
        arguments->overrides[arguments->override_count].option =
            flags[k].option;
        arguments->overrides[arguments->override_count++].text = text;
        return true;
    }
    return false;
}

static void parse_arguments(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        const char *file = value_of("--config", argc, argv, &i);

        if (file == NULL)
            file = value_of("-c", argc, argv, &i);
        if (file != NULL) {
            arguments->file = file;
        } else if (str_eq(str_of(argv[i]), STR("--man"))) {
            arguments->is_manual = true;
        } else if (str_eq(str_of(argv[i]), STR("--markdown"))) {
            arguments->is_manual = false;
        } else if (!take_flag(arguments, argc, argv, &i)) {
            fprintf(stderr,
                    "weir %s: unknown option %s; `weir help` lists them\n",
                    argv[1], argv[i]);
            exit(EXIT_USAGE);
        }
    }
    if (arguments->file == NULL) {
        const char *file = getenv("WEIR_CONFIG");

        if (file != NULL && *file != '\0')
            arguments->file = file;
    }
}

static bool load(struct config *config, const struct arguments *arguments)
{
    bool ok = config_load(config, arguments->file);

    for (unsigned i = 0; i < arguments->override_count; i++)
        config_override(config, arguments->overrides[i].option,
                        str_of(arguments->overrides[i].text));
    return ok && config->problem_count == 0;
}

/* --- serve -------------------------------------------------------------- */

static bool load_again(struct config *config, void *ctx)
{
    return load(config, ctx);
}

static int command_serve(struct arguments *arguments)
{
    return serve(load_again, arguments);
}

/* --- the other commands ------------------------------------------------- */

static void print(const struct buf *text)
{
    fwrite(text->ptr, 1, text->len, stdout);
}

/* What OTEL_… variables say is no part of the configuration, but in force. */
static void show_otel(struct buf *out)
{
    struct arena arena;
    struct otel otel;

    arena_init(&arena);
    otel_read(&arena, true, &otel);
    otel_show(&otel, out);
    arena_clear(&arena);
}

static int command_check(struct arguments *arguments)
{
    struct config config;
    struct catalog *catalog = NULL;
    struct buf text;
    int status = EXIT_SUCCESS;

    buf_init(&text, 4 << 20);
    if (load(&config, arguments))
        catalog = catalog_new(&config);
    config_show(&config, &text);
    show_otel(&text);
    print(&text);
    if (catalog == NULL) {
        fflush(stdout);
        serve_print_problems(&config);
        status = EXIT_FAILURE;
    } else if (catalog->backend_count == 0) {
        fflush(stdout);
        fputs(serve_no_backend, stderr);
        status = EXIT_FAILURE;
    }
    if (catalog != NULL)
        catalog_unref(catalog);
    buf_fini(&text);
    config_fini(&config);
    return status;
}

static int command_options(struct arguments *arguments)
{
    struct buf text;

    buf_init(&text, 4 << 20);
    if (arguments->is_manual)
        config_manual(&text);
    else
        config_document(&text);
    print(&text);
    buf_fini(&text);
    return EXIT_SUCCESS;
}

/* docs/errors.md: the rows of error.def. */
static int command_errors(struct arguments *arguments)
{
    (void)arguments;
    fputs("# Errors\n\n"
          "<!-- Made from lib/error.def by `weir errors --markdown`: do not "
          "edit. -->\n\n"
          "Every answer with an error status bears OpenAI's shape, "
          "`{\"error\":{\"message\",\"type\",\"param\",\"code\"}}`; a "
          "stream that\nhas begun ends with the same object as its last "
          "event, and `data: [DONE]`. The name is what the log,\nthe "
          "metrics and `X-Router-Reason: fallback:NAME` call it. *Next* says "
          "whether the next backend is tried\n(while nothing was sent back), "
          "*blame* whether it counts against the health of the "
          "backend.\n\n"
          "| name | status | type | code | next | blame | what it means |\n"
          "|---|---|---|---|---|---|---|\n",
          stdout);
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        const struct error_row *row = error_row((enum error)i);

        printf("| `%.*s` | %d | `%.*s` | %s%.*s%s | %s | %s | %.*s |\n",
               STR_ARG(row->name), row->status, STR_ARG(row->type),
               row->code.len > 0 ? "`" : "", STR_ARG(row->code),
               row->code.len > 0 ? "`" : "null", row->tries_next ? "yes" : "",
               row->blames_target ? "yes" : "", STR_ARG(row->says));
    }
    return EXIT_SUCCESS;
}

/* The tables of docs/translation.md: the rows of fields.def. */
static int command_fields(struct arguments *arguments)
{
    struct buf text;

    (void)arguments;
    buf_init(&text, 4 << 20);
    fields_document(&text);
    print(&text);
    buf_fini(&text);
    return EXIT_SUCCESS;
}

/* docs/metrics.md: the rows of metrics.def. */
static int command_metrics(struct arguments *arguments)
{
    struct buf text;

    (void)arguments;
    buf_init(&text, 4 << 20);
    metrics_document(&text);
    print(&text);
    buf_fini(&text);
    return EXIT_SUCCESS;
}

static int command_demo(struct arguments *arguments)
{
    (void)arguments;
    return demo_main();
}

static int command_version(struct arguments *arguments)
{
    (void)arguments;
    puts("weir " WEIR_VERSION);
    return EXIT_SUCCESS;
}

static int command_help(struct arguments *arguments)
{
    (void)arguments;
    fputs(usage, stdout);
    return EXIT_SUCCESS;
}

static const struct {
    const char *name;
    int (*run)(struct arguments *arguments);
} commands[] = {
    {"serve", command_serve},     {"check", command_check},
    {"demo", command_demo},       {"options", command_options},
    {"errors", command_errors},   {"fields", command_fields},
    {"metrics", command_metrics}, {"version", command_version},
    {"help", command_help},       {"--version", command_version},
    {"--help", command_help},     {"-h", command_help},
};

int main(int argc, char **argv)
{
    struct arguments arguments = {0};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error like any other */
    /* libuv would end without a word; nothing of it is large */
    (void)uv_replace_allocator(must_alloc, must_realloc, must_calloc, free);
    if (argc < 2) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (str_eq(str_of(argv[1]), STR("sim")))
        return sim_main(argc - 1, argv + 1); /* it has options of its own */
    if (str_eq(str_of(argv[1]), STR("report")))
        return report_main(argc - 1, argv + 1);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            parse_arguments(&arguments, argc, argv);
            return commands[i].run(&arguments);
        }
    }
    fprintf(stderr, "weir: unknown command %s; `weir help` lists them\n",
            argv[1]);
    return EXIT_USAGE;
}
