#include <sqlite3.h>
#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "report_private.h"
#include "settle/ledger_schema.h"
#include "settle/price.h"

enum { HOUR_S = 3600 };

/* --- sums ----------------------------------------------------------------- */

/* A row may say anything: no sum wraps. */
static void add(int64_t *sum, int64_t n)
{
    if (n > 0 && *sum > INT64_MAX - n)
        *sum = INT64_MAX;
    else if (n < 0 && *sum < INT64_MIN - n)
        *sum = INT64_MIN;
    else
        *sum += n;
}

static void add_time(struct report_times *times, uint64_t us)
{
    if (times->count == times->cap) {
        times->cap = times->cap == 0 ? 64 : times->cap * 2;
        times->us = must_realloc(times->us, times->cap * sizeof(*times->us));
    }
    times->us[times->count++] = us;
}

static void add_times(struct report_times *to, const struct report_times *from)
{
    for (size_t i = 0; i < from->count; i++)
        add_time(to, from->us[i]);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void sort_times(struct report_times *times)
{
    if (times->count > 0)
        qsort(times->us, times->count, sizeof(*times->us), compare_times);
}

uint64_t report_percentile(const struct report_times *times, unsigned p)
{
    return times->count == 0 ? 0 : times->us[(times->count * p + 99) / 100 - 1];
}

int64_t report_per_million(int64_t cost, int64_t tokens)
{
    int64_t sum;

    if (tokens <= 0)
        return 0;
    if (cost / tokens > INT64_MAX / 1000000 - 1)
        return INT64_MAX;
    sum = cost / tokens * 1000000;
    /* both parts stay below the largest number, or the rest is nothing */
    if (cost % tokens <= INT64_MAX / 1000000)
        sum += cost % tokens * 1000000 / tokens;
    return sum;
}

/* --- who is who ----------------------------------------------------------- */

static struct report_group *group_of(struct report *report, struct str name)
{
    size_t *at = strmap_find(&report->group_at, name);

    if (at != NULL)
        return &report->groups[*at - 1];
    if (report->group_count == report->group_cap) {
        report->group_cap = report->group_cap * 2 + 16;
        report->groups = must_realloc(
            report->groups, report->group_cap * sizeof(*report->groups));
    }
    name = arena_copy(&report->arena, name);
    report->groups[report->group_count] = (struct report_group){.name = name};
    *strmap_at(&report->group_at, name) = report->group_count + 1;
    return &report->groups[report->group_count++];
}

static struct report_cause *cause_of(struct report *report, struct str name)
{
    size_t *at = strmap_find(&report->cause_at, name);

    if (at != NULL)
        return &report->causes[*at - 1];
    if (report->cause_count == report->cause_cap) {
        report->cause_cap = report->cause_cap * 2 + 16;
        report->causes = must_realloc(
            report->causes, report->cause_cap * sizeof(*report->causes));
    }
    name = arena_copy(&report->arena, name);
    report->causes[report->cause_count] = (struct report_cause){.name = name};
    *strmap_at(&report->cause_at, name) = report->cause_count + 1;
    return &report->causes[report->cause_count++];
}

static struct report_gpu *gpu_of(struct report *report, struct str backend)
{
    for (unsigned i = 0; i < report->gpu_count; i++)
        if (str_eq(report->gpus[i].backend, backend))
            return &report->gpus[i];
    if (report->gpu_count == REPORT_GPUS_MAX)
        return NULL;
    report->gpus[report->gpu_count] =
        (struct report_gpu){.backend = arena_copy(&report->arena, backend)};
    return &report->gpus[report->gpu_count++];
}

/* --- rows ----------------------------------------------------------------- */

enum column {
    COLUMN_GROUP,
    COLUMN_HOUR, /* of the Unix time */
    COLUMN_TIER,
    COLUMN_OUTCOME,
    COLUMN_DURATION,
    COLUMN_FIRST_TOKEN,
    COLUMN_INPUT,
    COLUMN_READ,
    COLUMN_WRITE,
    COLUMN_OUTPUT,
    COLUMN_COST,
    COLUMN_CLOUD_COST,
    COLUMN_IS_HOURLY,
    COLUMN_FALLBACK,
    COLUMN_WANTS_LOCAL,
    COLUMN_BACKEND,
};

/* What was asked for the way alone is no request. */
static const char rows_sql[] =
    "SELECT %s,ended_us/3600000000,tier,outcome,duration_us,first_token_us,"
    "input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,cost,"
    "cloud_cost,is_hourly,fallback,wants_local,backend FROM requests WHERE "
    "ended_us>=?1 AND ended_us<?2 AND NOT(is_asked=0 AND outcome='ok')";

static const char *const group_columns[REPORT_BYS] = {
    [BY_TIER] = "tier",
    [BY_MODEL] = "coalesce(served_model,'(none)')",
    [BY_KEY] = "coalesce(key,'(none)')",
    [BY_HOUR] = "NULL",
    [BY_REASON] = "coalesce(reason,'(none)')",
};

static struct str text_of(sqlite3_stmt *row, enum column column)
{
    const char *text =
        (const char *)(const void *)sqlite3_column_text(row, (int)column);

    return (struct str){text, (size_t)sqlite3_column_bytes(row, (int)column)};
}

static int64_t number_of(sqlite3_stmt *row, enum column column)
{
    return sqlite3_column_int64(row, (int)column);
}

static bool is_null(sqlite3_stmt *row, enum column column)
{
    return sqlite3_column_type(row, (int)column) == SQLITE_NULL;
}

static struct report_group *group_of_row(struct report *report,
                                         sqlite3_stmt *row)
{
    char text[CLOCK_RFC3339_SIZE];

    if (report->by != BY_HOUR)
        return group_of(report, text_of(row, COLUMN_GROUP));
    clock_rfc3339(number_of(row, COLUMN_HOUR) * HOUR_S * 1000, text);
    /* "2026-11-26T13:00Z" */
    memcpy(text + 16, "Z", 2);
    return group_of(report, (struct str){text, 17});
}

static void add_outcome(struct report_group *group, sqlite3_stmt *row)
{
    struct str outcome = text_of(row, COLUMN_OUTCOME);

    group->requests++;
    group->errors += str_eq(outcome, STR("error"));
    group->client_errors += str_eq(outcome, STR("client_error"));
    group->cancelled += str_eq(outcome, STR("cancelled"));
    if (!str_eq(outcome, STR("ok")))
        return;
    add_time(&group->latency, (uint64_t)number_of(row, COLUMN_DURATION));
    if (!is_null(row, COLUMN_FIRST_TOKEN))
        add_time(&group->first_token,
                 (uint64_t)number_of(row, COLUMN_FIRST_TOKEN));
}

static void add_usage(struct report_group *group, sqlite3_stmt *row)
{
    add(&group->input, number_of(row, COLUMN_INPUT));
    add(&group->cache_read, number_of(row, COLUMN_READ));
    add(&group->cache_write, number_of(row, COLUMN_WRITE));
    add(&group->output, number_of(row, COLUMN_OUTPUT));
    add(&group->cost, number_of(row, COLUMN_COST));
    add(&group->cloud_cost, number_of(row, COLUMN_CLOUD_COST));
    group->unpriced += is_null(row, COLUMN_COST);
    group->without_cloud_cost += is_null(row, COLUMN_CLOUD_COST);
}

static void add_bill(struct report *report, sqlite3_stmt *row, bool is_cloud)
{
    int64_t cost = number_of(row, COLUMN_COST);
    struct report_gpu *gpu;

    if (is_cloud) {
        add(&report->cloud_bill, cost);
        return;
    }
    if (number_of(row, COLUMN_IS_HOURLY) == 0)
        add(&report->local_bill, cost);
    gpu = is_null(row, COLUMN_BACKEND)
              ? NULL
              : gpu_of(report, text_of(row, COLUMN_BACKEND));
    if (gpu == NULL)
        return;
    if (number_of(row, COLUMN_IS_HOURLY) != 0)
        add(&gpu->shared, cost);
    add(&gpu->tokens, number_of(row, COLUMN_INPUT));
    add(&gpu->tokens, number_of(row, COLUMN_OUTPUT));
}

static void add_row(struct report *report, sqlite3_stmt *row)
{
    struct report_group *group = group_of_row(report, row);
    bool is_cloud = str_eq(text_of(row, COLUMN_TIER), STR("cloud"));
    bool wants_local = number_of(row, COLUMN_WANTS_LOCAL) != 0;

    add_outcome(group, row);
    add_usage(group, row);
    report->wanted_local += wants_local;
    if (is_cloud || str_eq(text_of(row, COLUMN_TIER), STR("local")))
        add_bill(report, row, is_cloud);
    if (!is_null(row, COLUMN_FALLBACK)) {
        struct report_cause *cause =
            cause_of(report, text_of(row, COLUMN_FALLBACK));

        cause->requests++;
        cause->to_cloud += is_cloud && wants_local;
    }
}

static int read_rows(struct report *report, sqlite3 *db)
{
    sqlite3_stmt *row;
    struct buf sql;
    int code;

    buf_init(&sql, 4096);
    buf_printf(&sql, rows_sql, group_columns[report->by]);
    code = sqlite3_prepare_v2(db, sql.ptr, (int)sql.len, &row, NULL);
    buf_fini(&sql);
    if (code != SQLITE_OK)
        return code;
    (void)sqlite3_bind_int64(row, 1, report->from_us);
    (void)sqlite3_bind_int64(row, 2, report->to_us);
    while ((code = sqlite3_step(row)) == SQLITE_ROW)
        add_row(report, row);
    (void)sqlite3_finalize(row);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* --- servers by the hour -------------------------------------------------- */

static void add_minutes(struct report *report, sqlite3_stmt *row)
{
    struct report_gpu *gpu = gpu_of(report, text_of(row, (enum column)0));
    int64_t up_us = sqlite3_column_int64(row, 2);
    int64_t cost;

    if (gpu == NULL)
        return;
    add(&gpu->up_us, up_us);
    if (sqlite3_column_type(row, 1) == SQLITE_NULL) {
        report->is_gpu_unknown = report->is_gpu_unknown || up_us > 0;
        return;
    }
    cost = price_time(sqlite3_column_int64(row, 1), (uint64_t)up_us, 1);
    gpu->has_price = true;
    add(&gpu->cost, cost);
    add(&report->gpu_cost, cost);
}

static int read_minutes(struct report *report, sqlite3 *db)
{
    sqlite3_stmt *row;
    int code = sqlite3_prepare_v2(
        db,
        "SELECT backend,hour_price,sum(up_us)FROM gpu_minutes WHERE minute>=?1 "
        "AND minute<?2 GROUP BY backend,hour_price ORDER BY backend",
        -1, &row, NULL);

    if (code != SQLITE_OK)
        return code;
    (void)sqlite3_bind_int64(row, 1, report->from_us / 60000000);
    (void)sqlite3_bind_int64(row, 2, report->to_us / 60000000 + 1);
    while ((code = sqlite3_step(row)) == SQLITE_ROW)
        add_minutes(report, row);
    (void)sqlite3_finalize(row);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* --- the whole ------------------------------------------------------------ */

static int compare_groups(const void *a, const void *b)
{
    const struct report_group *x = a;
    const struct report_group *y = b;
    size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.ptr, y->name.ptr, len);

    return order != 0
               ? order
               : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static int compare_by_size(const void *a, const void *b)
{
    const struct report_group *x = a;
    const struct report_group *y = b;

    if (x->requests != y->requests)
        return x->requests > y->requests ? -1 : 1;
    return compare_groups(a, b);
}

static int compare_causes(const void *a, const void *b)
{
    const struct report_cause *x = a;
    const struct report_cause *y = b;

    if (x->requests != y->requests)
        return x->requests > y->requests ? -1 : 1;
    return strcmp(x->name.ptr, y->name.ptr);
}

static void add_up(struct report *report)
{
    struct report_group *all = &report->all;

    all->name = STR("all");
    for (size_t i = 0; i < report->group_count; i++) {
        struct report_group *group = &report->groups[i];

        add(&all->requests, group->requests);
        add(&all->errors, group->errors);
        add(&all->client_errors, group->client_errors);
        add(&all->cancelled, group->cancelled);
        add(&all->input, group->input);
        add(&all->cache_read, group->cache_read);
        add(&all->cache_write, group->cache_write);
        add(&all->output, group->output);
        add(&all->unpriced, group->unpriced);
        add(&all->without_cloud_cost, group->without_cloud_cost);
        add(&all->cost, group->cost);
        add(&all->cloud_cost, group->cloud_cost);
        add_times(&all->latency, &group->latency);
        add_times(&all->first_token, &group->first_token);
        sort_times(&group->latency);
        sort_times(&group->first_token);
    }
    sort_times(&all->latency);
    sort_times(&all->first_token);
    report->saved = all->cloud_cost;
    add(&report->saved, -report->cloud_bill);
    add(&report->saved, -report->local_bill);
    add(&report->saved, -report->gpu_cost);
    if (report->group_count > 0)
        qsort(report->groups, report->group_count, sizeof(*report->groups),
              report->by == BY_HOUR ? compare_groups : compare_by_size);
    if (report->cause_count > 0)
        qsort(report->causes, report->cause_count, sizeof(*report->causes),
              compare_causes);
}

/* To be read alone; a copy in a folder that nobody may write has no log beside
 * it and no room for one: then the file is all there is. */
static int open_ledger(const struct report *report, sqlite3 **db)
{
    int64_t version = 0;
    int code = sqlite3_open_v2(
        report->path.ptr, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK) {
        (void)sqlite3_busy_timeout(*db, 5000);
        code = ledger_pragma(*db, "PRAGMA user_version", &version);
    }
    if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY) {
        struct buf uri;

        (void)sqlite3_close(*db);
        buf_init(&uri, 16384);
        buf_put(&uri, STR("file:"));
        for (size_t i = 0; i < report->path.len; i++)
            buf_printf(&uri, "%%%02X",
                       (unsigned)(unsigned char)report->path.ptr[i]);
        buf_put(&uri, STR("?immutable=1"));
        buf_put_char(&uri, '\0');
        code = sqlite3_open_v2(
            uri.ptr, db,
            SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
        buf_fini(&uri);
    }
    return code;
}

static int look(sqlite3 *db, struct buf *why)
{
    int64_t version = 0, id = 0;
    int code = ledger_schema_look(db, why);

    if (code == SQLITE_OK)
        code = ledger_pragma(db, "PRAGMA application_id", &id);
    if (code == SQLITE_OK)
        code = ledger_pragma(db, "PRAGMA user_version", &version);
    if (code != SQLITE_OK)
        return code;
    if (id != LEDGER_APPLICATION_ID) {
        buf_put(why, STR("this is no ledger"));
        return SQLITE_MISMATCH;
    }
    if (version < ledger_schema_version()) {
        buf_printf(why,
                   "its version is %lld, older than this weir's %u: let `weir "
                   "serve` open it once, which brings it up to date",
                   (long long)version, ledger_schema_version());
        return SQLITE_MISMATCH;
    }
    return SQLITE_OK;
}

bool report_read(struct report *report, struct buf *why)
{
    sqlite3 *db = NULL;
    int code;

    arena_init(&report->arena);
    strmap_init(&report->group_at, &report->arena);
    strmap_init(&report->cause_at, &report->arena);
    code = open_ledger(report, &db);
    if (code == SQLITE_OK)
        code = look(db, why);
    /* rows and minutes of one moment */
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = read_rows(report, db);
    if (code == SQLITE_OK)
        code = read_minutes(report, db);
    if (code != SQLITE_OK && why->len == 0)
        buf_put(why,
                str_of(db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db)));
    (void)sqlite3_close(db);
    if (code == SQLITE_OK)
        add_up(report);
    return code == SQLITE_OK;
}

void report_fini(struct report *report)
{
    for (size_t i = 0; i < report->group_count; i++) {
        free(report->groups[i].latency.us);
        free(report->groups[i].first_token.us);
    }
    free(report->all.latency.us);
    free(report->all.first_token.us);
    free(report->groups);
    free(report->causes);
    arena_clear(&report->arena);
}
