/* Where the accounts of finished exchanges go: one row of verbs for each
 * place.  All are called on the clerk's thread (clerk.h), and none may block
 * for longer than a write to a disk. */
#ifndef WEIR_EXPORTER_H
#define WEIR_EXPORTER_H

#include "figures.h"
#include "record.h"

struct exporter;

struct exporter_verbs {
    /* One exchange that has ended; `record` is borrowed.  NULL: it is not of
     * interest. */
    void (*take)(struct exporter *exporter, const struct record *record);
    /* Does what is due.  Returns the moment of clock_ms() at which it wants
     * to be called again at the latest; UINT64_MAX: any time will do. */
    uint64_t (*tick)(struct exporter *exporter, uint64_t now_ms);
    /* The process ends: whatever is here shall leave at once.  Called again
     * and again, beside tick(), until it says true or its time is up. */
    bool (*flush)(struct exporter *exporter, uint64_t now_ms);
    /* The last call: what is left goes to the spool or is counted as lost. */
    void (*close)(struct exporter *exporter);
};

/* The first member of each exporter's own struct. */
struct exporter {
    const struct exporter_verbs *verbs;
    bool has_spans; /* where it sends to a trace is found by its id */
    struct figures figures;
};

#endif
