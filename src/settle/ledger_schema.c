#include "ledger_schema.h"

#include <sqlite3.h>

/* The steps of schema.sql begin at such a line. */
static const char mark[] = "-- version ";

/* The text of one step, without its first line; false when there is none. */
static bool step_at(unsigned version, struct str *step)
{
    struct str rest = {ledger_schema, ledger_schema_len};
    struct str head = {mark, sizeof(mark) - 1};
    unsigned n = 0;
    size_t at;

    while (str_find(rest, head, &at)) {
        rest = str_slice(rest, at + head.len, rest.len);
        if (++n == version) {
            *step = rest;
            if (str_find(rest, head, &at))
                *step = str_slice(rest, 0, at);
            if (str_find(*step, STR("\n"), &at))
                *step = str_slice(*step, at, step->len);
            return true;
        }
    }
    return false;
}

unsigned ledger_schema_version(void)
{
    struct str step;
    unsigned version = 0;

    while (step_at(version + 1, &step))
        version++;
    return version;
}

int ledger_pragma(struct sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run_step(struct sqlite3 *db, unsigned version)
{
    struct str step = {NULL, 0};
    struct buf sql;
    int code;

    (void)step_at(version, &step);
    buf_init(&sql, 64 * 1024);
    buf_put(&sql, step);
    buf_printf(&sql, ";PRAGMA user_version=%u;PRAGMA application_id=%d",
               version, (int)LEDGER_APPLICATION_ID);
    buf_put_char(&sql, '\0');
    code = sqlite3_exec(db, sql.ptr, NULL, NULL, NULL);
    buf_fini(&sql);
    return code;
}

static int run_steps(struct sqlite3 *db, unsigned from, unsigned to,
                     struct buf *why)
{
    int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    for (unsigned version = from; version < to && code == SQLITE_OK; version++)
        code = run_step(db, version + 1);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return code;
    buf_printf(why, "it cannot be brought from version %u to %u: %s", from, to,
               sqlite3_errmsg(db));
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

int ledger_schema_look(struct sqlite3 *db, struct buf *why)
{
    int64_t latest = (int64_t)ledger_schema_version();
    int64_t version = 0, id = 0, tables = 0;
    int code = ledger_pragma(db, "PRAGMA user_version", &version);

    if (code == SQLITE_OK)
        code = ledger_pragma(db, "PRAGMA application_id", &id);
    if (code == SQLITE_OK)
        code = ledger_pragma(db, "SELECT count(*) FROM sqlite_master", &tables);
    if (code != SQLITE_OK)
        return code;
    if (id != LEDGER_APPLICATION_ID && (tables > 0 || version != 0)) {
        buf_put(why, STR("this is a database of another program; name a file "
                         "of its own for the ledger (ledger.path)"));
        return SQLITE_MISMATCH;
    }
    if (version > latest) {
        buf_printf(why,
                   "its version is %lld, and this weir knows those up to "
                   "%lld: "
                   "it was written by a newer one; run that, or name another "
                   "file (ledger.path)",
                   (long long)version, (long long)latest);
        return SQLITE_MISMATCH;
    }
    return SQLITE_OK;
}

int ledger_schema_follow(struct sqlite3 *db, struct buf *why)
{
    unsigned latest = ledger_schema_version();
    int64_t version = 0;
    int code = ledger_pragma(db, "PRAGMA user_version", &version);

    if (code != SQLITE_OK || version == latest)
        return code;
    return run_steps(db, (unsigned)version, latest, why);
}
