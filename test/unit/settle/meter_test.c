/* settle/meter: how long servers have been up. */
#include "settle/meter.h"

#include "../given.h"
#include "../testing.h"

static const char two_servers[] =
    "backends:\n"
    "  - name: gpu\n"
    "    tier: local\n"
    "    url: [http://127.0.0.1:1, http://127.0.0.1:2]\n"
    "    price_per_hour: 2.49\n"
    "    models: [{name: qwen}]\n"
    "  - name: anthropic\n"
    "    tier: cloud\n"
    "    url: http://127.0.0.1:3\n"
    "    models: [{name: claude-sonnet-4-6}]\n";

static const char another_one[] = "backends:\n"
                                  "  - name: shed\n"
                                  "    tier: local\n"
                                  "    url: http://127.0.0.1:4\n"
                                  "    models: [{name: qwen}]\n";

static uint64_t up_us(const struct meter *meter, unsigned i)
{
    return atomic_load(&meter->backends[i].up_us);
}

static int64_t cost(const struct meter *meter, unsigned i)
{
    return atomic_load(&meter->backends[i].cost);
}

static void servers_count_while_they_are_not_cold(void **state)
{
    static struct meter meter;
    struct catalog *catalog = given_catalog(two_servers);
    struct replica *first = &catalog->backends[0].replicas[0];

    (void)state;
    meter_look(&meter, catalog, 1000);
    assert_int_equal(meter_count(&meter), 1); /* the cloud has no hours */
    assert_int_equal(up_us(&meter, 0), 0);
    assert_int_equal(atomic_load(&meter.backends[0].hour_price), 2490000);
    meter_look(&meter, catalog, 1500);
    assert_int_equal(up_us(&meter, 0), 1000);
    atomic_store(&first->state, HEALTH_COLD);
    meter_look(&meter, catalog, 1600); /* as it was until then */
    assert_int_equal(up_us(&meter, 0), 1200);
    meter_look(&meter, catalog, 1700);
    assert_int_equal(up_us(&meter, 0), 1300);
    catalog_unref(catalog);
}

static void hours_have_the_price_that_they_had(void **state)
{
    static struct meter meter;
    struct catalog *one = given_catalog(two_servers);
    struct backend *gpu = &one->backends[0];
    uint64_t hour_us = UINT64_C(3600) * 1000 * 1000;

    (void)state;
    meter_look(&meter, one, 1);
    meter_look(&meter, one, 1 + hour_us);
    assert_int_equal(cost(&meter, 0), INT64_C(4980000000));
    gpu->hour_price = 1000000;
    meter_look(&meter, one, 1 + 2 * hour_us); /* until now it was the old */
    assert_int_equal(cost(&meter, 0), INT64_C(9960000000));
    meter_look(&meter, one, 1 + 3 * hour_us);
    assert_int_equal(cost(&meter, 0), INT64_C(11960000000));
    gpu->has_hour_price = false;
    meter_look(&meter, one, 1 + 4 * hour_us);
    meter_look(&meter, one, 1 + 5 * hour_us);
    assert_int_equal(cost(&meter, 0), INT64_C(13960000000));
    gpu->has_hour_price = true;
    meter_look(&meter, one, 1 + 6 * hour_us);
    meter_look(&meter, one, 1 + 7 * hour_us);
    assert_int_equal(cost(&meter, 0), INT64_C(15960000000));
    catalog_unref(one);
}

/* 2.49 dollars an hour, a second at a time: no rest gets lost. */
static void many_looks_cost_as_much_as_one(void **state)
{
    static struct meter meter;
    struct catalog *catalog = given_catalog(two_servers);

    (void)state;
    for (unsigned i = 0; i <= 3600; i++)
        meter_look(&meter, catalog, 1 + UINT64_C(1000000) * i);
    assert_int_equal(cost(&meter, 0), INT64_C(4980000000));
    catalog_unref(catalog);
}

static void a_new_configuration_goes_on_under_the_same_name(void **state)
{
    static struct meter meter;
    struct catalog *one = given_catalog(two_servers);
    struct catalog *other = given_catalog(another_one);

    (void)state;
    meter_look(&meter, one, 1000);
    meter_look(&meter, other, 2000);
    assert_int_equal(meter_count(&meter), 2);
    assert_int_equal(up_us(&meter, 0), 2000);
    assert_int_equal(atomic_load(&meter.backends[1].hour_price), -1);
    meter_look(&meter, one, 3000);
    assert_int_equal(up_us(&meter, 0), 2000);
    assert_int_equal(up_us(&meter, 1), 1000);
    meter_look(&meter, one, 4000);
    assert_int_equal(up_us(&meter, 0), 4000);
    assert_int_equal(meter_count(&meter), 2);
    catalog_unref(one);
    catalog_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_count_while_they_are_not_cold),
        cmocka_unit_test(hours_have_the_price_that_they_had),
        cmocka_unit_test(many_looks_cost_as_much_as_one),
        cmocka_unit_test(a_new_configuration_goes_on_under_the_same_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
