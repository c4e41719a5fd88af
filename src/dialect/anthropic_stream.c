/* Anthropic Messages: streamed answers in.
 *
 *   message_start
 *     content_block_start  content_block_delta …  content_block_stop   …
 *   message_delta (may come again; its usage is cumulative)
 *   message_stop
 *
 * Blocks come one after the other.  ping, and events, blocks and deltas of
 * kinds that are not known, mean nothing. */
#include "anthropic_reply.h"

/* Gathered text of one block: what a model thinks, or a tool's whole input. */
static const size_t text_max = 16 * 1024 * 1024;

void anthropic_stream_init(struct anthropic_stream *stream,
                           const struct names *names)
{
    *stream = (struct anthropic_stream){.names = names};
    buf_init(&stream->text, text_max);
    buf_init(&stream->signature, text_max);
    buf_init(&stream->stop_sequence, 64 * 1024);
    buf_init(&stream->refusal, 64 * 1024);
}

void anthropic_stream_fini(struct anthropic_stream *stream)
{
    buf_fini(&stream->text);
    buf_fini(&stream->signature);
    buf_fini(&stream->stop_sequence);
    buf_fini(&stream->refusal);
}

static void tell(const struct chat_listener *listener,
                 const struct chat_event *event)
{
    listener->on_event(listener->ctx, event);
}

static void tell_text(const struct chat_listener *listener,
                      enum chat_event_kind kind, struct str text)
{
    if (text.len > 0)
        tell(listener, &(struct chat_event){.kind = kind, .text = text});
}

static void start(struct anthropic_stream *stream, yyjson_val *message,
                  const struct chat_listener *listener)
{
    struct str given = json_get_text(message, STR("id"));

    anthropic_take_counts(json_get(message, STR("usage")), &stream->counts);
    if (stream->has_started)
        return;
    stream->has_started = true;
    tell(listener, &(struct chat_event){
                       .kind = CHAT_EVENT_START,
                       .id = anthropic_bare_id(given),
                       .given_id = given,
                       .usage = anthropic_usage(&stream->counts),
                   });
}

static void tell_arguments(struct anthropic_stream *stream,
                           const struct chat_listener *listener,
                           struct str fragment)
{
    if (fragment.len == 0)
        return;
    stream->has_fragment = true;
    tell(listener, &(struct chat_event){
                       .kind = CHAT_EVENT_ARGUMENTS,
                       .index = stream->call_count - 1,
                       .call.is_custom = stream->call_is_custom,
                       .text = fragment,
                   });
}

static void start_call(struct anthropic_stream *stream, yyjson_val *block,
                       const struct chat_listener *listener)
{
    struct chat_event event = {
        .kind = CHAT_EVENT_CALL,
        .index = stream->call_count++,
        .call.id = json_get_text(block, STR("id")),
        .call.name = json_get_text(block, STR("name")),
    };
    const struct names_tool *tool = names_find(stream->names, event.call.name);

    if (tool != NULL) {
        event.call.name = tool->original;
        event.call.is_custom = tool->is_custom;
    }
    stream->open = ANTHROPIC_TOOL;
    stream->call_is_custom = event.call.is_custom;
    stream->has_fragment = false;
    /* for a tool that gets no fragment: its input is complete here */
    if (!event.call.is_custom)
        anthropic_put_input(&stream->text, json_get(block, STR("input")),
                            false);
    tell(listener, &event);
}

static void start_block(struct anthropic_stream *stream, yyjson_val *block,
                        const struct chat_listener *listener)
{
    struct str type = json_get_text(block, STR("type"));

    start(stream, NULL, listener);
    buf_clear(&stream->text);
    buf_clear(&stream->signature);
    stream->open = ANTHROPIC_NO_BLOCK;
    if (str_eq(type, STR("text"))) {
        stream->open = ANTHROPIC_TEXT;
        tell_text(listener, CHAT_EVENT_TEXT, json_get_text(block, STR("text")));
    } else if (str_eq(type, STR("thinking"))) {
        struct str text = json_get_text(block, STR("thinking"));

        stream->open = ANTHROPIC_THINKING;
        buf_put(&stream->text, text);
        buf_put(&stream->signature, json_get_text(block, STR("signature")));
        tell_text(listener, CHAT_EVENT_THINKING, text);
    } else if (str_eq(type, STR("redacted_thinking"))) {
        stream->open = ANTHROPIC_REDACTED;
        buf_put(&stream->text, json_get_text(block, STR("data")));
    } else if (str_eq(type, STR("tool_use"))) {
        start_call(stream, block, listener);
    }
}

static void take_delta(struct anthropic_stream *stream, yyjson_val *delta,
                       const struct chat_listener *listener)
{
    struct str type = json_get_text(delta, STR("type"));

    if (str_eq(type, STR("text_delta"))) {
        if (stream->open == ANTHROPIC_TEXT)
            tell_text(listener, CHAT_EVENT_TEXT,
                      json_get_text(delta, STR("text")));
    } else if (str_eq(type, STR("thinking_delta"))) {
        struct str text = json_get_text(delta, STR("thinking"));

        if (stream->open != ANTHROPIC_THINKING)
            return;
        buf_put(&stream->text, text);
        tell_text(listener, CHAT_EVENT_THINKING, text);
    } else if (str_eq(type, STR("signature_delta"))) {
        if (stream->open == ANTHROPIC_THINKING)
            buf_put(&stream->signature, json_get_text(delta, STR("signature")));
    } else if (str_eq(type, STR("input_json_delta"))) {
        struct str piece = json_get_text(delta, STR("partial_json"));

        if (stream->open != ANTHROPIC_TOOL)
            return;
        if (stream->call_is_custom)
            buf_put(&stream->text, piece); /* its text stands inside */
        else
            tell_arguments(stream, listener, piece);
    }
}

/* The input of a custom tool is {"input":"…"}: given out as its text. */
static void finish_custom_call(struct anthropic_stream *stream,
                               const struct chat_listener *listener)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error ignored;
    struct str text = buf_str(&stream->text);

    arena_init(&arena);
    if (json_read(&arena, text, &doc, &ignored) &&
        yyjson_is_str(json_get(doc.root, STR("input"))))
        text = json_get_text(doc.root, STR("input"));
    tell_arguments(stream, listener, text);
    arena_clear(&arena);
}

static void stop_block(struct anthropic_stream *stream,
                       const struct chat_listener *listener)
{
    struct chat_event event = {.kind = CHAT_EVENT_BLOCK};

    switch (stream->open) {
    case ANTHROPIC_TOOL:
        if (stream->call_is_custom)
            finish_custom_call(stream, listener);
        else if (!stream->has_fragment)
            tell_arguments(stream, listener, buf_str(&stream->text));
        break;
    case ANTHROPIC_THINKING:
        event.block.kind = CHAT_BLOCK_THINKING;
        event.block.text = buf_str(&stream->text);
        event.block.signature = buf_str(&stream->signature);
        tell(listener, &event);
        break;
    case ANTHROPIC_REDACTED:
        event.block.kind = CHAT_BLOCK_REDACTED;
        event.block.text = buf_str(&stream->text);
        tell(listener, &event);
        break;
    case ANTHROPIC_TEXT:
    case ANTHROPIC_NO_BLOCK:
        break;
    }
    stream->open = ANTHROPIC_NO_BLOCK;
}

static void take_message_delta(struct anthropic_stream *stream,
                               yyjson_val *event)
{
    yyjson_val *delta = json_get(event, STR("delta"));
    struct str reason = json_get_text(delta, STR("stop_reason"));

    anthropic_take_counts(json_get(event, STR("usage")), &stream->counts);
    if (reason.len == 0)
        return;
    stream->has_stop_reason = true;
    stream->finish = anthropic_finish(reason, stream->call_count > 0);
    buf_clear(&stream->stop_sequence);
    buf_put(&stream->stop_sequence, json_get_text(delta, STR("stop_sequence")));
    buf_clear(&stream->refusal);
    if (stream->finish == CHAT_FINISH_CONTENT_FILTER)
        buf_put(&stream->refusal,
                json_get_text(json_get(delta, STR("stop_details")),
                              STR("explanation")));
}

static void finish(struct anthropic_stream *stream,
                   const struct chat_listener *listener)
{
    stream->has_ended = true;
    start(stream, NULL, listener);
    tell(listener,
         &(struct chat_event){
             .kind = CHAT_EVENT_END,
             .finish = stream->has_stop_reason
                           ? stream->finish
                           : anthropic_finish(STR(""), stream->call_count > 0),
             .stop_sequence = stream->stop_sequence.len > 0
                                  ? buf_str(&stream->stop_sequence)
                                  : (struct str){NULL, 0},
             .refusal = buf_str(&stream->refusal),
             .usage = anthropic_usage(&stream->counts),
         });
}

static void take_event(struct anthropic_stream *stream, struct arena *arena,
                       yyjson_val *event, const struct chat_listener *listener)
{
    struct str type = json_get_text(event, STR("type"));

    if (str_eq(type, STR("content_block_delta"))) {
        take_delta(stream, json_get(event, STR("delta")), listener);
    } else if (str_eq(type, STR("content_block_start"))) {
        start_block(stream, json_get(event, STR("content_block")), listener);
    } else if (str_eq(type, STR("content_block_stop"))) {
        stop_block(stream, listener);
    } else if (str_eq(type, STR("message_start"))) {
        start(stream, json_get(event, STR("message")), listener);
    } else if (str_eq(type, STR("message_delta"))) {
        take_message_delta(stream, event);
    } else if (str_eq(type, STR("message_stop"))) {
        finish(stream, listener);
    } else if (str_eq(type, STR("error"))) {
        struct chat_event error = {.kind = CHAT_EVENT_ERROR};

        anthropic_read_stream_error(arena, event, &error.error);
        stream->has_ended = true;
        tell(listener, &error);
    }
}

bool anthropic_read_event(struct anthropic_stream *stream, struct str data,
                          const struct chat_listener *listener)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error ignored;
    bool ok;

    if (stream->has_ended)
        return true;
    arena_init(&arena);
    ok = json_read(&arena, data, &doc, &ignored) && yyjson_is_obj(doc.root);
    if (ok)
        take_event(stream, &arena, doc.root, listener);
    arena_clear(&arena);
    return ok && !buf_failed(&stream->text) && !buf_failed(&stream->signature);
}

bool anthropic_stream_close(struct anthropic_stream *stream,
                            const struct chat_listener *listener)
{
    if (!stream->has_ended && stream->has_stop_reason)
        finish(stream, listener);
    return stream->has_ended;
}
