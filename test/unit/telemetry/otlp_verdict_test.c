/* telemetry/otlp_answer: each status of HTTP and gRPC, how long to wait, what
 * was taken in part. */
#include "telemetry/otlp_answer.h"

#include "../testing.h"
#include "base64.h"
#include "head.h"
#include "protobuf.h"

enum { MAX = 4096, NO_STATUS = -1 };

static struct arena arena;
static struct head head, trailers;
static struct fetch_answer answer;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head);
    head_init(&trailers);
    answer = (struct fetch_answer){
        .status = 200, .head = &head, .trailers = &trailers};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    head_fini(&head);
    head_fini(&trailers);
    arena_clear(&arena);
    return 0;
}

static void put_field(struct head *where, const char *name, struct str value)
{
    head_add_name(where, str_of(name));
    head_end_name(where);
    head_add_value(where, value);
}

static struct outbox_verdict judge(enum otel_protocol protocol)
{
    head_complete(&head);
    head_complete(&trailers);
    return otlp_judge(&arena, protocol, &answer);
}

/* --- HTTP ----------------------------------------------------------------- */

static void four_statuses_of_http_ask_to_come_again(void **state)
{
    static const enum otel_protocol protocols[] = {OTEL_HTTP_PROTOBUF,
                                                   OTEL_HTTP_JSON};

    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        for (int status = 200; status < 600; status++) {
            enum outbox_outcome expected = OUTBOX_REJECTED;
            struct outbox_verdict verdict;

            if (status < 300)
                expected = OUTBOX_DELIVERED;
            else if (status == 429 || status == 502 || status == 503 ||
                     status == 504)
                expected = OUTBOX_RETRY;
            else if (status == 413)
                expected = OUTBOX_TOO_LARGE;
            (void)finish(state);
            (void)begin(state);
            answer.status = status;
            verdict = judge(protocols[i]);
            assert_int_equal(verdict.outcome, expected);
            assert_int_equal(verdict.retry_after_ms, 0);
            assert_int_equal(verdict.rejected, 0);
            if (expected != OUTBOX_DELIVERED)
                assert_has(verdict.why,
                           arena_printf(&arena, "HTTP %d", status).ptr);
        }
}

static void the_time_that_is_asked_for_is_heeded(void **state)
{
    static const struct {
        const char *value;
        uint64_t ms;
    } cases[] = {{"7", 7000}, {"0", 0}, {"soon", 0}, {"999999", 3600000}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        (void)finish(state);
        (void)begin(state);
        answer.status = 429;
        put_field(&head, "Retry-After", str_of(cases[i].value));
        assert_int_equal(judge(OTEL_HTTP_PROTOBUF).retry_after_ms, cases[i].ms);
    }
}

static void what_never_came_is_sent_again(void **state)
{
    static const enum fetch_error errors[] = {
        FETCH_UNREACHABLE, FETCH_CLOSED, FETCH_TIMEOUT,
        FETCH_TLS,         FETCH_BROKEN, FETCH_TOO_LARGE};

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct outbox_verdict verdict;

        (void)finish(state);
        (void)begin(state);
        answer.status = 0;
        answer.error = errors[i];
        answer.detail = "no way";
        verdict = judge(i % 2 == 0 ? OTEL_GRPC : OTEL_HTTP_JSON);
        assert_int_equal(verdict.outcome, OUTBOX_RETRY);
        assert_str(verdict.why, "no way");
    }
    /* but this was taken */
    answer.status = 200;
    assert_int_equal(judge(OTEL_HTTP_JSON).outcome, OUTBOX_DELIVERED);
}

static void the_receiver_s_words_are_told(void **state)
{
    (void)state;
    answer.status = 400;
    answer.body = STR("\x08\x03\x12\x09no tenant");
    assert_str(judge(OTEL_HTTP_PROTOBUF).why, "HTTP 400 no tenant");
    answer.body = STR("{\"code\":3,\"message\":\"no such tenant\"}");
    assert_str(judge(OTEL_HTTP_JSON).why, "HTTP 400 no such tenant");
    answer.body = STR("plain words");
    assert_str(judge(OTEL_HTTP_PROTOBUF).why, "HTTP 400 plain words");
    assert_str(judge(OTEL_HTTP_JSON).why, "HTTP 400 plain words");
}

/* --- in part -------------------------------------------------------------- */

static void assert_partial(enum otel_protocol protocol, struct str body,
                           unsigned rejected, const char *why)
{
    struct outbox_verdict verdict;

    answer.body = body;
    verdict = judge(protocol);
    assert_int_equal(verdict.outcome, OUTBOX_DELIVERED);
    assert_int_equal(verdict.rejected, rejected);
    assert_str(verdict.why, why);
}

static void a_partial_success_is_counted_and_not_sent_again(void **state)
{
    (void)state;
    assert_partial(OTEL_HTTP_PROTOBUF, STR(""), 0, "");
    assert_partial(OTEL_HTTP_PROTOBUF, STR("\x0a\x07\x08\x02\x12\x03old"), 2,
                   "old");
    assert_partial(OTEL_HTTP_PROTOBUF, STR("\x0a\x05\x12\x03tip"), 0, "tip");
    assert_partial(OTEL_HTTP_PROTOBUF, STR("\x0a\x7f\x08\x02"), 0, "");
    assert_partial(OTEL_HTTP_JSON, STR("{}"), 0, "");
    assert_partial(OTEL_HTTP_JSON,
                   STR("{\"partialSuccess\":{\"rejectedSpans\":\"2\","
                       "\"errorMessage\":\"old\"}}"),
                   2, "old");
    assert_partial(OTEL_HTTP_JSON,
                   STR("{\"partialSuccess\":{\"rejectedSpans\":3}}"), 3, "");
    assert_partial(OTEL_HTTP_JSON,
                   STR("{\"partialSuccess\":{\"rejectedDataPoints\":\"4\"}}"),
                   4, "");
    assert_partial(OTEL_HTTP_JSON,
                   STR("{\"partialSuccess\":{\"rejectedSpans\":-1}}"), 0, "");
}

static void so_it_is_by_grpc(void **state)
{
    (void)state;
    put_field(&trailers, "grpc-status", STR("0"));
    assert_partial(OTEL_GRPC,
                   (struct str){"\0\0\0\0\x09\x0a\x07\x08\x02\x12\x03old", 14},
                   2, "old");
    assert_partial(OTEL_GRPC, (struct str){"\0\0\0\0\0", 5}, 0, "");
    assert_partial(OTEL_GRPC, STR(""), 0, "");
}

/* --- gRPC ----------------------------------------------------------------- */

static struct outbox_verdict judge_grpc(void **state, struct head *where,
                                        int http, int grpc)
{
    (void)finish(state);
    (void)begin(state);
    answer.status = http;
    if (grpc != NO_STATUS)
        put_field(where, "grpc-status", arena_printf(&arena, "%d", grpc));
    put_field(where, "grpc-message", STR("a word"));
    return judge(OTEL_GRPC);
}

static bool comes_again(int grpc)
{
    static const int statuses[] = {1, 4, 10, 11, 14, 15};

    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i] == grpc)
            return true;
    return false;
}

static void six_statuses_of_grpc_ask_to_come_again(void **state)
{
    struct head *const places[] = {&trailers, &head};

    for (size_t i = 0; i < COUNT_OF(places); i++)
        for (int status = 1; status <= 16; status++) {
            struct outbox_verdict verdict =
                judge_grpc(state, places[i], 200, status);

            assert_int_equal(verdict.outcome, comes_again(status)
                                                  ? OUTBOX_RETRY
                                                  : OUTBOX_REJECTED);
            assert_str(
                verdict.why,
                arena_printf(&arena, "gRPC status %d a word", status).ptr);
        }
}

static void without_a_status_of_grpc_that_of_http_counts(void **state)
{
    static const struct {
        int http;
        enum outbox_outcome outcome;
    } cases[] = {
        {200, OUTBOX_REJECTED}, {400, OUTBOX_REJECTED}, {401, OUTBOX_REJECTED},
        {403, OUTBOX_REJECTED}, {404, OUTBOX_REJECTED}, {429, OUTBOX_RETRY},
        {500, OUTBOX_REJECTED}, {502, OUTBOX_RETRY},    {503, OUTBOX_RETRY},
        {504, OUTBOX_RETRY},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(
            judge_grpc(state, &head, cases[i].http, NO_STATUS).outcome,
            cases[i].outcome);
    /* a number that gRPC has not */
    assert_int_equal(judge_grpc(state, &head, 200, 17).outcome,
                     OUTBOX_REJECTED);
}

/* A google.rpc.Status in base64 whose only detail is that. */
static struct str details_with(const char *type, uint64_t s, uint64_t ns)
{
    struct buf out, digits;
    struct str text;
    size_t any, info, duration;

    buf_init(&out, MAX);
    protobuf_u64(&out, 1, 8);
    any = protobuf_open(&out, 3);
    protobuf_bytes(&out, 1, str_of(type));
    info = protobuf_open(&out, 2);
    duration = protobuf_open(&out, 1);
    protobuf_u64(&out, 1, s);
    protobuf_u64(&out, 2, ns);
    protobuf_close(&out, duration);
    protobuf_close(&out, info);
    protobuf_close(&out, any);
    buf_init(&digits, 2 * MAX);
    base64_encode(&digits, buf_str(&out));
    text = arena_copy(&arena, buf_str(&digits));
    buf_fini(&digits);
    buf_fini(&out);
    return text;
}

static struct outbox_verdict judge_details(void **state, int status,
                                           const char *type, uint64_t s,
                                           uint64_t ns, bool is_padded)
{
    struct str text;

    (void)finish(state);
    (void)begin(state);
    text = details_with(type, s, ns);
    while (!is_padded && str_ends(text, STR("=")))
        text.len--;
    put_field(&trailers, "grpc-status", arena_printf(&arena, "%d", status));
    put_field(&trailers, "grpc-status-details-bin", text);
    return judge(OTEL_GRPC);
}

static void who_is_exhausted_may_say_when_to_come_again(void **state)
{
    static const char retry[] = "type.googleapis.com/google.rpc.RetryInfo";
    struct outbox_verdict verdict;

    for (int is_padded = 0; is_padded < 2; is_padded++) {
        verdict = judge_details(state, 8, retry, 2, 500000000, is_padded != 0);
        assert_int_equal(verdict.outcome, OUTBOX_RETRY);
        assert_int_equal(verdict.retry_after_ms, 2500);
    }
    verdict = judge_details(state, 14, retry, 1, 0, true);
    assert_int_equal(verdict.outcome, OUTBOX_RETRY);
    assert_int_equal(verdict.retry_after_ms, 1000);
    verdict = judge_details(state, 8, retry, UINT64_MAX, UINT64_MAX, true);
    assert_int_equal(verdict.retry_after_ms, 3600000);
    verdict = judge_details(state, 8, "type.googleapis.com/google.rpc.Help", 2,
                            0, true);
    assert_int_equal(verdict.outcome, OUTBOX_REJECTED);
    /* what will not do, will not do later */
    verdict = judge_details(state, 3, retry, 2, 0, true);
    assert_int_equal(verdict.outcome, OUTBOX_REJECTED);
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(four_statuses_of_http_ask_to_come_again),
        fresh(the_time_that_is_asked_for_is_heeded),
        fresh(what_never_came_is_sent_again),
        fresh(the_receiver_s_words_are_told),
        fresh(a_partial_success_is_counted_and_not_sent_again),
        fresh(so_it_is_by_grpc),
        fresh(six_statuses_of_grpc_ask_to_come_again),
        fresh(without_a_status_of_grpc_that_of_http_counts),
        fresh(who_is_exhausted_may_say_when_to_come_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
