/* A configuration file: whatever stands in it, it is read or refused with
 * words, and what is taken can be shown and made into a catalog. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalog.h"
#include "check.h"
#include "config_value.h"
#include "fuzz.h"

enum { SHOWN_MAX = 16 << 20 };

static int file; /* without a name, opened again through /proc */
static char path[32];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char name[] = "/tmp/weir-fuzz-XXXXXX";

    (void)argc;
    (void)argv;
    file = mkstemp(name);
    check(file >= 0);
    unlink(name);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    /* "file:/dev/stdin" must not wait for anybody */
    check(freopen("/dev/null", "r", stdin) != NULL);
    for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
        if (config_rows[i].env.len > 0)
            check(unsetenv(config_rows[i].env.ptr) == 0);
    return 0;
}

static void check_problems(const struct config *config)
{
    check(config->problem_count > 0);
    check(config->problems.len > 0);
    check(config->problems.ptr[config->problems.len - 1] == '\n');
}

static void look_at(struct config *config)
{
    struct catalog *catalog;
    struct buf shown;

    buf_init(&shown, SHOWN_MAX);
    config_show(config, &shown);
    check(!buf_failed(&shown));
    buf_fini(&shown);
    catalog = catalog_new(config);
    if (catalog == NULL) {
        check_problems(config);
        return;
    }
    for (unsigned i = 0; i < catalog->model_count; i++)
        check(catalog_find_model(catalog, catalog->models[i].name) ==
              &catalog->models[i]);
    for (unsigned i = 0; i < catalog->backend_count; i++)
        check(catalog->backends[i].default_model != NULL &&
              catalog->backends[i].replica_count > 0);
    for (unsigned i = 0; i < catalog->rule_count; i++)
        check(catalog->rules[i].name.len > 0);
    catalog_unref(catalog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;

    /* opened anew, it is read from its beginning */
    check(ftruncate(file, 0) == 0);
    check(pwrite(file, data, size, 0) == (ssize_t)size);
    if (config_load(&config, path))
        look_at(&config);
    else
        check_problems(&config);
    config_fini(&config);
    return 0;
}
