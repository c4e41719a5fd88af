/* The ledger: a row for each exchange, in an SQLite file (docs/ledger.md).
 *
 * Rows wait in memory for less than half a second and are written together, in
 * one transaction, on the clerk's thread.  While the disk does not take them
 * they wait longer, within bounds; the oldest go first.  Nothing of that
 * reaches a request. */
#ifndef WEIR_LEDGER_H
#define WEIR_LEDGER_H

#include "exporter.h"
#include "settle/meter.h"

struct ledger_options {
    struct str path;
    uint64_t max_age_ms;       /* of a row; 0: it is kept for ever */
    int64_t max_bytes;         /* of the file; 0: any size */
    const struct meter *meter; /* borrowed; NULL: there is none */
};

/* Opens the file.  NULL with a sentence in `why` when it cannot be used and
 * that will not get better by itself; a full disk may. */
struct exporter *ledger_open(const struct ledger_options *options,
                             struct buf *why);

#endif
