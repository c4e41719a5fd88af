/* settle/ledger: a row for each exchange. */
#include "ledger_given.h"

#include "../capture.h"
#include "clock.h"

static struct exporter *opened(struct ledger_options options)
{
    struct exporter *ledger;
    struct buf why;

    buf_init(&why, 4096);
    options.path = str_of(given_path);
    ledger = ledger_open(&options, &why);
    if (ledger == NULL)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return ledger;
}

static void refused(const char *says)
{
    const struct ledger_options options = {.path = str_of(given_path)};
    struct buf why;

    buf_init(&why, 4096);
    assert_null(ledger_open(&options, &why));
    assert_has(buf_str(&why), says);
    buf_fini(&why);
}

static void take(struct exporter *ledger, const struct record *record)
{
    ledger->verbs->take(ledger, record);
}

static void stop(struct exporter *ledger)
{
    ledger->verbs->close(ledger);
}

static struct record whole(void)
{
    return (struct record){
        .id = STR_INIT("req_1"),
        .trace_id = STR_INIT("4bf92f3577b34da6a3ce929d0e0e4736"),
        .format = STR_INIT("messages"),
        .key = STR_INIT("team-a"),
        .model = STR_INIT("auto"),
        .is_chat = true,
        .is_stream = true,
        .wants_local = true,
        .was_held = true,
        .prompt_tokens_estimated = 321,
        .tier = TIER_CLOUD,
        .backend = STR_INIT("anthropic"),
        .served_model = STR_INIT("claude-sonnet-4-6"),
        .reason = STR_INIT("fallback:cold"),
        .rule = STR_INIT("short"),
        .tries = 2,
        .status = 200,
        .usage = {.is_known = true,
                  .input = 300,
                  .cache_read = 100,
                  .cache_write = 50,
                  .cache_write_1h = 20,
                  .output = 40,
                  .has_reasoning = true,
                  .reasoning = 7},
        .finish = CHAT_FINISH_STOP,
        .is_priced = true,
        .cost = 1234567,
        .has_cloud_cost = true,
        .cloud_cost = 1234567,
        .began_us = 1000000,
        .first_token_us = 1250000,
        .ended_us = 1600000,
        .ended_wall_us = INT64_C(1795650000000000),
        .outcome = OUTCOME_OK,
    };
}

static void every_column_holds_what_the_record_says(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();

    (void)state;
    take(ledger, &record);
    stop(ledger);
    assert_query("SELECT * FROM requests",
                 "1795650000000000|600000|250000|200|2|1|1|1|1|321|300|100|50|"
                 "20|40|7|1234567|0|1234567|cloud|ok|messages|chat|auto|"
                 "anthropic|claude-sonnet-4-6|fallback:cold|short|cold|NULL|"
                 "stop|team-a|req_1|4bf92f3577b34da6a3ce929d0e0e4736\n");
}

static void what_is_not_known_is_null(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = {
        .id = STR_INIT("r"),
        .trace_id = STR_INIT("t"),
        .format = STR_INIT("chat"),
        .ended_wall_us = 5,
        .status = 503,
        .outcome = OUTCOME_ERROR,
        .error = ERR_NOT_READY,
    };

    (void)state;
    take(ledger, &record);
    stop(ledger);
    assert_query("SELECT * FROM requests",
                 "5|0|NULL|503|0|0|0|0|0|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|"
                 "0|NULL|none|error|chat|chat|NULL|NULL|NULL|NULL|NULL|NULL|"
                 "not_ready|NULL|NULL|r|t\n");
}

/* What is bound to the statement stays there: it must not leak. */
static void a_row_has_nothing_of_the_one_before(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record full = whole();
    struct record bare = {.id = STR_INIT("b"),
                          .trace_id = STR_INIT("t"),
                          .format = STR_INIT("chat"),
                          .ended_wall_us = 1};

    (void)state;
    take(ledger, &full);
    take(ledger, &bare);
    full.ended_wall_us += 1000;
    full.usage.has_reasoning = false;
    take(ledger, &full);
    bare.ended_wall_us = 2;
    bare.is_priced = true;
    take(ledger, &bare);
    stop(ledger);
    assert_query("SELECT request_id,input_tokens,reasoning_tokens,cost,backend,"
                 "key,tier FROM requests ORDER BY ended_us",
                 "b|NULL|NULL|NULL|NULL|NULL|none\n"
                 "b|NULL|NULL|0|NULL|NULL|none\n"
                 "req_1|300|7|1234567|anthropic|team-a|cloud\n"
                 "req_1|300|NULL|1234567|anthropic|team-a|cloud\n");
}

static void those_that_end_at_once_are_all_kept(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();

    (void)state;
    for (int i = 0; i < 100; i++)
        take(ledger, &record);
    stop(ledger);
    assert_query("SELECT count(*),min(ended_us),max(ended_us)FROM requests",
                 "100|1795650000000000|1795650000000099\n");
}

static void a_long_name_is_cut_at_a_character(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();
    char name[301];

    (void)state;
    memset(name, 'a', sizeof(name));
    memcpy(name + 254, "\xC3\xA9", 2); /* it would end within this one */
    record.model = (struct str){name, sizeof(name)};
    take(ledger, &record);
    stop(ledger);
    assert_query("SELECT length(model)FROM requests", "254\n");
}

static void rows_go_out_within_half_a_second(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();
    uint64_t now_ms;
    uint64_t next_ms;

    (void)state;
    (void)ledger->verbs->tick(ledger, clock_ms());
    take(ledger, &record);
    now_ms = clock_ms();
    next_ms = ledger->verbs->tick(ledger, now_ms);
    assert_true(next_ms <= now_ms + 500);
    assert_query("SELECT count(*)FROM requests", "0\n");
    (void)ledger->verbs->tick(ledger, now_ms + 500);
    assert_query("SELECT count(*)FROM requests", "1\n");
    assert_int_equal(figures_get(&ledger->figures.taken), 1);
    assert_int_equal(figures_get(&ledger->figures.delivered), 1);
    assert_int_equal(figures_get(&ledger->figures.queued), 0);
    stop(ledger);
}

/* 3,000 rows: more than one transaction takes. */
static void many_go_out_at_once(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();

    (void)state;
    for (int i = 0; i < 3000; i++) {
        record.ended_wall_us++;
        take(ledger, &record);
    }
    assert_true(figures_get(&ledger->figures.delivered) >= 2000);
    assert_true(ledger->verbs->flush(ledger, clock_ms()));
    assert_int_equal(figures_get(&ledger->figures.delivered), 3000);
    stop(ledger);
}

/* --- when it cannot be written -------------------------------------------- */

static void a_lock_of_somebody_else_is_waited_out(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();
    sqlite3 *db;

    (void)state;
    assert_int_equal(sqlite3_open(given_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    take(ledger, &record);
    capture_begin(0);
    assert_false(ledger->verbs->flush(ledger, clock_ms()));
    assert_has(capture_end(), "database is locked; 1 rows wait");
    assert_int_equal(figures_get(&ledger->figures.failed_sends), 1);
    assert_int_equal(figures_get(&ledger->figures.sends), 1);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    /* not before its time has come */
    assert_false(ledger->verbs->flush(ledger, clock_ms()));
    capture_begin(0);
    assert_true(ledger->verbs->flush(ledger, clock_ms() + 60000));
    assert_has(capture_end(), "the ledger is written again");
    capture_drop();
    stop(ledger);
    assert_query("SELECT count(*)FROM requests", "1\n");
}

/* 16 MiB and no more: then the oldest go, and are counted. */
static void what_waits_for_the_disk_is_bounded(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();
    uint64_t dropped, waiting;
    sqlite3 *db;

    (void)state;
    assert_int_equal(sqlite3_open(given_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    capture_begin(0);
    for (int i = 0; i < 100000; i++) {
        record.ended_wall_us++;
        take(ledger, &record);
    }
    (void)ledger->verbs->tick(ledger, 1);
    (void)capture_end();
    dropped = figures_get(&ledger->figures.dropped[DROP_MEMORY_FULL]);
    waiting = figures_get(&ledger->figures.queued);
    assert_true(dropped > 10000 && waiting > 30000);
    assert_int_equal(dropped + waiting, 100000);
    assert_true(figures_get(&ledger->figures.queued_bytes) <= 17 << 20);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    capture_begin(0);
    assert_true(ledger->verbs->flush(ledger, clock_ms() + 60000));
    (void)capture_end();
    capture_drop();
    stop(ledger);
    assert_query("SELECT max(ended_us)FROM requests", "1795650000100000\n");
}

/* --- the age of things ---------------------------------------------------- */

static void keep_house(struct exporter *ledger, unsigned times)
{
    uint64_t now_ms = clock_ms();

    for (unsigned i = 0; i < times; i++)
        (void)ledger->verbs->tick(ledger, now_ms + i * 6000);
}

static void old_rows_go_and_new_ones_stay(void **state)
{
    struct exporter *ledger =
        opened((struct ledger_options){.max_age_ms = 3600 * 1000});
    struct record record = whole();

    (void)state;
    record.ended_wall_us = clock_wall_us() - INT64_C(3700) * 1000000;
    for (int i = 0; i < 1700; i++)
        take(ledger, &record);
    record.ended_wall_us = clock_wall_us() - INT64_C(3500) * 1000000;
    for (int i = 0; i < 10; i++)
        take(ledger, &record);
    assert_true(ledger->verbs->flush(ledger, clock_ms()));
    given_sql("INSERT INTO gpu_minutes VALUES(1,'vllm',60000000,NULL),"
              "(99999999,'vllm',60000000,NULL)");
    keep_house(ledger, 8);
    stop(ledger);
    assert_query("SELECT count(*)FROM requests", "10\n");
    assert_query("SELECT minute FROM gpu_minutes", "99999999\n");
}

static long size_of_file(void)
{
    FILE *file = fopen(given_path, "rb");
    long size;

    assert_non_null(file);
    (void)fseek(file, 0, SEEK_END);
    size = ftell(file);
    fclose(file);
    return size;
}

static void a_file_that_is_too_large_shrinks(void **state)
{
    struct exporter *ledger = opened((struct ledger_options){0});
    struct record record = whole();
    long large;

    (void)state;
    for (int i = 0; i < 40000; i++) {
        record.ended_wall_us += 1000;
        take(ledger, &record);
    }
    stop(ledger);
    large = size_of_file();
    assert_true(large > 6 << 20);
    ledger = opened((struct ledger_options){.max_bytes = 2 << 20});
    keep_house(ledger, 100);
    stop(ledger);
    assert_true(size_of_file() < 4 << 20);
    /* the newest are those that stay */
    assert_query("SELECT count(*)>5000 AND count(*)<20000,max(ended_us)FROM "
                 "requests",
                 "1|1795650040000000\n");
    assert_query("PRAGMA integrity_check", "ok\n");
}

/* --- versions --------------------------------------------------------------
 */

static const char version_1[] =
    "CREATE TABLE requests (ended_us INTEGER PRIMARY KEY,"
    "duration_us INTEGER NOT NULL,first_token_us INTEGER,"
    "status INTEGER NOT NULL,tries INTEGER NOT NULL,"
    "is_stream INTEGER NOT NULL,is_asked INTEGER NOT NULL,"
    "wants_local INTEGER NOT NULL,was_held INTEGER NOT NULL,"
    "prompt_tokens_estimated INTEGER NOT NULL,input_tokens INTEGER,"
    "cache_read_tokens INTEGER,cache_write_tokens INTEGER,"
    "cache_write_1h_tokens INTEGER,output_tokens INTEGER,"
    "reasoning_tokens INTEGER,cost INTEGER,is_hourly INTEGER NOT NULL,"
    "cloud_cost INTEGER,tier TEXT NOT NULL,outcome TEXT NOT NULL,"
    "format TEXT NOT NULL,operation TEXT NOT NULL,model TEXT,backend TEXT,"
    "served_model TEXT,reason TEXT,rule TEXT,fallback TEXT,error TEXT,"
    "finish TEXT,key TEXT,request_id TEXT NOT NULL,trace_id TEXT NOT NULL);"
    "INSERT INTO requests VALUES(7,1,NULL,200,1,0,1,1,0,3,3,0,0,0,4,NULL,5,0,6,"
    "'local','ok','chat','chat','auto','vllm','qwen','rule:short','short',"
    "NULL,NULL,'stop','team-a','old','trace');"
    "PRAGMA application_id=2003134834;PRAGMA user_version=1";

static void an_older_file_is_brought_up_to_date(void **state)
{
    struct exporter *ledger;
    struct record record = whole();

    (void)state;
    given_sql(version_1);
    ledger = opened((struct ledger_options){0});
    take(ledger, &record);
    stop(ledger);
    assert_query("SELECT request_id,cost FROM requests ORDER BY ended_us",
                 "old|5\nreq_1|1234567\n");
    assert_query("PRAGMA user_version", "2\n");
    assert_query("SELECT count(*)FROM gpu_minutes", "0\n");
    assert_query("SELECT ended,cost_usd,is_unpriced FROM requests_usd WHERE "
                 "request_id='old'",
                 "1970-01-01 00:00:00|5.0e-09|0\n");
}

static void a_step_that_fails_changes_nothing(void **state)
{
    (void)state;
    given_sql(version_1);
    given_sql("CREATE TABLE gpu_minutes(x)");
    refused("gpu_minutes already exists");
    assert_query("PRAGMA user_version", "1\n");
    assert_query("SELECT count(*)FROM requests", "1\n");
}

static void files_of_others_are_refused(void **state)
{
    (void)state;
    given_sql("CREATE TABLE mine(x)");
    refused("a database of another program");
    given_sql("DROP TABLE mine;PRAGMA application_id=2003134834;"
              "PRAGMA user_version=3");
    refused("its version is 3, and this weir knows those up to 2");
}

/* --- servers by the hour ---------------------------------------------------
 */

static void the_time_of_servers_is_written(void **state)
{
    static struct meter meter;
    struct exporter *ledger;

    (void)state;
    memcpy(meter.backends[0].name, "gpu", 3);
    meter.backends[0].name_len = 3;
    atomic_store(&meter.backends[0].hour_price, 2490000);
    atomic_store(&meter.backends[0].up_us, 1500000);
    atomic_store(&meter.count, 1);
    ledger = opened((struct ledger_options){.meter = &meter});
    (void)ledger->verbs->tick(ledger, clock_ms());
    assert_query("SELECT backend,sum(up_us),hour_price FROM gpu_minutes",
                 "gpu|1500000|2490000\n");
    /* what came since, and nothing twice */
    atomic_store(&meter.backends[0].up_us, 4000000);
    stop(ledger);
    assert_query("SELECT backend,sum(up_us),hour_price FROM gpu_minutes",
                 "gpu|4000000|2490000\n");
}

#define on_a_file(test)                                        \
    cmocka_unit_test_setup_teardown(test, given_ledger_folder, \
                                    given_ledger_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_a_file(every_column_holds_what_the_record_says),
        on_a_file(what_is_not_known_is_null),
        on_a_file(a_row_has_nothing_of_the_one_before),
        on_a_file(those_that_end_at_once_are_all_kept),
        on_a_file(a_long_name_is_cut_at_a_character),
        on_a_file(rows_go_out_within_half_a_second),
        on_a_file(many_go_out_at_once),
        on_a_file(a_lock_of_somebody_else_is_waited_out),
        on_a_file(what_waits_for_the_disk_is_bounded),
        on_a_file(old_rows_go_and_new_ones_stay),
        on_a_file(a_file_that_is_too_large_shrinks),
        on_a_file(an_older_file_is_brought_up_to_date),
        on_a_file(a_step_that_fails_changes_nothing),
        on_a_file(files_of_others_are_refused),
        on_a_file(the_time_of_servers_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
