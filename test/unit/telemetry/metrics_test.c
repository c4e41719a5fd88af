/* telemetry/metrics: counters and their text for Prometheus. */
#include "telemetry/metrics.h"

#include "../testing.h"

static struct metrics shards[2];
static struct buf out;

static int begin(void **state)
{
    (void)state;
    memset(shards, 0, sizeof(shards));
    buf_init(&out, 1 << 20);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static struct str written(void)
{
    const struct metrics *const both[] = {&shards[0], &shards[1]};

    buf_clear(&out);
    metrics_write(both, 2, &out);
    return buf_str(&out);
}

static struct record chat(enum tier tier, enum outcome outcome)
{
    return (struct record){.is_chat = true, .tier = tier, .outcome = outcome};
}

static void requests_are_counted_by_tier_and_outcome(void **state)
{
    static const enum tier tiers[] = {TIER_LOCAL, TIER_CLOUD, TIER_NONE};
    static const char *const names[] = {"local", "cloud", "none"};
    static const char *const outcomes[OUTCOMES] = {"ok", "client_error",
                                                   "error", "cancelled"};
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (unsigned t = 0; t < COUNT_OF(tiers); t++)
        for (unsigned o = 0; o < OUTCOMES; o++)
            for (unsigned n = 0; n <= t * OUTCOMES + o; n++) {
                struct record record = chat(tiers[t], (enum outcome)o);

                metrics_count(&shards[n % 2], &record);
            }
    (void)written();
    for (unsigned t = 0; t < COUNT_OF(tiers); t++)
        for (unsigned o = 0; o < OUTCOMES; o++)
            assert_has(buf_str(&out),
                       arena_printf(&arena,
                                    "\nweir_requests_total{tier=\"%s\","
                                    "outcome=\"%s\"} %u\n",
                                    names[t], outcomes[o], t * OUTCOMES + o + 1)
                           .ptr);
    arena_clear(&arena);
}

static void fields_that_were_left_out_are_counted_by_name(void **state)
{
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);
    uint16_t dropped[] = {
        (uint16_t)fields_slot(STR("chat"), STR("seed")),
        (uint16_t)fields_slot(STR("chat"), STR("x_odd")),
        (uint16_t)fields_slot(STR("chat"), STR("y_odd")),
        FIELDS_SLOTS, /* of a format without rows */
    };

    (void)state;
    assert_lacks(written(), "weir_dropped_fields_total{");
    record.dropped = dropped;
    record.dropped_count = COUNT_OF(dropped);
    metrics_count(&shards[0], &record);
    metrics_count(&shards[1], &record);
    assert_has(written(), "# TYPE weir_dropped_fields_total counter\n"
                          "weir_dropped_fields_total{format=\"chat\","
                          "field=\"seed\"} 2\n"
                          "weir_dropped_fields_total{format=\"chat\","
                          "field=\"other\"} 4\n#");
}

static void what_the_policy_wanted_local_is_counted_by_who_served(void **state)
{
    struct record record = chat(TIER_LOCAL, OUTCOME_OK);

    (void)state;
    metrics_count(&shards[0], &record); /* not wanted: not counted */
    record.wants_local = true;
    metrics_count(&shards[0], &record);
    record.was_held = true;
    metrics_count(&shards[0], &record);
    record.was_held = false;
    record.tier = TIER_CLOUD;
    metrics_count(&shards[0], &record);
    metrics_count(&shards[1], &record);
    record.tier = TIER_NONE;
    metrics_count(&shards[1], &record);
    (void)written();
    assert_has(buf_str(&out), "weir_local_wanted_total{served=\"local\"} 1\n");
    assert_has(buf_str(&out), "weir_local_wanted_total{served=\"held\"} 1\n");
    assert_has(buf_str(&out), "weir_local_wanted_total{served=\"cloud\"} 2\n");
    assert_has(buf_str(&out),
               "weir_local_wanted_total{served=\"refused\"} 1\n");
}

static void who_waits_in_vain_after_a_try_is_refused_and_not_held(void **state)
{
    struct record record = chat(TIER_LOCAL, OUTCOME_ERROR);

    (void)state;
    record.wants_local = true;
    record.was_held = true;
    record.error = ERR_NOT_READY;
    metrics_count(&shards[0], &record);
    record.error = ERR_SATURATED;
    metrics_count(&shards[0], &record);
    (void)written();
    assert_has(buf_str(&out), "weir_local_wanted_total{served=\"held\"} 0\n");
    assert_has(buf_str(&out),
               "weir_local_wanted_total{served=\"refused\"} 2\n");
}

static void tokens_are_counted_as_the_backends_counted_them(void **state)
{
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);

    (void)state;
    record.usage = (struct chat_usage){
        .is_known = true, .input = 100, .cache_read = 30, .output = 7};
    metrics_count(&shards[0], &record);
    metrics_count(&shards[1], &record);
    record.usage.is_known = false; /* numbers of nobody */
    metrics_count(&shards[0], &record);
    record.usage =
        (struct chat_usage){.is_known = true, .input = -5, .output = INT64_MIN};
    metrics_count(&shards[0], &record); /* a hostile backend's */
    record.tier = TIER_LOCAL;
    record.usage = (struct chat_usage){.is_known = true, .input = 3};
    metrics_count(&shards[0], &record);
    (void)written();
    assert_has(buf_str(&out),
               "weir_tokens_total{tier=\"cloud\",type=\"input\"} 200\n");
    assert_has(buf_str(&out),
               "weir_tokens_total{tier=\"cloud\",type=\"cached\"} 60\n");
    assert_has(buf_str(&out),
               "weir_tokens_total{tier=\"cloud\",type=\"output\"} 14\n");
    assert_has(buf_str(&out),
               "weir_tokens_total{tier=\"local\",type=\"input\"} 3\n");
}

static void other_requests_are_not_counted(void **state)
{
    struct record record = chat(TIER_NONE, OUTCOME_OK);

    (void)state;
    record.is_chat = false;
    record.wants_local = true;
    metrics_count(&shards[0], &record);
    assert_lacks(written(), "} 1\nweir_requests");
    assert_has(buf_str(&out), "weir_requests_total{tier=\"none\",outcome="
                              "\"ok\"} 0\n");
}

static void tries_are_counted_by_their_end(void **state)
{
    (void)state;
    metrics_count_try(&shards[0], TIER_LOCAL, TRY_OK);
    metrics_count_try(&shards[1], TIER_LOCAL, TRY_FAILED);
    metrics_count_try(&shards[1], TIER_LOCAL, TRY_FAILED);
    metrics_count_try(&shards[1], TIER_CLOUD, TRY_CANCELLED);
    (void)written();
    assert_has(buf_str(&out),
               "weir_tries_total{tier=\"local\",result=\"ok\"} 1\n");
    assert_has(buf_str(&out),
               "weir_tries_total{tier=\"local\",result=\"failed\"} 2\n");
    assert_has(buf_str(&out),
               "weir_tries_total{tier=\"cloud\",result=\"cancelled\"} 1\n");
    assert_has(buf_str(&out),
               "weir_tries_total{tier=\"cloud\",result=\"ok\"} 0\n");
}

/* Text format 0.0.4: HELP and TYPE once before the samples of a family. */
static void every_sample_stands_below_its_family(void **state)
{
    struct str rest = written();
    struct str family = STR("?");
    struct str line;
    unsigned samples = 0;

    (void)state;
    assert_true(str_ends(rest, STR("\n")));
    while (str_split(&rest, '\n', &line)) {
        struct str name = line;

        if (str_starts(line, STR("# HELP "))) {
            struct str text = str_slice(line, 7, line.len);

            assert_true(str_split(&text, ' ', &family));
            assert_true(text.len > 0);
            assert_true(str_split(&rest, '\n', &line));
            assert_true(str_starts(line, STR("# TYPE ")));
            assert_has(line, " ");
            assert_true(str_starts(str_slice(line, 7, line.len), family));
            continue;
        }
        assert_true(str_split(&line, '{', &name));
        assert_true(str_eq(name, family));
        assert_has(line, "} ");
        samples++;
    }
    assert_int_equal(samples, METRICS + 1); /* and the build */
    assert_has(buf_str(&out), "weir_build_info{version=\"");
}

#define with_shards(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_shards(requests_are_counted_by_tier_and_outcome),
        with_shards(fields_that_were_left_out_are_counted_by_name),
        with_shards(what_the_policy_wanted_local_is_counted_by_who_served),
        with_shards(who_waits_in_vain_after_a_try_is_refused_and_not_held),
        with_shards(tokens_are_counted_as_the_backends_counted_them),
        with_shards(other_requests_are_not_counted),
        with_shards(tries_are_counted_by_their_end),
        with_shards(every_sample_stands_below_its_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
