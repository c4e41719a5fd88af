/* Stand-ins on free ports and a caller of theirs, for tests over sockets. */
#ifndef WEIR_TEST_SIM_CALLER_H
#define WEIR_TEST_SIM_CALLER_H

#include "../../../sim/sim.h"
#include "str.h"

extern struct sim *sim;

/* As fast as possible; the model is "m". */
struct sim_options caller_options(void);
int caller_start(const struct sim_options *options);
/* For cmocka: start with caller_options(), and stop. */
int caller_begin(void **state);
int caller_end(void **state);

/* A connection, or -1 when it is refused. */
int caller_dial(unsigned port);
/* Sends a request; `fault` may be NULL. */
int caller_ask(unsigned port, const char *method, const char *path,
               const char *fault, const char *body);
/* Everything up to the end; until the next call. */
struct str caller_hear(int fd);
/* The same, all in one. */
struct str caller_get(unsigned port, const char *path);
struct str caller_post(unsigned port, const char *path, const char *body);

#endif
