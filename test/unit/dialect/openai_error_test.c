/* dialect/openai_reply: errors of OpenAI-compatible backends in, errors for
 * callers out. */
#include "../testing.h"
#include "dialect/openai.h"

static struct arena arena;

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

static struct chat_error read_error(int status, struct str body)
{
    struct backend_head head = {.status = status};
    struct chat_error error;

    openai_read_error(&arena, &head, body, &error);
    return error;
}

static void the_message_is_found_in_every_shape(void **state)
{
    static const struct {
        struct str body;
        const char *message;
    } cases[] = {
        {STR_INIT("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":"
                  "null,\"code\":400}}"),
         "m"},
        {STR_INIT("{\"object\":\"error\",\"message\":\"m\",\"type\":"
                  "\"BadRequestError\",\"param\":null,\"code\":400}"),
         "m"},
        {STR_INIT("{\"error\":\"m\"}"), "m"},
        {STR_INIT("{\"detail\":\"m\"}"), "m"},
        {STR_INIT("{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"m\",\"type\":"
                  "\"t\"},{\"msg\":\"n\"}]}"),
         "m; n"},
        {STR_INIT("<html>Bad Request</html>"),
         "The backend refused the request."},
        {STR_INIT(""), "The backend refused the request."},
        {STR_INIT("{\"error\":{\"message\":5}}"),
         "The backend refused the request."},
        {STR_INIT("{\"detail\":[]}"), "The backend refused the request."},
        {STR_INIT("[]"), "The backend refused the request."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct chat_error error = read_error(400, cases[i].body);

        assert_int_equal(error.error, ERR_BACKEND_REFUSED);
        assert_str(chat_error_message(&error), cases[i].message);
    }
}

static void each_status_has_its_kind(void **state)
{
    static const struct {
        int upstream;
        enum error error;
        int status;
        const char *type;
        const char *code;
    } cases[] = {
        {400, ERR_BACKEND_REFUSED, 400, "invalid_request_error", ""},
        {401, ERR_BACKEND_AUTH, 502, "server_error", "upstream_auth_error"},
        {403, ERR_BACKEND_AUTH, 502, "server_error", "upstream_auth_error"},
        {404, ERR_BACKEND_REFUSED, 404, "invalid_request_error",
         "model_not_found"},
        {413, ERR_BACKEND_REFUSED, 413, "invalid_request_error",
         "request_too_large"},
        {422, ERR_BACKEND_REFUSED, 422, "invalid_request_error", ""},
        {429, ERR_BACKEND_BUSY, 429, "rate_limit_error", "rate_limit_exceeded"},
        {500, ERR_BACKEND_STATUS, 500, "server_error", ""},
        {503, ERR_BACKEND_STATUS, 503, "server_error", ""},
        {302, ERR_BAD_ANSWER, 502, "server_error", "upstream_bad_answer"},
        {204, ERR_BAD_ANSWER, 502, "server_error", "upstream_bad_answer"},
        {600, ERR_BAD_ANSWER, 502, "server_error", "upstream_bad_answer"},
        {999, ERR_BAD_ANSWER, 502, "server_error", "upstream_bad_answer"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct chat_error error = read_error(
            cases[i].upstream, STR("{\"error\":{\"message\":\"m\"}}"));

        assert_int_equal(error.error, cases[i].error);
        assert_int_equal(chat_error_status(&error), cases[i].status);
        assert_str(chat_error_type(&error), cases[i].type);
        assert_str(chat_error_code(&error), cases[i].code);
    }
}

static void the_routers_own_credentials_stay_out_of_sight(void **state)
{
    struct chat_error error = read_error(
        401, STR("{\"error\":{\"message\":\"Bad key sk-ro...ter\"}}"));

    (void)state;
    assert_lacks(chat_error_message(&error), "sk-");
    assert_true(error.never_retry);
}

static void a_prompt_that_is_too_long_has_its_code(void **state)
{
    struct chat_error error = read_error(
        400, STR("{\"object\":\"error\",\"message\":\"This model's maximum "
                 "context length is 8192 tokens.\",\"code\":400}"));

    (void)state;
    assert_str(chat_error_code(&error), "context_length_exceeded");
}

static void param_and_code_pass_when_they_are_text(void **state)
{
    struct chat_error error = read_error(
        400, STR("{\"error\":{\"message\":\"m\",\"param\":\"messages\","
                 "\"code\":\"bad_thing\"}}"));

    (void)state;
    assert_str(error.param, "messages");
    assert_str(chat_error_code(&error), "bad_thing");
    error = read_error(400, STR("{\"error\":{\"message\":\"m\",\"param\":5,"
                                "\"code\":400}}"));
    assert_int_equal(error.param.len, 0);
    assert_str(chat_error_code(&error), "");
}

static void retry_after_passes_where_it_means_something(void **state)
{
    static const struct {
        int status;
        const char *header;
        unsigned seconds;
    } cases[] = {
        {429, "7", 7},          {503, " 30 ", 30},
        {429, "999999", 86400}, {429, "0", 0},
        {429, "-1", 0},         {429, "1.5", 0},
        {429, "", 0},           {400, "7", 0},
        {500, "7", 0},          {429, "Wed, 21 Oct 2026 07:28:00 GMT", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct backend_head head = {.status = cases[i].status,
                                    .retry_after = str_of(cases[i].header)};
        struct chat_error error;

        openai_read_error(&arena, &head, STR("{}"), &error);
        assert_int_equal(error.retry_after_s, cases[i].seconds);
    }
}

static void a_hostile_request_id_is_made_harmless(void **state)
{
    struct backend_head head = {.status = 400, .request_id = STR("req\xFF_1")};
    struct chat_error error;

    (void)state;
    openai_read_error(&arena, &head, STR("{}"), &error);
    assert_str(error.upstream_id, "req?_1");
}

static void a_long_message_is_cut_between_characters(void **state)
{
    struct buf body;
    struct chat_error error;
    struct str message;

    (void)state;
    buf_init(&body, 1 << 20);
    buf_put(&body, STR("{\"message\":\"x"));
    for (unsigned i = 0; i < 3000; i++)
        buf_put(&body, STR("\xE2\x82\xAC"));
    buf_put(&body, STR("\"}"));
    error = read_error(400, buf_str(&body));
    message = chat_error_message(&error);
    assert_in_range(message.len, 3990, 4000);
    for (size_t i = 0; i < message.len;) {
        size_t len = str_utf8_length(message, i);

        assert_true(len > 0);
        i += len;
    }
    buf_fini(&body);
}

static struct chat_error stream_error(struct str frame)
{
    struct json_doc doc;
    struct json_error ignored;
    struct chat_error error;

    assert_true(json_read(&arena, frame, &doc, &ignored));
    openai_read_stream_error(&arena, doc.root, &error);
    return error;
}

static void an_error_in_a_stream_is_read(void **state)
{
    struct chat_error error = stream_error(
        STR("{\"error\":{\"message\":\"boom\",\"type\":"
            "\"InternalServerError\",\"param\":null,\"code\":500}}"));

    (void)state;
    assert_int_equal(error.error, ERR_STREAM_ERROR);
    assert_int_equal(chat_error_status(&error), 502);
    assert_str(chat_error_type(&error), "server_error");
    assert_str(chat_error_message(&error), "boom");
    error = stream_error(STR("{\"error\":{\"message\":\"bad\",\"code\":400}}"));
    assert_int_equal(chat_error_status(&error), 400);
    assert_str(chat_error_type(&error), "invalid_request_error");
    error = stream_error(STR("{\"error\":\"gone\"}"));
    assert_str(chat_error_message(&error), "gone");
    /* the router's key is at fault, and the words may show a part of it */
    error = stream_error(
        STR("{\"error\":{\"message\":\"bad key sk-1\",\"code\":401}}"));
    assert_int_equal(error.error, ERR_BACKEND_AUTH);
    assert_int_equal(chat_error_status(&error), 502);
    assert_lacks(chat_error_message(&error), "sk-1");
    error = stream_error(STR("{\"error\":true}"));
    assert_str(chat_error_message(&error),
               "The backend reported an error in its stream.");
}

/* --- out ---------------------------------------------------------------------
 */

static void assert_written(const struct chat_error *error, const char *expected)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    openai_write_error(error, &out);
    assert_str(buf_str(&out), expected);
    buf_fini(&out);
}

static void an_error_has_all_four_members(void **state)
{
    (void)state;
    assert_written(&(struct chat_error){.error = ERR_BAD_VALUE,
                                        .message = STR("n: \"no\""),
                                        .param = STR("n")},
                   "{\"error\":{\"message\":\"n: \\\"no\\\"\",\"type\":"
                   "\"invalid_request_error\",\"param\":\"n\",\"code\":"
                   "\"invalid_value\"}}");
    assert_written(&(struct chat_error){.error = ERR_BACKEND_REFUSED},
                   "{\"error\":{\"message\":\"The backend refused the "
                   "request.\",\"type\":\"invalid_request_error\",\"param\":"
                   "null,\"code\":null}}");
    assert_written(&(struct chat_error){.error = ERR_BACKEND_BUSY,
                                        .type = STR("insufficient_quota"),
                                        .code = STR("insufficient_quota")},
                   "{\"error\":{\"message\":\"The backend is rate limited.\","
                   "\"type\":\"insufficient_quota\",\"param\":null,\"code\":"
                   "\"insufficient_quota\"}}");
}

static void a_refusal_is_valid_utf8_and_of_bounded_length(void **state)
{
    struct chat_error error = {.error = OK};
    char much[3000];

    (void)state;
    memset(much, 'x', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    assert_false(chat_refuse(&error, &arena, ERR_BAD_VALUE, STR("f"),
                             "f: \xFF %s", much));
    assert_true(str_starts(error.message, STR("f: ? xxx")));
    assert_true(error.message.len < 512);
    assert_int_equal(error.error, ERR_BAD_VALUE);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(the_message_is_found_in_every_shape),
        with_arena(each_status_has_its_kind),
        with_arena(the_routers_own_credentials_stay_out_of_sight),
        with_arena(a_prompt_that_is_too_long_has_its_code),
        with_arena(param_and_code_pass_when_they_are_text),
        with_arena(retry_after_passes_where_it_means_something),
        with_arena(a_hostile_request_id_is_made_harmless),
        with_arena(a_long_message_is_cut_between_characters),
        with_arena(an_error_in_a_stream_is_read),
        with_arena(an_error_has_all_four_members),
        with_arena(a_refusal_is_valid_utf8_and_of_bounded_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
