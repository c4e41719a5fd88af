/* lib/fetch over HTTP/2 without TLS, as gRPC speaks it; RFC 9113.  The server
 * writes its frames by hand. */
#include "fetch_given.h"

enum frame {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_GOAWAY = 7,
};

enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static void put_frame(struct buf *out, enum frame kind, unsigned flags,
                      unsigned stream, struct str payload)
{
    const char head[] = {
        (char)(payload.len >> 16),
        (char)(payload.len >> 8),
        (char)payload.len,
        (char)kind,
        (char)flags,
        0,
        0,
        0,
        (char)stream,
    };

    buf_put(out, (struct str){head, sizeof(head)});
    buf_put(out, payload);
}

/* A field that is not indexed (RFC 7541, 6.2.2), both shorter than 127. */
static void put_field(struct buf *block, const char *name, const char *value)
{
    buf_put_char(block, 0);
    buf_put_char(block, (char)strlen(name));
    buf_put(block, str_of(name));
    buf_put_char(block, (char)strlen(value));
    buf_put(block, str_of(value));
}

/* Fields as name, value, name, value, NULL; ":status: 200" before them unless
 * they are trailers. */
static void put_headers(struct buf *out, unsigned stream, bool is_head,
                        bool is_end, const char *const *fields)
{
    struct buf block;

    buf_init(&block, 4096);
    if (is_head)
        buf_put_char(&block, (char)0x88);
    for (; *fields != NULL; fields += 2)
        put_field(&block, fields[0], fields[1]);
    put_frame(out, FRAME_HEADERS,
              (is_end ? END_STREAM : 0U) | (unsigned)END_HEADERS, stream,
              buf_str(&block));
    buf_fini(&block);
}

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct buf out;
static bool is_new; /* the connection of the call */

static void say_out(void)
{
    given_say(buf_str(&out));
    buf_clear(&out);
}

/* Begins a call and reads it; the body ends the request. */
static void begin_call(const char *body)
{
    const struct fetch_header headers[] = {
        {STR_INIT("content-type"), STR_INIT("application/grpc")},
        {STR_INIT("te"), STR_INIT("trailers")},
    };
    struct fetch_order order = given_order(body);

    buf_init(&out, 1 << 20);
    order.speaks_http2 = true;
    order.headers = headers;
    order.header_count = COUNT_OF(headers);
    given_fetch(&order);
    given_until(given_is_called() || given_has_got(body));
    is_new = given_is_called();
    if (is_new) {
        given_accept();
        given_read_until("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        put_frame(&out, FRAME_SETTINGS, 0, 0, STR(""));
        put_frame(&out, FRAME_SETTINGS, ACK, 0, STR(""));
        say_out();
    }
    given_read_until(body);
}

static void assert_answer(int status, const char *body)
{
    given_until(given.answers > 0);
    assert_int_equal(given.error, FETCH_OK);
    assert_int_equal(given.status, status);
    assert_str(buf_str(&given.body), body);
    given.answers = 0;
}

static void a_call_ends_with_its_trailers(void **state)
{
    (void)state;
    begin_call("a call");
    put_headers(&out, 1, true, false,
                FIELDS("content-type", "application/grpc"));
    put_frame(&out, FRAME_DATA, 0, 1, STR("an ans"));
    put_frame(&out, FRAME_DATA, 0, 1, STR("wer"));
    put_headers(&out, 1, false, true,
                FIELDS("grpc-status", "14", "grpc-message", "come back"));
    say_out();
    assert_answer(200, "an answer");
    assert_str(buf_str(&given.head), "content-type: application/grpc\n");
    assert_str(buf_str(&given.trailers),
               "grpc-status: 14\ngrpc-message: come back\n");
    buf_fini(&out);
}

static void an_answer_of_trailers_alone_is_a_head(void **state)
{
    (void)state;
    begin_call("a call");
    put_headers(&out, 1, true, true,
                FIELDS("content-type", "application/grpc", "grpc-status", "8"));
    say_out();
    assert_answer(200, "");
    assert_str(buf_str(&given.head),
               "content-type: application/grpc\ngrpc-status: 8\n");
    assert_str(buf_str(&given.trailers), "");
    buf_fini(&out);
}

/* On one connection, or on one each, as libcurl's age is. */
static void one_call_follows_the_other(void **state)
{
    static const char *const calls[] = {"first call", "second", "third call"};
    unsigned stream = 1;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        begin_call(calls[i]);
        stream = is_new ? 1 : stream + 2;
        put_headers(&out, stream, true, false, FIELDS("a", "1"));
        put_headers(&out, stream, false, true, FIELDS("grpc-status", "0"));
        say_out();
        assert_answer(200, "");
        assert_str(buf_str(&given.trailers), "grpc-status: 0\n");
        buf_fini(&out);
    }
}

static void assert_error(enum fetch_error error, const char *detail)
{
    given_until(given.answers > 0);
    assert_int_equal(given.error, error);
    assert_has(buf_str(&given.detail), detail);
}

/* REFUSED_STREAM: curl may try that again by itself, INTERNAL_ERROR not. */
static void a_stream_that_is_reset_has_closed(void **state)
{
    (void)state;
    begin_call("a call");
    put_frame(&out, FRAME_RST_STREAM, 0, 1, STR("\0\0\0\2"));
    say_out();
    assert_error(FETCH_CLOSED, "INTERNAL_ERROR");
    buf_fini(&out);
}

static void a_connection_that_ends_has_closed(void **state)
{
    (void)state;
    begin_call("a call");
    put_headers(&out, 1, true, false, FIELDS("a", "1"));
    put_frame(&out, FRAME_DATA, 0, 1, STR("half an ans"));
    say_out();
    given_hang_up();
    assert_error(FETCH_CLOSED, "");
    buf_fini(&out);
}

static void a_server_of_http_1_is_told(void **state)
{
    struct fetch_order order = given_order("a call");

    (void)state;
    order.speaks_http2 = true;
    given_fetch(&order);
    given_accept();
    given_read_until("PRI * HTTP/2.0");
    given_say(STR("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
                  "Connection: close\r\n\r\n"));
    given_hang_up();
    assert_error(FETCH_CLOSED, "does the server speak HTTP/2 there?");
}

static void an_answer_beyond_its_bound_is_none(void **state)
{
    static char large[16000];

    (void)state;
    memset(large, 'x', sizeof(large));
    begin_call("a call");
    put_headers(&out, 1, true, false, FIELDS("a", "1"));
    for (unsigned i = 0; i < 5; i++)
        put_frame(&out, FRAME_DATA, 0, 1, (struct str){large, sizeof(large)});
    say_out();
    assert_error(FETCH_TOO_LARGE, "the answer is larger");
    buf_fini(&out);
}

#define TEST(name)                                \
    {                                             \
#name, name, given_begin, given_end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_ends_with_its_trailers),
        TEST(an_answer_of_trailers_alone_is_a_head),
        TEST(one_call_follows_the_other),
        TEST(a_stream_that_is_reset_has_closed),
        TEST(a_connection_that_ends_has_closed),
        TEST(a_server_of_http_1_is_told),
        TEST(an_answer_beyond_its_bound_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
