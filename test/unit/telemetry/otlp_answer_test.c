/* telemetry/otlp_answer: what a receiver's answer means for the batch. */
#include "telemetry/otlp_answer.h"

#include "../testing.h"
#include "base64.h"
#include "fetch.h"
#include "head.h"
#include "protobuf.h"

static struct arena arena;
static struct head head, trailers;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head);
    head_init(&trailers);
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

/* --- an answer ------------------------------------------------------------ */

static void add_field(struct head *to, const char *name, const char *value)
{
    head_add_name(to, str_of(name));
    head_end_name(to);
    head_add_value(to, str_of(value));
}

/* Of an HTTP receiver; `name` NULL: with no such field. */
static struct outbox_verdict judge_http(enum otel_protocol protocol, int status,
                                        const char *name, const char *value,
                                        struct str body)
{
    struct fetch_answer answer = {
        .status = status, .head = &head, .trailers = &trailers, .body = body};

    head_clear(&head);
    head_clear(&trailers);
    if (name != NULL)
        add_field(&head, name, value);
    head_complete(&head);
    head_complete(&trailers);
    return otlp_judge(&arena, protocol, &answer);
}

static struct outbox_verdict judge(enum otel_protocol protocol,
                                   const char *type, const char *body)
{
    return judge_http(protocol, 200, "content-type", type, str_of(body));
}

/* Of a gRPC receiver; each of its fields may be NULL. */
struct grpc {
    int http; /* 0: 200 */
    const char *status, *message, *details;
    bool at_once; /* the fields are the head's, as no body comes */
    struct str body;
};

static struct outbox_verdict judge_grpc(struct grpc grpc)
{
    struct head *to = grpc.at_once ? &head : &trailers;
    struct fetch_answer answer = {.status = grpc.http > 0 ? grpc.http : 200,
                                  .head = &head,
                                  .trailers = &trailers,
                                  .body = grpc.body};

    head_clear(&head);
    head_clear(&trailers);
    if (grpc.status != NULL)
        add_field(to, "grpc-status", grpc.status);
    if (grpc.message != NULL)
        add_field(to, "grpc-message", grpc.message);
    if (grpc.details != NULL)
        add_field(to, "grpc-status-details-bin", grpc.details);
    head_complete(&head);
    head_complete(&trailers);
    return otlp_judge(&arena, OTEL_GRPC, &answer);
}

/* --- by HTTP -------------------------------------------------------------- */

static const enum otel_protocol https[] = {OTEL_HTTP_PROTOBUF, OTEL_HTTP_JSON};

static void a_page_is_no_receiver(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(https); i++) {
        struct outbox_verdict verdict =
            judge(https[i], "Text/HTML; charset=utf-8", "<html>Hi</html>");

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

static enum outbox_outcome expected_of(int status)
{
    if (status >= 200 && status < 300)
        return OUTBOX_DELIVERED;
    switch (status) {
    case 429:
    case 502:
    case 503:
    case 504:
        return OUTBOX_RETRY;
    case 413:
        return OUTBOX_TOO_LARGE;
    default:
        return OUTBOX_REJECTED;
    }
}

static void every_status_of_http(void **state)
{
    (void)state;
    for (int status = 200; status < 600; status++)
        for (size_t i = 0; i < COUNT_OF(https); i++) {
            struct outbox_verdict verdict =
                judge_http(https[i], status, NULL, NULL, STR(""));

            assert_int_equal(verdict.outcome, expected_of(status));
            assert_int_equal(verdict.retry_after_ms, 0);
            assert_int_equal(verdict.rejected, 0);
            if (verdict.outcome != OUTBOX_DELIVERED)
                assert_has(verdict.why,
                           arena_printf(&arena, "HTTP %d", status).ptr);
        }
}

static void retry_after_is_heeded_within_bounds(void **state)
{
    static const struct {
        int status;
        const char *value;
        uint64_t ms;
    } rows[] = {
        {429, "7", 7000},
        {503, " 1 ", 1000},
        {503, "0", 0},
        {503, "-3", 0},
        {503, "Wed, 21 Oct 2015 07:28:00 GMT", 0},
        {429, "86400", 600000},
        {429, "99999999999999999999", 0},
        {400, "7", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(judge_http(OTEL_HTTP_PROTOBUF, rows[i].status,
                                    "Retry-After", rows[i].value, STR(""))
                             .retry_after_ms,
                         rows[i].ms);
}

static void what_a_receiver_says_is_told(void **state)
{
    static char long_text[1000];

    (void)state;
    /* a google.rpc.Status */
    assert_str(judge_http(OTEL_HTTP_PROTOBUF, 400, NULL, NULL,
                          STR("\x08\x03\x12\x02no"))
                   .why,
               "HTTP 400 no");
    assert_str(judge_http(OTEL_HTTP_JSON, 400, NULL, NULL,
                          STR("{\"code\":3,\"message\":\"no\"}"))
                   .why,
               "HTTP 400 no");
    /* or whatever it is */
    assert_str(judge_http(OTEL_HTTP_PROTOBUF, 401, NULL, NULL, STR("Who?")).why,
               "HTTP 401 Who?");
    assert_str(judge_http(OTEL_HTTP_JSON, 401, NULL, NULL, STR("Who?")).why,
               "HTTP 401 Who?");
    memset(long_text, 'a', sizeof(long_text) - 1);
    assert_in_range(
        judge_http(OTEL_HTTP_JSON, 400, NULL, NULL, str_of(long_text)).why.len,
        100, 250);
}

/* --- a part is taken ------------------------------------------------------ */

static void a_part_is_taken_as_protocol_buffers(void **state)
{
    static const struct {
        struct str body;
        unsigned rejected;
        const char *why;
    } rows[] = {
        {STR_INIT("\x0a\x02\x08\x03"), 3, ""},
        {STR_INIT("\x0a\x07\x08\x02\x12\x03old"), 2, "old"},
        /* nothing is lost, but something is to be said */
        {STR_INIT("\x0a\x05\x12\x03old"), 0, "old"},
        {STR_INIT("\x0a\x00"), 0, ""},
        /* more than any batch holds */
        {STR_INIT("\x0a\x07\x08\xff\xff\xff\xff\xff\x01"), UINT32_MAX, ""},
        /* -1 */
        {STR_INIT("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0,
         ""},
        /* fields of later versions, and of other types */
        {STR_INIT("\x12\x01x\x0a\x04\x18\x09\x08\x01"), 1, ""},
        {STR_INIT("\x08\x07"), 0, ""},
        /* broken: it was taken all the same */
        {STR_INIT("\x0a\x7f\x08"), 0, ""},
        {STR_INIT("ok"), 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str prefix = STR("\0\0\0\0\0");
        struct outbox_verdict verdicts[] = {
            judge_http(OTEL_HTTP_PROTOBUF, 200, NULL, NULL, rows[i].body),
            judge_grpc((struct grpc){
                .status = "0",
                .body = arena_join(&arena, prefix, rows[i].body),
            }),
        };

        for (size_t k = 0; k < COUNT_OF(verdicts); k++) {
            assert_int_equal(verdicts[k].outcome, OUTBOX_DELIVERED);
            assert_int_equal(verdicts[k].rejected, rows[i].rejected);
            assert_str(verdicts[k].why, rows[i].why);
        }
    }
}

static void a_part_is_taken_as_json(void **state)
{
    static const struct {
        const char *body;
        unsigned rejected;
        const char *why;
    } rows[] = {
        {"{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}", 3, ""},
        {"{\"partialSuccess\":{\"rejectedSpans\":2,\"errorMessage\":\"old\"}}",
         2, "old"},
        {"{\"partialSuccess\":{\"rejectedDataPoints\":\"4\"}}", 4, ""},
        {"{\"partialSuccess\":{\"errorMessage\":\"old\"}}", 0, "old"},
        {"{\"partialSuccess\":{\"rejectedSpans\":-1}}", 0, ""},
        {"{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}", 0, ""},
        {"{\"partialSuccess\":{\"rejectedSpans\":\"99999999999\"}}", UINT32_MAX,
         ""},
        {"{\"partialSuccess\":[]}", 0, ""},
        {"{\"partialSuccess\":null}", 0, ""},
        {"[]", 0, ""},
        {"{", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct outbox_verdict verdict =
            judge(OTEL_HTTP_JSON, "application/json", rows[i].body);

        assert_int_equal(verdict.outcome, OUTBOX_DELIVERED);
        assert_int_equal(verdict.rejected, rows[i].rejected);
        assert_str(verdict.why, rows[i].why);
    }
}

/* --- by gRPC -------------------------------------------------------------- */

static void every_status_of_grpc(void **state)
{
    /* CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE,
     * DATA_LOSS */
    static const bool retryable[17] = {[1] = true,  [4] = true,  [10] = true,
                                       [11] = true, [14] = true, [15] = true};

    (void)state;
    for (unsigned status = 0; status <= 16; status++)
        for (unsigned at_once = 0; at_once < 2; at_once++) {
            struct outbox_verdict verdict = judge_grpc((struct grpc){
                .status = arena_printf(&arena, "%u", status).ptr,
                .message = "because",
                .at_once = at_once,
            });

            if (status == 0) {
                assert_int_equal(verdict.outcome, OUTBOX_DELIVERED);
                continue;
            }
            assert_int_equal(verdict.outcome, retryable[status]
                                                  ? OUTBOX_RETRY
                                                  : OUTBOX_REJECTED);
            assert_int_equal(verdict.retry_after_ms, 0);
            assert_str(
                verdict.why,
                arena_printf(&arena, "gRPC status %u because", status).ptr);
        }
}

static void an_answer_without_a_status_of_grpc(void **state)
{
    static const struct {
        int http;
        const char *status;
        enum outbox_outcome outcome;
    } rows[] = {
        {400, NULL, OUTBOX_REJECTED},
        {401, NULL, OUTBOX_REJECTED},
        {403, NULL, OUTBOX_REJECTED},
        {404, NULL, OUTBOX_REJECTED},
        {429, NULL, OUTBOX_RETRY},
        {500, NULL, OUTBOX_REJECTED},
        {502, NULL, OUTBOX_RETRY},
        {503, NULL, OUTBOX_RETRY},
        {504, NULL, OUTBOX_RETRY},
        /* nobody said that it was taken */
        {200, NULL, OUTBOX_REJECTED},
        /* none that there is */
        {200, "17", OUTBOX_REJECTED},
        {200, "-1", OUTBOX_REJECTED},
        {200, "", OUTBOX_REJECTED},
        {503, "x", OUTBOX_RETRY},
        /* what it says itself counts */
        {503, "3", OUTBOX_REJECTED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(judge_grpc((struct grpc){.http = rows[i].http,
                                                  .status = rows[i].status})
                             .outcome,
                         rows[i].outcome);
}

/* A google.rpc.Status with this one Any in it, in Base64. */
static const char *details(struct str type, struct str value, bool is_padded)
{
    struct buf any, status, text;
    struct str copy;

    buf_init(&any, 1024);
    buf_init(&status, 1024);
    buf_init(&text, 1024);
    protobuf_bytes(&any, 1, type);
    protobuf_bytes(&any, 2, value);
    protobuf_u64(&status, 1, 8);
    protobuf_bytes(&status, 3, buf_str(&any));
    base64_encode(&text, buf_str(&status));
    while (!is_padded && str_ends(buf_str(&text), STR("=")))
        text.len--;
    copy = arena_printf(&arena, "%.*s", STR_ARG(buf_str(&text)));
    buf_fini(&any);
    buf_fini(&status);
    buf_fini(&text);
    return copy.ptr;
}

#define RETRY_INFO STR("type.googleapis.com/google.rpc.RetryInfo")

static void retry_info_says_when(void **state)
{
    static const struct {
        struct str value;
        uint64_t ms;
    } rows[] = {
        {STR_INIT("\x0a\x02\x08\x02"), 2000},
        {STR_INIT("\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01"), 1500},
        {STR_INIT("\x0a\x04\x08\x80\xa3\x05"), 600000}, /* a day */
        {STR_INIT("\x0a\x00"), 0},
        {STR_INIT(""), 0},
        {STR_INIT("\x0a\x7f"), 0},
    };

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        struct outbox_verdict verdict = judge_grpc((struct grpc){
            .status = "8", /* RESOURCE_EXHAUSTED */
            .details = details(RETRY_INFO, rows[i / 2].value, i % 2 == 0),
        });

        assert_int_equal(verdict.outcome, OUTBOX_RETRY);
        assert_int_equal(verdict.retry_after_ms, rows[i / 2].ms);
    }
    /* UNAVAILABLE: only when */
    assert_int_equal(
        judge_grpc(
            (struct grpc){.status = "14",
                          .details = details(RETRY_INFO, rows[0].value, true)})
            .retry_after_ms,
        2000);
    /* INVALID_ARGUMENT: it does not help */
    assert_int_equal(
        judge_grpc(
            (struct grpc){.status = "3",
                          .details = details(RETRY_INFO, rows[0].value, true)})
            .outcome,
        OUTBOX_REJECTED);
}

static void who_is_exhausted_and_does_not_say_when_is_left_alone(void **state)
{
    const char *const all[] = {
        NULL,
        "",
        "!!!",
        "AAAA",
        details(STR("type.googleapis.com/google.rpc.QuotaFailure"),
                STR("\x0a\x02\x08\x02"), true),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        assert_int_equal(
            judge_grpc((struct grpc){.status = "8", .details = all[i]}).outcome,
            OUTBOX_REJECTED);
}

/* --- no answer ------------------------------------------------------------ */

static void without_an_answer_it_is_tried_again(void **state)
{
    (void)state;
    for (unsigned error = FETCH_UNREACHABLE; error <= FETCH_BROKEN; error++) {
        struct fetch_answer answer = {.error = (enum fetch_error)error,
                                      .detail = "it is away",
                                      .head = &head,
                                      .trailers = &trailers};
        struct outbox_verdict verdict = otlp_judge(&arena, OTEL_GRPC, &answer);

        assert_int_equal(verdict.outcome, OUTBOX_RETRY);
        assert_str(verdict.why, "it is away");
    }
}

static void too_much_said_about_a_success_is_one(void **state)
{
    struct fetch_answer answer = {.error = FETCH_TOO_LARGE,
                                  .detail = "too large",
                                  .status = 200,
                                  .head = &head,
                                  .trailers = &trailers};

    (void)state;
    assert_int_equal(otlp_judge(&arena, OTEL_HTTP_JSON, &answer).outcome,
                     OUTBOX_DELIVERED);
    answer.status = 503;
    assert_int_equal(otlp_judge(&arena, OTEL_HTTP_JSON, &answer).outcome,
                     OUTBOX_RETRY);
    answer.status = 400;
    assert_int_equal(otlp_judge(&arena, OTEL_HTTP_JSON, &answer).outcome,
                     OUTBOX_REJECTED);
    answer.status = 0;
    assert_int_equal(otlp_judge(&arena, OTEL_HTTP_JSON, &answer).outcome,
                     OUTBOX_RETRY);
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(a_page_is_no_receiver),
        fresh(an_empty_answer_is_a_success),
        fresh(every_status_of_http),
        fresh(retry_after_is_heeded_within_bounds),
        fresh(what_a_receiver_says_is_told),
        fresh(a_part_is_taken_as_protocol_buffers),
        fresh(a_part_is_taken_as_json),
        fresh(every_status_of_grpc),
        fresh(an_answer_without_a_status_of_grpc),
        fresh(retry_info_says_when),
        fresh(who_is_exhausted_and_does_not_say_when_is_left_alone),
        fresh(without_an_answer_it_is_tried_again),
        fresh(too_much_said_about_a_success_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
