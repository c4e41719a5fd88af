/* The files of the spool, one by one: what the disk is asked to do, and what
 * is said when it does not. */
#ifndef WEIR_SPOOL_DISK_H
#define WEIR_SPOOL_DISK_H

#include "buf.h"
#include "telemetry/spool_head.h"

enum { SPOOL_BAD_MAX = 8 }; /* files that are kept for a person to look at */

struct spool_disk {
    char kind[SPOOL_KIND_SIZE];
    int dir, lock; /* -1: none */
    unsigned bad_count;
    uint64_t last_seq; /* the highest number of any file */
    uint64_t next_say_ms;
};

/* What a file holds. */
enum spool_find {
    SPOOL_WHOLE,
    SPOOL_DAMAGED,
    SPOOL_UNREADABLE, /* for now: no memory, no more files */
};

/* Makes the folder `path` if it is not there (not those above it) and locks
 * the kind; false with a sentence in `why`, and there is nothing to close. */
MUST_USE bool spool_disk_open(struct spool_disk *disk, struct str path,
                              struct str kind, struct buf *why);
void spool_disk_close(struct spool_disk *disk);

/* Calls for each file, in no order; removes what was left half written. */
MUST_USE bool spool_disk_each(struct spool_disk *disk,
                              void (*on_file)(void *ctx, uint64_t seq),
                              void *ctx);

/* Writes the file with that number, or writes it anew; sets the head's length
 * and CRC.  False: it is as it was. */
MUST_USE bool spool_disk_write(struct spool_disk *disk, uint64_t seq,
                               struct spool_head *head, struct str body);
/* Its head alone; whether the body is there, but not whether it is whole. */
MUST_USE enum spool_find spool_disk_look(struct spool_disk *disk, uint64_t seq,
                                         struct spool_head *head);
/* All of it; `body` is empty before, and may hold anything if it fails. */
MUST_USE enum spool_find spool_disk_read(struct spool_disk *disk, uint64_t seq,
                                         struct buf *body);

void spool_disk_remove(struct spool_disk *disk, uint64_t seq);
/* Renames it to .bad, or removes it when there are many of these. */
void spool_disk_set_aside(struct spool_disk *disk, uint64_t seq);

#endif
