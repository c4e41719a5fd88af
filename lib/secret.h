/* A key or token.  A type of its own, so that no function that prints takes
 * one by accident; the bytes are wiped when their arena is cleared. */
#ifndef WEIR_SECRET_H
#define WEIR_SECRET_H

#include "arena.h"
#include "str.h"

struct secret {
    struct str bytes; /* to be sent or compared, never to be shown */
};

/* Keeps a copy in the arena. */
struct secret secret_keep(struct arena *arena, struct str bytes);

/* Overwrites text that held a secret on its way here. */
void secret_wipe(struct str text);

static inline bool secret_is_set(struct secret secret)
{
    return secret.bytes.len > 0;
}

#endif
