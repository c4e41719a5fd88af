#include "ledger.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "buf.h"
#include "check.h"
#include "clock.h"
#include "log.h"
#include "settle/ledger_file.h"
#include "settle/ledger_row.h"

enum {
    ROWS_MAX = 2048,       /* of a transaction */
    ROWS_MS = 400,         /* how long the first of them waits */
    BYTES_MAX = 16 << 20,  /* of all rows that wait for the disk */
    SAMPLE_MS = 10 * 1000, /* between two looks at the meter */
    LOOK_MS = 1000,        /* between two looks for the file */
    TRIM_MS = 5 * 1000,    /* between two times of retention */
    SYNC_MS = 60 * 1000,   /* between two checkpoints, at the least */
    FIRST_RETRY_MS = 500,  /* after a failure; then twice as long, */
    LAST_RETRY_MS = 30000, /* up to this */
    SAY_MS = 60 * 1000,    /* between two complaints */
};

struct ledger {
    struct exporter exporter; /* first */
    char *path;
    uint64_t max_age_ms;
    int64_t max_bytes;
    const struct meter *meter;
    struct ledger_file file;
    struct buf why;

    struct buf rows;                         /* those that wait */
    unsigned row_count;                      /* of them */
    uint64_t first_row_ms;                   /* when the oldest came */
    uint64_t written_us[METER_BACKENDS_MAX]; /* of the meter */

    uint64_t sample_ms, look_ms, trim_ms, sync_ms; /* when each is due */
    bool is_dirty;        /* something was written since the last checkpoint */
    uint64_t retry_ms;    /* the wait after the next failure */
    uint64_t retry_at_ms; /* 0: all is well */
    uint64_t said_ms;
    uint64_t lost; /* rows, since it last went well */
};

static struct ledger *of(struct exporter *exporter)
{
    return (struct ledger *)(void *)exporter;
}

/* --- trouble -------------------------------------------------------------- */

static void fail(struct ledger *ledger, uint64_t now_ms)
{
    figures_add(&ledger->exporter.figures.sends, 1);
    figures_add(&ledger->exporter.figures.failed_sends, 1);
    if (ledger->retry_at_ms == 0 || now_ms >= ledger->said_ms + SAY_MS) {
        log_say(LOG_ERROR, "the ledger cannot be written",
                "%s: %.*s; %u rows wait", ledger->path,
                STR_ARG(buf_str(&ledger->why)), ledger->row_count);
        ledger->said_ms = now_ms;
    }
    ledger->retry_ms =
        ledger->retry_at_ms == 0 ? FIRST_RETRY_MS : ledger->retry_ms * 2;
    if (ledger->retry_ms > LAST_RETRY_MS)
        ledger->retry_ms = LAST_RETRY_MS;
    ledger->retry_at_ms = now_ms + ledger->retry_ms;
    /* afresh: a descriptor may have gone bad with its file system */
    ledger_file_close(&ledger->file);
}

static void recover(struct ledger *ledger)
{
    if (ledger->retry_at_ms == 0)
        return;
    log_say(LOG_INFO, "the ledger is written again", "%s: %llu rows were lost",
            ledger->path, (unsigned long long)ledger->lost);
    ledger->retry_at_ms = 0;
    ledger->lost = 0;
}

/* The oldest, an eighth of them at once: moving the rest is not for nothing. */
static void drop_oldest(struct ledger *ledger)
{
    unsigned n = 0;
    size_t bytes = 0;

    while (bytes < BYTES_MAX / 8 && bytes < ledger->rows.len) {
        bytes += ((const struct ledger_row *)(const void *)(ledger->rows.ptr +
                                                            bytes))
                     ->size;
        n++;
    }
    buf_consume(&ledger->rows, bytes);
    ledger->row_count -= n;
    ledger->lost += n;
    figures_add(&ledger->exporter.figures.dropped[DROP_MEMORY_FULL], n);
}

static void set_queued(struct ledger *ledger)
{
    figures_set(&ledger->exporter.figures.queued, ledger->row_count);
    figures_set(&ledger->exporter.figures.queued_bytes, ledger->rows.len);
}

/* --- writing -------------------------------------------------------------- */

static unsigned take_samples(struct ledger *ledger,
                             struct ledger_sample samples[METER_BACKENDS_MAX],
                             uint64_t seen_us[METER_BACKENDS_MAX])
{
    unsigned count = ledger->meter == NULL ? 0 : meter_count(ledger->meter);
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct meter_backend *backend = &ledger->meter->backends[i];

        seen_us[i] =
            atomic_load_explicit(&backend->up_us, memory_order_relaxed);
        if (seen_us[i] == ledger->written_us[i])
            continue;
        samples[n++] = (struct ledger_sample){
            .minute = clock_wall_s() / 60,
            .backend = {backend->name, backend->name_len},
            .up_us = (int64_t)(seen_us[i] - ledger->written_us[i]),
            .hour_price = atomic_load_explicit(&backend->hour_price,
                                               memory_order_relaxed),
        };
    }
    return n;
}

/* Everything that waits, in one transaction. */
static void write_all(struct ledger *ledger, uint64_t now_ms)
{
    struct figures *figures = &ledger->exporter.figures;
    struct ledger_sample samples[METER_BACKENDS_MAX];
    uint64_t seen_us[METER_BACKENDS_MAX] = {0};
    unsigned sample_count = now_ms >= ledger->sample_ms
                                ? take_samples(ledger, samples, seen_us)
                                : 0;

    if (now_ms >= ledger->sample_ms)
        ledger->sample_ms = now_ms + SAMPLE_MS;
    if (ledger->row_count == 0 && sample_count == 0 && ledger->file.db != NULL)
        return;
    if ((ledger->file.db == NULL &&
         ledger_file_open(&ledger->file, ledger->path, &ledger->why) !=
             LEDGER_DONE) ||
        ledger_file_write(&ledger->file, buf_str(&ledger->rows), samples,
                          sample_count, &ledger->why) != LEDGER_DONE) {
        fail(ledger, now_ms);
        ledger->sample_ms = ledger->retry_at_ms;
        return;
    }
    if (ledger->row_count > 0)
        figures_add(&figures->sends, 1);
    figures_add(&figures->delivered, ledger->row_count);
    for (unsigned i = 0; i < METER_BACKENDS_MAX && sample_count > 0; i++)
        if (seen_us[i] > 0)
            ledger->written_us[i] = seen_us[i];
    buf_clear(&ledger->rows);
    ledger->row_count = 0;
    ledger->is_dirty = true;
    set_queued(ledger);
    recover(ledger);
}

static bool may_write(const struct ledger *ledger, uint64_t now_ms)
{
    return ledger->retry_at_ms == 0 || now_ms >= ledger->retry_at_ms;
}

static void take(struct exporter *exporter, const struct record *record)
{
    struct ledger *ledger = of(exporter);

    figures_add(&exporter->figures.taken, 1);
    if (ledger->rows.len >= BYTES_MAX)
        drop_oldest(ledger);
    if (!ledger_row_put(&ledger->rows, record)) {
        figures_add(&exporter->figures.dropped[DROP_MEMORY_FULL], 1);
        return;
    }
    if (ledger->row_count++ == 0)
        ledger->first_row_ms = clock_ms();
    if (ledger->row_count >= ROWS_MAX && may_write(ledger, clock_ms()))
        write_all(ledger, clock_ms());
}

/* --- now and then --------------------------------------------------------- */

/* Whoever removes the file under our hands wants a new one, or has no wish at
 * all; what we would write now nobody would ever read. */
static void look_for_file(struct ledger *ledger, uint64_t now_ms)
{
    ledger->look_ms = now_ms + LOOK_MS;
    if (!ledger_file_is_gone(&ledger->file, ledger->path))
        return;
    log_say(LOG_WARN, "the ledger's file has gone", "%s: a new one is begun",
            ledger->path);
    ledger_file_close(&ledger->file);
    if (ledger_file_open(&ledger->file, ledger->path, &ledger->why) !=
        LEDGER_DONE)
        fail(ledger, now_ms);
}

static void trim(struct ledger *ledger, uint64_t now_ms)
{
    int64_t oldest_us =
        ledger->max_age_ms == 0
            ? INT64_MIN
            : clock_wall_us() - (int64_t)ledger->max_age_ms * 1000;

    if (ledger_file_trim(&ledger->file, oldest_us, ledger->max_bytes)) {
        ledger->trim_ms = now_ms;
        ledger->is_dirty = true;
    } else {
        ledger->trim_ms = now_ms + TRIM_MS;
    }
}

static void keep_house(struct ledger *ledger, uint64_t now_ms)
{
    if (now_ms >= ledger->look_ms)
        look_for_file(ledger, now_ms);
    if (ledger->file.db == NULL)
        return;
    if (now_ms >= ledger->trim_ms)
        trim(ledger, now_ms);
    if (now_ms < ledger->sync_ms)
        return;
    ledger->sync_ms = now_ms + SYNC_MS;
    if (ledger->is_dirty)
        ledger_file_sync(&ledger->file);
    ledger->is_dirty = false;
}

static uint64_t tick(struct exporter *exporter, uint64_t now_ms)
{
    struct ledger *ledger = of(exporter);
    bool is_due =
        now_ms >= ledger->sample_ms || ledger->retry_at_ms > 0 ||
        (ledger->row_count > 0 && now_ms >= ledger->first_row_ms + ROWS_MS);

    set_queued(ledger);
    if (is_due && may_write(ledger, now_ms))
        write_all(ledger, now_ms);
    if (ledger->file.db != NULL)
        keep_house(ledger, now_ms);
    if (ledger->retry_at_ms > 0)
        return ledger->retry_at_ms;
    return ledger->row_count > 0 ? ledger->first_row_ms + ROWS_MS
                                 : ledger->look_ms;
}

static bool flush(struct exporter *exporter, uint64_t now_ms)
{
    struct ledger *ledger = of(exporter);

    if (may_write(ledger, now_ms) && ledger->row_count > 0)
        write_all(ledger, now_ms);
    return ledger->row_count == 0;
}

static void ledger_close(struct exporter *exporter)
{
    struct ledger *ledger = of(exporter);
    uint64_t now_ms = clock_ms();

    ledger->sample_ms = 0; /* the last minute of the servers, too */
    write_all(ledger, now_ms);
    if (ledger->row_count > 0) {
        log_say(LOG_ERROR, "rows of the ledger were lost", "%s: %u of them",
                ledger->path, ledger->row_count);
        figures_add(&exporter->figures.dropped[DROP_SHUTDOWN],
                    ledger->row_count);
    }
    ledger_file_close(&ledger->file);
    buf_fini(&ledger->rows);
    buf_fini(&ledger->why);
    free(ledger->path);
    free(ledger);
}

/* --- opening -------------------------------------------------------------- */

static const struct exporter_verbs verbs = {take, tick, flush, ledger_close};

struct exporter *ledger_open(const struct ledger_options *options,
                             struct buf *why)
{
    struct ledger *ledger = must_calloc(1, sizeof(*ledger));
    enum ledger_result result;

    /* no count of every byte, which would take a lock */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    ledger->exporter.verbs = &verbs;
    ledger->exporter.figures.name = STR("ledger");
    ledger->exporter.figures.items = STR("rows");
    ledger->path = must_alloc(options->path.len + 1);
    memcpy(ledger->path, options->path.ptr, options->path.len);
    ledger->path[options->path.len] = '\0';
    ledger->max_age_ms = options->max_age_ms;
    ledger->max_bytes = options->max_bytes;
    ledger->meter = options->meter;
    buf_init(&ledger->why, 8192);
    buf_init(&ledger->rows, (size_t)BYTES_MAX * 2);
    result = ledger_file_open(&ledger->file, ledger->path, &ledger->why);
    if (result == LEDGER_HOPELESS) {
        buf_printf(why, "the ledger %s: %.*s", ledger->path,
                   STR_ARG(buf_str(&ledger->why)));
        buf_fini(&ledger->rows);
        buf_fini(&ledger->why);
        free(ledger->path);
        free(ledger);
        return NULL;
    }
    if (result == LEDGER_LATER)
        fail(ledger, clock_ms());
    return &ledger->exporter;
}
