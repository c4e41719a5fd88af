/* The row of Chat Completions. */
#include "openai.h"

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

static void write_error(const struct chat_error *error, struct str id,
                        struct buf *out)
{
    (void)id;
    openai_write_error(error, out);
}

const struct format format_chat = {
    .name = STR_INIT("chat"),
    .path = STR_INIT("/v1/chat/completions"),
    .with_openai = &format_chat,
    .with_anthropic = &format_messages,
    .read_request = openai_read_request,
    .write_answer = openai_write_answer,
    .writer_open = writer_open,
    .writer_close = writer_close,
    .write_event = write_event,
    .read_error = openai_read_error,
    .error_status = chat_error_status,
    .write_error = write_error,
    .relay_read = openai_relay_read,
    .read_stream_error = openai_read_stream_error,
    .write_stream_error = openai_write_stream_error,
    .goodbye = STR_INIT("data: [DONE]\n\n"),
    .done = STR_INIT("[DONE]"),
    .keep_alive = STR_INIT(": keep-alive\n\n"),
};
