/* A generation in Langfuse for each request that a model was asked with; see
 * langfuse_wire.h for the two ways there, and docs/langfuse.md. */
#ifndef WEIR_LANGFUSE_H
#define WEIR_LANGFUSE_H

#include "catalog_langfuse.h"
#include "exporter.h"
#include "telemetry/outbox.h"

/* What a generation is written of must not go with the settings: it is copied.
 * NULL with a sentence in `why` when the spool cannot be used. */
struct exporter *langfuse_open(const struct langfuse_settings *settings,
                               struct fetcher *fetcher,
                               const struct outbox_limits *limits,
                               struct buf *why);

#endif
