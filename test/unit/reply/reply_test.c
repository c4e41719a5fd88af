/* reply: status, headers and body, byte for byte. */
#include "reply/reply.h"

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
    sink_double_fini(&sink);
    return 0;
}

static void answer(int status, struct str body)
{
    reply_whole(&reply, status, STR("application/json"), &body, 1);
}

static void a_whole_answer_has_its_length(void **state)
{
    struct str pieces[] = {STR("{\"a\""), STR(""), STR(":1}")};

    (void)state;
    reply_header(&reply, STR("X-A"), STR("b"));
    reply_whole(&reply, 200, STR("application/json"), pieces, COUNT_OF(pieces));
    assert_int_equal(sink.writes, 1); /* head and body leave together */
    assert_str(sink_double_text(&sink),
               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
               "Content-Length: 7\r\nX-A: b\r\n\r\n{\"a\":1}");
    assert_int_equal(reply.bytes, 7);
    assert_int_equal(reply.status, 200);
    assert_true(reply.has_begun && reply.has_ended);
    reply_close(&reply);
    assert_int_equal(sink.finishes, 1);
    assert_true(sink.kept);
}

static void a_connection_that_ends_says_so(void **state)
{
    (void)state;
    reply.keeps_alive = false;
    answer(404, STR("x"));
    assert_str(sink_double_text(&sink),
               "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
               "Content-Length: 1\r\nConnection: close\r\n\r\nx");
    reply_close(&reply);
    assert_int_equal(sink.finishes, 1);
    assert_false(sink.kept);
}

static void an_old_caller_is_told_that_it_stays(void **state)
{
    (void)state;
    reply.is_http_1_0 = true;
    answer(200, STR("x"));
    assert_has(sink_double_text(&sink), "\r\nContent-Length: 1\r\n"
                                        "Connection: keep-alive\r\n");
    reply_close(&reply);
    assert_true(sink.kept);
}

static void head_gets_everything_but_the_body(void **state)
{
    (void)state;
    reply.is_head_method = true;
    answer(200, STR("12345"));
    assert_str(sink_double_text(&sink),
               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
               "Content-Length: 5\r\n\r\n");
    assert_int_equal(reply.bytes, 0);
    reply_close(&reply);
    assert_int_equal(sink.finishes, 1);
}

static void an_empty_body_has_the_length_zero(void **state)
{
    (void)state;
    reply_whole(&reply, 200, STR("text/plain"), NULL, 0);
    assert_has(sink_double_text(&sink), "Content-Length: 0\r\n");
    reply_close(&reply);
}

static void a_stream_is_chunked(void **state)
{
    (void)state;
    reply_header(&reply, STR("Cache-Control"), STR("no-cache"));
    reply_stream(&reply);
    assert_int_equal(sink.writes, 0); /* the head goes with the first bytes */
    assert_false(reply.has_begun);
    reply_put(&reply, STR(""));
    assert_int_equal(sink.writes, 0);
    reply_put(&reply, STR("data: a\n\n"));
    assert_int_equal(sink.writes, 1);
    assert_true(reply.has_begun);
    reply_put(&reply, STR("data: 0123456789abcdef\n\n"));
    reply_end(&reply);
    assert_str(
        sink_double_text(&sink),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\n\r\n"
        "9\r\ndata: a\n\n\r\n18\r\ndata: 0123456789abcdef\n\n\r\n0\r\n\r\n");
    assert_int_equal(reply.bytes, 9 + 24);
    reply_put(&reply, STR("too late"));
    reply_end(&reply);
    assert_lacks(buf_str(&sink.written), "too late");
    reply_close(&reply);
    assert_int_equal(sink.finishes, 1);
    assert_true(sink.kept);
}

static void a_stream_to_an_old_caller_ends_with_its_connection(void **state)
{
    (void)state;
    reply.is_http_1_0 = true;
    reply_stream(&reply);
    reply_put(&reply, STR("data: a\n\n"));
    reply_put(&reply, STR("data: b\n\n"));
    reply_end(&reply);
    assert_str(
        sink_double_text(&sink),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        "Connection: close\r\n\r\ndata: a\n\ndata: b\n\n");
    reply_close(&reply);
    assert_int_equal(sink.finishes, 1);
    assert_false(sink.kept);
}

static void what_is_not_complete_is_cut(void **state)
{
    (void)state;
    reply_stream(&reply);
    reply_put(&reply, STR("data: a\n\n"));
    reply_close(&reply);
    assert_int_equal(sink.aborts, 1);
    assert_int_equal(sink.finishes, 0);
}

static void nothing_said_is_cut_too(void **state)
{
    (void)state;
    reply_close(&reply);
    assert_int_equal(sink.aborts, 1);
}

static void no_value_ends_its_line(void **state)
{
    (void)state;
    reply_header(&reply, STR("X-A"),
                 STR("b\r\nX-Forged: 1\r\n\r\nbody\0\t\x7F\xC3\xA4"));
    answer(200, STR(""));
    assert_has(sink_double_text(&sink),
               "\r\nX-A: b??X-Forged: 1????body?????\r\n\r\n");
    reply_close(&reply);
}

static void the_queue_is_the_sinks(void **state)
{
    (void)state;
    sink.queued = 12345;
    assert_int_equal(reply_queued(&reply), 12345);
    reply_close(&reply);
}

static void every_status_of_ours_has_a_phrase(void **state)
{
    static const int statuses[] = {200, 400, 401, 403, 404, 405, 408,
                                   409, 413, 415, 417, 422, 429, 431,
                                   500, 501, 502, 503, 504};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        assert_string_not_equal(reply_phrase(statuses[i]), "Unknown");
    assert_string_equal(reply_phrase(599), "Unknown");
    assert_string_equal(reply_phrase(413), "Content Too Large");
    reply_close(&reply);
}

#define with_reply(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_reply(a_whole_answer_has_its_length),
        with_reply(a_connection_that_ends_says_so),
        with_reply(an_old_caller_is_told_that_it_stays),
        with_reply(head_gets_everything_but_the_body),
        with_reply(an_empty_body_has_the_length_zero),
        with_reply(a_stream_is_chunked),
        with_reply(a_stream_to_an_old_caller_ends_with_its_connection),
        with_reply(what_is_not_complete_is_cut),
        with_reply(nothing_said_is_cut_too),
        with_reply(no_value_ends_its_line),
        with_reply(the_queue_is_the_sinks),
        with_reply(every_status_of_ours_has_a_phrase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
