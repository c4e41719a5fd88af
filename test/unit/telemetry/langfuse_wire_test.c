/* telemetry/langfuse_otel, telemetry/langfuse_batch: what a record becomes,
 * byte for byte. */
#include "telemetry/langfuse_wire.h"

#include "../testing.h"
#include "json.h"
#include "langfuse_given.h"

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

/* `text` with quotes for its apostrophes and backslashes for its tildes. */
static const char *meant(const char *text)
{
    char *real = arena_alloc(&arena, strlen(text) + 1);
    size_t i = 0;

    for (; text[i] != '\0'; i++)
        real[i] = text[i] == '\'' ? '"' : text[i] == '~' ? '\\' : text[i];
    real[i] = '\0';
    return real;
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
        meant("{'traceId':'4bf92f3577b34da6a3ce929d0e0e4736','spanId':'00f0"
              "67aa0ba902b7','name':'chat.completions','kind':2,"
              "'startTimeUnixNano':'1795654923000000000','endTimeUnixNano':"
              "'1795654925500000000','attributes':["
              "{'key':'langfuse.observation.type','value':{'stringValue':'g"
              "eneration'}},"
              "{'key':'langfuse.internal.is_app_root','value':{'boolValue':"
              "true}},"
              "{'key':'langfuse.observation.model.name','value':{'stringVal"
              "ue':'auto'}},"
              "{'key':'langfuse.trace.name','value':{'stringValue':'chat.co"
              "mpletions'}},"
              "{'key':'langfuse.version','value':"
              "{'stringValue':'" WEIR_VERSION "'}},"
              "{'key':'langfuse.observation.metadata','value':{'stringValue"
              "':'"
              "{~'router_request_id~':~'req_1~',~'router_trace_id~':~'4bf92"
              "f3577b34da6a3ce929d0e0e4736~',~'router_span_id~':~'00f067aa0"
              "ba902b7~',~'router_requested_model~':~'auto~',~'router_estim"
              "ated_tokens~':0,~'router_stream~':false,~'router_tries~':0,~"
              "'router_status~':200}"
              "'}}]}"));
}

static void a_span_says_all_that_the_record_says(void **state)
{
    struct record record = langfuse_given_full();

    (void)state;
    put(&langfuse_otel, &labels, &record, false);
    assert_str(
        buf_str(&out),
        meant("{'traceId':'4bf92f3577b34da6a3ce929d0e0e4736','spanId':'00f0"
              "67aa0ba902b7','parentSpanId':'b7ad6b7169203331','name':'chat"
              ".completions','kind':2,"
              "'startTimeUnixNano':'1795654923000000000','endTimeUnixNano':"
              "'1795654925500000000','attributes':["
              "{'key':'langfuse.observation.type','value':{'stringValue':'g"
              "eneration'}},"
              "{'key':'langfuse.internal.is_app_root','value':{'boolValue':"
              "true}},"
              "{'key':'langfuse.observation.model.name','value':{'stringVal"
              "ue':'claude-haiku-4-5'}},"
              "{'key':'langfuse.observation.model.parameters','value':{'str"
              "ingValue':'{~'max_tokens~':100,~'temperature~':0.70,~'top_p~"
              "':~'1e-1~',~'top_k~':5,~'n~':2,~'stop_sequences~':3,~'json~'"
              ":true}'}},"
              "{'key':'langfuse.observation.usage_details','value':{'string"
              "Value':'{~'input~':100,~'output~':25,~'cache_read_input_toke"
              "ns~':600,~'cache_creation_input_tokens~':250,~'input_cache_c"
              "reation_1h~':50,~'output_reasoning_tokens~':15,~'total~':104"
              "0}'}},"
              "{'key':'langfuse.observation.cost_details','value':{'stringV"
              "alue':'{~'total~':0.0012345}'}},"
              "{'key':'langfuse.observation.completion_start_time','value':"
              "{'stringValue':'2026-11-26T01:02:03.500Z'}},"
              "{'key':'langfuse.observation.level','value':{'stringValue':'"
              "WARNING'}},"
              "{'key':'langfuse.observation.status_message','value':{'strin"
              "gValue':'fallback:connect'}},"
              "{'key':'user.id','value':{'stringValue':'u~'1'}},"
              "{'key':'session.id','value':{'stringValue':'s-1'}},"
              "{'key':'langfuse.trace.tags','value':{'arrayValue':{'values'"
              ":[{'stringValue':'a'},{'stringValue':'b'}]}}},"
              "{'key':'langfuse.environment','value':{'stringValue':'produc"
              "tion'}},"
              "{'key':'langfuse.release','value':{'stringValue':'v7'}},"
              "{'key':'langfuse.version','value':"
              "{'stringValue':'" WEIR_VERSION "'}},"
              "{'key':'langfuse.observation.metadata','value':{'stringValue"
              "':'"
              "{~'router_request_id~':~'req_1~',~'router_trace_id~':~'4bf92"
              "f3577b34da6a3ce929d0e0e4736~',~'router_span_id~':~'00f067aa0"
              "ba902b7~',~'router_parent_span_id~':~'b7ad6b7169203331~',~'r"
              "outer_key~':~'team~',~'router_format~':~'chat~',~'router_req"
              "uested_model~':~'auto~',~'router_estimated_tokens~':1200,~'r"
              "outer_stream~':true,~'router_pinned~':true,"
              "~'router_backend~':~'cloud~',~'router_target~':~'vendor~',~'"
              "router_reason~':~'fallback:connect~',~'router_rule~':~'short"
              "~',~'router_fallback_from~':~'gpu~',~'router_tries~':2,~'rou"
              "ter_held~':true,~'router_dropped~':1,"
              "~'router_status~':200,~'router_finish~':~'stop~',~'router_an"
              "swer_id~':~'msg_1~',~'router_service_tier~':~'standard~',~'r"
              "outer_cloud_cost~':2,~'router_content_clipped~':true,~'team~"
              "':~'red~'}"
              "'}},"
              "{'key':'langfuse.observation.input','value':{'stringValue':'"
              "[{~'role~':~'user~',~'content~':~'h~~u00e9~'}]'}},"
              "{'key':'langfuse.observation.output','value':{'stringValue':"
              "'{~'content~':~'ok~'}'}}]}"));
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
    assert_has(buf_str(&out), meant("{'key':'langfuse.observation.level',"
                                    "'value':{'stringValue':'ERROR'}}"));
    assert_has(buf_str(&out),
               meant("{'key':'langfuse.observation.status_message','value':"
                     "{'stringValue':'not_ready: No backend that this request "
                     "may use is ready.'}}"));
}

static void events_say_all_that_the_record_says(void **state)
{
    struct record record = langfuse_given_full();

    (void)state;
    record.params.top_p = STR("0.1");
    put(&langfuse_batch, &labels, &record, false);
    assert_str(
        buf_str(&out),
        meant("{'id':'4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-tra"
              "ce','timestamp':'2026-11-26T01:02:05.500Z','type':'trace-cre"
              "ate','body':{'id':'4bf92f3577b34da6a3ce929d0e0e4736','timest"
              "amp':'2026-11-26T01:02:03.000Z','userId':'u~'1','sessionId':"
              "'s-1','tags':['a','b'],'environment':'production','release':"
              "'v7'}},"
              "{'id':'4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-gen"
              "eration','timestamp':'2026-11-26T01:02:05.500Z','type':'gene"
              "ration-create','body':{'id':'00f067aa0ba902b7','traceId':'4b"
              "f92f3577b34da6a3ce929d0e0e4736','parentObservationId':'b7ad6"
              "b7169203331','name':'chat.completions',"
              "'startTime':'2026-11-26T01:02:03.000Z','completionStartTime'"
              ":'2026-11-26T01:02:03.500Z','endTime':'2026-11-26T01:02:05.5"
              "00Z','model':'claude-haiku-4-5',"
              "'modelParameters':{'max_tokens':100,'temperature':0.70,'top_"
              "p':0.1,'top_k':5,'n':2,'stop_sequences':3,'json':true},"
              "'usageDetails':{'input':100,'output':25,'cache_read_input_to"
              "kens':600,'cache_creation_input_tokens':250,'input_cache_cre"
              "ation_1h':50,'output_reasoning_tokens':15,'total':1040},'cos"
              "tDetails':{'total':0.0012345},"
              "'level':'WARNING','statusMessage':'fallback:connect','enviro"
              "nment':'production',"
              "'version':'" WEIR_VERSION "','metadata':"
              "{'router_request_id':'req_1','router_trace_id':'4bf92f3577b3"
              "4da6a3ce929d0e0e4736','router_span_id':'00f067aa0ba902b7','r"
              "outer_parent_span_id':'b7ad6b7169203331','router_key':'team'"
              ",'router_format':'chat','router_requested_model':'auto','rou"
              "ter_estimated_tokens':1200,'router_stream':true,'router_pinn"
              "ed':true,"
              "'router_backend':'cloud','router_target':'vendor','router_re"
              "ason':'fallback:connect','router_rule':'short','router_fallb"
              "ack_from':'gpu','router_tries':2,'router_held':true,'router_"
              "dropped':1,"
              "'router_status':200,'router_finish':'stop','router_answer_id"
              "':'msg_1','router_service_tier':'standard','router_cloud_cos"
              "t':2,'router_content_clipped':true,'team':'red'},"
              "'input':[{'role':'user','content':'h~u00e9'}],'output':{'con"
              "tent':'ok'}}}"));
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
    assert_has(buf_str(&out), "\"key\":\"langfuse.trace.name\"");
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
        assert_has(buf_str(&out), "router_content_dropped");
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
