#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "clock.h"
#include "config.h"
#include "report_private.h"
#include "report_since.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: weir report [options]\n"
    "\n"
    "  --ledger FILE         the ledger; else the configuration's\n"
    "  -c, --config FILE     the configuration (or WEIR_CONFIG)\n"
    "  --since TIME          24h, 7d, 2026-11-25 or 2026-11-25T13:00 (UTC);\n"
    "                        24h if it is left out\n"
    "  --by WHAT             tier, model, key, hour or reason; else tier\n"
    "  --format FORMAT       table, csv or json; else table\n";

struct words {
    const char *ledger, *config, *since, *by, *format;
};

PRINTF_LIKE(1, 2) _Noreturn static void refuse(const char *format, ...)
{
    va_list args;

    fputs("weir report: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n\n%s", usage);
    exit(EXIT_USAGE);
}

/* "--name=value" or "--name value". */
static void read_words(int argc, char **argv, struct words *words)
{
    const struct {
        const char *name;
        const char **value;
    } rows[] = {
        {"--ledger", &words->ledger}, {"--config", &words->config},
        {"-c", &words->config},       {"--since", &words->since},
        {"--by", &words->by},         {"--format", &words->format},
    };

    for (int i = 1; i < argc; i++) {
        struct str word = str_of(argv[i]);
        size_t k = 0;

        if (str_eq(word, STR("--help")) || str_eq(word, STR("-h"))) {
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        }
        while (k < COUNT_OF(rows)) {
            size_t len = strlen(rows[k].name);

            if (str_eq(word, str_of(rows[k].name)) && i + 1 < argc) {
                *rows[k].value = argv[++i];
                break;
            }
            if (str_starts(word, str_of(rows[k].name)) && word.len > len &&
                word.ptr[len] == '=') {
                *rows[k].value = argv[i] + len + 1;
                break;
            }
            k++;
        }
        if (k == COUNT_OF(rows))
            refuse("%s: not an option, or a value must stand behind it",
                   argv[i]);
    }
}

/* Which of the names it is. */
static unsigned pick(const char *option, const char *word,
                     const struct str *names, unsigned count)
{
    char what[512];

    for (unsigned i = 0; word != NULL && i < count; i++)
        if (str_eq(str_of(word), names[i]))
            return i;
    if (word == NULL)
        return 0;
    (void)snprintf(what, sizeof(what), "%s: read \"%.80s\", expected", option,
                   word);
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(what);

        (void)snprintf(what + len, sizeof(what) - len, "%s%.*s",
                       i == 0 ? " " : (i + 1 < count ? ", " : " or "),
                       STR_ARG(names[i]));
    }
    refuse("%s", what);
}

/* Where the router writes it, in the arena; empty when that is nowhere. */
static struct str configured_path(struct arena *arena, const char *file)
{
    struct config config;
    struct str path = {NULL, 0};

    if (file == NULL) {
        file = getenv("WEIR_CONFIG");
        file = file != NULL && *file != '\0' ? file : NULL;
    }
    if (!config_load(&config, file)) {
        fprintf(stderr, "weir report: the configuration has problems:\n%.*s",
                STR_ARG(buf_str(&config.problems)));
        exit(EXIT_FAILURE);
    }
    path = config_text(&config.root, CONFIG_ROOT_LEDGER_PATH);
    if (path.len > 0)
        path = arena_copy(arena, path);
    config_fini(&config);
    return path;
}

static int make(struct report *report, enum report_format format)
{
    struct stat there;
    struct buf text;
    struct buf why;
    int status = EXIT_SUCCESS;

    if (stat(report->path.ptr, &there) != 0) {
        fprintf(stderr, "weir report: %s: %s\n", report->path.ptr,
                "there is no such file; --ledger names it, or ledger.path in "
                "the configuration");
        return EXIT_FAILURE;
    }
    if (!S_ISREG(there.st_mode)) {
        fprintf(stderr, "weir report: %s: this is not a plain file\n",
                report->path.ptr);
        return EXIT_FAILURE;
    }
    buf_init(&text, (size_t)1 << 30);
    buf_init(&why, 4096);
    if (report_read(report, &why)) {
        report_print(report, format, &text);
        if (fwrite(text.ptr, 1, text.len, stdout) != text.len ||
            fflush(stdout) != 0) {
            fprintf(stderr, "weir report: cannot write it: %s\n",
                    strerror(errno));
            status = EXIT_FAILURE;
        }
    } else {
        fprintf(stderr, "weir report: cannot read %s: %.*s\n", report->path.ptr,
                STR_ARG(buf_str(&why)));
        status = EXIT_FAILURE;
    }
    report_fini(report);
    buf_fini(&why);
    buf_fini(&text);
    return status;
}

int report_main(int argc, char **argv)
{
    struct words words = {0};
    struct report *report = must_calloc(1, sizeof(*report));
    enum report_format format;
    struct arena arena;
    int status = EXIT_FAILURE;

    read_words(argc, argv, &words);
    report->by =
        (enum report_by)pick("--by", words.by, report_by_names, REPORT_BYS);
    format = (enum report_format)pick("--format", words.format,
                                      report_format_names, REPORT_FORMATS);
    report->to_us = clock_wall_us() + 1;
    if (!report_since(str_of(words.since == NULL ? "24h" : words.since),
                      report->to_us, &report->from_us))
        refuse("--since: read \"%.80s\", expected a duration (90m, 24h, 7d), a "
               "date (2026-11-25) or a time (2026-11-25T13:00), in UTC",
               words.since);
    if (report->from_us >= report->to_us)
        refuse("--since: read \"%.80s\", expected a time that has passed, in "
               "UTC",
               words.since);
    arena_init(&arena);
    report->path = words.ledger != NULL ? str_of(words.ledger)
                                        : configured_path(&arena, words.config);
    if (report->path.len == 0)
        fputs("weir report: there is no ledger: --ledger names one, or "
              "ledger.path in the configuration (LEDGER_PATH)\n",
              stderr);
    else
        status = make(report, format);
    arena_clear(&arena);
    free(report);
    return status;
}
