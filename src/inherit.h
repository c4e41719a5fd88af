/* From one catalog to the next, when the configuration is read anew: what
 * the same server was known to be like holds on. */
#ifndef WEIR_INHERIT_H
#define WEIR_INHERIT_H

#include "catalog.h"

/* The replica of `catalog` that is the same server as `like`: of a backend of
 * the same name, with the same URL.  NULL when there is none. */
struct replica *inherit_find(const struct catalog *catalog,
                             const struct replica *like);

/* May a connection to the one serve requests to the other?  Not when other
 * authorities are trusted, or the way is another one. */
bool inherit_connections(const struct replica *from, const struct replica *to);

/* Copies the health of every replica of `to` that `from` has, too.  From any
 * thread. */
void inherit_health(const struct catalog *to, const struct catalog *from);

#endif
