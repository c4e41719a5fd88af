#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "weir: bug: %s:%d: expected %s\n", file, line, condition);
    fflush(stderr);
    abort();
}

void out_of_memory(void)
{
    fputs("weir: out of memory\n", stderr);
    abort();
}

void *must_alloc(unsigned long size)
{
    void *memory = malloc(size);

    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *must_calloc(unsigned long count, unsigned long size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *must_realloc(void *old, unsigned long size)
{
    void *memory = realloc(old, size);

    if (memory == NULL)
        out_of_memory();
    return memory;
}

char *must_strdup(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(must_alloc(size), text, size);
}
