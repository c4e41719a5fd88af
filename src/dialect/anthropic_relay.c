/* Anthropic Messages that pass as they are: what must be known of an answer or
 * of an event. */
#include "anthropic_reply.h"
#include "gather.h"

/* The model's name stands in the message, which is the whole answer or the
 * `message` of message_start. */
static void find_model(const struct json_doc *doc, struct str json,
                       yyjson_val *message, struct relay_facts *facts)
{
    json_each_member (key, value, message) {
        if (str_eq(json_text(key), STR("model")) && yyjson_is_str(value) &&
            facts->model_len == 0)
            json_member_place(doc, json, key, &facts->model_at,
                              &facts->model_len);
    }
}

static void take_usage(yyjson_val *usage, struct relay_facts *facts)
{
    anthropic_take_counts(usage, &facts->counts);
    facts->usage = anthropic_usage(&facts->counts);
}

static void take_reason(yyjson_val *holder, struct relay_facts *facts)
{
    struct str reason = json_get_text(holder, STR("stop_reason"));

    if (reason.len > 0)
        facts->finish = anthropic_finish(reason, false);
}

static void take_message(const struct json_doc *doc, struct str json,
                         yyjson_val *message, struct relay_facts *facts)
{
    find_model(doc, json, message, facts);
    take_usage(json_get(message, STR("usage")), facts);
    take_reason(message, facts);
    if (yyjson_arr_size(json_get(message, STR("content"))) > 0)
        facts->has_token = true;
}

/* A delta that shows something to a reader of the answer. */
static bool shows_token(yyjson_val *delta)
{
    return json_get_text(delta, STR("text")).len > 0 ||
           json_get_text(delta, STR("thinking")).len > 0 ||
           json_get_text(delta, STR("partial_json")).len > 0;
}

/* A block that is more than the beginning of one: a tool's call, what a
 * server's tool found, redacted thinking. */
static bool is_whole_block(yyjson_val *block)
{
    struct str type = json_get_text(block, STR("type"));

    return type.len > 0 && !str_eq(type, STR("text")) &&
           !str_eq(type, STR("thinking"));
}

bool anthropic_relay_read(struct arena *arena, struct str json,
                          struct relay_facts *facts)
{
    struct json_doc doc;
    struct json_error ignored;
    struct str type;

    facts->is_error = facts->is_last = false;
    facts->model_at = facts->model_len = 0;
    if (!json_read(arena, json, &doc, &ignored) || !yyjson_is_obj(doc.root))
        return false;
    facts->root = doc.root;
    type = json_get_text(doc.root, STR("type"));
    if (str_eq(type, STR("content_block_delta"))) {
        if (shows_token(json_get(doc.root, STR("delta"))))
            facts->has_token = true;
    } else if (str_eq(type, STR("content_block_start"))) {
        yyjson_val *block = json_get(doc.root, STR("content_block"));

        if (is_whole_block(block) || shows_token(block))
            facts->has_token = true;
    } else if (str_eq(type, STR("message_delta"))) {
        take_usage(json_get(doc.root, STR("usage")), facts);
        take_reason(json_get(doc.root, STR("delta")), facts);
    } else if (str_eq(type, STR("message_start"))) {
        take_message(&doc, json, json_get(doc.root, STR("message")), facts);
    } else if (str_eq(type, STR("message_stop"))) {
        facts->is_last = true;
    } else if (str_eq(type, STR("error"))) {
        facts->is_error = true;
    } else if (str_eq(type, STR("message"))) {
        take_message(&doc, json, doc.root, facts);
    }
    return type.len > 0;
}

/* --- what is said --------------------------------------------------------- */

static void gather_block(struct gather *gather, int64_t key, yyjson_val *block)
{
    struct chat_call call = {
        .id = json_get_text(block, STR("id")),
        .name = json_get_text(block, STR("name")),
    };
    yyjson_val *input = json_get(block, STR("input"));

    gather_text(gather, GATHER_CONTENT, json_get_text(block, STR("text")));
    gather_text(gather, GATHER_REASONING,
                json_get_text(block, STR("thinking")));
    if (!str_eq(json_get_text(block, STR("type")), STR("tool_use")))
        return;
    gather_call(gather, key, &call);
    if (yyjson_obj_size(input) > 0) /* else it comes in pieces, or is empty */
        gather_input(gather, key, input);
}

static void gather_delta(struct gather *gather, int64_t key, yyjson_val *delta)
{
    gather_text(gather, GATHER_CONTENT, json_get_text(delta, STR("text")));
    gather_text(gather, GATHER_REASONING,
                json_get_text(delta, STR("thinking")));
    gather_arguments(gather, key, json_get_text(delta, STR("partial_json")));
}

void anthropic_relay_gather(struct gather *gather, yyjson_val *root)
{
    struct str type = json_get_text(root, STR("type"));
    int64_t index = json_get_i64(root, STR("index"));

    if (str_eq(type, STR("content_block_delta"))) {
        gather_delta(gather, index, json_get(root, STR("delta")));
    } else if (str_eq(type, STR("content_block_start"))) {
        gather_block(gather, index, json_get(root, STR("content_block")));
    } else if (str_eq(type, STR("message_start"))) {
        gather_begin(gather);
    } else if (str_eq(type, STR("message"))) {
        gather_begin(gather);
        index = 0;
        json_each_item (block, json_get(root, STR("content"))) {
            gather_block(gather, index++, block);
        }
    }
}
