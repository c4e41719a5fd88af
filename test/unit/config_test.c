/* config: the file, the environment and the command line. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "given.h"
#include "testing.h"

static struct config config;

static int begin(void **state)
{
    (void)state;
    given_clean_environment();
    unsetenv("TEST_A");
    unsetenv("TEST_B");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    config_fini(&config);
    given_clean_environment();
    unsetenv("TEST_A");
    unsetenv("TEST_B");
    return 0;
}

static void load(const char *yaml)
{
    if (!given_config(&config, yaml))
        fail_msg("%.*s", STR_ARG(buf_str(&config.problems)));
}

/* Every problem of the file, one line each, with the file's name left out. */
static void assert_problems(const char *yaml, const char *const expected[],
                            size_t count)
{
    struct str rest;
    struct str line;
    size_t n = 0;

    assert_false(given_config(&config, yaml));
    rest = buf_str(&config.problems);
    while (str_split(&rest, '\n', &line)) {
        if (n == count)
            fail_msg("one more: %.*s", STR_ARG(line));
        assert_has(line, expected[n++]);
    }
    assert_int_equal(n, count);
    assert_int_equal(config.problem_count, count);
}

#define assert_problem(yaml, says)               \
    do {                                         \
        static const char *const one[] = {says}; \
        assert_problems((yaml), one, 1);         \
        config_fini(&config);                    \
    } while (0)

#define text_of(id) config_text(&config.root, CONFIG_ROOT_##id)
#define number_of(id) config_number(&config.root, CONFIG_ROOT_##id)
#define source_of(id) config_get(&config.root, CONFIG_ROOT_##id)->source

static void without_anything_the_defaults_hold(void **state)
{
    (void)state;
    load(NULL);
    assert_int_equal(number_of(LISTEN_PORT), 8080);
    assert_int_equal(source_of(LISTEN_PORT), CONFIG_DEFAULT);
    assert_int_equal(number_of(LOCAL_TOKENS), 1000);
    assert_int_equal(number_of(LOCAL_MAX_TOKENS), 512);
    assert_str(text_of(CLOUD_MODEL), "claude-sonnet-4-6");
    assert_int_equal(number_of(BODY_BYTES), 32 << 20);
    assert_int_equal(number_of(CONNECT_MS), 3000);
    assert_false(config_is_set(&config.root, CONFIG_ROOT_LOCAL_URL));
    assert_int_equal(source_of(LOCAL_URL), CONFIG_UNSET);
    config_fini(&config);
    load("");
    config_fini(&config);
    load("# nothing but a comment\n");
    assert_int_equal(number_of(LISTEN_PORT), 8080);
}

static void the_file_nests_at_the_dots(void **state)
{
    (void)state;
    load("listen:\n"
         "  host: 127.0.0.1\n"
         "  port: 9000\n"
         "workers: 2\n"
         "timeouts: {connect: 500ms, idle: 0}\n"
         "limits:\n"
         "  body: 1MiB\n");
    assert_str(text_of(LISTEN_HOST), "127.0.0.1");
    assert_int_equal(number_of(LISTEN_PORT), 9000);
    assert_int_equal(source_of(LISTEN_PORT), CONFIG_FILE);
    assert_int_equal(config_get(&config.root, CONFIG_ROOT_LISTEN_PORT)->line,
                     3);
    assert_int_equal(number_of(WORKERS), 2);
    assert_int_equal(number_of(CONNECT_MS), 500);
    assert_int_equal(number_of(IDLE_MS), 0);
    assert_int_equal(number_of(BODY_BYTES), 1 << 20);
}

static void the_environment_alone_is_enough(void **state)
{
    (void)state;
    setenv("VLLM_BASE_URL", " http://127.0.0.1:8000/v1 ", 1);
    setenv("VLLM_API_KEY", "sk-local", 1);
    setenv("LOCAL_MODEL", "qwen2.5-7b", 1);
    setenv("ANTHROPIC_API_KEY", "sk-ant-1", 1);
    setenv("LOCAL_TOKEN_THRESHOLD", "50", 1);
    setenv("PORT", "0", 1);
    setenv("LOG_FORMAT", "", 1); /* empty is the same as unset */
    load(NULL);
    assert_int_equal(
        config_get(&config.root, CONFIG_ROOT_LOCAL_URL)->item_count, 1);
    assert_str(config_get(&config.root, CONFIG_ROOT_LOCAL_URL)->items[0],
               "http://127.0.0.1:8000/v1");
    assert_str(text_of(LOCAL_MODEL), "qwen2.5-7b");
    assert_int_equal(number_of(LOCAL_TOKENS), 50);
    assert_int_equal(number_of(LISTEN_PORT), 0);
    assert_int_equal(source_of(LISTEN_PORT), CONFIG_ENV);
    assert_int_equal(source_of(LOG_FORMAT), CONFIG_DEFAULT);
    assert_str(config_get(&config.root, CONFIG_ROOT_CLOUD_KEY)->secret.bytes,
               "sk-ant-1");
}

static void the_nearer_source_wins(void **state)
{
    (void)state;
    setenv("PORT", "7000", 1);
    setenv("HOST", "10.0.0.1", 1);
    load("listen:\n  port: 9000\n  host: 10.0.0.2\nworkers: 3\n");
    assert_int_equal(number_of(LISTEN_PORT), 7000);
    assert_str(text_of(LISTEN_HOST), "10.0.0.1");
    assert_int_equal(number_of(WORKERS), 3);
    config_override(&config, CONFIG_ROOT_LISTEN_PORT, STR("6000"));
    assert_int_equal(number_of(LISTEN_PORT), 6000);
    assert_int_equal(source_of(LISTEN_PORT), CONFIG_ARGUMENT);
    assert_int_equal(config.problem_count, 0);
    config_override(&config, CONFIG_ROOT_LISTEN_PORT, STR("high"));
    assert_int_equal(config.problem_count, 1);
    assert_has(buf_str(&config.problems),
               "command line: listen.port: read \"high\", expected a port");
}

static void lists_of_mappings_are_read(void **state)
{
    (void)state;
    load("backends:\n"
         "  - name: gpu\n"
         "    tier: local\n"
         "    url: [http://a.test, 'http://b.test:8000/v1']\n"
         "    models:\n"
         "      - {name: small, context_window: 8192, tools: no}\n"
         "      - name: large\n"
         "  - {name: vendor, tier: cloud, url: https://c.test,\n"
         "     default_model: claude-sonnet-4-6}\n"
         "rules:\n"
         "  - name: sql\n"
         "    when: {text: '(?i)select', hours: '22:00-06:00'}\n"
         "    use: local\n"
         "keys:\n"
         "  - {name: team, secret: abc, policy: local-only}\n");
    assert_int_equal(config.backend_count, 2);
    assert_int_equal(config.backends[0].model_count, 2);
    assert_int_equal(config.backends[1].model_count, 0);
    assert_int_equal(config.rule_count, 1);
    assert_int_equal(config.key_count, 1);
    assert_int_equal(
        config_get(&config.backends[0], CONFIG_BACKEND_URL)->item_count, 2);
    assert_str(config_get(&config.backends[0], CONFIG_BACKEND_URL)->items[1],
               "http://b.test:8000/v1");
    assert_str(config.backends[0].models[1].path, "backends[0].models[1]");
    assert_int_equal(
        config_number(&config.backends[0].models[0], CONFIG_MODEL_CONTEXT),
        8192);
    assert_int_equal(
        config_number(&config.backends[0].models[0], CONFIG_MODEL_TOOLS), 0);
    assert_int_equal(
        config_number(&config.backends[0].models[1], CONFIG_MODEL_TOOLS), 1);
    assert_str(config_text(&config.rules[0], CONFIG_RULE_TEXT), "(?i)select");
    assert_str(config_get(&config.keys[0], CONFIG_KEY_SECRET)->secret.bytes,
               "abc");
}

static void nothing_behind_a_key_is_the_same_as_no_key(void **state)
{
    (void)state;
    load("listen:\n  port:\nworkers: ~\ntimeouts:\nbackends:\nrules: null\n"
         "keys: []\nlog: {level: null}\n");
    assert_int_equal(source_of(LISTEN_PORT), CONFIG_DEFAULT);
    assert_int_equal(source_of(WORKERS), CONFIG_DEFAULT);
    assert_int_equal(config.backend_count, 0);
    assert_int_equal(config.key_count, 0);
}

static void variables_are_replaced_in_every_value(void **state)
{
    (void)state;
    setenv("TEST_A", "one", 1);
    setenv("TEST_B", "", 1);
    load("local:\n"
         "  model: ${TEST_A}\n"
         "  url: http://${TEST_A}.test:${TEST_C:-81}/${TEST_B:-p}\n"
         "cloud:\n"
         "  model: '${TEST_C:-}x$y{z}'\n"
         "  api_key: ${TEST_A}-${TEST_A}\n"
         "backends:\n"
         "  - {name: '${TEST_A}', tier: local, url: ['http://${TEST_A}']}\n");
    assert_str(text_of(LOCAL_MODEL), "one");
    assert_str(config_get(&config.root, CONFIG_ROOT_LOCAL_URL)->items[0],
               "http://one.test:81/p");
    assert_str(text_of(CLOUD_MODEL), "x$y{z}");
    assert_str(config_get(&config.root, CONFIG_ROOT_CLOUD_KEY)->secret.bytes,
               "one-one");
    assert_str(config_get(&config.backends[0], CONFIG_BACKEND_URL)->items[0],
               "http://one");
    config_fini(&config);
    assert_problem("local:\n  model: a${TEST_C}\n",
                   ":2: local.model: the environment variable TEST_C is not "
                   "set");
    assert_problem("local:\n  model: a${TEST_A\n", "expected a } behind ${");
    load(NULL);
}

static void a_secret_may_stand_in_a_file(void **state)
{
    char path[64];
    char yaml[256];

    (void)state;
    given_file(STR("  sk-from-file\n"), path);
    (void)snprintf(yaml, sizeof(yaml),
                   "cloud: {api_key: 'file:%s'}\n"
                   "keys: [{name: a, secret: 'file:%s'}]\n",
                   path, path);
    load(yaml);
    unlink(path);
    assert_str(config_get(&config.root, CONFIG_ROOT_CLOUD_KEY)->secret.bytes,
               "sk-from-file");
    assert_str(config_get(&config.keys[0], CONFIG_KEY_SECRET)->secret.bytes,
               "sk-from-file");
    config_fini(&config);
    assert_problem("cloud:\n  api_key: file:/no/such/file\n",
                   ":2: cloud.api_key: expected a file that can be read at "
                   "/no/such/file: No such file");
    setenv("ANTHROPIC_API_KEY", "file:/no/such/file", 1);
    assert_problem(NULL, "cloud.api_key: expected a file");
    unsetenv("ANTHROPIC_API_KEY");
    load(NULL);
}

static void
a_bad_value_is_told_with_its_place_and_what_was_expected(void **state)
{
    static const char *const problems[] = {
        ":2: listen.port: read \"http\", expected a port: 0 to 65535",
        ":3: workers: read \"0\", expected auto, or a whole number from 1",
        ":4: local.url: read \"a.test\", expected http://host",
        ":5: timeouts.idle: read \"5\", expected a duration: 500ms, 2s, 5m",
        ":6: limits.body: read \"big\", expected a size: 1048576",
        ":8: backends[0].tier: read \"edge\", expected local or cloud",
        ":10: backends[0].models[0].images: read \"maybe\", expected true",
        ":12: rules[0].when.text: read \"(\", expected a Perl-compatible",
        ":13: rules[1].when.hours: read \"9-5\", expected two times of day",
        ":14: keys[0].policy: read \"local\", expected local-only",
    };

    (void)state;
    assert_problems("listen:\n"
                    "  port: http\n"
                    "workers: 0\n"
                    "local: {url: a.test}\n"
                    "timeouts: {idle: 5}\n"
                    "limits: {body: big}\n"
                    "backends:\n"
                    "  - tier: edge\n"
                    "    models:\n"
                    "      - images: maybe\n"
                    "rules:\n"
                    "  - when: {text: '('}\n"
                    "  - {when: {hours: 9-5}}\n"
                    "keys: [{policy: local}]\n",
                    problems, COUNT_OF(problems));
}

static void a_bad_variable_is_told_by_its_name(void **state)
{
    (void)state;
    setenv("PORT", "99999", 1);
    assert_problem(NULL, "environment: PORT: read \"99999\", expected a port");
    unsetenv("PORT");
    setenv("VLLM_BASE_URL", "localhost:8000", 1);
    assert_problem(NULL, "environment: VLLM_BASE_URL: read "
                         "\"localhost:8000\", expected http://");
    unsetenv("VLLM_BASE_URL");
    load(NULL);
}

static void a_value_of_another_kind_is_told(void **state)
{
    static const char *const problems[] = {
        ":1: listen.port: read a list, expected a port",
        ":2: workers: read a mapping, expected auto",
        ":3: timeouts: read a value, expected a mapping",
        ":4: backends: read a mapping, expected a list",
        ":5: rules[0]: read a value, expected a mapping",
        ":6: local.url: read a mapping, expected a value",
        ":6: local.url: read \"\", expected http://",
    };

    (void)state;
    assert_problems("listen: {port: [1]}\n"
                    "workers: {a: 1}\n"
                    "timeouts: 5s\n"
                    "backends: {}\n"
                    "rules: [x]\n"
                    "local: {url: [{a: b}]}\n",
                    problems, COUNT_OF(problems));
}

static void an_unknown_key_is_told_with_the_one_that_was_meant(void **state)
{
    static const char *const problems[] = {
        ":2: listen.prot: there is no such option; did you mean listen.port?",
        ":3: worker: there is no such option; did you mean workers?",
        ":4: qwertyuiop: there is no such option; `weir options` lists them",
        ":6: backends[0].nam: there is no such option; did you mean name?",
        ":7: rules[0].when.txt: there is no such option; did you mean when.",
    };

    (void)state;
    assert_problems("listen:\n"
                    "  prot: 80\n"
                    "worker: 2\n"
                    "qwertyuiop: 5\n"
                    "backends:\n"
                    "  - nam: x\n"
                    "rules: [{when: {txt: a}}]\n",
                    problems, COUNT_OF(problems));
}

static void a_key_that_is_there_twice_is_told(void **state)
{
    static const char *const problems[] = {
        ":3: listen.port: it is there already, at line 2",
        ":5: workers: it is there already, at line 4",
        ":7: keys: this list is there twice",
    };

    (void)state;
    assert_problems("listen:\n"
                    "  port: 1\n"
                    "  port: 2\n"
                    "workers: 1\n"
                    "workers: 1\n"
                    "keys: [{name: a, secret: b}]\n"
                    "keys: []\n",
                    problems, COUNT_OF(problems));
}

static void what_is_no_yaml_is_told_with_its_place(void **state)
{
    (void)state;
    assert_problem("listen:\n  port: [1\n", "not valid YAML");
    assert_problem("a: b\n\tc: d\n", ":2: column 1: not valid YAML");
    assert_problem("a: *nowhere\n", "not valid YAML");
    assert_problem("- a\n- b\n", ":1: ");
    assert_problem("just text\n", ":1: ");
    assert_problem("? [a]\n: b\n", ":1: read a list, expected a name");
    load(NULL);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    assert_false(config_load(&config, "/no/such/weir.yaml"));
    assert_has(buf_str(&config.problems),
               "/no/such/weir.yaml: cannot be read: No such file");
}

static void anchors_may_be_used_but_lead_nowhere_deep(void **state)
{
    (void)state;
    load("local: &l {model: m}\ncloud: *l\n");
    assert_str(text_of(LOCAL_MODEL), "m");
    assert_str(text_of(CLOUD_MODEL), "m");
    config_fini(&config);
    assert_false(given_config(&config, "listen: &l\n  listen: *l\n"));
    config_fini(&config);
    assert_false(given_config(&config, "backends: &b\n  - models: *b\n"));
}

static void twenty_problems_are_shown_and_all_counted(void **state)
{
    char yaml[2000] = "";
    struct str rest;
    struct str line;
    size_t len = 0;
    size_t lines = 0;

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len,
                                "unknown-%u: 1\n", i);
    assert_false(given_config(&config, yaml));
    assert_int_equal(config.problem_count, 30);
    rest = buf_str(&config.problems);
    while (str_split(&rest, '\n', &line))
        lines++;
    assert_int_equal(lines, 20);
}

#define with_config(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_config(without_anything_the_defaults_hold),
        with_config(the_file_nests_at_the_dots),
        with_config(the_environment_alone_is_enough),
        with_config(the_nearer_source_wins),
        with_config(lists_of_mappings_are_read),
        with_config(nothing_behind_a_key_is_the_same_as_no_key),
        with_config(variables_are_replaced_in_every_value),
        with_config(a_secret_may_stand_in_a_file),
        with_config(a_bad_value_is_told_with_its_place_and_what_was_expected),
        with_config(a_bad_variable_is_told_by_its_name),
        with_config(a_value_of_another_kind_is_told),
        with_config(an_unknown_key_is_told_with_the_one_that_was_meant),
        with_config(a_key_that_is_there_twice_is_told),
        with_config(what_is_no_yaml_is_told_with_its_place),
        with_config(a_file_that_cannot_be_read_is_told),
        with_config(anchors_may_be_used_but_lead_nowhere_deep),
        with_config(twenty_problems_are_shown_and_all_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
