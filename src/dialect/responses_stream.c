/* OpenAI Responses: streamed answers.
 *
 *   response.created, response.in_progress
 *     response.output_item.added
 *       the item's parts and deltas, each closed by its own …done
 *     response.output_item.done        …
 *   response.completed | response.incomplete | response.failed
 *
 * One item is open at a time; it closes when something else begins.  What is
 * done is kept, since the last event tells everything once more. */
#include "responses_private.h"

/* The text of one item, and of all of them. */
static const size_t text_max = 16 * 1024 * 1024;
static const size_t output_max = 64 * 1024 * 1024;
enum { NAME_MAX_BYTES = 64 * 1024 };

struct responses_stream {
    struct answer_style style;
    uint64_t sequence;
    struct buf id;     /* the response's, without a prefix */
    struct buf output; /* the items that are done */
    struct buf result; /* the last event's object */
    bool has_started;
    bool has_ended;

    bool has_item;              /* one is open */
    struct responses_item item; /* that one; the next one's index */
    bool has_part;              /* of a REASONING: its summary has begun */
    struct buf text;            /* of the open item */
    struct buf delta; /* of its deltas: all that stands before their text */
    size_t number_at; /* in `delta`: where the sequence number belongs */
    struct buf call_id, call_name;
};

struct responses_stream *responses_stream_open(struct arena *arena,
                                               const struct answer_style *style)
{
    struct responses_stream *s = ARENA_NEW(arena, struct responses_stream);

    s->style = *style;
    buf_init(&s->id, NAME_MAX_BYTES);
    buf_init(&s->output, output_max);
    buf_init(&s->result, SIZE_MAX / 2);
    buf_init(&s->text, text_max);
    buf_init(&s->delta, NAME_MAX_BYTES);
    buf_init(&s->call_id, NAME_MAX_BYTES);
    buf_init(&s->call_name, NAME_MAX_BYTES);
    return s;
}

void responses_stream_close(struct responses_stream *s)
{
    buf_fini(&s->id);
    buf_fini(&s->output);
    buf_fini(&s->result);
    buf_fini(&s->text);
    buf_fini(&s->delta);
    buf_fini(&s->call_id);
    buf_fini(&s->call_name);
}

struct str responses_stream_result(const struct responses_stream *s)
{
    return buf_str(&s->result);
}

/* --- frames ------------------------------------------------------------- */

/* Begins an event, up to its number. */
static struct json_out event_begin(const char *type, struct buf *buf)
{
    struct json_out out = json_out_to(buf);

    buf_put(buf, STR("event: response."));
    buf_put(buf, str_of(type));
    buf_put(buf, STR("\ndata: "));
    json_open(&out, '{');
    json_key(&out, STR("type"));
    json_put_raw(&out, STR("\"response."));
    buf_put(buf, str_of(type));
    buf_put_char(buf, '"');
    json_key(&out, STR("sequence_number"));
    return out;
}

/* Begins an event; its members follow. */
static struct json_out event_open(struct responses_stream *s, const char *type,
                                  struct buf *buf)
{
    struct json_out out = event_begin(type, buf);

    json_put_u64(&out, s->sequence++);
    return out;
}

static void event_close(struct json_out *out)
{
    json_close(out, '}');
    buf_put(out->buf, STR("\n\n"));
}

/* Which item an event is of: `list` is content_index or summary_index, or
 * empty where there is none. */
static void put_item_place(struct responses_stream *s, struct str list,
                           struct json_out *out)
{
    responses_put_item_id(out, STR("item_id"), &s->item);
    json_member_i64(out, STR("output_index"), s->item.index);
    if (list.len > 0)
        json_member_i64(out, list, 0);
}

/* Begins an event of the open item. */
static struct json_out item_event_open(struct responses_stream *s,
                                       const char *type, struct str list,
                                       struct buf *buf)
{
    struct json_out out = event_open(s, type, buf);

    put_item_place(s, list, &out);
    return out;
}

/* What the events of an item of this kind are called. */
static const struct kind {
    const char *added, *delta, *done, *part_done;
    struct str list;
    struct str whole; /* the member of `done` that tells the whole */
} kinds[] = {
    [RESPONSES_MESSAGE] = {"content_part.added", "output_text.delta",
                           "output_text.done", "content_part.done",
                           STR_INIT("content_index"), STR_INIT("text")},
    [RESPONSES_REFUSAL] = {"content_part.added", "refusal.delta",
                           "refusal.done", "content_part.done",
                           STR_INIT("content_index"), STR_INIT("refusal")},
    [RESPONSES_REASONING] = {"reasoning_summary_part.added",
                             "reasoning_summary_text.delta",
                             "reasoning_summary_text.done",
                             "reasoning_summary_part.done",
                             STR_INIT("summary_index"), STR_INIT("text")},
    [RESPONSES_CALL] = {NULL,
                        "function_call_arguments.delta",
                        "function_call_arguments.done",
                        NULL,
                        {NULL, 0},
                        STR_INIT("arguments")},
};
static const struct kind custom_call = {NULL,
                                        "custom_tool_call_input.delta",
                                        "custom_tool_call_input.done",
                                        NULL,
                                        {NULL, 0},
                                        STR_INIT("input")};

/* Has no events of its own. */
static const struct kind search_call = {.delta = NULL};

static const struct kind *kind_of(const struct responses_item *item)
{
    if (item->kind == RESPONSES_CALL && responses_is_search(&item->call))
        return &search_call;
    return item->kind == RESPONSES_CALL && item->call.is_custom
               ? &custom_call
               : &kinds[item->kind];
}

static void put_logprobs(const struct responses_stream *s, struct json_out *out)
{
    if (s->item.kind != RESPONSES_MESSAGE)
        return;
    json_key(out, STR("logprobs"));
    json_put_raw(out, STR("[]"));
}

/* --- the open item ------------------------------------------------------ */

static void item_event(struct responses_stream *s, const char *type,
                       struct buf *buf)
{
    struct json_out out = event_open(s, type, buf);

    json_member_i64(&out, STR("output_index"), s->item.index);
    json_key(&out, STR("item"));
    responses_put_item(&out, &s->item);
    event_close(&out);
}

static void part_event(struct responses_stream *s, const char *type,
                       struct buf *buf)
{
    struct json_out out =
        item_event_open(s, type, kind_of(&s->item)->list, buf);

    json_key(&out, STR("part"));
    responses_put_text_part(&out, &s->item);
    event_close(&out);
}

/* Deltas are many, and differ in their number and text alone. */
static void prepare_deltas(struct responses_stream *s)
{
    const struct kind *kind = kind_of(&s->item);
    struct json_out out;

    buf_clear(&s->delta);
    out = event_begin(kind->delta, &s->delta);
    s->number_at = s->delta.len;
    out.comma = true;
    put_item_place(s, kind->list, &out);
    json_key(&out, STR("delta"));
}

static void part_begin(struct responses_stream *s, struct buf *buf)
{
    s->has_part = true;
    prepare_deltas(s);
    if (kind_of(&s->item)->added != NULL)
        part_event(s, kind_of(&s->item)->added, buf);
}

static void item_begin(struct responses_stream *s, enum responses_kind kind,
                       struct chat_call call, struct buf *buf)
{
    s->has_item = true;
    s->has_part = false;
    s->item = (struct responses_item){.kind = kind,
                                      .id = buf_str(&s->id),
                                      .index = s->item.index,
                                      .is_open = true,
                                      .call = call};
    buf_clear(&s->text);
    item_event(s, "output_item.added", buf);
    /* thinking may turn out to have no text */
    if (kind != RESPONSES_REASONING)
        part_begin(s, buf);
}

static void item_delta(struct responses_stream *s, struct str text,
                       struct buf *buf)
{
    struct json_out out = json_out_to(buf);
    struct str frame;

    if (text.len == 0)
        return;
    buf_put(&s->text, text);
    if (kind_of(&s->item)->delta == NULL)
        return;
    if (!s->has_part)
        part_begin(s, buf);
    frame = buf_str(&s->delta);
    buf_put(buf, str_slice(frame, 0, s->number_at));
    buf_put_u64(buf, s->sequence++);
    buf_put(buf, str_slice(frame, s->number_at, frame.len));
    json_put_str(&out, text);
    put_logprobs(s, &out);
    event_close(&out);
}

static void part_end(struct responses_stream *s, struct buf *buf)
{
    const struct kind *kind = kind_of(&s->item);
    struct json_out out = item_event_open(s, kind->done, kind->list, buf);
    struct str space;

    if (kind == &kinds[RESPONSES_CALL])
        json_member_str(&out, STR("name"),
                        responses_inner_name(s->item.call.name, &space));
    json_member_str(&out, kind->whole, s->item.text);
    put_logprobs(s, &out);
    event_close(&out);
    if (kind->part_done != NULL)
        part_event(s, kind->part_done, buf);
}

/* `block` is what was thought, when that can be sealed. */
static void item_end(struct responses_stream *s, const struct chat_block *block,
                     bool is_cut, struct buf *buf)
{
    struct json_out kept = json_out_to(&s->output);

    if (!s->has_item)
        return;
    if (s->item.kind == RESPONSES_CALL && s->text.len == 0)
        item_delta(s, responses_arguments(&s->item.call), buf);
    s->item.is_open = false;
    s->item.is_cut = is_cut;
    s->item.text = buf_str(&s->text);
    s->item.call.arguments = buf_str(&s->text);
    if (s->style.wants_encrypted)
        s->item.block = block;
    if (s->has_part && kind_of(&s->item)->done != NULL)
        part_end(s, buf);
    item_event(s, "output_item.done", buf);
    kept.comma = s->output.len > 0;
    responses_put_item(&kept, &s->item);
    s->has_item = false;
    s->item.index++;
}

/* Makes an item of this kind the open one. */
static void item_need(struct responses_stream *s, enum responses_kind kind,
                      struct buf *buf)
{
    if (s->has_item && s->item.kind == kind)
        return;
    item_end(s, NULL, false, buf);
    item_begin(s, kind, (struct chat_call){.is_custom = false}, buf);
}

/* --- the whole ---------------------------------------------------------- */

static void tell_response(struct responses_stream *s, const char *type,
                          struct str object, struct buf *buf)
{
    struct json_out out = event_open(s, type, buf);

    json_key(&out, STR("response"));
    json_put_raw(&out, object);
    event_close(&out);
}

static void start(struct responses_stream *s, struct str id, struct buf *buf)
{
    struct responses_object object = {.status = STR("in_progress")};
    struct json_out out = json_out_to(&s->result);

    if (s->has_started)
        return;
    s->has_started = true;
    buf_put(&s->id, id);
    object.id = buf_str(&s->id);
    responses_put_object(&out, &s->style, &object);
    tell_response(s, "created", buf_str(&s->result), buf);
    tell_response(s, "in_progress", buf_str(&s->result), buf);
    buf_fini(&s->result); /* a stream is long */
}

static const struct chat_error too_large = {.error = ERR_ANSWER_TOO_LARGE};

static void write_failure(struct responses_stream *s,
                          const struct chat_error *error, struct buf *buf)
{
    struct responses_object object = {
        .id = buf_str(&s->id), .status = STR("failed"), .error = error};
    struct json_out out = event_open(s, "failed", buf);

    buf_clear(&s->result);
    json_key(&out, STR("response"));
    responses_put_object(&out, &s->style, &object);
    event_close(&out);
    s->has_ended = true;
}

static bool is_too_large(const struct responses_stream *s)
{
    return buf_failed(&s->text) || buf_failed(&s->output) ||
           buf_failed(&s->call_id) || buf_failed(&s->call_name) ||
           buf_failed(&s->result);
}

static void write_end(struct responses_stream *s,
                      const struct chat_event *event, struct buf *buf)
{
    struct responses_object object = {.id = buf_str(&s->id),
                                      .status = responses_status(event->finish),
                                      .finish = event->finish,
                                      .usage = &event->usage};
    bool is_cut = str_eq(object.status, STR("incomplete"));
    struct json_out out = json_out_to(&s->result);

    item_end(s, NULL, is_cut && event->refusal.len == 0, buf);
    if (event->refusal.len > 0) {
        item_need(s, RESPONSES_REFUSAL, buf);
        item_delta(s, event->refusal, buf);
        item_end(s, NULL, is_cut, buf);
    }
    object.output = buf_str(&s->output);
    responses_put_object(&out, &s->style, &object);
    if (is_too_large(s)) {
        write_failure(s, &too_large, buf);
        return;
    }
    tell_response(s, is_cut ? "incomplete" : "completed", buf_str(&s->result),
                  buf);
    s->has_ended = true;
}

static void write_block(struct responses_stream *s,
                        const struct chat_block *block, struct buf *buf)
{
    item_need(s, RESPONSES_REASONING, buf);
    if (s->style.shows_reasoning && s->text.len == 0 &&
        block->kind == CHAT_BLOCK_THINKING)
        item_delta(s, block->text, buf);
    item_end(s, block, false, buf);
}

static void write_call(struct responses_stream *s, const struct chat_call *call,
                       struct buf *buf)
{
    struct chat_call kept = *call;

    item_end(s, NULL, false, buf);
    buf_clear(&s->call_id);
    buf_clear(&s->call_name);
    buf_put(&s->call_id, call->id);
    buf_put(&s->call_name, call->name);
    kept.id = buf_str(&s->call_id);
    kept.name = buf_str(&s->call_name);
    item_begin(s, RESPONSES_CALL, kept, buf);
}

void responses_write_event(struct responses_stream *s,
                           const struct chat_event *event, struct buf *buf)
{
    if (s->has_ended)
        return;
    start(s, event->kind == CHAT_EVENT_START ? event->id : STR(""), buf);
    switch (event->kind) {
    case CHAT_EVENT_START:
        break;
    case CHAT_EVENT_TEXT:
        item_need(s, RESPONSES_MESSAGE, buf);
        item_delta(s, event->text, buf);
        break;
    case CHAT_EVENT_THINKING:
        item_need(s, RESPONSES_REASONING, buf);
        if (s->style.shows_reasoning)
            item_delta(s, event->text, buf);
        break;
    case CHAT_EVENT_BLOCK:
        write_block(s, &event->block, buf);
        break;
    case CHAT_EVENT_CALL:
        write_call(s, &event->call, buf);
        break;
    case CHAT_EVENT_ARGUMENTS:
        if (s->has_item && s->item.kind == RESPONSES_CALL)
            item_delta(s, event->text, buf);
        break;
    case CHAT_EVENT_END:
        write_end(s, event, buf);
        break;
    case CHAT_EVENT_ERROR:
        write_failure(s, &event->error, buf);
        break;
    }
    if (!s->has_ended && is_too_large(s))
        write_failure(s, &too_large, buf);
}
