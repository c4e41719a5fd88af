/* dialect/openai_reply: answers and stream chunks. */
#include "../testing.h"
#include "dialect/openai.h"

static const struct answer_style style = {
    .model = STR_INIT("auto"),
    .created = 1790000000,
    .shows_reasoning = true,
};

static struct buf out;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static struct chat_block text_block(struct str text)
{
    return (struct chat_block){.kind = CHAT_BLOCK_TEXT, .text = text};
}

#define FRONT                                                            \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":" \
    "1790000000,\"model\":\"auto\",\"choices\":[{\"index\":0,"           \
    "\"message\":{\"role\":\"assistant\","

static void an_answer_has_all_the_keys_that_clients_ask_for(void **state)
{
    struct chat_block blocks[] = {text_block(STR("Hel")),
                                  text_block(STR("lo \"you\""))};
    struct chat_answer answer = {
        .id = STR("1"),
        .blocks = blocks,
        .block_count = 2,
        .finish = CHAT_FINISH_STOP,
        .usage = {.is_known = true,
                  .input = 1110,
                  .cache_read = 1000,
                  .cache_write = 100,
                  .output = 5},
    };

    (void)state;
    openai_write_answer(&style, &answer, &out);
    assert_str(buf_str(&out),
               FRONT "\"content\":\"Hello \\\"you\\\"\",\"refusal\":null},"
                     "\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                     "\"usage\":{\"prompt_tokens\":1110,\"completion_tokens\":"
                     "5,\"total_tokens\":1115,\"prompt_tokens_details\":"
                     "{\"cached_tokens\":1000,\"cache_write_tokens\":100}}}");
}

static void content_is_null_only_beside_calls_or_a_refusal(void **state)
{
    struct chat_block call = {
        .kind = CHAT_BLOCK_CALL,
        .call = {.id = STR("c1"), .name = STR("f"), .arguments = STR("{}")},
    };
    struct chat_answer answer = {.id = STR("1"), .finish = CHAT_FINISH_STOP};

    (void)state;
    openai_write_answer(&style, &answer, &out);
    assert_has(buf_str(&out), "\"content\":\"\",\"refusal\":null");
    assert_lacks(buf_str(&out), "tool_calls");
    assert_lacks(buf_str(&out), "usage");
    buf_clear(&out);

    answer.blocks = &call;
    answer.block_count = 1;
    answer.finish = CHAT_FINISH_TOOL_CALLS;
    openai_write_answer(&style, &answer, &out);
    assert_has(buf_str(&out),
               "\"content\":null,\"refusal\":null,\"tool_calls\":[{\"id\":"
               "\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
               "\"arguments\":\"{}\"}}]");
    assert_has(buf_str(&out), "\"finish_reason\":\"tool_calls\"");
    buf_clear(&out);

    answer.block_count = 0;
    answer.finish = CHAT_FINISH_CONTENT_FILTER;
    answer.refusal = STR("no");
    openai_write_answer(&style, &answer, &out);
    assert_has(buf_str(&out), "\"content\":null,\"refusal\":\"no\"");
    assert_has(buf_str(&out), "\"finish_reason\":\"content_filter\"");
}

static void a_custom_call_has_its_own_shape(void **state)
{
    struct chat_block call = {
        .kind = CHAT_BLOCK_CALL,
        .call = {.id = STR("c1"),
                 .name = STR("patch"),
                 .arguments = STR("*** Begin\n"),
                 .is_custom = true},
    };
    struct chat_answer answer = {.blocks = &call, .block_count = 1};

    (void)state;
    openai_write_answer(&style, &answer, &out);
    assert_has(buf_str(&out),
               "{\"id\":\"c1\",\"type\":\"custom\",\"custom\":{\"name\":"
               "\"patch\",\"input\":\"*** Begin\\n\"}}");
}

static void thinking_is_shown_as_the_style_says(void **state)
{
    struct chat_block blocks[] = {
        {.kind = CHAT_BLOCK_THINKING,
         .text = STR("hm"),
         .signature = STR("sig")},
        {.kind = CHAT_BLOCK_REDACTED, .text = STR("secret")},
        {.kind = CHAT_BLOCK_THINKING, .text = STR("m")},
    };
    struct chat_answer answer = {.blocks = blocks, .block_count = 3};
    struct answer_style shown = style;

    (void)state;
    openai_write_answer(&shown, &answer, &out);
    assert_has(buf_str(&out), "\"reasoning_content\":\"hmm\"");
    assert_lacks(buf_str(&out), "thinking_blocks");
    assert_lacks(buf_str(&out), "secret");
    buf_clear(&out);

    shown.shows_reasoning = false;
    shown.shows_thinking = true;
    openai_write_answer(&shown, &answer, &out);
    assert_lacks(buf_str(&out), "reasoning_content");
    assert_has(buf_str(&out),
               "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":"
               "\"hm\",\"signature\":\"sig\"},{\"type\":\"redacted_thinking\","
               "\"data\":\"secret\"},{\"type\":\"thinking\",\"thinking\":"
               "\"m\",\"signature\":\"\"}]");
    buf_clear(&out);

    shown.shows_thinking = false;
    openai_write_answer(&shown, &answer, &out);
    assert_lacks(buf_str(&out), "hm");
}

static void citations_and_the_tier_are_written(void **state)
{
    struct chat_citation citation = {
        .url = STR("https://a.test"), .title = STR("A"), .start = 3, .end = 9};
    struct chat_answer answer = {
        .citations = &citation,
        .citation_count = 1,
        .usage = {.is_known = true,
                  .has_reasoning = true,
                  .reasoning = 7,
                  .service_tier = STR("priority")},
    };

    (void)state;
    openai_write_answer(&style, &answer, &out);
    assert_has(buf_str(&out),
               "\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":"
               "{\"url\":\"https://a.test\",\"title\":\"A\",\"start_index\":3,"
               "\"end_index\":9}}]");
    assert_has(buf_str(&out), "\"completion_tokens_details\":"
                              "{\"reasoning_tokens\":7}");
    assert_true(
        str_ends(buf_str(&out), STR(",\"service_tier\":\"priority\"}")));
}

/* --- streams ----------------------------------------------------------------
 */

#define CHUNK                                                              \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","   \
    "\"created\":1790000000,\"model\":\"auto\",\"choices\":[{\"index\":0," \
    "\"delta\":"
#define GOES_ON ",\"finish_reason\":null}]}\n\n"

static void write_all(const struct answer_style *how,
                      const struct chat_event *events, size_t count)
{
    struct openai_stream stream;

    openai_stream_init(&stream, how);
    for (size_t i = 0; i < count; i++)
        openai_write_event(&stream, &events[i], &out);
    openai_stream_fini(&stream);
}

static void a_stream_begins_with_the_role_and_ends_with_done(void **state)
{
    const struct chat_event events[] = {
        {.kind = CHAT_EVENT_START, .id = STR("1")},
        {.kind = CHAT_EVENT_TEXT, .text = STR("Hi")},
        {.kind = CHAT_EVENT_TEXT}, /* empty: nothing */
        {.kind = CHAT_EVENT_THINKING, .text = STR("hm")},
        {.kind = CHAT_EVENT_END,
         .finish = CHAT_FINISH_LENGTH,
         .usage = {.is_known = true, .input = 1}},
        {.kind = CHAT_EVENT_TEXT, .text = STR("too late")},
        {.kind = CHAT_EVENT_END},
    };

    (void)state;
    write_all(&style, events, COUNT_OF(events));
    assert_str(buf_str(&out),
               CHUNK "{\"role\":\"assistant\",\"content\":\"\"}" GOES_ON CHUNK
                     "{\"content\":\"Hi\"}" GOES_ON CHUNK
                     "{\"reasoning_content\":\"hm\"}" GOES_ON CHUNK
                     "{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n");
}

static void calls_are_counted_and_their_arguments_follow(void **state)
{
    const struct chat_event events[] = {
        {.kind = CHAT_EVENT_START, .id = STR("1")},
        {.kind = CHAT_EVENT_CALL,
         .index = 1,
         .call = {.id = STR("c"), .name = STR("f")}},
        {.kind = CHAT_EVENT_ARGUMENTS, .index = 1, .text = STR("{\"a\":")},
        {.kind = CHAT_EVENT_ARGUMENTS, .index = 1},
        {.kind = CHAT_EVENT_CALL,
         .index = 2,
         .call = {.id = STR("d"), .name = STR("g"), .is_custom = true}},
        {.kind = CHAT_EVENT_ARGUMENTS,
         .index = 2,
         .text = STR("x"),
         .call.is_custom = true},
    };

    (void)state;
    write_all(&style, events, COUNT_OF(events));
    assert_str(
        buf_str(&out), CHUNK
        "{\"role\":\"assistant\",\"content\":\"\"}" GOES_ON CHUNK
        "{\"tool_calls\":[{\"index\":1,\"id\":\"c\",\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}" GOES_ON CHUNK
        "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":"
        "\"{\\\"a\\\":\"}}]}" GOES_ON CHUNK
        "{\"tool_calls\":[{\"index\":2,\"id\":\"d\",\"type\":\"custom\","
        "\"custom\":{\"name\":\"g\",\"input\":\"\"}}]}" GOES_ON CHUNK
        "{\"tool_calls\":[{\"index\":2,\"custom\":{\"input\":\"x\"}}]"
        "}" GOES_ON);
}

static void with_include_usage_every_chunk_has_the_key(void **state)
{
    const struct chat_event events[] = {
        {.kind = CHAT_EVENT_START, .id = STR("1")},
        {.kind = CHAT_EVENT_TEXT, .text = STR("Hi")},
        {.kind = CHAT_EVENT_END,
         .finish = CHAT_FINISH_STOP,
         .usage = {.is_known = true, .input = 3, .output = 4}},
    };
    struct answer_style with_usage = style;
    struct str rest;
    struct str line;
    unsigned chunks = 0;

    (void)state;
    with_usage.include_usage = true;
    write_all(&with_usage, events, COUNT_OF(events));
    rest = buf_str(&out);
    while (str_split(&rest, '\n', &line)) {
        if (!str_starts(line, STR("data: {")))
            continue;
        chunks++;
        if (chunks < 4)
            assert_true(str_ends(line, STR("],\"usage\":null}")));
        else
            assert_has(line, "\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                             "\"completion_tokens\":4,\"total_tokens\":7,");
    }
    assert_int_equal(chunks, 4);
    assert_true(str_ends(buf_str(&out), STR("}\n\ndata: [DONE]\n\n")));
}

static void a_refusal_is_said_before_the_end(void **state)
{
    const struct chat_event events[] = {
        {.kind = CHAT_EVENT_START, .id = STR("1")},
        {.kind = CHAT_EVENT_END,
         .finish = CHAT_FINISH_CONTENT_FILTER,
         .refusal = STR("no")},
    };

    (void)state;
    write_all(&style, events, COUNT_OF(events));
    assert_has(buf_str(&out), CHUNK "{\"refusal\":\"no\"}" GOES_ON CHUNK
                                    "{},\"finish_reason\":\"content_filter\"");
}

static void an_error_is_the_last_word_but_done(void **state)
{
    const struct chat_event events[] = {
        {.kind = CHAT_EVENT_START, .id = STR("1")},
        {.kind = CHAT_EVENT_ERROR,
         .error = {.error = ERR_TRUNCATED, .message = STR("cut")}},
        {.kind = CHAT_EVENT_END},
    };

    (void)state;
    write_all(&style, events, COUNT_OF(events));
    assert_true(
        str_ends(buf_str(&out),
                 STR("\n\ndata: {\"error\":{\"message\":\"cut\",\"type\":"
                     "\"server_error\",\"param\":null,\"code\":"
                     "\"upstream_stream_truncated\"}}\n\ndata: [DONE]\n\n")));
    assert_lacks(buf_str(&out), "\"finish_reason\":\"stop\"");
}

static void thinking_blocks_come_whole_when_asked_for(void **state)
{
    const struct chat_event events[] = {
        {.kind = CHAT_EVENT_START, .id = STR("1")},
        {.kind = CHAT_EVENT_THINKING, .text = STR("hm")},
        {.kind = CHAT_EVENT_BLOCK,
         .block = {.kind = CHAT_BLOCK_THINKING,
                   .text = STR("hm"),
                   .signature = STR("s")}},
    };
    struct answer_style how = style;

    (void)state;
    how.shows_reasoning = false;
    write_all(&how, events, COUNT_OF(events));
    assert_lacks(buf_str(&out), "hm");
    buf_clear(&out);
    how.shows_thinking = true;
    write_all(&how, events, COUNT_OF(events));
    assert_has(buf_str(&out),
               CHUNK "{\"thinking_blocks\":[{\"type\":\"thinking\","
                     "\"thinking\":\"hm\",\"signature\":\"s\"}]}" GOES_ON);
    assert_lacks(buf_str(&out), "reasoning_content");
}

static void names_and_texts_are_escaped_in_every_chunk(void **state)
{
    const struct chat_event events[] = {
        {.kind = CHAT_EVENT_START, .id = STR("\"id\n")},
        {.kind = CHAT_EVENT_TEXT, .text = STR("a\nb\0c")},
    };
    struct answer_style how = style;

    (void)state;
    how.model = STR("m\"\\");
    write_all(&how, events, COUNT_OF(events));
    assert_has(buf_str(&out), "\"id\":\"chatcmpl-\\\"id\\n\"");
    assert_has(buf_str(&out), "\"model\":\"m\\\"\\\\\"");
    assert_has(buf_str(&out), "\"content\":\"a\\nb\\u0000c\"");
}

#define with_out(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_out(an_answer_has_all_the_keys_that_clients_ask_for),
        with_out(content_is_null_only_beside_calls_or_a_refusal),
        with_out(a_custom_call_has_its_own_shape),
        with_out(thinking_is_shown_as_the_style_says),
        with_out(citations_and_the_tier_are_written),
        with_out(a_stream_begins_with_the_role_and_ends_with_done),
        with_out(calls_are_counted_and_their_arguments_follow),
        with_out(with_include_usage_every_chunk_has_the_key),
        with_out(a_refusal_is_said_before_the_end),
        with_out(an_error_is_the_last_word_but_done),
        with_out(thinking_blocks_come_whole_when_asked_for),
        with_out(names_and_texts_are_escaped_in_every_chunk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
