/* The report in three formats.  The table is for people and may change; CSV
 * and JSON are described in docs/ledger.md and only grow. */
#include "check.h"
#include "clock.h"
#include "json.h"
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

enum { NANO = 1000000000, NAME_WIDTH = 24 };

/* --- numbers -------------------------------------------------------------- */

/* Decimals of a fraction of `unit`, a power of ten; without the zeros at the
 * end, but never fewer than `least`. */
static void put_decimal(struct buf *out, int64_t value, int64_t unit,
                        unsigned least)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t rest = size % (uint64_t)unit;
    unsigned places = 0;

    if (value < 0)
        buf_put_char(out, '-');
    buf_put_u64(out, size / (uint64_t)unit);
    while (unit > 1 && (rest > 0 || places < least)) {
        if (places++ == 0)
            buf_put_char(out, '.');
        unit /= 10;
        buf_put_char(out, (char)('0' + rest / (uint64_t)unit));
        rest %= (uint64_t)unit;
    }
}

/* Exact, at least with its cents. */
static void put_usd(struct buf *out, int64_t nano)
{
    put_decimal(out, nano, NANO, 2);
}

static void put_ms(struct buf *out, uint64_t us)
{
    put_decimal(out, (int64_t)us, 1000, 0);
}

/* Thousandths of a whole, half up. */
static int64_t share(int64_t part, int64_t whole)
{
    if (whole <= 0)
        return 0;
    return part > INT64_MAX / 2000 ? part / (whole / 1000 + 1)
                                   : (part * 2000 + whole) / (whole * 2);
}

static void put_time(struct buf *out, int64_t us)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_rfc3339(us / 1000, text);
    buf_put(out, (struct str){text, 19});
    buf_put_char(out, 'Z');
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
    put_time(out, report->from_us);
    buf_put(out, STR(" to "));
    put_time(out, report->to_us);
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

/* --- one row for each group ------------------------------------------------
 */

enum kind { KIND_COUNT, KIND_USD, KIND_P50, KIND_P95, KIND_P99 };

/* The fields of a group, in CSV and in JSON. */
static const struct field {
    struct str name;
    enum kind kind;
    size_t offset;
} fields[] = {
#define FIELD(name, kind, member)                                   \
    {                                                               \
        STR_INIT(name), kind, offsetof(struct report_group, member) \
    }
    FIELD("requests", KIND_COUNT, requests),
    FIELD("errors", KIND_COUNT, errors),
    FIELD("client_errors", KIND_COUNT, client_errors),
    FIELD("cancelled", KIND_COUNT, cancelled),
    FIELD("latency_p50_ms", KIND_P50, latency),
    FIELD("latency_p95_ms", KIND_P95, latency),
    FIELD("latency_p99_ms", KIND_P99, latency),
    FIELD("first_token_p50_ms", KIND_P50, first_token),
    FIELD("first_token_p95_ms", KIND_P95, first_token),
    FIELD("first_token_p99_ms", KIND_P99, first_token),
    FIELD("input_tokens", KIND_COUNT, input),
    FIELD("cache_read_tokens", KIND_COUNT, cache_read),
    FIELD("cache_write_tokens", KIND_COUNT, cache_write),
    FIELD("output_tokens", KIND_COUNT, output),
    FIELD("cost_usd", KIND_USD, cost),
    FIELD("unpriced_requests", KIND_COUNT, unpriced),
    FIELD("cloud_cost_usd", KIND_USD, cloud_cost),
    FIELD("requests_without_cloud_cost", KIND_COUNT, without_cloud_cost),
#undef FIELD
};

static void put_field(struct buf *out, const struct report_group *group,
                      const struct field *field, struct str nothing)
{
    static const unsigned percents[] = {
        [KIND_P50] = 50, [KIND_P95] = 95, [KIND_P99] = 99};
    const void *member = (const char *)group + field->offset;
    const struct report_times *times = member;

    if (field->kind == KIND_COUNT)
        buf_put_i64(out, *(const int64_t *)member);
    else if (field->kind == KIND_USD)
        put_usd(out, *(const int64_t *)member);
    else if (times->count == 0)
        buf_put(out, nothing);
    else
        put_ms(out, report_percentile(times, percents[field->kind]));
}

/* RFC 4180.  A spreadsheet takes what begins like a formula for one, and a
 * caller chooses some of the names. */
static void put_csv_text(struct buf *out, struct str text)
{
    bool is_formula = text.len > 0 && strchr("=+-@\t\r", text.ptr[0]) != NULL;

    buf_put_char(out, '"');
    if (is_formula)
        buf_put_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_put_char(out, '"');
        buf_put_char(out, text.ptr[i]);
    }
    buf_put_char(out, '"');
}

static void put_csv_row(struct buf *out, const struct report_group *group)
{
    put_csv_text(out, group->name);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        buf_put_char(out, ',');
        put_field(out, group, &fields[i], STR(""));
    }
    buf_put(out, STR("\r\n"));
}

static void print_csv(const struct report *report, struct buf *out)
{
    buf_put(out, report_by_names[report->by]);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        buf_put_char(out, ',');
        buf_put(out, fields[i].name);
    }
    buf_put(out, STR("\r\n"));
    for (size_t i = 0; i < report->group_count; i++)
        put_csv_row(out, &report->groups[i]);
    put_csv_row(out, &report->all);
}

/* --- JSON ------------------------------------------------------------------
 */

/* A number with its decimals, exact. */
static void member_decimal(struct json_out *json, struct str key, int64_t value,
                           int64_t unit, unsigned least)
{
    char text[32];
    struct buf digits;

    buf_init(&digits, sizeof(text));
    put_decimal(&digits, value, unit, least);
    json_key(json, key);
    json_put_raw(json, buf_str(&digits));
    buf_fini(&digits);
}

static void member_usd(struct json_out *json, struct str key, int64_t nano)
{
    member_decimal(json, key, nano, NANO, 2);
}

/* Or null, when it is not known. */
static void member_usd_if(struct json_out *json, struct str key, bool is_known,
                          int64_t nano)
{
    if (is_known) {
        member_usd(json, key, nano);
    } else {
        json_key(json, key);
        json_put_null(json);
    }
}

static void put_json_fields(struct json_out *json,
                            const struct report_group *group)
{
    struct buf value;

    buf_init(&value, 64);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        buf_clear(&value);
        put_field(&value, group, &fields[i], STR("null"));
        json_key(json, fields[i].name);
        json_put_raw(json, buf_str(&value));
    }
    buf_fini(&value);
}

static void put_json_groups(struct json_out *json, const struct report *report)
{
    json_key(json, STR("groups"));
    json_open(json, '[');
    for (size_t i = 0; i < report->group_count; i++) {
        json_open(json, '{');
        json_member_str(json, STR("name"), report->groups[i].name);
        put_json_fields(json, &report->groups[i]);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_key(json, STR("all"));
    json_open(json, '{');
    put_json_fields(json, &report->all);
    json_close(json, '}');
}

static void put_json_gpus(struct json_out *json, const struct report *report)
{
    json_key(json, STR("local_servers"));
    json_open(json, '[');
    for (unsigned i = 0; i < report->gpu_count; i++) {
        const struct report_gpu *gpu = &report->gpus[i];

        json_open(json, '{');
        json_member_str(json, STR("backend"), gpu->backend);
        member_decimal(json, STR("up_seconds"), gpu->up_us, 1000000, 0);
        json_member_i64(json, STR("tokens"), gpu->tokens);
        member_usd_if(json, STR("cost_usd"), gpu->has_price, gpu->cost);
        member_usd(json, STR("shared_cost_usd"), gpu->shared);
        member_usd_if(json, STR("usd_per_million_tokens"),
                      gpu->has_price && gpu->tokens > 0,
                      report_per_million(gpu->cost, gpu->tokens));
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_json_causes(struct json_out *json, const struct report *report)
{
    json_key(json, STR("fallbacks"));
    json_open(json, '[');
    for (size_t i = 0; i < report->cause_count; i++) {
        json_open(json, '{');
        json_member_str(json, STR("cause"), report->causes[i].name);
        json_member_i64(json, STR("requests"), report->causes[i].requests);
        json_member_i64(json, STR("local_to_cloud"),
                        report->causes[i].to_cloud);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void member_time(struct json_out *json, struct str key, int64_t us)
{
    struct buf text;

    buf_init(&text, 64);
    put_time(&text, us);
    json_member_str(json, key, buf_str(&text));
    buf_fini(&text);
}

static void print_json(const struct report *report, struct buf *out)
{
    struct json_out json = json_out_to(out);

    json_open(&json, '{');
    member_time(&json, STR("from"), report->from_us);
    member_time(&json, STR("to"), report->to_us);
    json_member_str(&json, STR("by"), report_by_names[report->by]);
    put_json_groups(&json, report);
    json_member_i64(&json, STR("wanted_local_requests"), report->wanted_local);
    member_usd(&json, STR("all_in_the_cloud_usd"), report->all.cloud_cost);
    member_usd(&json, STR("cloud_bill_usd"), report->cloud_bill);
    member_usd(&json, STR("local_by_token_usd"), report->local_bill);
    member_usd(&json, STR("local_by_hour_usd"), report->gpu_cost);
    member_usd(&json, STR("saved_usd"), report->saved);
    put_json_gpus(&json, report);
    put_json_causes(&json, report);
    json_close(&json, '}');
    buf_put_char(out, '\n');
}

void report_print(const struct report *report, enum report_format format,
                  struct buf *out)
{
    switch (format) {
    case REPORT_CSV:
        print_csv(report, out);
        break;
    case REPORT_JSON:
        print_json(report, out);
        break;
    default:
        print_text(report, out);
        break;
    }
}
