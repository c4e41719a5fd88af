/* web/pages_metrics: what the scraper asks for is what it gets. */
#include <zlib.h>

#include "../reply/sink_double.h"
#include "web/pages.h"

static const char openmetrics[] =
    "Content-Type: application/openmetrics-text; version=1.0.0; "
    "charset=utf-8\r\n";
static const char text[] =
    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n";

static struct sink_double sink;
static struct reply reply;
static struct head head;
static unsigned told;

static void begin(void)
{
    sink_double_init(&sink);
    reply_init(&reply, &sink.sink);
    head_init(&head);
}

static void finish(void)
{
    reply_close(&reply);
    sink_double_fini(&sink);
    head_fini(&head);
}

static void tell(void *ctx, const struct metrics_visitor *visitor)
{
    (void)ctx;
    for (unsigned i = 0; i < told; i++)
        metrics_tell_one(visitor, FAMILY_OPEN_FDS, 17);
}

static void add_field(const char *name, const char *value)
{
    head_add_name(&head, str_of(name));
    head_end_name(&head);
    head_add_value(&head, str_of(value));
}

static struct str got(void)
{
    head_complete(&head);
    page_metrics(&reply, &head, tell, NULL);
    return sink_double_text(&sink);
}

static void the_format_is_the_one_that_is_wanted_most(void **state)
{
    static const struct {
        const char *accept;
        const char *type;
    } cases[] = {
        {NULL, text},
        {"*/*", text},
        {"", text},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
         text},
        /* Prometheus 2 */
        {"application/openmetrics-text;version=1.0.0,application/"
         "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,"
         "*/*;q=0.1",
         openmetrics},
        /* Prometheus 3 */
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;"
         "q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;"
         "version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;"
         "q=0.3,*/*;q=0.2",
         openmetrics},
        {"application/vnd.google.protobuf;proto=io.prometheus.client."
         "MetricFamily;encoding=delimited,text/plain;version=0.0.4;q=0.3",
         text},
        {"text/plain;q=0.9, application/openmetrics-text;q=0.8", text},
        {"text/plain;q=0.8, application/openmetrics-text;q=0.9", openmetrics},
        {"text/plain, application/openmetrics-text", openmetrics},
        {"Application/OpenMetrics-Text; Version=\"1.0.0\" ; Q=0.5, "
         "text/plain;q=0.4",
         openmetrics},
        {"application/openmetrics-text;version=0.0.1", text},
        {"application/openmetrics-text;q=0, */*", text},
        {"application/*", openmetrics},
        {"text/plain;q=0.000, */*;q=0.001", openmetrics},
        {"image/png", text}, /* never 406 */
        {"application/openmetrics-text;q=odd,text/plain;q=0.99", openmetrics},
        {";;;,,=,;q", text},
    };

    (void)state;
    told = 1;
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct str answer;

        begin();
        if (cases[i].accept != NULL)
            add_field("Accept", cases[i].accept);
        answer = got();
        assert_has(answer, cases[i].type);
        assert_lacks(answer, "Content-Encoding");
        assert_int_equal(str_ends(answer, STR("\n# EOF\n")),
                         cases[i].type == openmetrics);
        finish();
    }
}

static void several_accept_headers_are_one_list(void **state)
{
    (void)state;
    told = 1;
    begin();
    add_field("Accept", "text/plain;q=0.5");
    add_field("accept", "application/openmetrics-text");
    assert_has(got(), openmetrics);
    finish();
}

static void unpack(struct str packed, struct buf *out)
{
    z_stream z = {0};

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_true(buf_reserve(out, 1 << 20));
    z.next_in = (Bytef *)(uintptr_t)packed.ptr;
    z.avail_in = (uInt)packed.len;
    z.next_out = (Bytef *)out->ptr;
    z.avail_out = 1 << 20;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    out->len = z.total_out;
    assert_int_equal(inflateEnd(&z), Z_OK);
}

static void a_long_text_is_packed_for_who_can_unpack_it(void **state)
{
    static const struct {
        const char *encodings;
        bool is_packed;
    } cases[] = {
        {"gzip", true},      {"deflate, gzip;q=0.5", true},
        {"*", true},         {"gzip;q=0, *", false},
        {"identity", false}, {"gzip;q=0.0", false},
        {"x-gzip", true},
    };

    (void)state;
    told = 100;
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct str answer;
        struct buf plain;
        size_t body;

        begin();
        buf_init(&plain, 1 << 20);
        add_field("Accept-Encoding", cases[i].encodings);
        answer = got();
        assert_true(str_find(answer, STR("\r\n\r\n"), &body));
        answer = str_slice(answer, body + 4, answer.len);
        if (cases[i].is_packed) {
            assert_has(sink_double_text(&sink), "Content-Encoding: gzip\r\n");
            unpack(answer, &plain);
            assert_true(answer.len * 5 < plain.len);
            answer = buf_str(&plain);
        }
        assert_true(str_ends(answer, STR("\nprocess_open_fds 17\n")));
        buf_fini(&plain);
        finish();
    }
}

static void a_short_text_is_not_packed(void **state)
{
    (void)state;
    told = 1;
    begin();
    add_field("Accept-Encoding", "gzip");
    assert_lacks(got(), "Content-Encoding");
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_format_is_the_one_that_is_wanted_most),
        cmocka_unit_test(several_accept_headers_are_one_list),
        cmocka_unit_test(a_long_text_is_packed_for_who_can_unpack_it),
        cmocka_unit_test(a_short_text_is_not_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
