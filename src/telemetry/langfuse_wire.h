/* The two interfaces that Langfuse takes generations at, one row of verbs
 * each:
 *
 *   otel    POST /api/public/otel/v1/traces, OTLP as JSON.  Servers from 3.22
 *           on, and the only one that a server of version 4 still takes.
 *           https://langfuse.com/integrations/native/opentelemetry
 *   batch   POST /api/public/ingestion, events.  Servers of versions 2 and 3.
 *           https://api.reference.langfuse.com, Ingestion
 *
 * A batch is `head`, the generations with commas between them, `tail`.
 *
 * The ids.  The trace is that of the request (W3C), so that the same id leads
 * to it in Langfuse and in a store of plain traces, and the generation bears
 * the id of the request's server span.  Its parent is the caller's span, if
 * there is one: where the caller reports to the same project, the generation
 * stands below it, and Langfuse shows one whose parent is missing as a root.
 * `is_app_root` says that it is one in any case: the first of this program,
 * as Langfuse's own libraries mark it.  A trace that the caller began keeps
 * the name that the caller gives it. */
#ifndef WEIR_LANGFUSE_WIRE_H
#define WEIR_LANGFUSE_WIRE_H

#include "telemetry/langfuse_facts.h"

/* What is the same for all generations; empty: not said. */
struct langfuse_labels {
    struct str environment, release;
};

/* How the receiver took a batch. */
struct langfuse_reading {
    bool is_readable;  /* its answer was understood */
    unsigned rejected; /* generations that it will never take */
    unsigned left;     /* those that it may take later; in `rest` */
    bool is_too_new;   /* it takes none by this interface any more */
    struct str why;    /* of the first that was not taken; may be empty */
};

struct langfuse_wire {
    struct str path;    /* behind the base URL */
    struct str kind;    /* of its files in the spool */
    size_t batch_bytes; /* a batch is closed before it is longer */
    bool takes_gzip;
    struct str head, tail;
    void (*put)(struct buf *out, const struct langfuse_labels *labels,
                const struct record *record, const struct langfuse_told *told,
                bool without_content);
    /* The answer to `sent`, which had a status of success.  Strings stand in
     * the arena. */
    void (*read)(struct arena *arena, struct str sent, struct str answer,
                 struct langfuse_reading *out, struct buf *rest);
};

extern const struct langfuse_wire langfuse_otel, langfuse_batch;

/* Above this a generation leaves without its input and output, or not at all
 * (what Langfuse's own libraries take). */
enum { LANGFUSE_EVENT_BYTES = 1000000 };

#endif
