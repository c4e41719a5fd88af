/* Streamed answers of the Responses API. */
#include <stdlib.h>

#include "../testing.h"
#include "dialect/responses.h"
#include "responses_checker.h"
#include "sse.h"

static const struct answer_style style = {
    .model = STR_INIT("smart"),
    .created = 1790000000,
    .shows_reasoning = true,
};

struct told {
    struct arena arena;
    struct responses_stream *stream;
    struct buf sse;
    struct buf types; /* of the events, without "response.", with blanks */
    struct buf last;  /* the last event's data */
};

static void told_init(struct told *told, const struct answer_style *how)
{
    arena_init(&told->arena);
    told->stream = responses_stream_open(&told->arena, how);
    buf_init(&told->sse, 256 << 20);
    buf_init(&told->types, 1 << 20);
    buf_init(&told->last, 256 << 20);
}

static void told_fini(struct told *told)
{
    responses_stream_close(told->stream);
    buf_fini(&told->sse);
    buf_fini(&told->types);
    buf_fini(&told->last);
    arena_clear(&told->arena);
}

static void tell(struct told *told, struct chat_event event)
{
    responses_write_event(told->stream, &event, &told->sse);
}

static void start(struct told *told)
{
    tell(told,
         (struct chat_event){.kind = CHAT_EVENT_START, .id = STR_INIT("1")});
}

static void text(struct told *told, enum chat_event_kind kind, const char *says)
{
    tell(told, (struct chat_event){.kind = kind, .text = str_of(says)});
}

static void end(struct told *told, enum chat_finish finish)
{
    tell(told, (struct chat_event){.kind = CHAT_EVENT_END, .finish = finish});
}

static void call(struct told *told, const char *id, const char *name,
                 bool is_custom)
{
    tell(told, (struct chat_event){.kind = CHAT_EVENT_CALL,
                                   .call = {.id = str_of(id),
                                            .name = str_of(name),
                                            .is_custom = is_custom}});
}

/* The stream is as it must be; gathers the types and the last event. */
static void check_stream(struct told *told)
{
    struct str rest = buf_str(&told->sse);
    struct responses_checker checker;
    struct sse_decoder decoder;
    struct sse_event event;

    responses_checker_init(&checker);
    sse_decoder_init(&decoder, 256 << 20);
    while (sse_next(&decoder, &rest, &event)) {
        const char *fault = responses_check(&checker, event.name, event.data);

        if (fault != NULL)
            fail_msg("%s: %.*s", fault, STR_ARG(str_clip(event.data, 2000)));
        if (told->types.len > 0)
            buf_put_char(&told->types, ' ');
        buf_put(&told->types, str_slice(event.name, 9, event.name.len));
        buf_clear(&told->last);
        buf_put(&told->last, event.data);
    }
    assert_null(responses_check_end(&checker));
    sse_decoder_fini(&decoder);
    responses_checker_fini(&checker);
}

#define BEGIN "created in_progress "
#define MESSAGE                                               \
    "output_item.added content_part.added output_text.delta " \
    "output_text.done content_part.done output_item.done "

static void text_stays_one_message(void **state)
{
    struct told told;

    (void)state;
    told_init(&told, &style);
    start(&told);
    text(&told, CHAT_EVENT_TEXT, "a");
    text(&told, CHAT_EVENT_TEXT, "\"b\"");
    end(&told, CHAT_FINISH_STOP);
    end(&told, CHAT_FINISH_STOP); /* nothing after the end */
    check_stream(&told);
    assert_str(buf_str(&told.types),
               BEGIN "output_item.added content_part.added output_text.delta "
                     "output_text.delta output_text.done content_part.done "
                     "output_item.done completed");
    assert_has(buf_str(&told.sse),
               "event: response.output_text.delta\ndata: {\"type\":"
               "\"response.output_text.delta\",\"sequence_number\":4,"
               "\"item_id\":\"msg_1_0\",\"output_index\":0,"
               "\"content_index\":0,\"delta\":\"a\",\"logprobs\":[]}\n\n");
    assert_has(buf_str(&told.last), "\"text\":\"a\\\"b\\\"\"");
    told_fini(&told);
}

static void the_result_is_the_last_events_object(void **state)
{
    struct told told;
    struct str result;

    (void)state;
    told_init(&told, &style);
    start(&told);
    text(&told, CHAT_EVENT_TEXT, "a");
    assert_int_equal(responses_stream_result(told.stream).len, 0);
    end(&told, CHAT_FINISH_STOP);
    result = responses_stream_result(told.stream);
    assert_true(str_starts(result, STR("{\"id\":\"resp_1\",")));
    assert_has(result, "\"status\":\"completed\"");
    check_stream(&told);
    assert_true(str_contains(buf_str(&told.last), result));
    told_fini(&told);
}

static void thinking_then_text(void **state)
{
    struct answer_style how = style;
    struct told told;

    (void)state;
    how.wants_encrypted = true;
    told_init(&told, &how);
    start(&told);
    text(&told, CHAT_EVENT_THINKING, "t");
    tell(&told, (struct chat_event){.kind = CHAT_EVENT_BLOCK,
                                    .block = {.kind = CHAT_BLOCK_THINKING,
                                              .text = STR_INIT("t"),
                                              .signature = STR_INIT("S")}});
    tell(&told, (struct chat_event){.kind = CHAT_EVENT_BLOCK,
                                    .block = {.kind = CHAT_BLOCK_REDACTED,
                                              .text = STR_INIT("D")}});
    /* never signed, and no block tells that it is over */
    text(&told, CHAT_EVENT_THINKING, "u");
    text(&told, CHAT_EVENT_TEXT, "x");
    end(&told, CHAT_FINISH_STOP);
    check_stream(&told);
    assert_str(buf_str(&told.types),
               BEGIN "output_item.added reasoning_summary_part.added "
                     "reasoning_summary_text.delta "
                     "reasoning_summary_text.done reasoning_summary_part.done "
                     "output_item.done output_item.added output_item.done "
                     "output_item.added reasoning_summary_part.added "
                     "reasoning_summary_text.delta "
                     "reasoning_summary_text.done reasoning_summary_part.done "
                     "output_item.done " MESSAGE "completed");
    assert_has(buf_str(&told.last),
               "[{\"type\":\"reasoning\",\"id\":\"rs_1_0\",\"summary\":[{"
               "\"type\":\"summary_text\",\"text\":\"t\"}],"
               "\"encrypted_content\":\"ant1.eyJ0eXBlIjoidGhpbmtpbmciLCJ0aGlua"
               "2luZyI6InQiLCJzaWduYXR1cmUiOiJTIn0=\"},"
               "{\"type\":\"reasoning\",\"id\":\"rs_1_1\",\"summary\":[],"
               "\"encrypted_content\":\"ant1.eyJ0eXBlIjoicmVkYWN0ZWRfdGhpbmtpb"
               "mciLCJkYXRhIjoiRCJ9\"},"
               "{\"type\":\"reasoning\",\"id\":\"rs_1_2\",\"summary\":[{"
               "\"type\":\"summary_text\",\"text\":\"u\"}]},");
    told_fini(&told);
}

static void a_block_may_tell_all_of_the_thinking(void **state)
{
    struct told told;

    (void)state;
    told_init(&told, &style);
    start(&told);
    tell(&told, (struct chat_event){.kind = CHAT_EVENT_BLOCK,
                                    .block = {.kind = CHAT_BLOCK_THINKING,
                                              .text = STR_INIT("all"),
                                              .signature = STR_INIT("S")}});
    end(&told, CHAT_FINISH_STOP);
    check_stream(&told);
    assert_has(buf_str(&told.last), "\"text\":\"all\"");
    assert_lacks(buf_str(&told.last), "encrypted_content");
    told_fini(&told);
}

static void hidden_thinking_is_an_empty_item(void **state)
{
    struct answer_style how = style;
    struct told told;

    (void)state;
    how.shows_reasoning = false;
    told_init(&told, &how);
    start(&told);
    text(&told, CHAT_EVENT_THINKING, "secret");
    tell(&told, (struct chat_event){.kind = CHAT_EVENT_BLOCK,
                                    .block = {.kind = CHAT_BLOCK_THINKING,
                                              .text = STR_INIT("secret"),
                                              .signature = STR_INIT("S")}});
    text(&told, CHAT_EVENT_TEXT, "x");
    end(&told, CHAT_FINISH_STOP);
    check_stream(&told);
    assert_str(buf_str(&told.types),
               BEGIN "output_item.added "
                     "output_item.done " MESSAGE "completed");
    assert_lacks(buf_str(&told.sse), "secret");
    told_fini(&told);
}

static void calls_of_every_kind(void **state)
{
    struct told told;

    (void)state;
    told_init(&told, &style);
    start(&told);
    call(&told, "c1", "agents\x1fopen", false);
    text(&told, CHAT_EVENT_ARGUMENTS, "{\"a\"");
    text(&told, CHAT_EVENT_ARGUMENTS, ":1}");
    call(&told, "c2", "g", false);
    call(&told, "c3", "patch", true);
    text(&told, CHAT_EVENT_ARGUMENTS, "***");
    call(&told, "c4", "patch", true);
    end(&told, CHAT_FINISH_TOOL_CALLS);
    check_stream(&told);
    assert_str(buf_str(&told.types), BEGIN
               "output_item.added function_call_arguments.delta "
               "function_call_arguments.delta function_call_arguments.done "
               "output_item.done "
               "output_item.added function_call_arguments.delta "
               "function_call_arguments.done output_item.done "
               "output_item.added custom_tool_call_input.delta "
               "custom_tool_call_input.done output_item.done "
               "output_item.added custom_tool_call_input.done "
               "output_item.done completed");
    assert_has(buf_str(&told.sse),
               "\"item_id\":\"fc_1_0\",\"output_index\":0,\"name\":\"open\","
               "\"arguments\":\"{\\\"a\\\":1}\"}");
    assert_has(buf_str(&told.last),
               "[{\"type\":\"function_call\",\"id\":\"fc_1_0\","
               "\"call_id\":\"c1\",\"name\":\"open\","
               "\"namespace\":\"agents\",\"arguments\":\"{\\\"a\\\":1}\","
               "\"status\":\"completed\"},"
               "{\"type\":\"function_call\",\"id\":\"fc_1_1\","
               "\"call_id\":\"c2\",\"name\":\"g\",\"arguments\":\"{}\","
               "\"status\":\"completed\"},"
               "{\"type\":\"custom_tool_call\",\"id\":\"ctc_1_2\","
               "\"call_id\":\"c3\",\"name\":\"patch\",\"input\":\"***\","
               "\"status\":\"completed\"},"
               "{\"type\":\"custom_tool_call\",\"id\":\"ctc_1_3\","
               "\"call_id\":\"c4\",\"name\":\"patch\",\"input\":\"\","
               "\"status\":\"completed\"}]");
    told_fini(&told);
}

static void a_search_is_an_item_without_events_of_its_own(void **state)
{
    struct told told;

    (void)state;
    told_init(&told, &style);
    start(&told);
    call(&told, "c1", "tool_search\x1f", false);
    text(&told, CHAT_EVENT_ARGUMENTS, "{\"q\":");
    text(&told, CHAT_EVENT_ARGUMENTS, " 1}");
    call(&told, "c2", "tool_search\x1f", false);
    text(&told, CHAT_EVENT_ARGUMENTS, "[broken");
    end(&told, CHAT_FINISH_TOOL_CALLS);
    check_stream(&told);
    assert_str(buf_str(&told.types),
               BEGIN "output_item.added output_item.done output_item.added "
                     "output_item.done completed");
    assert_has(buf_str(&told.last),
               "[{\"type\":\"tool_search_call\",\"id\":\"tsc_1_0\","
               "\"call_id\":\"c1\",\"execution\":\"client\","
               "\"arguments\":{\"q\":1},\"status\":\"completed\"},"
               "{\"type\":\"tool_search_call\",\"id\":\"tsc_1_1\","
               "\"call_id\":\"c2\",\"execution\":\"client\","
               "\"arguments\":{},\"status\":\"completed\"}]");
    told_fini(&told);
}

static void a_cut_answer_is_incomplete(void **state)
{
    struct told told;

    (void)state;
    told_init(&told, &style);
    start(&told);
    text(&told, CHAT_EVENT_TEXT, "a");
    call(&told, "c1", "f", false);
    text(&told, CHAT_EVENT_ARGUMENTS, "{");
    end(&told, CHAT_FINISH_LENGTH);
    check_stream(&told);
    assert_str(buf_str(&told.types),
               BEGIN MESSAGE "output_item.added function_call_arguments.delta "
                             "function_call_arguments.done output_item.done "
                             "incomplete");
    assert_has(buf_str(&told.last),
               "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}");
    assert_has(buf_str(&told.last),
               "\"arguments\":\"{\",\"status\":\"incomplete\"");
    told_fini(&told);
}

static void a_refusal_is_a_message_of_its_own(void **state)
{
    struct told told;

    (void)state;
    told_init(&told, &style);
    start(&told);
    text(&told, CHAT_EVENT_TEXT, "a");
    tell(&told, (struct chat_event){.kind = CHAT_EVENT_END,
                                    .finish = CHAT_FINISH_CONTENT_FILTER,
                                    .refusal = STR_INIT("No.")});
    check_stream(&told);
    assert_str(buf_str(&told.types),
               BEGIN MESSAGE "output_item.added content_part.added "
                             "refusal.delta refusal.done content_part.done "
                             "output_item.done incomplete");
    assert_has(buf_str(&told.last),
               "\"status\":\"incomplete\",\"role\":\"assistant\",\"content\":[{"
               "\"type\":\"refusal\",\"refusal\":\"No.\"}]");
    assert_has(buf_str(&told.last), "{\"reason\":\"content_filter\"}");
    told_fini(&told);
}

static void failures_have_codes_that_clients_know(void **state)
{
    static const struct {
        struct chat_error error;
        const char *says;
    } cases[] = {
        {{.error = ERR_TRUNCATED},
         "{\"code\":\"server_error\",\"message\":"
         "\"The backend's answer ended early.\"}"},
        {{.error = ERR_BACKEND_BUSY,
          .message = STR_INIT("Slow down."),
          .retry_after_s = 7},
         "{\"code\":\"rate_limit_exceeded\",\"message\":\"Slow down. Please "
         "try again in 7s.\"}"},
        {{.error = ERR_BACKEND_BUSY,
          .status = 429,
          .code = STR_INIT("insufficient_quota")},
         "{\"code\":\"insufficient_quota\","},
        {{.error = ERR_BACKEND_REFUSED,
          .code = STR_INIT("context_length_exceeded")},
         "{\"code\":\"context_length_exceeded\","},
        {{.error = ERR_BACKEND_REFUSED}, "{\"code\":\"invalid_prompt\","},
        {{.error = ERR_BACKEND_STATUS,
          .status = 503,
          .code = STR_INIT("overloaded")},
         "{\"code\":\"server_error\","},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct told told;

        told_init(&told, &style);
        start(&told);
        text(&told, CHAT_EVENT_TEXT, "a");
        tell(&told, (struct chat_event){.kind = CHAT_EVENT_ERROR,
                                        .error = cases[i].error});
        text(&told, CHAT_EVENT_TEXT, "b");
        check_stream(&told);
        assert_str(buf_str(&told.types),
                   BEGIN "output_item.added content_part.added "
                         "output_text.delta failed");
        assert_has(buf_str(&told.last), cases[i].says);
        assert_has(buf_str(&told.last), "\"output\":[],\"usage\":null");
        assert_int_equal(responses_stream_result(told.stream).len, 0);
        told_fini(&told);
    }
}

static void it_begins_even_when_nothing_says_so(void **state)
{
    struct told told;

    (void)state;
    told_init(&told, &style);
    tell(&told, (struct chat_event){.kind = CHAT_EVENT_ERROR,
                                    .error = {.error = ERR_CLOSED}});
    check_stream(&told);
    assert_str(buf_str(&told.types), BEGIN "failed");
    told_fini(&told);
}

static void an_endless_answer_fails(void **state)
{
    struct told told;
    char *much = malloc(1 << 20);

    (void)state;
    assert_non_null(much);
    memset(much, 'x', (1 << 20) - 1);
    much[(1 << 20) - 1] = '\0';
    told_init(&told, &style);
    start(&told);
    for (int i = 0; i < 18; i++)
        text(&told, CHAT_EVENT_TEXT, much);
    end(&told, CHAT_FINISH_STOP);
    check_stream(&told);
    assert_has(buf_str(&told.last), "\"status\":\"failed\"");
    assert_has(buf_str(&told.last), "larger than the router takes");
    told_fini(&told);
    free(much);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_one_message),
        cmocka_unit_test(the_result_is_the_last_events_object),
        cmocka_unit_test(thinking_then_text),
        cmocka_unit_test(a_block_may_tell_all_of_the_thinking),
        cmocka_unit_test(hidden_thinking_is_an_empty_item),
        cmocka_unit_test(calls_of_every_kind),
        cmocka_unit_test(a_search_is_an_item_without_events_of_its_own),
        cmocka_unit_test(a_cut_answer_is_incomplete),
        cmocka_unit_test(a_refusal_is_a_message_of_its_own),
        cmocka_unit_test(failures_have_codes_that_clients_know),
        cmocka_unit_test(it_begins_even_when_nothing_says_so),
        cmocka_unit_test(an_endless_answer_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
