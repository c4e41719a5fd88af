/* The report as CSV and as JSON, for programs: docs/ledger.md describes both,
 * and they only grow. */
#include "clock.h"
#include "json.h"
#include "report_private.h"

enum { NANO = 1000000000 };

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

void report_put_time(struct buf *out, int64_t us)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_rfc3339(us / 1000, text);
    buf_put(out, (struct str){text, 19});
    buf_put_char(out, 'Z');
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

void report_print_csv(const struct report *report, struct buf *out)
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
    report_put_time(&text, us);
    json_member_str(json, key, buf_str(&text));
    buf_fini(&text);
}

void report_print_json(const struct report *report, struct buf *out)
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
