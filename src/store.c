#include "store.h"

#include <stdlib.h>

#include "check.h"

void store_init(struct store *store)
{
    *store = (struct store){0};
    check(uv_mutex_init(&store->lock) == 0);
    list_init(&store->by_age);
    /* keys are of the peers' choosing: they must not choose the slot, too */
    check(uv_random(NULL, NULL, &store->seed, sizeof(store->seed), 0, NULL) ==
          0);
}

/* FNV-1a, seeded, and stirred at the end. */
static size_t slot_of(const struct store *store, struct str key)
{
    uint64_t hash = store->seed ^ UINT64_C(14695981039346656037);

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(1099511628211);
    hash ^= hash >> 32;
    hash *= UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash >> 40) % STORE_SLOTS;
}

void store_unref(struct store_entry *entry)
{
    /* a conversation may be long: no recursion */
    while (entry != NULL && atomic_fetch_sub(&entry->references, 1) == 1) {
        struct store_entry *parent = entry->parent;

        atomic_fetch_sub(&entry->store->bytes, entry->size);
        free(entry);
        entry = parent;
    }
}

static struct store_entry **find(struct store *store, struct str key)
{
    struct store_entry **at = &store->slots[slot_of(store, key)];

    while (*at != NULL && !str_eq((*at)->key, key))
        at = &(*at)->next;
    return at;
}

/* Takes it out of the index; the index's reference goes to the caller. */
static struct store_entry *detach(struct store *store, struct store_entry **at)
{
    struct store_entry *entry = *at;

    check(entry != NULL);
    *at = entry->next;
    entry->next = NULL;
    list_remove(&entry->by_age);
    store->count--;
    return entry;
}

/* Clocks are read before the lock is taken: another thread's entry may be a
 * little younger than now. */
static bool is_old(const struct store_entry *entry, uint64_t now_ms,
                   const struct store_limits *limits)
{
    return now_ms > entry->born_ms && now_ms - entry->born_ms >= limits->ttl_ms;
}

/* What is too old, and what is too much with `more` bytes. */
static void forget(struct store *store, size_t more, uint64_t now_ms,
                   const struct store_limits *limits)
{
    while (!list_empty(&store->by_age)) {
        struct store_entry *oldest =
            list_entry(store->by_age.next, struct store_entry, by_age);

        if (!is_old(oldest, now_ms, limits) &&
            atomic_load(&store->bytes) + more <= limits->max_bytes)
            break;
        store_unref(detach(store, find(store, oldest->key)));
    }
}

static char *put_text(char *at, struct str text, struct str *copy)
{
    *copy = (struct str){at, text.len};
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static struct store_entry *make(struct store *store, struct str key,
                                const struct str texts[STORE_TEXTS])
{
    size_t size = sizeof(struct store_entry) + key.len;
    struct store_entry *entry;
    char *at;

    for (size_t i = 0; i < STORE_TEXTS; i++)
        size += texts[i].len;
    entry = malloc(size);
    if (entry == NULL)
        return NULL;
    *entry = (struct store_entry){.store = store, .size = size};
    atomic_init(&entry->references, 1);
    list_init(&entry->by_age);
    at = put_text((char *)(entry + 1), key, &entry->key);
    for (size_t i = 0; i < STORE_TEXTS; i++)
        at = put_text(at, texts[i], &entry->texts[i]);
    return entry;
}

struct str store_key(struct arena *arena, const char *kind, struct str owner,
                     struct str id)
{
    struct str pieces[] = {str_of(kind), owner, id};
    size_t len = COUNT_OF(pieces) - 1; /* line feeds between them */
    char *key;
    char *at;

    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        len += pieces[i].len;
    key = at = arena_alloc(arena, len);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        if (i > 0)
            *at++ = '\n';
        if (pieces[i].len > 0)
            memcpy(at, pieces[i].ptr, pieces[i].len);
        at += pieces[i].len;
    }
    return (struct str){key, len};
}

bool store_put(struct store *store, struct str key,
               const struct str texts[STORE_TEXTS], unsigned tag,
               struct store_entry *parent, uint64_t now_ms,
               const struct store_limits *limits)
{
    size_t most = limits->max_bytes / 4;
    struct store_entry *entry;
    struct store_entry **at;

    if (texts[0].len > most || texts[1].len > most - texts[0].len)
        return false;
    entry = make(store, key, texts);
    if (entry == NULL)
        return false;
    entry->tag = tag;
    entry->born_ms = now_ms;
    entry->turns = 1;
    entry->chain_size = entry->size;
    if (parent != NULL) {
        entry->turns += parent->turns;
        entry->chain_size += parent->chain_size;
    }
    if (entry->chain_size > limits->max_bytes) {
        free(entry); /* all else would be forgotten, and in vain */
        return false;
    }
    entry->parent = parent;
    if (parent != NULL)
        atomic_fetch_add(&parent->references, 1);
    uv_mutex_lock(&store->lock);
    at = find(store, key);
    if (*at != NULL)
        store_unref(detach(store, at));
    forget(store, entry->size, now_ms, limits);
    atomic_fetch_add(&store->bytes, entry->size);
    at = find(store, key);
    *at = entry;
    list_push_back(&store->by_age, &entry->by_age);
    store->count++;
    uv_mutex_unlock(&store->lock);
    return true;
}

struct store_entry *store_take(struct store *store, struct str key,
                               uint64_t now_ms,
                               const struct store_limits *limits)
{
    struct store_entry *entry;

    uv_mutex_lock(&store->lock);
    forget(store, 0, now_ms, limits);
    entry = *find(store, key);
    if (entry != NULL)
        atomic_fetch_add(&entry->references, 1);
    uv_mutex_unlock(&store->lock);
    return entry;
}

bool store_remove(struct store *store, struct str key)
{
    struct store_entry **at;
    bool is_there;

    uv_mutex_lock(&store->lock);
    at = find(store, key);
    is_there = *at != NULL;
    if (is_there)
        store_unref(detach(store, at));
    uv_mutex_unlock(&store->lock);
    return is_there;
}

void store_fini(struct store *store)
{
    while (!list_empty(&store->by_age))
        store_unref(
            detach(store, find(store, list_entry(store->by_age.next,
                                                 struct store_entry, by_age)
                                          ->key)));
    check(atomic_load(&store->bytes) == 0);
    uv_mutex_destroy(&store->lock);
}
