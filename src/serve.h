/* `weir serve`: the process from its start to its end, and what signals make
 * of it. */
#ifndef WEIR_SERVE_H
#define WEIR_SERVE_H

#include "config.h"

/* Reads the configuration; true when nothing is wrong with it.  Called once
 * at the start and once for each reload. */
typedef bool serve_load(struct config *config, void *ctx);

/* What `weir check` says, too: there is no backend. */
extern const char serve_no_backend[];

void serve_print_problems(const struct config *config);

/* Serves until SIGINT or SIGTERM; the second one does not wait for requests
 * under way.  SIGHUP reads the configuration anew.  Returns the exit
 * status. */
int serve(serve_load *load, void *ctx);

#endif
