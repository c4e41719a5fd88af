/* The row of Anthropic Messages. */
#include "anthropic_door.h"

static bool read_answer(struct arena *arena, struct str body,
                        const struct names *names, struct chat_answer *answer,
                        struct chat_error *error)
{
    (void)error;
    return anthropic_read_answer(arena, body, names, answer);
}

static void *reader_open(struct arena *arena, const struct names *names)
{
    struct anthropic_stream *stream = ARENA_NEW(arena, struct anthropic_stream);

    anthropic_stream_init(stream, names);
    return stream;
}

static void reader_close(void *reader)
{
    anthropic_stream_fini(reader);
}

static bool read_event(void *reader, struct str data,
                       const struct chat_listener *listener)
{
    return anthropic_read_event(reader, data, listener);
}

static bool read_end(void *reader, const struct chat_listener *listener)
{
    return anthropic_stream_close(reader, listener);
}

const struct format format_messages = {
    .name = STR_INIT("messages"),
    .path = STR_INIT("/v1/messages"),
    .with_openai = &format_chat,
    .with_anthropic = &format_messages,
    .has_anthropic_headers = true,
    .read_request = anthropic_read_request,
    .write_request = anthropic_write_request,
    .read_answer = read_answer,
    .write_answer = anthropic_write_answer,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .read_event = read_event,
    .read_end = read_end,
    .writer_open = anthropic_writer_open,
    .writer_close = anthropic_writer_close,
    .write_event = anthropic_write_event,
    .read_error = anthropic_read_error,
    .error_status = anthropic_error_status,
    .error_retry_s = anthropic_error_retry_s,
    .write_error = anthropic_write_error,
    .relay_read = anthropic_relay_read,
    .relay_gather = anthropic_relay_gather,
    .said = {STR_INIT("system"), STR_INIT("messages")},
    .must_rewrite = anthropic_must_rewrite,
    .rewrite = anthropic_rewrite,
    .read_stream_error = anthropic_read_stream_error,
    .write_stream_error = anthropic_write_stream_error,
    .names_events = true,
    .goodbye = STR_INIT("event: message_stop\n"
                        "data: {\"type\":\"message_stop\"}\n\n"),
    .keep_alive = STR_INIT("event: ping\ndata: {\"type\":\"ping\"}\n\n"),
};
