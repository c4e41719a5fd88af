/* dialect/openai_backend_reply: complete answers of vLLM and its like (rules
 * T). */
#include "../testing.h"
#include "dialect/openai_backend.h"

static struct arena arena;
static struct chat_answer answer;
static struct chat_error error;

static struct names_tool tools[] = {
    {STR_INIT("sh.x"), STR_INIT("sh.x"), true},
};
static const struct names names = {tools, COUNT_OF(tools)};

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    error = (struct chat_error){.error = OK};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static bool reads(const char *body)
{
    return openai_read_answer(&arena, arena_copy(&arena, str_of(body)), &names,
                              &answer, &error);
}

/* The choice, as JSON. */
static bool reads_choice(const char *choice)
{
    return reads(
        arena_printf(&arena, "{\"id\":\"chatcmpl-1\",\"choices\":[%s]}", choice)
            .ptr);
}

#define SAYS(message, more) "{\"message\":{" message "}" more "}"
#define BECAUSE(reason) ",\"finish_reason\":\"" reason "\""
#define CALL(id, name, arguments)                                             \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":" arguments "}}"

static void assert_call(unsigned i, const char *id, const char *name,
                        const char *arguments)
{
    assert_true(i < answer.block_count);
    assert_int_equal(answer.blocks[i].kind, CHAT_BLOCK_CALL);
    assert_str(answer.blocks[i].call.id, id);
    assert_str(answer.blocks[i].call.name, name);
    assert_str(answer.blocks[i].call.arguments, arguments);
}

static void text_usage_and_id_are_taken(void **state)
{
    (void)state;
    assert_true(reads("{\"id\":\"chatcmpl-x1\",\"choices\":[{\"message\":{"
                      "\"content\":\"abc\",\"tool_calls\":[]},"
                      "\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}],"
                      "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":"
                      "3,\"prompt_tokens_details\":{\"cached_tokens\":64}}}"));
    assert_str(answer.id, "x1");
    assert_int_equal(answer.block_count, 1);
    assert_int_equal(answer.blocks[0].kind, CHAT_BLOCK_TEXT);
    assert_str(answer.blocks[0].text, "abc");
    assert_int_equal(answer.finish, CHAT_FINISH_STOP);
    assert_str(answer.stop_sequence, "END");
    assert_int_equal(answer.usage.input, 100);
    assert_int_equal(answer.usage.cache_read, 64);
    assert_int_equal(answer.usage.output, 3);
}

static void a_token_that_ended_it_is_no_stop_sequence(void **state)
{
    (void)state;
    assert_true(reads_choice(
        SAYS("\"content\":\"a\"", BECAUSE("stop") ",\"stop_reason\":151645")));
    assert_null(answer.stop_sequence.ptr);
    assert_true(reads_choice(
        SAYS("\"content\":\"a\"", BECAUSE("length") ",\"stop_reason\":\"x\"")));
    assert_int_equal(answer.finish, CHAT_FINISH_LENGTH);
    assert_null(answer.stop_sequence.ptr);
}

static void parts_are_joined(void **state)
{
    (void)state;
    assert_true(reads_choice(
        SAYS("\"content\":[{\"type\":\"text\",\"text\":\"a\"},\"b\","
             "{\"type\":\"other\"},{\"type\":\"text\",\"text\":\"c\"}]",
             BECAUSE("stop"))));
    assert_int_equal(answer.block_count, 1);
    assert_str(answer.blocks[0].text, "abc");
    assert_true(reads_choice(SAYS("\"content\":[]", BECAUSE("stop"))));
    assert_int_equal(answer.block_count, 0);
}

static void thinking_has_two_names(void **state)
{
    (void)state;
    assert_true(reads_choice(
        SAYS("\"content\":\"a\",\"reasoning\":\"r\"", BECAUSE("stop"))));
    assert_int_equal(answer.block_count, 2);
    assert_int_equal(answer.blocks[0].kind, CHAT_BLOCK_THINKING);
    assert_str(answer.blocks[0].text, "r");
    assert_str(answer.blocks[0].signature, "");
    assert_str(answer.blocks[1].text, "a");
    assert_true(reads_choice(SAYS("\"content\":null,\"reasoning\":\"\","
                                  "\"reasoning_content\":\"c\"",
                                  BECAUSE("length"))));
    assert_int_equal(answer.block_count, 1);
    assert_str(answer.blocks[0].text, "c");
}

static void calls_are_calls_whatever_the_reason_says(void **state)
{
    (void)state;
    assert_true(reads_choice(SAYS(
        "\"content\":\"\\n\\n\",\"tool_calls\":[" CALL(
            "functions.f:0", "f",
            "\"{\\\"a\\\": 1}\"") "," CALL("", "g",
                                           "{\"b\":1.50}") ",{\"function\":{"
                                                           "\"name\":\"h\"}}]",
        BECAUSE("stop"))));
    assert_int_equal(answer.finish, CHAT_FINISH_TOOL_CALLS);
    assert_int_equal(answer.block_count, 3);
    assert_call(0, "functions.f:0", "f", "{\"a\": 1}");
    assert_call(1, "call_1_1", "g", "{\"b\":1.50}");
    assert_call(2, "call_1_2", "h", "");
}

static void text_beside_calls_stays(void **state)
{
    (void)state;
    assert_true(reads_choice(
        SAYS("\"content\":\"So\",\"tool_calls\":[" CALL("i", "f", "\"{}\"") "]",
             BECAUSE("length"))));
    assert_int_equal(answer.finish, CHAT_FINISH_LENGTH);
    assert_int_equal(answer.block_count, 2);
    assert_str(answer.blocks[0].text, "So");
    assert_call(1, "i", "f", "{}");
}

static void a_custom_tools_text_comes_out_of_its_arguments(void **state)
{
    static const char first[] =
        CALL("i", "sh.x", "\"{\\\"input\\\": \\\"ls\\\"}\"");
    static const char broken[] = CALL("j", "sh.x", "\"{\\\"input\\\"\"");
    static const char by_the_book[] =
        "{\"id\":\"k\",\"type\":\"custom\",\"custom\":{\"name\":\"c\","
        "\"input\":\"pwd\"}}";
    struct str choice = arena_printf(
        &arena, SAYS("\"tool_calls\":[%s,%s,%s]", BECAUSE("tool_calls")), first,
        broken, by_the_book);

    (void)state;
    assert_true(reads_choice(choice.ptr));
    assert_call(0, "i", "sh.x", "ls");
    assert_true(answer.blocks[0].call.is_custom);
    assert_call(1, "j", "sh.x", "{\"input\"");
    assert_call(2, "k", "c", "pwd");
    assert_true(answer.blocks[2].call.is_custom);
}

static void the_deprecated_call_is_a_call(void **state)
{
    (void)state;
    assert_true(reads_choice(
        SAYS("\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":"
             "\"{}\"}",
             BECAUSE("function_call"))));
    assert_int_equal(answer.finish, CHAT_FINISH_TOOL_CALLS);
    assert_call(0, "call_1_0", "f", "{}");
}

static void a_refusal_is_one(void **state)
{
    (void)state;
    assert_true(reads_choice(SAYS("\"content\":null,\"refusal\":\"No.\"",
                                  BECAUSE("content_filter"))));
    assert_int_equal(answer.finish, CHAT_FINISH_CONTENT_FILTER);
    assert_str(answer.refusal, "No.");
    /* as OpenAI says it */
    assert_true(reads_choice(
        SAYS("\"content\":null,\"refusal\":\"No.\"", BECAUSE("stop"))));
    assert_int_equal(answer.finish, CHAT_FINISH_CONTENT_FILTER);
}

static void a_reason_without_what_it_says_is_the_end(void **state)
{
    (void)state;
    assert_true(reads_choice(SAYS("\"content\":\"a\"", BECAUSE("tool_calls"))));
    assert_int_equal(answer.finish, CHAT_FINISH_STOP);
    assert_true(reads_choice(SAYS("\"content\":\"a\"", "")));
    assert_int_equal(answer.finish, CHAT_FINISH_STOP);
    assert_true(reads_choice(SAYS("\"content\":\"\"", BECAUSE("stop"))));
    assert_int_equal(answer.block_count, 0);
}

static void no_token_and_no_reason_is_no_answer(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"choices\":null}",
        "{\"choices\":[]}",
        "{\"choices\":[{}]}",
        "{\"choices\":[7]}",
        "{\"choices\":[{\"message\":{\"content\":\"\"}}]}",
        "{\"choices\":[{\"message\":{\"content\":\"a\"},",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_false(reads(bodies[i]));
    assert_int_equal(error.error, OK);
}

static void a_failure_lets_the_next_backend_try(void **state)
{
    static const char *const reasons[] = {
        SAYS("\"content\":\"par\"", BECAUSE("abort")),
        SAYS("\"content\":\"par\"", BECAUSE("error"))};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        error = (struct chat_error){.error = OK};
        assert_false(reads_choice(reasons[i]));
        assert_int_equal(error.error, ERR_BACKEND_STATUS);
        assert_int_equal(chat_error_status(&error), 500);
        assert_true(error_row(error.error)->tries_next);
    }
    assert_false(
        reads("{\"error\":{\"message\":\"engine died\",\"code\":500}}"));
    assert_int_equal(error.error, ERR_STREAM_ERROR);
    assert_str(error.message, "engine died");
}

/* What is read is written again as it was. */
static void an_answer_goes_through_unchanged(void **state)
{
    static const char body[] =
        "{\"id\":\"chatcmpl-9\",\"object\":\"chat.completion\",\"created\":7,"
        "\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"é\",\"refusal\":null,"
        "\"reasoning_content\":\"hm\",\"tool_calls\":["
        "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{\\\"x\\\": 1}\"}}]},\"logprobs\":null,"
        "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":9,"
        "\"completion_tokens\":3,\"total_tokens\":12,"
        "\"prompt_tokens_details\":{\"cached_tokens\":8,"
        "\"cache_write_tokens\":1},\"completion_tokens_details\":{"
        "\"reasoning_tokens\":2}}}";
    const struct answer_style style = {
        .model = STR("m"), .created = 7, .shows_reasoning = true};
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    assert_true(reads(body));
    openai_write_answer(&style, &answer, &out);
    assert_str(buf_str(&out), body);
    buf_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_usage_and_id_are_taken),
        TEST(a_token_that_ended_it_is_no_stop_sequence),
        TEST(parts_are_joined),
        TEST(thinking_has_two_names),
        TEST(calls_are_calls_whatever_the_reason_says),
        TEST(text_beside_calls_stays),
        TEST(a_custom_tools_text_comes_out_of_its_arguments),
        TEST(the_deprecated_call_is_a_call),
        TEST(a_refusal_is_one),
        TEST(a_reason_without_what_it_says_is_the_end),
        TEST(no_token_and_no_reason_is_no_answer),
        TEST(a_failure_lets_the_next_backend_try),
        TEST(an_answer_goes_through_unchanged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
