/* dialect/anthropic_door_stream: streamed answers, event by event. */
#include "../testing.h"
#include "dialect/anthropic_door.h"
#include "sse.h"

static struct answer_style style;
static struct arena arena;
static struct buf out;
static void *writer;

static int begin(void **state)
{
    (void)state;
    style =
        (struct answer_style){.model = STR("auto"), .shows_reasoning = true};
    arena_init(&arena);
    buf_init(&out, 1 << 20);
    writer = anthropic_writer_open(&arena, &style);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    anthropic_writer_close(writer);
    buf_fini(&out);
    arena_clear(&arena);
    return 0;
}

static void hide(void)
{
    anthropic_writer_close(writer);
    style.shows_reasoning = false;
    writer = anthropic_writer_open(&arena, &style);
}

static void tell(struct chat_event event)
{
    anthropic_write_event(writer, &event, &out);
}

static void start(void)
{
    tell((struct chat_event){.kind = CHAT_EVENT_START, .id = STR("1")});
    buf_clear(&out);
}

static void say(enum chat_event_kind kind, const char *text)
{
    tell((struct chat_event){.kind = kind, .text = str_of(text)});
}

static void block(enum chat_block_kind kind, const char *text,
                  const char *signature)
{
    tell((struct chat_event){.kind = CHAT_EVENT_BLOCK,
                             .block = {.kind = kind,
                                       .text = str_of(text),
                                       .signature = str_of(signature)}});
}

static void call(unsigned index, const char *id, bool is_custom)
{
    tell((struct chat_event){
        .kind = CHAT_EVENT_CALL,
        .index = index,
        .call = {.id = str_of(id), .name = STR("f"), .is_custom = is_custom}});
}

static void end(enum chat_finish why)
{
    tell((struct chat_event){.kind = CHAT_EVENT_END, .finish = why});
}

/* What was written, in short: one word for each frame.  Each has the name of
 * its type, and blocks follow their rules. */
static struct str shape(void)
{
    struct sse_decoder decoder;
    struct sse_event event;
    struct str bytes = buf_str(&out);
    struct buf text;
    struct str copy;
    int64_t open = -1, next = 0;

    sse_decoder_init(&decoder, 1 << 20);
    buf_init(&text, 1 << 20);
    while (sse_next(&decoder, &bytes, &event)) {
        struct json_doc doc;
        struct json_error ignored;
        struct str type;
        int64_t index;

        assert_true(json_read(&arena, event.data, &doc, &ignored));
        type = json_get_text(doc.root, STR("type"));
        assert_true(str_eq(event.name, type));
        index = json_get_i64(doc.root, STR("index"));
        if (text.len > 0)
            buf_put_char(&text, ' ');
        if (str_eq(type, STR("content_block_start"))) {
            assert_int_equal(open, -1);
            assert_int_equal(index, next++);
            open = index;
            buf_put_char(&text, '<');
            buf_put(&text,
                    json_get_text(json_get(doc.root, STR("content_block")),
                                  STR("type")));
        } else if (str_eq(type, STR("content_block_delta"))) {
            yyjson_val *delta = json_get(doc.root, STR("delta"));

            assert_int_equal(index, open);
            json_each_member (key, value, delta) {
                if (!str_eq(json_text(key), STR("type")))
                    buf_put(&text, json_text(value));
            }
        } else if (str_eq(type, STR("content_block_stop"))) {
            assert_int_equal(index, open);
            open = -1;
            buf_put_char(&text, '>');
        } else {
            buf_put(&text, type);
        }
    }
    copy = arena_copy(&arena, buf_str(&text));
    buf_fini(&text);
    sse_decoder_fini(&decoder);
    return copy;
}

#define END " message_delta message_stop"

static void the_start_says_what_is_known_of_the_prompt(void **state)
{
    (void)state;
    tell((struct chat_event){
        .kind = CHAT_EVENT_START,
        .id = STR("1"),
        .usage = {.is_known = true, .input = 9, .cache_read = 4, .output = 1},
    });
    assert_str(
        buf_str(&out),
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"
        "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
        "\"model\":\"auto\",\"content\":[],\"stop_reason\":null,"
        "\"stop_sequence\":null,\"stop_details\":null,\"container\":null,"
        "\"diagnostics\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":"
        "0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,"
        "\"output_tokens_details\":null,\"server_tool_use\":null,"
        "\"cache_creation\":null,\"service_tier\":\"standard\","
        "\"inference_geo\":null,\"speed\":null}}}\n\n");
    tell((struct chat_event){.kind = CHAT_EVENT_START, .id = STR("2")});
    assert_lacks(buf_str(&out), "msg_2");
}

static void the_end_has_the_final_numbers(void **state)
{
    (void)state;
    start();
    tell((struct chat_event){
        .kind = CHAT_EVENT_END,
        .finish = CHAT_FINISH_STOP,
        .stop_sequence = STR("E\""),
        .usage = {.is_known = true, .input = 9, .cache_write = 3, .output = 7},
    });
    assert_str(buf_str(&out),
               "event: message_delta\ndata: {\"type\":\"message_delta\","
               "\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_sequence\":"
               "\"E\\\"\",\"stop_details\":null,\"container\":null},\"usage\":"
               "{\"input_tokens\":6,\"output_tokens\":7,"
               "\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":"
               "0,\"output_tokens_details\":null,\"server_tool_use\":null}}\n\n"
               "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    buf_clear(&out);
    say(CHAT_EVENT_TEXT, "late");
    end(CHAT_FINISH_STOP);
    assert_int_equal(out.len, 0);
}

static void frames_of_a_text(void **state)
{
    (void)state;
    start();
    say(CHAT_EVENT_TEXT, "a\"\n");
    say(CHAT_EVENT_TEXT, "b");
    end(CHAT_FINISH_STOP);
    assert_true(str_starts(
        buf_str(&out),
        STR("event: content_block_start\ndata: {\"type\":"
            "\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
            "\"text\",\"text\":\"\",\"citations\":null}}\n\n"
            "event: content_block_delta\ndata: {\"type\":"
            "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
            "\"text_delta\",\"text\":\"a\\\"\\n\"}}\n\n"
            "event: content_block_delta\ndata: {\"type\":"
            "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
            "\"text_delta\",\"text\":\"b\"}}\n\n"
            "event: content_block_stop\ndata: {\"type\":"
            "\"content_block_stop\",\"index\":0}\n\n")));
}

static void one_block_is_open_at_a_time(void **state)
{
    (void)state;
    start();
    say(CHAT_EVENT_THINKING, "t1");
    say(CHAT_EVENT_TEXT, "a");
    say(CHAT_EVENT_THINKING, "t2");
    say(CHAT_EVENT_THINKING, "t3");
    call(0, "x", false);
    say(CHAT_EVENT_ARGUMENTS, "{\"a\"");
    say(CHAT_EVENT_ARGUMENTS, "");
    say(CHAT_EVENT_ARGUMENTS, ":1}");
    call(1, "y", false);
    say(CHAT_EVENT_TEXT, "b");
    end(CHAT_FINISH_TOOL_CALLS);
    assert_str(shape(), "<thinking t1 router-unsigned > <text a > <thinking t2 "
                        "t3 router-unsigned > <tool_use {\"a\" :1} > "
                        "<tool_use > <text b >" END);
    assert_has(buf_str(&out), "\"stop_reason\":\"tool_use\"");
}

static void white_space_waits_for_company(void **state)
{
    (void)state;
    start();
    say(CHAT_EVENT_TEXT, "\n");
    say(CHAT_EVENT_TEXT, " ");
    say(CHAT_EVENT_TEXT, "a");
    say(CHAT_EVENT_TEXT, " ");
    call(0, "x", false);
    say(CHAT_EVENT_TEXT, "\n\n");
    call(1, "y", false);
    say(CHAT_EVENT_TEXT, "\n");
    end(CHAT_FINISH_STOP);
    assert_str(shape(), "<text \n a   > <tool_use > <tool_use >" END);
}

static void more_white_space_than_is_held_back_is_text(void **state)
{
    struct buf blanks;

    (void)state;
    start();
    buf_init(&blanks, 1 << 20);
    for (unsigned i = 0; i < 70000; i++)
        buf_put_char(&blanks, ' ');
    tell((struct chat_event){.kind = CHAT_EVENT_TEXT, .text = STR("\n")});
    tell(
        (struct chat_event){.kind = CHAT_EVENT_TEXT, .text = buf_str(&blanks)});
    assert_has(buf_str(&out), "\"text\":\"\\n   ");
    assert_true(out.len > 70000);
    buf_fini(&blanks);
}

static void thinking_ends_with_its_signature(void **state)
{
    (void)state;
    start();
    say(CHAT_EVENT_THINKING, "t");
    block(CHAT_BLOCK_THINKING, "t", "EqQB");
    block(CHAT_BLOCK_THINKING, "", "Omitted");
    block(CHAT_BLOCK_THINKING, "", "");
    say(CHAT_EVENT_THINKING, "u");
    block(CHAT_BLOCK_THINKING, "", "");
    block(CHAT_BLOCK_REDACTED, "Em", "");
    end(CHAT_FINISH_STOP);
    assert_str(shape(), "<thinking t EqQB > <thinking Omitted > <thinking u "
                        "router-unsigned > <redacted_thinking >" END);
    assert_has(buf_str(&out), "\"data\":\"Em\"");
}

static void hidden_thinking_is_shown_only_if_it_must_go_back(void **state)
{
    (void)state;
    hide();
    start();
    say(CHAT_EVENT_THINKING, "mine");
    say(CHAT_EVENT_TEXT, "a");
    say(CHAT_EVENT_THINKING, "mine");
    block(CHAT_BLOCK_THINKING, "", "");
    say(CHAT_EVENT_THINKING, "theirs");
    block(CHAT_BLOCK_THINKING, "theirs", "EqQB");
    end(CHAT_FINISH_STOP);
    assert_str(shape(), "<text a > <thinking theirs EqQB >" END);
}

static void free_text_becomes_the_inside_of_an_object(void **state)
{
    (void)state;
    start();
    call(0, "", true);
    say(CHAT_EVENT_ARGUMENTS, "*** \"a\"\n");
    say(CHAT_EVENT_ARGUMENTS, "b");
    end(CHAT_FINISH_STOP);
    assert_str(shape(), "<tool_use {\"input\":\" *** \\\"a\\\"\\n b \"} >" END);
    assert_has(buf_str(&out), "\"id\":\"call_1_0\"");
}

static void an_answer_of_nothing_has_a_beginning_and_an_end(void **state)
{
    (void)state;
    tell((struct chat_event){.kind = CHAT_EVENT_START});
    end(CHAT_FINISH_LENGTH);
    assert_str(shape(), "message_start" END);
    assert_has(buf_str(&out), "\"stop_reason\":\"max_tokens\"");
}

static void an_error_is_the_last_word(void **state)
{
    (void)state;
    start();
    say(CHAT_EVENT_TEXT, "a");
    tell((struct chat_event){.kind = CHAT_EVENT_ERROR,
                             .error = {.error = ERR_TRUNCATED}});
    say(CHAT_EVENT_TEXT, "b");
    end(CHAT_FINISH_STOP);
    assert_true(str_ends(
        buf_str(&out),
        STR("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
            "\"api_error\",\"message\":\"The backend's answer ended early.\"}}"
            "\n\n")));
    assert_lacks(buf_str(&out), "content_block_stop");
}

/* --- Anthropic's own stream, there and back ------------------------------ */

#define FRAME(type, rest) \
    "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define BEGIN(index, body)                                         \
    FRAME("content_block_start", ",\"index\":" index ",\"content_" \
                                 "block\":" body)
#define DELTA(index, type, key, text)                                    \
    FRAME("content_block_delta",                                         \
          ",\"index\":" index ",\"delta\":{\"type\":\"" type "\",\"" key \
          "\":\"" text "\"}")
#define STOP(index) FRAME("content_block_stop", ",\"index\":" index)

static const struct str stream = STR_INIT(
    FRAME("message_start",
          ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"
          "\"assistant\",\"model\":\"auto\",\"content\":[],\"stop_reason\":"
          "null,\"stop_sequence\":null,\"stop_details\":null,\"container\":"
          "null,\"diagnostics\":null,\"usage\":{\"input_tokens\":5,"
          "\"output_tokens\":0,\"cache_creation_input_tokens\":0,"
          "\"cache_read_input_tokens\":4,\"output_tokens_details\":null,"
          "\"server_tool_use\":null,\"cache_creation\":null,\"service_tier\":"
          "\"standard\",\"inference_geo\":null,\"speed\":null}}")
        BEGIN("0", "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":"
                   "\"\"}") DELTA("0", "thinking_delta", "thinking",
                                  "h\xc3\xbc") DELTA("0", "signature_delta",
                                                     "signature",
                                                     "EqQB") STOP("0")
            BEGIN("1", "{\"type\":\"redacted_thinking\",\"data\":\"Em\"}") STOP(
                "1") BEGIN("2", "{\"type\":\"text\",\"text\":\"\","
                                "\"citations\":null}") DELTA("2", "text_delta",
                                                             "text", "a")
                DELTA("2", "text_delta", "text", "\\n\\\"b") STOP("2") BEGIN(
                    "3",
                    "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\","
                    "\"input\":{},\"caller\":{\"type\":\"direct\"}}")
                    DELTA("3", "input_json_delta", "partial_json",
                          "{\\\"a\\\":")
                        DELTA("3", "input_json_delta", "partial_json", "1.50}")
                            STOP("3")
                                FRAME("message_delta",
                                      ",\"delta\":{\"stop_reason\":\"tool_"
                                      "use\",\"stop_sequence\":null,"
                                      "\"stop_details\":null,\"container\":"
                                      "null},\"usage\":{"
                                      "\"input_tokens\":5,\"output_tokens\":30,"
                                      "\"cache_creation_input_tokens\":0,"
                                      "\"cache_read_input_tokens\":4,"
                                      "\"output_tokens_details\":null,\"server_"
                                      "tool_use\":null}")
                                    FRAME("message_stop", ""));

static void on_event(void *ctx, const struct chat_event *event)
{
    (void)ctx;
    anthropic_write_event(writer, event, &out);
}

/* Cut in two at every byte. */
static void a_stream_of_anthropics_comes_back_as_it_was(void **state)
{
    static const struct names names = {0};
    struct chat_listener listener = {on_event, NULL};

    (void)state;
    for (size_t cut = 0; cut <= stream.len; cut += cut < 200 ? 1 : 7) {
        struct str halves[] = {str_slice(stream, 0, cut),
                               str_slice(stream, cut, stream.len)};
        struct anthropic_stream reader;
        struct sse_decoder decoder;
        struct sse_event event;

        anthropic_writer_close(writer);
        writer = anthropic_writer_open(&arena, &style);
        buf_clear(&out);
        anthropic_stream_init(&reader, &names);
        sse_decoder_init(&decoder, 1 << 20);
        for (size_t i = 0; i < COUNT_OF(halves); i++)
            while (sse_next(&decoder, &halves[i], &event))
                assert_true(
                    anthropic_read_event(&reader, event.data, &listener));
        assert_str(buf_str(&out), stream.ptr);
        sse_decoder_fini(&decoder);
        anthropic_stream_fini(&reader);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(the_start_says_what_is_known_of_the_prompt),
        WITH(the_end_has_the_final_numbers),
        WITH(frames_of_a_text),
        WITH(one_block_is_open_at_a_time),
        WITH(white_space_waits_for_company),
        WITH(more_white_space_than_is_held_back_is_text),
        WITH(thinking_ends_with_its_signature),
        WITH(hidden_thinking_is_shown_only_if_it_must_go_back),
        WITH(free_text_becomes_the_inside_of_an_object),
        WITH(an_answer_of_nothing_has_a_beginning_and_an_end),
        WITH(an_error_is_the_last_word),
        WITH(a_stream_of_anthropics_comes_back_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
