#include "failure.h"

/* Above what a writer of errors makes of the longest words. */
enum { BODY_MAX = 128 * 1024 };

static void put_number_header(struct reply *reply, struct str name,
                              unsigned number)
{
    struct buf text;

    buf_init(&text, 32);
    buf_put_u64(&text, number);
    reply_header(reply, name, buf_str(&text));
    buf_fini(&text);
}

void failure_reply(struct reply *reply, const struct format *format,
                   struct str id, const struct chat_error *error)
{
    unsigned retry_s = format->error_retry_s == NULL
                           ? error->retry_after_s
                           : format->error_retry_s(error);
    struct buf body;
    struct str piece;

    if (retry_s > 0)
        put_number_header(reply, STR("Retry-After"), retry_s);
    if (error->never_retry)
        reply_header(reply, STR("x-should-retry"), STR("false"));
    if (error->upstream_id.len > 0)
        reply_header(reply, STR("x-upstream-request-id"), error->upstream_id);
    if (error->error == ERR_UNAUTHORIZED)
        reply_header(reply, STR("WWW-Authenticate"), STR("Bearer"));
    buf_init(&body, BODY_MAX);
    format->write_error(error, id, &body);
    piece = buf_str(&body);
    reply_whole(reply, format->error_status(error), STR("application/json"),
                &piece, 1);
    buf_fini(&body);
}
