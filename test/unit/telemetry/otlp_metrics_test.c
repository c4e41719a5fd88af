/* telemetry/otlp_metrics_wire: what a walk becomes, as JSON byte by byte and as
 * protocol buffers field by field. */
#include "telemetry/otlp_metrics_wire.h"

#include <string.h>

#include "../testing.h"
#include "protobuf.h"

enum { MAX = 1 << 20 };

static const uint64_t began_ns = 1795655460000000001;
static const uint64_t now_ns = 1795655520000000002;
static const uint64_t clock_us = 70000000;

static struct otel_pair resource[] = {
    {STR_INIT("service.name"), STR_INIT("a \"router\"")}};
static const struct otel otel = {.resource = resource, .resource_count = 1};

static struct buf out, shown;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, MAX);
    buf_init(&shown, MAX);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    buf_fini(&shown);
    return 0;
}

typedef void teller(const struct metrics_visitor *visitor);

static void write(const struct otlp_metrics_wire *wire, teller *tell,
                  uint64_t at_ns, unsigned points)
{
    struct otlp_metrics metrics;
    struct metrics_visitor visitor;

    otlp_metrics_init(&metrics, wire, &otel, began_ns, MAX);
    /* what was written before is forgotten */
    visitor = otlp_metrics_begin(&metrics, now_ns, clock_us);
    metrics_tell_one(&visitor, FAMILY_OPEN_FDS, 1);
    visitor = otlp_metrics_begin(&metrics, at_ns, clock_us);
    tell(&visitor);
    otlp_metrics_end(&metrics, &out);
    assert_int_equal(metrics.point_count, points);
    assert_false(buf_failed(&out));
    otlp_metrics_fini(&metrics);
}

/* --- what is told --------------------------------------------------------- */

static void tell_numbers(const struct metrics_visitor *visitor)
{
    const struct str local[] = {STR("local"), STR("vllm"), STR("ok")};
    const struct str cloud[] = {STR("cloud"), STR("b"), STR("failed")};
    const struct str cost[] = {STR("cloud"), STR("claude-opus-4-8"),
                               STR("token")};
    const struct str version[] = {STR("1.2.3")};

    metrics_tell_family(visitor, FAMILY_FALLBACKS); /* and none of it */
    metrics_tell_family(visitor, FAMILY_TRIES);
    metrics_tell(visitor, FAMILY_TRIES, local, 7);
    metrics_tell(visitor, FAMILY_TRIES, cloud, UINT64_MAX);
    metrics_tell_family(visitor, FAMILY_COST);
    metrics_tell(visitor, FAMILY_COST, cost, 12000000034);
    metrics_tell_one(visitor, FAMILY_RESIDENT, 4096);
    metrics_tell_family(visitor, FAMILY_BUILD);
    metrics_tell(visitor, FAMILY_BUILD, version, 1);
}

static void tell_histograms(const struct metrics_visitor *visitor)
{
    const struct str tried[] = {STR("chat"), STR("vllm"), STR("qwen"), STR("")};
    struct metrics_histogram_view overhead = {
        .sum = 60375, .count = 6, .buckets = {1, 0, 3, [9] = 2}};
    struct metrics_histogram_view none = {0};

    memcpy(overhead.exemplars[2].trace_id, "0af7651916cd43dd8448eb211c80319c",
           TRACE_ID_LEN);
    memcpy(overhead.exemplars[2].span_id, "b7ad6b7169203331", TRACE_SPAN_LEN);
    overhead.exemplars[2].value = 125;
    overhead.exemplars[2].at_us = clock_us - 1500000;
    overhead.exemplars[2].is_set = true;
    overhead.exemplars[9] = overhead.exemplars[2];
    overhead.exemplars[9].value = 60000;
    metrics_tell_family(visitor, FAMILY_OVERHEAD);
    visitor->on_histogram(visitor->ctx, metrics_family(FAMILY_OVERHEAD), NULL,
                          &overhead);
    metrics_tell_family(visitor, FAMILY_GENAI_DURATION);
    visitor->on_histogram(visitor->ctx, metrics_family(FAMILY_GENAI_DURATION),
                          tried, &none);
}

/* --- JSON ----------------------------------------------------------------- */

#define HEAD                                                               \
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":"       \
    "\"service.name\",\"value\":{\"stringValue\":\"a \\\"router\\\"\"}}]}" \
    ",\"scopeMetrics\":[{\"scope\":{\"name\":\"weir\",\"version\":"        \
    "\"" WEIR_VERSION "\"},\"metrics\":["
#define TAIL "]}]}]}"
#define LABEL(key, value) \
    "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define TIMES                                          \
    "],\"startTimeUnixNano\":\"1795655460000000001\"," \
    "\"timeUnixNano\":\"1795655520000000002\","

static void numbers_as_json(void **state)
{
    (void)state;
    write(&otlp_metrics_json, tell_numbers, now_ns, 5);
    assert_str(
        buf_str(&out), HEAD
        "{\"name\":\"weir_tries\",\"description\":\"Requests sent to backends, "
        "and how they ended.\",\"sum\":{\"dataPoints\":["
        "{\"attributes\":[" LABEL("tier", "local") "," LABEL(
            "target", "vllm") "," LABEL("result", "ok") TIMES
        "\"asInt\":\"7\"},"
        "{\"attributes\":[" LABEL("tier", "cloud") "," LABEL(
            "target", "b") "," LABEL("result", "failed") TIMES
        "\"asInt\":\"9223372036854775807\"}"
        "],\"aggregationTemporality\":2,\"isMonotonic\":true}},"
        "{\"name\":\"weir_cost_dollars\",\"description\":\"What the answers "
        "cost, in US dollars.\",\"unit\":\"{USD}\",\"sum\":{\"dataPoints\":["
        "{\"attributes\":[" LABEL("tier", "cloud") "," LABEL(
            "model", "claude-opus-4-8") "," LABEL("basis", "token") TIMES
        "\"asDouble\":12.000000033999999}"
        "],\"aggregationTemporality\":2,\"isMonotonic\":true}},"
        "{\"name\":\"process_resident_memory_bytes\",\"description\":"
        "\"Resident memory.\",\"unit\":\"By\",\"gauge\":{\"dataPoints\":["
        "{\"attributes\":[" TIMES "\"asInt\":\"4096\"}]}},"
        "{\"name\":\"weir_build_info\",\"description\":\"The version that "
        "runs.\",\"gauge\":{\"dataPoints\":["
        "{\"attributes\":[" LABEL("version", "1.2.3") TIMES
        "\"asInt\":\"1\"}]}}" TAIL);
}

static void histograms_as_json(void **state)
{
    (void)state;
    write(&otlp_metrics_json, tell_histograms, now_ns, 2);
    assert_str(
        buf_str(&out), HEAD
        "{\"name\":\"weir_router_overhead_seconds\",\"description\":\"The "
        "router's own time: from all of a request to its first try or wait, "
        "and from all of an answer in one piece to its end.\",\"unit\":\"s\","
        "\"histogram\":{\"dataPoints\":[{\"attributes\":[" TIMES
        "\"count\":\"6\",\"sum\":0.060374999999999998,\"bucketCounts\":"
        "[\"1\",\"0\",\"3\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"2\"],"
        "\"explicitBounds\":[5e-05,0.0001,0.00025,0.0005,0.001,0.0025,0.005,"
        "0.01,0.05],"
        "\"exemplars\":[{\"timeUnixNano\":\"1795655518500000002\",\"asDouble\":"
        "0.000125,\"spanId\":\"b7ad6b7169203331\",\"traceId\":"
        "\"0af7651916cd43dd8448eb211c80319c\"},"
        "{\"timeUnixNano\":\"1795655518500000002\",\"asDouble\":"
        "0.059999999999999998,\"spanId\":\"b7ad6b7169203331\",\"traceId\":"
        "\"0af7651916cd43dd8448eb211c80319c\"}]"
        "}],\"aggregationTemporality\":2}},"
        "{\"name\":\"gen_ai.client.operation.duration\",\"description\":\"How "
        "long a try at a backend took.\",\"unit\":\"s\",\"histogram\":"
        "{\"dataPoints\":[{\"attributes\":[" LABEL(
            "gen_ai.operation.name",
            "chat") "," LABEL("gen_ai.provider.name",
                              "vllm") "," LABEL("gen_ai.request.model", "qwen")
            TIMES
        "\"count\":\"0\",\"sum\":0,\"bucketCounts\":[\"0\",\"0\",\"0\",\"0\","
        "\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\"],"
        "\"explicitBounds\":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.28,2.56,5.12,"
        "10.24,20.48,40.96,81.92]}],\"aggregationTemporality\":2}}" TAIL);
}

/* --- protocol buffers ------------------------------------------------------
 */

enum form { MESSAGE, STRING, HEX, VARINT, NUMBER, DOUBLE, NUMBERS, DOUBLES };

/* A field of metrics.proto, resource.proto or common.proto. */
struct known {
    unsigned number;
    const char *name;
    enum form form;
    const struct known *fields; /* of MESSAGE */
};

static const struct known value_fields[] = {{1, "stringValue", STRING, NULL},
                                            {0}};
static const struct known pair_fields[] = {
    {1, "key", STRING, NULL}, {2, "value", MESSAGE, value_fields}, {0}};
static const struct known exemplar_fields[] = {
    {2, "timeUnixNano", NUMBER, NULL},
    {3, "asDouble", DOUBLE, NULL},
    {4, "spanId", HEX, NULL},
    {5, "traceId", HEX, NULL},
    {0}};
static const struct known number_fields[] = {
    {2, "startTimeUnixNano", NUMBER, NULL},  {3, "timeUnixNano", NUMBER, NULL},
    {4, "asDouble", DOUBLE, NULL},           {6, "asInt", NUMBER, NULL},
    {7, "attributes", MESSAGE, pair_fields}, {0}};
static const struct known histogram_fields[] = {
    {2, "startTimeUnixNano", NUMBER, NULL},
    {3, "timeUnixNano", NUMBER, NULL},
    {4, "count", NUMBER, NULL},
    {5, "sum", DOUBLE, NULL},
    {6, "bucketCounts", NUMBERS, NULL},
    {7, "explicitBounds", DOUBLES, NULL},
    {8, "exemplars", MESSAGE, exemplar_fields},
    {9, "attributes", MESSAGE, pair_fields},
    {0}};
static const struct known gauge_of[] = {
    {1, "dataPoints", MESSAGE, number_fields}, {0}};
static const struct known sum_of[] = {
    {1, "dataPoints", MESSAGE, number_fields},
    {2, "aggregationTemporality", VARINT, NULL},
    {3, "isMonotonic", VARINT, NULL},
    {0}};
static const struct known histogram_of[] = {
    {1, "dataPoints", MESSAGE, histogram_fields},
    {2, "aggregationTemporality", VARINT, NULL},
    {0}};
static const struct known metric_fields[] = {
    {1, "name", STRING, NULL},
    {2, "description", STRING, NULL},
    {3, "unit", STRING, NULL},
    {5, "gauge", MESSAGE, gauge_of},
    {7, "sum", MESSAGE, sum_of},
    {9, "histogram", MESSAGE, histogram_of},
    {0}};
static const struct known scope_fields[] = {
    {1, "name", STRING, NULL}, {2, "version", STRING, NULL}, {0}};
static const struct known scope_metrics_fields[] = {
    {1, "scope", MESSAGE, scope_fields},
    {2, "metrics", MESSAGE, metric_fields},
    {0}};
static const struct known resource_fields[] = {
    {1, "attributes", MESSAGE, pair_fields}, {0}};
static const struct known resource_metrics_fields[] = {
    {1, "resource", MESSAGE, resource_fields},
    {2, "scopeMetrics", MESSAGE, scope_metrics_fields},
    {0}};
static const struct known request_fields[] = {
    {1, "resourceMetrics", MESSAGE, resource_metrics_fields}, {0}};

static void show_double(uint64_t bits)
{
    double n;

    memcpy(&n, &bits, sizeof(n));
    buf_printf(&shown, "%.17g", n);
}

static void show_packed(struct str bytes, enum form form)
{
    assert_int_equal(bytes.len % 8, 0);
    for (size_t at = 0; at < bytes.len; at += 8) {
        uint64_t n = 0;

        for (unsigned i = 8; i > 0; i--)
            n = n << 8 | (unsigned char)bytes.ptr[at + i - 1];
        if (at > 0)
            buf_put_char(&shown, ',');
        if (form == DOUBLES)
            show_double(n);
        else
            buf_put_u64(&shown, n);
    }
}

/* name=value and name{fields}, each with a space before it. */
static void show(struct str bytes, const struct known *fields)
{
    static const enum protobuf_type types[] = {
        [MESSAGE] = PROTOBUF_BYTES,  [STRING] = PROTOBUF_BYTES,
        [HEX] = PROTOBUF_BYTES,      [VARINT] = PROTOBUF_VARINT,
        [NUMBER] = PROTOBUF_FIXED64, [DOUBLE] = PROTOBUF_FIXED64,
        [NUMBERS] = PROTOBUF_BYTES,  [DOUBLES] = PROTOBUF_BYTES,
    };
    struct protobuf_field field;

    while (protobuf_next(&bytes, &field)) {
        const struct known *known = fields;

        while (known->number != 0 && known->number != field.number)
            known++;
        assert_int_not_equal(known->number, 0);
        assert_int_equal(field.type, types[known->form]);
        buf_printf(&shown, " %s", known->name);
        if (known->form == MESSAGE) {
            buf_put_char(&shown, '{');
            show(field.bytes, known->fields);
            buf_put(&shown, STR(" }"));
            continue;
        }
        buf_put_char(&shown, '=');
        if (known->form == STRING)
            buf_put(&shown, field.bytes);
        else if (known->form == NUMBER || known->form == VARINT)
            buf_put_u64(&shown, field.value);
        else if (known->form == DOUBLE)
            show_double(field.value);
        else if (known->form == HEX)
            for (size_t i = 0; i < field.bytes.len; i++)
                buf_printf(&shown, "%02x", (unsigned char)field.bytes.ptr[i]);
        else
            show_packed(field.bytes, known->form);
    }
    assert_int_equal(bytes.len, 0);
}

#define SHOWN_HEAD                                                     \
    " resourceMetrics{ resource{ attributes{ key=service.name value{ " \
    "stringValue=a \"router\" } } } scopeMetrics{ scope{ name=weir "   \
    "version=" WEIR_VERSION " }"
#define SHOWN_LABEL(key, value) \
    " attributes{ key=" key " value{ stringValue=" value " } }"
#define SHOWN_TIMES                                      \
    " dataPoints{ startTimeUnixNano=1795655460000000001" \
    " timeUnixNano=1795655520000000002"

static void numbers_as_protobuf(void **state)
{
    (void)state;
    write(&otlp_metrics_protobuf, tell_numbers, now_ns, 5);
    show(buf_str(&out), request_fields);
    assert_str(
        buf_str(&shown), SHOWN_HEAD
        " metrics{ name=weir_tries description=Requests sent to backends, and "
        "how they ended. sum{" SHOWN_TIMES
        " asInt=7" SHOWN_LABEL("tier", "local") SHOWN_LABEL("target", "vllm")
            SHOWN_LABEL(
                "result",
                "ok") " }" SHOWN_TIMES
                      " asInt=9223372036854775807" SHOWN_LABEL("ti"
                                                               "e"
                                                               "r",
                                                               "cl"
                                                               "ou"
                                                               "d")
                          SHOWN_LABEL("target", "b") SHOWN_LABEL(
                              "result",
                              "failed") " } aggregationTemporality=2 "
                                        "isMonotonic=1 } }"
                                        " metrics{ name=weir_cost_dollars "
                                        "description=What "
                                        "the answers cost, "
                                        "in US dollars. unit={USD} "
                                        "sum{" SHOWN_TIMES " asDouble=12."
                                        "000000033999999" SHOWN_LABEL(
                                            "tier",
                                            "cloud") SHOWN_LABEL("model",
                                                                 "claude-opus-"
                                                                 "4-8")
                                            SHOWN_LABEL(
                                                "basis",
                                                "token") " } "
                                                         "aggregationTemporalit"
                                                         "y=2 "
                                                         "isMonotonic=1 } }"
                                                         " metrics{ "
                                                         "name=process_"
                                                         "resident_"
                                                         "memory_bytes "
                                                         "description=Resident "
                                                         "memory. unit=By "
                                                         "gauge{" SHOWN_TIMES
                                                         " asInt=4096 } } }"
                                                         " metrics{ "
                                                         "name=weir_build_info "
                                                         "description=The "
                                                         "version "
                                                         "that runs. "
                                                         "gauge{" SHOWN_TIMES
                                                         " asInt=1" SHOWN_LABEL(
                                                             "version",
                                                             "1.2.3") " } } } "
                                                                      "} }");
}

static void histograms_as_protobuf(void **state)
{
    (void)state;
    write(&otlp_metrics_protobuf, tell_histograms, now_ns, 2);
    show(buf_str(&out), request_fields);
    assert_str(
        buf_str(&shown), SHOWN_HEAD
        " metrics{ name=weir_router_overhead_seconds description=The router's "
        "own time: from all of a request to its first try or wait, and from "
        "all of an answer in one piece to its end. unit=s "
        "histogram{" SHOWN_TIMES " count=6 sum=0.060374999999999998 "
        "bucketCounts=1,0,3,0,0,0,0,0,0,2 explicitBounds="
        "5.0000000000000002e-05,0.0001,0.00025000000000000001,"
        "0.00050000000000000001,0.001,0.0025000000000000001,"
        "0.0050000000000000001,0.01,0.050000000000000003"
        " exemplars{ timeUnixNano=1795655518500000002 asDouble=0.000125 "
        "spanId=b7ad6b7169203331 traceId=0af7651916cd43dd8448eb211c80319c }"
        " exemplars{ timeUnixNano=1795655518500000002 asDouble="
        "0.059999999999999998 spanId=b7ad6b7169203331 "
        "traceId=0af7651916cd43dd8448eb211c80319c }"
        " } aggregationTemporality=2 } }"
        " metrics{ name=gen_ai.client.operation.duration description=How long "
        "a try at a backend took. unit=s histogram{" SHOWN_TIMES
        " count=0 sum=0 bucketCounts=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 "
        "explicitBounds=0.01,0.02,0.040000000000000001,0.080000000000000002,"
        "0.16,0.32000000000000001,0.64000000000000001,1.28,2.5600000000000001,"
        "5.1200000000000001,10.24,20.48,40.960000000000001,81."
        "920000000000002" SHOWN_LABEL("gen_ai.operation.name", "chat")
            SHOWN_LABEL("gen_ai.provider.name", "vllm")
                SHOWN_LABEL("gen_ai.request.model",
                            "qwen") " } aggregationTemporality=2 } } } }");
}

/* --- the rest --------------------------------------------------------------
 */

static void tell_one(const struct metrics_visitor *visitor)
{
    metrics_tell_one(visitor, FAMILY_OPEN_FDS, 3);
}

/* The wall clock was set back. */
static void no_point_ends_before_it_began(void **state)
{
    (void)state;
    write(&otlp_metrics_json, tell_one, began_ns - 5, 1);
    assert_has(buf_str(&out), "\"timeUnixNano\":\"1795655460000000001\"");
}

static void what_is_too_long_fails_whole(void **state)
{
    struct otlp_metrics metrics;
    struct metrics_visitor visitor;

    (void)state;
    otlp_metrics_init(&metrics, &otlp_metrics_protobuf, &otel, began_ns, 100);
    visitor = otlp_metrics_begin(&metrics, now_ns, clock_us);
    tell_numbers(&visitor);
    otlp_metrics_end(&metrics, &out);
    assert_true(buf_failed(&out));
    /* and the next one is none the worse for it */
    buf_clear(&out);
    visitor = otlp_metrics_begin(&metrics, now_ns, clock_us);
    otlp_metrics_end(&metrics, &out);
    assert_false(buf_failed(&out));
    otlp_metrics_fini(&metrics);
}

#define TEST(name)                       \
    {                                    \
#name, name, begin, finish, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_as_json),
        TEST(histograms_as_json),
        TEST(numbers_as_protobuf),
        TEST(histograms_as_protobuf),
        TEST(no_point_ends_before_it_began),
        TEST(what_is_too_long_fails_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
