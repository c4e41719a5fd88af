/* The dialects: requests, answers, streams and errors of hostile peers.  The
 * first byte says which; whatever comes in, what goes out is valid JSON and
 * keeps the rules of its format. */
#include <yyjson.h>

#include "check.h"
#include "dialect/answer.h"
#include "fuzz.h"

enum { OUT_MAX = 64 << 20, EVENT_MAX = 1 << 20 };

static struct arena models_arena;
static struct claude_models models;
static const struct openai_style style = {
    .model = STR_INIT("the \"model\""),
    .created = 1790000000,
    .shows_reasoning = true,
    .shows_thinking = true,
    .include_usage = true,
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct str why = {NULL, 0};

    (void)argc;
    (void)argv;
    arena_init(&models_arena);
    check(claude_models_read(
        &models_arena,
        (struct str){claude_default_data, claude_default_data_len}, &models,
        &why));
    return 0;
}

/* Valid JSON, on a reader without bounds of ours; to be freed. */
static yyjson_doc *parse(struct str text)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, 0);

    check(doc != NULL);
    return doc;
}

static void check_json(struct str text)
{
    yyjson_doc_free(parse(text));
}

static bool is(yyjson_val *object, const char *key, const char *value)
{
    return yyjson_equals_str(yyjson_obj_get(object, key), value);
}

/* --- requests
 * ----------------------------------------------------------------- */

static bool is_plain_id(const char *id)
{
    size_t n = 0;

    for (; id != NULL && id[n] != '\0'; n++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_-",
                   id[n]) == NULL)
            return false;
    return n > 0;
}

/* Rules of the Messages API, each of them a 400 there: users and assistants
 * in turn, the user first; no blank text; every call answered in the very
 * next message, before all else. */
static void check_messages(yyjson_val *messages)
{
    yyjson_val *before = NULL;
    size_t i, max;
    yyjson_val *message;

    check(yyjson_arr_size(messages) > 0);
    yyjson_arr_foreach(messages, i, max, message)
    {
        yyjson_val *content = yyjson_obj_get(message, "content");
        size_t k, blocks, owed = 0;
        yyjson_val *block;

        check(is(message, "role", i % 2 == 0 ? "user" : "assistant"));
        check(yyjson_arr_size(content) > 0);
        if (before != NULL) {
            yyjson_arr_foreach(before, k, blocks, block)
            {
                if (!is(block, "type", "tool_use"))
                    continue;
                check(
                    yyjson_equals(yyjson_obj_get(block, "id"),
                                  yyjson_obj_get(yyjson_arr_get(content, owed),
                                                 "tool_use_id")));
                owed++;
            }
        }
        yyjson_arr_foreach(content, k, blocks, block)
        {
            yyjson_val *text = yyjson_obj_get(block, "text");

            check(is(block, "type", "tool_result") == (k < owed));
            if (is(block, "type", "text"))
                check(!str_is_blank(
                    (struct str){yyjson_get_str(text), yyjson_get_len(text)}));
            if (is(block, "type", "tool_use")) {
                check(i % 2 == 1);
                check(is_plain_id(yyjson_get_str(yyjson_obj_get(block, "id"))));
                check(yyjson_is_obj(yyjson_obj_get(block, "input")));
            }
        }
        before = content;
    }
    /* calls in the last message would never be answered */
    if (yyjson_arr_size(messages) % 2 == 0) {
        size_t k, blocks;
        yyjson_val *block;

        yyjson_arr_foreach(before, k, blocks, block)
        {
            check(!is(block, "type", "tool_use"));
        }
    }
}

static void check_request(struct str text, const struct anthropic_options *o)
{
    yyjson_doc *doc = parse(text);
    yyjson_val *root = yyjson_doc_get_root(doc);
    int64_t most = o->traits->max_output_tokens;
    int64_t asked = yyjson_get_sint(yyjson_obj_get(root, "max_tokens"));

    check(asked >= 1 && (most == 0 || asked <= most));
    if (!o->traits->takes_sampling)
        check(yyjson_obj_get(root, "temperature") == NULL &&
              yyjson_obj_get(root, "top_p") == NULL);
    check_messages(yyjson_obj_get(root, "messages"));
    yyjson_doc_free(doc);
}

static void write_anthropic(struct arena *arena, const struct chat *chat)
{
    struct buf out;

    buf_init(&out, OUT_MAX);
    for (unsigned i = 0; i <= models.count; i += 3) {
        struct anthropic_options options = {
            .model = STR("upstream"),
            .traits = i < models.count ? &models.models[i] : &claude_unknown,
            .default_max_tokens = 8192,
            .shows_reasoning = true,
            .caches_prompt = i % 2 == 0,
        };
        struct anthropic_notes notes;
        struct chat_error error = {.error = OK};

        buf_clear(&out);
        if (anthropic_write_request(arena, chat, &options, &out, &notes,
                                    &error)) {
            check(!buf_failed(&out));
            check_request(buf_str(&out), &options);
        } else {
            check(chat_error_status(&error) == 400);
        }
    }
    buf_fini(&out);
}

/* The same request but for its model. */
static void relay(struct arena *arena, const struct chat *chat)
{
    struct str pieces[RELAY_PIECES];
    unsigned n = relay_request(arena, chat, style.model, pieces);
    struct chat again;
    struct chat_error error;
    struct buf out;

    buf_init(&out, OUT_MAX);
    for (unsigned i = 0; i < n; i++)
        buf_put(&out, pieces[i]);
    check(openai_read_request(arena, buf_str(&out), &again, &error));
    check(str_eq(again.model, style.model));
    check(again.message_count == chat->message_count);
    check(again.characters == chat->characters);
    buf_fini(&out);
}

static void take_request(struct str body)
{
    struct arena arena;
    struct chat chat;
    struct chat_error error = {.error = OK};
    struct buf out;

    arena_init(&arena);
    if (openai_read_request(&arena, body, &chat, &error)) {
        relay(&arena, &chat);
        write_anthropic(&arena, &chat);
    } else {
        check(chat_error_status(&error) == 400);
        buf_init(&out, OUT_MAX);
        openai_write_error(&error, &out);
        check_json(buf_str(&out));
        buf_fini(&out);
    }
    arena_clear(&arena);
}

/* --- answers
 * -------------------------------------------------------------------- */

static const struct names *some_names(void)
{
    static struct names_tool tools[] = {
        {.original = STR_INIT("mcp.read"), .token = STR_INIT("f")},
        {.original = STR_INIT("patch"),
         .token = STR_INIT("p"),
         .is_custom = true},
    };
    static const struct names names = {tools, COUNT_OF(tools)};

    return &names;
}

static void take_whole(struct str body, bool is_translated)
{
    struct str pieces[RELAY_PIECES];
    struct answer answer;
    struct arena arena;
    struct buf out;
    unsigned n;

    arena_init(&arena);
    answer_init(&answer, is_translated, &style, some_names(), EVENT_MAX);
    n = answer_whole(&answer, &arena, body, some_names(), pieces);
    if (n > 0) {
        buf_init(&out, OUT_MAX);
        for (unsigned i = 0; i < n; i++)
            buf_put(&out, pieces[i]);
        /* a relayed one may have halves of surrogate pairs, as it came */
        if (is_translated)
            check_json(buf_str(&out));
        buf_fini(&out);
    }
    answer_fini(&answer);
    arena_clear(&arena);
}

static enum answer_status run_stream(struct str bytes, bool is_translated,
                                     size_t step, struct buf *out)
{
    enum answer_status status = ANSWER_GOES_ON;
    struct answer answer;

    answer_init(&answer, is_translated, &style, some_names(), EVENT_MAX);
    for (size_t at = 0; at < bytes.len && status == ANSWER_GOES_ON; at += step)
        status = answer_feed(&answer, str_slice(bytes, at, at + step), out);
    status = answer_close(&answer, out);
    check(status != ANSWER_GOES_ON);
    if (status == ANSWER_FAILED)
        openai_write_stream_error(&answer.error, out);
    answer_fini(&answer);
    return status;
}

/* Frames of JSON, and [DONE] as the last and only there. */
static void check_frames(struct str text, bool is_translated)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool is_done = false;

    sse_decoder_init(&decoder, OUT_MAX);
    while (sse_next(&decoder, &text, &event)) {
        check(!is_done);
        is_done = str_starts(event.data, STR("[DONE]"));
        if (!is_done && is_translated)
            check_json(event.data);
    }
    check(is_done && text.len == 0);
    check(!sse_finish(&decoder, &event));
    sse_decoder_fini(&decoder);
}

static void take_stream(struct str bytes, bool is_translated)
{
    struct buf whole;
    struct buf cut;
    enum answer_status status;

    buf_init(&whole, OUT_MAX);
    buf_init(&cut, OUT_MAX);
    status = run_stream(bytes, is_translated, bytes.len + 1, &whole);
    check_frames(buf_str(&whole), is_translated);
    for (size_t step = 1; step < 12; step += 5) {
        buf_clear(&cut);
        check(run_stream(bytes, is_translated, step, &cut) == status);
        check(str_eq(buf_str(&whole), buf_str(&cut)));
    }
    buf_fini(&whole);
    buf_fini(&cut);
}

static void take_error(struct str body, unsigned choice)
{
    static const int statuses[] = {100, 204, 302, 400, 401, 402, 404,
                                   413, 422, 429, 500, 503, 529, 599};
    struct backend_head head = {
        .status = statuses[choice % COUNT_OF(statuses)],
        .retry_after = str_slice(body, 0, 3),
        .request_id = str_slice(body, 0, 20),
    };
    struct arena arena;
    struct buf out;

    arena_init(&arena);
    buf_init(&out, OUT_MAX);
    for (unsigned i = 0; i < 2; i++) {
        struct chat_error error;

        if (i == 0)
            openai_read_error(&arena, &head, body, &error);
        else
            anthropic_read_error(&arena, &head, body, &error);
        check(chat_error_status(&error) >= 400);
        check(chat_error_message(&error).len > 0);
        buf_clear(&out);
        openai_write_error(&error, &out);
        check_json(buf_str(&out));
    }
    buf_fini(&out);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest;

    if (size == 0)
        return 0;
    rest = fuzz_input(data + 1, size - 1);
    switch (data[0]) {
    case 'q': /* a request */
        take_request(rest);
        break;
    case 'w': /* a whole answer, as it is or translated */
        take_whole(rest, false);
        break;
    case 'W':
        take_whole(rest, true);
        break;
    case 's': /* a stream */
        take_stream(rest, false);
        break;
    case 'S':
        take_stream(rest, true);
        break;
    default: /* an error; its status follows from the byte */
        take_error(rest, data[0]);
        break;
    }
    return 0;
}
