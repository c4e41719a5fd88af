/* lib/fetch over plain HTTP/1.1: what goes out, what comes back, and all ways
 * in which it does not. */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fetch_given.h"

/* --- names: no server of names is asked ----------------------------------- */

static _Atomic int look_ups_under_way;
static _Atomic bool is_slow_over;

/* For twenty seconds at most. */
static void be_slow(void)
{
    struct timespec moment = {0, 1000000};

    look_ups_under_way++;
    for (unsigned i = 0; i < 20000 && !is_slow_over; i++)
        (void)nanosleep(&moment, NULL);
    look_ups_under_way--;
}

/* In the place of the system's, for libcurl: "receiver.test" is this machine,
 * a slow name takes as long as the test likes, no other is known. */
int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **found);
void freeaddrinfo(struct addrinfo *found);

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
    struct both {
        struct addrinfo info;
        struct sockaddr_in address;
    } * both;

    (void)hints;
    if (str_eq(str_of(name), STR("slow.test"))) {
        be_slow();
        return EAI_AGAIN;
    }
    if (!str_eq(str_of(name), STR("receiver.test")))
        return EAI_NONAME;
    both = calloc(1, sizeof(*both));
    if (both == NULL)
        return EAI_MEMORY;
    both->address.sin_family = AF_INET;
    both->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    both->address.sin_port = htons((uint16_t)strtoul(service, NULL, 10));
    both->info.ai_family = AF_INET;
    both->info.ai_socktype = SOCK_STREAM;
    both->info.ai_addrlen = sizeof(both->address);
    both->info.ai_addr = (struct sockaddr *)&both->address;
    *found = &both->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    free(found);
}

/* --- what comes back ------------------------------------------------------ */

static void assert_error(enum fetch_error error, const char *detail)
{
    assert_int_equal(given.answers, 1);
    assert_int_equal(given.error, error);
    assert_has(buf_str(&given.detail), detail);
}

static void assert_answer(int status, const char *body)
{
    assert_int_equal(given.error, FETCH_OK);
    assert_int_equal(given.answers, 1);
    assert_int_equal(given.status, status);
    assert_str(buf_str(&given.body), body);
    given.answers = 0;
}

static void the_request_is_as_ordered(void **state)
{
    const struct fetch_header headers[] = {
        {STR_INIT("Content-Type"), STR_INIT("application/json")},
        {STR_INIT("Authorization"), STR_INIT("Basic c2VjcmV0")},
        {STR_INIT("X-Empty"), STR_INIT("")},
        {STR_INIT("X-Bad"), STR_INIT("a\r\nX-Injected: 1")},
    };
    struct fetch_order order = given_order("{\"a\":1}");
    struct str got;

    (void)state;
    order.headers = headers;
    order.header_count = COUNT_OF(headers);
    given_fetch(&order);
    given_serve("{\"a\":1}", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    got = buf_str(&given.got);
    assert_true(
        str_starts(got, STR("POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:")));
    assert_has(got, "\r\nContent-Type: application/json\r\n");
    assert_has(got, "\r\nAuthorization: Basic c2VjcmV0\r\n");
    assert_has(got, "\r\nX-Empty:\r\n");
    assert_has(got, "\r\nUser-Agent: weir/");
    assert_has(got, "\r\nContent-Length: 7\r\n");
    assert_true(str_ends(got, STR("\r\n\r\n{\"a\":1}")));
    assert_lacks(got, "Expect");
    assert_lacks(got, "Injected");
    assert_lacks(got, "form-urlencoded");
    given_until(given.answers > 0);
    assert_answer(200, "ok");
}

static void a_large_body_is_not_announced(void **state)
{
    struct fetch_order order;
    static char body[3 << 20];

    (void)state;
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 2] = 'Z';
    order = given_order(body);
    given_fetch(&order);
    given_serve("xZ", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_lacks(buf_str(&given.got), "100-continue");
    given_until(given.answers > 0);
    assert_answer(200, "");
    assert_true(given.got.len > sizeof(body));
}

static void fields_and_trailers_are_told_apart(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    given_fetch(&order);
    given_serve("\r\n\r\nx", "HTTP/1.1 429 Slow\r\nRetry-After:  7 \r\n"
                             "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n"
                             "5\r\nhello\r\n6\r\n world\r\n0\r\n"
                             "A: 1\r\nB: two: three\r\n\r\n");
    given_until(given.answers > 0);
    assert_answer(429, "hello world");
    assert_str(buf_str(&given.head), "Retry-After: 7\n"
                                     "Transfer-Encoding: chunked\n"
                                     "Trailer: A\n");
    assert_str(buf_str(&given.trailers), "A: 1\nB: two: three\n");
}

static void an_interim_answer_is_not_the_answer(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    given_fetch(&order);
    given_serve("\r\n\r\nx", "HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n"
                             "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                             "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\n"
                             "Content-Length: 4\r\n\r\nbusy");
    given_until(given.answers > 0);
    assert_answer(503, "busy");
    assert_str(buf_str(&given.head), "Retry-After: 3\nContent-Length: 4\n");
    assert_str(buf_str(&given.trailers), "");
}

static void a_redirection_is_an_answer(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    given_fetch(&order);
    given_serve("\r\n\r\nx",
                "HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/\r\n"
                "Content-Length: 0\r\n\r\n");
    given_until(given.answers > 0);
    assert_answer(307, "");
}

static void a_connection_is_used_again(void **state)
{
    struct fetch_order order;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        order = given_order("body");
        given_fetch(&order);
        if (i == 0)
            given_accept();
        buf_clear(&given.got);
        given_read_until("\r\n\r\nbody");
        given_say(STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        given_until(given.answers > 0);
        assert_answer(200, "ok");
    }
    /* and when the server has closed it, a new one is opened */
    given_hang_up();
    order = given_order("body");
    given_fetch(&order);
    given_serve("\r\n\r\nbody",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    given_until(given.answers > 0);
    assert_answer(200, "ok");
}

static void several_are_under_way_at_once(void **state)
{
    struct fetch_order first = given_order("first");
    struct fetch_order second;

    (void)state;
    given_fetch(&first);
    given_accept();
    given_read_until("first");
    second = given_order("second");
    given_fetch(&second);
    {
        int waiting = given.fd;

        given.fd = -1;
        given_serve("second", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
        given_until(given.answers > 0);
        assert_answer(200, "2");
        given.fd = waiting;
    }
    given_say(STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"));
    given_until(given.answers > 0);
    assert_answer(200, "1");
}

/* --- bounds --------------------------------------------------------------- */

static void an_answer_beyond_its_bound_is_none(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    order.max_answer = 10;
    given_fetch(&order);
    given_serve("\r\n\r\nx",
                "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901");
    given_until(given.answers > 0);
    assert_error(FETCH_TOO_LARGE, "the answer is larger than it may be");
    assert_int_equal(given.status, 200);
}

static void an_answer_at_its_bound_is_one(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    order.max_answer = 10;
    given_fetch(&order);
    given_serve("\r\n\r\nx",
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234567890");
    given_until(given.answers > 0);
    assert_answer(200, "1234567890");
}

static void a_head_without_an_end_is_none(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    given_fetch(&order);
    given_accept();
    given_read_until("\r\n\r\nx");
    given_say(STR("HTTP/1.1 200 OK\r\n"));
    for (unsigned i = 0; i <= HEAD_MAX_FIELDS; i++)
        given_say(STR("A: b\r\n"));
    given_until(given.answers > 0);
    assert_error(FETCH_TOO_LARGE, "the head of the answer");
}

/* --- failures ------------------------------------------------------------- */

static void a_dead_port_is_unreachable(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    close(given.listener);
    given.listener = -1;
    given_fetch_answer(&order);
    assert_error(FETCH_UNREACHABLE, "Failed to connect to 127.0.0.1");
    assert_int_equal(given.status, 0);
}

static void an_unknown_name_is_unreachable(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    order.url = STR("http://nobody.test:4318/");
    setenv("no_proxy", "*", 1);
    given_fetch_answer(&order);
    assert_error(FETCH_UNREACHABLE, "Could not resolve host: nobody.test");
}

static void a_name_is_looked_up(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    order.url = given_url("http", "receiver.test");
    setenv("no_proxy", "*", 1);
    given_fetch(&order);
    given_serve("\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    given_until(given.answers > 0);
    assert_answer(200, "ok");
}

static void a_server_that_hangs_up_has_closed(void **state)
{
    static const char *const answers[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct fetch_order order = given_order("x");

        given_fetch(&order);
        given_serve("\r\n\r\nx", answers[i]);
        given_until(given.answers > 0);
        assert_error(FETCH_CLOSED, "");
        assert_true(given.detail.len > 0);
        (void)given_end(state);
        (void)given_begin(state);
    }
}

static void what_is_no_http_is_broken(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    given_fetch(&order);
    given_serve("\r\n\r\nx", "SSH-2.0-OpenSSH\r\n");
    given_until(given.answers > 0);
    assert_error(FETCH_BROKEN, "HTTP/0.9");
}

static void a_bad_url_is_broken(void **state)
{
    static const char *const urls[] = {"ftp://127.0.0.1/", "http://a b/",
                                       "http://[::1", ""};

    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct fetch_order order = given_order("x");

        order.url = str_of(urls[i]);
        given_fetch_answer(&order);
        assert_error(FETCH_BROKEN, "");
        (void)given_end(state);
        (void)given_begin(state);
    }
}

static void a_silent_server_is_waited_for_only_so_long(void **state)
{
    struct fetch_order order = given_order("x");
    uint64_t began_ms = clock_ms();

    (void)state;
    order.timeout_ms = 150;
    given_fetch(&order);
    given_accept();
    given_read_until("\r\n\r\nx");
    given_until(given.answers > 0);
    assert_error(FETCH_TIMEOUT, "timed out");
    assert_true(clock_ms() - began_ms >= 140);
}

static void a_server_that_drips_is_waited_for_only_so_long(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    order.timeout_ms = 300;
    given_fetch(&order);
    given_accept();
    given_read_until("\r\n\r\nx");
    given_say(STR("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"));
    given_be_patient();
    while (given.answers == 0) {
        given_say(STR("."));
        given_turn();
    }
    assert_error(FETCH_TIMEOUT, "timed out");
}

/* A look-up runs on a thread of libcurl's that nothing can stop. */
static void a_slow_look_up_holds_nobody_up(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    is_slow_over = false;
    order.url = STR("http://slow.test:4318/");
    setenv("no_proxy", "*", 1);
    order.timeout_ms = 150;
    given_fetch_answer(&order);
    assert_error(FETCH_TIMEOUT, "timed out");
    assert_int_equal(look_ups_under_way, 1);
    order.timeout_ms = 10000;
    given_fetch(&order);
    given_until(look_ups_under_way == 2);
    fetch_cancel(given.fetch);
    assert_int_equal(look_ups_under_way, 2);
    is_slow_over = true;
    given_until(look_ups_under_way == 0);
    /* the last thread leaves its last function */
    given_be_patient();
    for (unsigned i = 0; i < 20; i++)
        given_turn();
}

static void a_cancelled_transfer_is_never_answered(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    given_fetch(&order);
    given_accept();
    given_read_until("\r\n\r\nx");
    fetch_cancel(given.fetch);
    order = given_order("another");
    given_fetch(&order);
    given_serve("another", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    given_until(given.answers > 0);
    assert_answer(200, "");
    /* one is under way when the fetcher closes, in the end */
    order = given_order("the last");
    given_fetch(&order);
    given_accept();
    given_read_until("the last");
}

/* --- proxies -------------------------------------------------------------- */

static void set_proxy(void)
{
    char proxy[64];

    (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", given.port);
    setenv("http_proxy", proxy, 1);
    setenv("https_proxy", proxy, 1);
}

static int end_proxy(void **state)
{
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("no_proxy");
    return given_end(state);
}

static void a_proxy_of_the_environment_is_asked(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    set_proxy();
    order.url = STR("http://far.test:4318/v1/traces");
    given_fetch(&order);
    given_serve("\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_true(
        str_starts(buf_str(&given.got),
                   STR("POST http://far.test:4318/v1/traces HTTP/1.1\r\n")));
    given_until(given.answers > 0);
    assert_answer(200, "ok");
}

static void a_tunnel_is_asked_for_https_and_for_http2(void **state)
{
    static const char *const urls[] = {"https://far.test/",
                                       "http://far.test:4317/"};

    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct fetch_order order = given_order("x");

        set_proxy();
        order.url = str_of(urls[i]);
        order.speaks_http2 = i == 1;
        given_fetch(&order);
        given_serve("\r\n\r\n", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        assert_true(str_starts(buf_str(&given.got),
                               i == 0 ? STR("CONNECT far.test:443 HTTP/1.1")
                                      : STR("CONNECT far.test:4317 HTTP/1.1")));
        given_until(given.answers > 0);
        assert_error(FETCH_CLOSED, "403");
        (void)end_proxy(state);
        (void)given_begin(state);
    }
}

static void no_proxy_is_asked_for_this_machine(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "LocalHost",
                                        "user:word@127.0.0.1"};

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct fetch_order order = given_order("x");

        order.url = given_url("http", hosts[i]);
        given_fetch(&order);
        given_serve("\r\n\r\nx",
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        given_until(given.answers > 0);
        assert_answer(200, "ok");
    }
}

static void who_is_exempt_has_no_proxy(void **state)
{
    struct fetch_order order = given_order("x");

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    order.url = given_url("http", "receiver.test");
    given_fetch_answer(&order);
    assert_error(FETCH_UNREACHABLE, "127.0.0.1 port 1");
    given.answers = 0;
    setenv("no_proxy", "receiver.test", 1);
    order.url = given_url("http", "receiver.test");
    given_fetch(&order);
    given_serve("\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    given_until(given.answers > 0);
    assert_answer(200, "ok");
}

#define TEST(name)                                \
    {                                             \
#name, name, given_begin, end_proxy, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_request_is_as_ordered),
        TEST(a_large_body_is_not_announced),
        TEST(fields_and_trailers_are_told_apart),
        TEST(an_interim_answer_is_not_the_answer),
        TEST(a_redirection_is_an_answer),
        TEST(a_connection_is_used_again),
        TEST(several_are_under_way_at_once),
        TEST(an_answer_beyond_its_bound_is_none),
        TEST(an_answer_at_its_bound_is_one),
        TEST(a_head_without_an_end_is_none),
        TEST(a_dead_port_is_unreachable),
        TEST(an_unknown_name_is_unreachable),
        TEST(a_name_is_looked_up),
        TEST(a_server_that_hangs_up_has_closed),
        TEST(what_is_no_http_is_broken),
        TEST(a_bad_url_is_broken),
        TEST(a_silent_server_is_waited_for_only_so_long),
        TEST(a_server_that_drips_is_waited_for_only_so_long),
        TEST(a_slow_look_up_holds_nobody_up),
        TEST(a_cancelled_transfer_is_never_answered),
        TEST(a_proxy_of_the_environment_is_asked),
        TEST(a_tunnel_is_asked_for_https_and_for_http2),
        TEST(no_proxy_is_asked_for_this_machine),
        TEST(who_is_exempt_has_no_proxy),
    };

    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    unsetenv("HTTPS_PROXY");
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
