/* config_show: what is in force, with its origin and without secrets. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "config_value.h"
#include "given.h"
#include "testing.h"

static struct config config;
static struct buf out;

static int begin(void **state)
{
    (void)state;
    given_clean_environment();
    buf_init(&out, 1 << 20);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    config_fini(&config);
    given_clean_environment();
    return 0;
}

/* The line that begins with `path` and a space. */
static struct str line_of(const char *path)
{
    struct str rest = buf_str(&out);
    struct str line;

    while (str_split(&rest, '\n', &line))
        if (str_starts(line, str_of(path)) && line.ptr[strlen(path)] == ' ')
            return line;
    fail_msg("no line for %s", path);
    return STR("");
}

static void assert_line(const char *path, const char *value, const char *origin)
{
    struct str line = line_of(path);
    struct str rest = str_trim(str_slice(line, strlen(path), line.len));

    assert_true(str_starts(rest, str_of(value)));
    assert_true(str_ends(rest, str_of(origin)));
}

static void every_value_is_shown_with_its_origin(void **state)
{
    char origin[80];

    (void)state;
    setenv("HOST", "127.0.0.1", 1);
    assert_true(given_config(&config,
                             "listen:\n  port: 9000\n"
                             "backends:\n"
                             "  - name: gpu\n"
                             "    tier: local\n"
                             "    url: [http://a.test, http://b.test]\n"
                             "    models: [{name: m}]\n"));
    config_override(&config, CONFIG_ROOT_LOG_LEVEL, STR("debug"));
    config_show(&config, &out);
    assert_line("listen.host", "127.0.0.1", "environment HOST");
    (void)snprintf(origin, sizeof(origin), "%.*s:2", STR_ARG(config.file));
    assert_line("listen.port", "9000", origin);
    assert_line("log.level", "debug", "command line");
    assert_line("timeouts.connect", "3s", "default");
    assert_line("backends[0].url", "http://a.test, http://b.test", ":6");
    assert_line("backends[0].models[0].name", "m", ":7");
    assert_line("backends[0].models[0].tools", "true", "default");
    /* what is not set has no line */
    assert_lacks(buf_str(&out), "\nlocal.url");
    assert_lacks(buf_str(&out), "backends[0].ca_file");
}

static void secrets_are_never_shown(void **state)
{
    char path[64];
    char yaml[600];

    (void)state;
    given_file(STR("hush-file\n"), path);
    setenv("VLLM_API_KEY", "hush-environment", 1);
    (void)snprintf(yaml, sizeof(yaml),
                   "cloud: {api_key: hush-literal}\n"
                   "backends:\n"
                   "  - {name: a, tier: local, url: http://a.test,\n"
                   "     api_key: 'file:%s', models: [{name: m}]}\n"
                   "keys:\n"
                   "  - {name: k, secret: hush-key}\n"
                   "  - {name: l, secret: ''}\n",
                   path);
    assert_true(given_config(&config, yaml));
    unlink(path);
    config_override(&config, CONFIG_ROOT_CLOUD_KEY, STR("hush-argument"));
    config_show(&config, &out);
    assert_lacks(buf_str(&out), "hush");
    assert_line("local.api_key", "(set, hidden)", "environment VLLM_API_KEY");
    assert_line("cloud.api_key", "(set, hidden)", "command line");
    assert_line("backends[0].api_key", "(set, hidden)", ":4");
    assert_line("keys[0].secret", "(set, hidden)", ":6");
    assert_line("keys[1].secret", "(empty)", ":7");
}

static void secrets_stay_out_of_problems(void **state)
{
    (void)state;
    assert_false(given_config(&config,
                              "cloud: {api_key: [hush-list]}\n"
                              "local: {api_key: {hush: hush}}\n"
                              "keys:\n"
                              "  - {name: 'a b', secret: hush-1,\n"
                              "     secret: hush-2, secrt: hush-3}\n"));
    assert_lacks(buf_str(&config.problems), "hush");
    config_complain(&config, &config.root, CONFIG_ROOT_CLOUD_KEY,
                    "expected another one");
    assert_lacks(buf_str(&config.problems), "hush");
}

static void the_manual_has_a_line_for_every_option(void **state)
{
    (void)state;
    assert_true(given_config(&config, NULL));
    config_document(&out);
    for (unsigned i = 0; i < CONFIG_OPTIONS; i++) {
        char cell[128];

        (void)snprintf(cell, sizeof(cell), "| `%.*s` |",
                       STR_ARG(config_rows[i].path));
        assert_has(buf_str(&out), cell);
        if (config_rows[i].env.len > 0)
            assert_has(buf_str(&out), config_rows[i].env.ptr);
        assert_has(buf_str(&out), config_rows[i].help.ptr);
    }
}

/* man(7): a line that begins with a dot is a request, and a bare hyphen is
 * not the one that is typed. */
static void the_manual_has_every_option_and_only_its_own_requests(void **state)
{
    static const struct str requests[] = {STR_INIT(".TP"),  STR_INIT(".SH "),
                                          STR_INIT(".TH "), STR_INIT(".BR "),
                                          STR_INIT(".B "),  STR_INIT(".\\\"")};
    struct str rest;
    struct str line;
    unsigned entries = 0;

    (void)state;
    config_manual(&out);
    rest = buf_str(&out);
    while (str_split(&rest, '\n', &line)) {
        bool is_known = false;

        entries += str_eq(line, STR(".TP"));
        for (size_t i = 0; i < COUNT_OF(requests); i++)
            is_known = is_known || str_starts(line, requests[i]);
        if (!is_known &&
            (str_starts(line, STR(".")) || str_starts(line, STR("'"))))
            fail_msg("%.*s", STR_ARG(line));
    }
    assert_int_equal(entries, CONFIG_OPTIONS);
    assert_has(buf_str(&out), "local\\-only");
    assert_has(buf_str(&out), "\n\\fBtimeouts.drain\\fR\n");
}

#define with_out(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_out(the_manual_has_every_option_and_only_its_own_requests),
        with_out(every_value_is_shown_with_its_origin),
        with_out(secrets_are_never_shown),
        with_out(secrets_stay_out_of_problems),
        with_out(the_manual_has_a_line_for_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
