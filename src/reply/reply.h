/* The answer to one request: status, headers, and a body in one piece or as
 * a stream of server-sent events, written to a sink.
 *
 * reply_close() is the last call for every reply, whatever was said: the
 * request and all that stands in its memory are gone then. */
#ifndef WEIR_REPLY_H
#define WEIR_REPLY_H

#include "buf.h"
#include "dialect/chat.h"
#include "sink.h"

enum {
    /* Above this many bytes that wait for the caller the source is stopped. */
    REPLY_HIGH_WATER = 256 * 1024,
    REPLY_MAX_PIECES = 8,
};

struct reply {
    struct sink *sink;
    struct buf head; /* extra header lines, complete with CRLF */
    bool is_http_1_0;
    bool keeps_alive;
    bool is_head_method; /* HEAD: everything but the body */
    bool has_begun;      /* the status has been sent */
    bool is_stream;
    bool has_ended; /* the answer is complete */
    int status;
    size_t bytes; /* of the body, sent so far */
};

void reply_init(struct reply *reply, struct sink *sink);
/* Lets go of the request: its connection serves the next one, or is cut if
 * the answer is not complete, so that nobody takes a part for the whole. */
void reply_close(struct reply *reply);

/* Adds a header; control characters in the value are left out.  Not after the
 * answer has begun. */
void reply_header(struct reply *reply, struct str name, struct str value);

/* A whole answer. */
void reply_whole(struct reply *reply, int status, struct str content_type,
                 const struct str pieces[], size_t count);

/* A stream of server-sent events: its head goes out with the first bytes. */
void reply_stream(struct reply *reply);
void reply_put(struct reply *reply, struct str bytes);
/* The stream is complete. */
void reply_end(struct reply *reply);

/* Bytes that wait for the caller. */
size_t reply_queued(const struct reply *reply);

/* "Not Found" for 404. */
const char *reply_phrase(int status);

#endif
