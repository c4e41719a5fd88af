/* Bytes and numbers as text: hexadecimal, letters, Base64. */
#ifndef WEIR_SIM_SPELL_H
#define WEIR_SIM_SPELL_H

#include "arena.h"
#include "buf.h"

/* Mixes a number well: neighbours get results far apart (splitmix64). */
uint64_t spell_mix(uint64_t seed);

/* `digits` lower-case hexadecimal digits that follow from the seed. */
struct str spell_hex(struct arena *arena, uint64_t seed, size_t digits);
/* The same with letters and digits, as Anthropic's ids have them. */
struct str spell_letters(struct arena *arena, uint64_t seed, size_t letters);

/* Base64 with padding. */
void spell_base64(struct buf *buf, struct str bytes);

#endif
