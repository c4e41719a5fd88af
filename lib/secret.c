#include "secret.h"

#include <openssl/crypto.h>

void secret_wipe(struct str text)
{
    /* the one place that writes through a str: the bytes are ours to lose */
    if (text.len > 0)
        OPENSSL_cleanse((void *)(uintptr_t)text.ptr, text.len);
}

struct wipe {
    char *bytes;
    size_t len;
};

static void wipe(void *what)
{
    struct wipe *w = what;

    OPENSSL_cleanse(w->bytes, w->len);
}

struct secret secret_keep(struct arena *arena, struct str bytes)
{
    struct wipe *w = ARENA_NEW(arena, struct wipe);

    w->bytes = arena_alloc(arena, bytes.len + 1);
    w->len = bytes.len;
    if (bytes.len > 0)
        memcpy(w->bytes, bytes.ptr, bytes.len);
    w->bytes[bytes.len] = '\0';
    arena_defer(arena, wipe, w);
    return (struct secret){{w->bytes, w->len}};
}
