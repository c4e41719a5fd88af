/* `weir report`: sums of a ledger that was made by hand, in three formats. */
#include "report_private.h"

#include "report_since.h"
#include "settle/ledger_given.h"

#define MINUTE INT64_C(60000000)
/* 2026-11-26T12:00:00Z */
#define NOON INT64_C(1795694400000000)

/* A row, the rest as of a chat that went well. */
#define ROW(at, duration, first, tier, outcome, in, read, wr, out, cost,      \
            hourly, cloud, model, backend, reason, fallback, key)             \
    "INSERT INTO requests VALUES(1795694400000000+" at "," duration "," first \
    ",200,1,0,1,1,0,9," in "," read "," wr ",0," out ",NULL," cost "," hourly \
    "," cloud ",'" tier "','" outcome "','chat','chat','auto'," backend       \
    "," model "," reason ",NULL," fallback ",NULL,NULL," key ",'r','t');"

static const char rows[] =
    ROW("0", "100000", "20000", "local", "ok", "1000", "0", "0", "100",
        "2000000", "1", "4500000", "'qwen'", "'gpu'", "'rule:short'", "NULL",
        "'a'") ROW("1000000", "200500", "NULL", "local", "ok", "500", "200",
                   "0", "50", "4000000", "1", "2250000", "'qwen'", "'gpu'",
                   "'rule:short'", "NULL", "'b'")
        ROW("3600000000", "3000000", "900000", "cloud", "ok", "2000", "1000",
            "500", "300", "12345678", "0", "12345678", "'claude'",
            "'anthropic'", "'fallback:cold'", "'cold'",
            "'a'") ROW("3600000001", "70", "NULL", "cloud", "ok", "NULL",
                       "NULL", "NULL", "NULL", "NULL", "0", "NULL", "'claude'",
                       "'anthropic'", "'rule:long-prompt'", "NULL", "'a'")
            ROW("3600000002", "50", "NULL", "none", "client_error", "NULL",
                "NULL", "NULL", "NULL", "0", "0", "0", "NULL", "NULL", "NULL",
                "NULL", "NULL") ROW("3600000003", "60", "NULL", "none", "error",
                                    "NULL", "NULL", "NULL", "NULL", "0", "0",
                                    "0", "NULL", "NULL", "NULL", "NULL", "NULL")
    /* before the period */
    ROW("-1", "60", "NULL", "local", "ok", "77", "0", "0", "7", "7", "0", "7",
        "'qwen'", "'gpu'", "NULL", "NULL", "NULL")
    /* the way alone was asked for */
    "INSERT INTO requests SELECT 1795694400000900,duration_us,NULL,200,0,0,0,1,"
    "0,9,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,'none','ok',format,operation,"
    "model,NULL,NULL,NULL,NULL,NULL,NULL,NULL,key,'w','t' FROM requests LIMIT "
    "1;"
    /* an hour and a half at 2.49 USD; before the period */
    "INSERT INTO gpu_minutes VALUES(29928240,'gpu',3600000000,2490000),"
    "(29928300,'gpu',1800000000,2490000),(29928239,'gpu',60000000,2490000);";

static int begin(void **state)
{
    struct ledger_file file;
    struct buf why;

    (void)given_ledger_folder(state);
    buf_init(&why, 4096);
    assert_int_equal(ledger_file_open(&file, given_path, &why), LEDGER_DONE);
    ledger_file_close(&file);
    buf_fini(&why);
    given_sql(rows);
    return 0;
}

static void read_by(struct report *report, enum report_by by)
{
    struct buf why;

    *report = (struct report){
        .path = str_of(given_path),
        .from_us = NOON,
        .to_us = NOON + 120 * MINUTE,
        .by = by,
    };
    buf_init(&why, 4096);
    if (!report_read(report, &why))
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
}

/* As the file of that name in test/golden/report has it. */
static void assert_printed(enum report_by by, enum report_format format,
                           const char *name)
{
    static struct report report;
    char path[512];
    struct buf expected;
    struct buf text;
    FILE *file;
    size_t n;

    (void)snprintf(path, sizeof(path), "%s/report/%s", GOLDEN_DIR, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    buf_init(&expected, 1 << 20);
    buf_init(&text, 1 << 20);
    while (buf_reserve(&expected, 4096) &&
           (n = fread(expected.ptr + expected.len, 1, 4095, file)) > 0)
        expected.len += n;
    fclose(file);
    buf_put_char(&expected, '\0');
    read_by(&report, by);
    report_print(&report, format, &text);
    assert_str(buf_str(&text), expected.ptr);
    buf_fini(&expected);
    buf_fini(&text);
    report_fini(&report);
}

static void the_table_is_for_people(void **state)
{
    (void)state;
    assert_printed(BY_TIER, REPORT_TABLE, "tier.txt");
    assert_printed(BY_REASON, REPORT_TABLE, "reason.txt");
}

static void csv_has_a_row_for_each_group_and_one_for_all(void **state)
{
    (void)state;
    assert_printed(BY_MODEL, REPORT_CSV, "model.csv");
}

static void json_has_everything(void **state)
{
    (void)state;
    assert_printed(BY_KEY, REPORT_JSON, "key.json.txt");
}

static void a_period_without_requests_says_so(void **state)
{
    static struct report report;
    struct buf text;

    (void)state;
    given_sql("DELETE FROM requests;DELETE FROM gpu_minutes");
    read_by(&report, BY_TIER);
    buf_init(&text, 1 << 20);
    report_print(&report, REPORT_TABLE, &text);
    assert_has(buf_str(&text), "No requests.\n");
    buf_fini(&text);
    report_fini(&report);
}

/* A spreadsheet must not run what a caller wrote. */
static void names_are_no_formulas(void **state)
{
    static struct report report;
    struct buf text;

    (void)state;
    given_sql("UPDATE requests SET key='=1+\"2\"' WHERE key='b'");
    read_by(&report, BY_KEY);
    buf_init(&text, 1 << 20);
    report_print(&report, REPORT_CSV, &text);
    assert_has(buf_str(&text), "\r\n\"'=1+\"\"2\"\"\",1,");
    buf_fini(&text);
    report_fini(&report);
}

static void hours_come_in_order(void **state)
{
    static struct report report;

    (void)state;
    read_by(&report, BY_HOUR);
    assert_int_equal(report.group_count, 2);
    assert_str(report.groups[0].name, "2026-11-26T12:00Z");
    assert_int_equal(report.groups[0].requests, 2);
    assert_str(report.groups[1].name, "2026-11-26T13:00Z");
    assert_int_equal(report.groups[1].requests, 4);
    report_fini(&report);
    read_by(&report, BY_REASON);
    assert_int_equal(report.group_count, 4);
    assert_str(report.groups[0].name, "(none)");
    report_fini(&report);
}

static void percentiles_are_by_nearest_rank(void **state)
{
    uint64_t us[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    struct report_times times = {us, 10, 10};

    (void)state;
    assert_int_equal(report_percentile(&times, 50), 5);
    assert_int_equal(report_percentile(&times, 95), 10);
    assert_int_equal(report_percentile(&times, 90), 9);
    assert_int_equal(report_percentile(&times, 99), 10);
    times.count = 1;
    assert_int_equal(report_percentile(&times, 50), 1);
    assert_int_equal(report_percentile(&times, 99), 1);
    times.count = 0;
    assert_int_equal(report_percentile(&times, 50), 0);
}

static void
a_price_per_million_neither_wraps_nor_divides_by_nothing(void **state)
{
    (void)state;
    assert_int_equal(report_per_million(3735000000, 1650), 2263636363636);
    assert_int_equal(report_per_million(5, 0), 0);
    assert_true(report_per_million(INT64_MAX, 1) == INT64_MAX);
    assert_true(report_per_million(INT64_MAX, INT64_MAX) == 1000000);
    assert_true(report_per_million(1, INT64_MAX) == 0);
}

/* A ledger that somebody has tampered with must not bring sums to wrap. */
static void sums_stay_at_the_largest_number(void **state)
{
    static struct report report;

    (void)state;
    given_sql("UPDATE requests SET cost=9223372036854775807,cloud_cost="
              "9223372036854775807,output_tokens=9223372036854775807");
    read_by(&report, BY_TIER);
    assert_true(report.all.cost == INT64_MAX);
    assert_true(report.all.output == INT64_MAX);
    report_fini(&report);
}

static void assert_since(const char *text, int64_t expected)
{
    int64_t from_us = -1;

    if (!report_since(str_of(text), NOON, &from_us) || from_us != expected)
        fail_msg("%s: %lld", text, (long long)from_us);
}

static void since_takes_durations_and_dates(void **state)
{
    static const char *const bad[] = {"",
                                      "7",
                                      "d",
                                      "-1h",
                                      "1y",
                                      "2026",
                                      "2026-13-01",
                                      "2026-02-29",
                                      "2026-11-2",
                                      "2026-1-26",
                                      "2026-11-26T",
                                      "2026-11-26T24:00",
                                      "yesterday",
                                      "1.5h",
                                      "1969-12-31",
                                      "2026-11-26T10:00+01:00",
                                      "2026-11-26x",
                                      "999999999d"};

    (void)state;
    assert_since("24h", NOON - 24 * 60 * MINUTE);
    assert_since("90m", NOON - 90 * MINUTE);
    assert_since("7d", NOON - 7 * 1440 * MINUTE);
    assert_since("1w", NOON - 7 * 1440 * MINUTE);
    assert_since("30s", NOON - 30000000);
    assert_since("100000d", 0);
    assert_since("2026-11-26", NOON - 720 * MINUTE);
    assert_since("2026-11-26T12:00", NOON);
    assert_since("2026-11-26 12:00:30Z", NOON + 30000000);
    assert_since("2024-02-29", INT64_C(1709164800000000));
    assert_since("1970-01-01", 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t from_us;

        if (report_since(str_of(bad[i]), NOON, &from_us))
            fail_msg("taken: %s", bad[i]);
    }
}

#define on_a_file(test) \
    cmocka_unit_test_setup_teardown(test, begin, given_ledger_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_a_file(the_table_is_for_people),
        on_a_file(csv_has_a_row_for_each_group_and_one_for_all),
        on_a_file(json_has_everything),
        on_a_file(a_period_without_requests_says_so),
        on_a_file(names_are_no_formulas),
        on_a_file(hours_come_in_order),
        on_a_file(sums_stay_at_the_largest_number),
        cmocka_unit_test(percentiles_are_by_nearest_rank),
        cmocka_unit_test(
            a_price_per_million_neither_wraps_nor_divides_by_nothing),
        cmocka_unit_test(since_takes_durations_and_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
