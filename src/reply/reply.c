#include "reply.h"

#include <stdio.h>

#include "check.h"
#include "clock.h"

enum {
    HEAD_MAX = 32 * 1024,
    HEADERS_BYTES = 512, /* room for most; it grows if they take more */
    CHUNK_SIZE_BYTES = 2 * sizeof(size_t) + 2,
    LINES_BYTES = 256, /* and for what stands before them */
};

const char *reply_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 402:
        return "Payment Required";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 529:
        return "Overloaded";
    default:
        return "Unknown";
    }
}

void reply_init(struct reply *reply, struct sink *sink)
{
    *reply = (struct reply){.sink = sink};
    buf_init(&reply->head, HEAD_MAX);
}

void reply_close(struct reply *reply)
{
    struct sink *sink = reply->sink;
    bool keep = reply->keeps_alive;
    bool is_complete = reply->has_ended;

    /* the reply itself may stand in the request's memory */
    buf_fini(&reply->head);
    if (is_complete)
        sink->ops->finish(sink, keep);
    else
        sink->ops->abort(sink);
}

void reply_header(struct reply *reply, struct str name, struct str value)
{
    char *out;

    check(!reply->has_begun);
    if (reply->head.cap == 0)
        (void)buf_reserve(&reply->head, HEADERS_BYTES);
    /* one that does not fit is left out whole: half a line would swallow what
     * follows it */
    if (!buf_reserve(&reply->head, name.len + value.len + 4)) {
        reply->head.failed = false;
        return;
    }
    buf_put(&reply->head, name);
    buf_put(&reply->head, STR(": "));
    out = reply->head.ptr + reply->head.len;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        /* no value of a peer's may end the line */
        out[i] = c < 0x20 || c >= 0x7F ? '?' : (char)c;
    }
    reply->head.len += value.len;
    buf_put(&reply->head, STR("\r\n"));
}

/* The date changes once a second, and threads do not share it. */
static struct str date_line(void)
{
    static _Thread_local char line[8 + CLOCK_HTTP_SIZE];
    static _Thread_local int64_t made_at = -1;
    int64_t now = clock_wall_s();

    if (now != made_at) {
        char date[CLOCK_HTTP_SIZE];

        clock_http_date(now, date);
        (void)snprintf(line, sizeof(line), "Date: %s\r\n", date);
        made_at = now;
    }
    return str_of(line);
}

/* Status line and headers, up to and with the empty line. */
static void finish_head(struct reply *reply, struct buf *out,
                        struct str content_type, bool has_length, size_t length)
{
    (void)buf_reserve(out, reply->head.len + LINES_BYTES);
    buf_put(out, STR("HTTP/1.1 "));
    buf_put_u64(out, (uint64_t)reply->status);
    buf_put_char(out, ' ');
    buf_put(out, str_of(reply_phrase(reply->status)));
    buf_put(out, STR("\r\nContent-Type: "));
    buf_put(out, content_type);
    if (has_length) {
        buf_put(out, STR("\r\nContent-Length: "));
        buf_put_u64(out, length);
        buf_put(out, STR("\r\n"));
    } else if (!reply->is_http_1_0) {
        buf_put(out, STR("\r\nTransfer-Encoding: chunked\r\n"));
    } else {
        reply->keeps_alive = false; /* only the end can tell the end */
        buf_put(out, STR("\r\n"));
    }
    if (!reply->keeps_alive)
        buf_put(out, STR("Connection: close\r\n"));
    else if (reply->is_http_1_0)
        buf_put(out, STR("Connection: keep-alive\r\n"));
    buf_put(out, date_line());
    buf_put(out, buf_str(&reply->head));
    buf_put(out, STR("\r\n"));
}

void reply_whole(struct reply *reply, int status, struct str content_type,
                 const struct str pieces[], size_t count)
{
    struct str all[REPLY_MAX_PIECES + 1];
    struct buf head;
    size_t length = 0;

    check(!reply->has_begun && count <= REPLY_MAX_PIECES);
    reply->has_begun = reply->has_ended = true;
    reply->status = status;
    for (size_t i = 0; i < count; i++) {
        all[i + 1] = pieces[i];
        length += pieces[i].len;
    }
    buf_init(&head, 2 * HEAD_MAX);
    finish_head(reply, &head, content_type, true, length);
    all[0] = buf_str(&head);
    if (reply->is_head_method)
        count = 0;
    else
        reply->bytes = length;
    reply->sink->ops->write(reply->sink, all, count + 1);
    buf_fini(&head);
}

void reply_stream(struct reply *reply)
{
    check(!reply->has_begun);
    reply->is_stream = true;
    reply->status = 200;
}

/* The line before a chunk, written from its end. */
static struct str chunk_size(size_t n, char line[CHUNK_SIZE_BYTES])
{
    size_t at = CHUNK_SIZE_BYTES;

    line[--at] = '\n';
    line[--at] = '\r';
    do {
        line[--at] = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n > 0);
    return (struct str){line + at, CHUNK_SIZE_BYTES - at};
}

void reply_put(struct reply *reply, struct str bytes)
{
    struct str pieces[4];
    char line[CHUNK_SIZE_BYTES];
    struct buf head;
    size_t n = 0;

    if (bytes.len == 0 || reply->has_ended)
        return;
    buf_init(&head, 2 * HEAD_MAX);
    if (!reply->has_begun) {
        finish_head(reply, &head, STR("text/event-stream; charset=utf-8"),
                    false, 0);
        reply->has_begun = true;
        buf_fini(&reply->head); /* a stream may last */
    }
    pieces[n++] = buf_str(&head);
    if (!reply->is_http_1_0)
        pieces[n++] = chunk_size(bytes.len, line);
    pieces[n++] = bytes;
    if (!reply->is_http_1_0)
        pieces[n++] = STR("\r\n");
    reply->bytes += bytes.len;
    reply->sink->ops->write(reply->sink, pieces, n);
    buf_fini(&head);
}

void reply_end(struct reply *reply)
{
    struct str last = STR("0\r\n\r\n");

    if (reply->has_ended)
        return;
    reply->has_ended = true;
    if (!reply->is_http_1_0)
        reply->sink->ops->write(reply->sink, &last, 1);
}

size_t reply_queued(const struct reply *reply)
{
    return reply->sink->ops->queued(reply->sink);
}
