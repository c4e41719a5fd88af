/* settle/price: what an exchange costs, in whole nano-dollars. */
#include "settle/price.h"

#include "../given.h"
#include "../testing.h"

/* USD per million tokens: 3, 15, 0.0375, 3.75, 6 */
static const struct claude_price plain = {
    .is_known = true,
    .input = 3000000,
    .output = 15000000,
    .cache_read = 37500,
    .cache_write_5m = 3750000,
    .cache_write_1h = 6000000,
};
/* 0.1, 0.5, 0.01, 0.125, 0.2; above 100,000 tokens five times as much */
static const struct claude_tariff tiered = {
    .price = {true, 100000, 500000, 125000, 200000, 10000},
    .long_prompt_tokens = 100000,
    .long_price = {true, 500000, 2500000, 625000, 1000000, 50000},
};

/* The sums of the right column were made by hand, in decimals. */
static void every_kind_of_token_has_its_price(void **state)
{
    static const struct {
        int64_t input, read, write, write_1h, output;
        int64_t nano;
    } rows[] = {
        /* one kind alone */
        {0, 0, 0, 0, 0, 0},
        {1, 0, 0, 0, 0, 3000},
        {0, 0, 0, 0, 1, 15000},
        {1, 1, 0, 0, 0, 38}, /* 37.5: half up */
        {2, 2, 0, 0, 0, 75},
        {3, 3, 0, 0, 0, 113}, /* 112.5 */
        {1, 0, 1, 0, 0, 3750},
        {1, 0, 1, 1, 0, 6000},
        {1000000, 0, 0, 0, 0, 3000000000},
        {1000000, 1000000, 0, 0, 0, 37500000},
        {1000000, 0, 1000000, 0, 0, 3750000000},
        {1000000, 0, 1000000, 1000000, 0, 6000000000},
        {0, 0, 0, 0, 1000000, 15000000000},
        /* mixtures: the parts are within `input` */
        {1000, 0, 0, 0, 500, 10500000},
        {1000, 400, 0, 0, 0, 1815000},            /* 600 * 3 + 400 * .0375 */
        {1000, 400, 100, 0, 0, 1890000},          /* 500, 400, 100 * 3.75 */
        {1000, 400, 100, 40, 0, 1980000},         /* … 60 * 3.75 + 40 * 6 */
        {1000, 400, 100, 40, 7, 2085000},         /* … 7 * 15 */
        {12345, 6789, 1011, 213, 1415, 39385088}, /* 4545, 6789, 798, 213 */
        /* what a backend says may make no sense */
        {-5, 0, 0, 0, 10, 150000},
        {10, 0, 0, 0, -10, 30000},
        {10, 20, 0, 0, 0, 375},
        {10, 5, 20, 0, 0, 18938}, /* 5 * .0375 + 5 * 3.75 = 18.9375 */
        {10, 0, 5, 50, 0, 45000},
        {10, -1, -2, -3, 0, 30000},
        /* and may be more than there is money */
        {INT64_MAX, 0, 0, 0, INT64_MAX, INT64_MAX / 1000 + 1},
        {0, 0, 0, 0, 614891469123, 9223372036845000},
        {0, 0, 0, 0, 614891469124, INT64_MAX / 1000 + 1},
    };
    const struct claude_tariff tariff = {.price = plain};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct chat_usage usage = {
            .is_known = true,
            .input = rows[i].input,
            .cache_read = rows[i].read,
            .cache_write = rows[i].write,
            .cache_write_1h = rows[i].write_1h,
            .output = rows[i].output,
        };
        int64_t cost = -1;

        assert_true(price_tokens(&tariff, &usage, &cost));
        if (cost != rows[i].nano)
            fail_msg("row %zu: %lld, not %lld", i, (long long)cost,
                     (long long)rows[i].nano);
    }
}

static void a_long_prompt_has_the_second_price_for_all_tokens(void **state)
{
    static const struct {
        int64_t input, read, write, write_1h, output;
        int64_t nano;
    } rows[] = {
        {100000, 0, 0, 0, 1000, 10500000},
        {100001, 0, 0, 0, 1000, 52500500},
        /* cached parts count for the length */
        {100001, 100000, 0, 0, 0, 5000500},
        {200000, 0, 100000, 50000, 0, 131250000},
        {0, 0, 0, 0, 100001, 50000500},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct chat_usage usage = {
            .is_known = true,
            .input = rows[i].input,
            .cache_read = rows[i].read,
            .cache_write = rows[i].write,
            .cache_write_1h = rows[i].write_1h,
            .output = rows[i].output,
        };
        int64_t cost = -1;

        assert_true(price_tokens(&tiered, &usage, &cost));
        if (cost != rows[i].nano)
            fail_msg("row %zu: %lld, not %lld", i, (long long)cost,
                     (long long)rows[i].nano);
    }
}

static void time_is_shared_and_rounded_half_up(void **state)
{
    static const struct {
        int64_t hour_price; /* micro-dollars */
        uint64_t us;
        unsigned in_flight;
        int64_t nano;
    } rows[] = {
        {3600000, 1000000, 1, 1000000}, /* 3.60 USD/h: 0.001 USD a second */
        {3600000, 1000000, 4, 250000},
        {3600000, 1000000, 0, 1000000},
        {2000000, 1, 1, 1},       /* 0.5555… */
        {2000000, 3600, 7, 286},  /* 285.714… */
        {1799999, 1, 1, 0},       /* 0.4999… */
        {1800000, 1, 1, 1},       /* 0.5 */
        {1, 3600000000, 1, 1000}, /* a micro-dollar for an hour */
        {0, 3600000000, 1, 0},
        {2490000, 0, 1, 0},
        {2490000, 86400000000, 1, 59760000000}, /* a day at 2.49 */
        {1000000000000, 10000000000, 2000, 1388888888889},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t cost =
            price_time(rows[i].hour_price, rows[i].us, rows[i].in_flight);

        if (cost != rows[i].nano)
            fail_msg("row %zu: %lld, not %lld", i, (long long)cost,
                     (long long)rows[i].nano);
    }
    assert_true(price_time(1000000000000, UINT64_MAX / 2, 1) ==
                INT64_MAX / 1000 + 1);
}

/* --- a whole record ------------------------------------------------------- */

static const char yaml[] =
    "backends:\n"
    "  - name: gpu\n"
    "    tier: local\n"
    "    url: http://127.0.0.1:1\n"
    "    price_per_hour: 3.6\n"
    "    models:\n"
    "      - name: qwen\n"
    "      - name: metered\n"
    "        price: {input: 0.0375, output: 0.15}\n"
    "  - name: shed\n"
    "    tier: local\n"
    "    url: http://127.0.0.1:2\n"
    "    models: [{name: claude-haiku-4-5-at-home, upstream: "
    "claude-haiku-4-5}]\n"
    "  - name: anthropic\n"
    "    tier: cloud\n"
    "    url: http://127.0.0.1:3\n"
    "    models:\n"
    "      - name: claude-sonnet-4-6\n"
    "      - name: claude-haiku-5-5\n"
    "        price: {input: 0.2, cache_write_1h: 1}\n"
    "      - name: claude-fable-5-2\n";

static struct record given_record(void)
{
    return (struct record){
        .operation = OPERATION_CHAT,
        .tier = TIER_LOCAL,
        .outcome = OUTCOME_OK,
        .usage = {.is_known = true, .input = 1000, .output = 100},
        .began_us = 1000000,
        .chosen_us = 1500000,
        .ended_us = 3500000,
    };
}

static void price(const struct catalog *catalog, const char *name,
                  struct record *record)
{
    const struct model *model = catalog_find_model(catalog, str_of(name));
    const struct price_terms terms = {model->backend, &model->tariff,
                                      &catalog->reference};

    record->tier = model->backend->tier;
    record->backend = model->backend->name;
    price_record(record, &terms);
}

static void each_model_is_priced_by_its_own_terms(void **state)
{
    static const struct {
        const char *model;
        bool is_priced;
        int64_t cost;
        bool has_cloud_cost;
        int64_t cloud_cost;
    } rows[] = {
        /* two seconds of 3.60 USD an hour; sonnet: 1000 * 3 + 100 * 15 */
        {"qwen", true, 2000000, true, 4500000},
        {"metered", true, 52500, true, 4500000},
        /* its name is that of a Claude, but nobody pays for it by the token */
        {"claude-haiku-4-5-at-home", false, 0, true, 4500000},
        {"claude-sonnet-4-6", true, 4500000, true, 4500000},
        /* 1000 * 0.2 + 100 * 0.5 */
        {"claude-haiku-5-5", true, 250000, true, 250000},
        {"claude-fable-5-2", false, 0, false, 0},
    };
    struct catalog *catalog = given_catalog(yaml);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct record record = given_record();

        price(catalog, rows[i].model, &record);
        if (record.is_priced != rows[i].is_priced ||
            record.cost != rows[i].cost ||
            record.has_cloud_cost != rows[i].has_cloud_cost ||
            record.cloud_cost != rows[i].cloud_cost)
            fail_msg("%s: %d %lld, cloud %d %lld", rows[i].model,
                     record.is_priced, (long long)record.cost,
                     record.has_cloud_cost, (long long)record.cloud_cost);
    }
    catalog_unref(catalog);
}

static void an_override_takes_the_place_of_the_list(void **state)
{
    struct catalog *catalog = given_catalog(yaml);
    const struct claude_tariff *haiku =
        &catalog_find_model(catalog, STR("claude-haiku-5-5"))->tariff;
    const struct claude_tariff *metered =
        &catalog_find_model(catalog, STR("metered"))->tariff;

    (void)state;
    assert_true(haiku->price.input == 200000);
    assert_true(haiku->price.output == 500000);
    assert_true(haiku->price.cache_read == 10000);
    assert_true(haiku->price.cache_write_1h == 1000000);
    assert_true(haiku->long_prompt_tokens == 0);
    /* nothing is known of its cache: no discount is made up */
    assert_true(metered->price.cache_read == 37500);
    assert_true(metered->price.cache_write_5m == 37500);
    assert_true(metered->price.cache_write_1h == 37500);
    catalog_unref(catalog);
}

static void time_counts_from_the_try_that_answered(void **state)
{
    struct catalog *catalog = given_catalog(yaml);
    struct record record = given_record();
    struct record_try tries[] = {
        {.backend = STR_INIT("gpu"), .began_us = 1000000, .ended_us = 2000000},
        {.backend = STR_INIT("gpu"),
         .began_us = 2500000,
         .ended_us = 3000000,
         .in_flight = 5},
        {.backend = STR_INIT("other"), .began_us = 1, .ended_us = 9000000},
    };

    (void)state;
    record.tries_made = tries;
    record.tries_kept = 3;
    price(catalog, "qwen", &record);
    assert_true(record.cost == 100000);
    /* still open when the caller left */
    tries[1].ended_us = 0;
    price(catalog, "qwen", &record);
    assert_true(record.cost == 200000);
    catalog_unref(catalog);
}

static void what_nobody_answered_costs_nothing(void **state)
{
    struct catalog *catalog = given_catalog(yaml);
    struct record record = {.outcome = OUTCOME_CLIENT_ERROR};
    const struct price_terms none = {NULL, NULL, &catalog->reference};

    (void)state;
    price_record(&record, &none);
    assert_true(record.is_priced && record.cost == 0);
    assert_true(record.has_cloud_cost && record.cloud_cost == 0);
    record = given_record();
    record.outcome = OUTCOME_ERROR;
    record.usage = (struct chat_usage){0};
    price(catalog, "qwen", &record);
    assert_true(record.is_priced && record.cost == 0);
    record.outcome = OUTCOME_OK;
    record.operation = OPERATION_COUNT;
    price(catalog, "claude-sonnet-4-6", &record);
    assert_true(record.is_priced && record.cost == 0);
    catalog_unref(catalog);
}

static void an_answer_without_usage_is_unpriced(void **state)
{
    struct catalog *catalog = given_catalog(yaml);
    struct record record = given_record();

    (void)state;
    record.usage = (struct chat_usage){0};
    price(catalog, "claude-sonnet-4-6", &record);
    assert_false(record.is_priced || record.has_cloud_cost);
    /* the caller left in the middle of it */
    record.outcome = OUTCOME_CANCELLED;
    record.first_token_us = 2000000;
    price(catalog, "metered", &record);
    assert_true(record.is_priced && record.cost == 2000000);
    assert_false(record.has_cloud_cost);
    catalog_unref(catalog);
}

static void the_reference_is_the_cloud_or_what_price_as_names(void **state)
{
    static const char one[] = "price_as: claude-opus-5\n"
                              "backends:\n"
                              "  - name: gpu\n"
                              "    tier: local\n"
                              "    url: http://127.0.0.1:1\n"
                              "    models: [{name: qwen}]\n";
    struct catalog *catalog = given_catalog(one);

    (void)state;
    assert_true(catalog->reference.price.output == 25000000);
    catalog_unref(catalog);
    catalog = given_catalog(one + sizeof("price_as: claude-opus-5\n") - 1);
    assert_false(catalog->reference.price.is_known);
    catalog_unref(catalog);
    catalog = given_catalog(yaml);
    assert_true(catalog->reference.price.output == 15000000);
    catalog_unref(catalog);
}

static void prices_that_cannot_be_are_refused(void **state)
{
    static const struct {
        const char *yaml;
        const char *says;
    } rows[] = {
        {"price_as: gpt-nobody\n", "price_as: read \"gpt-nobody\", expected "
                                   "the name of a model that has a price"},
        {"price_as: claude-fable-5-2\n", "price_as"},
        {"backends:\n"
         "  - {name: a, tier: local, url: http://h, models: [{name: m, price: "
         "{input: 1}}]}\n",
         "backends[0].models[0].price.output is not set"},
        {"backends:\n"
         "  - {name: a, tier: local, url: http://h, models: [{name: m, price: "
         "{input: -1, output: 1}}]}\n",
         "backends[0].models[0].price.input: read \"-1\", expected an amount "
         "in USD"},
        {"backends:\n"
         "  - {name: a, tier: local, url: http://h, price_per_hour: 1e3, "
         "models: [{name: m}]}\n",
         "backends[0].price_per_hour: read \"1e3\""},
        {"backends:\n"
         "  - {name: a, tier: cloud, url: http://h, price_per_hour: 1, "
         "models: [{name: m}]}\n",
         "expected it for local backends alone"},
    };
    struct buf problems;

    (void)state;
    buf_init(&problems, 64 * 1024);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        given_bad_catalog(rows[i].yaml, &problems);
        assert_has(buf_str(&problems), rows[i].says);
    }
    buf_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_token_has_its_price),
        cmocka_unit_test(a_long_prompt_has_the_second_price_for_all_tokens),
        cmocka_unit_test(time_is_shared_and_rounded_half_up),
        cmocka_unit_test(each_model_is_priced_by_its_own_terms),
        cmocka_unit_test(an_override_takes_the_place_of_the_list),
        cmocka_unit_test(time_counts_from_the_try_that_answered),
        cmocka_unit_test(what_nobody_answered_costs_nothing),
        cmocka_unit_test(an_answer_without_usage_is_unpriced),
        cmocka_unit_test(the_reference_is_the_cloud_or_what_price_as_names),
        cmocka_unit_test(prices_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
