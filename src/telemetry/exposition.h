/* What is measured, as text for Prometheus: its text format 0.0.4, or
 * OpenMetrics 1.0 with exemplars.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://prometheus.io/docs/specs/om/open_metrics_spec/ */
#ifndef WEIR_EXPOSITION_H
#define WEIR_EXPOSITION_H

#include "buf.h"
#include "telemetry/metrics_walk.h"

enum exposition_format {
    EXPOSITION_TEXT,
    EXPOSITION_OPENMETRICS,
};

struct exposition {
    enum exposition_format format;
    struct buf *out;
};

/* The visitor writes to `out`; the exposition is borrowed as long as it is
 * used. */
struct metrics_visitor exposition_begin(struct exposition *exposition,
                                        enum exposition_format format,
                                        struct buf *out);
/* The last words. */
void exposition_end(struct exposition *exposition);

/* The Content-Type of such a text. */
struct str exposition_type(enum exposition_format format);

#endif
