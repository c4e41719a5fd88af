/* Batches on disk: one folder, one file for each, named by kind and sequence
 * number.
 *
 * A file is a head (spool_head.h) and the body.  It is written under a
 * temporary name and renamed, so that a crash leaves a whole file or none that
 * counts; what the disk gives back is checked by length and CRC-32 all the
 * same. There is no fsync(): the death of the process loses nothing that is
 * here, the death of the machine may lose the last seconds.
 *
 * One process has a kind in a folder, by a lock that ends with it.
 *
 * What goes for want of room, for its age or for what the disk made of it is
 * counted as lost; what is here, in the figures.  Writing never waits for a
 * disk that is full: it fails, and the caller keeps what he has. */
#ifndef WEIR_SPOOL_H
#define WEIR_SPOOL_H

#include "buf.h"
#include "telemetry/trouble.h"

enum { SPOOL_BLOCK = 4096 }; /* what a file takes is rounded up to that */

struct spool;

/* A batch as it lies here. */
struct spool_batch {
    uint64_t seq;
    unsigned items;
    struct buf body;
};

/* Makes the folder if it is not there (not those above it), and takes up what
 * it holds.  NULL with a sentence in `why` when it cannot be used, or is
 * another process's. */
struct spool *spool_open(struct str dir, struct str kind, size_t max_bytes,
                         uint64_t max_age_ms, struct trouble *trouble,
                         struct buf *why);
/* Leaves the files. */
void spool_close(struct spool *spool);

bool spool_is_empty(const struct spool *spool);
/* Above all numbers that were found or put. */
uint64_t spool_next_seq(const struct spool *spool);

/* Is there room for so many bytes, if all else goes? */
bool spool_fits(const struct spool *spool, size_t len);
/* Writes a batch at its place, or anew in the place of the one with that
 * number.  The oldest go until there is room, but for the one that is held.
 * False when the disk does not take it, or all room is held: nothing has
 * changed then, and nothing is counted. */
MUST_USE bool spool_put(struct spool *spool, uint64_t seq, struct str body,
                        unsigned items);
/* That batch, which has a file, is not to go for want of room. */
void spool_hold(struct spool *spool, uint64_t seq);
/* Reads the oldest that is whole and not too old, which is held from now on:
 * it stays until spool_remove().  False when there is none, or when it cannot
 * be read just now: the spool is not empty then. */
MUST_USE bool spool_first(struct spool *spool, struct spool_batch *out);
/* Drops what is too old but for the one that is held; true when that one is
 * too old, too. */
bool spool_age(struct spool *spool);
/* Removes the one with that number, for whatever became of it. */
void spool_remove(struct spool *spool, uint64_t seq);

#endif
