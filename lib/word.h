/* Eight bytes looked at as one word.
 *
 * A question is answered by a mask: 0, or the lowest bit that is set stands in
 * the first byte that is so.  Bytes behind that one may be marked wrongly. */
#ifndef WEIR_WORD_H
#define WEIR_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD_ONES UINT64_C(0x0101010101010101)
#define WORD_HIGHS UINT64_C(0x8080808080808080)

/* The first byte is the lowest one, on every machine. */
static inline uint64_t word_read(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Which one is `c`? */
static inline uint64_t word_find(uint64_t word, char c)
{
    word ^= WORD_ONES * (unsigned char)c;
    return (word - WORD_ONES) & ~word & WORD_HIGHS;
}

/* Which one is below 0x20? */
static inline uint64_t word_find_control(uint64_t word)
{
    return (word - WORD_ONES * 0x20) & ~word & WORD_HIGHS;
}

/* Which one is not ASCII, below 0x20, or `c`, which is ASCII? */
static inline uint64_t word_find_odd(uint64_t word, char c)
{
    uint64_t same = word ^ WORD_ONES * (unsigned char)c;

    return (word | (word - WORD_ONES * 0x20) | (same - WORD_ONES)) & WORD_HIGHS;
}

/* How many bytes a mask marks. */
static inline size_t word_count(uint64_t mask)
{
    return (size_t)(((mask >> 7) * WORD_ONES) >> 56);
}

/* The index of the first byte in a mask that is not 0. */
static inline size_t word_first(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask) / 8;
}

#endif
