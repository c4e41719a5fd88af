#include "given.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "config_value.h"
#include "testing.h"

void given_clean_environment(void)
{
    static const char *const others[] = {
        "http_proxy", "HTTP_PROXY", "https_proxy",  "HTTPS_PROXY",
        "no_proxy",   "NO_PROXY",   "LANGFUSE_HOST"};

    for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
        if (config_rows[i].env.len > 0)
            check(unsetenv(config_rows[i].env.ptr) == 0);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        check(unsetenv(others[i]) == 0);
}

void given_file(struct str text, char path[64])
{
    int fd;

    (void)snprintf(path, 64, "/tmp/weir-test-XXXXXX");
    fd = mkstemp(path);
    check(fd >= 0);
    check(write(fd, text.ptr, text.len) == (ssize_t)text.len);
    close(fd);
}

bool given_config(struct config *config, const char *yaml)
{
    char path[64];
    bool ok;

    if (yaml == NULL)
        return config_load(config, NULL);
    given_file(str_of(yaml), path);
    ok = config_load(config, path);
    unlink(path);
    return ok;
}

struct catalog *given_catalog(const char *yaml)
{
    struct config config;
    struct catalog *catalog = NULL;

    given_clean_environment();
    if (given_config(&config, yaml))
        catalog = catalog_new(&config);
    if (catalog == NULL)
        print_error("%.*s", STR_ARG(buf_str(&config.problems)));
    config_fini(&config);
    assert_non_null(catalog);
    return catalog;
}

void given_bad_catalog(const char *yaml, struct buf *problems)
{
    struct config config;

    given_clean_environment();
    if (given_config(&config, yaml)) {
        struct catalog *catalog = catalog_new(&config);

        if (catalog != NULL) {
            catalog_unref(catalog);
            config_fini(&config);
            fail_msg("taken:\n%s", yaml);
        }
    }
    buf_clear(problems);
    buf_put(problems, buf_str(&config.problems));
    assert_true(config.problem_count > 0);
    config_fini(&config);
}
