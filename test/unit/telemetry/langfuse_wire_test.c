/* telemetry/langfuse_otel, telemetry/langfuse_batch: what a record becomes,
 * byte for byte. */
#include "telemetry/langfuse_wire.h"

#include "../testing.h"
#include "json.h"
#include "langfuse_given.h"

#define T "{\"stringValue\":"
#define ATTRIBUTE(key, value) "{\"key\":\"" key "\",\"value\":{" value "}},"
#define TEXT(key, value) ATTRIBUTE(key, "\"stringValue\":\"" value "\"")
#define FACT(key, value) TEXT("langfuse.observation.metadata." key, value)
#define OTHER_FACT(key, value) \
    ATTRIBUTE("langfuse.observation.metadata." key, value)

static const struct langfuse_labels labels = {STR_INIT("production"),
                                              STR_INIT("v7")};
static struct buf out;
static struct arena arena;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    arena_clear(&arena);
    return 0;
}

static void put(const struct langfuse_wire *wire,
                const struct langfuse_labels *with, const struct record *record,
                bool without_content)
{
    struct langfuse_told told;

    langfuse_read_told(&arena, record->metadata, &told);
    buf_clear(&out);
    wire->put(&out, with, record, &told, without_content);
    assert_false(buf_failed(&out));
}

/* Some of them with what stands around them. */
static void assert_whole_is_json(const struct langfuse_wire *wire,
                                 const struct record *record)
{
    struct json_error error;
    struct json_doc doc;
    struct buf whole;

    buf_init(&whole, 1 << 20);
    buf_put(&whole, wire->head);
    for (unsigned i = 0; i < 3; i++) {
        put(wire, &labels, record, i == 1);
        if (i > 0)
            buf_put_char(&whole, ',');
        buf_put(&whole, buf_str(&out));
    }
    buf_put(&whole, wire->tail);
    if (!json_read(&arena, buf_str(&whole), &doc, &error))
        fail_msg("%s at %zu", error.says, error.offset);
    buf_fini(&whole);
}

static void the_least_is_a_whole_span(void **state)
{
    static const struct langfuse_labels none;
    struct record record = langfuse_given_record();

    (void)state;
    record.first_token_us = 0;
    put(&langfuse_otel, &none, &record, false);
    assert_str(
        buf_str(&out),
        "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"spanId\":\"00f067aa0ba902b7\",\"name\":\"chat.completions\","
        "\"kind\":2,\"startTimeUnixNano\":\"1795654923000000000\","
        "\"endTimeUnixNano\":\"1795654925500000000\",\"attributes\":[" TEXT(
            "langfuse.observation.type",
            "generation") ATTRIBUTE("langfuse.internal.is_app_root",
                                    "\"boolValue\":true")
            TEXT("langfuse.observation.model.name", "auto") TEXT(
                "langfuse.trace.name",
                "chat.completions") TEXT("langfuse.version", WEIR_VERSION)
                FACT("router_request_id", "req_1") FACT(
                    "router_trace_id",
                    "4bf92f3577b34da6a3ce929d0e0e4736") FACT("router_span_id",
                                                             "00f067aa0ba902b7")
                    FACT("router_requested_model", "auto") OTHER_FACT(
                        "router_tries",
                        "\"intValue\":\"0\"") OTHER_FACT("router_status",
                                                         "\"intValue\":\"200\"")
                        OTHER_FACT(
                            "router_estimated_tokens",
                            "\"intValue\":\"0\"") "{\"key\":\"langfuse."
                                                  "observation.metadata.router_"
                                                  "stream\","
                                                  "\"value\":{\"boolValue\":"
                                                  "false}}]}");
}

static void a_span_says_all_that_the_record_says(void **state)
{
    struct record record = langfuse_given_full();

    (void)state;
    put(&langfuse_otel, &labels, &record, false);
    assert_str(
        buf_str(&out),
        "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"spanId\":\"00f067aa0ba902b7\","
        "\"parentSpanId\":\"b7ad6b7169203331\","
        "\"name\":\"chat.completions\","
        "\"kind\":2,\"startTimeUnixNano\":\"1795654923000000000\","
        "\"endTimeUnixNano\":\"1795654925500000000\",\"attributes\":[" TEXT(
            "langfuse.observation.type",
            "generation") ATTRIBUTE("langfuse.internal.is_app_root",
                                    "\"boolValue\":true") TEXT("langfuse."
                                                               "observation."
                                                               "model.name",
                                                               "claude-haiku-4-"
                                                               "5") TEXT("langf"
                                                                         "use."
                                                                         "obser"
                                                                         "vatio"
                                                                         "n."
                                                                         "model"
                                                                         ".para"
                                                                         "meter"
                                                                         "s",
                                                                         "{\\\""
                                                                         "max_"
                                                                         "token"
                                                                         "s\\\""
                                                                         ":100,"
                                                                         "\\\"t"
                                                                         "emper"
                                                                         "ature"
                                                                         "\\\":"
                                                                         "0.70,"
                                                                         "\\\"t"
                                                                         "op_"
                                                                         "p\\\""
                                                                         ":\\\""
                                                                         "1e-"
                                                                         "1\\\""
                                                                         ",\\\""
                                                                         "top_"
                                                                         "k\\\""
                                                                         ":5,"
                                                                         "\\\"n"
                                                                         "\\\":"
                                                                         "2,"
                                                                         "\\\"s"
                                                                         "top_"
                                                                         "seque"
                                                                         "nces"
                                                                         "\\\":"
                                                                         "3,"
                                                                         "\\\"j"
                                                                         "son\\"
                                                                         "\":"
                                                                         "true"
                                                                         "}")
            TEXT("langfuse."
                 "observatio"
                 "n.usage_"
                 "details",
                 "{\\\"input"
                 "\\\":100,"
                 "\\\"output"
                 "\\\":25,"
                 "\\\"cache_"
                 "read_"
                 "input_"
                 "tokens\\\""
                 ":600,"
                 "\\\"cache_"
                 "creation_"
                 "input_"
                 "tokens\\\""
                 ":250,"
                 "\\\"input_"
                 "cache_"
                 "creation_"
                 "1h\\\":50,"
                 "\\\"output"
                 "_reasoning"
                 "_tokens\\"
                 "\":15,"
                 "\\\"total"
                 "\\\":"
                 "1040}") TEXT("langfuse.observation.cost_details",
                               "{\\\"total\\\":0."
                               "0012345}") TEXT("langfuse.observation."
                                                "completion_start_time",
                                                "2026-11-26T01:02:03.500Z")
                TEXT("langfuse.observation."
                     "level",
                     "WARNING") TEXT("langfuse."
                                     "observati"
                                     "on."
                                     "status_"
                                     "message",
                                     "fallback:"
                                     "connect") TEXT("user.id", "u\\\"1")
                    TEXT("session.id", "s-1") ATTRIBUTE(
                        "langfuse.trace.tags",
                        "\"arrayValue\":{\"values\":[" T "\"a\"}," T
                        "\"b\"}]}") TEXT("langfuse."
                                         "environment",
                                         "production") TEXT("l"
                                                            "a"
                                                            "n"
                                                            "g"
                                                            "f"
                                                            "u"
                                                            "s"
                                                            "e"
                                                            "."
                                                            "r"
                                                            "e"
                                                            "l"
                                                            "e"
                                                            "a"
                                                            "s"
                                                            "e",
                                                            "v"
                                                            "7")
                        TEXT("langfuse.version", WEIR_VERSION) FACT(
                            "router_request_id",
                            "req_1") FACT("router_trace_id",
                                          "4bf92f3577b34da6"
                                          "a3ce929d0e0e473"
                                          "6") FACT("router"
                                                    "_span_"
                                                    "id",
                                                    "00f067"
                                                    "aa0ba9"
                                                    "02b7") FACT("router_"
                                                                 "parent_span_"
                                                                 "id",
                                                                 "b7ad6b7169203"
                                                                 "331")
                            FACT("router_key", "team") FACT(
                                "router_format",
                                "chat") FACT("router_requested_"
                                             "model",
                                             "auto") FACT("router_"
                                                          "backen"
                                                          "d",
                                                          "cloud") FACT("router"
                                                                        "_targe"
                                                                        "t",
                                                                        "vendo"
                                                                        "r")
                                FACT("router_reason", "fallback:connect") FACT(
                                    "router_rule",
                                    "short") FACT("rou"
                                                  "ter"
                                                  "_fa"
                                                  "llb"
                                                  "ack"
                                                  "_fr"
                                                  "om",
                                                  "gp"
                                                  "u") OTHER_FACT("router_"
                                                                  "tries",
                                                                  "\"intValue\""
                                                                  ":"
                                                                  "\"2\"")
                                    OTHER_FACT(
                                        "router_status",
                                        "\"intValue\":\"200\"") OTHER_FACT("rou"
                                                                           "ter"
                                                                           "_es"
                                                                           "tim"
                                                                           "ate"
                                                                           "d_"
                                                                           "tok"
                                                                           "en"
                                                                           "s",
                                                                           "\"i"
                                                                           "ntV"
                                                                           "alu"
                                                                           "e\""
                                                                           ":\""
                                                                           "120"
                                                                           "0"
                                                                           "\"")
                                        OTHER_FACT(
                                            "router_dropped",
                                            "\"intValu"
                                            "e\":"
                                            "\"1\"") OTHER_FACT("router_stream",
                                                                "\"boolValue\":"
                                                                "true")
                                            OTHER_FACT("router_pinned",
                                                       "\"boolValue\":true")
                                                OTHER_FACT("router_held",
                                                           "\"boolValue\":true")
                                                    FACT("router_finish",
                                                         "sto"
                                                         "p") FACT("router_"
                                                                   "answer_id",
                                                                   "msg_1")
                                                        FACT(
                                                            "router_"
                                                            "service_"
                                                            "tier",
                                                            "standar"
                                                            "d") OTHER_FACT("ro"
                                                                            "ut"
                                                                            "er"
                                                                            "_c"
                                                                            "lo"
                                                                            "ud"
                                                                            "_c"
                                                                            "os"
                                                                            "t",
                                                                            "\""
                                                                            "do"
                                                                            "ub"
                                                                            "le"
                                                                            "Va"
                                                                            "lu"
                                                                            "e"
                                                                            "\""
                                                                            ":"
                                                                            "2")
                                                            OTHER_FACT(
                                                                "router_"
                                                                "content_"
                                                                "clipped",
                                                                "\"boolValue\":"
                                                                "true") FACT("t"
                                                                             "e"
                                                                             "a"
                                                                             "m",
                                                                             "r"
                                                                             "e"
                                                                             "d")
                                                                TEXT(
                                                                    "langfuse."
                                                                    "observatio"
                                                                    "n.input",
                                                                    "[{"
                                                                    "\\\"role\\"
                                                                    "\":"
                                                                    "\\\"user\\"
                                                                    "\","
                                                                    "\\\"conten"
                                                                    "t\\\":"
                                                                    "\\\"h\\\\u"
                                                                    "00e9\\\"}"
                                                                    "]") "{\"ke"
                                                                         "y\":"
                                                                         "\"lan"
                                                                         "gfuse"
                                                                         ".obse"
                                                                         "rvati"
                                                                         "on."
                                                                         "outpu"
                                                                         "t\","
                                                                         "\"val"
                                                                         "ue\":"
                                                                         "{\"st"
                                                                         "ringV"
                                                                         "alue"
                                                                         "\":"
                                                                         "\"{"
                                                                         "\\\"c"
                                                                         "onten"
                                                                         "t\\\""
                                                                         ":\\\""
                                                                         "ok\\"
                                                                         "\"}"
                                                                         "\"}}]"
                                                                         "}");
    assert_whole_is_json(&langfuse_otel, &record);
}

static void a_failed_span_has_a_status(void **state)
{
    struct record record = langfuse_given_record();

    (void)state;
    record.outcome = OUTCOME_ERROR;
    record.error = ERR_NOT_READY;
    record.status = 503;
    put(&langfuse_otel, &labels, &record, false);
    assert_has(buf_str(&out), "],\"status\":{\"code\":2}}");
    assert_has(buf_str(&out), TEXT("langfuse.observation.level", "ERROR"));
    assert_has(buf_str(&out),
               TEXT("langfuse.observation.status_message",
                    "not_ready: No backend that this request may use is "
                    "ready."));
}

static void events_say_all_that_the_record_says(void **state)
{
    struct record record = langfuse_given_full();

    (void)state;
    record.params.top_p = STR("0.1");
    put(&langfuse_batch, &labels, &record, false);
    assert_str(
        buf_str(&out),
        "{\"id\":\"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-trace\","
        "\"timestamp\":\"2026-11-26T01:02:05.500Z\",\"type\":\"trace-create\","
        "\"body\":{\"id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"timestamp\":\"2026-11-26T01:02:03.000Z\",\"userId\":\"u\\\"1\","
        "\"sessionId\":\"s-1\",\"tags\":[\"a\",\"b\"],"
        "\"environment\":\"production\",\"release\":\"v7\"}},"
        "{\"id\":"
        "\"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-generation\","
        "\"timestamp\":\"2026-11-26T01:02:05.500Z\","
        "\"type\":\"generation-create\","
        "\"body\":{\"id\":\"00f067aa0ba902b7\","
        "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"parentObservationId\":\"b7ad6b7169203331\","
        "\"name\":\"chat.completions\","
        "\"startTime\":\"2026-11-26T01:02:03.000Z\","
        "\"completionStartTime\":\"2026-11-26T01:02:03.500Z\","
        "\"endTime\":\"2026-11-26T01:02:05.500Z\","
        "\"model\":\"claude-haiku-4-5\",\"modelParameters\":"
        "{\"max_tokens\":100,\"temperature\":0.70,\"top_p\":0.1,\"top_k\":5,"
        "\"n\":2,\"stop_sequences\":3,\"json\":true},\"usageDetails\":"
        "{\"input\":100,\"output\":25,\"cache_read_input_tokens\":600,"
        "\"cache_creation_input_tokens\":250,\"input_cache_creation_1h\":50,"
        "\"output_reasoning_tokens\":15,\"total\":1040},"
        "\"costDetails\":{\"total\":0.0012345},\"level\":\"WARNING\","
        "\"statusMessage\":\"fallback:connect\","
        "\"environment\":\"production\",\"version\":\"" WEIR_VERSION "\","
        "\"metadata\":{\"router_request_id\":\"req_1\","
        "\"router_trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"router_span_id\":\"00f067aa0ba902b7\","
        "\"router_parent_span_id\":\"b7ad6b7169203331\","
        "\"router_key\":\"team\",\"router_format\":\"chat\","
        "\"router_requested_model\":\"auto\",\"router_backend\":\"cloud\","
        "\"router_target\":\"vendor\",\"router_reason\":\"fallback:connect\","
        "\"router_rule\":\"short\",\"router_fallback_from\":\"gpu\","
        "\"router_tries\":2,\"router_status\":200,"
        "\"router_estimated_tokens\":1200,\"router_dropped\":1,"
        "\"router_stream\":true,\"router_pinned\":true,\"router_held\":true,"
        "\"router_finish\":\"stop\",\"router_answer_id\":\"msg_1\","
        "\"router_service_tier\":\"standard\",\"router_cloud_cost\":2,"
        "\"router_content_clipped\":true,\"team\":\"red\"},"
        "\"input\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}],"
        "\"output\":{\"content\":\"ok\"}}}");
    assert_whole_is_json(&langfuse_batch, &record);
}

static void a_trace_that_begins_here_is_named_here(void **state)
{
    struct record record = langfuse_given_full();

    (void)state;
    record.parent_span_id = STR("");
    put(&langfuse_batch, &labels, &record, false);
    assert_has(buf_str(&out),
               "\"release\":\"v7\",\"name\":\"chat.completions\","
               "\"version\":\"" WEIR_VERSION "\","
               "\"input\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}],"
               "\"output\":{\"content\":\"ok\"}}},{");
    assert_lacks(buf_str(&out), "parentObservationId");
    put(&langfuse_otel, &labels, &record, false);
    assert_has(buf_str(&out), TEXT("langfuse.trace.name", "chat.completions"));
    assert_lacks(buf_str(&out), "parentSpanId");
}

static void content_can_be_left_out(void **state)
{
    static const struct langfuse_wire *const wires[] = {&langfuse_otel,
                                                        &langfuse_batch};
    struct record record = langfuse_given_full();

    (void)state;
    record.parent_span_id = STR("");
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        put(wires[i], &labels, &record, true);
        assert_lacks(buf_str(&out), "h\\u00e9");
        assert_lacks(buf_str(&out), "content\\\":");
        assert_lacks(buf_str(&out), "\"output\":{");
        assert_has(buf_str(&out), "router_content_dropped\"");
    }
}

static void what_has_no_price_says_so(void **state)
{
    struct record record = langfuse_given_full();

    (void)state;
    record.is_priced = false;
    put(&langfuse_batch, &labels, &record, false);
    assert_lacks(buf_str(&out), "costDetails");
    assert_has(buf_str(&out), "\"router_unpriced\":true");
    put(&langfuse_otel, &labels, &record, false);
    assert_lacks(buf_str(&out), "cost_details");
    record.usage.is_known = false;
    put(&langfuse_otel, &labels, &record, false);
    assert_lacks(buf_str(&out), "router_unpriced");
    assert_lacks(buf_str(&out), "usage_details");
}

static void hostile_text_stays_in_its_place(void **state)
{
    static const struct langfuse_wire *const wires[] = {&langfuse_otel,
                                                        &langfuse_batch};
    struct record record = langfuse_given_full();

    (void)state;
    record.user = STR("\"},{\"\xff\n");
    record.session = STR("\\");
    record.model = STR("\x01\"]}");
    record.metadata =
        STR("{\"a\\\"b\":\"c\\\"\\u0000d\",\"e\\nf\":[\"\\\"\"]}");
    record.reason = STR("fallback:\"\\");
    for (size_t i = 0; i < COUNT_OF(wires); i++)
        assert_whole_is_json(wires[i], &record);
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(the_least_is_a_whole_span),
        fresh(a_span_says_all_that_the_record_says),
        fresh(a_failed_span_has_a_status),
        fresh(events_say_all_that_the_record_says),
        fresh(a_trace_that_begins_here_is_named_here),
        fresh(content_can_be_left_out),
        fresh(what_has_no_price_says_so),
        fresh(hostile_text_stays_in_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
