/* telemetry/metrics_count: what requests are counted as. */
#include "telemetry/metrics_count.h"

#include "../given.h"
#include "../testing.h"
#include "telemetry/exposition.h"

static struct catalog *catalog;
static struct metrics_names *names;
static struct metrics shards[2];
static struct buf out;
static struct arena arena;

static int begin(void **state)
{
    (void)state;
    catalog = given_catalog(
        "local: {url: 'http://127.0.0.1:1,http://127.0.0.1:2', model: qwen}\n"
        "cloud: {api_key: sk, url: 'http://127.0.0.1:3'}\n");
    names = metrics_names_new();
    metrics_names_follow(names, catalog);
    metrics_names_add(names, NAMES_CAUSE, STR("context"));
    for (unsigned i = 0; i < COUNT_OF(shards); i++) {
        metrics_init(&shards[i], names);
        metrics_follow(&shards[i], catalog);
    }
    buf_init(&out, 16 << 20);
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(shards); i++)
        metrics_fini(&shards[i]);
    metrics_names_free(names);
    catalog_unref(catalog);
    buf_fini(&out);
    arena_clear(&arena);
    return 0;
}

static struct str written(void)
{
    const struct metrics *const both[] = {&shards[0], &shards[1]};
    struct exposition exposition;
    struct metrics_visitor visitor;

    buf_clear(&out);
    visitor = exposition_begin(&exposition, EXPOSITION_TEXT, &out);
    metrics_walk(both, 2, &visitor);
    exposition_end(&exposition);
    return buf_str(&out);
}

static struct record chat(enum tier tier, enum outcome outcome)
{
    struct record record = {
        .is_chat = true,
        .tier = tier,
        .outcome = outcome,
        .status = 200,
        .reason = STR_INIT("explicit"),
        .began_us = 1000,
        .received_us = 1500,
        .ended_us = 61000,
    };

    if (tier == TIER_LOCAL) {
        record.backend = STR("vllm");
        record.served_model = STR("qwen");
    } else if (tier == TIER_CLOUD) {
        record.backend = STR("anthropic");
        record.served_model = STR("claude-sonnet-4-6");
    }
    return record;
}

static void count(unsigned shard, const struct record *record)
{
    metrics_count(&shards[shard], record, &catalog->claude);
}

static void requests_are_counted_by_who_answered_and_why(void **state)
{
    static const struct {
        enum tier tier;
        const char *reason;
        int status;
        enum outcome outcome;
        const char *labels;
    } cases[] = {
        {TIER_LOCAL, "explicit", 200, OUTCOME_OK,
         "tier=\"local\",target=\"vllm\",reason=\"explicit\",status=\"200\","
         "outcome=\"ok\""},
        {TIER_LOCAL, "rule:short", 499, OUTCOME_CANCELLED,
         "tier=\"local\",target=\"vllm\",reason=\"rule:short\",status=\"499\","
         "outcome=\"cancelled\""},
        {TIER_CLOUD, "fallback:503", 200, OUTCOME_OK,
         "tier=\"cloud\",target=\"anthropic\",reason=\"fallback:503\","
         "status=\"200\",outcome=\"ok\""},
        {TIER_CLOUD, "fallback:connect_timeout", 529, OUTCOME_ERROR,
         "tier=\"cloud\",target=\"anthropic\","
         "reason=\"fallback:connect_timeout\",status=\"529\","
         "outcome=\"error\""},
        {TIER_CLOUD, "spill:full", 418, OUTCOME_CLIENT_ERROR,
         "tier=\"cloud\",target=\"anthropic\",reason=\"spill:full\","
         "status=\"4xx\",outcome=\"client_error\""},
        {TIER_CLOUD, "fit:context", 200, OUTCOME_OK,
         "tier=\"cloud\",target=\"anthropic\",reason=\"fit:context\","
         "status=\"200\",outcome=\"ok\""},
        {TIER_LOCAL, "service:embeddings", 200, OUTCOME_OK,
         "tier=\"local\",target=\"vllm\",reason=\"service:embeddings\","
         "status=\"200\",outcome=\"ok\""},
        {TIER_LOCAL, "fallback:599", 200, OUTCOME_OK,
         "tier=\"local\",target=\"vllm\",reason=\"fallback:5xx\","
         "status=\"200\",outcome=\"ok\""},
        {TIER_NONE, "pin", 503, OUTCOME_ERROR,
         "tier=\"none\",target=\"none\",reason=\"none\",status=\"503\","
         "outcome=\"error\""},
    };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        for (unsigned n = 0; n <= i; n++) {
            struct record record = chat(cases[i].tier, cases[i].outcome);

            record.reason = str_of(cases[i].reason);
            record.status = cases[i].status;
            count(n % 2, &record);
        }
    (void)written();
    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        assert_has(buf_str(&out),
                   arena_printf(&arena, "\nweir_requests_total{%s} %u\n",
                                cases[i].labels, i + 1)
                       .ptr);
}

static void what_is_likely_to_come_begins_at_0(void **state)
{
    (void)state;
    (void)written();
    assert_has(buf_str(&out),
               "weir_requests_total{tier=\"cloud\",target=\"anthropic\","
               "reason=\"explicit\",status=\"502\",outcome=\"error\"} 0\n");
    assert_has(buf_str(&out), "weir_tokens_total{tier=\"local\",model=\"qwen\","
                              "type=\"reasoning\"} 0\n");
    assert_has(buf_str(&out), "weir_first_token_seconds_count{tier=\"cloud\"} "
                              "0\n");
    assert_has(buf_str(&out), "weir_tries_total{tier=\"local\",target=\"vllm\","
                              "result=\"failed\"} 0\n");
    assert_has(buf_str(&out),
               "weir_local_wanted_total{backend=\"vllm\",served=\"held\"} 0\n");
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
    count(0, &record);
    count(1, &record);
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
    count(0, &record); /* not wanted: not counted */
    record.wants_local = true;
    record.wanted = STR("vllm");
    count(0, &record);
    record.was_held = true;
    count(0, &record);
    record.was_held = false;
    record.tier = TIER_CLOUD;
    count(0, &record);
    count(1, &record);
    record.tier = TIER_NONE;
    count(1, &record);
    (void)written();
    assert_has(
        buf_str(&out),
        "weir_local_wanted_total{backend=\"vllm\",served=\"local\"} 1\n");
    assert_has(buf_str(&out),
               "weir_local_wanted_total{backend=\"vllm\",served=\"held\"} 1\n");
    assert_has(
        buf_str(&out),
        "weir_local_wanted_total{backend=\"vllm\",served=\"cloud\"} 2\n");
    assert_has(
        buf_str(&out),
        "weir_local_wanted_total{backend=\"vllm\",served=\"refused\"} 1\n");
}

static void demand_is_counted_for_the_backend_that_was_wanted(void **state)
{
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);

    (void)state;
    /* another one's, that a reload has taken away, and one never heard of */
    metrics_names_add(names, NAMES_TARGET, STR("coder"));
    record.wants_local = true;
    record.wanted = STR("coder");
    count(0, &record);
    record.wanted = STR("nobody");
    count(0, &record);
    (void)written();
    assert_has(
        buf_str(&out),
        "weir_local_wanted_total{backend=\"coder\",served=\"cloud\"} 1\n");
    assert_has(
        buf_str(&out),
        "weir_local_wanted_total{backend=\"other\",served=\"cloud\"} 1\n");
    assert_has(
        buf_str(&out),
        "weir_local_wanted_total{backend=\"vllm\",served=\"cloud\"} 0\n");
    /* the cloud's backends are never wanted local */
    assert_lacks(buf_str(&out),
                 "weir_local_wanted_total{backend=\"anthropic\"");
}

static void who_waits_in_vain_after_a_try_is_refused_and_not_held(void **state)
{
    struct record record = chat(TIER_LOCAL, OUTCOME_ERROR);

    (void)state;
    record.wants_local = true;
    record.wanted = STR("vllm");
    record.was_held = true;
    record.error = ERR_NOT_READY;
    count(0, &record);
    record.error = ERR_SATURATED;
    count(0, &record);
    (void)written();
    assert_has(buf_str(&out),
               "weir_local_wanted_total{backend=\"vllm\",served=\"held\"} 0\n");
    assert_has(
        buf_str(&out),
        "weir_local_wanted_total{backend=\"vllm\",served=\"refused\"} 2\n");
}

static void tokens_are_counted_as_the_backends_counted_them(void **state)
{
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);

    (void)state;
    record.usage = (struct chat_usage){.is_known = true,
                                       .input = 100,
                                       .cache_read = 30,
                                       .cache_write = 11,
                                       .output = 7,
                                       .has_reasoning = true,
                                       .reasoning = 5};
    count(0, &record);
    count(1, &record);
    record.usage.is_known = false; /* numbers of nobody */
    count(0, &record);
    record.usage =
        (struct chat_usage){.is_known = true, .input = -5, .output = INT64_MIN};
    count(0, &record); /* a hostile backend's */
    (void)written();
#define TOKENS(type, n)                                                  \
    assert_has(buf_str(&out),                                            \
               "weir_tokens_total{tier=\"cloud\",model=\"claude-sonnet-" \
               "4-6\",type=\"" type "\"} " n "\n")
    TOKENS("input", "200");
    TOKENS("output", "14");
    TOKENS("cache_read", "60");
    TOKENS("cache_write", "22");
    TOKENS("reasoning", "10");
#undef TOKENS
}

static void a_claude_has_one_name_however_it_is_spelled(void **state)
{
    static const char *const spellings[] = {"claude-sonnet-4-6",
                                            "claude-sonnet-4-6-20260101",
                                            "anthropic/claude-sonnet-4-6"};
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);

    (void)state;
    record.usage = (struct chat_usage){.is_known = true, .input = 1};
    for (unsigned i = 0; i < COUNT_OF(spellings); i++) {
        record.served_model = str_of(spellings[i]);
        count(0, &record);
    }
    record.served_model = STR("claude-of-my-own");
    count(0, &record);
    (void)written();
    assert_has(buf_str(&out),
               "weir_tokens_total{tier=\"cloud\",model=\"claude-sonnet-4-6\","
               "type=\"input\"} 3\n");
    assert_has(buf_str(&out), "weir_tokens_total{tier=\"cloud\",model=\"other\""
                              ",type=\"input\"} 1\n");
    assert_lacks(buf_str(&out), "of-my-own");
}

static void money_is_exact_to_the_nano_dollar(void **state)
{
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);

    (void)state;
    record.is_priced = true;
    record.cost = 100000001; /* 0.1 and what a float would lose */
    for (unsigned i = 0; i < 30; i++)
        count(i % 2, &record);
    (void)written();
    assert_has(buf_str(&out), "weir_cost_dollars_total{tier=\"cloud\",model="
                              "\"claude-sonnet-4-6\",basis=\"token\"} "
                              "3.00000003\n");
    assert_has(buf_str(&out), "weir_unpriced_requests_total{tier=\"cloud\","
                              "model=\"claude-sonnet-4-6\"} 0\n");
}

static void what_the_cloud_would_cost_is_counted_apart(void **state)
{
    struct record record = chat(TIER_LOCAL, OUTCOME_OK);

    (void)state;
    record.is_priced = record.is_hourly = record.has_cloud_cost = true;
    record.cost = 5;
    record.cloud_cost = 100000001;
    count(0, &record);
    count(1, &record);
    record.has_cloud_cost = false; /* nobody knows the tokens */
    count(1, &record);
    (void)written();
    assert_has(buf_str(&out),
               "weir_cost_dollars_total{tier=\"local\",model=\"qwen\","
               "basis=\"hour\"} 0.000000015\n");
    assert_has(buf_str(&out), "weir_cloud_equivalent_dollars_total{tier="
                              "\"local\",model=\"qwen\"} 0.200000002\n");
    assert_has(buf_str(&out), "weir_cloud_equivalent_dollars_total{tier="
                              "\"cloud\",model=\"claude-sonnet-4-6\"} 0\n");
}

static void an_answer_without_a_price_is_counted_and_not_free(void **state)
{
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);

    (void)state;
    record.served_model = STR("claude-of-my-own");
    count(0, &record);
    record.operation = OPERATION_COUNT; /* costs nothing anywhere */
    count(0, &record);
    record.operation = OPERATION_CHAT;
    record.outcome = OUTCOME_ERROR; /* nothing was served */
    count(0, &record);
    assert_has(written(), "weir_unpriced_requests_total{tier=\"cloud\","
                          "model=\"other\"} 1\n");
    assert_lacks(buf_str(&out), "weir_cost_dollars_total{tier=\"cloud\","
                                "model=\"other\"");
}

static void other_requests_are_not_counted(void **state)
{
    struct record record = chat(TIER_NONE, OUTCOME_OK);
    size_t before = written().len;

    (void)state;
    record.is_chat = false;
    record.wants_local = true;
    record.wanted = STR("vllm");
    count(0, &record);
    assert_int_equal(written().len, before);
    assert_lacks(buf_str(&out), "} 1\n");
}

static void tries_and_fallbacks_are_counted_by_their_targets(void **state)
{
    (void)state;
    metrics_count_try(&shards[0], catalog->local, TRY_OK);
    metrics_count_try(&shards[1], catalog->local, TRY_FAILED);
    metrics_count_try(&shards[1], catalog->local, TRY_FAILED);
    metrics_count_try(&shards[1], catalog->cloud, TRY_CANCELLED);
    metrics_count_fallback(&shards[0], catalog->local, catalog->cloud,
                           STR("cold"));
    metrics_count_fallback(&shards[1], catalog->local, catalog->cloud,
                           STR("cold"));
    metrics_count_fallback(&shards[1], catalog->local, catalog->cloud,
                           STR("a cause that nobody knows"));
    (void)written();
#define TRIES(labels, n) \
    assert_has(buf_str(&out), "weir_tries_total{" labels "} " n "\n")
    TRIES("tier=\"local\",target=\"vllm\",result=\"ok\"", "1");
    TRIES("tier=\"local\",target=\"vllm\",result=\"failed\"", "2");
    TRIES("tier=\"cloud\",target=\"anthropic\",result=\"cancelled\"", "1");
    TRIES("tier=\"cloud\",target=\"anthropic\",result=\"ok\"", "0");
#undef TRIES
    assert_has(buf_str(&out),
               "weir_fallbacks_total{from=\"vllm\",to=\"anthropic\","
               "cause=\"cold\"} 2\n");
    assert_has(buf_str(&out),
               "weir_fallbacks_total{from=\"vllm\",to=\"anthropic\","
               "cause=\"other\"} 1\n");
}

/* --- times --------------------------------------------------------------- */

static void the_routers_own_time_is_without_waits_and_the_backend(void **state)
{
    struct record record = chat(TIER_LOCAL, OUTCOME_OK);
    struct record_try tries[] = {
        {.began_us = 31500, .ended_us = 40000, .error = ERR_CONNECT},
        {.began_us = 41000, .ended_us = 60900},
    };

    (void)state;
    tries[0].tier = tries[1].tier = TIER_LOCAL;
    tries[0].model = tries[1].model = STR("qwen");
    count(0, &record); /* nothing was tried: not to be known */
    assert_has(written(), "weir_router_overhead_seconds_count 0\n");
    record.tries_made = tries;
    record.tries_kept = 2;
    record.waited_us = 1700;
    record.answered_us = 60900;
    count(0, &record); /* 200 us to the wait, 100 us after the answer */
    assert_has(written(), "weir_router_overhead_seconds_sum 0.0003\n");
    assert_has(buf_str(&out),
               "weir_router_overhead_seconds_bucket{le=\"0.00025\"} 0\n"
               "weir_router_overhead_seconds_bucket{le=\"0.0005\"} 1\n");
    record.waited_us = record.answered_us = 0;
    count(1, &record); /* 30000 us to the first try */
    assert_has(written(), "weir_router_overhead_seconds_sum 0.0303\n");
}

static void times_of_requests_and_streams_are_kept_by_tier(void **state)
{
    struct record record = chat(TIER_LOCAL, OUTCOME_OK);

    (void)state;
    record.first_token_us = 30000;
    count(0, &record); /* in one piece: the first token is no news */
    assert_has(written(), "weir_first_token_seconds_count{tier=\"local\"} 0\n");
    record.is_stream = true;
    count(1, &record);
    metrics_count_piece(&shards[1], &record, 12345, 42345);
    assert_has(written(), "weir_first_token_seconds_sum{tier=\"local\"} "
                          "0.029\n");
    assert_has(buf_str(&out), "weir_request_duration_seconds_sum{tier=\"local\""
                              ",stream=\"true\"} 0.06\n");
    assert_has(buf_str(&out), "weir_inter_token_seconds_sum{tier=\"local\"} "
                              "0.012345\n");
}

static void genai_metrics_see_each_try(void **state)
{
    struct record record = chat(TIER_CLOUD, OUTCOME_OK);
    struct record_try tries[] = {
        {.tier = TIER_LOCAL,
         .dialect = DIALECT_OPENAI,
         .model = STR_INIT("qwen"),
         .error = ERR_CONNECT,
         .began_us = 2000,
         .ended_us = 2500},
        {.tier = TIER_CLOUD,
         .dialect = DIALECT_ANTHROPIC,
         .model = STR_INIT("claude-sonnet-4-6"),
         .began_us = 3000,
         .first_token_us = 23000,
         .ended_us = 60000},
    };

    (void)state;
    record.is_stream = true;
    record.tries_made = tries;
    record.tries_kept = 2;
    record.usage =
        (struct chat_usage){.is_known = true, .input = 100, .output = 4};
    count(0, &record);
    (void)written();
    assert_has(
        buf_str(&out),
        "gen_ai_client_operation_duration_seconds_sum{gen_ai_operation_name="
        "\"chat\",gen_ai_provider_name=\"vllm\",gen_ai_request_model=\"qwen\","
        "error_type=\"connect\"} 0.0005\n");
    assert_has(
        buf_str(&out),
        "gen_ai_client_operation_duration_seconds_sum{gen_ai_operation_name="
        "\"chat\",gen_ai_provider_name=\"anthropic\",gen_ai_request_model="
        "\"claude-sonnet-4-6\"} 0.057\n");
    assert_has(buf_str(&out),
               "gen_ai_client_operation_time_to_first_chunk_seconds_sum{"
               "gen_ai_operation_name=\"chat\",gen_ai_provider_name="
               "\"anthropic\",gen_ai_request_model=\"claude-sonnet-4-6\"} "
               "0.02\n");
    assert_has(buf_str(&out),
               "gen_ai_client_token_usage_bucket{gen_ai_operation_name=\"chat\""
               ",gen_ai_provider_name=\"anthropic\",gen_ai_request_model="
               "\"claude-sonnet-4-6\",gen_ai_token_type=\"output\",le=\"4.0\"} "
               "1\n");
}

#define with_shards(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_shards(requests_are_counted_by_who_answered_and_why),
        with_shards(what_is_likely_to_come_begins_at_0),
        with_shards(fields_that_were_left_out_are_counted_by_name),
        with_shards(what_the_policy_wanted_local_is_counted_by_who_served),
        with_shards(demand_is_counted_for_the_backend_that_was_wanted),
        with_shards(who_waits_in_vain_after_a_try_is_refused_and_not_held),
        with_shards(tokens_are_counted_as_the_backends_counted_them),
        with_shards(a_claude_has_one_name_however_it_is_spelled),
        with_shards(money_is_exact_to_the_nano_dollar),
        with_shards(what_the_cloud_would_cost_is_counted_apart),
        with_shards(an_answer_without_a_price_is_counted_and_not_free),
        with_shards(other_requests_are_not_counted),
        with_shards(tries_and_fallbacks_are_counted_by_their_targets),
        with_shards(the_routers_own_time_is_without_waits_and_the_backend),
        with_shards(times_of_requests_and_streams_are_kept_by_tier),
        with_shards(genai_metrics_see_each_try),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
