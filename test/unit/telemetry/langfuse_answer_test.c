/* telemetry/langfuse_answer: what becomes of each event. */
#include "telemetry/langfuse_answer.h"

#include "../testing.h"

static struct buf rest;
static struct arena arena;
static struct langfuse_reading reading;

static int begin(void **state)
{
    (void)state;
    buf_init(&rest, 1 << 20);
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&rest);
    arena_clear(&arena);
    return 0;
}

#define EVENT(id) "{\"id\":\"" id "\",\"n\":1.50,\"s\":\"\\u00e9\\\"\"}"
#define SENT                                                                 \
    "{\"batch\":[" EVENT("a-1-trace") "," EVENT("a-1-generation") "," EVENT( \
        "b-2-trace") "," EVENT("b-2-generation") "]}"

static void read_answer(const char *answer)
{
    buf_clear(&rest);
    langfuse_answer_read(&arena, STR(SENT), str_of(answer), &reading, &rest);
}

static void all_is_well_when_nothing_is_an_error(void **state)
{
    (void)state;
    read_answer("{\"successes\":[{\"id\":\"a-1-trace\",\"status\":201}],"
                "\"errors\":[]}");
    assert_true(reading.is_readable);
    assert_int_equal(reading.rejected, 0);
    assert_int_equal(reading.left, 0);
    assert_int_equal(rest.len, 0);
    assert_int_equal(reading.why.len, 0);
}

static void what_failed_for_now_is_sent_again_and_nothing_else(void **state)
{
    (void)state;
    read_answer(
        "{\"successes\":[{\"id\":\"a-1-trace\",\"status\":201},"
        "{\"id\":\"b-2-trace\",\"status\":201},"
        "{\"id\":\"b-2-generation\",\"status\":201}],\"errors\":["
        "{\"id\":\"a-1-generation\",\"status\":500,\"error\":\"disk\"}]}");
    assert_int_equal(reading.rejected, 0);
    assert_int_equal(reading.left, 1);
    assert_str(buf_str(&rest), "{\"batch\":[{\"id\":\"a-1-generation\","
                               "\"n\":1.50,\"s\":\"\xc3\xa9\\\"\"}]}");
    assert_str(reading.why, "disk");
}

static void what_is_wrong_is_counted_once_for_each_request(void **state)
{
    (void)state;
    read_answer(
        "{\"successes\":[{\"id\":\"b-2-trace\",\"status\":201}],\"errors\":["
        "{\"id\":\"a-1-trace\",\"status\":400,\"message\":\"bad\"},"
        "{\"id\":\"a-1-generation\",\"status\":400,\"error\":\"worse\"},"
        "{\"id\":\"b-2-generation\",\"status\":404}]}");
    assert_int_equal(reading.rejected, 2);
    assert_int_equal(reading.left, 0);
    assert_int_equal(rest.len, 0);
    assert_str(reading.why, "bad");
}

static void each_request_has_its_own_fate(void **state)
{
    (void)state;
    read_answer("{\"errors\":["
                "{\"id\":\"a-1-trace\",\"status\":400},"
                "{\"id\":\"a-1-generation\",\"status\":400},"
                "{\"id\":\"b-2-trace\",\"status\":400},"
                "{\"id\":\"b-2-generation\",\"status\":429}]}");
    assert_int_equal(reading.rejected, 1);
    assert_int_equal(reading.left, 1);
    assert_has(buf_str(&rest), "b-2-generation");
    assert_lacks(buf_str(&rest), "b-2-trace");
    assert_lacks(buf_str(&rest), "a-1");
}

static void a_trace_does_not_go_without_its_generation(void **state)
{
    (void)state;
    read_answer("{\"errors\":["
                "{\"id\":\"a-1-trace\",\"status\":503},"
                "{\"id\":\"a-1-generation\",\"status\":400},"
                "{\"id\":\"b-2-trace\",\"status\":503},"
                "{\"id\":\"b-2-generation\",\"status\":503}]}");
    assert_int_equal(reading.rejected, 1);
    assert_int_equal(reading.left, 1);
    assert_lacks(buf_str(&rest), "a-1");
    assert_has(buf_str(&rest), "b-2-trace");
    assert_has(buf_str(&rest), "b-2-generation");
}

static void a_success_is_one_whatever_else_is_said(void **state)
{
    (void)state;
    read_answer("{\"errors\":[{\"id\":\"a-1-trace\",\"status\":503}],"
                "\"successes\":[{\"id\":\"a-1-trace\",\"status\":201}]}");
    assert_int_equal(reading.left, 0);
    assert_int_equal(rest.len, 0);
}

static void events_that_nobody_sent_change_nothing(void **state)
{
    (void)state;
    read_answer("{\"errors\":[{\"id\":\"unknown\",\"status\":400},"
                "{\"id\":\"c-3-trace\",\"status\":500},{},7,null,"
                "{\"id\":5,\"status\":500}]}");
    assert_true(reading.is_readable);
    assert_int_equal(reading.rejected, 0);
    assert_int_equal(reading.left, 0);
    assert_int_equal(rest.len, 0);
}

static void a_server_that_is_too_new_is_known(void **state)
{
    (void)state;
    read_answer("{\"successes\":[],\"errors\":[{\"id\":\"a-1-trace\","
                "\"status\":400,\"message\":\"Event type not accepted\","
                "\"error\":\"… when LANGFUSE_MIGRATION_V4_WRITE_MODE is "
                "events_only.\"}]}");
    assert_true(reading.is_too_new);
    assert_int_equal(reading.rejected, 1);
}

static void what_cannot_be_read_says_nothing(void **state)
{
    static const char *const answers[] = {"", "<html>", "[]", "\"ok\"",
                                          "{\"errors\":["};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        read_answer(answers[i]);
        assert_false(reading.is_readable);
        assert_int_equal(rest.len, 0);
    }
}

/* --- OpenTelemetry's ----------------------------------------------------- */

static void assert_partial(const char *answer, unsigned rejected,
                           const char *why)
{
    langfuse_otel.read(&arena, STR("{}"), str_of(answer), &reading, &rest);
    assert_true(reading.is_readable);
    assert_int_equal(reading.rejected, rejected);
    assert_int_equal(reading.left, 0);
    assert_str(reading.why, why);
    assert_int_equal(rest.len, 0);
}

static void a_partial_success_is_never_sent_again(void **state)
{
    (void)state;
    assert_partial("", 0, "");
    assert_partial("{}", 0, "");
    assert_partial("null", 0, "");
    assert_partial("{\"partialSuccess\":{}}", 0, "");
    assert_partial("{\"partialSuccess\":{\"rejectedSpans\":\"0\","
                   "\"errorMessage\":\"a word\"}}",
                   0, "");
    assert_partial("{\"partialSuccess\":{\"rejectedSpans\":\"2\","
                   "\"errorMessage\":\"ids\"}}",
                   2, "ids");
    assert_partial("{\"partialSuccess\":{\"rejectedSpans\":3}}", 3, "");
    assert_partial("{\"partialSuccess\":{\"rejectedSpans\":\"-3\"}}", 0, "");
    assert_partial("{\"partialSuccess\":{\"rejectedSpans\":"
                   "\"18446744073709551615\"}}",
                   UINT32_MAX, "");
}

static void a_page_is_no_answer(void **state)
{
    (void)state;
    langfuse_otel.read(&arena, STR("{}"), STR("<html>Log in</html>"), &reading,
                       &rest);
    assert_false(reading.is_readable);
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(all_is_well_when_nothing_is_an_error),
        fresh(what_failed_for_now_is_sent_again_and_nothing_else),
        fresh(what_is_wrong_is_counted_once_for_each_request),
        fresh(each_request_has_its_own_fate),
        fresh(a_trace_does_not_go_without_its_generation),
        fresh(a_success_is_one_whatever_else_is_said),
        fresh(events_that_nobody_sent_change_nothing),
        fresh(a_server_that_is_too_new_is_known),
        fresh(what_cannot_be_read_says_nothing),
        fresh(a_partial_success_is_never_sent_again),
        fresh(a_page_is_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
