/* config: secrets in problems, and white space behind paths. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "given.h"
#include "testing.h"

static void a_secret_with_an_open_brace_is_not_shown(void **state)
{
    struct config config;

    (void)state;
    given_clean_environment();
    assert_false(given_config(&config, "cloud: {api_key: 'sk-hush-${X'}\n"));
    assert_lacks(buf_str(&config.problems), "hush");
    config_fini(&config);
}

static void white_space_behind_a_path_is_no_part_of_it(void **state)
{
    struct config config;
    char path[64];
    char value[128];

    (void)state;
    given_clean_environment();
    given_file(STR("sk-1"), path);
    (void)snprintf(value, sizeof(value), "file:%s\n", path);
    setenv("ANTHROPIC_API_KEY", value, 1);
    if (!config_load(&config, NULL))
        print_error("%.*s", STR_ARG(buf_str(&config.problems)));
    assert_int_equal(config.problem_count, 0);
    assert_str(config_get(&config.root, CONFIG_ROOT_CLOUD_KEY)->secret.bytes,
               "sk-1");
    config_fini(&config);
    unlink(path);
    given_clean_environment();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_with_an_open_brace_is_not_shown),
        cmocka_unit_test(white_space_behind_a_path_is_no_part_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
