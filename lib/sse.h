/* Server-sent events (WHATWG HTML, 9.2), both ways.
 *
 * The decoder works on bytes: network pieces may be cut anywhere, also inside
 * a character or between CR and LF, and give the same events.  At the end of
 * the stream a pending event counts if its data is one JSON value, as the
 * official SDKs have it. */
#ifndef WEIR_SSE_H
#define WEIR_SSE_H

#include "buf.h"
#include "str.h"

struct sse_event {
    struct str name; /* of the `event:` line; ptr NULL when there was none */
    struct str data; /* lines joined with LF */
};

struct sse_decoder {
    struct buf line; /* an unfinished line */
    struct buf data;
    struct buf name;
    bool has_data;
    bool has_name;
    bool lent;         /* the last event is still in the caller's hands */
    bool after_cr;     /* an LF now belongs to the CR before */
    unsigned char bom; /* bytes of a BOM seen at the start; 4 = past it */
};

/* `max` bounds one event, in bytes. */
void sse_decoder_init(struct sse_decoder *decoder, size_t max);
void sse_decoder_fini(struct sse_decoder *decoder);

/* Takes bytes from the front of *bytes up to and with the end of one event.
 * True: *event is set and borrowed until the next call.  False: all bytes
 * are eaten and no event is complete; sse_failed() tells whether one was
 * larger than `max`. */
bool sse_next(struct sse_decoder *decoder, struct str *bytes,
              struct sse_event *event);
/* The stream has ended: gives the pending event, if there is data.  The
 * caller decides whether it is whole. */
bool sse_finish(struct sse_decoder *decoder, struct sse_event *event);
bool sse_failed(const struct sse_decoder *decoder);

/* "data: …\n\n"; a line feed inside the data begins another data line. */
void sse_put(struct buf *buf, struct str data);
/* With an "event: …" line before it. */
void sse_put_named(struct buf *buf, struct str name, struct str data);
/* The same with the data in pieces: begin, data …, end. */
void sse_begin(struct buf *buf);
void sse_data(struct buf *buf, struct str piece);
void sse_end(struct buf *buf);

#endif
