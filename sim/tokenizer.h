/* The stand-ins' tokenizer: an estimate, but always the same one.
 *
 * A token is at most six bytes: letters and digits with the space before
 * them, a run of white space, or one other character.  English text comes to
 * about four characters per token, as with real tokenizers.  A token's number
 * holds its bytes, so that numbers can be turned back without a table. */
#ifndef WEIR_SIM_TOKENIZER_H
#define WEIR_SIM_TOKENIZER_H

#include "str.h"

enum { TOKENIZER_MAX_BYTES = 6 };

/* Cuts one token off the front of *rest, never through a character.  False
 * when *rest was empty. */
bool tokenizer_next(struct str *rest, struct str *token);
size_t tokenizer_count(struct str text);

/* A token's number: below 2^51, so that a double holds it exactly. */
uint64_t tokenizer_number(struct str token);
/* The bytes of a number; how many there are, 0 when it is none of ours. */
size_t tokenizer_bytes(uint64_t number, char out[TOKENIZER_MAX_BYTES]);

#endif
