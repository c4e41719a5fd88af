/* OpenAI Chat Completions of a backend: complete answers in, and what streams
 * have in common with them. */
#include "openai_backend_private.h"

/* --- what answers and chunks share --------------------------------------- */

struct str openai_bare_id(struct str id)
{
    struct str prefix = STR("chatcmpl-");

    return str_starts(id, prefix) ? str_slice(id, prefix.len, id.len) : id;
}

static struct str part_text(yyjson_val *part)
{
    return yyjson_is_str(part) ? json_text(part)
                               : json_get_text(part, STR("text"));
}

struct str openai_text_of(struct arena *arena, yyjson_val *content)
{
    size_t len = 0;
    char *joined;

    if (!yyjson_is_arr(content))
        return json_text(content);
    json_each_item (part, content) {
        len += part_text(part).len;
    }
    if (len == 0)
        return STR("");
    joined = arena_alloc(arena, len);
    len = 0;
    json_each_item (part, content) {
        struct str text = part_text(part);

        if (text.len > 0)
            memcpy(joined + len, text.ptr, text.len);
        len += text.len;
    }
    return (struct str){joined, len};
}

struct str openai_reasoning_of(yyjson_val *message)
{
    struct str text = json_get_text(message, STR("reasoning"));

    return text.len > 0 ? text
                        : json_get_text(message, STR("reasoning_content"));
}

struct str openai_custom_text(struct arena *arena, struct str arguments)
{
    struct json_doc doc;
    struct json_error ignored;

    if (json_read(arena, arguments, &doc, &ignored) &&
        yyjson_is_str(json_get(doc.root, STR("input"))))
        return json_get_text(doc.root, STR("input"));
    return arguments;
}

bool openai_is_failure(struct str reason, enum error kind,
                       struct chat_error *error)
{
    if (!str_eq(reason, STR("abort")) && !str_eq(reason, STR("error")))
        return false;
    *error = (struct chat_error){.error = kind, .status = 500};
    return true;
}

enum chat_finish openai_finish_of(struct str reason, bool has_calls,
                                  bool is_refused)
{
    enum chat_finish finish = openai_finish(reason);

    if (finish == CHAT_FINISH_LENGTH || finish == CHAT_FINISH_CONTENT_FILTER)
        return finish;
    if (has_calls)
        return CHAT_FINISH_TOOL_CALLS;
    return is_refused ? CHAT_FINISH_CONTENT_FILTER : CHAT_FINISH_STOP;
}

struct str openai_call_id(struct arena *arena, struct str answer_id,
                          unsigned index)
{
    return arena_printf(arena, "call_%.*s_%u", STR_ARG(answer_id), index);
}

/* --- a complete answer -------------------------------------------------- */

/* A string by the book; some servers give the object itself. */
static struct str arguments_of(struct arena *arena, yyjson_val *value)
{
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str copy;

    if (value == NULL || yyjson_is_str(value))
        return json_text(value);
    buf_init(&text, SIZE_MAX / 2);
    json_put_val(&out, value);
    copy = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void read_call(struct arena *arena, yyjson_val *function,
                      const struct names *names, struct chat_call *call)
{
    const struct names_tool *tool;

    call->name = json_get_text(function, STR("name"));
    call->arguments = arguments_of(arena, json_get(function, STR("arguments")));
    tool = names_find(names, call->name);
    if (tool == NULL)
        return;
    call->name = tool->original;
    call->is_custom = tool->is_custom;
    if (tool->is_custom)
        call->arguments = openai_custom_text(arena, call->arguments);
}

static struct chat_block *block_add(struct chat_answer *answer,
                                    enum chat_block_kind kind)
{
    struct chat_block *block = &answer->blocks[answer->block_count++];

    block->kind = kind;
    return block;
}

static void read_calls(struct arena *arena, yyjson_val *message,
                       const struct names *names, struct chat_answer *answer)
{
    yyjson_val *legacy = json_get(message, STR("function_call"));
    unsigned index = 0;

    json_each_item (item, json_get(message, STR("tool_calls"))) {
        struct chat_call *call = &block_add(answer, CHAT_BLOCK_CALL)->call;
        yyjson_val *custom = json_get(item, STR("custom"));

        call->id = json_get_text(item, STR("id"));
        if (call->id.len == 0)
            call->id = openai_call_id(arena, answer->id, index);
        if (custom != NULL) {
            call->name = json_get_text(custom, STR("name"));
            call->arguments = json_get_text(custom, STR("input"));
            call->is_custom = true;
        } else {
            read_call(arena, json_get(item, STR("function")), names, call);
        }
        index++;
    }
    if (legacy != NULL && index == 0) {
        struct chat_call *call = &block_add(answer, CHAT_BLOCK_CALL)->call;

        call->id = openai_call_id(arena, answer->id, 0);
        read_call(arena, legacy, names, call);
    }
}

static void read_message(struct arena *arena, yyjson_val *message,
                         const struct names *names, struct chat_answer *answer)
{
    yyjson_val *calls = json_get(message, STR("tool_calls"));
    bool has_calls = yyjson_arr_size(calls) > 0 ||
                     json_get(message, STR("function_call")) != NULL;
    struct str thinking = openai_reasoning_of(message);
    struct str text = openai_text_of(arena, json_get(message, STR("content")));

    answer->blocks =
        ARENA_ARRAY(arena, struct chat_block, yyjson_arr_size(calls) + 3);
    if (thinking.len > 0)
        block_add(answer, CHAT_BLOCK_THINKING)->text = thinking;
    /* templates leave white space between what was thought and a call */
    if (text.len > 0 && !(has_calls && str_is_blank(text)))
        block_add(answer, CHAT_BLOCK_TEXT)->text = text;
    read_calls(arena, message, names, answer);
    answer->refusal = json_get_text(message, STR("refusal"));
}

static bool has_kind(const struct chat_answer *answer,
                     enum chat_block_kind kind)
{
    for (unsigned i = 0; i < answer->block_count; i++)
        if (answer->blocks[i].kind == kind)
            return true;
    return false;
}

static bool read_choice(struct arena *arena, yyjson_val *choice,
                        const struct names *names, struct chat_answer *answer,
                        struct chat_error *error)
{
    struct str reason = json_get_text(choice, STR("finish_reason"));
    bool has_calls;

    if (openai_is_failure(reason, ERR_BACKEND_STATUS, error))
        return false;
    read_message(arena, json_get(choice, STR("message")), names, answer);
    if (answer->block_count == 0 && answer->refusal.len == 0 && reason.len == 0)
        return false; /* an empty success is none */
    has_calls = has_kind(answer, CHAT_BLOCK_CALL);
    answer->finish = openai_finish_of(reason, has_calls,
                                      answer->refusal.len > 0 &&
                                          !has_kind(answer, CHAT_BLOCK_TEXT));
    /* a number is the token that ended it: no sequence of the caller's */
    if (answer->finish == CHAT_FINISH_STOP)
        answer->stop_sequence = json_get_text(choice, STR("stop_reason"));
    return true;
}

bool openai_read_answer(struct arena *arena, struct str body,
                        const struct names *names, struct chat_answer *answer,
                        struct chat_error *error)
{
    struct json_doc doc;
    struct json_error ignored;
    yyjson_val *choices;

    *answer = (struct chat_answer){0};
    if (!json_read(arena, body, &doc, &ignored))
        return false;
    if (json_get(doc.root, STR("error")) != NULL) {
        openai_read_stream_error(arena, doc.root, error);
        return false;
    }
    choices = json_get(doc.root, STR("choices"));
    if (yyjson_arr_size(choices) == 0)
        return false;
    answer->given_id = json_get_text(doc.root, STR("id"));
    answer->id = openai_bare_id(answer->given_id);
    openai_read_usage(json_get(doc.root, STR("usage")), &answer->usage);
    return read_choice(arena, json_first(choices, YYJSON_TYPE_ARR), names,
                       answer, error);
}
