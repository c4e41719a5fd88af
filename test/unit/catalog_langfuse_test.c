/* catalog_langfuse: what the configuration says about Langfuse. */
#include "catalog_langfuse.h"

#include <stdlib.h>

#include "catalog.h"
#include "given.h"
#include "testing.h"

#define BACKEND "local: {url: 'http://127.0.0.1:1', model: small}\n"

static struct buf problems;
static struct config config;
static struct langfuse_settings settings;

static int begin(void **state)
{
    (void)state;
    given_clean_environment();
    buf_init(&problems, 1 << 16);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    given_clean_environment();
    config_fini(&config);
    buf_fini(&problems);
    config = (struct config){0};
    return 0;
}

static void load(const char *yaml)
{
    struct catalog *catalog;

    if (!given_config(&config, yaml))
        fail_msg("%.*s", STR_ARG(buf_str(&config.problems)));
    catalog = catalog_new(&config);
    if (catalog == NULL)
        fail_msg("%.*s", STR_ARG(buf_str(&config.problems)));
    catalog_unref(catalog);
    langfuse_settings_read(&config, &settings);
}

static void assert_bad(const char *yaml, const char *says)
{
    given_bad_catalog(yaml, &problems);
    assert_has(buf_str(&problems), says);
    assert_lacks(buf_str(&problems), "sk-lf");
}

static void without_keys_it_is_off(void **state)
{
    (void)state;
    load(BACKEND);
    assert_false(settings.is_on);
    assert_str(settings.base_url, "https://cloud.langfuse.com");
    assert_int_equal(settings.mode, CONFIG_LANGFUSE_OTEL);
    assert_int_equal(settings.share, CONFIG_SHARE_ALL);
    assert_int_equal(settings.timeout_ms, 10000);
    assert_int_equal(settings.flush_ms, 5000);
    assert_int_equal(settings.flush_at, 500);
    assert_false(settings.is_zipped);
}

static void the_variables_of_its_own_libraries_do(void **state)
{
    (void)state;
    setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1", 1);
    setenv("LANGFUSE_SECRET_KEY", "sk-lf-1", 1);
    setenv("LANGFUSE_BASE_URL", "http://127.0.0.1:3000/lf//", 1);
    setenv("LANGFUSE_HOST", "http://ignored:1", 1);
    setenv("LANGFUSE_TRACING_ENVIRONMENT", "production", 1);
    setenv("LANGFUSE_RELEASE", "v7", 1);
    setenv("LANGFUSE_SAMPLE_RATE", "0.25", 1);
    setenv("LANGFUSE_TIMEOUT", "7", 1);
    setenv("LANGFUSE_FLUSH_INTERVAL", "500ms", 1);
    setenv("LANGFUSE_FLUSH_AT", "15", 1);
    load(BACKEND);
    assert_true(settings.is_on);
    assert_str(settings.public_key.bytes, "pk-lf-1");
    assert_str(settings.secret_key.bytes, "sk-lf-1");
    assert_str(settings.base_url, "http://127.0.0.1:3000/lf");
    assert_str(settings.environment, "production");
    assert_str(settings.release, "v7");
    assert_int_equal(settings.share, CONFIG_SHARE_ALL / 4);
    assert_int_equal(settings.timeout_ms, 7000);
    assert_int_equal(settings.flush_ms, 500);
    assert_int_equal(settings.flush_at, 15);
}

static void langfuse_host_stands_in_for_the_base_url(void **state)
{
    (void)state;
    setenv("LANGFUSE_HOST", "https://langfuse.example", 1);
    load(BACKEND "langfuse: {public_key: pk, secret_key: sk,\n"
                 "           base_url: 'http://of-the-file:1'}\n");
    assert_str(settings.base_url, "https://langfuse.example");
    unsetenv("LANGFUSE_HOST");
}

static void the_file_says_the_same(void **state)
{
    (void)state;
    load(BACKEND "langfuse:\n"
                 "  base_url: http://[::1]:3000\n"
                 "  public_key: pk-lf-2\n"
                 "  secret_key: sk-lf-2\n"
                 "  mode: batch\n"
                 "  gzip: true\n"
                 "  environment: a-b_9\n");
    assert_true(settings.is_on);
    assert_int_equal(settings.mode, CONFIG_LANGFUSE_BATCH);
    assert_true(settings.is_zipped);
    assert_str(settings.environment, "a-b_9");
}

static void half_a_pair_of_keys_is_none(void **state)
{
    (void)state;
    assert_bad(BACKEND "langfuse: {public_key: pk-lf-1}\n",
               "langfuse.secret_key (LANGFUSE_SECRET_KEY) is not set: "
               "Langfuse needs both keys of a project\n");
    assert_bad(BACKEND "langfuse: {secret_key: sk-lf-1}\n",
               "langfuse.public_key (LANGFUSE_PUBLIC_KEY) is not set: "
               "Langfuse needs both keys of a project\n");
    assert_bad(BACKEND "langfuse: {public_key: 'p:k', secret_key: sk-lf-1}\n",
               "langfuse.public_key: read \"(a secret)\", expected a key "
               "without a colon\n");
}

static void an_address_without_keys_was_meant_otherwise(void **state)
{
    (void)state;
    assert_bad(BACKEND "langfuse: {base_url: 'http://langfuse:3000'}\n",
               "langfuse.base_url: read \"http://langfuse:3000\", but nothing "
               "can be sent there without the keys of a project: set "
               "langfuse.public_key and langfuse.secret_key\n");
}

static void values_that_langfuse_would_bend_are_refused(void **state)
{
    static const char *const environments[] = {
        "Production", "a.b", "langfuse-x",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 41 */};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(environments); i++) {
        char yaml[256];

        (void)snprintf(yaml, sizeof(yaml),
                       BACKEND "langfuse: {environment: '%s'}\n",
                       environments[i]);
        assert_bad(yaml, "langfuse.environment: read \"");
    }
    assert_bad(BACKEND "langfuse: {timeout: 0}\n",
               "langfuse.timeout: read \"0\", expected more than 0\n");
    assert_bad(BACKEND "langfuse: {flush_at: 0}\n",
               "langfuse.flush_at: read \"0\", expected 1 to 100000\n");
    assert_bad(BACKEND "langfuse: {mode: both}\n",
               "langfuse.mode: read \"both\", expected otel or batch\n");
    assert_bad(BACKEND "langfuse: {sample_rate: 1.5}\n",
               "langfuse.sample_rate: read \"1.5\", expected a share: 0 to 1, "
               "such as 0.05\n");
    assert_bad(BACKEND "langfuse: {base_url: ['http://a', 'http://b'],\n"
                       "           public_key: p, secret_key: s}\n",
               "expected one URL\n");
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(without_keys_it_is_off),
        fresh(the_variables_of_its_own_libraries_do),
        fresh(langfuse_host_stands_in_for_the_base_url),
        fresh(the_file_says_the_same),
        fresh(half_a_pair_of_keys_is_none),
        fresh(an_address_without_keys_was_meant_otherwise),
        fresh(values_that_langfuse_would_bend_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
