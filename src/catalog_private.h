/* What the files that make a catalog share: catalog.c and catalog_ways.c (the
 * ways in and out).  Nobody else includes this. */
#ifndef WEIR_CATALOG_PRIVATE_H
#define WEIR_CATALOG_PRIVATE_H

#include "catalog.h"

struct maker {
    struct config *config;
    struct catalog *catalog;
    struct arena *arena;
};

/* Both tell the configuration what is wrong.
 *
 * Where it listens: what can be looked at before it does. */
void catalog_make_listen(struct maker *m);
/* Which way leads to each replica.  `node` is the backend's own; NULL for
 * those of the short form. */
void catalog_make_proxies(struct maker *m, struct backend *backend,
                          const struct config_node *node);

#endif
