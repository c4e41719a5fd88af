/* `weir sim`: the command line around sim_start(). */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "sim.h"

enum { EXIT_USAGE = 2, EXIT_FAILED = 1, NUMBER_MAX = 1000000 };

struct row {
    const char *name;
    const char *says;
    size_t offset;    /* in struct sim_options */
    uint64_t least;   /* of a number */
    uint64_t most;    /* of a number; 0: it is a text */
    bool hides_usual; /* there is none to show */
};

#define TEXT(member) offsetof(struct sim_options, member), 0, 0

static const struct row rows[] = {
    {"--host", "address to listen on", TEXT(host), false},
    {"--vllm-port", "port of the vLLM stand-in, 0 = a free one",
     offsetof(struct sim_options, vllm_port), 0, 65535, false},
    {"--anthropic-port", "port of the Anthropic stand-in, 0 = a free one",
     offsetof(struct sim_options, anthropic_port), 0, 65535, false},
    {"--model", "model that the vLLM stand-in serves", TEXT(model), false},
    {"--embedding-model", "model that it lists besides, for embeddings",
     TEXT(embedding_model), true},
    {"--tokens-per-second", "pace of each answer, 0 = as fast as possible",
     offsetof(struct sim_options, tokens_per_second), 0, NUMBER_MAX, false},
    {"--first-token-ms", "time before the first token",
     offsetof(struct sim_options, first_token_ms), 0, NUMBER_MAX, false},
    {"--slots", "requests worked on at the same time",
     offsetof(struct sim_options, slots), 1, NUMBER_MAX, false},
    {"--queue", "requests that may wait for a slot",
     offsetof(struct sim_options, queue), 0, NUMBER_MAX, false},
    {"--max-model-len", "context length of the vLLM stand-in, in tokens",
     offsetof(struct sim_options, max_model_len), 16, 100000000, false},
    {"--cold", "seconds for which the vLLM stand-in answers 503",
     offsetof(struct sim_options, cold_s), 0, NUMBER_MAX, false},
    {"--vllm-key", "API key that the vLLM stand-in wants", TEXT(vllm_key),
     true},
    {"--anthropic-key", "API key that the Anthropic stand-in wants",
     TEXT(anthropic_key), true},
};

/* A member of the options, by its offset. */
union member {
    void *any;
    char *bytes;
    unsigned *number;
    const char **text;
};

static union member member_of(struct sim_options *options,
                              const struct row *row)
{
    union member member = {.any = options};

    member.bytes += row->offset;
    return member;
}

static void print_help(void)
{
    struct sim_options usual = sim_options_usual();

    printf("usage: weir sim [options]\n\n"
           "Serves a simulated vLLM and a simulated Anthropic API, for demos "
           "and tests.\nPrints their base URLs, one line each, and stops at "
           "SIGINT or SIGTERM.\n\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        union member member = member_of(&usual, &rows[i]);

        printf("  %-20s %s", rows[i].name, rows[i].says);
        if (rows[i].most > 0)
            printf(" (%u)", *member.number);
        else if (!rows[i].hides_usual)
            printf(" (%s)", *member.text);
        printf("\n");
    }
    printf("  %-20s this text\n", "--help");
}

static const struct row *find_row(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_eq(name, str_of(rows[i].name)))
            return &rows[i];
    return NULL;
}

/* False when the value is none that the option takes; says so. */
static bool set(struct sim_options *options, const struct row *row,
                const char *value)
{
    union member member = member_of(options, row);
    uint64_t number;

    if (row->most == 0 && *value != '\0') {
        *member.text = value;
        return true;
    }
    if (row->most == 0) {
        fprintf(stderr, "weir sim: %s: expected a text, got none\n", row->name);
        return false;
    }
    if (!str_to_u64(str_of(value), &number) || number < row->least ||
        number > row->most) {
        fprintf(stderr,
                "weir sim: %s: expected a whole number from %llu to %llu, got "
                "\"%s\"\n",
                row->name, (unsigned long long)row->least,
                (unsigned long long)row->most, value);
        return false;
    }
    *member.number = (unsigned)number;
    return true;
}

/* "--name value" and "--name=value".  How many arguments were used, 0 when
 * they are wrong. */
static int read_option(struct sim_options *options, int left, char **argv)
{
    struct str name = str_of(argv[0]);
    const struct row *row;
    size_t at;

    if (str_find(name, STR("="), &at))
        name = str_slice(name, 0, at);
    row = find_row(name);
    if (row == NULL) {
        fprintf(stderr,
                "weir sim: %s: there is no such option; see weir sim --help\n",
                argv[0]);
        return 0;
    }
    if (name.len < strlen(argv[0]))
        return set(options, row, argv[0] + name.len + 1) ? 1 : 0;
    if (left < 2) {
        fprintf(stderr, "weir sim: %s: expected a value behind it\n",
                row->name);
        return 0;
    }
    return set(options, row, argv[1]) ? 2 : 0;
}

static void print_address(const char *name, const char *host, unsigned port)
{
    bool is_ipv6 = strchr(host, ':') != NULL;

    printf("%s http://%s%s%s:%u\n", name, is_ipv6 ? "[" : "", host,
           is_ipv6 ? "]" : "", port);
}

static int serve(const struct sim_options *options)
{
    struct sim *sim;
    const char *why;
    sigset_t ends;
    int signal_number;

    /* the sim's own thread is to inherit this */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (!sim_start(&sim, options, &why)) {
        fprintf(stderr, "weir sim: cannot listen on %s: %s\n", options->host,
                why);
        return EXIT_FAILED;
    }
    print_address("vllm", options->host, sim_vllm_port(sim));
    print_address("anthropic", options->host, sim_anthropic_port(sim));
    (void)fflush(stdout);
    (void)sigwait(&ends, &signal_number);
    sim_stop(sim);
    return 0;
}

int sim_main(int argc, char **argv)
{
    struct sim_options options = sim_options_usual();

    for (int i = 1; i < argc;) {
        int used;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 0;
        }
        used = read_option(&options, argc - i, argv + i);
        if (used == 0)
            return EXIT_USAGE;
        i += used;
    }
    return serve(&options);
}
