/* telemetry: what the options mean for the exporters. */
#include "telemetry.h"

#include <stdlib.h>

#include "testing.h"

static struct outbox_limits limits;
static struct config config;

static void read_limits(void)
{
    assert_true(config_load(&config, NULL));
    limits = telemetry_limits(&config);
}

static int finish(void **state)
{
    (void)state;
    config_fini(&config);
    unsetenv("TELEMETRY_MEMORY_BYTES");
    unsetenv("TELEMETRY_SPOOL_DIR");
    unsetenv("TELEMETRY_SPOOL_BYTES");
    unsetenv("TELEMETRY_SPOOL_AGE");
    return 0;
}

static void without_options_there_is_no_spool(void **state)
{
    (void)state;
    read_limits();
    assert_str(limits.spool_dir, "");
    assert_int_equal(limits.memory_bytes, 16 << 20);
    assert_int_equal(limits.spool_bytes, 256 << 20);
    assert_int_equal(limits.spool_age_ms, 24 * 60 * 60 * 1000);
}

static void the_options_bound_an_outbox(void **state)
{
    (void)state;
    setenv("TELEMETRY_MEMORY_BYTES", "2MiB", 1);
    setenv("TELEMETRY_SPOOL_DIR", "/var/lib/weir/spool", 1);
    setenv("TELEMETRY_SPOOL_BYTES", "3MiB", 1);
    setenv("TELEMETRY_SPOOL_AGE", "90s", 1);
    read_limits();
    assert_str(limits.spool_dir, "/var/lib/weir/spool");
    assert_int_equal(limits.memory_bytes, 2 << 20);
    assert_int_equal(limits.spool_bytes, 3 << 20);
    assert_int_equal(limits.spool_age_ms, 90000);
}

/* and never the defaults */
static void zeros_mean_nothing_and_for_ever(void **state)
{
    (void)state;
    setenv("TELEMETRY_MEMORY_BYTES", "0", 1);
    setenv("TELEMETRY_SPOOL_DIR", "/var/lib/weir/spool", 1);
    setenv("TELEMETRY_SPOOL_BYTES", "0", 1);
    setenv("TELEMETRY_SPOOL_AGE", "0", 1);
    read_limits();
    assert_str(limits.spool_dir, "");
    assert_int_equal(limits.memory_bytes, 1);
    assert_true(limits.spool_age_ms == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_options_there_is_no_spool, finish),
        cmocka_unit_test_teardown(the_options_bound_an_outbox, finish),
        cmocka_unit_test_teardown(zeros_mean_nothing_and_for_ever, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
