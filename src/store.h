/* What the router remembers of conversations for a while: stored responses of
 * the Responses API, and what a cloud model thought before its tool calls.
 *
 * In memory, in one process, bounded in bytes and in time: what is too old or
 * too much is forgotten, the oldest first, and its callers are told so.  May
 * be used from any thread. */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include <stdatomic.h>
#include <uv.h>

#include "arena.h"
#include "list.h"

enum {
    STORE_TEXTS = 2,
    STORE_SLOTS = 4096, /* chains are short up to some ten thousand entries */
};

/* Read-only once stored, and counted. */
struct store_entry {
    _Atomic unsigned references;
    struct store *store;
    struct store_entry *parent;    /* the turn before, one reference; or NULL */
    unsigned tag;                  /* the caller's */
    struct str texts[STORE_TEXTS]; /* the caller's, copied */

    size_t turns;      /* with all parents */
    size_t chain_size; /* bytes, with all parents */

    struct str key;
    size_t size;
    uint64_t born_ms;
    struct list by_age;
    struct store_entry *next; /* of the same hash */
};

struct store {
    uv_mutex_t lock;
    struct list by_age; /* the oldest first */
    struct store_entry *slots[STORE_SLOTS];
    size_t count;
    uint64_t seed;
    _Atomic size_t bytes; /* of all that is alive, also without a key */
};

struct store_limits {
    size_t max_bytes; /* 0: nothing is stored */
    uint64_t ttl_ms;
};

void store_init(struct store *store);
/* All references must have been given back. */
void store_fini(struct store *store);

/* "kind\nowner\nid" in the arena: what belongs to a caller's key (its name has
 * no line feed in it) is found with that key only. */
struct str store_key(struct arena *arena, const char *kind, struct str owner,
                     struct str id);

/* Remembers, in place of what had the key.  `parent` is borrowed.  False when
 * it is larger than a quarter of what there may be, or larger than all of that
 * with the turns before it. */
bool store_put(struct store *store, struct str key,
               const struct str texts[STORE_TEXTS], unsigned tag,
               struct store_entry *parent, uint64_t now_ms,
               const struct store_limits *limits);
/* One reference, or NULL. */
struct store_entry *store_take(struct store *store, struct str key,
                               uint64_t now_ms,
                               const struct store_limits *limits);
/* NULL is fine. */
void store_unref(struct store_entry *entry);
/* False when there was nothing. */
bool store_remove(struct store *store, struct str key);

#endif
