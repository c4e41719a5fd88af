/* What the two files of a pool share: pool.c and pool_follow.c (what becomes
 * of connections when the catalog changes).  Nobody else includes this. */
#ifndef WEIR_POOL_PRIVATE_H
#define WEIR_POOL_PRIVATE_H

#include "pool.h"

/* Shelves, bounds and a reference: as the catalog has them.  What the pool had
 * of another one is the caller's. */
void pool_serve_catalog(struct pool *pool, struct catalog *catalog);
/* Closes what waits on a shelf. */
void pool_close_shelf(struct pool_shelf *shelf);

#endif
