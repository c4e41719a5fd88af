/* Answers of a receiver of OTLP, by all its protocols: none of them makes more
 * of a batch than was in it, and what is said of it has a bound. */
#include "telemetry/otlp_answer.h"
#include "check.h"
#include "fuzz.h"
#include "head.h"

enum { WHY_MAX = 256, WAIT_MAX_MS = 3600 * 1000 };

/* The first byte says the protocol, the second the status; the rest is the
 * body, and for gRPC also what its trailers say in detail. */
static const int statuses[] = {0,   200, 204, 400, 404, 413,
                               429, 500, 502, 503, 504, 599};

static void put_field(struct head *head, struct str name, struct str value)
{
    head_add_name(head, name);
    head_end_name(head);
    head_add_value(head, value);
}

/* As a parser of HTTP would let it through. */
static bool is_field_value(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return text.len > 0;
}

/* By gRPC its own status counts, whatever HTTP's is. */
static void check_verdict(const struct outbox_verdict *verdict,
                          enum otel_protocol protocol, int status)
{
    check(verdict->why.len <= WHY_MAX && str_is_utf8(verdict->why));
    check(verdict->left == 0);
    check(verdict->retry_after_ms <= WAIT_MAX_MS + 1000);
    check(verdict->outcome == OUTBOX_DELIVERED || verdict->rejected == 0);
    if (verdict->outcome == OUTBOX_DELIVERED && protocol != OTEL_GRPC)
        check(status >= 200 && status < 300);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head head, trailers;
    struct fetch_answer answer = {.head = &head, .trailers = &trailers};
    enum otel_protocol protocol;
    struct outbox_verdict verdict;
    struct arena arena;

    if (size < 2)
        return 0;
    protocol = (enum otel_protocol)(data[0] % 3);
    answer.status = statuses[data[1] % COUNT_OF(statuses)];
    answer.body = fuzz_input(data + 2, size - 2);
    arena_init(&arena);
    head_init(&head);
    head_init(&trailers);
    if (protocol == OTEL_GRPC)
        put_field(&trailers, STR("grpc-status"),
                  arena_printf(&arena, "%d", data[0] / 3 % 18));
    if (is_field_value(answer.body)) {
        put_field(&head, STR("retry-after"), answer.body);
        put_field(&trailers, STR("grpc-status-details-bin"), answer.body);
        put_field(&trailers, STR("grpc-message"), answer.body);
    }
    head_complete(&head);
    head_complete(&trailers);
    verdict = otlp_judge(&arena, protocol, &answer);
    check_verdict(&verdict, protocol, answer.status);
    head_fini(&head);
    head_fini(&trailers);
    arena_clear(&arena);
    return 0;
}
