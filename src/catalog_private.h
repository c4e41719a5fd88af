/* What the files that make a catalog share: catalog.c, catalog_ways.c (the
 * ways in and out) and catalog_rules.c.  Nobody else includes this. */
#ifndef WEIR_CATALOG_PRIVATE_H
#define WEIR_CATALOG_PRIVATE_H

#include "catalog.h"

struct maker {
    struct config *config;
    struct catalog *catalog;
    struct arena *arena;
};

/* A copy in the catalog's arena: the configuration goes away. */
struct str catalog_keep(struct maker *m, struct str s);

/* These tell the configuration what is wrong.
 *
 * Where it listens: what can be looked at before it does. */
void catalog_make_listen(struct maker *m);
/* Which way leads to each replica.  `node` is the backend's own; NULL for
 * those of the short form. */
void catalog_make_proxies(struct maker *m, struct backend *backend,
                          const struct config_node *node);
/* The rules of the file, and behind them the thresholds.  The models must be
 * there. */
void catalog_make_rules(struct maker *m);
void catalog_make_keys(struct maker *m);

#endif
