/* What the files that make a catalog share: catalog.c, catalog_ways.c (the
 * ways in and out), catalog_models.c, catalog_rules.c and catalog_langfuse.c.
 * Nobody else includes this. */
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
/* A model that takes everything; Claude's sizes are known. */
struct model *catalog_add_model(struct maker *m, const struct backend *backend,
                                struct str name, struct str upstream);
/* The same from the file. */
void catalog_make_model(struct maker *m, const struct backend *backend,
                        const struct config_node *node);
/* What one of the backend's servers costs for an hour, if that is set. */
void catalog_make_hour_price(struct backend *backend,
                             const struct config_node *node,
                             enum config_option option);
/* What the cloud would cost.  The backends must be there. */
void catalog_make_reference(struct maker *m);
/* Which one stands for the backend, whose models begin at `first_model`. */
void catalog_make_default_model(struct maker *m, struct backend *backend,
                                const struct config_node *node,
                                unsigned first_model);
/* The rules of the file, and behind them the thresholds.  The models must be
 * there. */
void catalog_make_rules(struct maker *m);
void catalog_make_keys(struct maker *m);
/* What is said about Langfuse; see catalog_langfuse.h for what it means. */
void catalog_check_langfuse(struct maker *m);

#endif
