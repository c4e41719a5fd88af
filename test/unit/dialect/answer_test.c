/* dialect/answer: the backend's bytes in, the caller's bytes out. */
#include "dialect/answer.h"

#include "../testing.h"

enum { MAX_EVENT = 1 << 20 };

static const struct names no_names;
static struct answer_style style = {
    .model = STR_INIT("auto"),
    .created = 1790000000,
    .shows_reasoning = true,
    .include_usage = true,
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

/* What a run of one stream gave. */
struct run {
    enum answer_status status;
    enum chat_finish finish;
    struct chat_usage usage;
    enum error error;
    bool has_token;
};

/* Feeds the stream in pieces of `step` bytes; the first has `first`. */
static struct run run_stream(struct str stream, bool is_translated,
                             size_t first, size_t step, struct buf *to)
{
    struct answer answer;
    struct arena memory;
    struct run run;
    size_t at = 0;
    size_t n = first;

    arena_init(&memory);
    answer_init(&answer, &memory,
                is_translated ? &format_messages : &format_chat, &format_chat,
                &style, &no_names, MAX_EVENT);
    do {
        (void)answer_feed(&answer, str_slice(stream, at, at + n), to);
        at += n;
        n = step;
    } while (at < stream.len);
    run.status = answer_close(&answer, to);
    run.finish = answer.finish;
    run.usage = answer.usage;
    run.error = answer.error.error;
    run.has_token = answer.has_token;
    answer_fini(&answer);
    arena_clear(&memory);
    return run;
}

static struct run run_whole(struct str stream, bool is_translated)
{
    buf_clear(&out);
    return run_stream(stream, is_translated, stream.len + 1, 1, &out);
}

#define ANTHROPIC_STREAM                                                     \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"   \
    "{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":5}}}\n\n"                 \
    "event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n"                       \
    "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":" \
    "{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n"                         \
    "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":"           \
    "\"thinking_delta\",\"thinking\":\"h\xC3\xA4\"}}\n\n"                    \
    "data: {\"type\":\"content_block_stop\"}\n\n: comment\n\n"               \
    "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":" \
    "{\"type\":\"text\",\"text\":\"\"}}\n\n"                                 \
    "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":"           \
    "\"text_delta\",\"text\":\"\\ud83d\\ude00 \xE2\x82\xAC\"}}\n\n"          \
    "data: {\"type\":\"content_block_stop\"}\r\rdata: {\"type\":"            \
    "\"content_block_start\",\"content_block\":{\"type\":\"tool_use\","      \
    "\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n"                         \
    "data: {\"type\":\"content_block_stop\"}\n\n"                            \
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"          \
    "\"tool_use\"},\"usage\":{\"output_tokens\":7}}\n\n"

#define OPENAI_CHUNK(delta, finish)                                  \
    "data: {\"id\":\"chatcmpl-9\" , \"model\":\"qwen\",\"choices\":" \
    "[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}\n\n"
#define OPENAI_STREAM                                                         \
    OPENAI_CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null")         \
    ": keep-alive\n\n" OPENAI_CHUNK("{\"content\":\"\xE2\x82\xAC\\u00e4\"}",  \
                                    "null")                                   \
        OPENAI_CHUNK(                                                         \
            "{}",                                                             \
            "\"stop\"") "data: {\"model\":\"qwen\",\"choices\":[],\r\ndata: " \
                        "\"usage\":"                                          \
                        "{\"prompt_tokens\":3,\"completion_tokens\":1.0}}"    \
                        "\r\n\r\n"

static void assert_any_cut_is_the_same(struct str stream, bool is_translated)
{
    struct run whole = run_whole(stream, is_translated);
    struct buf cut;

    buf_init(&cut, 1 << 20);
    assert_true(out.len > 0);
    for (size_t at = 0; at <= stream.len; at++) {
        struct run run;

        buf_clear(&cut);
        run = run_stream(stream, is_translated, at, stream.len, &cut);
        assert_int_equal(run.status, whole.status);
        assert_true(str_eq(buf_str(&cut), buf_str(&out)));
    }
    for (size_t step = 1; step < 8; step++) {
        struct run run;

        buf_clear(&cut);
        run = run_stream(stream, is_translated, step, step, &cut);
        assert_int_equal(run.status, whole.status);
        assert_int_equal(run.finish, whole.finish);
        assert_true(run.usage.input == whole.usage.input);
        assert_true(str_eq(buf_str(&cut), buf_str(&out)));
    }
    buf_fini(&cut);
}

static void any_cut_of_a_translated_stream_is_the_same(void **state)
{
    (void)state;
    assert_any_cut_is_the_same(
        STR(ANTHROPIC_STREAM "data: {\"type\":\"message_stop\"}\n\n"), true);
    assert_any_cut_is_the_same(STR(ANTHROPIC_STREAM), true);
    assert_any_cut_is_the_same(
        STR(ANTHROPIC_STREAM "data: {\"type\":\"message_stop\"}"), true);
}

static void any_cut_of_a_relayed_stream_is_the_same(void **state)
{
    (void)state;
    assert_any_cut_is_the_same(STR(OPENAI_STREAM "data: [DONE]\n\n"), false);
    assert_any_cut_is_the_same(STR(OPENAI_STREAM), false);
    assert_any_cut_is_the_same(STR(OPENAI_STREAM "data: [DONE]"), false);
}

/* What a server says that was asked for usage in each chunk. */
#define COUNTED_STREAM                                                   \
    "data: {\"model\":\"qwen\",\"choices\":[{\"index\":0,\"delta\":"     \
    "{\"content\":\"a\"},\"finish_reason\":null}],\"usage\":null}\n\n"   \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"   \
    "\"stop\"}],\"usage\":{\"prompt_tokens\":3},\"model\":\"qwen\"}\n\n" \
    "data: {\"model\":\"qwen\",\"choices\":[],\r\ndata: \"usage\":"      \
    "{\"prompt_tokens\":3,\"completion_tokens\":7}}\n\n"                 \
    "data: [DONE]\n\n"

static void usage_that_nobody_asked_for_is_read_and_not_shown(void **state)
{
    struct run run;

    (void)state;
    style.hides_usage = true;
    run = run_whole(STR(COUNTED_STREAM), false);
    assert_int_equal(run.status, ANSWER_ENDED);
    assert_true(run.usage.is_known && run.usage.input == 3 &&
                run.usage.output == 7);
    assert_str(buf_str(&out),
               "data: {\"model\":\"auto\",\"choices\":[{\"index\":0,\"delta\":"
               "{\"content\":\"a\"},\"finish_reason\":null}]}\n\n"
               "data: {\"choices\":[{\"index\":0,\"delta\":{},"
               "\"finish_reason\":\"stop\"}],\"model\":\"auto\"}\n\n"
               "data: [DONE]\n\n");
    assert_any_cut_is_the_same(STR(COUNTED_STREAM), false);
    style.hides_usage = false;
    assert_any_cut_is_the_same(STR(COUNTED_STREAM), false);
    assert_has(buf_str(&out), "\"choices\":[],\ndata:");
}

static void a_translated_stream_is_chunks(void **state)
{
    struct run run = run_whole(
        STR(ANTHROPIC_STREAM "data: {\"type\":\"message_stop\"}\n\n"), true);
    struct str text = buf_str(&out);

    (void)state;
    assert_int_equal(run.status, ANSWER_ENDED);
    assert_int_equal(run.finish, CHAT_FINISH_TOOL_CALLS);
    assert_true(run.usage.input == 5 && run.usage.output == 7);
    assert_true(run.has_token);
    assert_has(text, "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    assert_has(text, "{\"reasoning_content\":\"h\xC3\xA4\"}");
    assert_has(text, "{\"content\":\"\xF0\x9F\x98\x80 \xE2\x82\xAC\"}");
    assert_has(text, "\"function\":{\"name\":\"f\",\"arguments\":\"\"}");
    assert_has(text, "{\"index\":0,\"function\":{\"arguments\":\"{}\"}}");
    assert_has(text, "\"delta\":{},\"finish_reason\":\"tool_calls\"");
    assert_has(text, "\"model\":\"auto\"");
    assert_true(str_ends(text, STR("}\n\ndata: [DONE]\n\n")));
}

static void a_relayed_stream_is_the_same_but_for_the_model(void **state)
{
    struct run run = run_whole(STR(OPENAI_STREAM "data: [DONE]\n\n"), false);

    (void)state;
    assert_int_equal(run.status, ANSWER_ENDED);
    assert_int_equal(run.finish, CHAT_FINISH_STOP);
    assert_true(run.usage.is_known && run.usage.input == 3);
    assert_true(run.has_token);
    /* spaces, escapes and number spellings survive; a comment does not, and
     * line ends become LF */
    assert_str(
        buf_str(&out),
        "data: {\"id\":\"chatcmpl-9\" , \"model\":\"auto\",\"choices\":"
        "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
        "\"finish_reason\":null}]}\n\n"
        "data: {\"id\":\"chatcmpl-9\" , \"model\":\"auto\",\"choices\":"
        "[{\"index\":0,\"delta\":{\"content\":\"\xE2\x82\xAC\\u00e4\"},"
        "\"finish_reason\":null}]}\n\n"
        "data: {\"id\":\"chatcmpl-9\" , \"model\":\"auto\",\"choices\":"
        "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"model\":\"auto\",\"choices\":[],\ndata: \"usage\":"
        "{\"prompt_tokens\":3,\"completion_tokens\":1.0}}\n\n"
        "data: [DONE]\n\n");
}

static void a_missing_done_is_added_behind_a_finish(void **state)
{
    (void)state;
    assert_int_equal(run_whole(STR(OPENAI_STREAM), false).status, ANSWER_ENDED);
    assert_true(str_ends(buf_str(&out), STR("}\n\ndata: [DONE]\n\n")));
    /* and never twice */
    assert_int_equal(
        run_whole(STR(OPENAI_STREAM "data: [DONE]\n\n"), false).status,
        ANSWER_ENDED);
    assert_false(str_ends(buf_str(&out), STR("data: [DONE]\n\ndata: "
                                             "[DONE]\n\n")));
}

static void a_cut_stream_is_never_a_success(void **state)
{
    static const struct {
        struct str stream;
        bool is_translated;
    } cases[] = {
        {STR_INIT(""), false},
        {STR_INIT(OPENAI_CHUNK("{\"content\":\"x\"}", "null")), false},
        {STR_INIT(OPENAI_CHUNK("{\"content\":\"x\"}", "null") "data: {\"cho"),
         false},
        {STR_INIT(""), true},
        {STR_INIT("data: {\"type\":\"message_start\",\"message\":{}}\n\n"),
         true},
        {STR_INIT("data: {\"type\":\"content_block_start\","
                  "\"content_block\":{\"type\":\"text\",\"text\":\"x\"}}\n\n"),
         true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct run run = run_whole(cases[i].stream, cases[i].is_translated);

        assert_int_equal(run.status, ANSWER_FAILED);
        assert_int_equal(run.error, ERR_TRUNCATED);
        assert_lacks(buf_str(&out), "[DONE]");
        assert_lacks(buf_str(&out), "\"stop\"");
    }
}

static void an_empty_stream_is_no_success(void **state)
{
    static const char *const empty[] = {
        "data: [DONE]\n\n",
        "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
        ("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":"
         "\"\"},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n"),
    };
    struct run run;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(empty); i++) {
        run = run_stream(str_of(empty[i]), false, 1000, 1000, &out);
        assert_int_equal(run.status, ANSWER_FAILED);
        assert_int_equal(run.error, ERR_BAD_ANSWER);
    }
    /* a model may have nothing to say, when it says so */
    run = run_stream(STR("data: {\"choices\":[{\"delta\":{},\"finish_reason\":"
                         "\"stop\"}]}\n\ndata: [DONE]\n\n"),
                     false, 1000, 1000, &out);
    assert_int_equal(run.status, ANSWER_ENDED);
}

static void an_error_frame_fails_and_is_not_relayed(void **state)
{
    struct run run = run_whole(
        STR(OPENAI_CHUNK(
            "{\"content\":\"x\"}",
            "null") "data: {\"error\":"
                    "{\"message\":\"boom\",\"code\":500}}\n\ndata: [DONE]\n\n"),
        false);

    (void)state;
    assert_int_equal(run.status, ANSWER_FAILED);
    assert_int_equal(run.error, ERR_STREAM_ERROR);
    assert_lacks(buf_str(&out), "boom");
    assert_lacks(buf_str(&out), "[DONE]");
    run = run_whole(STR("data: {\"type\":\"error\",\"error\":{\"type\":"
                        "\"overloaded_error\",\"message\":\"busy\"}}\n\n"),
                    true);
    assert_int_equal(run.status, ANSWER_FAILED);
    assert_int_equal(run.error, ERR_STREAM_ERROR);
    assert_false(run.has_token);
    assert_lacks(buf_str(&out), "busy");
}

static void the_errors_words_outlive_the_event(void **state)
{
    struct answer answer;
    struct arena memory;

    (void)state;
    arena_init(&memory);
    answer_init(&answer, &memory, &format_messages, &format_chat, &style,
                &no_names, MAX_EVENT);
    assert_int_equal(
        answer_feed(&answer,
                    STR("data: {\"type\":\"error\",\"error\":{\"type\":"
                        "\"api_error\",\"message\":\"some words\"}}\n\n"),
                    &out),
        ANSWER_FAILED);
    assert_str(chat_error_message(&answer.error), "some words");
    answer_fini(&answer);
    arena_clear(&memory);
}

static void what_is_no_chunk_fails(void **state)
{
    static const struct str streams[] = {
        STR_INIT("data: nonsense\n\n"), STR_INIT("data: []\n\n"),
        STR_INIT("data: {}\n\n"), STR_INIT("data: {\"choices\":[}\n\n")};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        struct run run = run_whole(streams[i], false);

        assert_int_equal(run.status, ANSWER_FAILED);
        assert_int_equal(run.error, ERR_BAD_ANSWER);
        assert_int_equal(out.len, 0);
    }
    assert_int_equal(run_whole(STR("data: nonsense\n\n"), true).error,
                     ERR_BAD_ANSWER);
}

static void a_blank_event_means_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        run_whole(STR("data:\n\ndata:  \n\n" OPENAI_STREAM), false).status,
        ANSWER_ENDED);
    assert_int_equal(run_whole(STR("data:\n\n" ANTHROPIC_STREAM), true).status,
                     ANSWER_ENDED);
}

static void a_stream_that_failed_ends_with_the_error(void **state)
{
    struct chat_error error = {.error = ERR_TRUNCATED, .retry_after_s = 5};
    struct answer answer;
    struct arena memory;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        arena_init(&memory);
        answer_init(&answer, &memory, i == 0 ? &format_chat : &format_messages,
                    &format_chat, &style, &no_names, MAX_EVENT);
        buf_clear(&out);
        answer_fail(&answer, &error, &out);
        assert_str(buf_str(&out),
                   "data: {\"error\":{\"message\":\"The backend's answer ended "
                   "early.\",\"type\":\"server_error\",\"param\":null,\"code\":"
                   "\"upstream_stream_truncated\"}}\n\ndata: [DONE]\n\n");
        answer_fini(&answer);
        arena_clear(&memory);
    }
}

static void an_answer_without_an_id_gets_the_requests(void **state)
{
    struct answer_style named = style;
    struct str pieces[RELAY_PIECES];
    struct answer answer;
    struct arena memory;

    (void)state;
    named.id = STR("req_7");
    arena_init(&memory);
    answer_init(&answer, &memory, &format_messages, &format_chat, &named,
                &no_names, MAX_EVENT);
    assert_int_equal(
        answer_feed(
            &answer,
            STR("data: {\"type\":\"message_start\",\"message\":{}}\n\n"), &out),
        ANSWER_GOES_ON);
    assert_has(buf_str(&out), "\"id\":\"chatcmpl-req_7\"");
    answer_fini(&answer);
    answer_init(&answer, &memory, &format_messages, &format_chat, &named,
                &no_names, MAX_EVENT);
    assert_int_equal(
        answer_whole(
            &answer, &memory,
            STR("{\"type\":\"message\",\"content\":[{\"type\":\"text\","
                "\"text\":\"x\"}],\"stop_reason\":\"end_turn\"}"),
            &no_names, pieces),
        1);
    assert_has(pieces[0], "\"id\":\"chatcmpl-req_7\"");
    answer_fini(&answer);
    arena_clear(&memory);
}

static void an_event_above_the_bound_fails(void **state)
{
    struct answer answer;
    struct arena memory;
    char big[1000];

    (void)state;
    memset(big, 'x', sizeof(big));
    arena_init(&memory);
    answer_init(&answer, &memory, &format_chat, &format_chat, &style, &no_names,
                4096);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(
            answer_feed(&answer, (struct str){big, sizeof(big)}, &out),
            ANSWER_GOES_ON);
    assert_int_equal(answer_feed(&answer, (struct str){big, sizeof(big)}, &out),
                     ANSWER_FAILED);
    assert_int_equal(answer.error.error, ERR_ANSWER_TOO_LARGE);
    assert_int_equal(answer_close(&answer, &out), ANSWER_FAILED);
    assert_int_equal(out.len, 0);
    answer_fini(&answer);
    arena_clear(&memory);
}

/* --- complete answers --------------------------------------------------------
 */

static void assert_whole(bool is_translated, struct str body,
                         const char *expected)
{
    struct str pieces[RELAY_PIECES];
    struct arena arena;
    struct answer answer;
    struct arena memory;
    unsigned n;

    arena_init(&arena);
    arena_init(&memory);
    answer_init(&answer, &memory,
                is_translated ? &format_messages : &format_chat, &format_chat,
                &style, &no_names, MAX_EVENT);
    n = answer_whole(&answer, &arena, body, &no_names, pieces);
    buf_clear(&out);
    for (unsigned i = 0; i < n; i++)
        buf_put(&out, pieces[i]);
    if (expected == NULL) {
        assert_int_equal(n, 0);
    } else {
        assert_str(buf_str(&out), expected);
        assert_int_equal(answer.finish, CHAT_FINISH_LENGTH);
        assert_true(answer.has_token);
        assert_true(answer.usage.input == 3);
    }
    answer_fini(&answer);
    arena_clear(&memory);
    arena_clear(&arena);
}

static void a_whole_answer_is_relayed_or_translated(void **state)
{
    (void)state;
    assert_whole(
        false,
        STR(" {\"model\" : \"qwen\",\"choices\":[{\"message\":{\"content\":"
            "\"\\u00e4\"},\"finish_reason\":\"length\",\"x\":1.0}],"
            "\"usage\":{\"prompt_tokens\":3}} "),
        " {\"model\" : \"auto\",\"choices\":[{\"message\":{\"content\":"
        "\"\\u00e4\"},\"finish_reason\":\"length\",\"x\":1.0}],"
        "\"usage\":{\"prompt_tokens\":3}} ");
    assert_whole(
        true,
        STR("{\"id\":\"msg_7\",\"type\":\"message\",\"content\":[{\"type\":"
            "\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"max_tokens\","
            "\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}"),
        "{\"id\":\"chatcmpl-7\",\"object\":\"chat.completion\",\"created\":"
        "1790000000,\"model\":\"auto\",\"choices\":[{\"index\":0,\"message\":"
        "{\"role\":\"assistant\",\"content\":\"Hi\",\"refusal\":null},"
        "\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":"
        "{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0,"
        "\"cache_write_tokens\":0}}}");
}

static void what_is_no_whole_answer_gives_no_pieces(void **state)
{
    (void)state;
    assert_whole(false, STR(""), NULL);
    assert_whole(false, STR("<html>"), NULL);
    assert_whole(false, STR("{\"error\":{\"message\":\"x\"}}"), NULL);
    assert_whole(false, STR("{\"choices\":[]}"), NULL);
    assert_whole(false, STR("{\"choices\":[{}]}"), NULL);
    assert_whole(false, STR("{\"choices\":[null]}"), NULL);
    assert_whole(false,
                 STR("{\"choices\":[{\"message\":{\"content\":null},"
                     "\"finish_reason\":null}]}"),
                 NULL);
    assert_whole(true, STR(""), NULL);
    assert_whole(true, STR("{\"choices\":[]}"), NULL);
}

#define with_out(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_out(any_cut_of_a_translated_stream_is_the_same),
        with_out(any_cut_of_a_relayed_stream_is_the_same),
        with_out(a_translated_stream_is_chunks),
        with_out(a_relayed_stream_is_the_same_but_for_the_model),
        with_out(usage_that_nobody_asked_for_is_read_and_not_shown),
        with_out(a_missing_done_is_added_behind_a_finish),
        with_out(a_cut_stream_is_never_a_success),
        with_out(an_empty_stream_is_no_success),
        with_out(an_error_frame_fails_and_is_not_relayed),
        with_out(the_errors_words_outlive_the_event),
        with_out(what_is_no_chunk_fails),
        with_out(a_blank_event_means_nothing),
        with_out(a_stream_that_failed_ends_with_the_error),
        with_out(an_answer_without_an_id_gets_the_requests),
        with_out(an_event_above_the_bound_fails),
        with_out(a_whole_answer_is_relayed_or_translated),
        with_out(what_is_no_whole_answer_gives_no_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
