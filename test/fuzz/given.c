#include "given.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "config_value.h"

struct catalog *given_catalog(const char *yaml)
{
    char path[] = "/tmp/weir-fuzz-XXXXXX";
    int file = mkstemp(path);
    struct config config;
    struct catalog *catalog;

    for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
        if (config_rows[i].env.len > 0)
            check(unsetenv(config_rows[i].env.ptr) == 0);
    check(file >= 0);
    check(write(file, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
    check(config_load(&config, path));
    (void)unlink(path);
    close(file);
    catalog = catalog_new(&config);
    check(catalog != NULL);
    config_fini(&config);
    return catalog;
}
