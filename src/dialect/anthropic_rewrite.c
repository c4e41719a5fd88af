/* A request of Anthropic's format for Anthropic, but for the thinking that
 * nobody signed: a local model had answered before, and Anthropic refuses what
 * it has not thought itself. */
#include "anthropic_door.h"

static bool has_unsigned(yyjson_val *content)
{
    json_each_item (block, content) {
        if (chat_is_unsigned(block))
            return true;
    }
    return false;
}

static bool has_others(yyjson_val *content)
{
    json_each_item (block, content) {
        if (!chat_is_unsigned(block))
            return true;
    }
    return false;
}

static void put_content(struct json_out *out, yyjson_val *content)
{
    json_open(out, '[');
    json_each_item (block, content) {
        if (!chat_is_unsigned(block))
            json_put_val(out, block);
    }
    json_close(out, ']');
}

static void put_message(struct json_out *out, yyjson_val *message)
{
    yyjson_val *content = json_get(message, STR("content"));

    if (!has_unsigned(content)) {
        json_put_val(out, message);
        return;
    }
    if (!has_others(content))
        return; /* a message without content would be refused as well */
    json_open(out, '{');
    json_each_member (key, value, message) {
        json_key_any(out, json_text(key));
        if (value == content)
            put_content(out, content);
        else
            json_put_val(out, value);
    }
    json_close(out, '}');
}

static void put_messages(struct json_out *out, yyjson_val *messages)
{
    json_open(out, '[');
    json_each_item (message, messages) {
        put_message(out, message);
    }
    json_close(out, ']');
}

void anthropic_rewrite(const struct chat *chat, struct str model,
                       struct buf *buf)
{
    struct json_out out = json_out_to(buf);

    json_open(&out, '{');
    json_member_str(&out, STR("model"), model);
    json_each_member (key, value, chat->doc.root) {
        struct str name = json_text(key);

        if (str_eq(name, STR("model")))
            continue;
        json_key_any(&out, name);
        if (str_eq(name, STR("messages")))
            put_messages(&out, value);
        else
            json_put_val(&out, value);
    }
    json_close(&out, '}');
}
