/* What the tests of the ledger share: a folder of their own, records, and what
 * stands in the file. */
#ifndef WEIR_LEDGER_GIVEN_H
#define WEIR_LEDGER_GIVEN_H

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../testing.h"
#include "check.h"
#include "settle/ledger.h"
#include "settle/ledger_file.h"

static char given_folder[64];
static char given_path[128];

static inline int given_ledger_folder(void **state)
{
    (void)state;
    (void)snprintf(given_folder, sizeof(given_folder),
                   "/tmp/weir-ledger-XXXXXX");
    check(mkdtemp(given_folder) != NULL);
    (void)snprintf(given_path, sizeof(given_path), "%s/ledger.db",
                   given_folder);
    return 0;
}

static inline int given_ledger_gone(void **state)
{
    static const char *const ends[] = {"", "-lock", "-wal", "-shm"};
    char path[160];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", given_path, ends[i]);
        (void)unlink(path);
    }
    return rmdir(given_folder);
}

static inline void given_sql(const char *sql)
{
    char *why = NULL;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(given_path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_free(why);
    sqlite3_close(db);
}

/* All rows, "a|b\n" each. */
static inline void given_query(const char *sql, struct buf *out)
{
    sqlite3_stmt *row;
    sqlite3 *db;

    buf_clear(out);
    assert_int_equal(sqlite3_open(given_path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(row) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(row); i++) {
            const char *text =
                (const char *)(const void *)sqlite3_column_text(row, i);

            buf_put(out, i > 0 ? STR("|") : STR(""));
            buf_put(out, text == NULL ? STR("NULL") : str_of(text));
        }
        buf_put_char(out, '\n');
    }
    sqlite3_finalize(row);
    sqlite3_close(db);
}

#define assert_query(sql, expected)              \
    do {                                         \
        struct buf answer_;                      \
        buf_init(&answer_, 1 << 20);             \
        given_query((sql), &answer_);            \
        assert_str(buf_str(&answer_), expected); \
        buf_fini(&answer_);                      \
    } while (0)

#endif
