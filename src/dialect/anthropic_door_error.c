/* Anthropic Messages at the door: errors out, as Anthropic's clients know
 * them. */
#include "anthropic_door.h"

/* What comes from a backend, in bytes. */
enum { MESSAGE_MAX = 16 * 1024 };
/* Seconds that who is told of overload without a time shall wait. */
enum { OVERLOADED_RETRY_S = 5 };

static const int overloaded = 529;

int anthropic_error_status(const struct chat_error *error)
{
    int status = chat_error_status(error);

    if (error->is_unpaid)
        return 402;
    switch (status) {
    case 422:
        return 400;
    case 502:
        /* what the router's own key is worth is no matter of load, nor is
         * what a stream has said */
        if (error->error == ERR_BACKEND_AUTH)
            return status;
        return error->error == ERR_STREAM_ERROR ? 500 : overloaded;
    case 503:
        return overloaded;
    case 504:
        return status;
    default:
        return status >= 500 && status != overloaded ? 500 : status;
    }
}

static struct str type_of(int status)
{
    static const struct {
        int status;
        struct str type;
    } types[] = {
        {401, STR_INIT("authentication_error")},
        {402, STR_INIT("billing_error")},
        {403, STR_INIT("permission_error")},
        {404, STR_INIT("not_found_error")},
        {409, STR_INIT("conflict_error")},
        {413, STR_INIT("request_too_large")},
        {429, STR_INIT("rate_limit_error")},
        {504, STR_INIT("timeout_error")},
        {529, STR_INIT("overloaded_error")},
    };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (status == types[i].status)
            return types[i].type;
    return status >= 500 ? STR("api_error") : STR("invalid_request_error");
}

unsigned anthropic_error_retry_s(const struct chat_error *error)
{
    if (error->retry_after_s > 0 || error->never_retry ||
        anthropic_error_status(error) != overloaded)
        return error->retry_after_s;
    return OVERLOADED_RETRY_S;
}

/* Agents look for these words, and make the conversation shorter. */
static bool is_too_long(const struct chat_error *error, struct str message)
{
    return (str_eq(chat_error_code(error), STR("context_length_exceeded")) ||
            str_contains(message, STR("maximum context length"))) &&
           !str_contains(message, STR("prompt is too long"));
}

static void put_error(struct json_out *out, const struct chat_error *error,
                      int status)
{
    struct str message = str_clip(chat_error_message(error), MESSAGE_MAX);

    json_member_str(out, STR("type"), STR("error"));
    json_key(out, STR("error"));
    json_open(out, '{');
    json_member_str(out, STR("type"), type_of(status));
    json_key(out, STR("message"));
    json_put_raw(out, STR("\""));
    if (is_too_long(error, message))
        json_escape(out->buf, STR("prompt is too long: "));
    json_escape(out->buf, message);
    buf_put_char(out->buf, '"');
    if (error->details.len > 0) {
        json_key(out, STR("details"));
        json_put_raw(out, error->details);
    }
    json_close(out, '}');
}

void anthropic_write_error(const struct chat_error *error, struct str id,
                           struct buf *buf)
{
    struct json_out out = json_out_to(buf);

    json_open(&out, '{');
    put_error(&out, error, anthropic_error_status(error));
    if (id.len > 0)
        json_member_str(&out, STR("request_id"), id);
    json_close(&out, '}');
}

/* A stream that broke is no overload, whatever its status would have been. */
void anthropic_write_stream_error(const struct chat_error *error,
                                  struct buf *buf)
{
    bool broke = chat_error_status(error) == 502;
    struct json_out out = json_out_to(buf);

    buf_put(buf, STR("event: error\ndata: "));
    json_open(&out, '{');
    put_error(&out, error, broke ? 500 : anthropic_error_status(error));
    json_close(&out, '}');
    buf_put(buf, STR("\n\n"));
}
