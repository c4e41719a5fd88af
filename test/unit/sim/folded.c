#include "folded.h"

#include "../testing.h"

#include "buf.h"

enum { MAX_BLOCKS = 32, TEXT_MAX = 1 << 20 };

static bool is_stream(struct str answer)
{
    return str_contains(answer, STR("text/event-stream"));
}

static yyjson_val *parse(struct arena *arena, struct str json)
{
    struct json_error trouble;
    struct json_doc doc;

    if (!json_read(arena, json, &doc, &trouble))
        fail_msg("not JSON at %zu: %.*s", trouble.offset, STR_ARG(json));
    return doc.root;
}

yyjson_val *folded_body(struct arena *arena, struct str answer)
{
    size_t at;

    assert_true(str_find(answer, STR("\r\n\r\n"), &at));
    return parse(arena, str_trim(str_slice(answer, at, answer.len)));
}

void folded_events(struct arena *arena, struct str answer,
                   void (*each)(void *ctx, yyjson_val *event), void *ctx)
{
    struct str line;

    while (str_split(&answer, '\n', &line))
        if (str_starts(line, STR("data: {")))
            each(ctx,
                 parse(arena, arena_copy(arena, str_slice(line, 6, line.len))));
}

static struct str joined(struct arena *arena, struct str a, struct str b)
{
    return arena_printf(arena, "%.*s%.*s", STR_ARG(a), STR_ARG(b));
}

static struct str as_json(struct arena *arena, yyjson_val *value)
{
    struct buf buf;
    struct json_out out = json_out_to(&buf);
    struct str text;

    buf_init(&buf, TEXT_MAX);
    if (value == NULL)
        json_put_null(&out);
    else
        json_put_val(&out, value);
    text = arena_copy(arena, buf_str(&buf));
    buf_fini(&buf);
    return text;
}

/* --- chat ----------------------------------------------------------------- */

struct chat {
    struct arena *arena;
    struct str reasoning;
    struct str old_reasoning;
    struct str content;
    struct str names[MAX_BLOCKS];
    struct str arguments[MAX_BLOCKS];
    unsigned calls;
    struct str finish;
    struct str stop;
};

static void add_calls(struct chat *chat, yyjson_val *calls)
{
    int64_t place = 0;

    json_each_item (call, calls) {
        yyjson_val *function = json_get(call, STR("function"));
        yyjson_val *index = json_get(call, STR("index"));

        if (index != NULL)
            assert_true(json_to_i64(index, &place));
        assert_in_range(place, 0, MAX_BLOCKS - 1);
        if (json_get(call, STR("id")) != NULL)
            chat->names[place] = json_get_text(function, STR("name"));
        chat->arguments[place] =
            joined(chat->arena, chat->arguments[place],
                   json_get_text(function, STR("arguments")));
        place++;
        if (place > chat->calls)
            chat->calls = (unsigned)place;
    }
}

static void add_text(struct chat *chat, yyjson_val *message, struct str key,
                     struct str *text)
{
    *text = joined(chat->arena, *text, json_get_text(message, key));
}

/* A whole message and a delta are the same here. */
static void add_choice(void *ctx, yyjson_val *answer)
{
    struct chat *chat = ctx;
    yyjson_val *choice = yyjson_arr_get_first(json_get(answer, STR("choices")));
    yyjson_val *message = json_get(choice, STR("message"));

    if (message == NULL)
        message = json_get(choice, STR("delta"));
    add_text(chat, message, STR("reasoning"), &chat->reasoning);
    add_text(chat, message, STR("reasoning_content"), &chat->old_reasoning);
    add_text(chat, message, STR("content"), &chat->content);
    add_calls(chat, json_get(message, STR("tool_calls")));
    if (json_get(choice, STR("finish_reason")) == NULL)
        return;
    chat->finish = json_get_text(choice, STR("finish_reason"));
    chat->stop = as_json(chat->arena, json_get(choice, STR("stop_reason")));
}

struct str folded_chat(struct arena *arena, struct str answer)
{
    struct chat chat = {.arena = arena};
    struct str calls = STR("");

    if (is_stream(answer))
        folded_events(arena, answer, add_choice, &chat);
    else
        add_choice(&chat, folded_body(arena, answer));
    for (unsigned i = 0; i < chat.calls; i++)
        calls = arena_printf(arena, "%.*s%s%.*s(%.*s)", STR_ARG(calls),
                             i > 0 ? " " : "", STR_ARG(chat.names[i]),
                             STR_ARG(chat.arguments[i]));
    return arena_printf(
        arena, "%.*s%s%.*s|%.*s|%.*s|%.*s %.*s", STR_ARG(chat.reasoning),
        chat.old_reasoning.len > 0 ? "old: " : "", STR_ARG(chat.old_reasoning),
        STR_ARG(chat.content), STR_ARG(calls), STR_ARG(chat.finish),
        STR_ARG(chat.stop));
}

/* --- messages ------------------------------------------------------------- */

struct messages {
    struct arena *arena;
    struct str all;  /* of the blocks that are complete */
    struct str type; /* of the present one */
    struct str name;
    struct str text;
    struct str mark; /* signature or citation */
    struct str stop;
};

static void close_block(struct messages *m)
{
    m->all = arena_printf(m->arena, "%.*s%.*s%s%.*s %.*s%.*s|", STR_ARG(m->all),
                          STR_ARG(m->type), m->name.len > 0 ? " " : "",
                          STR_ARG(m->name), STR_ARG(m->text), STR_ARG(m->mark));
}

/* What it is, without what comes in deltas. */
static void open_block(struct messages *m, yyjson_val *block)
{
    m->type = json_get_text(block, STR("type"));
    m->name = json_get_text(block, STR("name"));
    m->text = m->mark = STR("");
    if (str_eq(m->type, STR("redacted_thinking")))
        m->text = json_get_text(block, STR("data"));
    else if (str_eq(m->type, STR("web_search_tool_result")))
        m->text = as_json(m->arena, json_get(block, STR("content")));
}

static void add_mark(struct messages *m, struct str mark)
{
    if (mark.len > 0 && !str_eq(mark, STR("null")))
        m->mark = arena_printf(m->arena, " <%.*s>", STR_ARG(mark));
}

static void add_block(struct messages *m, yyjson_val *block)
{
    open_block(m, block);
    m->text = joined(m->arena, m->text, json_get_text(block, STR("text")));
    m->text = joined(m->arena, m->text, json_get_text(block, STR("thinking")));
    if (json_get(block, STR("input")) != NULL)
        m->text = as_json(m->arena, json_get(block, STR("input")));
    add_mark(m, json_get_text(block, STR("signature")));
    add_mark(m, as_json(m->arena, yyjson_arr_get_first(
                                      json_get(block, STR("citations")))));
    close_block(m);
}

static void add_delta(struct messages *m, yyjson_val *delta)
{
    m->text = joined(m->arena, m->text, json_get_text(delta, STR("text")));
    m->text = joined(m->arena, m->text, json_get_text(delta, STR("thinking")));
    m->text =
        joined(m->arena, m->text, json_get_text(delta, STR("partial_json")));
    add_mark(m, json_get_text(delta, STR("signature")));
    add_mark(m, as_json(m->arena, json_get(delta, STR("citation"))));
}

static void add_stop(struct messages *m, yyjson_val *object)
{
    m->stop = arena_printf(
        m->arena, "%.*s %.*s %.*s",
        STR_ARG(json_get_text(object, STR("stop_reason"))),
        STR_ARG(as_json(m->arena, json_get(object, STR("stop_sequence")))),
        STR_ARG(as_json(m->arena, json_get(object, STR("stop_details")))));
}

static void add_event(void *ctx, yyjson_val *event)
{
    struct messages *m = ctx;
    struct str type = json_get_text(event, STR("type"));

    if (str_eq(type, STR("content_block_start"))) {
        open_block(m, json_get(event, STR("content_block")));
    } else if (str_eq(type, STR("content_block_delta"))) {
        add_delta(m, json_get(event, STR("delta")));
    } else if (str_eq(type, STR("content_block_stop"))) {
        if (str_ends(m->type, STR("tool_use")) && m->text.len == 0)
            m->text = STR("{}");
        close_block(m);
    } else if (str_eq(type, STR("message_delta"))) {
        add_stop(m, json_get(event, STR("delta")));
    }
}

struct str folded_messages(struct arena *arena, struct str answer)
{
    struct messages m = {.arena = arena};
    yyjson_val *body;

    if (is_stream(answer)) {
        folded_events(arena, answer, add_event, &m);
    } else {
        body = folded_body(arena, answer);
        json_each_item (block, json_get(body, STR("content"))) {
            add_block(&m, block);
        }
        add_stop(&m, body);
    }
    return joined(arena, m.all, m.stop);
}
