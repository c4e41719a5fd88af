#include "strmap.h"

#include <stdatomic.h>
#include <uv.h>

#include "check.h"

enum { FIRST_CAP = 16 };

struct strmap_slot {
    struct str key; /* ptr NULL: free */
    uint64_t hash;
    size_t value;
};

static uint64_t seed(void)
{
    static _Atomic uint64_t value;
    uint64_t s = atomic_load_explicit(&value, memory_order_relaxed);

    if (s == 0) {
        check(uv_random(NULL, NULL, &s, sizeof(s), 0, NULL) == 0);
        s |= 1;
        atomic_store_explicit(&value, s, memory_order_relaxed);
    }
    return s;
}

static uint64_t hash_of(struct str key)
{
    uint64_t h = seed();

    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.ptr[i]) * 1099511628211u;
    return h ^ h >> 32;
}

void strmap_init(struct strmap *map, struct arena *arena)
{
    *map = (struct strmap){.arena = arena};
}

/* Where `key` stands or would stand; the map has a free slot. */
static struct strmap_slot *slot_of(const struct strmap *map, struct str key,
                                   uint64_t hash)
{
    size_t i = hash & (map->cap - 1);

    while (map->slots[i].key.ptr != NULL &&
           (map->slots[i].hash != hash || !str_eq(map->slots[i].key, key)))
        i = (i + 1) & (map->cap - 1);
    return &map->slots[i];
}

static void grow(struct strmap *map)
{
    struct strmap old = *map;

    map->cap = old.cap == 0 ? FIRST_CAP : old.cap * 2;
    map->slots = ARENA_ARRAY(map->arena, struct strmap_slot, map->cap);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].key.ptr != NULL)
            *slot_of(map, old.slots[i].key, old.slots[i].hash) = old.slots[i];
}

size_t *strmap_at(struct strmap *map, struct str key)
{
    uint64_t hash = hash_of(key);
    struct strmap_slot *slot;

    if (map->count * 2 >= map->cap)
        grow(map);
    slot = slot_of(map, key, hash);
    if (slot->key.ptr == NULL) {
        slot->key = key.ptr == NULL ? STR("") : key;
        slot->hash = hash;
        map->count++;
    }
    return &slot->value;
}

size_t *strmap_find(const struct strmap *map, struct str key)
{
    struct strmap_slot *slot;

    if (map->cap == 0)
        return NULL;
    slot = slot_of(map, key, hash_of(key));
    return slot->key.ptr == NULL ? NULL : &slot->value;
}
