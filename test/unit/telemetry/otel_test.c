/* telemetry/otel: what the OTEL_… variables mean. */
#include "telemetry/otel.h"

#include <stdio.h>
#include <stdlib.h>

#include "../capture.h"
#include "../testing.h"
#include "log.h"

enum { DOCUMENT_MAX = 1 << 17 };

static struct arena arena;
static struct otel otel;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    for (size_t i = 0; otel_variables[i] != NULL; i++)
        unsetenv(otel_variables[i]);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    for (size_t i = 0; otel_variables[i] != NULL; i++)
        unsetenv(otel_variables[i]);
    arena_clear(&arena);
    capture_drop();
    return 0;
}

/* For the next of several cases. */
static void begin_again(void **state)
{
    (void)finish(state);
    (void)begin(state);
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

/* What is said against it; until the next call. */
static struct str read_it(void)
{
    arena_clear(&arena);
    log_setup(LOG_INFO, LOG_LOGFMT);
    capture_begin(0);
    otel_read(&arena, true, &otel);
    return capture_end();
}

static void read_quietly(void)
{
    assert_str(read_it(), "");
}

static const struct otel_endpoint *traces(void)
{
    return &otel.endpoints[OTEL_TRACES];
}

/* --- without any ---------------------------------------------------------- */

static void the_defaults_are_the_specification_s(void **state)
{
    (void)state;
    read_quietly();
    assert_false(otel.exports[OTEL_TRACES]);
    assert_false(otel.exports[OTEL_METRICS]);
    assert_str(traces()->url, "http://localhost:4318/v1/traces");
    assert_int_equal(traces()->protocol, OTEL_HTTP_PROTOBUF);
    assert_int_equal(traces()->timeout_ms, 10000);
    assert_int_equal(traces()->header_count, 0);
    assert_false(traces()->is_zipped);
    assert_int_equal(otel.schedule_ms, 5000);
    assert_int_equal(otel.export_timeout_ms, 30000);
    assert_int_equal(otel.queue_spans, 2048);
    assert_int_equal(otel.batch_spans, 512);
    assert_int_equal(otel.interval_ms, 60000);
    assert_int_equal(otel.push_timeout_ms, 30000);
    assert_int_equal(otel.attributes_max, 128);
    assert_int_equal(otel.events_max, 128);
    assert_int_equal(otel.links_max, 128);
    assert_true(otel.value_max == UINT64_MAX);
    assert_str(otel.service_name, "hybrid-llm-router");
}

/* --- is it on? ------------------------------------------------------------ */

static void an_exporter_or_an_endpoint_switches_it_on(void **state)
{
    static const struct {
        const char *name, *value;
        bool traces, metrics;
    } cases[] = {
        {"OTEL_TRACES_EXPORTER", "otlp", true, false},
        {"OTEL_TRACES_EXPORTER", "OTLP", true, false},
        {"OTEL_METRICS_EXPORTER", "otlp", false, true},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", true, false},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/x", true, false},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c/x", false, true},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "", false, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin_again(state);
        set(cases[i].name, cases[i].value);
        read_quietly();
        assert_int_equal(otel.exports[OTEL_TRACES], cases[i].traces);
        assert_int_equal(otel.exports[OTEL_METRICS], cases[i].metrics);
    }
}

static void what_is_off_stays_off(void **state)
{
    (void)state;
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    set("OTEL_TRACES_EXPORTER", "none");
    read_quietly();
    assert_false(otel.exports[OTEL_TRACES]);
    set("OTEL_TRACES_EXPORTER", "console");
    assert_has(read_it(), "OTEL_TRACES_EXPORTER");
    assert_false(otel.exports[OTEL_TRACES]);
    set("OTEL_TRACES_EXPORTER", "otlp");
    set("OTEL_SDK_DISABLED", "TRUE");
    read_quietly();
    assert_true(otel.is_disabled);
    assert_false(otel.exports[OTEL_TRACES]);
}

/* --- where to ------------------------------------------------------------- */

static void an_endpoint_becomes_a_url(void **state)
{
    static const struct {
        const char *protocol, *common, *own, *insecure, *url;
    } cases[] = {
        {"", "http://c:4318", "", "", "http://c:4318/v1/traces"},
        {"", "http://c:4318/", "", "", "http://c:4318/v1/traces"},
        {"", "http://c/base//", "", "", "http://c/base/v1/traces"},
        {"", "http://c", "https://d/x/y", "", "https://d/x/y"},
        {"", "http://c", "https://d", "", "https://d/"},
        {"http/json", "http://c", "", "", "http://c/v1/traces"},
#define GRPC "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        {"grpc", "", "", "", "http://localhost:4317" GRPC},
        {"grpc", "http://c:4317/path", "", "", "http://c:4317" GRPC},
        {"grpc", "http://c:1", "https://d:2", "", "https://d:2" GRPC},
        {"grpc", "c:4317", "", "", "https://c:4317" GRPC},
        {"grpc", "c:4317", "", "True", "http://c:4317" GRPC},
        {"grpc", "https://c:4317", "", "true", "https://c:4317" GRPC},
#undef GRPC
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin_again(state);
        set("OTEL_EXPORTER_OTLP_PROTOCOL", cases[i].protocol);
        set("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i].common);
        set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", cases[i].own);
        set("OTEL_EXPORTER_OTLP_INSECURE", cases[i].insecure);
        read_quietly();
        assert_str(traces()->url, cases[i].url);
    }
}

static void a_signal_s_own_word_counts_more(void **state)
{
    (void)state;
    set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "HTTP/JSON");
    set("OTEL_EXPORTER_OTLP_TIMEOUT", "7000");
    set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "8000");
    set("OTEL_EXPORTER_OTLP_COMPRESSION", "none");
    set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip");
    set("OTEL_EXPORTER_OTLP_HEADERS", "a=1");
    set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2");
    set("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem");
    set("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "cert.pem");
    set("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "key.pem");
    read_quietly();
    assert_int_equal(traces()->protocol, OTEL_HTTP_JSON);
    assert_int_equal(traces()->timeout_ms, 8000);
    assert_true(traces()->is_zipped);
    assert_int_equal(traces()->header_count, 1);
    assert_str(traces()->headers[0].key, "b");
    assert_str(traces()->tls.ca_file, "ca.pem");
    assert_str(traces()->tls.cert_file, "cert.pem");
    assert_str(traces()->tls.key_file, "key.pem");
    assert_int_equal(otel.endpoints[OTEL_METRICS].protocol, OTEL_GRPC);
    assert_int_equal(otel.endpoints[OTEL_METRICS].timeout_ms, 7000);
    assert_false(otel.endpoints[OTEL_METRICS].is_zipped);
    assert_str(otel.endpoints[OTEL_METRICS].headers[0].key, "a");
}

static void headers_are_in_percent_encoding(void **state)
{
    (void)state;
    set("OTEL_EXPORTER_OTLP_HEADERS",
        " authorization = Basic%20dTpw%3D , ,x-scope=a=b,empty=");
    read_quietly();
    assert_int_equal(traces()->header_count, 3);
    assert_str(traces()->headers[0].key, "authorization");
    assert_str(traces()->headers[0].value, "Basic dTpw=");
    assert_str(traces()->headers[1].value, "a=b");
    assert_str(traces()->headers[2].value, "");
}

/* --- who ------------------------------------------------------------------ */

static struct str attribute(const char *key)
{
    struct str found = {NULL, 0};

    for (unsigned i = 0; i < otel.resource_count; i++)
        if (str_eq(otel.resource[i].key, str_of(key))) {
            assert_null(found.ptr);
            found = otel.resource[i].value;
        }
    return found;
}

static void the_resource_says_who_it_is(void **state)
{
    struct str id;

    (void)state;
    set("OTEL_RESOURCE_ATTRIBUTES",
        "service.name=other,deployment.environment.name=a%20b%C3%A9,"
        "service.version=9,k8s.pod.name=p-1");
    read_quietly();
    assert_str(otel.service_name, "other");
    assert_str(attribute("service.name"), "other");
    assert_str(attribute("deployment.environment.name"), "a b\xc3\xa9");
    assert_str(attribute("service.version"), "9");
    assert_str(attribute("k8s.pod.name"), "p-1");
    assert_str(attribute("telemetry.sdk.name"), "weir");
    assert_str(attribute("telemetry.sdk.language"), "c");
    assert_str(attribute("telemetry.sdk.version"), WEIR_VERSION);
    id = arena_copy(&arena, attribute("service.instance.id"));
    assert_int_equal(id.len, 36);
    assert_int_equal(id.ptr[14], '4');
    set("OTEL_SERVICE_NAME", "mine");
    read_quietly();
    assert_str(attribute("service.name"), "mine");
}

static void one_error_drops_all_attributes(void **state)
{
    static const char *const broken[] = {"a=1,b", "a=1,=2", "a=%4", "a=%zz",
                                         "a=%ff"};

    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        begin_again(state);
        set("OTEL_RESOURCE_ATTRIBUTES", broken[i]);
        assert_has(read_it(), "OTEL_RESOURCE_ATTRIBUTES");
        assert_null(attribute("a").ptr);
        assert_str(attribute("service.name"), "hybrid-llm-router");
    }
}

/* --- what cannot be read -------------------------------------------------- */

static void what_cannot_be_read_is_ignored_and_never_shown(void **state)
{
    static const char *const names[] = {
        "OTEL_BSP_SCHEDULE_DELAY",        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_BSP_MAX_QUEUE_SIZE",        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_METRIC_EXPORT_INTERVAL",    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",     "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",    "OTEL_CONFIG_FILE",
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str said;

        begin_again(state);
        set(names[i], "s3cret");
        said = read_it();
        assert_has(said, names[i]);
        assert_lacks(said, "s3cret");
        assert_int_equal(otel.schedule_ms, 5000);
        assert_int_equal(otel.batch_spans, 512);
        assert_int_equal(traces()->timeout_ms, 10000);
        assert_str(traces()->url, "http://localhost:4318/v1/traces");
        assert_false(otel.exports[OTEL_TRACES]);
    }
}

static void a_batch_is_no_larger_than_the_queue(void **state)
{
    (void)state;
    set("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    assert_has(read_it(), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
    assert_int_equal(otel.batch_spans, 100);
}

static void limits_of_values_have_two_names(void **state)
{
    (void)state;
    set("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "50");
    read_quietly();
    assert_int_equal(otel.value_max, 50);
    set("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20");
    read_quietly();
    assert_int_equal(otel.value_max, 20);
}

/* --- for people ----------------------------------------------------------- */

static void headers_are_not_shown(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    read_quietly();
    otel_show(&otel, &out);
    assert_str(buf_str(&out), "");
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
    set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret");
    read_quietly();
    otel_show(&otel, &out);
    assert_has(buf_str(&out), "traces of hybrid-llm-router go to "
                              "http://c:4317/");
    assert_has(buf_str(&out), "by grpc, 1 headers");
    assert_lacks(buf_str(&out), "s3cret");
    buf_fini(&out);
}

static void the_page_names_every_variable(void **state)
{
    FILE *file = fopen(GOLDEN_DIR "/../../docs/telemetry.md", "r");
    char *text = arena_alloc(&arena, DOCUMENT_MAX);
    struct str page = {text, 0};

    (void)state;
    assert_non_null(file);
    page.len = fread(text, 1, DOCUMENT_MAX, file);
    (void)fclose(file);
    for (size_t i = 0; otel_variables[i] != NULL; i++)
        assert_has(page, arena_printf(&arena, "`%s`", otel_variables[i]).ptr);
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(the_defaults_are_the_specification_s),
        fresh(an_exporter_or_an_endpoint_switches_it_on),
        fresh(what_is_off_stays_off),
        fresh(an_endpoint_becomes_a_url),
        fresh(a_signal_s_own_word_counts_more),
        fresh(headers_are_in_percent_encoding),
        fresh(the_resource_says_who_it_is),
        fresh(one_error_drops_all_attributes),
        fresh(what_cannot_be_read_is_ignored_and_never_shown),
        fresh(a_batch_is_no_larger_than_the_queue),
        fresh(limits_of_values_have_two_names),
        fresh(headers_are_not_shown),
        fresh(the_page_names_every_variable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
