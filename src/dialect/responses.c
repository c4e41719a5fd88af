/* The row of Responses: spoken at the door only. */
#include "responses.h"

#include "openai.h"

static void *writer_open(struct arena *arena, const struct answer_style *style)
{
    return responses_stream_open(arena, style);
}

static void writer_close(void *writer)
{
    responses_stream_close(writer);
}

static void write_event(void *writer, const struct chat_event *event,
                        struct buf *out)
{
    responses_write_event(writer, event, out);
}

static struct str writer_result(void *writer)
{
    return responses_stream_result(writer);
}

const struct format format_responses = {
    .name = STR_INIT("responses"),
    .path = STR_INIT("/v1/responses"),
    .with_openai = &format_chat,
    .with_anthropic = &format_messages,
    .read_request = responses_read_request,
    .write_answer = responses_write_answer,
    .writer_open = writer_open,
    .writer_close = writer_close,
    .write_event = write_event,
    .writer_result = writer_result,
    .read_history = responses_read_history,
    .error_status = chat_error_status,
    .write_error = openai_write_any_error,
    .keep_alive = STR_INIT(": keep-alive\n\n"),
    .names_events = true,
    .said = {STR_INIT("instructions"), STR_INIT("input")},
};
