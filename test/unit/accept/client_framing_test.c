/* accept/client: bodies and their framing; what two readers could take for
 * two different messages is refused (RFC 9112). */
#include <sys/socket.h>

#include "door_double.h"

#define POST "POST /a HTTP/1.1\r\nHost: x\r\n"

/* Says `text`, and expects it to be refused and the connection closed. */
static void assert_refused_with(struct str text, enum error error)
{
    unsigned requests = seen.requests;
    struct caller caller;
    char front[32];

    seen.refusals = 0;
    caller_open(&caller);
    socket_write(&loop, caller.fd, text);
    loop_be_patient(&loop);
    loop_until(&loop, seen.refusals + seen.requests > requests);
    if (seen.refusals != 1 || seen.error != error)
        fail_msg("%.*s\n%s", STR_ARG(text),
                 seen.refusals == 0 ? "was taken" : error_name(seen.error).ptr);
    assert_int_equal(seen.requests, requests);
    expect_end(&caller);
    (void)snprintf(front, sizeof(front), "HTTP/1.1 %d ",
                   error_row(error)->status);
    assert_true(str_starts(buf_str(&caller.got), str_of(front)));
    /* nothing behind it is taken for a request */
    assert_lacks(str_slice(buf_str(&caller.got), 1, caller.got.len),
                 "HTTP/1.1");
    caller_close(&caller);
    assert_int_equal(seen.refusals, 1);
}

#define assert_refused(text, error) assert_refused_with(STR(text), ERR_##error)

static void sized_and_chunked_bodies_are_the_same(void **state)
{
    static const char *const texts[] = {
        POST "Content-Length: 5\r\n\r\nhello",
        POST "content-length:   5  \r\n\r\nhello",
        POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        POST "Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n0003;a=b\r\nllo\r\n"
             "0\r\nTrailer: x\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct caller caller;

        caller_open(&caller);
        say(&caller, texts[i]);
        expect(&caller, "POST /a? hello");
        /* and the next request begins where it should */
        say(&caller, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
        expect(&caller, "GET /b? ");
        caller_close(&caller);
    }
}

static void ambiguous_lengths_are_refused(void **state)
{
    (void)state;
    assert_refused(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
                        "\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
                   BAD_HTTP);
    assert_refused(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"
                        "\r\n0\r\n\r\n",
                   BAD_HTTP);
    assert_refused(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                   BAD_HTTP);
    assert_refused(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
                   BAD_HTTP);
    assert_refused(POST "Content-Length: 5, 5\r\n\r\nhello", BAD_HTTP);
    assert_refused(POST "Content-Length: +5\r\n\r\nhello", BAD_HTTP);
    assert_refused(POST "Content-Length: -5\r\n\r\nhello", BAD_HTTP);
    assert_refused(POST "Content-Length: 0x5\r\n\r\nhello", BAD_HTTP);
    assert_refused(POST "Content-Length: 5 5\r\n\r\nhello", BAD_HTTP);
    assert_refused(POST "Content-Length: 99999999999999999999\r\n\r\n",
                   BAD_HTTP);
    assert_refused(POST "Transfer-Encoding: gzip\r\n\r\n", BAD_HTTP);
    assert_refused(POST "Transfer-Encoding: chunked, gzip\r\n\r\n", BAD_HTTP);
    assert_refused(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"
                        "0\r\n\r\n",
                   BAD_HTTP);
    assert_refused(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                   BAD_HTTP);
    assert_refused(POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
                   BAD_HTTP);
    assert_refused(POST "Transfer-Encoding:\r\n\r\n", BAD_HTTP);
    assert_refused(POST "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello",
                   BAD_HTTP);
    assert_refused("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "0\r\n\r\n",
                   BAD_HTTP);
    assert_refused(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                   BAD_HTTP);
}

static void odd_chunks_are_refused(void **state)
{
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

    (void)state;
    assert_refused(CHUNKED "xyz\r\n", BAD_HTTP);
    assert_refused(CHUNKED "-1\r\n", BAD_HTTP);
    assert_refused(CHUNKED " 5\r\nhello\r\n", BAD_HTTP);
    assert_refused(CHUNKED "5\r\nhelloo\r\n", BAD_HTTP);
    assert_refused(CHUNKED "5\nhello\r\n0\r\n\r\n", BAD_HTTP);
    assert_refused(CHUNKED "5\r\nhello\n0\r\n\r\n", BAD_HTTP);
    assert_refused(CHUNKED "0x5\r\nhello\r\n", BAD_HTTP);
    assert_refused(CHUNKED "fffffffffffffffff\r\n", BAD_HTTP);
    assert_refused(CHUNKED "ffffffffffffffff\r\n", BODY_TOO_LARGE);
}

static void odd_lines_are_refused(void **state)
{
    (void)state;
    assert_refused("GET /a HTTP/1.1\nHost: x\n\n", BAD_HTTP); /* bare LF */
    assert_refused("GET /a HTTP/1.1\r\nHost: x\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
                   BAD_HTTP); /* obs-fold */
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1\r\n Host: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\nX\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\nX(: a\r\n\r\n", BAD_HTTP);
    assert_refused("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET  /a HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a  HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.1 \r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a\r\n\r\n", BAD_HTTP); /* HTTP/0.9 */
    assert_refused("OPTIONS /a RTSP/1.0\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET a HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/3.0\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a HTTP/1.10\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("GET /a http/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("get /a HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("NONSENSE /a HTTP/1.1\r\nHost: x\r\n\r\n", BAD_HTTP);
    assert_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_HTTP);
    assert_refused("\x16\x03\x01\x02\x00\x01\x00", BAD_HTTP); /* TLS */
    assert_refused("hello\r\n\r\n", BAD_HTTP);
}

static void a_refusal_says_why(void **state)
{
    (void)state;
    assert_refused(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
                   BAD_HTTP);
    assert_true(strlen(seen.detail) > 0);
}

static void too_much_is_refused_before_it_is_kept(void **state)
{
    static char big[200000];
    struct buf text;

    (void)state;
    memset(big, 'x', sizeof(big));
    buf_init(&text, 1 << 20);
    assert_refused(POST "Content-Length: 100001\r\n\r\n", BODY_TOO_LARGE);
    assert_refused(POST "Content-Length: 18446744073709551615\r\n\r\n",
                   BODY_TOO_LARGE);
    /* chunked: as soon as it is known */
    buf_put(&text, STR(POST "Transfer-Encoding: chunked\r\n\r\nc350\r\n"));
    buf_put(&text, (struct str){big, 50000});
    buf_put(&text, STR("\r\nc351\r\n"));
    buf_put(&text, (struct str){big, 50001});
    assert_refused_with(buf_str(&text), ERR_BODY_TOO_LARGE);
    /* a head of more than 64 KB, in one field or in many */
    buf_clear(&text);
    buf_put(&text, STR("GET /a HTTP/1.1\r\nHost: x\r\nX: "));
    buf_put(&text, (struct str){big, HEAD_MAX_BYTES});
    assert_refused_with(buf_str(&text), ERR_HEAD_TOO_LARGE);
    buf_clear(&text);
    buf_put(&text, STR("GET /"));
    buf_put(&text, (struct str){big, HEAD_MAX_BYTES});
    assert_refused_with(buf_str(&text), ERR_HEAD_TOO_LARGE);
    buf_clear(&text);
    buf_put(&text, STR("GET /a HTTP/1.1\r\n"));
    for (unsigned i = 0; i <= HEAD_MAX_FIELDS; i++)
        buf_put(&text, STR("X: y\r\n"));
    assert_refused_with(buf_str(&text), ERR_HEAD_TOO_LARGE);
    buf_fini(&text);
}

static void the_largest_body_is_taken(void **state)
{
    static char body[100000];
    struct caller caller;

    (void)state;
    memset(body, 'x', sizeof(body));
    caller_open(&caller);
    say(&caller, POST "Content-Length: 100000\r\n\r\n");
    socket_write(&loop, caller.fd, (struct str){body, sizeof(body)});
    loop_until(&loop, seen.requests == 1);
    say(&caller, POST "Transfer-Encoding: chunked\r\n\r\n186a0\r\n");
    socket_write(&loop, caller.fd, (struct str){body, sizeof(body)});
    say(&caller, "\r\n0\r\n\r\n");
    loop_until(&loop, seen.requests == 2);
    caller_close(&caller);
}

static void the_budget_of_all_bodies_is_kept(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.memory_budget = 80;
    assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n3e8\r\n"
                        "0123456789012345678901234567890123456789",
                   MEMORY_BUDGET);
    loop_until(&loop, atomic_load(&memory_used) == 0);
    /* what one holds is lacking for the other */
    caller_open(&caller);
    say(&caller, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
                 "abcdef");
    loop_until(&loop, seen.held != NULL);
    assert_int_equal(atomic_load(&memory_used), 24);
    door.limits.memory_budget = 24;
    assert_refused(POST "Content-Length: 1\r\n\r\nx", MEMORY_BUDGET);
    /* once it has been read it counts for its bytes, until it goes */
    request_settle_body(seen.held);
    assert_int_equal(atomic_load(&memory_used), 6);
    request_settle_body(seen.held);
    assert_int_equal(atomic_load(&memory_used), 6);
    request_drop_body(seen.held);
    assert_int_equal(atomic_load(&memory_used), 0);
    finish_held(true);
    caller_close(&caller);
}

static void a_body_that_ends_early_is_refused(void **state)
{
    static const char *const texts[] = {
        POST "Content-Length: 5\r\n\r\nhell",
        POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct caller caller;

        caller_open(&caller);
        say(&caller, texts[i]);
        shutdown(caller.fd, SHUT_WR);
        expect_end(&caller);
        assert_int_equal(seen.refusals, i + 1);
        assert_int_equal(seen.error, ERR_BODY_TRUNCATED);
        assert_true(str_starts(buf_str(&caller.got), STR("HTTP/1.1 400 ")));
        caller_close(&caller);
    }
    assert_int_equal(seen.requests, 0);
}

/* --- expectations
 * ------------------------------------------------------------------ */

static void who_waits_for_100_continue_gets_it(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
    expect(&caller, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(seen.requests, 0);
    say(&caller, "hello");
    expect(&caller, "HTTP/1.1 200 X\r\nContent-Length: 14\r\n\r\n"
                    "POST /a? hello");
    /* chunked, too; and nobody without a body */
    say(&caller, POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"
                      "\r\n");
    expect(&caller, "HTTP/1.1 100 Continue\r\n\r\n");
    say(&caller, "0\r\n\r\n");
    expect(&caller, "POST /a? ");
    say(&caller, "GET /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n");
    socket_read_until(&loop, caller.fd, &caller.got, "GET /b? ");
    assert_lacks(buf_str(&caller.got), "100 Continue");
    caller_close(&caller);
}

static void who_is_refused_gets_no_100(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                 "Content-Length: 5\r\n\r\n");
    expect_end(&caller);
    assert_true(str_starts(buf_str(&caller.got), STR("HTTP/1.1 404 ")));
    assert_int_equal(seen.error, ERR_NO_SUCH_PATH);
    caller_close(&caller);
    assert_refused(POST "Expect: 100-continue\r\nContent-Length: 100001\r\n"
                        "\r\n",
                   BODY_TOO_LARGE);
}

static void other_expectations_are_not_met(void **state)
{
    (void)state;
    assert_refused(POST "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
                   EXPECTATION);
    assert_refused("GET /a HTTP/1.1\r\nHost: x\r\nExpect: teapot\r\n\r\n",
                   EXPECTATION);
}

static void what_else_the_head_can_forbid(void **state)
{
    (void)state;
    assert_refused(POST "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
                        "hello",
                   CONTENT_ENCODING);
    assert_refused("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
                   METHOD);
    assert_refused("GET /no HTTP/1.1\r\nHost: x\r\n\r\n", NO_SUCH_PATH);
}

/* --- time
 * ----------------------------------------------------------------------------
 */

static void a_head_that_takes_too_long_is_refused(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.head_ms = 250;
    caller_open(&caller);
    say(&caller, "GET /a HTTP/1.1\r\n");
    loop_be_patient(&loop);
    while (seen.refusals == 0) { /* a trickle does not help */
        say(&caller, "X: y\r\n");
        loop_run_ms(&loop, 20);
    }
    assert_int_equal(seen.error, ERR_REQUEST_TIMEOUT);
    expect_end(&caller);
    assert_true(str_starts(buf_str(&caller.got), STR("HTTP/1.1 408 ")));
    caller_close(&caller);
}

static void a_body_may_trickle_but_not_stop(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.body_ms = 300;
    caller_open(&caller);
    say(&caller, POST "Content-Length: 5\r\n\r\n");
    for (unsigned i = 0; i < 4; i++) {
        loop_run_ms(&loop, 150);
        assert_int_equal(seen.refusals, 0);
        say(&caller, "x");
    }
    loop_until(&loop, seen.refusals == 1);
    assert_int_equal(seen.error, ERR_REQUEST_TIMEOUT);
    expect_end(&caller);
    caller_close(&caller);
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
    struct caller caller;
    struct caller silent;

    (void)state;
    door.limits.idle_ms = 100;
    door.limits.head_ms = 200;
    caller_open(&silent);
    caller_open(&caller);
    say(&caller, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(&caller, "GET /a? ");
    expect_end(&caller);
    assert_int_equal(caller.got.len, 0);
    expect_end(&silent);
    assert_int_equal(silent.got.len, 0);
    assert_int_equal(seen.refusals, 0);
    caller_close(&caller);
    caller_close(&silent);
}

static void an_answer_may_take_its_time(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.head_ms = door.limits.body_ms = door.limits.idle_ms = 50;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_run_ms(&loop, 400);
    assert_int_equal(seen.gones + seen.refusals, 0);
    finish_held(true);
    expect(&caller, "held");
    caller_close(&caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_door(sized_and_chunked_bodies_are_the_same),
        with_door(ambiguous_lengths_are_refused),
        with_door(odd_chunks_are_refused),
        with_door(odd_lines_are_refused),
        with_door(a_refusal_says_why),
        with_door(too_much_is_refused_before_it_is_kept),
        with_door(the_largest_body_is_taken),
        with_door(the_budget_of_all_bodies_is_kept),
        with_door(a_body_that_ends_early_is_refused),
        with_door(who_waits_for_100_continue_gets_it),
        with_door(who_is_refused_gets_no_100),
        with_door(other_expectations_are_not_met),
        with_door(what_else_the_head_can_forbid),
        with_door(a_head_that_takes_too_long_is_refused),
        with_door(a_body_may_trickle_but_not_stop),
        with_door(an_idle_connection_is_closed_without_a_word),
        with_door(an_answer_may_take_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
