/* dialect/anthropic_door_error and anthropic_rewrite. */
#include "asked_messages.h"

static void every_error_has_the_status_that_clients_know(void **state)
{
    static const struct {
        struct chat_error error;
        int status;
        const char *type;
        unsigned retry_s;
    } cases[] = {
        {{.error = ERR_BAD_JSON}, 400, "invalid_request_error", 0},
        {{.error = ERR_UNAUTHORIZED}, 401, "authentication_error", 0},
        {{.error = ERR_NO_SUCH_MODEL}, 404, "not_found_error", 0},
        {{.error = ERR_METHOD}, 405, "invalid_request_error", 0},
        {{.error = ERR_REQUEST_TIMEOUT}, 408, "invalid_request_error", 0},
        {{.error = ERR_BODY_TOO_LARGE}, 413, "request_too_large", 0},
        {{.error = ERR_BACKEND_REFUSED, .status = 422},
         400,
         "invalid_request_error",
         0},
        {{.error = ERR_BACKEND_REFUSED, .status = 403},
         403,
         "permission_error",
         0},
        {{.error = ERR_BACKEND_REFUSED, .status = 409},
         409,
         "conflict_error",
         0},
        {{.error = ERR_BACKEND_REFUSED, .status = 402},
         402,
         "billing_error",
         0},
        {{.error = ERR_BACKEND_BUSY}, 429, "rate_limit_error", 0},
        {{.error = ERR_BACKEND_BUSY, .retry_after_s = 17},
         429,
         "rate_limit_error",
         17},
        {{.error = ERR_INTERNAL}, 500, "api_error", 0},
        {{.error = ERR_BACKEND_STATUS, .status = 507}, 500, "api_error", 0},
        {{.error = ERR_BACKEND_AUTH, .never_retry = true}, 502, "api_error", 0},
        {{.error = ERR_STREAM_ERROR}, 500, "api_error", 0},
        {{.error = ERR_STREAM_ERROR, .status = 503},
         529,
         "overloaded_error",
         5},
        {{.error = ERR_CONNECT}, 529, "overloaded_error", 5},
        {{.error = ERR_SATURATED}, 529, "overloaded_error", 5},
        {{.error = ERR_SATURATED, .retry_after_s = 2},
         529,
         "overloaded_error",
         2},
        {{.error = ERR_CONNECT, .never_retry = true},
         529,
         "overloaded_error",
         0},
        {{.error = ERR_FIRST_TOKEN_TIMEOUT}, 504, "timeout_error", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct chat_error *error = &cases[i].error;
        struct arena arena;
        struct buf out;
        struct json_doc doc;
        struct json_error ignored;

        arena_init(&arena);
        buf_init(&out, 1 << 16);
        assert_int_equal(anthropic_error_status(error), cases[i].status);
        assert_int_equal(anthropic_error_retry_s(error), cases[i].retry_s);
        anthropic_write_error(error, STR("req_1"), &out);
        assert_true(json_read(&arena, buf_str(&out), &doc, &ignored));
        assert_str(json_get_text(json_get(doc.root, STR("error")), STR("type")),
                   cases[i].type);
        buf_fini(&out);
        arena_clear(&arena);
    }
}

static void an_error_has_the_shape_of_anthropics(void **state)
{
    struct chat_error error = {.error = ERR_BAD_VALUE,
                               .message = STR("a \"b\"")};
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    anthropic_write_error(&error, STR("req_1"), &out);
    assert_str(buf_str(&out),
               "{\"type\":\"error\",\"error\":{\"type\":"
               "\"invalid_request_error\",\"message\":\"a \\\"b\\\"\"},"
               "\"request_id\":\"req_1\"}");
    buf_clear(&out);
    anthropic_write_stream_error(&error, &out);
    assert_str(buf_str(&out),
               "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
               "\"invalid_request_error\",\"message\":\"a \\\"b\\\"\"}}\n\n");
    buf_fini(&out);
}

static void a_bill_that_is_not_paid_is_one(void **state)
{
    const struct backend_head head = {.status = 402};
    struct chat_error error;
    struct arena arena;

    (void)state;
    arena_init(&arena);
    anthropic_read_error(&arena, &head,
                         STR("{\"type\":\"error\",\"error\":{\"type\":"
                             "\"billing_error\",\"message\":\"pay\"}}"),
                         &error);
    assert_int_equal(anthropic_error_status(&error), 402);
    /* OpenAI's clients know a used-up quota by 429 */
    assert_int_equal(chat_error_status(&error), 429);
    arena_clear(&arena);
}

static void a_stream_that_broke_is_no_overload(void **state)
{
    static const struct {
        struct chat_error error;
        const char *type;
    } cases[] = {
        {{.error = ERR_CLOSED}, "\"type\":\"api_error\""},
        {{.error = ERR_STREAM_ERROR, .status = 503},
         "\"type\":\"overloaded_error\""},
        {{.error = ERR_IDLE_TIMEOUT}, "\"type\":\"timeout_error\""},
        {{.error = ERR_BACKEND_BUSY}, "\"type\":\"rate_limit_error\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;

        buf_init(&out, 1 << 16);
        anthropic_write_stream_error(&cases[i].error, &out);
        assert_has(buf_str(&out), cases[i].type);
        buf_fini(&out);
    }
}

static void a_prompt_that_is_too_long_is_said_to_be(void **state)
{
    static const struct {
        struct chat_error error;
        const char *message;
    } cases[] = {
        {{.error = ERR_BACKEND_REFUSED,
          .message = STR_INIT("the maximum context length is 9")},
         "\"message\":\"prompt is too long: the maximum context length is 9\""},
        {{.error = ERR_BACKEND_REFUSED,
          .code = STR_INIT("context_length_exceeded"),
          .message = STR_INIT("10 > 9")},
         "\"message\":\"prompt is too long: 10 > 9\""},
        {{.error = ERR_BACKEND_REFUSED,
          .code = STR_INIT("context_length_exceeded"),
          .message = STR_INIT("prompt is too long: 10 tokens > 9 maximum")},
         "\"message\":\"prompt is too long: 10 tokens > 9 maximum\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;

        buf_init(&out, 1 << 16);
        anthropic_write_error(&cases[i].error, STR(""), &out);
        assert_has(buf_str(&out), cases[i].message);
        assert_lacks(buf_str(&out), "request_id");
        buf_fini(&out);
    }
}

/* --- requests that hold a local model's thoughts ------------------------- */

static void assert_rewritten(struct str body, const char *expected)
{
    struct asked asked;
    struct buf out;

    asked_good(&asked, body);
    assert_true(anthropic_must_rewrite(&asked.chat, &claude_unknown));
    buf_init(&out, 1 << 20);
    anthropic_rewrite(&asked.chat,
                      &(struct request_style){.model = STR("up\"stream"),
                                              .traits = &claude_unknown},
                      &out);
    assert_str(buf_str(&out), expected);
    buf_fini(&out);
    asked_fini(&asked);
}

/* What a model of these traits gets; "" when the bytes pass. */
#define MARKED(text) "<system-reminder>\\n" text "\\n</system-reminder>"

static void assert_sent(struct str body, bool takes_mid_system,
                        const char *expected)
{
    const struct claude_model traits = {.takes_mid_system = takes_mid_system};
    const struct request_style style = {.model = STR("up"), .traits = &traits};
    struct asked asked;
    struct buf out;

    asked_good(&asked, body);
    buf_init(&out, 1 << 20);
    if (anthropic_must_rewrite(&asked.chat, &traits))
        anthropic_rewrite(&asked.chat, &style, &out);
    assert_str(buf_str(&out), expected);
    buf_fini(&out);
    asked_fini(&asked);
}

#define MIDDLE(content) "{\"role\":\"system\",\"content\":" content "}"
#define REQUEST(model, messages) \
    "{\"model\":\"" model        \
    "\",\"max_tokens\":9,\"system\":\"s\",\"messages\":[" messages "]}"

static void
a_system_message_in_the_middle_is_the_users_where_it_must_be(void **state)
{
    static const struct str body = STR_INIT(REQUEST(
        "m",
        USER("\"x\"") "," MIDDLE("[" TEXT("a") "]") "," SAYS(
            "\"y\"") ","
                     "{\"content\":\"b\",\"n\":1.50,\"role\":\"system\"}"));

    (void)state;
    assert_sent(body, true, "");
    assert_sent(
        body, false,
        REQUEST(
            "up",
            USER("\"x\"") "," USER("[" TEXT(MARKED("a")) "]") "," SAYS(
                "\"y\"") ",{\"content\":\"" MARKED("b") "\",\"n\":1.50,"
                                                        "\"role\":\"user\"}"));
    /* without one nothing needs to change */
    assert_sent(STR(REQUEST("m", USER("\"x\""))), false, "");
}

#define UNSIGNED                                               \
    "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":" \
    "\"router-unsigned\"}"
#define SIGNED \
    "{\"type\":\"thinking\",\"thinking\":\"s\",\"signature\":\"EqQB\"}"

static void what_nobody_signed_is_left_out_and_all_else_stays(void **state)
{
    (void)state;
    assert_rewritten(
        STR("{\"odd "
            "\\\"key\\\"\":{\"n\":1.50,\"b\":12345678901234567890,"
            "\"z\":null}, \"model\" : "
            "\"m\",\"max_tokens\":9,\"messages\":[" USER("\"x\"") "," SAYS(
                "[" UNSIGNED "," SIGNED ",{\"type\":\"new\",\"thinking\":"
                "1}]") "," USER("[]") ",{\"id\":"
                                      "\"msg\","
                                      "\"content\""
                                      ":[{"
                                      "\"type\":"
                                      "\"thinking"
                                      "\","
                                      "\"thinking"
                                      "\":\"u\"}"
                                      "," TEXT("a\\u00f"
                                               "c") "],"
                                                    "\""
                                                    "ro"
                                                    "le"
                                                    "\""
                                                    ":"
                                                    "\""
                                                    "as"
                                                    "si"
                                                    "st"
                                                    "an"
                                                    "t"
                                                    "\""
                                                    "}"
                                                    "],"
                                                    "\""
                                                    "to"
                                                    "p_"
                                                    "k"
                                                    "\""
                                                    ":4"
                                                    "e1"
                                                    "}"),
        "{\"model\":\"up\\\"stream\",\"odd "
        "\\\"key\\\"\":{\"n\":1.50,\"b\":"
        "12345678901234567890,\"z\":null},\"max_tokens\":9,"
        "\"messages\":[" USER("\"x\"") "," SAYS(
            "[" SIGNED ",{"
            "\"type"
            "\":"
            "\"new"
            "\","
            "\"thin"
            "king\""
            ":1}]") "," USER("[]") ",{\"id\":"
                                   "\"msg\","
                                   "\"content\":"
                                   "[" TEXT(
                                       "a"
                                       "\xc3\xbc") "],"
                                                   "\"role\":\"assistant\"}],"
                                                   "\"top_k\":4e1}");
}

static void a_message_of_nothing_else_is_left_out(void **state)
{
    (void)state;
    assert_rewritten(
        STR(ASKED_MESSAGES(USER("\"x\"") "," SAYS("[" UNSIGNED "," UNSIGNED
                                                  "]") "," USER("\"y\""))),
        "{\"model\":\"up\\\"stream\",\"max_tokens\":9,\"messages\":[" USER(
            "\"x\"") "," USER("\"y\"") "]}");
}

#define SYSTEM(content) "{\"role\":\"system\",\"content\":" content "}"

static void the_user_says_marked_what_the_system_says_in_between(void **state)
{
    static const char sent[] =
        "{\"model\":\"up\\\"stream\",\"max_tokens\":9,\"messages\":"
        "[" USER("\"x\"") "," USER("\"" MARKED("a \\\"b\\\"") "\"") "," USER(
            "[{\"type\":\"text\",\"text\":\"" MARKED(
                "c") "\",\"cache_control\":{\"type\":\"ephemeral\"}},{"
                     "\"type\":\"new\"}]") "]}";

    (void)state;
    assert_rewritten(
        STR(ASKED_MESSAGES(
            USER("\"x\"") "," SYSTEM("\"a \\\"b\\\"\"") "," SYSTEM(
                "[{\"type\":\"text\",\"text\":\"c\",\"cache_control\":"
                "{\"type\":\"ephemeral\"}},{\"type\":\"new\"}]"))),
        sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_the_status_that_clients_know),
        cmocka_unit_test(an_error_has_the_shape_of_anthropics),
        cmocka_unit_test(a_bill_that_is_not_paid_is_one),
        cmocka_unit_test(a_stream_that_broke_is_no_overload),
        cmocka_unit_test(a_prompt_that_is_too_long_is_said_to_be),
        cmocka_unit_test(
            a_system_message_in_the_middle_is_the_users_where_it_must_be),
        cmocka_unit_test(what_nobody_signed_is_left_out_and_all_else_stays),
        cmocka_unit_test(a_message_of_nothing_else_is_left_out),
        cmocka_unit_test(the_user_says_marked_what_the_system_says_in_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
