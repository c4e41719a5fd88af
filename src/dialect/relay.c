#include "relay.h"

#include "sse.h"

unsigned relay_request(struct arena *arena, const struct chat *chat,
                       struct str model, struct str pieces[RELAY_PIECES])
{
    struct str body = chat->body;
    struct str quoted = json_quote(arena, model);
    size_t brace = 0;

    if (chat->model_len > 0) {
        pieces[0] = str_slice(body, 0, chat->model_at);
        pieces[1] = quoted;
        pieces[2] = str_slice(body, chat->model_at + chat->model_len, body.len);
        return RELAY_PIECES;
    }
    /* the caller named none: it becomes the first member of at least one */
    (void)str_find(body, STR("{"), &brace);
    pieces[0] = str_slice(body, 0, brace + 1);
    pieces[1] = arena_printf(arena, "\"model\":%.*s,", STR_ARG(quoted));
    pieces[2] = str_slice(body, brace + 1, body.len);
    return RELAY_PIECES;
}

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

static enum chat_finish finish_from(struct str name)
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

static void read_usage(yyjson_val *value, struct chat_usage *usage)
{
    yyjson_val *in = json_get(value, STR("prompt_tokens_details"));
    yyjson_val *out = json_get(value, STR("completion_tokens_details"));

    if (!yyjson_is_obj(value))
        return;
    usage->is_known = true;
    usage->input = json_get_i64(value, STR("prompt_tokens"));
    usage->output = json_get_i64(value, STR("completion_tokens"));
    usage->cache_read = json_get_i64(in, STR("cached_tokens"));
    usage->cache_write = json_get_i64(in, STR("cache_write_tokens"));
    usage->has_reasoning = json_get(out, STR("reasoning_tokens")) != NULL;
    usage->reasoning = json_get_i64(out, STR("reasoning_tokens"));
}

static void read_choice(yyjson_val *choice, struct relay_facts *facts)
{
    enum chat_finish finish =
        finish_from(json_get_text(choice, STR("finish_reason")));
    yyjson_val *delta = json_get(choice, STR("delta"));

    if (delta == NULL)
        delta = json_get(choice, STR("message"));
    if (shows_token(delta))
        facts->has_token = true;
    if (finish != CHAT_FINISH_UNSET)
        facts->finish = finish;
}

bool relay_read(struct arena *arena, struct str json, struct relay_facts *facts)
{
    struct json_doc doc;
    struct json_error ignored;
    bool has_choices = false;

    *facts = (struct relay_facts){0};
    if (!json_read(arena, json, &doc, &ignored) || !yyjson_is_obj(doc.root))
        return false;
    facts->root = doc.root;
    json_each_member (key, value, doc.root) {
        struct str name = json_text(key);

        if (str_eq(name, STR("choices"))) {
            has_choices = yyjson_is_arr(value);
            json_each_item (choice, value) {
                read_choice(choice, facts);
            }
        } else if (str_eq(name, STR("model"))) {
            if (yyjson_is_str(value) && facts->model_len == 0)
                json_member_place(&doc, json, key, &facts->model_at,
                                  &facts->model_len);
        } else if (str_eq(name, STR("usage"))) {
            read_usage(value, &facts->usage);
        } else if (str_eq(name, STR("id"))) {
            facts->id = json_text(value);
        } else if (str_eq(name, STR("error"))) {
            facts->is_error = !yyjson_is_null(value);
        }
    }
    if (str_starts(facts->id, STR("chatcmpl-")))
        facts->id = str_slice(facts->id, 9, facts->id.len);
    return has_choices || facts->is_error;
}

unsigned relay_answer(struct arena *arena, struct str json,
                      const struct relay_facts *facts, struct str model,
                      struct str pieces[RELAY_PIECES])
{
    if (facts->model_len == 0) {
        pieces[0] = json;
        return 1;
    }
    pieces[0] = str_slice(json, 0, facts->model_at);
    pieces[1] = json_quote(arena, model);
    pieces[2] = str_slice(json, facts->model_at + facts->model_len, json.len);
    return RELAY_PIECES;
}

void relay_chunk(struct str json, const struct relay_facts *facts,
                 struct str quoted_model, struct buf *out)
{
    sse_begin(out);
    if (facts->model_len == 0) {
        sse_data(out, json);
    } else {
        sse_data(out, str_slice(json, 0, facts->model_at));
        sse_data(out, quoted_model);
        sse_data(out,
                 str_slice(json, facts->model_at + facts->model_len, json.len));
    }
    sse_end(out);
}
