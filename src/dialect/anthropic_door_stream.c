/* Anthropic Messages at the door: streamed answers out.
 *
 *   message_start
 *     content_block_start  content_block_delta …  content_block_stop   …
 *   message_delta
 *   message_stop
 *
 * One block is open at a time, and no index comes twice. */
#include "anthropic_door.h"

/* Longer than the beginning of any frame. */
static const size_t prefix_max = 1024;
/* More white space than that is worth a block. */
enum { PENDING_MAX = 64 * 1024 };
/* A fragment of a custom tool's input on its way to a string in a string. */
static const size_t quoted_max = 64 * 1024 * 1024;
enum { ID_MAX = 128 };

enum open_block { OPEN_NONE, OPEN_TEXT, OPEN_THINKING, OPEN_CALL };

struct stream {
    struct answer_style style;
    char id[ID_MAX];
    size_t id_len;
    bool has_started, has_ended;
    bool has_calls;
    enum open_block open;
    bool is_custom;     /* the open call: its input is {"input":"…"} */
    int64_t index;      /* of the open block, or of the next one */
    struct buf prefix;  /* of every delta of the open block, up to its text */
    struct buf pending; /* white space that may begin a text */
    struct buf quoted;
};

void *anthropic_writer_open(struct arena *arena,
                            const struct answer_style *style)
{
    struct stream *s = ARENA_NEW(arena, struct stream);

    s->style = *style;
    buf_init(&s->prefix, prefix_max);
    buf_init(&s->pending, PENDING_MAX);
    buf_init(&s->quoted, quoted_max);
    return s;
}

void anthropic_writer_close(void *writer)
{
    struct stream *s = writer;

    buf_fini(&s->prefix);
    buf_fini(&s->pending);
    buf_fini(&s->quoted);
}

/* --- frames ------------------------------------------------------------- */

/* `event: …` and the object up to its type; its other members follow. */
static struct json_out frame_open(struct buf *buf, struct str type)
{
    struct json_out out = json_out_to(buf);

    buf_put(buf, STR("event: "));
    buf_put(buf, type);
    buf_put(buf, STR("\ndata: "));
    json_open(&out, '{');
    json_member_str(&out, STR("type"), type);
    return out;
}

static void frame_close(struct json_out *out)
{
    json_close(out, '}');
    buf_put(out->buf, STR("\n\n"));
}

/* `"index":N`, and the key of what the block begins with. */
static struct json_out block_open(struct stream *s, struct buf *buf)
{
    struct json_out out = frame_open(buf, STR("content_block_start"));

    json_member_i64(&out, STR("index"), s->index);
    json_key(&out, STR("content_block"));
    return out;
}

/* The beginning of all deltas of a block: `type` and `key` as in
 * {"type":"text_delta","text":…}. */
static void make_prefix(struct stream *s, struct str type, struct str key)
{
    struct json_out out;

    buf_clear(&s->prefix);
    out = frame_open(&s->prefix, STR("content_block_delta"));
    json_member_i64(&out, STR("index"), s->index);
    json_key(&out, STR("delta"));
    json_open(&out, '{');
    json_member_str(&out, STR("type"), type);
    json_key(&out, key);
    buf_put_char(&s->prefix, '"');
}

static void delta_open(struct stream *s, struct buf *buf)
{
    buf_put(buf, buf_str(&s->prefix));
}

static void delta_close(struct buf *buf)
{
    buf_put(buf, STR("\"}}\n\n"));
}

static void put_delta(struct stream *s, struct str text, struct buf *buf)
{
    if (text.len == 0)
        return;
    delta_open(s, buf);
    json_escape(buf, text);
    delta_close(buf);
}

static void put_signature(struct stream *s, struct str signature,
                          struct buf *buf)
{
    make_prefix(s, STR("signature_delta"), STR("signature"));
    put_delta(s, signature.len > 0 ? signature : CHAT_UNSIGNED, buf);
}

/* Ends the block that stands at the index. */
static void block_stop(struct stream *s, struct buf *buf)
{
    struct json_out out = frame_open(buf, STR("content_block_stop"));

    json_member_i64(&out, STR("index"), s->index++);
    frame_close(&out);
    s->open = OPEN_NONE;
}

static void close_open(struct stream *s, struct buf *buf)
{
    if (s->open == OPEN_NONE)
        return;
    if (s->open == OPEN_THINKING)
        put_signature(s, CHAT_UNSIGNED, buf);
    if (s->open == OPEN_CALL && s->is_custom)
        put_delta(s, STR("\"}"), buf);
    block_stop(s, buf);
}

/* Makes room for another block; blank text before it is nothing. */
static void make_way(struct stream *s, struct buf *buf)
{
    close_open(s, buf);
    buf_clear(&s->pending);
}

/* --- events ------------------------------------------------------------- */

static void start(struct stream *s, const struct chat_event *event,
                  struct buf *buf)
{
    static const struct chat_usage none = {0};
    struct chat_usage usage = event == NULL ? none : event->usage;
    struct str id = event == NULL ? STR("") : str_clip(event->id, ID_MAX);
    struct json_out out;

    if (s->has_started)
        return;
    s->has_started = true;
    if (id.len > 0)
        memcpy(s->id, id.ptr, id.len);
    s->id_len = id.len;
    /* nothing has been said yet */
    usage.output = 0;
    usage.has_reasoning = false;
    out = frame_open(buf, STR("message_start"));
    json_key(&out, STR("message"));
    json_open(&out, '{');
    anthropic_put_head(&out, id, s->style.model);
    json_key(&out, STR("content"));
    json_put_raw(&out, STR("[]"));
    json_key(&out, STR("stop_reason"));
    json_put_null(&out);
    json_key(&out, STR("stop_sequence"));
    json_put_null(&out);
    json_key(&out, STR("stop_details"));
    json_put_null(&out);
    anthropic_put_tail(&out);
    anthropic_put_usage(&out, &usage);
    json_close(&out, '}');
    frame_close(&out);
}

static void open_text(struct stream *s, struct buf *buf)
{
    struct json_out out;

    close_open(s, buf);
    out = block_open(s, buf);
    json_put_raw(&out, STR("{\"type\":\"text\",\"text\":\"\","
                           "\"citations\":null}"));
    frame_close(&out);
    make_prefix(s, STR("text_delta"), STR("text"));
    s->open = OPEN_TEXT;
}

/* White space alone begins no block: some models put it between their thoughts
 * and their calls. */
static void write_text(struct stream *s, struct str text, struct buf *buf)
{
    if (s->open == OPEN_TEXT) {
        put_delta(s, text, buf);
        return;
    }
    if (str_is_blank(text) && s->pending.len + text.len <= PENDING_MAX) {
        buf_put(&s->pending, text);
        return;
    }
    open_text(s, buf);
    delta_open(s, buf);
    json_escape(buf, buf_str(&s->pending));
    json_escape(buf, text);
    delta_close(buf);
    buf_clear(&s->pending);
}

static void open_thinking(struct stream *s, struct buf *buf)
{
    struct json_out out;

    make_way(s, buf);
    out = block_open(s, buf);
    json_put_raw(&out, STR("{\"type\":\"thinking\",\"thinking\":\"\","
                           "\"signature\":\"\"}"));
    frame_close(&out);
    make_prefix(s, STR("thinking_delta"), STR("thinking"));
    s->open = OPEN_THINKING;
}

static void write_thinking(struct stream *s, struct str text, struct buf *buf)
{
    if (!s->style.shows_reasoning)
        return; /* unless it turns out to be signed: see write_block() */
    if (s->open != OPEN_THINKING)
        open_thinking(s, buf);
    put_delta(s, text, buf);
}

static void write_redacted(struct stream *s, const struct chat_block *block,
                           struct buf *buf)
{
    struct json_out out;

    make_way(s, buf);
    out = block_open(s, buf);
    anthropic_put_thinking(&out, block);
    frame_close(&out);
    block_stop(s, buf);
}

static void write_block(struct stream *s, const struct chat_block *block,
                        struct buf *buf)
{
    if (block->kind == CHAT_BLOCK_REDACTED) {
        write_redacted(s, block, buf);
        return;
    }
    if (s->open != OPEN_THINKING) {
        if (!anthropic_shows(&s->style, block))
            return;
        open_thinking(s, buf);
        put_delta(s, block->text, buf);
    }
    put_signature(s, block->signature, buf);
    block_stop(s, buf);
}

static void write_call(struct stream *s, const struct chat_event *event,
                       struct buf *buf)
{
    struct json_out out;

    make_way(s, buf);
    s->has_calls = true;
    s->is_custom = event->call.is_custom;
    out = block_open(s, buf);
    json_open(&out, '{');
    anthropic_put_call_head(&out, &event->call, (struct str){s->id, s->id_len},
                            event->index);
    json_key(&out, STR("input"));
    json_put_raw(&out, STR("{}"));
    json_key(&out, STR("caller"));
    json_put_raw(&out, STR("{\"type\":\"direct\"}"));
    json_close(&out, '}');
    frame_close(&out);
    make_prefix(s, STR("input_json_delta"), STR("partial_json"));
    s->open = OPEN_CALL;
    if (s->is_custom)
        put_delta(s, STR("{\"input\":\""), buf);
}

/* Fragments may be cut anywhere: they go on as they are, and a custom tool's
 * become the inside of a string. */
static void write_arguments(struct stream *s, struct str text, struct buf *buf)
{
    if (s->open != OPEN_CALL)
        return;
    if (s->is_custom) {
        buf_clear(&s->quoted);
        json_escape(&s->quoted, text);
        text = buf_str(&s->quoted);
    }
    put_delta(s, text, buf);
}

static void write_end(struct stream *s, const struct chat_event *event,
                      struct buf *buf)
{
    struct json_out out;

    make_way(s, buf);
    out = frame_open(buf, STR("message_delta"));
    json_key(&out, STR("delta"));
    json_open(&out, '{');
    anthropic_put_stop(&out, event->finish, s->has_calls, event->stop_sequence,
                       event->refusal);
    json_key(&out, STR("container"));
    json_put_null(&out);
    json_close(&out, '}');
    json_key(&out, STR("usage"));
    json_open(&out, '{');
    anthropic_put_counts(&out, &event->usage);
    json_close(&out, '}');
    frame_close(&out);
    out = frame_open(buf, STR("message_stop"));
    frame_close(&out);
    s->has_ended = true;
}

void anthropic_write_event(void *writer, const struct chat_event *event,
                           struct buf *buf)
{
    struct stream *s = writer;

    if (s->has_ended)
        return;
    if (event->kind == CHAT_EVENT_ERROR) {
        anthropic_write_stream_error(&event->error, buf);
        s->has_ended = true;
        return;
    }
    start(s, event->kind == CHAT_EVENT_START ? event : NULL, buf);
    switch (event->kind) {
    case CHAT_EVENT_TEXT:
        write_text(s, event->text, buf);
        break;
    case CHAT_EVENT_THINKING:
        write_thinking(s, event->text, buf);
        break;
    case CHAT_EVENT_BLOCK:
        write_block(s, &event->block, buf);
        break;
    case CHAT_EVENT_CALL:
        write_call(s, event, buf);
        break;
    case CHAT_EVENT_ARGUMENTS:
        write_arguments(s, event->text, buf);
        break;
    case CHAT_EVENT_END:
        write_end(s, event, buf);
        break;
    case CHAT_EVENT_START:
    case CHAT_EVENT_ERROR:
        break;
    }
}
