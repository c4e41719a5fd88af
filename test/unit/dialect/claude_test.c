/* dialect/claude: what each Claude model takes and costs. */
#include "dialect/claude.h"

#include "../testing.h"

static struct arena arena;
static struct claude_models shipped;

static int begin(void **state)
{
    struct str why = {NULL, 0};

    (void)state;
    arena_init(&arena);
    assert_true(claude_models_read(
        &arena, (struct str){claude_default_data, claude_default_data_len},
        &shipped, &why));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static const struct claude_model *find(const char *name)
{
    return claude_find(&shipped, str_of(name));
}

/* Of the vendor's price page of October 2026, in micro-dollars per million
 * tokens. */
static void prices_are_exact_in_pico_dollars_per_token(void **state)
{
    static const struct {
        const char *name;
        int64_t input, write_5m, write_1h, read, output;
    } rows[] = {
        {"claude-fable-5-1", 10000000, 12500000, 20000000, 250000, 50000000},
        {"claude-opus-5-5", 4000000, 5000000, 8000000, 200000, 20000000},
        {"claude-opus-5", 5000000, 6250000, 10000000, 500000, 25000000},
        {"claude-opus-4-5", 5000000, 6250000, 10000000, 500000, 25000000},
        {"claude-sonnet-5-5", 2000000, 2500000, 4000000, 100000, 10000000},
        {"claude-sonnet-4-6", 3000000, 3750000, 6000000, 300000, 15000000},
        {"claude-haiku-5-5", 100000, 125000, 200000, 10000, 500000},
        {"claude-haiku-4-5", 1000000, 1250000, 2000000, 100000, 5000000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct claude_model *model = find(rows[i].name);

        assert_non_null(model);
        assert_true(model->tariff.price.is_known);
        assert_true(model->tariff.price.input == rows[i].input);
        assert_true(model->tariff.price.cache_write_5m == rows[i].write_5m);
        assert_true(model->tariff.price.cache_write_1h == rows[i].write_1h);
        assert_true(model->tariff.price.cache_read == rows[i].read);
        assert_true(model->tariff.price.output == rows[i].output);
    }
}

static void a_long_prompt_has_the_second_price(void **state)
{
    const struct claude_model *model = find("claude-haiku-5-5");

    (void)state;
    assert_true(model->tariff.long_prompt_tokens == 100000);
    assert_true(model->tariff.long_price.is_known);
    assert_true(model->tariff.long_price.input == 500000);
    assert_true(model->tariff.long_price.output == 2500000);
    assert_true(model->tariff.long_price.cache_write_5m == 625000);
    assert_true(model->tariff.long_price.cache_read == 50000);
    assert_true(find("claude-opus-5-5")->tariff.long_prompt_tokens == 0);
    assert_false(find("claude-opus-5-5")->tariff.long_price.is_known);
}

static void a_model_without_a_price_is_unknown_and_not_free(void **state)
{
    const struct claude_model *model = find("claude-fable-5-2");

    (void)state;
    assert_non_null(model);
    assert_false(model->tariff.price.is_known);
    assert_true(model->max_output_tokens == 0);
    assert_false(claude_unknown.tariff.price.is_known);
}

static void what_a_model_takes_is_read(void **state)
{
    const struct claude_model *sonnet = find("claude-sonnet-4-6");
    const struct claude_model *opus = find("claude-opus-5-5");
    const struct claude_model *haiku = find("claude-haiku-4-5");

    (void)state;
    assert_true(sonnet->takes_adaptive && sonnet->takes_manual);
    assert_true(sonnet->takes_sampling && sonnet->takes_forced_choice);
    assert_false(sonnet->takes_prefill);
    assert_false(sonnet->hides_thinking);
    assert_int_equal(sonnet->thinking_off, CLAUDE_OFF_DEFAULT);
    assert_int_equal(sonnet->efforts,
                     1u << CLAUDE_EFFORT_LOW | 1u << CLAUDE_EFFORT_MEDIUM |
                         1u << CLAUDE_EFFORT_HIGH | 1u << CLAUDE_EFFORT_MAX);
    assert_false(opus->takes_manual || opus->takes_sampling);
    assert_false(opus->takes_forced_choice);
    assert_true(opus->hides_thinking);
    assert_int_equal(opus->thinking_off, CLAUDE_OFF_NEVER);
    assert_true(haiku->takes_prefill);
    assert_false(haiku->takes_adaptive);
    assert_int_equal(haiku->efforts, 0);
    assert_true(haiku->max_output_tokens == 64000);
    assert_true(haiku->context_window == 200000);
    assert_int_equal(find("claude-sonnet-5-5")->thinking_off,
                     CLAUDE_OFF_BETWEEN_TOOLS);
    assert_int_equal(find("claude-sonnet-5")->thinking_off,
                     CLAUDE_OFF_DISABLED);
}

static void a_model_is_found_by_each_of_its_names(void **state)
{
    static const struct {
        const char *name;
        const char *id; /* NULL: unknown */
    } cases[] = {
        {"claude-sonnet-4-6", "claude-sonnet-4-6"},
        {"anthropic/claude-sonnet-4-6", "claude-sonnet-4-6"},
        {"claude-sonnet-4-6-latest", "claude-sonnet-4-6"},
        {"claude-sonnet-4-6-20260301", "claude-sonnet-4-6"},
        {"anthropic/claude-sonnet-4-6-20260301", "claude-sonnet-4-6"},
        {"claude-sonnet-4-6-2026", NULL},
        {"claude-sonnet-4-6-2026030x", NULL},
        {"claude-sonnet", NULL},
        {"sonnet-4-6", NULL},
        {"Claude-Sonnet-4-6", NULL},
        {"anthropic/", NULL},
        {"-20250929", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct claude_model *model = find(cases[i].name);

        if (cases[i].id == NULL) {
            assert_null(model);
        } else {
            assert_non_null(model);
            assert_str(model->id, cases[i].id);
        }
    }
    assert_non_null(find("claude-haiku-4-5-20251001"));
    assert_non_null(find("claude-sonnet-4-5-20250929"));
}

static void every_id_and_alias_means_one_model(void **state)
{
    (void)state;
    assert_true(shipped.count >= 10);
    for (unsigned i = 0; i < shipped.count; i++) {
        const struct claude_model *model = &shipped.models[i];

        assert_ptr_equal(claude_find(&shipped, model->id), model);
        for (unsigned k = 0; k < model->alias_count; k++)
            assert_ptr_equal(claude_find(&shipped, model->aliases[k]), model);
    }
}

/* --- files of one's own -----------------------------------------------------
 */

#define MODEL(more) \
    "{\"models\":[{\"id\":\"m\",\"thinking_off\":\"default\"" more "}]}"

static void a_small_file_is_enough(void **state)
{
    struct claude_models models;
    struct str why = {NULL, 0};

    (void)state;
    assert_true(claude_models_read(
        &arena,
        STR("{\"models\":[{\"id\":\"m\",\"aliases\":[\"n\"],"
            "\"thinking_off\":\"default\",\"price\":{\"input\":0.1,"
            "\"output\":0.125,\"cache_write_5m\":1.05,\"cache_write_1h\":"
            "12.999,\"cache_read\":0}}]}"),
        &models, &why));
    assert_int_equal(models.count, 1);
    assert_ptr_equal(claude_find(&models, STR("n")), &models.models[0]);
    assert_true(models.models[0].tariff.price.input == 100000);
    assert_true(models.models[0].tariff.price.output == 125000);
    assert_true(models.models[0].tariff.price.cache_write_5m == 1050000);
    assert_true(models.models[0].tariff.price.cache_write_1h == 12999000);
    assert_true(models.models[0].tariff.price.cache_read == 0);
    assert_false(models.models[0].takes_sampling);
    assert_true(
        claude_models_read(&arena, STR("{\"models\":[]}"), &models, &why));
    assert_int_equal(models.count, 0);
    assert_null(claude_find(&models, STR("m")));
}

static void a_broken_file_is_told_what_is_wrong(void **state)
{
    static const struct {
        struct str text;
        const char *says;
    } cases[] = {
        {STR_INIT(""), "line 1, column 1"},
        {STR_INIT("{\"models\":\n[}"), "line 2, column 2"},
        {STR_INIT("[]"), "array \"models\""},
        {STR_INIT("{}"), "array \"models\""},
        {STR_INIT("{\"models\":{}}"), "array \"models\""},
        {STR_INIT("{\"models\":[5]}"), "id"},
        {STR_INIT("{\"models\":[{\"thinking_off\":\"default\"}]}"), "id"},
        {STR_INIT("{\"models\":[{\"id\":\"m\"}]}"), "\"m\": thinking_off"},
        {STR_INIT("{\"models\":[{\"id\":\"m\",\"thinking_off\":\"x\"}]}"),
         "thinking_off"},
        {STR_INIT(MODEL(",\"effort\":[\"tiny\"]")), "effort"},
        {STR_INIT(MODEL(",\"price\":{}")), "price"},
        {STR_INIT(MODEL(",\"price\":5")), "price"},
        {STR_INIT(MODEL(",\"price\":{\"input\":1,\"output\":2}")), "price"},
        {STR_INIT(MODEL(",\"price\":{\"input\":-1,\"output\":2,"
                        "\"cache_write_5m\":3,\"cache_write_1h\":4,"
                        "\"cache_read\":5}")),
         "price"},
        {STR_INIT(MODEL(",\"price\":{\"input\":0.1234567,\"output\":2,"
                        "\"cache_write_5m\":3,\"cache_write_1h\":4,"
                        "\"cache_read\":5}")),
         "six decimal places"},
        {STR_INIT(MODEL(",\"price\":{\"input\":1e3,\"output\":2,"
                        "\"cache_write_5m\":3,\"cache_write_1h\":4,"
                        "\"cache_read\":5}")),
         "price"},
        {STR_INIT(MODEL(",\"price\":{\"input\":\"1\",\"output\":2,"
                        "\"cache_write_5m\":3,\"cache_write_1h\":4,"
                        "\"cache_read\":5}")),
         "price"},
        {STR_INIT(MODEL(",\"price\":{\"input\":9999999,\"output\":2,"
                        "\"cache_write_5m\":3,\"cache_write_1h\":4,"
                        "\"cache_read\":5}")),
         "price"},
        {STR_INIT(MODEL(",\"price_long_prompt\":{\"above_prompt_tokens\":1}")),
         "price"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct claude_models models;
        struct str why = {NULL, 0};

        assert_false(claude_models_read(&arena, cases[i].text, &models, &why));
        assert_has(why, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prices_are_exact_in_pico_dollars_per_token),
        cmocka_unit_test(a_long_prompt_has_the_second_price),
        cmocka_unit_test(a_model_without_a_price_is_unknown_and_not_free),
        cmocka_unit_test(what_a_model_takes_is_read),
        cmocka_unit_test(a_model_is_found_by_each_of_its_names),
        cmocka_unit_test(every_id_and_alias_means_one_model),
        cmocka_unit_test(a_small_file_is_enough),
        cmocka_unit_test(a_broken_file_is_told_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
