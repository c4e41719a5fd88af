/* Memory that is given back all at once.
 *
 * An arena belongs to one owner (a request, a catalog) and one thread at a
 * time.  arena_alloc() never fails: what a peer can make grow is bounded
 * before it gets here.  With sanitizers each piece is an allocation of its
 * own, so that an overrun is seen. */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include "str.h"

struct arena_block;
struct arena_duty;

struct arena {
    struct arena_block *blocks;
    struct arena_duty *duties;
    char *next; /* free room in the newest block */
    size_t left;
    size_t used; /* bytes handed out since the last clear */
};

/* Lets the calling thread keep some blocks that its arenas give back, for the
 * next ones; and frees them.  For threads that clear many small arenas. */
void arena_spare_open(void);
void arena_spare_close(void);

void arena_init(struct arena *arena);
/* Runs the duties, newest first, and frees everything. */
void arena_clear(struct arena *arena);

/* Aligned for any type; not zeroed. */
void *arena_alloc(struct arena *arena, size_t size)
    __attribute__((returns_nonnull));
void *arena_calloc(struct arena *arena, size_t count, size_t size)
    __attribute__((returns_nonnull));
/* A copy with a NUL behind it. */
struct str arena_copy(struct arena *arena, struct str s);
/* Both in one. */
struct str arena_join(struct arena *arena, struct str a, struct str b);
/* The same, with '?' for every byte that is not part of valid UTF-8. */
struct str arena_copy_utf8(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* Calls `duty(what)` when the arena is cleared. */
void arena_defer(struct arena *arena, void (*duty)(void *what), void *what);

#define ARENA_NEW(arena, type) ((type *)arena_calloc((arena), 1, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) \
    ((type *)arena_calloc((arena), (count), sizeof(type)))

#endif
