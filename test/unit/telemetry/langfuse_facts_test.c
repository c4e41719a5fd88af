/* telemetry/langfuse_facts: what a record is in Langfuse's words. */
#include "telemetry/langfuse_facts.h"

#include "../testing.h"
#include "langfuse_given.h"

static struct buf out;
static struct arena arena;
static struct langfuse_told told;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 16);
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    arena_clear(&arena);
    return 0;
}

static const char *level_of(const struct record *record)
{
    struct str level = langfuse_level(record);

    return level.len > 0 ? level.ptr : "";
}

static void assert_ended(const struct record *record, const char *level,
                         const char *message)
{
    assert_string_equal(level_of(record), level);
    buf_clear(&out);
    langfuse_put_message(&out, record);
    assert_str(buf_str(&out), message);
}

static void only_what_a_model_was_asked_is_a_generation(void **state)
{
    struct record record = langfuse_given_record();

    (void)state;
    assert_true(langfuse_is_generation(&record));
    record.operation = OPERATION_EMBEDDINGS;
    assert_true(langfuse_is_generation(&record));
    assert_str(langfuse_name(&record), "embeddings");
    record.operation = OPERATION_COMPLETION;
    assert_str(langfuse_name(&record), "completions");
    record.operation = OPERATION_COUNT;
    assert_false(langfuse_is_generation(&record));
    record.operation = OPERATION_CHAT;
    assert_str(langfuse_name(&record), "chat.completions");
    record.is_chat = false;
    assert_false(langfuse_is_generation(&record));
    record = langfuse_given_record();
    record.model = STR(""); /* nobody has read the request */
    assert_false(langfuse_is_generation(&record));
}

static void the_model_is_who_served(void **state)
{
    struct record record = langfuse_given_record();

    (void)state;
    assert_str(langfuse_model(&record), "auto");
    record.served_model = STR("qwen");
    assert_str(langfuse_model(&record), "qwen");
}

static void the_level_tells_how_it_ended(void **state)
{
    struct record record = langfuse_given_record();

    (void)state;
    assert_string_equal(level_of(&record), "");
    record.reason = STR("rule:short");
    assert_string_equal(level_of(&record), "");
    record.reason = STR("fallback:connect");
    assert_ended(&record, "WARNING", "fallback:connect");
    record.reason = STR("spill:full");
    assert_ended(&record, "WARNING", "spill:full");
    record.outcome = OUTCOME_ERROR;
    record.error = ERR_CONNECT;
    assert_ended(&record, "ERROR",
                 "connect: The backend refused the connection.");
    record.outcome = OUTCOME_CLIENT_ERROR;
    record.error = OK;
    record.status = 422;
    assert_ended(&record, "ERROR", "HTTP 422");
    record.outcome = OUTCOME_CANCELLED;
    record.error = ERR_CALLER_LEFT;
    assert_ended(&record, "WARNING",
                 "caller_left: The caller closed the connection.");
}

static void assert_usage(struct chat_usage usage, const char *json)
{
    struct record record = {.usage = usage};

    buf_clear(&out);
    langfuse_put_usage(&out, &record, LANGFUSE_PLAIN);
    assert_str(buf_str(&out), json);
}

/* Langfuse adds the kinds up. */
static void each_token_is_of_one_kind(void **state)
{
    (void)state;
    assert_usage((struct chat_usage){.input = 12, .output = 3},
                 "{\"input\":12,\"output\":3,\"total\":15}");
    assert_usage((struct chat_usage){.input = 12}, /* embeddings */
                 "{\"input\":12,\"output\":0,\"total\":12}");
    assert_usage(
        (struct chat_usage){.input = 1000,
                            .cache_read = 600,
                            .cache_write = 300,
                            .cache_write_1h = 50,
                            .output = 40,
                            .has_reasoning = true,
                            .reasoning = 15},
        "{\"input\":100,\"output\":25,\"cache_read_input_tokens\":600,"
        "\"cache_creation_input_tokens\":250,\"input_cache_creation_1h\":50,"
        "\"output_reasoning_tokens\":15,\"total\":1040}");
    /* a backend that cannot count */
    assert_usage((struct chat_usage){.input = 5,
                                     .cache_read = 9,
                                     .cache_write = 1,
                                     .cache_write_1h = 7,
                                     .output = -4},
                 "{\"input\":0,\"output\":0,\"cache_read_input_tokens\":9,"
                 "\"input_cache_creation_1h\":1,\"total\":10}");
}

static void parameters_are_what_the_caller_set(void **state)
{
    struct record record = langfuse_given_record();

    (void)state;
    assert_false(langfuse_has_parameters(&record));
    record.params.temperature = STR("0.70");
    assert_true(langfuse_has_parameters(&record));
    langfuse_put_parameters(&out, &record, LANGFUSE_PLAIN);
    assert_str(buf_str(&out), "{\"temperature\":0.70}");
    record = langfuse_given_full();
    record.params.top_p = STR("1e999"); /* a number to nobody */
    buf_clear(&out);
    langfuse_put_parameters(&out, &record, LANGFUSE_IN_STRING);
    assert_str(buf_str(&out),
               "{\\\"max_tokens\\\":100,\\\"temperature\\\":0.70,"
               "\\\"top_p\\\":\\\"1e999\\\",\\\"top_k\\\":5,"
               "\\\"n\\\":2,\\\"stop_sequences\\\":3,"
               "\\\"json\\\":true}");
}

static void names_that_are_too_long_are_nobodys(void **state)
{
    char text[2 * (LANGFUSE_NAME_MAX + 1)];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    assert_int_equal(langfuse_person((struct str){text, sizeof(text)}).len, 0);
    assert_int_equal(langfuse_person((struct str){text, sizeof(text) - 2}).len,
                     sizeof(text) - 2);
}

/* --- the caller's metadata ----------------------------------------------- */

static void read_told(const char *metadata)
{
    langfuse_read_told(&arena, str_of(metadata), &told);
}

static void assert_pair(unsigned i, const char *key, const char *value)
{
    assert_true(i < told.pair_count);
    assert_str(told.pairs[i].key, key);
    assert_str(told.pairs[i].value, value);
}

static void tags_are_a_list_or_have_commas(void **state)
{
    (void)state;
    read_told("{\"tags\":[\"a\",\" b \",\"a\",\"\",7,null]}");
    assert_int_equal(told.tag_count, 2);
    assert_str(told.tags[0], "a");
    assert_str(told.tags[1], "b");
    assert_int_equal(told.pair_count, 0);
    read_told("{\"tags\":\"x, y,, x\"}");
    assert_int_equal(told.tag_count, 2);
    assert_str(told.tags[0], "x");
    assert_str(told.tags[1], "y");
    read_told("{\"tags\":{\"a\":1}}"); /* no tags, but something */
    assert_int_equal(told.tag_count, 0);
    assert_pair(0, "tags", "{\"a\":1}");
}

static void a_tag_that_is_too_long_is_left_out(void **state)
{
    char metadata[LANGFUSE_NAME_MAX + 64];
    char tag[LANGFUSE_NAME_MAX + 2];

    (void)state;
    memset(tag, 'x', sizeof(tag));
    tag[sizeof(tag) - 1] = '\0';
    (void)snprintf(metadata, sizeof(metadata), "{\"tags\":[\"%s\",\"ok\"]}",
                   tag);
    read_told(metadata);
    assert_int_equal(told.tag_count, 1);
    assert_str(told.tags[0], "ok");
}

static void other_members_are_pairs(void **state)
{
    (void)state;
    read_told("{\"team\":\"red\",\"n\":1.50,\"deep\":{\"a\":[1,2]},"
              "\"empty\":\"\",\"team\":\"blue\",\"on\":true}");
    assert_int_equal(told.pair_count, 4);
    assert_pair(0, "team", "red");
    assert_pair(1, "n", "1.50");
    assert_pair(2, "deep", "{\"a\":[1,2]}");
    assert_pair(3, "on", "true");
}

static void keys_that_are_not_theirs_are_dropped(void **state)
{
    (void)state;
    read_told("{\"__proto__\":\"1\",\"a.constructor.b\":\"2\","
              "\"prototype\":\"3\",\"router_target\":\"4\",\"\":\"5\","
              "\"proto\":\"6\"}");
    assert_int_equal(told.pair_count, 1);
    assert_pair(0, "proto", "6");
}

static void what_is_told_has_bounds(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_put_char(&text, '{');
    for (unsigned i = 0; i < 2 * LANGFUSE_PAIRS_MAX; i++)
        buf_printf(&text, "\"k%u\":\"%0*u\",", i, i == 0 ? 5000 : 1, i);
    buf_put(&text, STR("\"tags\":["));
    for (unsigned i = 0; i < 2 * LANGFUSE_TAGS_MAX; i++)
        buf_printf(&text, "\"t%u\",", i);
    buf_put(&text, STR("\"last\"]}"));
    langfuse_read_told(&arena, buf_str(&text), &told);
    assert_int_equal(told.pair_count, LANGFUSE_PAIRS_MAX);
    assert_int_equal(told.pairs[0].value.len, 2000);
    assert_int_equal(told.tag_count, LANGFUSE_TAGS_MAX);
    buf_fini(&text);
}

static void what_is_no_object_tells_nothing(void **state)
{
    static const char *const texts[] = {"",     "[1]", "\"tags\"",
                                        "null", "{",   "{\"tags\":"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        told.pair_count = told.tag_count = 9;
        read_told(texts[i]);
        assert_int_equal(told.pair_count, 0);
        assert_int_equal(told.tag_count, 0);
    }
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(only_what_a_model_was_asked_is_a_generation),
        fresh(the_model_is_who_served),
        fresh(the_level_tells_how_it_ended),
        fresh(each_token_is_of_one_kind),
        fresh(parameters_are_what_the_caller_set),
        fresh(names_that_are_too_long_are_nobodys),
        fresh(tags_are_a_list_or_have_commas),
        fresh(a_tag_that_is_too_long_is_left_out),
        fresh(other_members_are_pairs),
        fresh(keys_that_are_not_theirs_are_dropped),
        fresh(what_is_told_has_bounds),
        fresh(what_is_no_object_tells_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
