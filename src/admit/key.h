/* Who is calling: the key of a request, as "Authorization: Bearer …" or
 * "x-api-key: …". */
#ifndef WEIR_KEY_H
#define WEIR_KEY_H

#include "catalog.h"
#include "head.h"

/* What stands behind "Authorization: Bearer"; empty when there is none. */
struct str key_bearer(const struct head *head);

/* False when the catalog has keys and the head bears none of them.  *key is
 * NULL when the catalog has none: then everybody may call. */
MUST_USE bool key_check(const struct catalog *catalog, const struct head *head,
                        const struct api_key **key);

#endif
