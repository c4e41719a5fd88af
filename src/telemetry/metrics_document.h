/* docs/metrics.md: made from metrics.def. */
#ifndef WEIR_METRICS_DOCUMENT_H
#define WEIR_METRICS_DOCUMENT_H

#include "buf.h"

void metrics_document(struct buf *out);

#endif
