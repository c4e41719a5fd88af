#include "dialect/openai.h"
#include "json.h"
#include "pages.h"
#include "reply/failure.h"

static void refuse(struct reply *reply, struct arena *arena, struct str id)
{
    struct str shown = str_clip(id, 80);
    struct chat_error error;

    (void)chat_refuse(&error, arena, ERR_NO_SUCH_RESPONSE, STR("response_id"),
                      "No response with the id \"%.*s\" is stored (any more).",
                      STR_ARG(shown));
    error.status = 404;
    error.code = STR("not_found");
    failure_reply(reply, &format_chat, STR(""), &error);
}

void page_response(struct reply *reply, struct arena *arena,
                   struct store *store, const struct store_limits *limits,
                   struct str owner, struct str id, uint64_t now_ms)
{
    struct store_entry *entry = store_take(
        store, store_key(arena, "response", owner, id), now_ms, limits);

    if (entry == NULL) {
        refuse(reply, arena, id);
        return;
    }
    reply_whole(reply, 200, STR("application/json"), &entry->texts[1], 1);
    store_unref(entry);
}

void page_forget_response(struct reply *reply, struct arena *arena,
                          struct store *store, struct str owner, struct str id)
{
    struct buf body;
    struct json_out out = json_out_to(&body);
    struct str piece;

    if (!store_remove(store, store_key(arena, "response", owner, id))) {
        refuse(reply, arena, id);
        return;
    }
    buf_init(&body, 4096);
    json_open(&out, '{');
    json_member_str(&out, STR("id"), str_clip(id, 256));
    json_member_str(&out, STR("object"), STR("response"));
    json_key(&out, STR("deleted"));
    json_put_bool(&out, true);
    json_close(&out, '}');
    piece = buf_str(&body);
    reply_whole(reply, 200, STR("application/json"), &piece, 1);
    buf_fini(&body);
}
