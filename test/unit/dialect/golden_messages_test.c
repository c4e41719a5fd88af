/* The golden cases of Anthropic Messages at the door: for a backend that
 * speaks Chat Completions, and there and back again. */
#include "../golden.h"

#include "../testing.h"
#include "dialect/answer.h"
#include "golden_models.h"

enum { EVENT_MAX = 1 << 20, OUT_MAX = 1 << 22 };

static struct str text_at(yyjson_val *object, const char *key)
{
    return json_get_text(object, str_of(key));
}

/* --- requests ----------------------------------------------------------- */

static void put_refusal(const struct chat_error *error, struct buf *actual)
{
    buf_printf(actual, "{\"error\":{\"status\":%d,\"body\":",
               format_messages.error_status(error));
    format_messages.write_error(error, STR("req_1"), actual);
    buf_put(actual, STR("}}"));
}

static void write_for(const struct golden_case *c, const struct format *format,
                      struct buf *actual)
{
    struct str model = text_at(c->context, "upstream_model");
    const struct claude_model *traits = claude_find(&models, model);
    struct request_style style = {
        .model = model,
        .traits = traits == NULL ? &claude_unknown : traits,
        .default_max_tokens = 8192,
        .shows_reasoning = true,
    };
    struct request_notes notes;
    struct chat_error error;
    struct chat chat;

    if (!format_messages.read_request(c->arena, golden_text(c->arena, c->input),
                                      &chat, &error)) {
        put_refusal(&error, actual);
        return;
    }
    if (!format->write_request(c->arena, &chat, &style, actual, &notes,
                               &error)) {
        buf_clear(actual);
        put_refusal(&error, actual);
    }
}

static void run_request(const struct golden_case *c, struct buf *actual)
{
    write_for(c, &format_chat, actual);
}

static void every_request_becomes_what_vllm_takes(void **state)
{
    (void)state;
    golden_run("messages-to-chat", 5, run_request);
}

static void run_round_trip(const struct golden_case *c, struct buf *actual)
{
    write_for(c, &format_messages, actual);
}

static void every_request_comes_back_as_it_was(void **state)
{
    (void)state;
    golden_run("messages-round-trip", 1, run_round_trip);
}

/* --- answers ------------------------------------------------------------ */

static struct answer_style style_of(const struct golden_case *c)
{
    return (struct answer_style){
        .model = text_at(c->context, "client_model"),
        .created = yyjson_get_sint(yyjson_obj_get(c->context, "now")),
        .shows_reasoning = yyjson_obj_get(c->context, "hides") == NULL,
    };
}

static void run_answer(const struct golden_case *c, struct buf *actual)
{
    struct answer_style style = style_of(c);
    struct names names = {0};
    struct answer answer;
    struct str pieces[RELAY_PIECES];

    answer_init(&answer, c->arena, &format_chat, &format_messages, &style,
                &names, EVENT_MAX);
    if (answer_whole(&answer, c->arena, golden_text(c->arena, c->input), &names,
                     pieces) > 0)
        buf_put(actual, pieces[0]);
    else
        put_refusal(&answer.error, actual);
    answer_fini(&answer);
}

static void every_answer_becomes_a_message(void **state)
{
    (void)state;
    golden_run("chat-to-messages", 6, run_answer);
}

/* --- streams ------------------------------------------------------------ */

/* What a backend sends; `is_cut` when it hangs up before its last word. */
static void put_frames(const struct golden_case *c, struct buf *sse)
{
    json_each_item (item, c->input) {
        if (yyjson_obj_get(item, "eof") != NULL)
            break;
        buf_put(sse, STR("data: "));
        buf_put(sse, yyjson_is_str(item) ? json_text(item)
                                         : golden_text(c->arena, item));
        buf_put(sse, STR("\n\n"));
    }
}

static void translate(const struct golden_case *c, struct str bytes,
                      size_t step, struct buf *out)
{
    struct answer_style style = style_of(c);
    struct names names = {0};
    struct answer answer;

    answer_init(&answer, c->arena, &format_chat, &format_messages, &style,
                &names, EVENT_MAX);
    for (size_t at = 0; at < bytes.len; at += step)
        if (answer_feed(&answer, str_slice(bytes, at, at + step), out) !=
            ANSWER_GOES_ON)
            break;
    (void)answer_close(&answer, out);
    if (answer.status == ANSWER_FAILED)
        answer_fail(&answer, &answer.error, out);
    answer_fini(&answer);
}

/* The frames as a list; the names of the events are the types of the
 * objects. */
static void frames_to_list(struct arena *arena, struct str sse,
                           struct buf *actual)
{
    struct sse_decoder decoder;
    struct sse_event event;

    sse_decoder_init(&decoder, EVENT_MAX);
    buf_put_char(actual, '[');
    while (sse_next(&decoder, &sse, &event)) {
        struct json_doc doc;
        struct json_error ignored;

        assert_true(json_read(arena, event.data, &doc, &ignored));
        assert_true(str_eq(event.name, json_get_text(doc.root, STR("type"))));
        if (actual->len > 1)
            buf_put_char(actual, ',');
        buf_put(actual, event.data);
    }
    buf_put_char(actual, ']');
    sse_decoder_fini(&decoder);
}

static void run_stream(const struct golden_case *c, struct buf *actual)
{
    static const size_t steps[] = {1, 7, 64};
    struct buf sse;
    struct buf whole;

    buf_init(&sse, OUT_MAX);
    buf_init(&whole, OUT_MAX);
    put_frames(c, &sse);
    translate(c, buf_str(&sse), sse.len, &whole);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct buf cut;

        buf_init(&cut, OUT_MAX);
        translate(c, buf_str(&sse), steps[i], &cut);
        assert_true(str_eq(buf_str(&cut), buf_str(&whole)));
        buf_fini(&cut);
    }
    frames_to_list(c->arena, buf_str(&whole), actual);
    buf_fini(&sse);
    buf_fini(&whole);
}

static void every_stream_becomes_a_messages_stream(void **state)
{
    (void)state;
    golden_run("chat-to-messages-stream", 5, run_stream);
}

/* --- errors ------------------------------------------------------------- */

static void run_error(const struct golden_case *c, struct buf *actual)
{
    yyjson_val *body = yyjson_obj_get(c->input, "body");
    struct backend_head head = {
        .status = (int)yyjson_get_sint(yyjson_obj_get(c->input, "status")),
        .retry_after =
            text_at(yyjson_obj_get(c->input, "headers"), "retry-after"),
    };
    struct chat_error error;
    unsigned retry_s;

    format_chat.read_error(c->arena, &head,
                           body == NULL ? text_at(c->input, "body_text")
                                        : golden_text(c->arena, body),
                           &error);
    retry_s = format_messages.error_retry_s(&error);
    buf_printf(actual, "{\"status\":%d,\"headers\":{",
               format_messages.error_status(&error));
    if (retry_s > 0)
        buf_printf(actual, "\"retry-after\":\"%u\"", retry_s);
    if (error.never_retry)
        buf_put(actual, STR("\"x-should-retry\":\"false\""));
    buf_put(actual, STR("},\"body\":"));
    format_messages.write_error(&error, STR("req_1"), actual);
    buf_put_char(actual, '}');
}

static void every_error_is_one_that_anthropics_clients_know(void **state)
{
    (void)state;
    golden_run("chat-to-messages-error", 3, run_error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_becomes_what_vllm_takes),
        cmocka_unit_test(every_request_comes_back_as_it_was),
        cmocka_unit_test(every_answer_becomes_a_message),
        cmocka_unit_test(every_stream_becomes_a_messages_stream),
        cmocka_unit_test(every_error_is_one_that_anthropics_clients_know),
    };

    return cmocka_run_group_tests(tests, read_models, drop_models);
}
