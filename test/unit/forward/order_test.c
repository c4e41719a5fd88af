/* forward/order: the head of a request to a backend. */
#include "forward/order.h"

#include "../given.h"
#include "../testing.h"

static struct catalog *catalog;
static struct buf out;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 16);
    catalog = given_catalog(
        "backends:\n"
        "  - {name: a, tier: local, url: ['http://a.test:8000/base/v1',\n"
        "     'http://[::1]:9'], api_key: sk-a, models: [{name: m}]}\n"
        "  - {name: b, tier: cloud, url: 'http://b.test', api_key: sk-b,\n"
        "     default_model: claude-haiku-4-5}\n"
        "  - {name: c, tier: local, url: 'http://c.test', models: [{name: "
        "n}]}\n"
        "  - {name: d, tier: cloud, dialect: openai, url: 'http://d.test',\n"
        "     api_key: sk-d, models: [{name: o}]}\n");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    catalog_unref(catalog);
    buf_fini(&out);
    return 0;
}

static struct str written(const struct order *order, unsigned backend,
                          unsigned replica)
{
    buf_clear(&out);
    order_write(order, &catalog->backends[backend].replicas[replica],
                STR("2023-06-01"), &out);
    return buf_str(&out);
}

static void a_local_server_gets_our_ids_and_its_key(void **state)
{
    const struct order order = {
        .method = STR("POST"),
        .path = STR("/v1/chat/completions"),
        .body_len = 1234,
        .wants_stream = true,
        .request_id = STR("id-1"),
        .traceparent = STR("00-x"),
        .tracestate = STR("a=1"),
    };

    (void)state;
    assert_str(written(&order, 0, 0),
               "POST /base/v1/chat/completions HTTP/1.1\r\n"
               "Host: a.test:8000\r\n"
               "User-Agent: weir/" WEIR_VERSION "\r\n"
               "Accept: text/event-stream\r\n"
               "Authorization: Bearer sk-a\r\n"
               "Content-Type: application/json\r\n"
               "Content-Length: 1234\r\n"
               "X-Request-Id: id-1\r\n"
               "traceparent: 00-x\r\n"
               "tracestate: a=1\r\n\r\n");
    assert_has(written(&order, 0, 1),
               "POST /v1/chat/completions HTTP/1.1\r\nHost: [::1]:9\r\n");
}

static void the_vendor_gets_its_own_headers_and_none_of_our_ids(void **state)
{
    const struct order order = {
        .method = STR("POST"),
        .path = STR("/v1/messages"),
        .body_len = 5,
        .request_id = STR("id-1"),
        .traceparent = STR("00-x"),
        .tracestate = STR("a=1"),
    };

    (void)state;
    assert_str(written(&order, 1, 0), "POST /v1/messages HTTP/1.1\r\n"
                                      "Host: b.test\r\n"
                                      "User-Agent: weir/" WEIR_VERSION "\r\n"
                                      "Accept: application/json\r\n"
                                      "x-api-key: sk-b\r\n"
                                      "anthropic-version: 2023-06-01\r\n"
                                      "Content-Type: application/json\r\n"
                                      "Content-Length: 5\r\n\r\n");
    assert_has(written(&order, 3, 0), "\r\nAuthorization: Bearer sk-d\r\n");
    assert_lacks(buf_str(&out), "id-1");
    assert_lacks(buf_str(&out), "trace");
    assert_lacks(buf_str(&out), "anthropic");
}

/* A caller who speaks Anthropic's format says which, to who understands it. */
static void the_callers_version_and_betas_go_to_anthropic_alone(void **state)
{
    const struct order order = {
        .method = STR("POST"),
        .path = STR("/v1/messages"),
        .query = STR("beta=true"),
        .body_len = 5,
        .anthropic_version = STR("2023-01-01"),
        .anthropic_beta = STR("one,two"),
    };

    (void)state;
    assert_str(written(&order, 1, 0), "POST /v1/messages?beta=true HTTP/1.1\r\n"
                                      "Host: b.test\r\n"
                                      "User-Agent: weir/" WEIR_VERSION "\r\n"
                                      "Accept: application/json\r\n"
                                      "x-api-key: sk-b\r\n"
                                      "anthropic-version: 2023-01-01\r\n"
                                      "anthropic-beta: one,two\r\n"
                                      "Content-Type: application/json\r\n"
                                      "Content-Length: 5\r\n\r\n");
    assert_lacks(written(&order, 0, 0), "anthropic");
    assert_lacks(written(&order, 3, 0), "anthropic");
}

static void what_is_not_there_has_no_header(void **state)
{
    const struct order order = {.method = STR("GET"), .path = STR("/health")};

    (void)state;
    assert_str(written(&order, 2, 0), "GET /health HTTP/1.1\r\n"
                                      "Host: c.test\r\n"
                                      "User-Agent: weir/" WEIR_VERSION "\r\n"
                                      "Accept: application/json\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_server_gets_our_ids_and_its_key),
        cmocka_unit_test(the_vendor_gets_its_own_headers_and_none_of_our_ids),
        cmocka_unit_test(the_callers_version_and_betas_go_to_anthropic_alone),
        cmocka_unit_test(what_is_not_there_has_no_header),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
