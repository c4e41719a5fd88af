/* A request of any format, written for Anthropic or for vLLM. */
#include "check.h"
#include "dialect/anthropic.h"
#include "oracle.h"

static bool is(yyjson_val *object, const char *key, const char *value)
{
    return yyjson_equals_str(yyjson_obj_get(object, key), value);
}

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

static void check_request(struct str text, const struct request_style *o)
{
    yyjson_doc *doc = oracle_parse(text, false);
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

void oracle_write_anthropic(struct arena *arena, const struct chat *chat)
{
    const struct claude_models *models = oracle_models();
    struct buf out;

    buf_init(&out, OUT_MAX);
    for (unsigned i = 0; i <= models->count; i += 3) {
        struct request_style options = {
            .model = STR("upstream"),
            .traits = i < models->count ? &models->models[i] : &claude_unknown,
            .default_max_tokens = 8192,
            .shows_reasoning = true,
            .caches_prompt = i % 2 == 0,
            .is_2026_10_21 = i % 4 < 2,
        };
        struct request_notes notes;
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

/* Chat templates are strict: one system message, in front. */
static void check_chat(struct str text)
{
    yyjson_doc *doc = oracle_parse(text, false);
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t i, max;
    yyjson_val *message;

    check(is(root, "model", "upstream"));
    check(yyjson_obj_get(root, "tools") == NULL ||
          yyjson_arr_size(yyjson_obj_get(root, "tools")) > 0);
    yyjson_arr_foreach(yyjson_obj_get(root, "messages"), i, max, message)
    {
        bool is_tool = is(message, "role", "tool");

        check(i == 0 || !is(message, "role", "system"));
        check(is_tool == (yyjson_obj_get(message, "tool_call_id") != NULL));
        if (is_tool)
            check(yyjson_is_str(yyjson_obj_get(message, "content")));
    }
    yyjson_doc_free(doc);
}

void oracle_write_chat(struct arena *arena, const struct chat *chat)
{
    struct request_style style = {
        .model = STR("upstream"),
        .traits = &claude_unknown,
        .default_max_tokens = 8192,
        .shows_reasoning = true,
    };
    struct request_notes notes;
    struct chat_error error = {.error = OK};
    struct buf out;

    buf_init(&out, OUT_MAX);
    if (format_chat.write_request(arena, chat, &style, &out, &notes, &error))
        check_chat(buf_str(&out));
    else
        check(chat_error_status(&error) == 400);
    buf_fini(&out);
}
