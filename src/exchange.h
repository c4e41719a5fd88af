/* One request's life: the corridor that leads through all rooms.
 *
 *   receive → admit → choose → forward ⇄ forward → stream → settle → done
 *
 * Every way out leads through settle, so nothing goes unaccounted. */
#ifndef WEIR_EXCHANGE_H
#define WEIR_EXCHANGE_H

#include "dialect/format.h"
#include "worker.h"

/* Serves a request in a format, or tells the way that one would take
 * (/v1/route). */
void exchange_begin(struct worker *worker, struct request *request,
                    const struct format *format, bool is_route_only);

/* Answers a request that cannot be served at all, in the words of a format.
 * `detail` is added to the error's own sentence; NULL: nothing. */
void exchange_refuse(struct worker *worker, struct request *request,
                     const struct format *format, enum error error,
                     const char *detail);

/* What the caller does meanwhile. */
void exchange_on_drain(struct request *request);
void exchange_on_gone(struct request *request);

/* A replica has become ready: those who wait try again. */
void exchange_wake_parked(struct worker *worker);

/* Cuts all that is left; for the end of the process. */
void exchange_cut_all(struct worker *worker);

#endif
