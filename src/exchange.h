/* One request's life: the corridor that leads through all rooms.
 *
 *   receive → admit → choose → forward ⇄ forward → stream → settle → done
 *
 * Every way out leads through settle, so nothing goes unaccounted. */
#ifndef WEIR_EXCHANGE_H
#define WEIR_EXCHANGE_H

#include "worker.h"

/* Serves a request that asks for a chat or for the way one would take
 * (/v1/route). */
void exchange_begin(struct worker *worker, struct request *request,
                    bool is_route_only);

/* Answers a request that cannot be served at all.  `detail` is added to the
 * error's own sentence; NULL: nothing. */
void exchange_refuse(struct worker *worker, struct request *request,
                     enum error error, const char *detail);

/* What the caller does meanwhile. */
void exchange_on_drain(struct request *request);
void exchange_on_gone(struct request *request);

/* A replica has become ready: those who wait try again. */
void exchange_wake_parked(struct worker *worker);

/* Cuts all that is left; for the end of the process. */
void exchange_cut_all(struct worker *worker);

#endif
