#include "spell.h"

uint64_t spell_mix(uint64_t seed)
{
    seed += 0x9E3779B97F4A7C15u;
    seed = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9u;
    seed = (seed ^ seed >> 27) * 0x94D049BB133111EBu;
    return seed ^ seed >> 31;
}

static struct str spell(struct arena *arena, uint64_t seed, size_t len,
                        struct str alphabet)
{
    char *text = arena_alloc(arena, len + 1);

    for (size_t i = 0; i < len; i++)
        text[i] = alphabet.ptr[spell_mix(seed + i) % alphabet.len];
    text[len] = '\0';
    return (struct str){text, len};
}

struct str spell_hex(struct arena *arena, uint64_t seed, size_t digits)
{
    return spell(arena, seed, digits, STR("0123456789abcdef"));
}

struct str spell_letters(struct arena *arena, uint64_t seed, size_t letters)
{
    return spell(arena, seed, letters,
                 STR("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
                     "123456789"));
}

void spell_base64(struct buf *buf, struct str bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned group = (unsigned)(unsigned char)bytes.ptr[i] << 16;
        char four[4];

        if (left > 1)
            group |= (unsigned)(unsigned char)bytes.ptr[i + 1] << 8;
        if (left > 2)
            group |= (unsigned char)bytes.ptr[i + 2];
        four[0] = alphabet[group >> 18];
        four[1] = alphabet[group >> 12 & 63];
        four[2] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        four[3] = left > 2 ? alphabet[group & 63] : '=';
        buf_put(buf, (struct str){four, sizeof(four)});
    }
}
