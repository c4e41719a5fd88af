#include "relay.h"

#include "sse.h"

/* --- a text with some places replaced ----------------------------------- */

/* What stands at a place of a text instead of `len` bytes. */
struct edit {
    size_t at, len;
    struct str text;
};

/* Takes the edits in the order of their places; they do not overlap. */
static unsigned cut_up(struct str text, struct edit *edits, unsigned count,
                       struct str pieces[RELAY_PIECES])
{
    unsigned n = 0;
    size_t from = 0;

    if (count == RELAY_EDITS && edits[0].at > edits[1].at) {
        struct edit first = edits[1];

        edits[1] = edits[0];
        edits[0] = first;
    }
    for (unsigned i = 0; i < count; i++) {
        if (edits[i].at > from)
            pieces[n++] = str_slice(text, from, edits[i].at);
        if (edits[i].text.len > 0)
            pieces[n++] = edits[i].text;
        from = edits[i].at + edits[i].len;
    }
    pieces[n++] = str_slice(text, from, text.len);
    return n;
}

/* --- requests ----------------------------------------------------------- */

/* Behind the first brace: what is put there becomes the first member of at
 * least one. */
static size_t first_member(struct str body)
{
    size_t brace = 0;

    (void)str_find(body, STR("{"), &brace);
    return brace + 1;
}

static struct edit name_model(struct arena *arena, const struct chat *chat,
                              struct str model)
{
    struct str quoted = json_quote(arena, model);

    if (chat->model_len > 0)
        return (struct edit){chat->model_at, chat->model_len, quoted};
    return (struct edit){
        first_member(chat->body), 0,
        arena_printf(arena, "\"model\":%.*s,", STR_ARG(quoted))};
}

#define ASKS_USAGE "\"include_usage\":true"

static struct edit ask_usage(const struct chat *chat)
{
    size_t inside = chat->options_at + 1;

    if (chat->options_at == 0)
        return (struct edit){first_member(chat->body), 0,
                             STR("\"stream_options\":{" ASKS_USAGE "},")};
    if (chat->options_len > 0) /* null */
        return (struct edit){chat->options_at, chat->options_len,
                             STR("{" ASKS_USAGE "}")};
    if (chat->usage_len > 0) /* false or null */
        return (struct edit){chat->usage_at, chat->usage_len, STR("true")};
    return (struct edit){inside, 0,
                         chat->has_stream_options ? STR(ASKS_USAGE ",")
                                                  : STR(ASKS_USAGE)};
}

unsigned relay_request(struct arena *arena, const struct chat *chat,
                       struct str model, bool asks_usage,
                       struct str pieces[RELAY_PIECES])
{
    struct edit edits[RELAY_EDITS] = {name_model(arena, chat, model)};

    if (!asks_usage || chat->include_usage)
        return cut_up(chat->body, edits, 1, pieces);
    edits[1] = ask_usage(chat);
    return cut_up(chat->body, edits, 2, pieces);
}

/* --- answers ------------------------------------------------------------ */

static unsigned cut_answer(struct str json, const struct relay_facts *facts,
                           struct str quoted_model,
                           struct str pieces[RELAY_PIECES])
{
    struct edit edits[RELAY_EDITS];
    unsigned n = 0;

    if (facts->model_len > 0)
        edits[n++] =
            (struct edit){facts->model_at, facts->model_len, quoted_model};
    if (facts->usage_len > 0)
        edits[n++] = (struct edit){facts->usage_at, facts->usage_len, STR("")};
    return cut_up(json, edits, n, pieces);
}

unsigned relay_answer(struct arena *arena, struct str json,
                      const struct relay_facts *facts, struct str model,
                      struct str pieces[RELAY_PIECES])
{
    return cut_answer(json, facts, json_quote(arena, model), pieces);
}

/* Nearly all chunks are like this: nothing is cut up for them. */
static void put_renamed(struct str json, const struct relay_facts *facts,
                        struct str quoted_model, struct buf *out)
{
    size_t end = facts->model_at + facts->model_len;

    if (facts->model_len > 0) {
        sse_data(out, str_slice(json, 0, facts->model_at));
        sse_data(out, quoted_model);
    }
    sse_data(out, str_slice(json, end, json.len));
}

static void put_cut_up(struct str json, const struct relay_facts *facts,
                       struct str quoted_model, struct buf *out)
{
    struct str pieces[RELAY_PIECES];
    unsigned n = cut_answer(json, facts, quoted_model, pieces);

    for (unsigned i = 0; i < n; i++)
        sse_data(out, pieces[i]);
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
    if (facts->usage_len > 0)
        put_cut_up(json, facts, quoted_model, out);
    else
        put_renamed(json, facts, quoted_model, out);
    sse_end(out);
}
