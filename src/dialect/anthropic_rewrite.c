/* A request of Anthropic's format for Anthropic, but for what would be
 * refused there: thinking that nobody signed, when a local model had answered
 * before; and system messages among the others, which only some models take:
 * these the user says, marked as not his own words. */
#include "anthropic_door.h"

static bool takes_mid_system(const struct claude_model *traits)
{
    return traits != NULL && traits->takes_mid_system;
}

bool anthropic_must_rewrite(const struct chat *chat,
                            const struct claude_model *traits)
{
    return chat->has_unsigned_thinking ||
           (chat->has_mid_system && !takes_mid_system(traits));
}

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

/* As Claude Code marks it for such models, and they know it. */
static void put_marked(struct json_out *out, struct str text)
{
    json_put_raw(out, STR("\"<system-reminder>\\n"));
    json_escape(out->buf, text);
    buf_put(out->buf, STR("\\n</system-reminder>\""));
}

static void put_marked_block(struct json_out *out, yyjson_val *block)
{
    yyjson_val *text = json_get(block, STR("text"));

    if (!yyjson_is_str(text)) {
        json_put_val(out, block);
        return;
    }
    json_open(out, '{');
    json_each_member (key, value, block) {
        json_key_any(out, json_text(key));
        if (value == text)
            put_marked(out, json_text(text));
        else
            json_put_val(out, value);
    }
    json_close(out, '}');
}

static void put_reminder(struct json_out *out, yyjson_val *content)
{
    if (yyjson_is_str(content)) {
        put_marked(out, json_text(content));
        return;
    }
    json_open(out, '[');
    json_each_item (block, content) {
        put_marked_block(out, block);
    }
    json_close(out, ']');
}

static void put_message(struct json_out *out, yyjson_val *message,
                        bool has_system)
{
    yyjson_val *role = json_get(message, STR("role"));
    yyjson_val *content = json_get(message, STR("content"));
    bool moves = !has_system && str_eq(json_text(role), STR("system"));
    bool is_unsigned = has_unsigned(content);

    if (!moves && !is_unsigned) {
        json_put_val(out, message);
        return;
    }
    if (is_unsigned && !has_others(content))
        return; /* a message without content would be refused as well */
    json_open(out, '{');
    json_each_member (key, value, message) {
        json_key_any(out, json_text(key));
        if (moves && value == role)
            json_put_str(out, STR("user"));
        else if (moves && value == content)
            put_reminder(out, content);
        else if (is_unsigned && value == content)
            put_content(out, content);
        else
            json_put_val(out, value);
    }
    json_close(out, '}');
}

static void put_messages(struct json_out *out, yyjson_val *messages,
                         bool has_system)
{
    json_open(out, '[');
    json_each_item (message, messages) {
        put_message(out, message, has_system);
    }
    json_close(out, ']');
}

void anthropic_rewrite(const struct chat *chat,
                       const struct request_style *style, struct buf *buf)
{
    struct json_out out = json_out_from(buf, &chat->doc);

    json_open(&out, '{');
    json_member_str(&out, STR("model"), style->model);
    json_each_member (key, value, chat->doc.root) {
        struct str name = json_text(key);

        if (str_eq(name, STR("model")))
            continue;
        json_key_any(&out, name);
        if (str_eq(name, STR("messages")))
            put_messages(&out, value, takes_mid_system(style->traits));
        else
            json_put_val(&out, value);
    }
    json_close(&out, '}');
}
