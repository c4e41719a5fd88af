/* Anthropic: the rules for messages: roles and their order, calls and their
 * results, what may stand at the end. */
#include "as_anthropic.h"
#include "strmap.h"

enum { MAX_MESSAGES = 100000 };

/* --- messages ----------------------------------------------------------- */

static unsigned role_of(yyjson_val *message)
{
    struct str role = json_get_text(message, STR("role"));

    if (str_eq(role, STR("user")))
        return ANTHROPIC_IN_USER;
    if (str_eq(role, STR("assistant")))
        return ANTHROPIC_IN_ASSISTANT;
    return str_eq(role, STR("system")) ? ANTHROPIC_IN_SYSTEM : 0;
}

static bool check_content(struct anthropic_check *c, struct str path,
                          yyjson_val *content, unsigned role, bool is_last)
{
    unsigned i = 0;

    if (yyjson_is_str(content) && json_text(content).len > 0)
        return as_anthropic_check_text(c, path, content);
    if (content == NULL)
        return as_anthropic_fail(c, "%.*s.content: Field required",
                                 STR_ARG(path));
    if (!yyjson_is_str(content) && !yyjson_is_arr(content))
        return as_anthropic_fail(
            c, "%.*s.content: Input should be a valid list", STR_ARG(path));
    if (yyjson_arr_size(content) == 0 &&
        !(is_last && role == ANTHROPIC_IN_ASSISTANT))
        return as_anthropic_fail(
            c,
            "%.*s: all messages must have non-empty content except for the "
            "optional final assistant message",
            STR_ARG(path));
    json_each_item (block, content) {
        struct str inner =
            arena_printf(c->arena, "%.*s.content.%u", STR_ARG(path), i++);

        if (!as_anthropic_check_block(c, inner, block, role))
            return false;
    }
    return true;
}

static bool check_message(struct anthropic_check *c, struct str path,
                          yyjson_val *message, bool is_last)
{
    unsigned role = role_of(message);

    if (!yyjson_is_obj(message))
        return as_anthropic_fail(c, "%.*s: Input should be a valid dictionary",
                                 STR_ARG(path));
    if (role == 0 ||
        (role == ANTHROPIC_IN_SYSTEM && !c->model->takes_system_inside))
        return as_anthropic_fail(c,
                                 "%.*s.role: Input should be 'user' or "
                                 "'assistant'",
                                 STR_ARG(path));
    return as_anthropic_only(c, path, message, STR("role|content")) &&
           check_content(c, path, json_get(message, STR("content")), role,
                         is_last);
}

static bool is_block(yyjson_val *block, struct str type)
{
    return str_eq(json_get_text(block, STR("type")), type);
}

/* A turn in which the server used its own tools may come back as it was, to
 * go on. */
static bool is_servers_turn(yyjson_val *content)
{
    json_each_item (block, content) {
        if (is_block(block, STR("server_tool_use")))
            return true;
    }
    return false;
}

/* A system message among the others stands behind the user's, or behind what
 * the server did by itself, and before the assistant's. */
static bool check_order(struct anthropic_check *c, yyjson_val *messages)
{
    yyjson_val *before = NULL;
    unsigned i = 0;

    json_each_item (message, messages) {
        unsigned role = role_of(message);
        bool may_follow = role_of(before) == ANTHROPIC_IN_USER ||
                          is_servers_turn(json_get(before, STR("content")));

        if (i == 0 && role != ANTHROPIC_IN_USER)
            return as_anthropic_fail(
                c, "messages: first message must use the \"user\" role");
        if ((role == ANTHROPIC_IN_SYSTEM && !may_follow) ||
            (role_of(before) == ANTHROPIC_IN_SYSTEM &&
             role != ANTHROPIC_IN_ASSISTANT))
            return as_anthropic_fail(
                c,
                "messages.%u: a \"system\" message must follow a \"user\" "
                "message and be last or be followed by an \"assistant\" "
                "message",
                i);
        before = message;
        i++;
    }
    return true;
}

/* --- calls and their results -------------------------------------------- */

/* The ids of the last message's calls; `answered` in step with them. */
struct open_calls {
    struct str *ids;
    bool *answered;
    size_t count;
};

static bool open_new(struct anthropic_check *c, yyjson_val *content,
                     struct strmap *all, struct open_calls *open)
{
    size_t most = yyjson_arr_size(content);

    *open = (struct open_calls){0};
    if (most == 0)
        return true;
    open->ids = ARENA_ARRAY(c->arena, struct str, most);
    open->answered = ARENA_ARRAY(c->arena, bool, most);
    json_each_item (block, content) {
        struct str id = json_get_text(block, STR("id"));

        if (!is_block(block, STR("tool_use")))
            continue;
        if ((*strmap_at(all, id))++ > 0)
            return as_anthropic_fail(c,
                                     "messages: `tool_use` ids must be unique");
        open->ids[open->count++] = id;
    }
    return true;
}

static bool answer_one(struct anthropic_check *c, unsigned message,
                       unsigned block, struct str id, struct open_calls *open)
{
    for (size_t i = 0; i < open->count; i++) {
        if (!str_eq(open->ids[i], id))
            continue;
        if (open->answered[i])
            return as_anthropic_fail(
                c,
                "messages.%u.content.%u: each tool_use must have a single "
                "result. Found multiple `tool_result` blocks with id: %.*s",
                message, block, STR_ARG(id));
        open->answered[i] = true;
        return true;
    }
    return as_anthropic_fail(
        c,
        "messages.%u.content.%u: unexpected `tool_use_id` found in "
        "`tool_result` blocks: %.*s. Each `tool_result` block must have a "
        "corresponding `tool_use` block in the previous message.",
        message, block, STR_ARG(str_clip(id, 200)));
}

static bool answer_all(struct anthropic_check *c, unsigned message,
                       yyjson_val *content, struct open_calls *open)
{
    bool is_behind = false; /* another block was there before */
    unsigned i = 0;

    json_each_item (block, content) {
        if (is_block(block, STR("tool_result"))) {
            struct str id = json_get_text(block, STR("tool_use_id"));

            if (is_behind)
                return as_anthropic_fail(
                    c,
                    "messages.%u.content.%u: `tool_result` blocks must come "
                    "first in the content of a message",
                    message, i);
            if (!answer_one(c, message, i, id, open))
                return false;
        } else {
            is_behind = true;
        }
        i++;
    }
    return true;
}

static bool none_open(struct anthropic_check *c, unsigned message,
                      const struct open_calls *open)
{
    for (size_t i = 0; i < open->count; i++)
        if (!open->answered[i])
            return as_anthropic_fail(
                c,
                "messages.%u: `tool_use` ids were found without `tool_result` "
                "blocks immediately after: %.*s. Each `tool_use` block must "
                "have a corresponding `tool_result` block in the next "
                "message.",
                message, STR_ARG(open->ids[i]));
    return true;
}

static bool check_calls(struct anthropic_check *c, yyjson_val *messages)
{
    struct open_calls open = {0};
    struct strmap ids;
    unsigned i = 0;

    strmap_init(&ids, c->arena);
    json_each_item (message, messages) {
        yyjson_val *content = json_get(message, STR("content"));

        if (!answer_all(c, i, content, &open) ||
            !none_open(c, i == 0 ? 0 : i - 1, &open) ||
            !open_new(c, content, &ids, &open))
            return false;
        i++;
    }
    return none_open(c, i - 1, &open);
}

/* --- the ends ----------------------------------------------------------- */

/* With manual thinking the assistant's last turn begins with its thinking, if
 * it called a tool. */
static bool check_last_turn(struct anthropic_check *c, yyjson_val *messages)
{
    yyjson_val *last = NULL;
    yyjson_val *first_block;
    unsigned number = 0;
    unsigned i = 0;
    bool has_call = false;

    json_each_item (message, messages) {
        if (role_of(message) == ANTHROPIC_IN_ASSISTANT) {
            last = json_get(message, STR("content"));
            number = i;
        }
        i++;
    }
    json_each_item (block, last) {
        has_call = has_call || is_block(block, STR("tool_use"));
    }
    first_block = yyjson_arr_get_first(last);
    if (!c->thinks_manually || !has_call ||
        is_block(first_block, STR("thinking")) ||
        is_block(first_block, STR("redacted_thinking")))
        return true;
    return as_anthropic_fail(
        c,
        "messages.%u.content.0.type: Expected `thinking` or "
        "`redacted_thinking`, but found `%.*s`. When `thinking` is enabled, a "
        "final `assistant` message must start with a thinking block.",
        number, STR_ARG(json_get_text(first_block, STR("type"))));
}

static bool check_prefill(struct anthropic_check *c, yyjson_val *messages)
{
    yyjson_val *last = yyjson_arr_get_last(messages);
    yyjson_val *content = json_get(last, STR("content"));
    yyjson_val *block = yyjson_arr_get_last(content);
    yyjson_val *format =
        json_get(json_get(c->root, STR("output_config")), STR("format"));
    struct str text = yyjson_is_str(content)
                          ? json_text(content)
                          : json_get_text(block, STR("text"));

    if (role_of(last) != ANTHROPIC_IN_ASSISTANT || is_servers_turn(content))
        return true;
    if (!c->model->traits->takes_prefill || c->thinks || format != NULL)
        return as_anthropic_fail(
            c, "This model does not support assistant message prefill. The "
               "conversation must end with a user message.");
    if (text.len > 0 &&
        str_trim(text).ptr + str_trim(text).len != text.ptr + text.len)
        return as_anthropic_fail(c, "messages: final assistant content cannot "
                                    "end with trailing whitespace");
    return true;
}

bool as_anthropic_check_messages(struct anthropic_check *c)
{
    yyjson_val *messages = json_get(c->root, STR("messages"));
    size_t count = yyjson_arr_size(messages);
    unsigned i = 0;

    if (count == 0)
        return as_anthropic_fail(c,
                                 "messages: at least one message is required");
    if (count > MAX_MESSAGES)
        return as_anthropic_fail(c, "messages: too many messages: %zu > %d",
                                 count, MAX_MESSAGES);
    json_each_item (message, messages) {
        struct str path = arena_printf(c->arena, "messages.%u", i++);

        if (!check_message(c, path, message, i == count))
            return false;
    }
    if (c->has_tool_blocks && c->model->traits->takes_sampling &&
        json_get(c->root, STR("tools")) == NULL)
        return as_anthropic_fail(
            c, "Requests which include `tool_use` or `tool_result` blocks must "
               "define tools");
    return check_order(c, messages) && check_calls(c, messages) &&
           check_last_turn(c, messages) && check_prefill(c, messages);
}
