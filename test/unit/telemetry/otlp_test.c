/* telemetry/otlp: when batches leave, and what is in them. */
#include "telemetry/otlp.h"

#include <stdlib.h>

#include "../testing.h"
#include "protobuf.h"
#include "receiver.h"

enum { NEVER = 600000 };

static struct exporter *exporter;
static uint64_t now_ms;
static char digits[TRACE_ID_LEN + 1];

static int begin(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", 1);
    setenv("OTEL_BSP_SCHEDULE_DELAY", "1000", 1);
    setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4", 1);
    receiver_reset();
    now_ms = 1000000;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    if (exporter != NULL)
        exporter->verbs->close(exporter);
    exporter = NULL;
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    unsetenv("OTEL_EXPORTER_OTLP_PROTOCOL");
    unsetenv("OTEL_BSP_SCHEDULE_DELAY");
    unsetenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
    return 0;
}

static void open_it(void)
{
    struct outbox_limits limits = {0};
    struct buf why;

    buf_init(&why, 256);
    exporter = otlp_open(NULL, &limits, &why);
    assert_non_null(exporter);
    buf_fini(&why);
}

/* Two spans. */
static struct record given_record(void)
{
    static struct record_try try = {
        .status = 200, .began_us = 2, .span_id = {"b7ad6b7169203331"}};

    memset(digits, 'a', TRACE_ID_LEN);
    return (struct record){.trace_id = {digits, TRACE_ID_LEN},
                           .span_id = STR("00f067aa0ba902b7"),
                           .is_chat = true,
                           .is_sampled = true,
                           .began_us = 1,
                           .ended_us = 3,
                           .tries_made = &try,
                           .tries_kept = 1};
}

static void take(unsigned count)
{
    struct record record = given_record();

    for (unsigned i = 0; i < count; i++)
        exporter->verbs->take(exporter, &record);
}

static uint64_t tick(uint64_t ms)
{
    now_ms += ms;
    return exporter->verbs->tick(exporter, now_ms);
}

/* Spans of the request that is under way. */
static unsigned sent(void)
{
    struct str rest = buf_str(&receiver.body);
    struct protobuf_field field;
    unsigned spans = 0;

    assert_true(receiver.is_busy);
    assert_true(protobuf_next(&rest, &field) && field.number == 1);
    rest = field.bytes;
    while (protobuf_next(&rest, &field))
        if (field.number == 2) {
            struct str scope_spans = field.bytes;

            while (protobuf_next(&scope_spans, &field))
                spans += field.number == 2;
        }
    return spans;
}

#define assert_figure(name, n) \
    assert_int_equal(figures_get(&exporter->figures.name), (n))

static void a_batch_leaves_when_its_time_has_come(void **state)
{
    (void)state;
    open_it();
    take(1);
    assert_true(tick(0) <= now_ms + 1000);
    (void)tick(999);
    assert_false(receiver.is_busy);
    (void)tick(1);
    assert_int_equal(sent(), 2);
    assert_str(receiver.url, "http://c:4318/v1/traces");
    receiver_answer(200, "");
    assert_figure(taken, 2);
    assert_figure(delivered, 2);
}

static void or_when_it_is_full(void **state)
{
    (void)state;
    open_it();
    take(2);
    (void)tick(0);
    assert_int_equal(sent(), 4);
    receiver_answer(200, "");
    /* the time begins anew with what comes then */
    take(1);
    (void)tick(0);
    (void)tick(999);
    assert_false(receiver.is_busy);
    (void)tick(1);
    assert_int_equal(sent(), 2);
}

static void nothing_is_never_sent(void **state)
{
    (void)state;
    open_it();
    (void)tick(0);
    (void)tick(NEVER);
    assert_true(exporter->verbs->flush(exporter, now_ms));
    assert_int_equal(receiver.begun, 0);
}

static void one_is_under_way_at_a_time(void **state)
{
    (void)state;
    open_it();
    take(6);
    (void)tick(0);
    (void)tick(NEVER);
    assert_int_equal(receiver.begun, 1);
    assert_figure(delivered, 0);
    receiver_answer(200, "");
    (void)tick(0);
    assert_int_equal(receiver.begun, 2);
    receiver_answer(200, "");
    (void)tick(0);
    receiver_answer(200, "");
    assert_figure(delivered, 12);
}

static void the_same_goes_again_and_counts_once(void **state)
{
    (void)state;
    open_it();
    take(2);
    (void)tick(0);
    receiver_answer(503, "");
    assert_figure(failed_sends, 1);
    (void)tick(0);
    assert_false(receiver.is_busy);
    (void)tick(NEVER);
    assert_int_equal(sent(), 4);
    receiver_answer(200, "\x0a\x02\x08\x01"); /* one of them not taken */
    assert_figure(delivered, 3);
    assert_figure(dropped[DROP_REJECTED], 1);
    (void)tick(NEVER);
    assert_int_equal(receiver.begun, 2);
}

static void what_is_not_sampled_or_no_request_is_not_taken(void **state)
{
    struct record record = given_record();

    (void)state;
    open_it();
    record.is_sampled = false;
    exporter->verbs->take(exporter, &record);
    record.is_sampled = true;
    record.is_chat = false;
    exporter->verbs->take(exporter, &record);
    (void)tick(0);
    (void)tick(NEVER);
    assert_figure(taken, 0);
    assert_int_equal(receiver.begun, 0);
}

static void the_end_does_not_wait(void **state)
{
    (void)state;
    open_it();
    take(1);
    (void)tick(0);
    assert_false(exporter->verbs->flush(exporter, now_ms));
    (void)tick(0);
    assert_int_equal(sent(), 2);
    receiver_answer(200, "");
    assert_true(exporter->verbs->flush(exporter, now_ms));
}

static void json_is_another_kind(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", 1);
    open_it();
    take(2);
    (void)tick(0);
    assert_true(str_starts(buf_str(&receiver.body),
                           STR("{\"resourceSpans\":[{\"resource\":")));
    receiver_answer(200, "{}");
    assert_figure(delivered, 4);
}

static void it_is_wanted_when_an_endpoint_is_named(void **state)
{
    (void)state;
    assert_true(otlp_is_wanted());
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    assert_false(otlp_is_wanted());
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(a_batch_leaves_when_its_time_has_come),
        fresh(or_when_it_is_full),
        fresh(nothing_is_never_sent),
        fresh(one_is_under_way_at_a_time),
        fresh(the_same_goes_again_and_counts_once),
        fresh(what_is_not_sampled_or_no_request_is_not_taken),
        fresh(the_end_does_not_wait),
        fresh(json_is_another_kind),
        fresh(it_is_wanted_when_an_endpoint_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
