/* reply/failure: the one door for bad news. */
#include "reply/failure.h"

#include <stdio.h>
#include <stdlib.h>

#include "sink_double.h"

static struct sink_double sink;
static struct reply reply;

static int begin(void **state)
{
    (void)state;
    sink_double_init(&sink);
    reply_init(&reply, &sink.sink);
    reply.keeps_alive = true;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    reply_close(&reply);
    assert_int_equal(sink.finishes, 1); /* bad news is complete, too */
    sink_double_fini(&sink);
    return 0;
}

static void an_error_is_an_answer_with_its_status(void **state)
{
    (void)state;
    failure_reply(&reply, &format_chat, STR("req_1"),
                  &(struct chat_error){.error = ERR_NO_SUCH_MODEL,
                                       .param = STR("model")});
    assert_str(sink_double_text(&sink),
               "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
               "Content-Length: 121\r\n\r\n{\"error\":{\"message\":\"The "
               "model does not exist.\",\"type\":\"invalid_request_error\","
               "\"param\":\"model\",\"code\":\"model_not_found\"}}");
}

static void what_a_caller_may_do_next_stands_in_the_headers(void **state)
{
    struct str text;

    (void)state;
    failure_reply(&reply, &format_chat, STR("req_1"),
                  &(struct chat_error){.error = ERR_BACKEND_BUSY,
                                       .retry_after_s = 17,
                                       .never_retry = true,
                                       .upstream_id = STR("req_1\r\nX: y")});
    text = sink_double_text(&sink);
    assert_true(str_starts(text, STR("HTTP/1.1 429 Too Many Requests\r\n")));
    assert_has(text, "\r\nRetry-After: 17\r\n");
    assert_has(text, "\r\nx-should-retry: false\r\n");
    assert_has(text, "\r\nx-upstream-request-id: req_1??X: y\r\n");
    assert_lacks(text, "WWW-Authenticate");
}

static void who_is_unknown_is_asked_for_a_key(void **state)
{
    (void)state;
    failure_reply(&reply, &format_chat, STR("req_1"),
                  &(struct chat_error){.error = ERR_UNAUTHORIZED});
    assert_true(str_starts(sink_double_text(&sink),
                           STR("HTTP/1.1 401 Unauthorized\r\n")));
    assert_has(buf_str(&sink.written), "\r\nWWW-Authenticate: Bearer\r\n");
    assert_lacks(buf_str(&sink.written), "Retry-After");
    assert_lacks(buf_str(&sink.written), "x-should-retry");
}

static void a_backends_words_have_a_bound(void **state)
{
    enum { SIZE = 100000 };
    char *text = malloc(SIZE);
    struct str words = {text, SIZE};

    (void)state;
    assert_non_null(text);
    memset(text, 1, SIZE); /* six bytes each, as JSON */
    failure_reply(&reply, &format_chat, STR("req_1"),
                  &(struct chat_error){.error = ERR_BAD_VALUE,
                                       .message = words,
                                       .param = words,
                                       .code = words});
    assert_true(str_ends(sink_double_text(&sink), STR("\\u0001\"}}")));
    free(text);
}

static void a_stream_that_has_not_begun_is_an_answer(void **state)
{
    (void)state;
    reply_stream(&reply);
    failure_reply(&reply, &format_chat, STR("req_1"),
                  &(struct chat_error){.error = ERR_NOT_READY});
    assert_true(str_starts(sink_double_text(&sink),
                           STR("HTTP/1.1 503 Service Unavailable\r\n"
                               "Content-Type: application/json\r\n")));
    assert_lacks(buf_str(&sink.written), "chunked");
}

static void every_error_can_be_said(void **state)
{
    (void)state;
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        struct sink_double each;
        struct reply one;
        struct chat_error error = {.error = (enum error)i};
        char front[32];

        sink_double_init(&each);
        reply_init(&one, &each.sink);
        failure_reply(&one, &format_chat, STR("req_1"), &error);
        (void)snprintf(front, sizeof(front), "HTTP/1.1 %d ",
                       error_row((enum error)i)->status);
        assert_true(str_starts(buf_str(&each.written), str_of(front)));
        reply_close(&one);
        sink_double_fini(&each);
    }
    failure_reply(&reply, &format_chat, STR("req_1"),
                  &(struct chat_error){.error = ERR_INTERNAL});
}

#define with_reply(test) cmocka_unit_test_setup_teardown(test, begin, finish)

/* Anthropic's clients wait as long as the overload lasts; where nobody knows,
 * a while. */
static void an_overload_says_when_to_come_back(void **state)
{
    struct str text;

    (void)state;
    failure_reply(&reply, &format_messages, STR("req_1"),
                  &(struct chat_error){.error = ERR_SATURATED});
    text = sink_double_text(&sink);
    assert_true(str_starts(text, STR("HTTP/1.1 529 Overloaded\r\n")));
    assert_has(text, "\r\nRetry-After: 5\r\n");
    assert_has(text, "\"type\":\"overloaded_error\"");
    assert_has(text, "\"request_id\":\"req_1\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_reply(an_error_is_an_answer_with_its_status),
        with_reply(what_a_caller_may_do_next_stands_in_the_headers),
        with_reply(who_is_unknown_is_asked_for_a_key),
        with_reply(a_backends_words_have_a_bound),
        with_reply(a_stream_that_has_not_begun_is_an_answer),
        with_reply(an_overload_says_when_to_come_back),
        with_reply(every_error_can_be_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
