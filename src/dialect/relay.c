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

void relay_chunk(struct str event, struct str json,
                 const struct relay_facts *facts, struct str quoted_model,
                 struct buf *out)
{
    if (event.len > 0) {
        buf_put(out, STR("event: "));
        buf_put(out, event);
        buf_put_char(out, '\n');
    }
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
