/* A folder for one test. */
#ifndef WEIR_SCRATCH_H
#define WEIR_SCRATCH_H

#include "buf.h"

/* Makes one, and puts its name into `path`. */
void scratch_make(char path[64]);
/* Removes it with the files in it. */
void scratch_remove(const char *path);

/* The names of its files that end so, sorted, one a line. */
struct str scratch_list(const char *path, const char *ending, struct buf *out);
/* How many those are. */
unsigned scratch_count(const char *path, const char *ending);

/* All bytes of a file in it; writes one anew. */
void scratch_read(const char *path, const char *name, struct buf *out);
void scratch_write(const char *path, const char *name, struct str bytes);

#endif
