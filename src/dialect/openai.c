/* The row of Chat Completions. */
#include "openai_backend.h"

static void *reader_open(struct arena *arena, const struct names *names)
{
    return openai_chunks_open(arena, names);
}

static void reader_close(void *reader)
{
    openai_chunks_close(reader);
}

static bool read_event(void *reader, struct str data,
                       const struct chat_listener *listener)
{
    return openai_chunks_read(reader, data, listener);
}

static bool read_end(void *reader, const struct chat_listener *listener)
{
    return openai_chunks_end(reader, listener);
}

static void *writer_open(struct arena *arena, const struct answer_style *style)
{
    struct openai_stream *stream = ARENA_NEW(arena, struct openai_stream);

    openai_stream_init(stream, style);
    return stream;
}

static void writer_close(void *writer)
{
    openai_stream_fini(writer);
}

static void write_event(void *writer, const struct chat_event *event,
                        struct buf *out)
{
    openai_write_event(writer, event, out);
}

const struct format format_chat = {
    .name = STR_INIT("chat"),
    .path = STR_INIT("/v1/chat/completions"),
    .with_openai = &format_chat,
    .with_anthropic = &format_messages,
    .has_stream_options = true,
    .read_request = openai_read_request,
    .write_request = openai_write_request,
    .read_answer = openai_read_answer,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .read_event = read_event,
    .read_end = read_end,
    .write_answer = openai_write_answer,
    .writer_open = writer_open,
    .writer_close = writer_close,
    .write_event = write_event,
    .read_error = openai_read_error,
    .error_status = chat_error_status,
    .write_error = openai_write_any_error,
    .relay_read = openai_relay_read,
    .relay_gather = openai_relay_gather,
    .said = {STR_INIT("messages")},
    .read_stream_error = openai_read_stream_error,
    .write_stream_error = openai_write_stream_error,
    .goodbye = STR_INIT("data: [DONE]\n\n"),
    .done = STR_INIT("[DONE]"),
    .keep_alive = STR_INIT(": keep-alive\n\n"),
};
