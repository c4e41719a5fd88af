#include "ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "settle/ledger_row.h"
#include "settle/ledger_schema.h"

enum {
    BUSY_MS = 100,          /* for a lock of somebody who reads */
    CHECK_BYTES = 64 << 20, /* larger files are not looked through at start */
    TRIM_ROWS = 500,        /* at once */
    TRIM_PAGES = 64,        /* the same */
    PATH_SIZE = 4096,
};

/* --- a row becomes the values of the statement ---------------------------- */

/* Most of a row is as it was in the row before: what is bound already is not
 * bound again, which saves a third of the time.  The statement borrows the
 * texts from here. */
struct ledger_bound {
    uint32_t known;
    int64_t numbers[LEDGER_NUMBERS];
    uint8_t lengths[LEDGER_TEXTS];
    char texts[LEDGER_TEXTS][LEDGER_TEXT_MAX];
};

static void bind_numbers(struct ledger_file *file, const struct ledger_row *row)
{
    struct ledger_bound *bound = file->bound;
    uint32_t turned = row->known ^ bound->known;

    for (int i = 0; i < LEDGER_NUMBERS; i++) {
        if ((turned >> i & 1) == 0 && row->numbers[i] == bound->numbers[i])
            continue;
        bound->numbers[i] = row->numbers[i];
        if ((row->known >> i & 1) != 0)
            (void)sqlite3_bind_int64(file->insert, i + 1, row->numbers[i]);
        else
            (void)sqlite3_bind_null(file->insert, i + 1);
    }
    bound->known = row->known;
}

static void bind_texts(struct ledger_file *file, const struct ledger_row *row)
{
    struct ledger_bound *bound = file->bound;
    const char *text = (const char *)(row + 1);

    for (int i = 0; i < LEDGER_TEXTS; text += row->lengths[i++]) {
        uint8_t length = row->lengths[i];
        int at = LEDGER_NUMBERS + i + 1;

        if (length == bound->lengths[i] &&
            memcmp(bound->texts[i], text, length) == 0)
            continue;
        bound->lengths[i] = length;
        memcpy(bound->texts[i], text, length);
        if (length == 0 && (ledger_nullable >> i & 1) != 0)
            (void)sqlite3_bind_null(file->insert, at);
        else
            (void)sqlite3_bind_text(file->insert, at, bound->texts[i], length,
                                    SQLITE_STATIC);
    }
}

/* All is NULL, but for those texts that never are. */
static void bind_nothing(struct ledger_file *file)
{
    file->bound = must_calloc(1, sizeof(*file->bound));
    for (int i = 0; i < LEDGER_TEXTS; i++)
        if ((ledger_nullable >> i & 1) == 0)
            (void)sqlite3_bind_text(file->insert, LEDGER_NUMBERS + i + 1, "", 0,
                                    SQLITE_STATIC);
}

/* --- opening -------------------------------------------------------------- */

static enum ledger_result result_of(int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
        return LEDGER_DONE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
        return LEDGER_LATER;
    default:
        return LEDGER_HOPELESS;
    }
}

static void put_trouble(sqlite3 *db, int code, struct buf *why)
{
    int reason = db == NULL ? 0 : sqlite3_system_errno(db);

    buf_put(why,
            str_of(db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db)));
    if (reason != 0)
        buf_printf(why, ": %s", strerror(reason));
    switch (code & 0xFF) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        buf_put(why, STR("; it is left as it is: move it away (with its -wal) "
                         "and weir begins a new one, or save what is in it "
                         "with  sqlite3 FILE .recover"));
        break;
    case SQLITE_CANTOPEN:
        buf_put(why, STR("; its folder must be there, and weir must be allowed "
                         "to write in it"));
        break;
    case SQLITE_READONLY:
        buf_put(why, STR("; weir must be allowed to write it, and in its "
                         "folder"));
        break;
    default:
        break;
    }
}

/* A device or a pipe would be written to, or waited for, without an end; and
 * SQLite takes some names for something else than a path
 * (https://www.sqlite.org/c3ref/open.html). */
static bool may_be_ledger(const char *path, struct buf *why)
{
    struct stat there;

    if (path[0] == ':' || strncmp(path, "file:", 5) == 0) {
        buf_printf(why, "this is no path; write ./%s if it is meant as one",
                   path);
        return false;
    }
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        buf_put(why, STR("this is not a plain file; name one (ledger.path)"));
        return false;
    }
    return true;
}

/* One router for each file: on a file of its own, since closing any descriptor
 * of the database would drop SQLite's locks (POSIX). */
static enum ledger_result lock(struct ledger_file *file, const char *path,
                               struct buf *why)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char name[PATH_SIZE];
    int n = snprintf(name, sizeof(name), "%s-lock", path);

    if (n < 0 || (size_t)n >= sizeof(name)) {
        buf_put(why, STR("the path is too long"));
        return LEDGER_HOPELESS;
    }
    file->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file->lock_fd < 0) {
        bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EIO ||
                       errno == EMFILE || errno == ENFILE;

        buf_printf(why,
                   "cannot open %s: %s; its folder must be there, and "
                   "weir must be allowed to write in it",
                   name, strerror(errno));
        return is_full ? LEDGER_LATER : LEDGER_HOPELESS;
    }
    if (fcntl(file->lock_fd, F_SETLK, &whole) == 0)
        return LEDGER_DONE;
    whole.l_pid = 0;
    (void)fcntl(file->lock_fd, F_GETLK, &whole);
    buf_printf(why,
               "another router writes it (process %ld); each needs a "
               "ledger of its own (ledger.path)",
               (long)whole.l_pid);
    return LEDGER_HOPELESS;
}

static int set_up(sqlite3 *db)
{
    /* the first two must stand before there is any table, and before WAL;
     * of large pages fewer are split, which saves a fifth of the time.
     * Rows only come at the end: SQLite's usual cache would hold megabytes
     * that nobody reads again */
    return sqlite3_exec(db,
                        "PRAGMA page_size=16384;"
                        "PRAGMA auto_vacuum=INCREMENTAL;"
                        "PRAGMA journal_mode=WAL;"
                        "PRAGMA synchronous=NORMAL;"
                        "PRAGMA wal_autocheckpoint=256;"
                        "PRAGMA journal_size_limit=4194304;"
                        "PRAGMA temp_store=MEMORY;"
                        "PRAGMA cache_size=-512;",
                        NULL, NULL, NULL);
}

static int on_check(void *ctx, int columns, char **values, char **names)
{
    bool *is_sound = ctx;

    (void)columns;
    (void)names;
    *is_sound = values[0] != NULL && strcmp(values[0], "ok") == 0;
    return 0;
}

static int look_through(sqlite3 *db)
{
    int64_t pages = 0, size = 0;
    bool is_sound = true;
    int code = ledger_pragma(db, "PRAGMA page_count", &pages);

    if (code == SQLITE_OK)
        code = ledger_pragma(db, "PRAGMA page_size", &size);
    if (code == SQLITE_OK && pages * size <= CHECK_BYTES)
        code = sqlite3_exec(db, "PRAGMA quick_check(1)", on_check, &is_sound,
                            NULL);
    return code == SQLITE_OK && !is_sound ? SQLITE_CORRUPT : code;
}

static int prepare(struct ledger_file *file, const char *sql,
                   sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                              statement, NULL);
}

static int prepare_insert(struct ledger_file *file)
{
    struct buf sql;
    int code;

    buf_init(&sql, 8192);
    buf_put(&sql, STR("INSERT INTO requests("));
    for (unsigned i = 0; i < LEDGER_NUMBERS + LEDGER_TEXTS; i++) {
        buf_put(&sql, i > 0 ? STR(",") : STR(""));
        buf_put(&sql, ledger_columns[i]);
    }
    buf_put(&sql, STR(")VALUES("));
    for (unsigned i = 0; i < LEDGER_NUMBERS + LEDGER_TEXTS; i++)
        buf_put(&sql, i > 0 ? STR(",?") : STR("?"));
    buf_put(&sql, STR(")"));
    buf_put_char(&sql, '\0');
    code = prepare(file, sql.ptr, &file->insert);
    buf_fini(&sql);
    return code;
}

static int prepare_all(struct ledger_file *file)
{
    int code = prepare(file, "BEGIN IMMEDIATE", &file->begin);

    if (code == SQLITE_OK)
        code = prepare(file, "COMMIT", &file->commit);
    if (code == SQLITE_OK)
        code = prepare_insert(file);
    if (code == SQLITE_OK)
        code = prepare(file,
                       "INSERT INTO gpu_minutes VALUES(?1,?2,?3,?4)"
                       "ON CONFLICT DO UPDATE SET up_us=up_us+?3,hour_price=?4",
                       &file->sample);
    return code;
}

static void note_identity(struct ledger_file *file, const char *path)
{
    struct stat here = {0};

    (void)stat(path, &here);
    file->device = (uint64_t)here.st_dev;
    file->inode = (uint64_t)here.st_ino;
}

static enum ledger_result open_database(struct ledger_file *file,
                                        const char *path, struct buf *why)
{
    int code = sqlite3_open_v2(path, &file->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                   SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                               NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(file->db, BUSY_MS);
    /* before anything is changed */
    if (code == SQLITE_OK)
        code = look_through(file->db);
    if (code == SQLITE_OK)
        code = ledger_schema_look(file->db, why);
    if (code == SQLITE_OK)
        code = set_up(file->db);
    if (code == SQLITE_OK)
        code = ledger_schema_follow(file->db, why);
    if (code == SQLITE_OK)
        code = prepare_all(file);
    if (code == SQLITE_OK) {
        bind_nothing(file);
        note_identity(file, path);
    } else if (why->len == 0)
        put_trouble(file->db, code, why);
    return result_of(code);
}

enum ledger_result ledger_file_open(struct ledger_file *file, const char *path,
                                    struct buf *why)
{
    enum ledger_result result;

    *file = (struct ledger_file){.lock_fd = -1};
    buf_clear(why);
    if (!may_be_ledger(path, why))
        return LEDGER_HOPELESS;
    result = lock(file, path, why);
    if (result == LEDGER_DONE)
        result = open_database(file, path, why);
    if (result != LEDGER_DONE)
        ledger_file_close(file);
    return result;
}

void ledger_file_close(struct ledger_file *file)
{
    (void)sqlite3_finalize(file->begin);
    (void)sqlite3_finalize(file->commit);
    (void)sqlite3_finalize(file->insert);
    (void)sqlite3_finalize(file->sample);
    (void)sqlite3_close(file->db);
    free(file->bound);
    if (file->lock_fd >= 0)
        close(file->lock_fd);
    *file = (struct ledger_file){.lock_fd = -1};
}

bool ledger_file_is_gone(const struct ledger_file *file, const char *path)
{
    struct stat here;

    return stat(path, &here) != 0 || (uint64_t)here.st_dev != file->device ||
           (uint64_t)here.st_ino != file->inode;
}

/* --- writing -------------------------------------------------------------- */

static int run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    (void)sqlite3_reset(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The time is the key, so that the rows need no index: who ends at the very
 * same microsecond as another gets the next one. */
static int write_row(struct ledger_file *file, const struct ledger_row *row)
{
    int64_t ended_us = row->numbers[LEDGER_ended_us];
    int code;

    bind_numbers(file, row);
    bind_texts(file, row);
    code = run(file->insert);
    while (code == SQLITE_CONSTRAINT_PRIMARYKEY ||
           code == SQLITE_CONSTRAINT_ROWID) {
        (void)sqlite3_bind_int64(file->insert, LEDGER_ended_us + 1, ++ended_us);
        code = run(file->insert);
    }
    return code;
}

static int write_rows(struct ledger_file *file, struct str rows)
{
    int code = SQLITE_OK;

    for (size_t at = 0; at < rows.len && code == SQLITE_OK;) {
        const struct ledger_row *row =
            (const struct ledger_row *)(const void *)(rows.ptr + at);

        code = write_row(file, row);
        at += row->size;
    }
    return code;
}

static int write_sample(struct ledger_file *file,
                        const struct ledger_sample *sample)
{
    (void)sqlite3_bind_int64(file->sample, 1, sample->minute);
    (void)sqlite3_bind_text(file->sample, 2, sample->backend.ptr,
                            (int)sample->backend.len, SQLITE_STATIC);
    (void)sqlite3_bind_int64(file->sample, 3, sample->up_us);
    if (sample->hour_price >= 0)
        (void)sqlite3_bind_int64(file->sample, 4, sample->hour_price);
    else
        (void)sqlite3_bind_null(file->sample, 4);
    return run(file->sample);
}

enum ledger_result ledger_file_write(struct ledger_file *file, struct str rows,
                                     const struct ledger_sample *samples,
                                     unsigned sample_count, struct buf *why)
{
    int code = run(file->begin);

    buf_clear(why);
    if (code == SQLITE_OK)
        code = write_rows(file, rows);
    for (unsigned i = 0; i < sample_count && code == SQLITE_OK; i++)
        code = write_sample(file, &samples[i]);
    if (code == SQLITE_OK)
        code = run(file->commit);
    if (code == SQLITE_OK)
        return LEDGER_DONE;
    put_trouble(file->db, code, why);
    (void)sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    return result_of(code);
}

void ledger_file_sync(struct ledger_file *file)
{
    (void)sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                    NULL, NULL);
}

/* --- retention ------------------------------------------------------------ */

/* The oldest rows before that time, a few; the minutes of servers with them. */
static bool delete_some(struct ledger_file *file, int64_t before_us)
{
    char sql[512];

    (void)snprintf(
        sql, sizeof(sql),
        "DELETE FROM requests WHERE ended_us<%lld AND ended_us<=(SELECT "
        "max(ended_us)FROM(SELECT ended_us FROM requests ORDER BY ended_us "
        "LIMIT %d));",
        (long long)before_us, (int)TRIM_ROWS);
    if (sqlite3_exec(file->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return false;
    return sqlite3_changes(file->db) == TRIM_ROWS;
}

/* What stood beside rows that are gone says nothing any more. */
static void delete_minutes(struct ledger_file *file, int64_t before_us,
                           bool with_rows)
{
    char sql[256];

    (void)snprintf(sql, sizeof(sql),
                   "DELETE FROM gpu_minutes WHERE minute<%lld OR(%d AND "
                   "minute<(SELECT min(ended_us)FROM requests)/60000000)",
                   (long long)(before_us / 60000000), with_rows);
    (void)sqlite3_exec(file->db, sql, NULL, NULL, NULL);
}

static int64_t free_pages(struct ledger_file *file)
{
    int64_t pages = 0;

    (void)ledger_pragma(file->db, "PRAGMA freelist_count", &pages);
    return pages;
}

static bool is_too_large(struct ledger_file *file, int64_t max_bytes)
{
    int64_t pages = 0, size = 0;

    if (max_bytes == 0 ||
        ledger_pragma(file->db, "PRAGMA page_count", &pages) != SQLITE_OK ||
        ledger_pragma(file->db, "PRAGMA page_size", &size) != SQLITE_OK)
        return false;
    return (pages - free_pages(file)) * size > max_bytes;
}

bool ledger_file_trim(struct ledger_file *file, int64_t oldest_us,
                      int64_t max_bytes)
{
    bool is_large = is_too_large(file, max_bytes);
    bool has_more = delete_some(file, is_large ? INT64_MAX : oldest_us);
    char sql[64];

    if (!has_more || is_large)
        delete_minutes(file, oldest_us, is_large);
    /* a little is kept: the next rows go there */
    if (free_pages(file) <= TRIM_PAGES)
        return has_more;
    (void)snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)",
                   (int)TRIM_PAGES);
    (void)sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    return has_more || free_pages(file) > TRIM_PAGES;
}
