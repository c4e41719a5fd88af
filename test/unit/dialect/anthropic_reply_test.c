/* dialect/anthropic_reply: complete answers and errors (rules P and E). */
#include "../testing.h"
#include "dialect/anthropic.h"

static struct arena arena;
static const struct names no_names;

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

static struct chat_answer answer_of(struct str body)
{
    struct chat_answer answer;

    if (!anthropic_read_answer(&arena, body, &no_names, &answer))
        fail_msg("not taken: %.*s", STR_ARG(body));
    return answer;
}

#define MESSAGE(content, more)                                            \
    STR("{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\"," \
        "\"content\":[" content "]," more "}")
#define STOPPED(reason) "\"stop_reason\":\"" reason "\""
#define TEXT "{\"type\":\"text\",\"text\":\"Hi\"}"
#define USE "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}"

static void blocks_are_read_in_order_and_unknown_ones_skipped(void **state)
{
    struct chat_answer answer = answer_of(MESSAGE(
        "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"S\"},"
        "{\"type\":\"redacted_thinking\",\"data\":\"D\"},"
        "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"x\",\"input\":"
        "{}},{\"type\":\"web_search_tool_result\"},{\"type\":\"something "
        "new\"},5," TEXT
        ",{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":"
        "{ \"a\" : 1.50, \"b\":[ ] }}",
        STOPPED("tool_use")));

    (void)state;
    assert_str(answer.id, "01");
    assert_int_equal(answer.block_count, 4);
    assert_int_equal(answer.blocks[0].kind, CHAT_BLOCK_THINKING);
    assert_str(answer.blocks[0].text, "hm");
    assert_str(answer.blocks[0].signature, "S");
    assert_int_equal(answer.blocks[1].kind, CHAT_BLOCK_REDACTED);
    assert_str(answer.blocks[1].text, "D");
    assert_int_equal(answer.blocks[2].kind, CHAT_BLOCK_TEXT);
    assert_str(answer.blocks[2].text, "Hi");
    assert_int_equal(answer.blocks[3].kind, CHAT_BLOCK_CALL);
    assert_str(answer.blocks[3].call.arguments, "{\"a\":1.50,\"b\":[]}");
    assert_int_equal(answer.finish, CHAT_FINISH_TOOL_CALLS);
}

static void each_stop_reason_has_its_meaning(void **state)
{
    static const struct {
        struct str body;
        enum chat_finish finish;
    } cases[] = {
#define CASE(content, more, finish)                                         \
    {STR_INIT("{\"type\":\"message\",\"content\":[" content "]," more "}"), \
     CHAT_FINISH_##finish}
        CASE(TEXT, STOPPED("end_turn"), STOP),
        CASE(TEXT, STOPPED("stop_sequence"), STOP),
        CASE(TEXT, STOPPED("pause_turn"), STOP),
        CASE(TEXT, STOPPED("something new"), STOP),
        CASE(TEXT, "\"stop_reason\":null", STOP),
        CASE(TEXT, "\"x\":1", STOP),
        CASE(USE, STOPPED("end_turn"), TOOL_CALLS),
        CASE(USE, STOPPED("tool_use"), TOOL_CALLS),
        CASE(TEXT, STOPPED("tool_use"), TOOL_CALLS),
        CASE(USE, STOPPED("max_tokens"), LENGTH),
        CASE(TEXT, STOPPED("max_tokens"), LENGTH),
        CASE(TEXT, STOPPED("model_context_window_exceeded"), LENGTH),
        CASE(USE, STOPPED("refusal"), CONTENT_FILTER),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(answer_of(cases[i].body).finish, cases[i].finish);
}

static void cached_tokens_are_part_of_the_prompt(void **state)
{
    struct chat_answer answer = answer_of(MESSAGE(
        TEXT, "\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":"
              "100,\"cache_read_input_tokens\":1000,\"output_tokens\":5,"
              "\"output_tokens_details\":{\"thinking_tokens\":3},"
              "\"service_tier\":\"standard\"}"));

    (void)state;
    assert_true(answer.usage.is_known);
    assert_true(answer.usage.input == 1110);
    assert_true(answer.usage.cache_read == 1000);
    assert_true(answer.usage.cache_write == 100);
    assert_true(answer.usage.output == 5);
    assert_true(answer.usage.has_reasoning && answer.usage.reasoning == 3);
    assert_str(answer.usage.service_tier, "default");
    answer = answer_of(MESSAGE(TEXT, "\"usage\":{\"service_tier\":"
                                     "\"priority\",\"output_tokens_details\":"
                                     "null}"));
    assert_str(answer.usage.service_tier, "priority");
    assert_false(answer.usage.has_reasoning);
    answer = answer_of(MESSAGE(TEXT, "\"usage\":{\"service_tier\":"
                                     "\"batch\"}"));
    assert_str(answer.usage.service_tier, "default");
    answer = answer_of(MESSAGE(TEXT, "\"usage\":null"));
    assert_false(answer.usage.is_known);
    answer = answer_of(MESSAGE(TEXT, "\"usage\":{\"input_tokens\":-5,"
                                     "\"output_tokens\":\"7\"}"));
    assert_true(answer.usage.input == 0 && answer.usage.output == 0);
}

static void a_refusal_is_explained(void **state)
{
    struct chat_answer answer = answer_of(
        MESSAGE("", STOPPED("refusal") ",\"stop_details\":{\"type\":"
                                       "\"refusal\",\"explanation\":\"no\"}"));

    (void)state;
    assert_str(answer.refusal, "no");
    assert_int_equal(answer.block_count, 0);
    answer = answer_of(
        MESSAGE("", STOPPED("refusal") ",\"stop_details\":{\"explanation\":"
                                       "null}"));
    assert_int_equal(answer.refusal.len, 0);
    /* only a refusal is one */
    answer = answer_of(
        MESSAGE("", STOPPED("end_turn") ",\"stop_details\":{\"explanation\":"
                                        "\"x\"}"));
    assert_int_equal(answer.refusal.len, 0);
}

static void a_citation_spans_its_block_in_characters(void **state)
{
    struct chat_answer answer = answer_of(MESSAGE(
        "{\"type\":\"text\",\"text\":\"\xE2\x82\xAC \xF0\x9F\x98\x80\"},"
        "{\"type\":\"text\",\"text\":\"abc\",\"citations\":[{\"type\":"
        "\"web_search_result_location\",\"url\":\"https://a.test\",\"title\":"
        "\"A\"},{\"type\":\"char_location\"},{\"type\":"
        "\"web_search_result_location\",\"url\":\"https://b.test\",\"title\":"
        "null}]},{\"type\":\"text\",\"text\":\"d\",\"citations\":[{\"type\":"
        "\"web_search_result_location\",\"url\":\"https://c.test\"}]}",
        STOPPED("end_turn")));

    (void)state;
    assert_int_equal(answer.citation_count, 3);
    assert_str(answer.citations[0].url, "https://a.test");
    assert_str(answer.citations[0].title, "A");
    assert_int_equal(answer.citations[0].start, 3);
    assert_int_equal(answer.citations[0].end, 6);
    assert_str(answer.citations[1].url, "https://b.test");
    assert_int_equal(answer.citations[2].start, 6);
    assert_int_equal(answer.citations[2].end, 7);
}

static void names_go_back_to_what_the_caller_said(void **state)
{
    struct names_tool tools[] = {
        {.original = STR("mcp.read"), .token = STR("mcp_read_1")},
        {.original = STR("patch"), .token = STR("patch"), .is_custom = true},
    };
    struct names names = {tools, 2};
    struct chat_answer answer;

    (void)state;
    assert_true(anthropic_read_answer(
        &arena,
        MESSAGE("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"mcp_read_1\","
                "\"input\":{}},{\"type\":\"tool_use\",\"id\":\"b\",\"name\":"
                "\"patch\",\"input\":{\"input\":\"free \\\"text\\\"\"}},"
                "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"patch\","
                "\"input\":{\"other\":1}},{\"type\":\"tool_use\",\"id\":\"d\","
                "\"name\":\"unknown\"}",
                STOPPED("tool_use")),
        &names, &answer));
    assert_str(answer.blocks[0].call.name, "mcp.read");
    assert_str(answer.blocks[0].call.arguments, "{}");
    assert_true(answer.blocks[1].call.is_custom);
    assert_str(answer.blocks[1].call.arguments, "free \"text\"");
    assert_str(answer.blocks[2].call.arguments, "{\"other\":1}");
    assert_str(answer.blocks[3].call.name, "unknown");
    assert_str(answer.blocks[3].call.arguments, "{}");
}

static void what_is_no_message_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "<html></html>",
        "{\"type\":\"message\"}",
        "{\"type\":\"message\",\"content\":\"text\"}",
        "{\"type\":\"message\",\"content\":null}",
        "{\"type\":\"error\",\"content\":[]}",
        "{\"content\":[]}",
        "{\"type\":\"message\",\"content\":[]",
    };
    struct chat_answer answer;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(
            anthropic_read_answer(&arena, str_of(bad[i]), &no_names, &answer));
    /* an empty answer is one */
    assert_int_equal(answer_of(MESSAGE("", STOPPED("end_turn"))).block_count,
                     0);
}

/* --- errors ------------------------------------------------------------------
 */

#define ERROR_OF(type) \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"m\"}}"

static void each_status_has_its_kind(void **state)
{
    static const struct {
        int upstream;
        enum error error;
        int status;
        const char *type;
        const char *code;
        const char *param;
    } cases[] = {
        {400, ERR_BACKEND_REFUSED, 400, "invalid_request_error", "", ""},
        {401, ERR_BACKEND_AUTH, 502, "server_error", "upstream_auth_error", ""},
        {403, ERR_BACKEND_AUTH, 502, "server_error", "upstream_auth_error", ""},
        {402, ERR_BACKEND_BUSY, 429, "insufficient_quota", "insufficient_quota",
         ""},
        {404, ERR_BACKEND_REFUSED, 404, "invalid_request_error",
         "model_not_found", "model"},
        {408, ERR_BACKEND_REFUSED, 408, "invalid_request_error", "", ""},
        {409, ERR_BACKEND_REFUSED, 409, "invalid_request_error", "", ""},
        {413, ERR_BACKEND_REFUSED, 413, "invalid_request_error",
         "request_too_large", ""},
        {422, ERR_BACKEND_REFUSED, 422, "invalid_request_error", "", ""},
        {429, ERR_BACKEND_BUSY, 429, "rate_limit_error", "rate_limit_exceeded",
         ""},
        {500, ERR_BACKEND_STATUS, 500, "server_error", "", ""},
        {503, ERR_BACKEND_STATUS, 503, "server_error", "", ""},
        {504, ERR_BACKEND_STATUS, 504, "server_error", "", ""},
        {529, ERR_BACKEND_STATUS, 503, "server_error", "overloaded", ""},
        {301, ERR_BAD_ANSWER, 502, "server_error", "upstream_bad_answer", ""},
        {999, ERR_BAD_ANSWER, 502, "server_error", "upstream_bad_answer", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct backend_head head = {.status = cases[i].upstream};
        struct chat_error error;

        anthropic_read_error(&arena, &head, STR(ERROR_OF("x")), &error);
        assert_int_equal(error.error, cases[i].error);
        assert_int_equal(chat_error_status(&error), cases[i].status);
        assert_str(chat_error_type(&error), cases[i].type);
        assert_str(chat_error_code(&error), cases[i].code);
        assert_true(str_eq(error.param, str_of(cases[i].param)));
        if (error.error != ERR_BACKEND_AUTH && error.error != ERR_BAD_ANSWER)
            assert_str(chat_error_message(&error), "m");
        else
            assert_false(str_eq(chat_error_message(&error), STR("m")));
    }
}

static void retry_after_passes_where_it_means_something(void **state)
{
    static const struct {
        int status;
        const char *header;
        unsigned seconds;
    } cases[] = {
        {429, "7", 7}, {429, "", 0},  {503, "7", 7}, {503, "", 0},
        {529, "7", 7}, {529, "", 5},  {500, "7", 0}, {400, "7", 0},
        {402, "7", 0}, {401, "7", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct backend_head head = {.status = cases[i].status,
                                    .retry_after = str_of(cases[i].header),
                                    .request_id = STR("req_1")};
        struct chat_error error;

        anthropic_read_error(&arena, &head, STR(""), &error);
        assert_int_equal(error.retry_after_s, cases[i].seconds);
        assert_str(error.upstream_id, "req_1");
    }
}

static void a_used_up_budget_is_not_retried(void **state)
{
    static const char *const codes[] = {"enforced_spend_limit_reached",
                                        "contract_spend_limit_reached",
                                        "ramp_limit_exceeded"};
    struct backend_head head = {.status = 429, .retry_after = STR("9")};
    struct chat_error error;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        anthropic_read_error(
            &arena, &head,
            arena_printf(&arena,
                         "{\"error\":{\"message\":\"m\",\"details\":"
                         "{\"error_code\":\"%s\"}}}",
                         codes[i]),
            &error);
        assert_str(chat_error_code(&error), "insufficient_quota");
        assert_true(error.never_retry);
        assert_true(error.is_final);
        assert_int_equal(error.retry_after_s, 0);
    }
    anthropic_read_error(&arena, &head,
                         STR("{\"error\":{\"message\":\"m\",\"details\":"
                             "{\"error_code\":\"other\"}}}"),
                         &error);
    assert_str(chat_error_code(&error), "rate_limit_exceeded");
    assert_false(error.never_retry);
    assert_int_equal(error.retry_after_s, 9);
}

static void a_prompt_that_is_too_long_has_its_code(void **state)
{
    static const struct str body =
        STR_INIT("{\"error\":{\"message\":\"prompt is too long: 210000 tokens "
                 "> 200000 maximum\"}}");
    struct backend_head head = {.status = 400};
    struct chat_error error;

    (void)state;
    anthropic_read_error(&arena, &head, body, &error);
    assert_str(chat_error_code(&error), "context_length_exceeded");
    head.status = 500;
    anthropic_read_error(&arena, &head, body, &error);
    assert_str(chat_error_code(&error), "");
}

static void an_error_without_json_has_our_own_words(void **state)
{
    static const char *const bodies[] = {"<html>",
                                         "",
                                         "{}",
                                         "[]",
                                         "{\"error\":\"x\"}",
                                         "{\"error\":{\"message\":\"\"}}"};
    struct backend_head head = {.status = 413};
    struct chat_error error;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        anthropic_read_error(&arena, &head, str_of(bodies[i]), &error);
        assert_str(chat_error_message(&error),
                   "The backend refused the request.");
        assert_int_equal(chat_error_status(&error), 413);
    }
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(blocks_are_read_in_order_and_unknown_ones_skipped),
        with_arena(each_stop_reason_has_its_meaning),
        with_arena(cached_tokens_are_part_of_the_prompt),
        with_arena(a_refusal_is_explained),
        with_arena(a_citation_spans_its_block_in_characters),
        with_arena(names_go_back_to_what_the_caller_said),
        with_arena(what_is_no_message_is_refused),
        with_arena(each_status_has_its_kind),
        with_arena(retry_after_passes_where_it_means_something),
        with_arena(a_used_up_budget_is_not_retried),
        with_arena(a_prompt_that_is_too_long_has_its_code),
        with_arena(an_error_without_json_has_our_own_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
