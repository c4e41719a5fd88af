/* The process: workers, listener, prober and signals, and what lives as long
 * as they do. */
#ifndef WEIR_GATEWAY_H
#define WEIR_GATEWAY_H

#include "accept/listener.h"
#include "prober.h"
#include "telemetry/clerk.h"
#include "worker.h"

struct gateway;

/* Sockets that listen already: `count` descriptors from `first` on. */
struct gateway_sockets {
    int first;
    unsigned count;
};

/* Starts to serve on threads of its own and returns when its sockets are
 * open: those that are given, or else those of the catalog's settings.  NULL
 * when they cannot be, with a sentence in `why`.  Takes over one reference to
 * the catalog, and the clerk (NULL: nothing is exported), which has a line for
 * each worker. */
struct gateway *gateway_start(struct catalog *catalog, struct clerk *clerk,
                              const struct gateway_sockets *given,
                              struct buf *why);
/* The port that it listens on; 0: none. */
unsigned gateway_port(const struct gateway *gateway);
/* Serves another catalog: new requests by the new one, those under way keep
 * theirs.  Returns when all workers do so.  Takes over one reference.  Not
 * from two threads at once, nor after gateway_stop(). */
void gateway_follow(struct gateway *gateway, struct catalog *catalog);
/* No new callers; requests under way have `drain_ms` of the settings.  From
 * any thread; may be repeated: the second time it does not wait. */
void gateway_stop(struct gateway *gateway);
/* Waits until it has stopped, and frees it. */
void gateway_join(struct gateway *gateway);

#endif
