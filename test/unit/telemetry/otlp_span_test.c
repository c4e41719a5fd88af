/* telemetry/otlp_span and its two wires: what a record becomes, as protocol
 * buffers and as JSON, byte for byte. */
#include "telemetry/otlp_wire.h"

#include "../testing.h"
#include "json.h"
#include "protobuf.h"

enum { MAX = 1 << 16 };

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static struct otel_pair resource[] = {
    {STR_INIT("service.name"), STR_INIT("r")}};
static struct otel otel;
static struct otlp_writer writer;
static struct buf out;
static struct arena arena;

static void open_writer(const struct otlp_wire *wire, size_t max)
{
    otlp_writer_fini(&writer);
    otlp_writer_init(&writer, wire, &otel, max);
}

static int begin(void **state)
{
    (void)state;
    otel = (struct otel){.resource = resource,
                         .resource_count = 1,
                         .attributes_max = 128,
                         .events_max = 128,
                         .links_max = 128,
                         .value_max = UINT64_MAX};
    otlp_writer_init(&writer, &otlp_json, &otel, MAX);
    buf_init(&out, MAX);
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    otlp_writer_fini(&writer);
    buf_fini(&out);
    arena_clear(&arena);
    return 0;
}

/* --- what is written ------------------------------------------------------ */

/* Ended at 1 s and 3 ms of wall time and 5 ms of the clock: so 1 ms of the
 * clock is 999 ms of wall time. */
static struct record given_record(void)
{
    return (struct record){
        .trace_id = STR(TRACE),
        .span_id = STR("00f067aa0ba902b7"),
        .trace_flags = 1,
        .is_sampled = true,
        .is_chat = true,
        .model = STR("auto"),
        .max_tokens = 300,
        .prompt_tokens_estimated = 7,
        .status = 200,
        .began_us = 1000,
        .chosen_us = 1500,
        .ended_us = 5000,
        .ended_wall_us = 1003000,
        .outcome = OUTCOME_OK,
    };
}

static struct record_try given_try(void)
{
    struct record_try try = {
        .tier = TIER_LOCAL,
        .dialect = DIALECT_OPENAI,
        .backend = STR("vllm"),
        .model = STR("qwen"),
        .host = STR("h"),
        .port = 80,
        .status = 200,
        .began_us = 2000,
        .first_byte_us = 3500,
        .ended_us = 4000,
    };

    memcpy(try.span_id, "b7ad6b7169203331", TRACE_SPAN_LEN);
    return try;
}

static const char *hex(struct str bytes)
{
    struct buf digits;
    struct str copy;

    buf_init(&digits, 2 * MAX + 1);
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(&digits, "%02x", (unsigned)(unsigned char)bytes.ptr[i]);
    copy = arena_printf(&arena, "%.*s", STR_ARG(buf_str(&digits)));
    buf_fini(&digits);
    return copy.ptr;
}

static struct str spans(void)
{
    return buf_str(&writer.spans);
}

static void put(const struct record *record)
{
    otlp_writer_clear(&writer);
    assert_true(otlp_put_record(&writer, record));
    assert_int_equal(writer.span_count, otlp_span_count(record));
}

/* --- protocol buffers ----------------------------------------------------- */

/* Lengths and tags by hand, from trace.proto. */
static void a_span_as_protocol_buffers(void **state)
{
    struct record record = given_record();

    (void)state;
    open_writer(&otlp_protobuf, MAX);
    record.operation = OPERATION_COUNT;
    record.model = STR("m");
    record.chosen_us = 0;
    record.max_tokens = 0;
    record.parent_span_id = STR("b7ad6b7169203331");
    record.trace_state = STR("a=1");
    put(&record);
    assert_string_equal(
        hex(spans()),
        "12"
        "6f" /* 111 bytes */
        "0a10" TRACE "1208"
        "00f067aa0ba902b7"
        "1a03"
        "613d31"
        "2208"
        "b7ad6b7169203331"
        "2a0c"
        "636f756e745f746f6b656e73" /* count_tokens */
        "3002"
        "39"
        "c0878b3b00000000" /* 999,000,000 */
        "41"
        "c090c83b00000000" /* 1,003,000,000 */
        "4a1a"
        "0a13"
        "6c6c6d2e6d6f64656c2e726571756573746564" /* llm.model.requested */
        "1203"
        "0a016d"
        "8501"
        "01030000");
}

/* The only field of that number and type; bytes without any when it is not
 * there. */
static struct str field_of(struct str message, unsigned number)
{
    struct protobuf_field field;
    struct str found = {NULL, 0};

    while (protobuf_next(&message, &field))
        if (field.number == number) {
            assert_null(found.ptr);
            assert_int_equal(field.type, PROTOBUF_BYTES);
            found = field.bytes;
        }
    assert_int_equal(message.len, 0);
    return found;
}

static void a_request_as_protocol_buffers(void **state)
{
    struct record record = given_record();
    struct str resource_spans, scope_spans;

    (void)state;
    open_writer(&otlp_protobuf, MAX);
    put(&record);
    otlp_protobuf.pack(&writer, &out);
    resource_spans = field_of(buf_str(&out), 1);
    assert_string_equal(hex(field_of(resource_spans, 1)),
                        "0a130a0c"
                        "736572766963652e6e616d65" /* service.name */
                        "1203"
                        "0a0172");
    scope_spans = field_of(resource_spans, 2);
    assert_str(field_of(field_of(scope_spans, 1), 1), "weir");
    assert_str(field_of(field_of(scope_spans, 1), 2), WEIR_VERSION);
    assert_non_null(field_of(scope_spans, 2).ptr);
}

static void every_kind_of_value_as_protocol_buffers(void **state)
{
    (void)state;
    open_writer(&otlp_protobuf, MAX);
    otlp_protobuf.put_str(&writer, STR("k"), STR(""));
    assert_string_equal(hex(spans()), "4a070a016b12020a00");
    buf_clear(&writer.spans);
    otlp_protobuf.put_i64(&writer, STR("k"), 300);
    assert_string_equal(hex(spans()), "4a080a016b120318ac02");
    buf_clear(&writer.spans);
    otlp_protobuf.put_i64(&writer, STR("k"), -1);
    assert_string_equal(hex(spans()), "4a100a016b120b18ffffffffffffffffff01");
    buf_clear(&writer.spans);
    otlp_protobuf.put_double(&writer, STR("k"), 0.5);
    assert_string_equal(hex(spans()), "4a0e0a016b120921000000000000e03f");
    buf_clear(&writer.spans);
    otlp_protobuf.put_bool(&writer, STR("k"), true);
    assert_string_equal(hex(spans()), "4a070a016b12021001");
    buf_clear(&writer.spans);
    otlp_protobuf.put_list(&writer, STR("k"), STR("stop"));
    assert_string_equal(hex(spans()), "4a0f0a016b120a2a080a060a0473746f70");
}

/* --- JSON ----------------------------------------------------------------- */

#define SPAN(span) "{\"traceId\":\"" TRACE "\",\"spanId\":\"" span "\""
#define TEXT(key, value) \
    "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define INT(key, value) \
    "{\"key\":\"" key "\",\"value\":{\"intValue\":\"" value "\"}}"
#define DOUBLE(key, value) \
    "{\"key\":\"" key "\",\"value\":{\"doubleValue\":" value "}}"

static void a_streamed_answer_as_json(void **state)
{
    struct record record = given_record();
    struct record_try try = given_try();
    struct record_event event = {.kind = RECORD_FIRST_TOKEN, .at_us = 3600};

    (void)state;
    record.tries_made = &try;
    record.tries_kept = record.tries = 1;
    record.events = &event;
    record.event_count = 1;
    record.is_stream = true;
    record.tier = TIER_LOCAL;
    record.backend = STR("vllm");
    record.reason = STR("short");
    record.rule = STR("a \"rule\"");
    record.session = STR("s-1");
    record.params = (struct record_params){.has_max_tokens = true,
                                           .max_tokens = 300,
                                           .temperature = STR("0.70"),
                                           .n = 2,
                                           .wants_json = true};
    record.usage = (struct chat_usage){
        .is_known = true, .input = 9, .output = 5, .cache_read = 4};
    record.finish = CHAT_FINISH_STOP;
    record.answer_id = STR("c-1");
    try.first_token_us = 3600;
    put(&record);
    assert_str(
        spans(), SPAN(
                     "00f067aa0ba902b7") ",\"name\":\"chat.completions\","
                                         "\"kind\":2,"
                                         "\"startTimeUnixNano\":\"999000000\","
                                         "\"endTimeUnixNano\":\"1003000000\""
                                         ",\"flags\":257,\"attributes\":[" TEXT(
                                             "llm.model.requested",
                                             "auto") "," TEXT("llm.backend",
                                                              "local") "," INT("llm.max_tokens",
                                                                               "300") "," INT("llm.prompt_tokens_estimated",
                                                                                              "7") "," DOUBLE("llm.latency_ms", "2") "],\"events\":["
                                                                                                                                     "{\"timeUnixNano\":\"999500000\",\"name\":\"routed\",\"attributes\":[" TEXT("reason", "short") "," TEXT("rule", "a \\\"rule\\\"") "," TEXT("target", "vllm") ",{\"key\":\"pinned\",\"value\":{\"boolValue\":false}}]},"
                                                                                                                                                                                                                                                                                                  "{\"timeUnixNano\":\"1001600000\",\"name\":\"first_token\","
                                                                                                                                                                                                                                                                                                  "\"attributes\":[]}]}," SPAN("b7ad6b7169203331") ",\"parentSpanId\":\"00f067aa0ba902b7\","
                                                                                                                                                                                                                                                                                                                                                   "\"name\":\"chat qwen\",\"kind\":3,"
                                                                                                                                                                                                                                                                                                                                                   "\"startTimeUnixNano\":\"1000000000\",\"endTimeUnixNano\":"
                                                                                                                                                                                                                                                                                                                                                   "\"1002000000\",\"flags\":257,\"attributes\":[" TEXT("gen_ai.operation.name", "chat") "," TEXT(
                                                                                                                                                                                                                                                                                                                                                       "gen_ai.provider.name",
                                                                                                                                                                                                                                                                                                                                                       "vllm") "," TEXT("gen_ai.request.model",
                                                                                                                                                                                                                                                                                                                                                                        "qwen") "," TEXT("server.address",
                                                                                                                                                                                                                                                                                                                                                                                         "h") "," INT("server.port", "80") "," INT("gen_ai.request.max_tokens", "300") "," DOUBLE("gen_ai.request.temperature", "0.7") "," INT("gen_ai.request.choice.count",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "2") ",{\"key\":\"gen_ai.request.stream\",\"value\":{\"boolValue\":true}}"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    "," TEXT("gen_ai.output.type", "json") "," TEXT("gen_ai.conversation.id",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    "s-1") "," INT("http.response.status_code", "200") "," TEXT("gen_ai.response.id", "c-1") ",{\"key\":\"gen_ai.response.finish_reasons\",\"value\":{"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "\"arrayValue\":{\"values\":[{\"stringValue\":\"stop\"}]}}}"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "," INT("gen_ai.usage.input_tokens", "9") "," INT("gen_ai.usage.output_tokens", "5") "," INT("gen_ai.usage.cache_read.input_tokens",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "4") "," DOUBLE("gen_ai.response.time_to_first_chunk", "0.0016") "],\"events\":[]}");
}

static void a_failed_try_says_what_it_was(void **state)
{
    struct record record = given_record();
    struct record_try tries[2] = {given_try(), given_try()};

    (void)state;
    tries[0].status = 503;
    tries[0].error = ERR_CLOSED;
    tries[1].status = 0;
    tries[1].error = ERR_CALLER_LEFT;
    record.tries_made = tries;
    record.tries_kept = 2;
    record.outcome = OUTCOME_CANCELLED;
    put(&record);
    assert_has(spans(), TEXT("error.type", "503"));
    assert_has(spans(), ": HTTP 503\"}}");
    assert_has(spans(), "\"status\":{\"code\":2,");
    assert_has(spans(), INT("http.request.resend_count", "1"));
    assert_has(spans(), "\"name\":\"caller.left\"");
    assert_lacks(spans(), "gen_ai.response");
    /* the caller's leaving is nobody's error */
    tries[0] = tries[1];
    put(&record);
    assert_lacks(spans(), "\"status\"");
    assert_lacks(spans(), "error.type");
}

static void a_client_span_is_named_within_bounds(void **state)
{
    static char longest[200];
    struct record record = given_record();
    struct record_try try = given_try();

    (void)state;
    memset(longest, 'm', sizeof(longest) - 1);
    record.tries_made = &try;
    record.tries_kept = 1;
    record.operation = OPERATION_COMPLETION;
    try.model = str_of(longest);
    put(&record);
    assert_has(
        spans(),
        arena_printf(&arena, "\"name\":\"text_completion %.128s\"", longest)
            .ptr);
    try.model = STR("");
    put(&record);
    assert_has(spans(), "\"name\":\"text_completion \"");
}

static void an_error_has_its_reason(void **state)
{
    struct record record = given_record();

    (void)state;
    record.outcome = OUTCOME_ERROR;
    record.status = 502;
    record.error = ERR_CLOSED;
    record.detail = STR("http://internal:80 said no");
    put(&record);
    assert_has(spans(), "\"status\":{\"code\":2,\"message\":\"");
    assert_lacks(spans(), "internal");
    record.outcome = OUTCOME_CLIENT_ERROR;
    put(&record);
    assert_lacks(spans(), "\"status\"");
}

static void a_link_where_the_trace_was_begun_anew(void **state)
{
    struct record record = given_record();

    (void)state;
    record.link_trace_id = STR("0af7651916cd43dd8448eb211c80319c");
    record.link_span_id = STR("b7ad6b7169203331");
    record.link_flags = 1;
    put(&record);
    assert_has(spans(),
               "\"links\":[{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\","
               "\"spanId\":\"b7ad6b7169203331\",\"flags\":769}]");
    otel.links_max = 0;
    put(&record);
    assert_lacks(spans(), "links");
}

/* Whatever a caller writes as a number: JSON has no infinity. */
static void what_is_no_number_is_left_out(void **state)
{
    static const char *const texts[] = {"1e999", "-1e999", "1e-999", "0.5"};
    struct record record = given_record();
    struct record_try try = given_try();

    (void)state;
    record.tries_made = &try;
    record.tries_kept = 1;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct json_doc doc;
        struct json_error error;

        record.params.temperature = str_of(texts[i]);
        put(&record);
        buf_clear(&out);
        otlp_json.pack(&writer, &out);
        assert_true(json_read(&arena, buf_str(&out), &doc, &error));
        if (i < 2)
            assert_lacks(spans(), "gen_ai.request.temperature");
    }
}

/* --- within limits -------------------------------------------------------- */

static void limits_are_kept_and_what_is_left_out_is_counted(void **state)
{
    struct record record = given_record();
    struct record_event events[3] = {{.kind = RECORD_RETRY, .at_us = 3000},
                                     {.kind = RECORD_HELD, .at_us = 3000},
                                     {.kind = RECORD_QUEUED, .at_us = 3000}};

    (void)state;
    record.events = events;
    record.event_count = 3;
    record.model = STR("a\xc3\xa9z");
    otel.attributes_max = 1;
    otel.events_max = 2;
    otel.value_max = 2;
    put(&record);
    assert_has(spans(), TEXT("llm.model.requested", "a"));
    assert_lacks(spans(), "llm.max_tokens");
    assert_has(spans(), "\"droppedAttributesCount\":2");
    assert_has(spans(), "\"name\":\"retry\"");
    assert_lacks(spans(), "\"name\":\"held\"");
    assert_has(spans(), "\"droppedEventsCount\":2");
}

static void a_record_that_does_not_fit_leaves_no_trace(void **state)
{
    static const struct otlp_wire *const wires[] = {&otlp_json, &otlp_protobuf};
    struct record record = given_record();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        struct str first;

        open_writer(wires[i], MAX);
        put(&record);
        first = arena_copy(&arena, spans());
        open_writer(wires[i], first.len + 100);
        put(&record);
        assert_false(otlp_put_record(&writer, &record));
        assert_true(str_eq(spans(), first));
        assert_int_equal(writer.span_count, 1);
        /* and what comes then finds room */
        put(&record);
        assert_true(str_eq(spans(), first));
    }
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(a_span_as_protocol_buffers),
        fresh(a_request_as_protocol_buffers),
        fresh(every_kind_of_value_as_protocol_buffers),
        fresh(a_streamed_answer_as_json),
        fresh(a_failed_try_says_what_it_was),
        fresh(a_client_span_is_named_within_bounds),
        fresh(an_error_has_its_reason),
        fresh(a_link_where_the_trace_was_begun_anew),
        fresh(what_is_no_number_is_left_out),
        fresh(limits_are_kept_and_what_is_left_out_is_counted),
        fresh(a_record_that_does_not_fit_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
