/* OpenAI Chat Completions (and plain completions) that pass as they are: what
 * must be known of an answer or of a chunk. */
#include "gather.h"
#include "openai.h"

static bool has_text(yyjson_val *delta, struct str key)
{
    return json_get_text(delta, key).len > 0;
}

/* A message or a delta that shows something to a reader of the answer. */
static bool shows_token(yyjson_val *delta)
{
    return has_text(delta, STR("content")) ||
           has_text(delta, STR("reasoning_content")) ||
           has_text(delta, STR("reasoning")) ||
           has_text(delta, STR("refusal")) ||
           yyjson_arr_size(json_get(delta, STR("tool_calls"))) > 0 ||
           json_get(delta, STR("function_call")) != NULL ||
           json_get(delta, STR("audio")) != NULL;
}

enum chat_finish openai_finish(struct str name)
{
    if (name.len == 0)
        return CHAT_FINISH_UNSET;
    if (str_eq(name, STR("length")))
        return CHAT_FINISH_LENGTH;
    if (str_eq(name, STR("tool_calls")) || str_eq(name, STR("function_call")))
        return CHAT_FINISH_TOOL_CALLS;
    if (str_eq(name, STR("content_filter")))
        return CHAT_FINISH_CONTENT_FILTER;
    return CHAT_FINISH_STOP;
}

void openai_read_usage(yyjson_val *value, struct chat_usage *usage)
{
    yyjson_val *in, *out;

    if (!yyjson_is_obj(value))
        return;
    in = json_get(value, STR("prompt_tokens_details"));
    out = json_get(value, STR("completion_tokens_details"));
    *usage = (struct chat_usage){0};
    usage->is_known = true;
    usage->input = json_get_i64(value, STR("prompt_tokens"));
    usage->output = json_get_i64(value, STR("completion_tokens"));
    usage->cache_read = json_get_i64(in, STR("cached_tokens"));
    usage->cache_write = json_get_i64(in, STR("cache_write_tokens"));
    usage->has_reasoning = json_get(out, STR("reasoning_tokens")) != NULL;
    usage->reasoning = json_get_i64(out, STR("reasoning_tokens"));
}

static void read_choice(yyjson_val *choice, struct relay_facts *facts,
                        bool is_plain)
{
    enum chat_finish finish =
        openai_finish(json_get_text(choice, STR("finish_reason")));
    yyjson_val *delta = json_get(choice, STR("delta"));

    if (delta == NULL)
        delta = json_get(choice, STR("message"));
    if (is_plain ? has_text(choice, STR("text")) : shows_token(delta))
        facts->has_token = true;
    if (finish != CHAT_FINISH_UNSET)
        facts->finish = finish;
}

/* `is_plain`: of a plain completion, whose choices have their text at once. */
static bool relay_read(struct arena *arena, struct str json,
                       struct relay_facts *facts, bool is_plain)
{
    struct json_doc doc;
    struct json_error ignored;
    bool has_choices = false;
    bool is_empty = false;
    bool has_usage = false;

    facts->is_error = false;
    facts->model_at = facts->model_len = 0;
    facts->usage_at = facts->usage_len = 0;
    if (!json_read(arena, json, &doc, &ignored) || !yyjson_is_obj(doc.root))
        return false;
    facts->root = doc.root;
    json_each_member (key, value, doc.root) {
        struct str name = json_text(key);

        if (str_eq(name, STR("choices"))) {
            has_choices = yyjson_is_arr(value);
            is_empty = has_choices && yyjson_arr_size(value) == 0;
            json_each_item (choice, value) {
                read_choice(choice, facts, is_plain);
            }
        } else if (str_eq(name, STR("model"))) {
            if (yyjson_is_str(value) && facts->model_len == 0)
                json_member_place(&doc, json, key, &facts->model_at,
                                  &facts->model_len);
        } else if (str_eq(name, STR("usage"))) {
            openai_read_usage(value, &facts->usage);
            has_usage = yyjson_is_obj(value);
            if (facts->seeks_usage && facts->usage_len == 0)
                json_member_cut(&doc, json, key, &facts->usage_at,
                                &facts->usage_len);
        } else if (str_eq(name, STR("error"))) {
            facts->is_error = !yyjson_is_null(value);
        }
    }
    facts->is_usage = is_empty && has_usage;
    return has_choices || facts->is_error;
}

bool openai_relay_read(struct arena *arena, struct str json,
                       struct relay_facts *facts)
{
    return relay_read(arena, json, facts, false);
}

bool openai_relay_plain(struct arena *arena, struct str json,
                        struct relay_facts *facts)
{
    return relay_read(arena, json, facts, true);
}

/* --- what is said --------------------------------------------------------- */

static void gather_function(struct gather *gather, int64_t key,
                            yyjson_val *function, struct str arguments,
                            struct chat_call call)
{
    call.name = json_get_text(function, STR("name"));
    gather_call(gather, key, &call);
    gather_arguments(gather, key, json_get_text(function, arguments));
}

/* Pieces of a stream bear the call's number; whole ones stand in their order.
 */
static void gather_calls(struct gather *gather, yyjson_val *calls)
{
    int64_t place = 0;

    json_each_item (item, calls) {
        yyjson_val *custom = json_get(item, STR("custom"));
        struct chat_call call = {
            .id = json_get_text(item, STR("id")),
            .is_custom = custom != NULL,
        };
        int64_t key = place++;
        int64_t number;

        if (json_to_i64(json_get(item, STR("index")), &number))
            key = number;
        if (call.is_custom)
            gather_function(gather, key, custom, STR("input"), call);
        else
            gather_function(gather, key, json_get(item, STR("function")),
                            STR("arguments"), call);
    }
}

static void gather_message(struct gather *gather, yyjson_val *message)
{
    struct str thought = json_get_text(message, STR("reasoning_content"));
    yyjson_val *function = json_get(message, STR("function_call"));

    if (thought.len == 0)
        thought = json_get_text(message, STR("reasoning"));
    gather_text(gather, GATHER_REASONING, thought);
    gather_text(gather, GATHER_CONTENT, json_get_text(message, STR("content")));
    gather_text(gather, GATHER_REFUSAL, json_get_text(message, STR("refusal")));
    gather_calls(gather, json_get(message, STR("tool_calls")));
    if (function != NULL)
        gather_function(gather, 0, function, STR("arguments"),
                        (struct chat_call){0});
}

void openai_relay_gather(struct gather *gather, yyjson_val *root)
{
    json_each_item (choice, json_get(root, STR("choices"))) {
        yyjson_val *delta = json_get(choice, STR("delta"));

        if (json_get_i64(choice, STR("index")) != 0)
            continue;
        gather_begin(gather);
        gather_message(
            gather, delta != NULL ? delta : json_get(choice, STR("message")));
        gather_text(gather, GATHER_CONTENT, json_get_text(choice, STR("text")));
    }
}
