/* telemetry/sampler: what the environment says of traces. */
#include "telemetry/sampler.h"

#include <stdlib.h>

#include "../capture.h"
#include "../testing.h"
#include "log.h"

static const char *const variables[] = {
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_PROPAGATORS",
    "OTEL_SDK_DISABLED",
};

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);
    capture_drop();
    return 0;
}

static void set(const char *name, const char *value)
{
    if (value == NULL)
        unsetenv(name);
    else
        assert_int_equal(setenv(name, value, 1), 0);
}

/* The sampler, and what was said against its setting; until the next call. */
static struct str read_it(struct sampler *sampler)
{
    log_setup(LOG_INFO, LOG_LOGFMT);
    capture_begin(0);
    sampler_read(sampler);
    return capture_end();
}

static void each_name_is_a_sampler(void **state)
{
    static const struct {
        const char *name;
        enum sampler_root root;
        bool ignores_parent;
    } cases[] = {
        {NULL, SAMPLER_ALWAYS_ON, false},
        {"", SAMPLER_ALWAYS_ON, false},
        {"parentbased_always_on", SAMPLER_ALWAYS_ON, false},
        {"parentbased_always_off", SAMPLER_ALWAYS_OFF, false},
        {"parentbased_traceidratio", SAMPLER_RATIO, false},
        {"always_on", SAMPLER_ALWAYS_ON, true},
        {"always_off", SAMPLER_ALWAYS_OFF, true},
        {"traceidratio", SAMPLER_RATIO, true},
        {" Always_Off ", SAMPLER_ALWAYS_OFF, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sampler sampler;

        set("OTEL_TRACES_SAMPLER", cases[i].name);
        assert_str(read_it(&sampler), "");
        assert_int_equal(sampler.root, cases[i].root);
        assert_int_equal(sampler.ignores_parent, cases[i].ignores_parent);
        assert_int_equal(sampler.threshold, 0); /* all of them */
        assert_false(sampler.is_disabled || sampler.is_deaf);
    }
}

static void an_unknown_one_is_named_and_ignored(void **state)
{
    struct sampler sampler;

    (void)state;
    set("OTEL_TRACES_SAMPLER", "jaeger_remote");
    assert_has(read_it(&sampler), "OTEL_TRACES_SAMPLER: expected always_on, ");
    assert_has(read_it(&sampler), "got \\\"jaeger_remote\\\"");
    assert_int_equal(sampler.root, SAMPLER_ALWAYS_ON);
    assert_false(sampler.ignores_parent);
}

static void the_ratio_is_a_number_from_0_to_1(void **state)
{
    static const struct {
        const char *ratio;
        uint64_t threshold;
    } good[] = {
        {"1", 0},
        {"1.0", 0},
        {"0", UINT64_C(1) << 56},
        {"0.5", UINT64_C(1) << 55},
        {"0.25", UINT64_C(3) << 54},
        {" 0.75", UINT64_C(1) << 54},
    };
    static const char *const bad[] = {"-0.1", "1.1", "half", "0.5x",
                                      "nan",  "inf", "50%",  "0,5"};
    struct sampler sampler;

    (void)state;
    set("OTEL_TRACES_SAMPLER", "traceidratio");
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        set("OTEL_TRACES_SAMPLER_ARG", good[i].ratio);
        assert_str(read_it(&sampler), "");
        assert_int_equal(sampler.threshold, good[i].threshold);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        set("OTEL_TRACES_SAMPLER_ARG", bad[i]);
        assert_has(read_it(&sampler),
                   "OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1");
        assert_int_equal(sampler.root, SAMPLER_RATIO);
        assert_int_equal(sampler.threshold, 0);
    }
    /* nobody asks for it */
    set("OTEL_TRACES_SAMPLER", "always_on");
    assert_str(read_it(&sampler), "");
}

static void
the_id_decides_and_a_larger_ratio_keeps_what_a_smaller_one_has(void **state)
{
    static const char *const ids[] = {
        "ffffffffffffffffff00000000000000", /* R = 0 */
        "00000000000000000080000000000000", /* R = 2^55 */
        "0000000000000000007fffffffffffff", /* one less */
        "000000000000000000ffffffffffffff", /* the largest */
        "000000000000000000bfffffffffffff", /* just below 3/4 */
    };
    static const struct {
        const char *ratio;
        bool taken[COUNT_OF(ids)];
    } cases[] = {
        {"0", {false, false, false, false, false}},
        {"0.25", {false, false, false, true, false}},
        {"0.5", {false, true, false, true, true}},
        {"1", {true, true, true, true, true}},
    };

    (void)state;
    set("OTEL_TRACES_SAMPLER", "traceidratio");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sampler sampler;

        set("OTEL_TRACES_SAMPLER_ARG", cases[i].ratio);
        assert_str(read_it(&sampler), "");
        for (size_t k = 0; k < COUNT_OF(ids); k++)
            assert_int_equal(sampler_takes(&sampler, str_of(ids[k])),
                             cases[i].taken[k]);
    }
}

static void propagators_are_a_list(void **state)
{
    static const struct {
        const char *list;
        bool is_deaf;
        const char *says;
    } cases[] = {
        {"tracecontext,baggage", false, NULL},
        {"tracecontext", false, NULL},
        {"baggage , TraceContext,", false, NULL},
        {"none", true, NULL},
        {"tracecontext,none", true, NULL},
        {"baggage", true, NULL},
        {"b3,tracecontext", false, "got \\\"b3\\\""},
        {"b3", true, "OTEL_PROPAGATORS: expected tracecontext"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sampler sampler;
        struct str said;

        set("OTEL_PROPAGATORS", cases[i].list);
        said = read_it(&sampler);
        assert_int_equal(sampler.is_deaf, cases[i].is_deaf);
        if (cases[i].says == NULL)
            assert_str(said, "");
        else
            assert_has(said, cases[i].says);
    }
}

static void only_true_disables(void **state)
{
    static const char *const others[] = {"false", "1", "yes", ""};
    struct sampler sampler;

    (void)state;
    set("OTEL_SDK_DISABLED", "TRUE");
    assert_str(read_it(&sampler), "");
    assert_true(sampler.is_disabled);
    assert_false(
        sampler_takes(&sampler, STR("ffffffffffffffffffffffffffffffff")));
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        set("OTEL_SDK_DISABLED", others[i]);
        (void)read_it(&sampler);
        assert_false(sampler.is_disabled);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, clean, clean)
    const struct CMUnitTest tests[] = {
        TEST(each_name_is_a_sampler),
        TEST(an_unknown_one_is_named_and_ignored),
        TEST(the_ratio_is_a_number_from_0_to_1),
        TEST(the_id_decides_and_a_larger_ratio_keeps_what_a_smaller_one_has),
        TEST(propagators_are_a_list),
        TEST(only_true_disables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
