/* The golden cases of the translation between Chat Completions and Anthropic
 * Messages: what goes in, what must come out. */
#include "../golden.h"

#include "../testing.h"
#include "base64.h"
#include "dialect/anthropic.h"
#include "dialect/openai.h"
#include "golden_models.h"
#include "sse.h"

static struct str text_at(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_str(value)
               ? (struct str){yyjson_get_str(value), yyjson_get_len(value)}
               : (struct str){NULL, 0};
}

static bool config_is(const struct golden_case *c, const char *key)
{
    return yyjson_is_true(
        yyjson_obj_get(yyjson_obj_get(c->context, "config"), key));
}

static void put_refusal(const struct chat_error *error, struct buf *actual)
{
    buf_printf(actual,
               "{\"error\":{\"status\":%d,\"body\":", chat_error_status(error));
    openai_write_error(error, actual);
    buf_put(actual, STR("}}"));
}

static struct request_style options_of(const struct golden_case *c)
{
    struct str model = text_at(c->context, "upstream_model");
    const struct claude_model *traits = claude_find(&models, model);

    assert_non_null(traits);
    return (struct request_style){
        .model = model,
        .traits = traits,
        .default_max_tokens = 8192,
        .shows_reasoning = true,
    };
}

static struct answer_style style_of(const struct golden_case *c,
                                    const struct chat *request)
{
    return (struct answer_style){
        .model = text_at(c->context, "client_model"),
        .created = yyjson_get_sint(yyjson_obj_get(c->context, "now")),
        .shows_reasoning = true,
        .shows_thinking = config_is(c, "thinking_blocks_output"),
        .include_usage = request != NULL && request->include_usage,
    };
}

static void run_request(const struct golden_case *c, struct buf *actual)
{
    struct request_style options = options_of(c);
    struct request_notes notes;
    struct chat_error error;
    struct chat chat;

    if (!openai_read_request(c->arena, golden_text(c->arena, c->input), &chat,
                             &error)) {
        put_refusal(&error, actual);
        return;
    }
    if (!anthropic_write_request(c->arena, &chat, &options, actual, &notes,
                                 &error)) {
        buf_clear(actual);
        put_refusal(&error, actual);
    }
}

static void every_request_becomes_what_anthropic_takes(void **state)
{
    (void)state;
    golden_run("chat-to-anthropic", 60, run_request);
}

/* The request whose answer this is; its messages may be left out. */
static bool read_context_request(const struct golden_case *c, struct chat *chat,
                                 struct names *names)
{
    yyjson_val *request = yyjson_obj_get(c->context, "request");
    yyjson_val *tools = yyjson_obj_get(request, "tools");
    struct chat_error error;
    struct str body;

    *chat = (struct chat){0};
    *names = (struct names){0};
    if (request == NULL)
        return false;
    body = arena_printf(
        c->arena,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
        "\"stream_options\":%.*s,\"tools\":%.*s}",
        STR_ARG(
            golden_text(c->arena, yyjson_obj_get(request, "stream_options"))),
        STR_ARG(tools == NULL ? STR("null") : golden_text(c->arena, tools)));
    if (yyjson_obj_get(request, "stream_options") == NULL)
        body =
            arena_printf(c->arena,
                         "{\"messages\":[{\"role\":\"user\",\"content\":"
                         "\"x\"}],\"tools\":%.*s}",
                         STR_ARG(tools == NULL ? STR("null")
                                               : golden_text(c->arena, tools)));
    assert_true(openai_read_request(c->arena, body, chat, &error));
    names_of_tools(c->arena, chat, names);
    return true;
}

static void run_answer(const struct golden_case *c, struct buf *actual)
{
    struct chat request;
    struct names names;
    struct chat_answer answer;
    struct answer_style style;

    (void)read_context_request(c, &request, &names);
    style = style_of(c, &request);
    assert_true(anthropic_read_answer(c->arena, golden_text(c->arena, c->input),
                                      &names, &answer));
    openai_write_answer(&style, &answer, actual);
}

static void every_answer_becomes_a_chat_completion(void **state)
{
    (void)state;
    golden_run("anthropic-to-chat", 17, run_answer);
}

struct stream_run {
    struct openai_stream writer;
    struct buf *sse;
};

static void on_event(void *ctx, const struct chat_event *event)
{
    struct stream_run *run = ctx;

    openai_write_event(&run->writer, event, run->sse);
}

/* "data: …\n\n" frames as a JSON list; [DONE] becomes a string. */
static void frames_to_list(struct str sse, struct buf *actual)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool first = true;

    sse_decoder_init(&decoder, 1 << 20);
    buf_put_char(actual, '[');
    while (sse_next(&decoder, &sse, &event)) {
        if (!first)
            buf_put_char(actual, ',');
        first = false;
        assert_null(event.name.ptr);
        buf_put(actual, str_eq(event.data, STR("[DONE]")) ? STR("\"[DONE]\"")
                                                          : event.data);
    }
    buf_put_char(actual, ']');
    sse_decoder_fini(&decoder);
}

static void run_stream(const struct golden_case *c, struct buf *actual)
{
    struct chat request;
    struct names names;
    struct anthropic_stream reader;
    struct answer_style style;
    struct buf sse;
    struct stream_run run = {.sse = &sse};
    struct chat_listener listener = {on_event, &run};
    size_t i, max;
    yyjson_val *item;

    (void)read_context_request(c, &request, &names);
    style = style_of(c, &request);
    buf_init(&sse, 1 << 20);
    openai_stream_init(&run.writer, &style);
    anthropic_stream_init(&reader, &names);
    yyjson_arr_foreach(c->input, i, max, item)
    {
        if (yyjson_obj_get(item, "eof") != NULL)
            break;
        assert_true(anthropic_read_event(
            &reader, golden_text(c->arena, yyjson_obj_get(item, "data")),
            &listener));
    }
    assert_true(anthropic_stream_close(&reader, &listener));
    frames_to_list(buf_str(&sse), actual);
    anthropic_stream_fini(&reader);
    openai_stream_fini(&run.writer);
    buf_fini(&sse);
}

static void every_stream_becomes_chat_chunks(void **state)
{
    (void)state;
    golden_run("anthropic-to-chat-stream", 16, run_stream);
}

static void run_error(const struct golden_case *c, struct buf *actual)
{
    yyjson_val *headers = yyjson_obj_get(c->input, "headers");
    yyjson_val *body = yyjson_obj_get(c->input, "body");
    struct backend_head head = {
        .status = (int)yyjson_get_sint(yyjson_obj_get(c->input, "status")),
        .retry_after = text_at(headers, "retry-after"),
        .request_id = text_at(headers, "request-id"),
    };
    struct chat_error error;

    anthropic_read_error(c->arena, &head,
                         body == NULL ? text_at(c->input, "body_text")
                                      : golden_text(c->arena, body),
                         &error);
    buf_printf(actual, "{\"status\":%d,\"headers\":{",
               chat_error_status(&error));
    if (error.retry_after_s > 0)
        buf_printf(actual, "\"retry-after\":\"%u\",", error.retry_after_s);
    if (error.never_retry)
        buf_printf(actual, "\"x-should-retry\":\"false\",");
    if (error.upstream_id.len > 0)
        buf_printf(actual, "\"x-upstream-request-id\":\"%.*s\",",
                   STR_ARG(error.upstream_id));
    if (actual->ptr[actual->len - 1] == ',')
        actual->len--;
    buf_put(actual, STR("},\"body\":"));
    openai_write_error(&error, actual);
    buf_put_char(actual, '}');
}

static void every_error_comes_in_the_callers_dialect(void **state)
{
    (void)state;
    golden_run("anthropic-to-chat-error", 14, run_error);
}

static void put_event(const struct sse_event *event, struct json_out *out)
{
    json_open(out, '{');
    json_key(out, STR("event"));
    if (event->name.ptr == NULL)
        json_put_null(out);
    else
        json_put_str(out, event->name);
    json_member_str(out, STR("data"), event->data);
    json_close(out, '}');
}

/* Whole pieces first; then byte by byte, which must not change a thing. */
static void run_sse(const struct golden_case *c, struct buf *actual)
{
    struct buf lists[2];

    for (size_t pass = 0; pass < 2; pass++) {
        struct sse_decoder decoder;
        struct sse_event event;
        struct json_out out = json_out_to(&lists[pass]);
        size_t i, max;
        yyjson_val *item;

        buf_init(&lists[pass], 1 << 20);
        sse_decoder_init(&decoder, 1 << 20);
        json_open(&out, '[');
        yyjson_arr_foreach(yyjson_obj_get(c->input, "pieces_base64"), i, max,
                           item)
        {
            struct str piece =
                base64_decode(c->arena, (struct str){yyjson_get_str(item),
                                                     yyjson_get_len(item)});
            size_t step = pass == 0 ? piece.len : 1;

            for (size_t at = 0; at < piece.len; at += step) {
                struct str bytes = str_slice(piece, at, at + step);

                while (sse_next(&decoder, &bytes, &event))
                    put_event(&event, &out);
            }
        }
        if (sse_finish(&decoder, &event))
            put_event(&event, &out);
        json_close(&out, ']');
        sse_decoder_fini(&decoder);
    }
    assert_true(str_eq(buf_str(&lists[0]), buf_str(&lists[1])));
    buf_put(actual, STR("{\"sse_events\":"));
    buf_put(actual, buf_str(&lists[0]));
    buf_put_char(actual, '}');
    buf_fini(&lists[0]);
    buf_fini(&lists[1]);
}

static void every_cut_of_the_bytes_gives_the_same_events(void **state)
{
    (void)state;
    golden_run("sse", 2, run_sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_becomes_what_anthropic_takes),
        cmocka_unit_test(every_answer_becomes_a_chat_completion),
        cmocka_unit_test(every_stream_becomes_chat_chunks),
        cmocka_unit_test(every_error_comes_in_the_callers_dialect),
        cmocka_unit_test(every_cut_of_the_bytes_gives_the_same_events),
    };

    return cmocka_run_group_tests(tests, read_models, drop_models);
}
