/* dialect/anthropic_stream: streamed answers (rules S). */
#include "../testing.h"
#include "dialect/anthropic.h"

static struct anthropic_stream stream;
static struct names names;
static struct buf told; /* what the listener was told, one word each */
static struct chat_event last;

static void on_event(void *ctx, const struct chat_event *event)
{
    static const char *const kinds[] = {"start", "text", "think", "block",
                                        "call",  "args", "end",   "error"};

    (void)ctx;
    last = *event;
    buf_printf(&told, "%s(", kinds[event->kind]);
    switch (event->kind) {
    case CHAT_EVENT_START:
        buf_put(&told, event->id);
        break;
    case CHAT_EVENT_CALL:
        buf_printf(&told, "%u %.*s %.*s%s", event->index,
                   STR_ARG(event->call.id), STR_ARG(event->call.name),
                   event->call.is_custom ? " custom" : "");
        break;
    case CHAT_EVENT_ARGUMENTS:
        buf_printf(&told, "%u %.*s", event->index, STR_ARG(event->text));
        break;
    case CHAT_EVENT_BLOCK:
        buf_printf(&told, "%.*s|%.*s", STR_ARG(event->block.text),
                   STR_ARG(event->block.signature));
        break;
    case CHAT_EVENT_END:
        buf_printf(&told, "%d %.*s", (int)event->finish,
                   STR_ARG(event->refusal));
        break;
    case CHAT_EVENT_ERROR:
        buf_put(&told, chat_error_code(&event->error));
        break;
    default:
        buf_put(&told, event->text);
        break;
    }
    buf_put(&told, STR(") "));
}

static const struct chat_listener listener = {on_event, NULL};

static int begin(void **state)
{
    (void)state;
    names = (struct names){NULL, 0};
    buf_init(&told, 1 << 20);
    anthropic_stream_init(&stream, &names);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    anthropic_stream_fini(&stream);
    buf_fini(&told);
    return 0;
}

static void take(const char *event)
{
    if (!anthropic_read_event(&stream, str_of(event), &listener))
        fail_msg("not taken: %s", event);
}

static void open_block(const char *block)
{
    struct buf event;

    buf_init(&event, 1 << 16);
    buf_printf(&event,
               "{\"type\":\"content_block_start\",\"index\":0,"
               "\"content_block\":%s}",
               block);
    assert_true(anthropic_read_event(&stream, buf_str(&event), &listener));
    buf_fini(&event);
}

static void delta(const char *type, const char *key, const char *text)
{
    struct buf event;

    buf_init(&event, 1 << 16);
    buf_printf(&event,
               "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
               "{\"type\":\"%s\",\"%s\":\"%s\"}}",
               type, key, text);
    assert_true(anthropic_read_event(&stream, buf_str(&event), &listener));
    buf_fini(&event);
}

#define START                                                              \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":" \
    "{\"input_tokens\":25,\"output_tokens\":1}}}"
#define BLOCK_STOP "{\"type\":\"content_block_stop\",\"index\":0}"
#define STOP_FOR(reason)                                               \
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason \
    "\"},\"usage\":{\"output_tokens\":30}}"
#define STOP "{\"type\":\"message_stop\"}"

static void text_flows_through(void **state)
{
    (void)state;
    take("{\"type\":\"ping\"}"); /* also before the start */
    take(START);
    open_block("{\"type\":\"text\",\"text\":\"\"}");
    delta("text_delta", "text", "Hel");
    take("{\"type\":\"ping\"}");
    delta("text_delta", "text", "");
    delta("text_delta", "text", "lo");
    take(BLOCK_STOP);
    take(STOP_FOR("end_turn"));
    take(STOP);
    assert_str(buf_str(&told), "start(1) text(Hel) text(lo) end(1 ) ");
    assert_true(last.usage.input == 25);
    assert_true(last.usage.output == 30);
    assert_true(anthropic_stream_close(&stream, &listener));
    assert_str(buf_str(&told), "start(1) text(Hel) text(lo) end(1 ) ");
}

static void text_may_stand_in_the_blocks_start(void **state)
{
    (void)state;
    take(START);
    open_block("{\"type\":\"text\",\"text\":\"He\"}");
    delta("text_delta", "text", "y");
    assert_str(buf_str(&told), "start(1) text(He) text(y) ");
}

static void calls_are_counted_without_the_other_blocks(void **state)
{
    (void)state;
    take(START);
    open_block("{\"type\":\"text\",\"text\":\"\"}");
    take(BLOCK_STOP);
    open_block("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\","
               "\"input\":{}}");
    delta("input_json_delta", "partial_json", "");
    delta("input_json_delta", "partial_json", "{\\\"x\\\":");
    delta("input_json_delta", "partial_json", "1}");
    take(BLOCK_STOP);
    open_block("{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"g\","
               "\"input\":{}}");
    take(BLOCK_STOP);
    take(STOP_FOR("tool_use"));
    take(STOP);
    assert_str(buf_str(&told), "start(1) call(0 a f) args(0 {\"x\":) "
                               "args(0 1}) call(1 b g) args(1 {}) end(3 ) ");
}

static void an_input_in_the_start_counts_when_nothing_follows(void **state)
{
    (void)state;
    take(START);
    open_block("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\","
               "\"input\":{ \"x\" : 1.0 }}");
    delta("input_json_delta", "partial_json", "");
    take(BLOCK_STOP);
    assert_str(buf_str(&told), "start(1) call(0 a f) args(0 {\"x\":1.0}) ");
}

static void thinking_is_told_as_text_and_as_a_block(void **state)
{
    (void)state;
    take(START);
    open_block("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    delta("thinking_delta", "thinking", "h");
    delta("thinking_delta", "thinking", "m");
    delta("signature_delta", "signature", "S1");
    delta("signature_delta", "signature", "S2");
    take(BLOCK_STOP);
    open_block("{\"type\":\"redacted_thinking\",\"data\":\"D\"}");
    take(BLOCK_STOP);
    /* omitted thinking: only the signature */
    open_block("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    delta("thinking_delta", "thinking", "");
    delta("signature_delta", "signature", "S3");
    take(BLOCK_STOP);
    assert_str(buf_str(&told), "start(1) think(h) think(m) block(hm|S1S2) "
                               "block(D|) block(|S3) ");
}

static void what_is_unknown_means_nothing(void **state)
{
    (void)state;
    take(START);
    take("{\"type\":\"something_new\",\"x\":1}");
    take("{}");
    open_block("{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"x\"}");
    delta("input_json_delta", "partial_json", "{}");
    take(BLOCK_STOP);
    open_block("{\"type\":\"text\",\"text\":\"\"}");
    delta("new_delta", "text", "x");
    delta("citations_delta", "citation", "x");
    delta("input_json_delta", "partial_json", "{}"); /* not here */
    delta("thinking_delta", "thinking", "x");
    delta("signature_delta", "signature", "x");
    delta("text_delta", "text", "y");
    take(BLOCK_STOP);
    delta("text_delta", "text", "behind the block");
    take(BLOCK_STOP);
    assert_str(buf_str(&told), "start(1) text(y) ");
}

static void numbers_are_cumulative_and_zeros_say_nothing(void **state)
{
    (void)state;
    take("{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":"
         "{\"input_tokens\":0,\"output_tokens\":1,"
         "\"cache_read_input_tokens\":7}}}");
    take("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},"
         "\"usage\":{\"output_tokens\":10}}");
    take("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
         "\"end_turn\"},\"usage\":{\"input_tokens\":20,\"output_tokens\":15,"
         "\"cache_read_input_tokens\":0,\"cache_creation_input_tokens\":3}}");
    take(STOP);
    assert_true(last.usage.input == 20 + 7 + 3);
    assert_true(last.usage.cache_read == 7);
    assert_true(last.usage.cache_write == 3);
    assert_true(last.usage.output == 15);
}

static void a_refusal_ends_with_its_explanation(void **state)
{
    (void)state;
    take(START);
    take("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\","
         "\"stop_details\":{\"type\":\"refusal\",\"explanation\":\"no\"}}}");
    take(STOP);
    assert_str(buf_str(&told), "start(1) end(4 no) ");
}

static void an_end_without_stop_needs_a_stop_reason(void **state)
{
    (void)state;
    take(START);
    open_block("{\"type\":\"text\",\"text\":\"Hi\"}");
    assert_false(anthropic_stream_close(&stream, &listener));
    assert_str(buf_str(&told), "start(1) text(Hi) ");
    take(BLOCK_STOP);
    assert_false(anthropic_stream_close(&stream, &listener));
    take(STOP_FOR("max_tokens"));
    assert_true(anthropic_stream_close(&stream, &listener));
    assert_str(buf_str(&told), "start(1) text(Hi) end(2 ) ");
    assert_true(anthropic_stream_close(&stream, &listener)); /* once */
    assert_str(buf_str(&told), "start(1) text(Hi) end(2 ) ");
}

static void a_missing_start_is_made_up(void **state)
{
    (void)state;
    open_block("{\"type\":\"text\",\"text\":\"Hi\"}");
    take(STOP);
    assert_str(buf_str(&told), "start() text(Hi) end(1 ) ");
}

static void a_second_start_is_none(void **state)
{
    (void)state;
    take(START);
    take(START);
    assert_str(buf_str(&told), "start(1) ");
}

static void errors_are_told_with_the_code_of_their_type(void **state)
{
    static const struct {
        const char *type;
        enum error error;
        int status;
        const char *code;
    } cases[] = {
        {"overloaded_error", ERR_STREAM_ERROR, 503, "overloaded"},
        {"api_error", ERR_STREAM_ERROR, 500, ""},
        {"timeout_error", ERR_STREAM_ERROR, 504, ""},
        {"something_new", ERR_STREAM_ERROR, 500, ""},
        {"rate_limit_error", ERR_BACKEND_BUSY, 429, "rate_limit_exceeded"},
        {"invalid_request_error", ERR_BACKEND_REFUSED, 400, ""},
        {"authentication_error", ERR_BACKEND_AUTH, 502, "upstream_auth_error"},
        {"billing_error", ERR_BACKEND_BUSY, 429, "insufficient_quota"},
        {"not_found_error", ERR_BACKEND_REFUSED, 404, "model_not_found"},
        {"request_too_large", ERR_BACKEND_REFUSED, 413, "request_too_large"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct anthropic_stream one;
        struct buf event;

        buf_init(&event, 1 << 16);
        buf_printf(&event,
                   "{\"type\":\"error\",\"error\":{\"type\":\"%s\","
                   "\"message\":\"m\"}}",
                   cases[i].type);
        anthropic_stream_init(&one, &names);
        assert_true(anthropic_read_event(&one, buf_str(&event), &listener));
        assert_int_equal(last.kind, CHAT_EVENT_ERROR);
        assert_int_equal(last.error.error, cases[i].error);
        assert_int_equal(chat_error_status(&last.error), cases[i].status);
        assert_str(chat_error_code(&last.error), cases[i].code);
        anthropic_stream_fini(&one);
        buf_fini(&event);
    }
}

static void nothing_comes_behind_the_end_or_an_error(void **state)
{
    (void)state;
    take(START);
    take("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}");
    open_block("{\"type\":\"text\",\"text\":\"Hi\"}");
    take(STOP);
    take("not even JSON");
    assert_true(anthropic_stream_close(&stream, &listener));
    assert_str(buf_str(&told), "start(1) error(overloaded) ");
}

static void what_is_no_event_breaks_the_stream(void **state)
{
    (void)state;
    assert_false(anthropic_read_event(&stream, STR("{"), &listener));
    assert_false(anthropic_read_event(&stream, STR("[]"), &listener));
    assert_false(anthropic_read_event(&stream, STR("[DONE]"), &listener));
    assert_false(anthropic_read_event(&stream, STR(""), &listener));
    assert_str(buf_str(&told), "");
}

static void names_go_back_and_custom_input_is_unwrapped(void **state)
{
    struct names_tool tools[] = {
        {.original = STR("mcp.read"), .token = STR("mcp_1")},
        {.original = STR("patch"), .token = STR("patch"), .is_custom = true},
    };

    (void)state;
    names = (struct names){tools, 2};
    take(START);
    open_block("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"mcp_1\"}");
    take(BLOCK_STOP);
    open_block("{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"patch\","
               "\"input\":{}}");
    delta("input_json_delta", "partial_json", "{\\\"input\\\":\\\"fr");
    delta("input_json_delta", "partial_json", "ee\\\"}");
    take(BLOCK_STOP);
    assert_str(buf_str(&told), "start(1) call(0 a mcp.read) args(0 {}) "
                               "call(1 b patch custom) args(1 free) ");
}

#define with_stream(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_stream(text_flows_through),
        with_stream(text_may_stand_in_the_blocks_start),
        with_stream(calls_are_counted_without_the_other_blocks),
        with_stream(an_input_in_the_start_counts_when_nothing_follows),
        with_stream(thinking_is_told_as_text_and_as_a_block),
        with_stream(what_is_unknown_means_nothing),
        with_stream(numbers_are_cumulative_and_zeros_say_nothing),
        with_stream(a_refusal_ends_with_its_explanation),
        with_stream(an_end_without_stop_needs_a_stop_reason),
        with_stream(a_missing_start_is_made_up),
        with_stream(a_second_start_is_none),
        with_stream(errors_are_told_with_the_code_of_their_type),
        with_stream(nothing_comes_behind_the_end_or_an_error),
        with_stream(what_is_no_event_breaks_the_stream),
        with_stream(names_go_back_and_custom_input_is_unwrapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
