/* endpoint: where a backend is reached. */
#include "endpoint.h"

#include "testing.h"

static void a_url_is_taken_apart(void **state)
{
    static const struct {
        const char *url;
        bool is_tls;
        const char *host;
        unsigned port;
        const char *authority;
        const char *path;
    } cases[] = {
        {"http://a.test", false, "a.test", 80, "a.test", ""},
        {"http://a.test/", false, "a.test", 80, "a.test", ""},
        {"https://a.test", true, "a.test", 443, "a.test", ""},
        {"https://a.test/v1", true, "a.test", 443, "a.test", ""},
        {"https://a.test/v1/", true, "a.test", 443, "a.test", ""},
        {"http://a.test:8000/v1", false, "a.test", 8000, "a.test:8000", ""},
        {"http://a.test:8000/x/y", false, "a.test", 8000, "a.test:8000",
         "/x/y"},
        {"http://a.test/x/v1", false, "a.test", 80, "a.test", "/x"},
        {"http://a.test/v1beta", false, "a.test", 80, "a.test", "/v1beta"},
        {"http://a.test/xv1", false, "a.test", 80, "a.test", "/xv1"},
        {"http://a.test//v1", false, "a.test", 80, "a.test", ""},
        {"http://a.test/x//v1/", false, "a.test", 80, "a.test", "/x"},
        {"http://a.test/v1/v1", false, "a.test", 80, "a.test", "/v1"},
        {"http://127.0.0.1:1", false, "127.0.0.1", 1, "127.0.0.1:1", ""},
        {"http://[::1]:8000/v1", false, "::1", 8000, "[::1]:8000", ""},
        {"https://[fe80::1%25eth0]", true, "fe80::1%25eth0", 443,
         "[fe80::1%25eth0]", ""},
        {"http://a_b-c.svc.cluster.local:65535", false,
         "a_b-c.svc.cluster.local", 65535, "a_b-c.svc.cluster.local:65535", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint endpoint;

        if (!endpoint_parse(str_of(cases[i].url), &endpoint))
            fail_msg("refused: %s", cases[i].url);
        assert_int_equal(endpoint.is_tls, cases[i].is_tls);
        assert_string_equal(endpoint.host, cases[i].host);
        assert_int_equal(endpoint.port, cases[i].port);
        assert_str(endpoint.authority, cases[i].authority);
        assert_true(str_eq(endpoint.path, str_of(cases[i].path)));
        assert_str(endpoint.url, cases[i].url);
    }
}

static void what_is_no_base_url_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "a.test",
        "//a.test",
        "ftp://a.test",
        "HTTP:/a.test",
        "http:/a.test",
        "http://",
        "http:///v1",
        "https://:443",
        "http://a.test:",
        "http://a.test:0",
        "http://a.test:65536",
        "http://a.test:8o",
        "http://a.test:80:80",
        "http://user@a.test",
        "http://user:pass@a.test",
        "http://a.test?x=y",
        "http://a.test/v1?x=y",
        "http://a.test/v1#x",
        "http://a.test/a b",
        "http://a.test/a\r\nX: y",
        "http://a.test\r\nX: y",
        "http://a b.test",
        "http://[::1",
        "http://[]:80",
        "http://[::1]x",
        "http://a.test/\xC3\xA4",
        "http://a.test/\"",
        "http://a.test/\\",
    };
    struct endpoint endpoint;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (endpoint_parse(str_of(bad[i]), &endpoint))
            fail_msg("taken: %s", bad[i]);
}

static void a_host_has_a_bound(void **state)
{
    char url[400] = "http://";
    struct endpoint endpoint;

    (void)state;
    memset(url + 7, 'a', ENDPOINT_HOST_MAX);
    assert_false(
        endpoint_parse((struct str){url, 7 + ENDPOINT_HOST_MAX}, &endpoint));
    assert_true(endpoint_parse((struct str){url, 7 + ENDPOINT_HOST_MAX - 1},
                               &endpoint));
    assert_int_equal(strlen(endpoint.host), ENDPOINT_HOST_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(what_is_no_base_url_is_refused),
        cmocka_unit_test(a_host_has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
