/* The report as a table for people; it may change.  See report_export.c. */
#include "check.h"
#include "clock.h"
#include "report_private.h"

const struct str report_by_names[REPORT_BYS] = {
    [BY_TIER] = STR_INIT("tier"),     [BY_MODEL] = STR_INIT("model"),
    [BY_KEY] = STR_INIT("key"),       [BY_HOUR] = STR_INIT("hour"),
    [BY_REASON] = STR_INIT("reason"),
};

const struct str report_format_names[REPORT_FORMATS] = {
    [REPORT_TABLE] = STR_INIT("table"),
    [REPORT_CSV] = STR_INIT("csv"),
    [REPORT_JSON] = STR_INIT("json"),
};

enum { NAME_WIDTH = 24 };

/* --- numbers -------------------------------------------------------------- */

/* Thousandths of a whole, half up. */
static int64_t share(int64_t part, int64_t whole)
{
    if (whole <= 0)
        return 0;
    return part > INT64_MAX / 2000 ? part / (whole / 1000 + 1)
                                   : (part * 2000 + whole) / (whole * 2);
}

/* --- a table -------------------------------------------------------------- */

enum { COLUMNS_MAX = 12 };

/* Cells as they come; the widths are known at the end. */
struct table {
    struct arena *arena;
    unsigned columns;
    struct str *cells;
    size_t count, cap;
};

static void put_cell(struct table *table, struct str text)
{
    if (table->count == table->cap) {
        size_t cap = table->cap * 2 + 64;
        struct str *cells = ARENA_ARRAY(table->arena, struct str, cap);

        if (table->count > 0)
            memcpy(cells, table->cells, table->count * sizeof(*cells));
        table->cells = cells;
        table->cap = cap;
    }
    table->cells[table->count++] = text;
}

static void put_head(struct table *table, struct str names)
{
    struct str name;

    table->columns = 0;
    while (str_split(&names, '|', &name)) {
        put_cell(table, name);
        table->columns++;
    }
    check(table->columns <= COLUMNS_MAX);
}

/* 1234567 as 1,234,567 */
static void put_count(struct table *table, int64_t n)
{
    struct str digits = arena_printf(table->arena, "%lld", (long long)n);
    char text[32];
    size_t len = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (i > 0 && (digits.len - i) % 3 == 0)
            text[len++] = ',';
        text[len++] = digits.ptr[i];
    }
    put_cell(table, arena_copy(table->arena, (struct str){text, len}));
}

static void put_share(struct table *table, int64_t part, int64_t whole)
{
    int64_t thousandths = share(part, whole);

    put_cell(table, arena_printf(table->arena, "%lld.%lld%%",
                                 (long long)(thousandths / 10),
                                 (long long)(thousandths % 10)));
}

/* Whole milliseconds; of nothing a dash. */
static void put_percentile(struct table *table,
                           const struct report_times *times, unsigned p)
{
    if (times->count == 0)
        put_cell(table, STR("-"));
    else
        put_count(table, (int64_t)((report_percentile(times, p) + 500) / 1000));
}

/* To the micro-dollar, half up: so that the points stand below one another. */
static void put_money(struct table *table, int64_t nano)
{
    int64_t micro = nano / 1000 + (nano % 1000 >= 500);

    put_cell(table, arena_printf(table->arena, "%lld.%06lld",
                                 (long long)(micro / 1000000),
                                 (long long)(micro % 1000000)));
}

static size_t width_of(struct str text)
{
    return str_code_points(text);
}

static void put_spaces(struct buf *out, size_t n)
{
    for (; n > 0; n--)
        buf_put_char(out, ' ');
}

/* The first column to the left, the others to the right. */
static void print_table(const struct table *table, struct buf *out)
{
    size_t widths[COLUMNS_MAX] = {0};

    check(table->columns > 0);
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of(table->cells[i]);

        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        size_t room = widths[column] - width_of(table->cells[i]);

        if (column > 0)
            put_spaces(out, room + 2);
        buf_put(out, table->cells[i]);
        if (column == 0 && table->columns > 1)
            put_spaces(out, room);
        if (column == table->columns - 1)
            buf_put_char(out, '\n');
    }
    buf_put_char(out, '\n');
}

static struct str name_cell(struct arena *arena, struct str name)
{
    struct str clean = arena_copy_utf8(arena, name);

    if (width_of(clean) <= NAME_WIDTH)
        return clean;
    return arena_printf(arena, "%.*s…",
                        STR_ARG(str_clip(clean, NAME_WIDTH - 1)));
}

static void put_speed_row(struct table *table, const struct report *report,
                          const struct report_group *group)
{
    put_cell(table, name_cell(table->arena, group->name));
    put_count(table, group->requests);
    put_share(table, group->requests, report->all.requests);
    put_count(table, group->errors + group->client_errors);
    put_percentile(table, &group->latency, 50);
    put_percentile(table, &group->latency, 95);
    put_percentile(table, &group->latency, 99);
    put_percentile(table, &group->first_token, 50);
    put_percentile(table, &group->first_token, 95);
    put_percentile(table, &group->first_token, 99);
}

static void put_money_row(struct table *table, const struct report_group *group)
{
    put_cell(table, name_cell(table->arena, group->name));
    put_count(table, group->input);
    put_count(table, group->cache_read);
    put_count(table, group->cache_write);
    put_count(table, group->output);
    put_money(table, group->cost);
    put_count(table, group->unpriced);
    put_money(table, group->cloud_cost);
}

static void print_groups(const struct report *report, struct arena *arena,
                         struct buf *out)
{
    struct str by = report_by_names[report->by];
    struct table speed = {.arena = arena};
    struct table money = {.arena = arena};

    put_head(&speed, arena_join(arena, by,
                                STR("|requests|share|errors|p50 ms|p95|p99|"
                                    "first p50|p95|p99")));
    put_head(&money, arena_join(arena, by,
                                STR("|input|cached|written|output|cost USD|"
                                    "unpriced|cloud USD")));
    for (size_t i = 0; i < report->group_count; i++) {
        put_speed_row(&speed, report, &report->groups[i]);
        put_money_row(&money, &report->groups[i]);
    }
    if (report->group_count != 1) {
        put_speed_row(&speed, report, &report->all);
        put_money_row(&money, &report->all);
    }
    print_table(&speed, out);
    print_table(&money, out);
}

/* --- the table's other parts ---------------------------------------------- */

static void put_sum(struct table *table, const char *what, int64_t nano)
{
    put_cell(table, str_of(what));
    put_money(table, nano);
}

static void print_balance(const struct report *report, struct arena *arena,
                          struct buf *out)
{
    struct table table = {.arena = arena};

    put_head(&table, STR("money|USD"));
    put_sum(&table, "all in the cloud would cost", report->all.cloud_cost);
    put_sum(&table, "the cloud's bill", report->cloud_bill);
    if (report->local_bill > 0)
        put_sum(&table, "local models by the token", report->local_bill);
    put_sum(&table, "local servers by the hour", report->gpu_cost);
    put_sum(&table, report->saved < 0 ? "lost" : "saved",
            report->saved < 0 ? -report->saved : report->saved);
    print_table(&table, out);
    out->len--; /* notes stand right below */
    if (report->all.unpriced > 0)
        buf_printf(out, "Unpriced requests, which are in no sum: %lld.\n",
                   (long long)report->all.unpriced);
    if (report->all.without_cloud_cost > 0)
        buf_printf(out,
                   "Requests without a price in the cloud, which are in "
                   "neither its cost nor the difference: %lld.\n",
                   (long long)report->all.without_cloud_cost);
    if (report->is_gpu_unknown)
        buf_put(out, STR("Some servers have no price_per_hour: their cost is "
                         "in no sum.\n"));
    buf_put_char(out, '\n');
}

static void print_gpus(const struct report *report, struct arena *arena,
                       struct buf *out)
{
    struct table table = {.arena = arena};

    if (report->gpu_count == 0)
        return;
    put_head(&table,
             STR("local servers|hours up|cost USD|in use|tokens|USD per "
                 "million"));
    for (unsigned i = 0; i < report->gpu_count; i++) {
        const struct report_gpu *gpu = &report->gpus[i];

        put_cell(&table, name_cell(arena, gpu->backend));
        put_cell(&table,
                 arena_printf(arena, "%lld.%02lld",
                              (long long)(gpu->up_us / 3600000000),
                              (long long)(gpu->up_us % 3600000000 / 36000000)));
        if (gpu->has_price) {
            put_money(&table, gpu->cost);
            put_share(&table, gpu->shared, gpu->cost);
        } else {
            put_cell(&table, STR("unknown"));
            put_cell(&table, STR("-"));
        }
        put_count(&table, gpu->tokens);
        if (gpu->has_price && gpu->tokens > 0)
            put_money(&table, report_per_million(gpu->cost, gpu->tokens));
        else
            put_cell(&table, STR("-"));
    }
    print_table(&table, out);
}

static void print_causes(const struct report *report, struct arena *arena,
                         struct buf *out)
{
    struct table table = {.arena = arena};

    if (report->cause_count == 0)
        return;
    put_head(&table, STR("fallback because of|requests|share|local to cloud"));
    for (size_t i = 0; i < report->cause_count; i++) {
        put_cell(&table, name_cell(arena, report->causes[i].name));
        put_count(&table, report->causes[i].requests);
        put_share(&table, report->causes[i].requests, report->all.requests);
        put_count(&table, report->causes[i].to_cloud);
    }
    print_table(&table, out);
}

static void print_text(const struct report *report, struct buf *out)
{
    struct arena arena;

    arena_init(&arena);
    report_put_time(out, report->from_us);
    buf_put(out, STR(" to "));
    report_put_time(out, report->to_us);
    buf_put(out, STR("\n\n"));
    if (report->all.requests == 0)
        buf_put(out, STR("No requests.\n\n"));
    else
        print_groups(report, &arena, out);
    print_balance(report, &arena, out);
    print_gpus(report, &arena, out);
    print_causes(report, &arena, out);
    out->len--; /* the empty line at the end */
    arena_clear(&arena);
}

void report_print(const struct report *report, enum report_format format,
                  struct buf *out)
{
    switch (format) {
    case REPORT_CSV:
        report_print_csv(report, out);
        break;
    case REPORT_JSON:
        report_print_json(report, out);
        break;
    default:
        print_text(report, out);
        break;
    }
}
