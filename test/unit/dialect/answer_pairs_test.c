/* dialect/answer: every format that callers speak, from every format that
 * backends speak. */
#include "../testing.h"
#include "dialect/answer.h"

enum { MAX_EVENT = 1 << 20 };

static const struct names no_names;
static const struct answer_style style = {
    .model = STR_INIT("auto"),
    .created = 1790000000,
    .shows_reasoning = true,
    .shows_thinking = true,
    .include_usage = true,
    .wants_encrypted = true,
};

#define EVENT(name, rest) \
    "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define BLOCK(index, block, delta)                                             \
    EVENT("content_block_start",                                               \
          ",\"index\":" index ",\"content_block\":{" block "}")                \
    EVENT("content_block_delta", ",\"index\":" index ",\"delta\":{" delta "}") \
    EVENT("content_block_stop", ",\"index\":" index)

/* Thinks, speaks and calls two tools; then all has been said but goodbye. */
static const struct str from_anthropic = STR_INIT(
    EVENT("message_start",
          ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"
          "\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":"
          "null,\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":7,"
          "\"output_tokens\":1}}") EVENT("ping", "")
        BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\"",
              "\"type\":\"thinking_delta\",\"thinking\":\"h\xC3\xA4\"")
            BLOCK("1", "\"type\":\"text\",\"text\":\"\"",
                  "\"type\":\"text_delta\",\"text\":\"\\ud83d\\ude00 \xE2\x82"
                  "\xAC\"")
                BLOCK("2",
                      "\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":"
                      "\"f\",\"input\":{}",
                      "\"type\":\"input_json_delta\",\"partial_json\":"
                      "\"{\\\"a\\\":1}\"")
                    BLOCK("3",
                          "\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":"
                          "\"g\",\"input\":{}",
                          "\"type\":\"input_json_delta\",\"partial_json\":"
                          "\"{}\"")
                        EVENT("message_delta",
                              ",\"delta\":{\"stop_reason\":\"tool_use\","
                              "\"stop_sequence\":null},\"usage\":{\"output_"
                              "tokens\":9}"));

#define CHUNK(delta, finish)                                             \
    "data: {\"id\":\"chatcmpl-9\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1,\"model\":\"qwen\",\"choices\":[{\"index\":0,"        \
    "\"delta\":" delta ",\"finish_reason\":" finish "}]}\n\n"

/* The same; the fragments of the calls take turns. */
static const struct str from_openai = STR_INIT(
    CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null")
        CHUNK("{\"reasoning\":\"h\xC3\xA4\"}", "null") ": keep-alive\n\n" CHUNK(
            "{\"content\":\"\\ud83d\\ude00 \xE2\x82\xAC\"}", "null")
            CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":"
                  "\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
                  "\"\"}}]}",
                  "null")
                CHUNK("{\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"type\":"
                      "\"function\",\"function\":{\"name\":\"g\","
                      "\"arguments\":\"{\"}}]}",
                      "null")
                    CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{"
                          "\"arguments\":\"{\\\"a\\\":1}\"}},{\"index\":1,"
                          "\"function\":{\"arguments\":\"}\"}}]}",
                          "null")
                        CHUNK("{}",
                              "\"tool_calls\"") "data: "
                                                "{\"id\":\"chatcmpl-9\","
                                                "\"choices\":[],"
                                                "\"usage\":{\"prompt_tokens\":"
                                                "12,\"completion_"
                                                "tokens\":9}}\r\n\r\n");

static const struct pair {
    const struct format *from;
    const struct format *to;
    const struct str *stream;
    struct str goodbye; /* of the backend */
    struct str last; /* what the caller's stream ends with, when all is well */
} pairs[] = {
    {&format_chat, &format_chat, &from_openai, STR_INIT("data: [DONE]\n\n"),
     STR_INIT("data: [DONE]\n\n")},
    {&format_chat, &format_messages, &from_openai, STR_INIT("data: [DONE]\n\n"),
     STR_INIT("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")},
    {&format_chat, &format_responses, &from_openai,
     STR_INIT("data: [DONE]\n\n"), STR_INIT("}\n\n")},
    {&format_messages, &format_chat, &from_anthropic,
     STR_INIT(EVENT("message_stop", "")), STR_INIT("data: [DONE]\n\n")},
    {&format_messages, &format_messages, &from_anthropic,
     STR_INIT(EVENT("message_stop", "")),
     STR_INIT("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")},
    {&format_messages, &format_responses, &from_anthropic,
     STR_INIT(EVENT("message_stop", "")), STR_INIT("}\n\n")},
};

/* What a run of one stream gave. */
struct run {
    enum answer_status status;
    enum error error;
    enum chat_finish finish;
    int64_t input, output;
    bool has_token;
};

/* Feeds the stream in pieces of `step` bytes; the first has `first`. */
static struct run run(const struct pair *pair, struct str stream, size_t first,
                      size_t step, struct buf *out)
{
    struct answer answer;
    struct arena memory;
    struct run run;
    size_t n = first;

    buf_clear(out);
    arena_init(&memory);
    answer_init(&answer, &memory, pair->from, pair->to, &style, &no_names,
                MAX_EVENT);
    for (size_t at = 0; at < stream.len; at += n, n = at == first ? step : n)
        (void)answer_feed(&answer, str_slice(stream, at, at + n), out);
    run.status = answer_close(&answer, out);
    run.error = answer.error.error;
    run.finish = answer.finish;
    run.input = answer.usage.input;
    run.output = answer.usage.output;
    run.has_token = answer.has_token;
    answer_fini(&answer);
    arena_clear(&memory);
    return run;
}

static struct str complete(struct arena *arena, const struct pair *pair)
{
    return arena_join(arena, *pair->stream, pair->goodbye);
}

static void a_whole_stream_says_the_same_from_both(void **state)
{
    struct arena arena;
    struct buf out;

    (void)state;
    arena_init(&arena);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct str stream = complete(&arena, &pairs[i]);
        struct run got = run(&pairs[i], stream, stream.len, 1, &out);

        assert_int_equal(got.status, ANSWER_ENDED);
        assert_int_equal(got.finish, CHAT_FINISH_TOOL_CALLS);
        assert_true(got.input == 12 && got.output == 9 && got.has_token);
        assert_true(str_ends(buf_str(&out), pairs[i].last));
        assert_has(buf_str(&out), "\"model\":\"auto\"");
        assert_lacks(buf_str(&out), "qwen");
        assert_lacks(buf_str(&out), "claude");
        assert_has(buf_str(&out), "\xE2\x82\xAC");
    }
    buf_fini(&out);
    arena_clear(&arena);
}

static void any_cut_is_the_same(void **state)
{
    struct arena arena;
    struct buf whole;
    struct buf cut;

    (void)state;
    arena_init(&arena);
    buf_init(&whole, 1 << 20);
    buf_init(&cut, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct str stream = complete(&arena, &pairs[i]);

        (void)run(&pairs[i], stream, stream.len, 1, &whole);
        for (size_t at = 1; at < stream.len; at++) {
            assert_int_equal(
                run(&pairs[i], stream, at, stream.len, &cut).status,
                ANSWER_ENDED);
            assert_true(str_eq(buf_str(&cut), buf_str(&whole)));
        }
        for (size_t step = 1; step < 8; step++) {
            assert_int_equal(run(&pairs[i], stream, step, step, &cut).status,
                             ANSWER_ENDED);
            assert_true(str_eq(buf_str(&cut), buf_str(&whole)));
        }
    }
    buf_fini(&cut);
    buf_fini(&whole);
    arena_clear(&arena);
}

/* Wherever the connection breaks: either all had been said, and the caller's
 * stream has its end, or it has none. */
static void a_stream_that_ends_early_is_never_a_success(void **state)
{
    struct arena arena;
    struct buf out;

    (void)state;
    arena_init(&arena);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct str stream = complete(&arena, &pairs[i]);
        size_t ended = 0;

        for (size_t at = 0; at < stream.len; at++) {
            struct run got =
                run(&pairs[i], str_slice(stream, 0, at), at, 1, &out);
            bool has_end =
                pairs[i].to == &format_responses
                    ? str_contains(buf_str(&out), STR("response.completed"))
                    : out.len > 0 && str_ends(buf_str(&out), pairs[i].last);

            assert_true(has_end == (got.status == ANSWER_ENDED));
            if (got.status == ANSWER_ENDED)
                ended++;
            else
                assert_int_equal(got.error, ERR_TRUNCATED);
        }
        assert_true(ended > 0 && ended < stream.len / 2);
    }
    buf_fini(&out);
    arena_clear(&arena);
}

static void a_stream_that_failed_ends_in_the_callers_words(void **state)
{
    struct chat_error error = {.error = ERR_TRUNCATED};
    struct arena memory;
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct answer answer;
        struct str begun = str_slice(*pairs[i].stream, 0, 700);

        arena_init(&memory);
        answer_init(&answer, &memory, pairs[i].from, pairs[i].to, &style,
                    &no_names, MAX_EVENT);
        (void)answer_feed(&answer, begun, &out);
        buf_clear(&out);
        answer_fail(&answer, &error, &out);
        assert_has(buf_str(&out), pairs[i].to == &format_chat ? "[DONE]"
                                  : pairs[i].to == &format_messages
                                      ? "event: error\n"
                                      : "event: response.failed\n");
        assert_lacks(buf_str(&out), "message_stop");
        assert_lacks(buf_str(&out), "response.completed");
        answer_fini(&answer);
        arena_clear(&memory);
    }
    buf_fini(&out);
}

/* --- whole answers ---------------------------------------------------------
 */

static const struct whole {
    const struct format *from;
    const struct format *to;
    struct str body;
    const char *says[3];
} wholes[] = {
    {&format_chat,
     &format_messages,
     STR_INIT("{\"id\":\"chatcmpl-1\",\"model\":\"qwen\",\"choices\":[{"
              "\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"length\"}],"
              "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"),
     {"\"type\":\"message\"", "\"stop_reason\":\"max_tokens\"",
      "\"input_tokens\":3"}},
    {&format_chat,
     &format_responses,
     STR_INIT("{\"id\":\"chatcmpl-1\",\"model\":\"qwen\",\"choices\":[{"
              "\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"length\"}],"
              "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"),
     {"\"object\":\"response\"", "\"status\":\"incomplete\"",
      "\"input_tokens\":3"}},
    {&format_messages,
     &format_messages,
     STR_INIT("{\"type\":\"message\",\"model\":\"claude\",\"content\":[{"
              "\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":"
              "\"max_tokens\",\"usage\":{\"input_tokens\" : 3,"
              "\"output_tokens\":2},\"new\":[ ]}"),
     {"\"model\":\"auto\"", "\"input_tokens\" : 3", "\"new\":[ ]"}},
    {&format_messages,
     &format_responses,
     STR_INIT("{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[{\"type\":"
              "\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"max_tokens\","
              "\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}"),
     {"\"object\":\"response\"", "\"status\":\"incomplete\"",
      "\"input_tokens\":3"}},
    {&format_completions,
     &format_completions,
     STR_INIT("{\"model\":\"qwen\",\"choices\":[{\"text\":\"Hi\","
              "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":3,"
              "\"completion_tokens\":2}}"),
     {"\"model\":\"auto\"", "\"text\":\"Hi\"", "\"prompt_tokens\":3"}},
};

static unsigned take_whole(const struct format *from, const struct format *to,
                           struct str body, struct arena *arena,
                           struct answer *answer, struct buf *out)
{
    struct str pieces[RELAY_PIECES];
    unsigned count;

    buf_clear(out);
    answer_init(answer, arena, from, to, &style, &no_names, MAX_EVENT);
    count = answer_whole(answer, arena, body, &no_names, pieces);
    for (unsigned i = 0; i < count; i++)
        buf_put(out, pieces[i]);
    return count;
}

static void a_whole_answer_says_the_same_from_both(void **state)
{
    struct arena arena;
    struct answer answer;
    struct buf out;

    (void)state;
    arena_init(&arena);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(wholes); i++) {
        const struct whole *whole = &wholes[i];

        assert_true(take_whole(whole->from, whole->to, whole->body, &arena,
                               &answer, &out) > 0);
        for (size_t k = 0; k < COUNT_OF(whole->says); k++)
            assert_has(buf_str(&out), whole->says[k]);
        assert_lacks(buf_str(&out), "qwen");
        assert_int_equal(answer.finish, CHAT_FINISH_LENGTH);
        assert_true(answer.has_token && answer.usage.input == 3 &&
                    answer.usage.output == 2);
        answer_fini(&answer);
    }
    buf_fini(&out);
    arena_clear(&arena);
}

static void what_is_no_whole_answer_gives_no_pieces(void **state)
{
    static const struct str bad[] = {
        STR_INIT(""),
        STR_INIT("<html>"),
        STR_INIT("[]"),
        STR_INIT("{}"),
        STR_INIT("{\"type\":\"error\",\"error\":{\"message\":\"x\"}}"),
        STR_INIT("{\"choices\":[]}"),
        STR_INIT("{\"type\":\"message\",\"content\":[]}"),
    };
    struct arena arena;
    struct answer answer;
    struct buf out;

    (void)state;
    arena_init(&arena);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(wholes); i++) {
        for (size_t k = 0; k < COUNT_OF(bad); k++) {
            assert_int_equal(take_whole(wholes[i].from, wholes[i].to, bad[k],
                                        &arena, &answer, &out),
                             0);
            answer_fini(&answer);
        }
    }
    buf_fini(&out);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_stream_says_the_same_from_both),
        cmocka_unit_test(any_cut_is_the_same),
        cmocka_unit_test(a_stream_that_ends_early_is_never_a_success),
        cmocka_unit_test(a_stream_that_failed_ends_in_the_callers_words),
        cmocka_unit_test(a_whole_answer_says_the_same_from_both),
        cmocka_unit_test(what_is_no_whole_answer_gives_no_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
