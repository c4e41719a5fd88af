/* dialect/openai_backend_stream: streamed answers of vLLM and its like (rules
 * U): what is told, and in which order. */
#include "chunked.h"

static void text_flows_through(void **state)
{
    (void)state;
    take(ROLE);
    take(TEXT("Hel"));
    take(TEXT(""));
    take(TEXT("lo"));
    assert_str(buf_str(&told), "start(1) text(Hel) text(lo) ");
    take(END("stop"));
    assert_str(buf_str(&told), "start(1) text(Hel) text(lo) ");
    take(USAGE);
    assert_str(buf_str(&told), "start(1) text(Hel) text(lo) end(1 ) ");
    assert_int_equal(last.usage.input, 9);
    assert_int_equal(last.usage.output, 2);
    assert_int_equal(last.usage.cache_read, 4);
    take(DONE);
    take(TEXT("late"));
    assert_true(openai_chunks_end(chunks, &listener));
    assert_str(buf_str(&told), "start(1) text(Hel) text(lo) end(1 ) ");
}

static void the_first_chunk_may_count_the_prompt(void **state)
{
    (void)state;
    take("{\"id\":\"chatcmpl-1\",\"choices\":[{\"delta\":{\"role\":"
         "\"assistant\"}}],\"usage\":{\"prompt_tokens\":20,"
         "\"completion_tokens\":0}}");
    assert_int_equal(last.kind, CHAT_EVENT_START);
    assert_true(last.usage.is_known);
    assert_int_equal(last.usage.input, 20);
    /* usage in every chunk is not yet the end */
    take("{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":"
         "\"length\"}],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":"
         "1}}");
    assert_str(buf_str(&told), "start(1) text(a) ");
    take(DONE);
    assert_str(buf_str(&told), "start(1) text(a) end(2 ) ");
    assert_int_equal(last.usage.output, 1);
}

static void content_and_reason_share_a_chunk(void **state)
{
    (void)state;
    take(TEXT("o"));
    take("{\"choices\":[{\"delta\":{\"content\":\"k\"},\"finish_reason\":"
         "\"stop\",\"stop_reason\":\"END\"}]}");
    take(USAGE);
    assert_str(buf_str(&told), "start(1) text(o) text(k) end(1 ) ");
    assert_str(last.stop_sequence, "END");
}

static void a_token_that_ended_it_is_no_stop_sequence(void **state)
{
    (void)state;
    take(TEXT("o"));
    take("{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\","
         "\"stop_reason\":151645}]}");
    take(DONE);
    assert_null(last.stop_sequence.ptr);
}

static void thinking_is_closed_where_it_ends(void **state)
{
    (void)state;
    take(THINK("h"));
    take(DELTA("\"reasoning_content\":\"m\""));
    take(TEXT("\\n\\n"));
    take(TEXT("So"));
    take(THINK("wait"));
    take(CALLS(CALL("0", "i", "f", "{}")));
    take(END("tool_calls"));
    take(DONE);
    assert_str(buf_str(&told),
               "start(1) think(h) think(m) block(|) text(\n\nSo) think(wait) "
               "block(|) call(0 i f) args(0 {}) end(3 ) ");
}

static void thinking_alone_is_closed_at_the_end(void **state)
{
    (void)state;
    take(THINK("h"));
    take(END("length"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) think(h) block(|) end(2 ) ");
}

static void both_in_one_chunk_come_in_order(void **state)
{
    (void)state;
    take(DELTA("\"content\":\"b\",\"reasoning\":\"a\""));
    take(END("stop"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) think(a) block(|) text(b) end(1 ) ");
}

static void white_space_waits_for_company(void **state)
{
    (void)state;
    take(TEXT("\\n"));
    take(TEXT(" "));
    assert_str(buf_str(&told), "start(1) ");
    take(TEXT("a"));
    take(TEXT("\\n"));
    take(END("stop"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) text(\n a) text(\n) end(1 ) ");
}

static void white_space_without_company_is_not_told(void **state)
{
    (void)state;
    take(TEXT("\\n\\n"));
    take(CALLS(CALL("0", "t1", "f", "{}")));
    take(END("tool_calls"));
    take(USAGE);
    assert_str(buf_str(&told), "start(1) call(0 t1 f) args(0 {}) end(3 ) ");
}

static void the_first_call_is_told_as_it_comes(void **state)
{
    (void)state;
    take(CALLS(CALL("0", "a", "f", "")));
    assert_str(buf_str(&told), "start(1) call(0 a f) ");
    take(CALLS(MORE("0", "{\\\"a\\\"")));
    take(CALLS(MORE("0", ":1}")));
    assert_str(buf_str(&told),
               "start(1) call(0 a f) args(0 {\"a\") args(0 :1}) ");
    /* forced by name: finish_reason stop */
    take(END("stop"));
    take(DONE);
    assert_int_equal(last.finish, CHAT_FINISH_TOOL_CALLS);
}

static void mixed_calls_come_one_after_the_other(void **state)
{
    (void)state;
    take(CALLS(CALL("0", "a", "f", "{") "," CALL("1", "b", "g", "[")));
    take(CALLS(MORE("1", "1") "," MORE("0", "}")));
    take(CALLS(CALL("5", "c", "h", "")));
    take(CALLS(MORE("1", "]")));
    take(TEXT("late"));
    take(THINK("later"));
    assert_str(buf_str(&told), "start(1) call(0 a f) args(0 {) args(0 }) ");
    take(END("tool_calls"));
    take(DONE);
    assert_str(buf_str(&told),
               "start(1) call(0 a f) args(0 {) args(0 }) call(1 b g) "
               "args(1 [1]) call(2 c h) think(later) block(|) text(late) "
               "end(3 ) ");
}

static void repeated_heads_change_nothing(void **state)
{
    (void)state;
    take(CALLS(CALL("0", "a", "f", "{")));
    take(CALLS(CALL("0", "other", "f", "}")));
    take(END("tool_calls"));
    take(DONE);
    assert_str(buf_str(&told),
               "start(1) call(0 a f) args(0 {) args(0 }) end(3 ) ");
}

static void a_late_name_delays_the_call(void **state)
{
    (void)state;
    take(CALLS(MORE("0", "{")));
    assert_str(buf_str(&told), "start(1) ");
    take(CALLS(CALL("0", "", "f", "}")));
    assert_str(buf_str(&told), "start(1) call(0 call_1_0 f) args(0 {}) ");
    take(CALLS(MORE("1", "x")));
    take(END("tool_calls"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) call(0 call_1_0 f) args(0 {}) "
                               "call(1 call_1_1 ) args(1 x) end(3 ) ");
}

static void fragments_without_an_index_find_their_call(void **state)
{
    (void)state;
    take(CALLS(
        "{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}}"));
    take(CALLS("{\"function\":{\"arguments\":\"2\"}}"));
    take(CALLS(
        "{\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"3\"}}"));
    take(CALLS("{\"id\":\"a\",\"function\":{\"arguments\":\"4\"}}"));
    take(CALLS("{\"function\":{\"name\":\"h\",\"arguments\":\"5\"}}"));
    take(CALLS("{\"index\":-7,\"function\":{\"arguments\":\"6\"}}"));
    take(END("tool_calls"));
    take(DONE);
    assert_str(buf_str(&told),
               "start(1) call(0 a f) args(0 1) args(0 2) args(0 4) call(1 b g) "
               "args(1 3) call(2 call_1_2 h) args(2 56) end(3 ) ");
}

static void arguments_may_be_the_object_itself(void **state)
{
    (void)state;
    take(CALLS("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
               "\"arguments\":{\"x\": 1.50}}},{\"index\":1,\"id\":\"b\","
               "\"function\":{\"name\":\"g\",\"arguments\":{}}}"));
    take(END("tool_calls"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) call(0 a f) args(0 {\"x\":1.50}) "
                               "call(1 b g) args(1 {}) end(3 ) ");
}

static void a_custom_tools_text_comes_out_of_its_arguments(void **state)
{
    (void)state;
    take(CALLS(CALL("0", "a", "sh.x", "{\\\"inp")));
    assert_str(buf_str(&told), "start(1) call(0 a sh.x custom) ");
    take(CALLS(MORE("0", "ut\\\":\\\"ls\\\\n\\\"}")));
    take(CALLS("{\"index\":1,\"id\":\"b\",\"custom\":{\"name\":\"c\",\"input\":"
               "\"free\"}}"));
    assert_str(buf_str(&told), "start(1) call(0 a sh.x custom) ");
    take(END("tool_calls"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) call(0 a sh.x custom) args(0 ls\n) "
                               "call(1 b c custom) args(1 free) end(3 ) ");
}

static void the_deprecated_call_is_a_call(void **state)
{
    (void)state;
    take(DELTA("\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}"));
    take(DELTA("\"function_call\":{\"arguments\":\"}\"}"));
    take(END("function_call"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) call(0 call_1_0 f) args(0 {) "
                               "args(0 }) end(3 ) ");
}

static void a_refusal_comes_with_the_end(void **state)
{
    (void)state;
    take(DELTA("\"refusal\":\"I \""));
    take(DELTA("\"refusal\":\"won't.\""));
    take(END("stop"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) end(4 I won't.) ");
}

static void other_choices_are_not_told(void **state)
{
    (void)state;
    take("{\"id\":\"1\",\"choices\":[{\"index\":1,\"delta\":{\"content\":"
         "\"no\"},\"finish_reason\":\"length\"},{\"index\":0,\"delta\":{"
         "\"content\":[{\"type\":\"text\",\"text\":\"y\"},{\"text\":\"es\"}]},"
         "\"finish_reason\":\"stop\"}]}");
    take(DONE);
    assert_str(buf_str(&told), "start(1) text(yes) end(1 ) ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_flows_through),
        TEST(the_first_chunk_may_count_the_prompt),
        TEST(content_and_reason_share_a_chunk),
        TEST(a_token_that_ended_it_is_no_stop_sequence),
        TEST(thinking_is_closed_where_it_ends),
        TEST(thinking_alone_is_closed_at_the_end),
        TEST(both_in_one_chunk_come_in_order),
        TEST(white_space_waits_for_company),
        TEST(white_space_without_company_is_not_told),
        TEST(the_first_call_is_told_as_it_comes),
        TEST(mixed_calls_come_one_after_the_other),
        TEST(repeated_heads_change_nothing),
        TEST(a_late_name_delays_the_call),
        TEST(fragments_without_an_index_find_their_call),
        TEST(arguments_may_be_the_object_itself),
        TEST(a_custom_tools_text_comes_out_of_its_arguments),
        TEST(the_deprecated_call_is_a_call),
        TEST(a_refusal_comes_with_the_end),
        TEST(other_choices_are_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
