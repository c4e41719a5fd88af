/* telemetry/access: one line for each exchange. */
#include "telemetry/access.h"

#include "../capture.h"
#include "../testing.h"
#include "log.h"

static int finish(void **state)
{
    (void)state;
    capture_drop();
    log_setup(LOG_INFO, LOG_LOGFMT);
    return 0;
}

static struct str logged(const struct record *record)
{
    struct str line;
    size_t at;

    capture_begin(0);
    access_log(record);
    line = capture_end();
    if (line.len == 0)
        return line;
    /* one line, and the time is none of this test's business */
    assert_true(str_find(line, STR("\n"), &at));
    assert_int_equal(at, line.len - 1);
    assert_true(str_find(line, STR(" level="), &at));
    return str_slice(line, at + 1, line.len);
}

static struct record full_record(void)
{
    return (struct record){
        .id = STR("abc"),
        .trace_id = STR("def"),
        .peer = STR("127.0.0.1"),
        .method = STR("POST"),
        .path = STR("/v1/chat/completions"),
        .key = STR("team"),
        .model = STR("auto"),
        .is_chat = true,
        .is_stream = true,
        .prompt_tokens_estimated = 12,
        .bytes_in = 345,
        .tier = TIER_LOCAL,
        .backend = STR("gpu"),
        .served_model = STR("qwen"),
        .reason = STR("rule:short"),
        .tries = 2,
        .status = 200,
        .bytes_out = 678,
        .usage = {.is_known = true, .input = 11, .cache_read = 5, .output = 3},
        .finish = CHAT_FINISH_LENGTH,
        .began_us = 1000000,
        .first_byte_us = 1001500,
        .first_token_us = 1002000,
        .ended_us = 1234567,
    };
}

static void a_chat_is_told_in_one_line(void **state)
{
    struct record record = full_record();

    (void)state;
    assert_str(logged(&record),
               "level=info msg=request id=abc trace=def caller=127.0.0.1 "
               "key=team method=POST path=/v1/chat/completions status=200 "
               "model=auto backend=local target=gpu served=qwen "
               "reason=rule:short stream=true tries=2 tokens_estimated=12 "
               "tokens_in=11 tokens_cached=5 tokens_out=3 finish=length "
               "first_byte_ms=1.500 first_token_ms=2.000 bytes_in=345 "
               "bytes_out=678 total_ms=234.567\n");
}

static void another_request_is_told_shortly(void **state)
{
    struct record record = {.id = STR("abc"),
                            .method = STR("GET"),
                            .path = STR("/health"),
                            .status = 200,
                            .began_us = 5,
                            .ended_us = 1005};

    (void)state;
    assert_str(logged(&record),
               "level=info msg=request id=abc method=GET path=/health "
               "status=200 bytes_in=0 bytes_out=0 total_ms=1.000\n");
}

static void a_failure_is_told_with_its_detail(void **state)
{
    struct record record = full_record();
    struct str line;

    (void)state;
    record.error = ERR_CONNECT;
    record.detail = STR("connection refused");
    record.tier = TIER_NONE;
    record.usage.is_known = false;
    record.finish = CHAT_FINISH_UNSET;
    record.was_held = true;
    record.dropped_count = 3;
    record.first_byte_us = record.first_token_us = 0;
    line = logged(&record);
    assert_has(line, " error=connect detail=\"connection refused\"\n");
    assert_has(line, " dropped=3 held=true ");
    assert_lacks(line, "backend=");
    assert_lacks(line, "tokens_in");
    assert_lacks(line, "finish=");
    assert_lacks(line, "first_");
}

static void hostile_values_stay_in_their_place(void **state)
{
    static char big[5000];
    struct record record = full_record();
    struct str line;

    (void)state;
    memset(big, 'x', sizeof(big));
    record.model = STR("a\n\" level=error msg=forged");
    record.path = (struct str){big, sizeof(big)};
    line = logged(&record);
    assert_has(line, " model=\"a\\n\\\" level=error msg=forged\" ");
    assert_true(line.len < 1000);
    assert_has(line, " total_ms=");
}

static void below_info_nothing_is_told(void **state)
{
    struct record record = full_record();

    (void)state;
    log_setup(LOG_WARN, LOG_LOGFMT);
    assert_int_equal(logged(&record).len, 0);
}

#define captured(test) cmocka_unit_test_teardown(test, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        captured(a_chat_is_told_in_one_line),
        captured(another_request_is_told_shortly),
        captured(a_failure_is_told_with_its_detail),
        captured(hostile_values_stay_in_their_place),
        captured(below_info_nothing_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
