#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

#if defined(__SANITIZE_ADDRESS__)
#define SINGLE_ALLOCATIONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SINGLE_ALLOCATIONS 1
#endif
#endif
#ifndef SINGLE_ALLOCATIONS
#define SINGLE_ALLOCATIONS 0
#endif

enum { BLOCK_SIZE = 1024, SPARE_MAX = 128, ALIGN = alignof(max_align_t) };

struct arena_block {
    struct arena_block *older;
    bool is_common; /* of BLOCK_SIZE */
    max_align_t bytes[];
};

/* The thread's own, newest first. */
static _Thread_local struct {
    bool is_open;
    unsigned count;
    struct arena_block *blocks;
} spare;

struct arena_duty {
    struct arena_duty *older;
    void (*run)(void *what);
    void *what;
};

static void block_free(struct arena_block *block)
{
    if (!block->is_common || !spare.is_open || spare.count == SPARE_MAX) {
        free(block);
        return;
    }
    block->older = spare.blocks;
    spare.blocks = block;
    spare.count++;
}

void arena_spare_open(void)
{
    spare.is_open = true;
}

void arena_spare_close(void)
{
    spare.is_open = false;
    while (spare.blocks != NULL) {
        struct arena_block *older = spare.blocks->older;

        free(spare.blocks);
        spare.blocks = older;
    }
    spare.count = 0;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void arena_clear(struct arena *arena)
{
    /* a duty stands in the arena itself: run them all before freeing */
    for (struct arena_duty *d = arena->duties; d != NULL; d = d->older)
        d->run(d->what);
    while (arena->blocks != NULL) {
        struct arena_block *older = arena->blocks->older;

        block_free(arena->blocks);
        arena->blocks = older;
    }
    *arena = (struct arena){0};
}

static char *block_push(struct arena *arena, struct arena_block *block,
                        bool is_common)
{
    block->older = arena->blocks;
    block->is_common = is_common;
    arena->blocks = block;
    return (char *)block->bytes;
}

static char *block_add(struct arena *arena, size_t size)
{
    struct arena_block *block = must_alloc(sizeof(*block) + size);

    return block_push(arena, block, false);
}

static char *block_add_common(struct arena *arena)
{
    struct arena_block *block = spare.blocks;

    if (block == NULL) {
        block = must_alloc(sizeof(*block) + BLOCK_SIZE);
    } else {
        spare.blocks = block->older;
        spare.count--;
    }
    return block_push(arena, block, true);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    char *piece;

    check(size < SIZE_MAX / 2);
    arena->used += size;
    if (SINGLE_ALLOCATIONS)
        return block_add(arena, size);
    size = (size == 0 ? ALIGN : size + ALIGN - 1) / ALIGN * ALIGN;
    if (size > BLOCK_SIZE / 4 && size > arena->left)
        return block_add(arena, size); /* keep the rest of the newest block */
    if (size > arena->left) {
        arena->next = block_add_common(arena);
        arena->left = BLOCK_SIZE;
    }
    piece = arena->next;
    arena->next += size;
    arena->left -= size;
    return piece;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    void *piece;

    check(size == 0 || count <= SIZE_MAX / 2 / size);
    piece = arena_alloc(arena, count * size);
    memset(piece, 0, count * size);
    return piece;
}

struct str arena_copy(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

struct str arena_join(struct arena *arena, struct str a, struct str b)
{
    char *joined = arena_alloc(arena, a.len + b.len + 1);

    if (a.len > 0)
        memcpy(joined, a.ptr, a.len);
    if (b.len > 0)
        memcpy(joined + a.len, b.ptr, b.len);
    joined[a.len + b.len] = '\0';
    return (struct str){joined, a.len + b.len};
}

struct str arena_copy_utf8(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);

    for (size_t i = 0; i < s.len;) {
        size_t len = str_utf8_length(s, i);

        if (len == 0) {
            copy[i++] = '?';
        } else {
            memcpy(copy + i, s.ptr + i, len);
            i += len;
        }
    }
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;
    int len;
    char *text;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    check(len >= 0);
    text = arena_alloc(arena, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct str){text, (size_t)len};
}

void arena_defer(struct arena *arena, void (*duty)(void *what), void *what)
{
    struct arena_duty *d = ARENA_NEW(arena, struct arena_duty);

    *d = (struct arena_duty){arena->duties, duty, what};
    arena->duties = d;
}
