/* A map from strings to numbers, in an arena.  Its hash is seeded for each
 * process, so that a peer cannot choose keys that collide. */
#ifndef WEIR_STRMAP_H
#define WEIR_STRMAP_H

#include "arena.h"
#include "str.h"

struct strmap_slot;

struct strmap {
    struct arena *arena;
    struct strmap_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t count;
};

void strmap_init(struct strmap *map, struct arena *arena);
/* The number that belongs to `key`, 0 at first; the key is borrowed for the
 * map's life.  Valid until the next strmap_at(). */
size_t *strmap_at(struct strmap *map, struct str key);
/* The same, but NULL when the key is not there. */
size_t *strmap_find(const struct strmap *map, struct str key);

#endif
