/* The head of a file of the spool: what says whose it is and whether it is
 * whole.  72 bytes, numbers in little-endian:
 *
 *    0  8  magic               24  8  length of the body
 *    8  4  version             32  4  CRC-32 of the body
 *   12  4  items               36 32  kind, filled up with NULs
 *   16  8  created, ms         68  4  CRC-32 of the 68 bytes before
 */
#ifndef WEIR_SPOOL_HEAD_H
#define WEIR_SPOOL_HEAD_H

#include "str.h"

enum {
    SPOOL_KIND_SIZE = 32, /* with a NUL */
    SPOOL_HEAD_SIZE = 72,
};

struct spool_head {
    uint32_t items;
    int64_t created_ms; /* wall clock, since 1970 */
    uint64_t body_len;
    uint32_t body_crc;
};

/* Letters a-z, digits, '-' and '.', of a length that fits. */
bool spool_is_kind(struct str kind);

/* Sets the length and the CRC, too. */
void spool_write_head(char out[SPOOL_HEAD_SIZE], struct str kind,
                      struct spool_head *head, struct str body);
/* Reads the head of a file; false when it is none of that kind. */
MUST_USE bool spool_read_head(struct str file, struct str kind,
                              struct spool_head *head);
/* Is this the body that the head speaks of? */
MUST_USE bool spool_is_body(const struct spool_head *head, struct str body);

#endif
