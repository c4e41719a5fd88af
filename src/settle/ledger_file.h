/* The ledger's file: SQLite in WAL mode, one writer.
 *
 * What was committed survives the end of the process; the file stays whole
 * whatever happens (https://www.sqlite.org/wal.html).  A loss of power may
 * take what came after the last checkpoint: a minute, see ledger.c. */
#ifndef WEIR_LEDGER_FILE_H
#define WEIR_LEDGER_FILE_H

#include "buf.h"

struct sqlite3;
struct sqlite3_stmt;
struct ledger_bound;

enum ledger_result {
    LEDGER_DONE,
    LEDGER_LATER,    /* the disk or a lock: it may be better another time */
    LEDGER_HOPELESS, /* somebody must see to it */
};

/* How long the servers of a backend were up. */
struct ledger_sample {
    int64_t minute; /* of the Unix time */
    struct str backend;
    int64_t up_us;
    int64_t hour_price; /* micro-dollars; below 0: not known */
};

struct ledger_file {
    struct sqlite3 *db; /* NULL: it is not open */
    struct sqlite3_stmt *begin, *commit, *insert, *sample;
    struct ledger_bound *bound; /* to `insert`, now */
    int lock_fd;
    uint64_t device, inode; /* that it had when it was opened */
};

/* Opens or makes it, brings it to this program's version, and locks it against
 * other routers.  If not LEDGER_DONE, a sentence is in `why`, and nothing was
 * changed. */
enum ledger_result ledger_file_open(struct ledger_file *file, const char *path,
                                    struct buf *why);
void ledger_file_close(struct ledger_file *file);
/* Is what stands at that path another file by now, or none? */
bool ledger_file_is_gone(const struct ledger_file *file, const char *path);

/* Writes the rows of ledger_row.h and the samples, all or none. */
enum ledger_result ledger_file_write(struct ledger_file *file, struct str rows,
                                     const struct ledger_sample *samples,
                                     unsigned sample_count, struct buf *why);
/* Brings what was written so far from the log into the file, and both to the
 * disk. */
void ledger_file_sync(struct ledger_file *file);
/* Removes a few of the oldest rows if they are from before `oldest_us`, or if
 * more than `max_bytes` (0: any size) are used, and gives room back to the file
 * system.  True when there is more to do. */
bool ledger_file_trim(struct ledger_file *file, int64_t oldest_us,
                      int64_t max_bytes);

/* The schema's latest version.  schema.sql, as it was at build time. */
unsigned ledger_schema_version(void);
extern const char ledger_schema[];
extern const size_t ledger_schema_len;

enum { LEDGER_APPLICATION_ID = 0x77656972 }; /* "weir" */

#endif
