/* The golden cases of the Responses format: what goes in, what must come
 * out. */
#include "../golden.h"

#include "../testing.h"
#include "dialect/anthropic.h"
#include "dialect/openai_backend.h"
#include "dialect/responses.h"
#include "golden_models.h"
#include "responses_checker.h"
#include "sse.h"

static struct str text_at(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_str(value)
               ? (struct str){yyjson_get_str(value), yyjson_get_len(value)}
               : (struct str){NULL, 0};
}

static void put_refusal(const struct chat_error *error, struct buf *actual)
{
    buf_clear(actual);
    buf_printf(actual,
               "{\"error\":{\"status\":%d,\"body\":", chat_error_status(error));
    openai_write_error(error, actual);
    buf_put(actual, STR("}}"));
}

/* --- requests ----------------------------------------------------------- */

static struct str texts_at(const struct golden_case *c, const char *key,
                           size_t i)
{
    return golden_text(c->arena,
                       yyjson_arr_get(yyjson_obj_get(c->context, key), i));
}

/* context.turns and context.known: what is remembered. */
static bool read_past(const struct golden_case *c, struct chat *chat,
                      struct chat_error *error)
{
    size_t count = yyjson_arr_size(yyjson_obj_get(c->context, "turns"));
    struct str turns[8], known[8];

    if (chat->previous_id.len == 0 && chat->reference_count == 0)
        return true;
    chat->known = known;
    chat->known_count =
        (unsigned)yyjson_arr_size(yyjson_obj_get(c->context, "known"));
    for (size_t i = 0; i < count; i++)
        turns[i] = texts_at(c, "turns", i);
    for (unsigned i = 0; i < chat->known_count; i++)
        known[i] = texts_at(c, "known", i);
    return responses_read_history(c->arena, turns, count, chat, error);
}

static bool read_request(const struct golden_case *c, struct chat *chat,
                         struct chat_error *error)
{
    return responses_read_request(c->arena, golden_text(c->arena, c->input),
                                  chat, error) &&
           read_past(c, chat, error);
}

static void to_anthropic(const struct golden_case *c, struct buf *actual)
{
    struct request_style style = {
        .model = text_at(c->context, "upstream_model"),
        .traits = claude_find(&models, text_at(c->context, "upstream_model")),
        .default_max_tokens = 8192,
        .shows_reasoning = true,
    };
    struct request_notes notes;
    struct chat_error error;
    struct chat chat;

    assert_non_null(style.traits);
    if (!read_request(c, &chat, &error) ||
        !anthropic_write_request(c->arena, &chat, &style, actual, &notes,
                                 &error))
        put_refusal(&error, actual);
}

static void to_chat(const struct golden_case *c, struct buf *actual)
{
    struct request_style style = {
        .model = text_at(c->context, "upstream_model"),
        .traits = &claude_unknown,
        .shows_reasoning = true,
    };
    struct request_notes notes;
    struct chat_error error;
    struct chat chat;

    if (!read_request(c, &chat, &error) ||
        !openai_write_request(c->arena, &chat, &style, actual, &notes, &error))
        put_refusal(&error, actual);
}

static void requests_become_what_vllm_takes(void **state)
{
    (void)state;
    golden_run("responses-to-chat", 4, to_chat);
}

static void requests_become_what_anthropic_takes(void **state)
{
    (void)state;
    golden_run("responses-to-anthropic", 7, to_anthropic);
}

/* --- answers ------------------------------------------------------------ */

/* The request whose answer this is. */
static struct answer_style style_of(const struct golden_case *c, bool is_chat,
                                    struct names *names)
{
    struct chat_error error;
    struct chat chat;

    assert_true(responses_read_request(
        c->arena, golden_text(c->arena, yyjson_obj_get(c->context, "request")),
        &chat, &error));
    if (is_chat)
        names_of_custom_tools(c->arena, &chat, names);
    else
        names_of_tools(c->arena, &chat, names);
    return (struct answer_style){
        .model = text_at(c->context, "client_model"),
        .created = yyjson_get_sint(yyjson_obj_get(c->context, "now")),
        .shows_reasoning =
            !yyjson_is_true(yyjson_obj_get(c->context, "hides_reasoning")),
        .wants_encrypted = chat.wants_encrypted,
        .is_stored = chat.is_stored,
        .echo = chat.echo,
    };
}

static void from_anthropic(const struct golden_case *c, struct buf *actual)
{
    struct chat_answer answer;
    struct answer_style style;
    struct names names;

    style = style_of(c, false, &names);
    assert_true(anthropic_read_answer(c->arena, golden_text(c->arena, c->input),
                                      &names, &answer));
    responses_write_answer(&style, &answer, actual);
}

static void from_chat(const struct golden_case *c, struct buf *actual)
{
    struct chat_answer answer;
    struct chat_error error;
    struct answer_style style;
    struct names names;

    style = style_of(c, true, &names);
    assert_true(openai_read_answer(c->arena, golden_text(c->arena, c->input),
                                   &names, &answer, &error));
    responses_write_answer(&style, &answer, actual);
}

static void answers_of_vllm_become_responses(void **state)
{
    (void)state;
    golden_run("chat-to-responses", 2, from_chat);
}

static void answers_of_anthropic_become_responses(void **state)
{
    (void)state;
    golden_run("anthropic-to-responses", 4, from_anthropic);
}

/* --- streams ------------------------------------------------------------ */

struct run {
    struct responses_stream *writer;
    struct buf *sse;
};

static void on_event(void *ctx, const struct chat_event *event)
{
    struct run *run = ctx;

    responses_write_event(run->writer, event, run->sse);
}

/* The frames' data as a JSON list; each frame is named by its type. */
static void frames_to_list(struct str sse, struct buf *actual)
{
    struct responses_checker checker;
    struct sse_decoder decoder;
    struct sse_event event;
    const char *fault = NULL;
    bool first = true;

    responses_checker_init(&checker);
    sse_decoder_init(&decoder, 1 << 20);
    buf_put_char(actual, '[');
    while (sse_next(&decoder, &sse, &event)) {
        if (!first)
            buf_put_char(actual, ',');
        first = false;
        buf_put(actual, event.data);
        if (fault == NULL)
            fault = responses_check(&checker, event.name, event.data);
    }
    buf_put_char(actual, ']');
    if (fault == NULL)
        fault = responses_check_end(&checker);
    if (fault != NULL)
        print_error("%s\n", fault);
    assert_null(fault);
    sse_decoder_fini(&decoder);
    responses_checker_fini(&checker);
}

static void stream_from_anthropic(const struct golden_case *c,
                                  struct buf *actual)
{
    struct anthropic_stream reader;
    struct answer_style style;
    struct names names;
    struct buf sse;
    struct run run = {.sse = &sse};
    struct chat_listener listener = {on_event, &run};
    size_t i, max;
    yyjson_val *item;

    style = style_of(c, false, &names);
    buf_init(&sse, 1 << 20);
    run.writer = responses_stream_open(c->arena, &style);
    anthropic_stream_init(&reader, &names);
    yyjson_arr_foreach(c->input, i, max, item)
    {
        assert_true(anthropic_read_event(
            &reader, golden_text(c->arena, yyjson_obj_get(item, "data")),
            &listener));
    }
    assert_true(anthropic_stream_close(&reader, &listener));
    frames_to_list(buf_str(&sse), actual);
    anthropic_stream_fini(&reader);
    responses_stream_close(run.writer);
    buf_fini(&sse);
}

static void stream_from_chat(const struct golden_case *c, struct buf *actual)
{
    struct openai_chunks *reader;
    struct answer_style style;
    struct names names;
    struct buf sse;
    struct run run = {.sse = &sse};
    struct chat_listener listener = {on_event, &run};
    size_t i, max;
    yyjson_val *item;

    style = style_of(c, true, &names);
    buf_init(&sse, 1 << 20);
    run.writer = responses_stream_open(c->arena, &style);
    reader = openai_chunks_open(c->arena, &names);
    yyjson_arr_foreach(c->input, i, max, item)
    {
        assert_true(openai_chunks_read(
            reader,
            yyjson_is_str(item) ? STR("[DONE]") : golden_text(c->arena, item),
            &listener));
    }
    assert_true(openai_chunks_end(reader, &listener));
    frames_to_list(buf_str(&sse), actual);
    openai_chunks_close(reader);
    responses_stream_close(run.writer);
    buf_fini(&sse);
}

static void streams_of_vllm_become_events(void **state)
{
    (void)state;
    golden_run("chat-to-responses-stream", 2, stream_from_chat);
}

static void streams_of_anthropic_become_events(void **state)
{
    (void)state;
    golden_run("anthropic-to-responses-stream", 4, stream_from_anthropic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_become_what_anthropic_takes),
        cmocka_unit_test(requests_become_what_vllm_takes),
        cmocka_unit_test(answers_of_anthropic_become_responses),
        cmocka_unit_test(answers_of_vllm_become_responses),
        cmocka_unit_test(streams_of_anthropic_become_events),
        cmocka_unit_test(streams_of_vllm_become_events),
    };

    return cmocka_run_group_tests(tests, read_models, drop_models);
}
