/* telemetry/otlp_answer: what a receiver's answer means for the batch. */
#include "telemetry/otlp_answer.h"

#include "../testing.h"
#include "fetch.h"
#include "head.h"

static struct arena arena;
static struct head head;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    head_fini(&head);
    arena_clear(&arena);
    return 0;
}

static struct outbox_verdict judge(enum otel_protocol protocol,
                                   const char *type, const char *body)
{
    struct fetch_answer answer = {
        .status = 200, .head = &head, .trailers = &head, .body = str_of(body)};

    head_clear(&head);
    head_add_name(&head, STR("content-type"));
    head_end_name(&head);
    head_add_value(&head, str_of(type));
    head_complete(&head);
    return otlp_judge(&arena, protocol, &answer);
}

static void a_page_is_no_receiver(void **state)
{
    static const enum otel_protocol protocols[] = {OTEL_HTTP_PROTOBUF,
                                                   OTEL_HTTP_JSON};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        struct outbox_verdict verdict =
            judge(protocols[i], "Text/HTML; charset=utf-8", "<html>Hi</html>");

        assert_int_equal(verdict.outcome, OUTBOX_RETRY);
        assert_has(verdict.why, "a web page");
    }
}

static void an_empty_answer_is_a_success(void **state)
{
    (void)state;
    assert_int_equal(judge(OTEL_HTTP_PROTOBUF, "text/html", "").outcome,
                     OUTBOX_DELIVERED);
    assert_int_equal(
        judge(OTEL_HTTP_PROTOBUF, "application/x-protobuf", "").outcome,
        OUTBOX_DELIVERED);
    assert_int_equal(judge(OTEL_HTTP_JSON, "application/json", "{}").outcome,
                     OUTBOX_DELIVERED);
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(a_page_is_no_receiver),
        fresh(an_empty_answer_is_a_success),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
