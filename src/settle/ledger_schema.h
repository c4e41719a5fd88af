/* From whatever version a ledger has to the present one. */
#ifndef WEIR_LEDGER_SCHEMA_H
#define WEIR_LEDGER_SCHEMA_H

#include "settle/ledger_file.h"

/* The results are SQLite's.
 *
 * Is it a ledger that this program knows, or empty?  SQLITE_MISMATCH when it is
 * another program's file or a newer one's: then `why` says so. */
int ledger_schema_look(struct sqlite3 *db, struct buf *why);
/* Changes it if it is older, all or nothing; `why` says what went wrong. */
int ledger_schema_follow(struct sqlite3 *db, struct buf *why);
/* The number behind a PRAGMA of that name. */
int ledger_pragma(struct sqlite3 *db, const char *sql, int64_t *out);

#endif
