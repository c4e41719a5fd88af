/* proxy: which way out, and who goes without; forward/tunnel: what is said. */
#include "proxy.h"

#include <stdlib.h>

#include "forward/tunnel.h"
#include "testing.h"

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

static void assert_proxy(const char *url, const char *host, unsigned port,
                         const char *credentials)
{
    struct proxy *proxy = proxy_parse(&arena, str_of(url));

    assert_non_null(proxy);
    assert_string_equal(proxy->host, host);
    assert_int_equal(proxy->port, port);
    assert_str(proxy->credentials.bytes, credentials);
}

static void a_proxy_is_host_port_and_perhaps_a_user(void **state)
{
    (void)state;
    assert_proxy("http://proxy.test:3128", "proxy.test", 3128, "");
    assert_proxy("http://proxy.test/", "proxy.test", 80, "");
    assert_proxy("proxy.test:8080", "proxy.test", 8080, "");
    assert_proxy("http://[::1]:3128", "::1", 3128, "");
    assert_proxy("http://user:pass@p:1", "p", 1, "dXNlcjpwYXNz");
    /* a user alone; escapes; an @ in the password */
    assert_proxy("http://user@p:1", "p", 1, "dXNlcjo=");
    assert_proxy("http://us%65r:p%3Ass@p:1", "p", 1, "dXNlcjpwOnNz");
    assert_proxy("http://user:p@ss@p:1", "p", 1, "dXNlcjpwQHNz");
}

static void what_is_no_proxy_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "https://p:1",
        "socks5://p:1",
        "http://",
        "http://p:0",
        "http://p:x",
        "http://p:1/path",
        "http://u%zz@p:1",
        "http://u%4@p:1",
        "http://a b:1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(proxy_parse(&arena, str_of(bad[i])));
}

static bool exempt(const char *url, const char *list)
{
    struct endpoint endpoint;

    assert_true(endpoint_parse(str_of(url), &endpoint));
    return proxy_is_exempt(&endpoint, str_of(list));
}

static void exemptions_are_names_ports_and_networks(void **state)
{
    static const struct {
        const char *url, *list;
        bool is_exempt;
    } cases[] = {
        {"http://a.test", "", false},
        {"http://a.test", "*", true},
        {"http://a.test", "b.test, a.test", true},
        {"http://A.Test", "a.tesT", true},
        {"http://x.a.test", "a.test", true},
        {"http://x.a.test", ".a.test", true},
        {"http://x.a.test", "*.a.test", true},
        {"http://xa.test", "a.test", false},
        {"http://a.test:8000", "a.test:8000", true},
        {"http://a.test:8001", "a.test:8000", false},
        {"https://a.test", "a.test:443", true},
        {"http://10.1.2.3", "10.0.0.0/8", true},
        {"http://11.1.2.3", "10.0.0.0/8", false},
        {"http://10.1.2.3", "10.1.2.3", true},
        {"http://10.1.2.3", "0.0.0.0/0", true},
        {"http://192.168.1.130", "192.168.1.128/25", true},
        {"http://192.168.1.127", "192.168.1.128/25", false},
        {"http://10.1.2.3", "10.0.0.0/33", false},
        {"http://10.1.2.3", "10.0.0.0/", false},
        {"http://a.test", "10.0.0.0/8", false},
        {"http://[fd00::1]", "fd00::/8", true},
        {"http://[fe80::1]", "fd00::/8", false},
        {"http://[fd00::1]", "10.0.0.0/8", false},
        {"http://[fd00::1]:80", "[fd00::1]:80", true},
        {"http://[fd00::1]:80", "[fd00::1]", true},
        {"http://[fd00::1]", "fd00::1", true},
        {"http://a.test", ",, ,", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (exempt(cases[i].url, cases[i].list) != cases[i].is_exempt)
            fail_msg("%s by \"%s\"", cases[i].url, cases[i].list);
}

static void this_machine_is_known(void **state)
{
    static const char *const here[] = {"http://127.0.0.1:1", "http://127.9.9.9",
                                       "http://[::1]:1", "http://localhost",
                                       "http://a.localhost"};
    static const char *const there[] = {"http://10.0.0.1", "http://a.test",
                                        "http://[::2]", "http://notlocalhost"};
    struct endpoint endpoint;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(here); i++) {
        assert_true(endpoint_parse(str_of(here[i]), &endpoint));
        assert_true(proxy_is_loopback(&endpoint));
    }
    for (size_t i = 0; i < COUNT_OF(there); i++) {
        assert_true(endpoint_parse(str_of(there[i]), &endpoint));
        assert_false(proxy_is_loopback(&endpoint));
    }
}

/* --- the tunnel ----------------------------------------------------------- */

static void a_tunnel_is_asked_for_with_host_and_port(void **state)
{
    struct endpoint endpoint;
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    assert_true(endpoint_parse(STR("https://api.test/v1"), &endpoint));
    tunnel_ask(proxy_parse(&arena, STR("http://u:p@proxy.test:1")), &endpoint,
               &out);
    assert_str(buf_str(&out), "CONNECT api.test:443 HTTP/1.1\r\n"
                              "Host: api.test:443\r\n"
                              "User-Agent: weir/" WEIR_VERSION "\r\n"
                              "Proxy-Authorization: Basic dTpw\r\n\r\n");
    buf_clear(&out);
    assert_true(endpoint_parse(STR("http://[fd00::1]:8000"), &endpoint));
    tunnel_ask(proxy_parse(&arena, STR("http://proxy.test:1")), &endpoint,
               &out);
    assert_has(buf_str(&out), "CONNECT [fd00::1]:8000 HTTP/1.1\r\n");
    assert_false(str_contains(buf_str(&out), STR("Authorization")));
    buf_fini(&out);
}

static void assert_heard(const char *answer, enum tunnel_state expected,
                         const char *expected_why)
{
    char why[TUNNEL_WHY_MAX] = "";

    assert_int_equal(tunnel_hear(str_of(answer), why), expected);
    assert_string_equal(why, expected_why);
}

static void an_answer_opens_it_or_does_not(void **state)
{
    (void)state;
    assert_heard("", TUNNEL_WAITS, "");
    assert_heard("HTTP/1.1 200 OK\r\n", TUNNEL_WAITS, "");
    assert_heard("HTTP/1.1 200 OK\r\n\r\n", TUNNEL_OPEN, "");
    assert_heard("HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n",
                 TUNNEL_OPEN, "");
    assert_heard("HTTP/1.1 407 Who?\r\n\r\n", TUNNEL_REFUSED,
                 "it answered 407");
    assert_heard("HTTP/1.1 100 Continue\r\n\r\n", TUNNEL_REFUSED,
                 "it answered 100");
    assert_heard("SSH-2.0-x\r\n\r\n", TUNNEL_REFUSED,
                 "its answer is not HTTP/1.1");
    assert_heard("HTTP/1.1 2000\r\n\r\n", TUNNEL_REFUSED,
                 "its answer is not HTTP/1.1");
    assert_heard("HTTP/1.1 200 OK\r\n\r\nx", TUNNEL_REFUSED,
                 "it said more than its answer");
}

static void an_endless_answer_is_not_waited_for(void **state)
{
    struct str long_one = {arena_alloc(&arena, TUNNEL_ANSWER_MAX),
                           TUNNEL_ANSWER_MAX};
    char why[TUNNEL_WHY_MAX] = "";

    (void)state;
    assert_int_equal(tunnel_hear(long_one, why), TUNNEL_REFUSED);
    assert_string_equal(why, "its answer is too long");
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(a_proxy_is_host_port_and_perhaps_a_user),
        with_arena(what_is_no_proxy_is_refused),
        with_arena(exemptions_are_names_ports_and_networks),
        with_arena(this_machine_is_known),
        with_arena(a_tunnel_is_asked_for_with_host_and_port),
        with_arena(an_answer_opens_it_or_does_not),
        with_arena(an_endless_answer_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
