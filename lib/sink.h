/* Where an answer's bytes go: the reply writes to a sink, the connection that
 * stands behind it is nobody's business. */
#ifndef WEIR_SINK_H
#define WEIR_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

struct sink;

struct sink_ops {
    /* Sends the pieces in order; what the peer does not take at once is
     * copied.  Nothing happens on a sink that was aborted. */
    void (*write)(struct sink *sink, const struct str pieces[], size_t count);
    /* Bytes that wait for the peer. */
    size_t (*queued)(const struct sink *sink);
    /* The answer is complete.  `keep` says that its end could be seen by its
     * framing, so that the connection may serve another. */
    void (*finish)(struct sink *sink, bool keep);
    /* The answer cannot be completed: the connection is cut, so that the
     * peer does not take a part for the whole. */
    void (*abort)(struct sink *sink);
};

struct sink {
    const struct sink_ops *ops;
};

#endif
