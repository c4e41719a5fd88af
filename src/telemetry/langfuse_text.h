/* How text, dates and money are spelled for Langfuse. */
#ifndef WEIR_LANGFUSE_TEXT_H
#define WEIR_LANGFUSE_TEXT_H

#include "buf.h"

/* Where a JSON object stands: as it is, or in a string, where each of its
 * quotes needs a backslash. */
enum langfuse_place { LANGFUSE_PLAIN, LANGFUSE_IN_STRING };

/* The inside of a JSON string; bytes that are no UTF-8 become '?'. */
void langfuse_put_text(struct buf *out, struct str text);
/* The same for one in an object that stands there. */
void langfuse_put_text_at(struct buf *out, struct str text,
                          enum langfuse_place place);
/* What stands around the strings of an object that stands there. */
static inline void langfuse_put_quote(struct buf *out,
                                      enum langfuse_place place)
{
    static const struct str quotes[] = {
        [LANGFUSE_PLAIN] = STR_INIT("\""),
        [LANGFUSE_IN_STRING] = STR_INIT("\\\""),
    };

    buf_put(out, quotes[place]);
}

/* "2026-11-26T01:02:03.456Z", of nanoseconds since 1970. */
void langfuse_put_date(struct buf *out, uint64_t wall_ns);

/* Nano-dollars in dollars, exactly: 1234500 is 0.0012345.  Not negative. */
void langfuse_put_dollars(struct buf *out, int64_t nano);

#endif
