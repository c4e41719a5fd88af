/* dialect/openai_plain and dialect/count: requests without a conversation, and
 * how long one is. */
#include "../testing.h"
#include "dialect/format.h"

static struct arena arena;
static struct chat chat;
static struct chat_error error;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static bool reads(const struct format *format, const char *body)
{
    error = (struct chat_error){.error = OK};
    return format->read_request(&arena, str_of(body), &chat, &error);
}

static void a_completion_is_read_for_the_choice(void **state)
{
    (void)state;
    assert_true(reads(&format_completions,
                      "{\"model\":\"m\",\"prompt\":[\"ab\",\"c\"],\"stream\":"
                      "true,\"max_tokens\":7,\"from_tomorrow\":[]}"));
    assert_str(chat.model, "m");
    assert_true(chat.is_stream && chat.has_max_tokens && chat.max_tokens == 7);
    assert_int_equal(chat.characters, 3);
    assert_int_equal(chat.message_count, 1);
    assert_int_equal(chat.messages[0].part_count, 2);
    assert_str(chat.messages[0].parts[1].text, "c");
    assert_false(chat.include_usage);
    assert_true(reads(&format_completions, "{\"prompt\":\"ab\"}"));
    assert_int_equal(chat.characters, 2);
    assert_true(reads(&format_completions,
                      "{\"prompt\":\"ab\",\"stream_options\":"
                      "{\"include_usage\":true}}"));
    assert_true(chat.include_usage);
}

static void tokens_count_four_characters_each(void **state)
{
    static const struct {
        const char *input;
        size_t characters;
    } cases[] = {{"[1,2,3]", 12}, {"[[1,2],[3]]", 12}, {"[]", 0},
                 {"[[]]", 0},     {"\"\"", 0},         {"[\"abc\",\"\"]", 3}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(
            reads(&format_embeddings,
                  arena_printf(&arena, "{\"input\":%s}", cases[i].input).ptr));
        assert_int_equal(chat.characters, cases[i].characters);
    }
}

static void what_is_no_input_is_named(void **state)
{
    static const struct {
        const struct format *format;
        const char *body;
        const char *param;
    } cases[] = {
        {&format_completions, "{}", "prompt"},
        {&format_completions, "{\"prompt\":null}", "prompt"},
        {&format_completions, "{\"prompt\":{}}", "prompt"},
        {&format_completions, "{\"prompt\":7}", "prompt"},
        {&format_completions, "{\"prompt\":[\"a\",null]}", "prompt[1]"},
        {&format_completions, "{\"prompt\":[[1],[\"a\"]]}", "prompt[1]"},
        {&format_completions, "{\"prompt\":\"a\",\"max_tokens\":\"7\"}",
         "max_tokens"},
        {&format_completions, "{\"prompt\":\"a\",\"stream\":1}", "stream"},
        {&format_completions, "{\"prompt\":\"a\",\"stream_options\":1}",
         "stream_options"},
        {&format_embeddings, "{\"prompt\":\"a\"}", "input"},
        {&format_embeddings, "{\"input\":true}", "input"},
        {&format_embeddings, "{\"input\":[{}]}", "input[0]"},
        {&format_embeddings, "{\"input\":\"a\",\"model\":1}", "model"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(reads(cases[i].format, cases[i].body));
        assert_str(error.param, cases[i].param);
        assert_int_equal(chat_error_status(&error), 400);
    }
}

static void embeddings_are_relayed_under_the_callers_name(void **state)
{
    struct str body = STR(" {\"object\":\"list\",\"model\":\"up\",\"data\":[{"
                          "\"embedding\":[1.0e0]}],\"usage\":{\"prompt_"
                          "tokens\":3}}");
    struct relay_facts facts = {0};

    (void)state;
    assert_true(format_embeddings.relay_read(&arena, body, &facts));
    assert_true(facts.has_token && !facts.is_error && facts.usage.input == 3);
    assert_str(
        str_slice(body, facts.model_at, facts.model_at + facts.model_len),
        "\"up\"");
    assert_true(format_embeddings.relay_read(
        &arena, STR("{\"error\":{\"message\":\"x\"}}"), &facts));
    assert_true(facts.is_error && facts.model_len == 0);
    facts = (struct relay_facts){0};
    assert_true(
        format_embeddings.relay_read(&arena, STR("{\"data\":[]}"), &facts));
    assert_false(facts.has_token);
    assert_false(format_embeddings.relay_read(&arena, STR("[]"), &facts));
    assert_false(format_embeddings.relay_read(&arena, STR("x"), &facts));
}

/* --- counting tokens ---------------------------------------------------------
 */

static void a_count_needs_no_max_tokens(void **state)
{
    (void)state;
    assert_true(reads(&format_count,
                      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                      "\"content\":\"x\"}],\"tools\":[]}"));
    assert_false(reads(&format_messages,
                       "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                       "\"content\":\"x\"}]}"));
    assert_false(reads(&format_count, "{\"model\":\"m\"}"));
    assert_str(error.param, "messages");
}

static void the_tokenizer_gets_what_the_model_would(void **state)
{
    struct request_style style = {.model = STR("up")};
    struct request_notes notes;
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    assert_true(reads(
        &format_count,
        "{\"model\":\"m\",\"system\":\"S\",\"messages\":[{\"role\":\"user\","
        "\"content\":\"x\"}],\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],"
        "\"temperature\":1,\"max_tokens\":5}"));
    assert_true(format_tokenize.write_request(&arena, &chat, &style, &out,
                                              &notes, &error));
    assert_str(buf_str(&out),
               "{\"model\":\"up\",\"messages\":[{\"role\":\"system\","
               "\"content\":\"S\"},{\"role\":\"user\",\"content\":\"x\"}],"
               "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
               "\"parameters\":{}}}],\"add_generation_prompt\":true}");
    buf_fini(&out);
}

static void a_count_is_read_from_both(void **state)
{
    struct answer_style style = {.model = STR("m")};
    struct relay_facts facts = {0};
    struct names names = {0};
    struct chat_answer answer;
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    assert_true(format_tokenize.read_answer(
        &arena, STR("{\"count\":42,\"max_model_len\":9,\"tokens\":[]}"), &names,
        &answer, &error));
    format_count.write_answer(&style, &answer, &out);
    assert_str(buf_str(&out), "{\"input_tokens\":42}");
    buf_clear(&out);
    format_count.write_estimate(7, &out);
    assert_str(buf_str(&out), "{\"input_tokens\":7}");
    assert_false(format_tokenize.read_answer(&arena, STR("{\"tokens\":[]}"),
                                             &names, &answer, &error));
    assert_false(format_tokenize.read_answer(&arena, STR("{\"count\":\"x\"}"),
                                             &names, &answer, &error));
    assert_true(
        format_count.relay_read(&arena, STR("{\"input_tokens\":42}"), &facts));
    assert_true(facts.has_token);
    assert_false(format_count.relay_read(&arena, STR("{}"), &facts));
    assert_false(format_count.relay_read(&arena, STR("[]"), &facts));
    buf_fini(&out);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(a_completion_is_read_for_the_choice),
        with_arena(tokens_count_four_characters_each),
        with_arena(what_is_no_input_is_named),
        with_arena(embeddings_are_relayed_under_the_callers_name),
        with_arena(a_count_needs_no_max_tokens),
        with_arena(the_tokenizer_gets_what_the_model_would),
        with_arena(a_count_is_read_from_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
