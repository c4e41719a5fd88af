/* What a receiver of OTLP answers, by each protocol: the verdict is one that
 * such an answer can have, and its sentence is short and is text.
 *
 * Input: the protocol, with AT_ONCE the fields of gRPC are in the head; the
 * HTTP status in two bytes; fields as lines "name: value" up to an empty one;
 * the body. */
#include "telemetry/otlp_answer.h"

#include "check.h"
#include "fuzz.h"
#include "head.h"
#include "protobuf.h"

enum {
    AT_ONCE = 0x80,
    WHY_MAX = 300,
    RETRY_MAX_MS = 601 * 1000, /* ten minutes, and the part of a second */
};

/* What has been read as fields, and what has not, is what there was. */
static void check_fields(struct str message)
{
    struct protobuf_field field;
    struct str rest = message;
    size_t left = rest.len;

    while (protobuf_next(&rest, &field)) {
        const char *at = message.ptr + message.len - rest.len;

        check(rest.len < left);
        check(rest.len == 0 || rest.ptr == at);
        check(field.number > 0);
        if (field.type == PROTOBUF_BYTES && field.bytes.len > 0)
            check(field.bytes.len < left - rest.len &&
                  field.bytes.ptr + field.bytes.len == at);
        left = rest.len;
    }
    check(rest.len == left);
}

static void read_fields(struct head *head, struct str *rest)
{
    struct str line;

    while (str_split(rest, '\n', &line) && line.len > 0) {
        size_t colon;

        if (!str_find(line, STR(": "), &colon) || colon == 0)
            continue;
        head_add_name(head, str_slice(line, 0, colon));
        head_end_name(head);
        head_add_value(head, str_slice(line, colon + 2, line.len));
    }
    head_complete(head);
}

static void check_verdict(enum otel_protocol protocol, int status,
                          const struct outbox_verdict *verdict)
{
    bool is_success = status >= 200 && status < 300;

    check(verdict->why.len <= WHY_MAX && str_is_utf8(verdict->why));
    check(verdict->retry_after_ms <= RETRY_MAX_MS);
    check(verdict->left == 0);
    check(verdict->rejected == 0 || verdict->outcome == OUTBOX_DELIVERED);
    check(verdict->retry_after_ms == 0 || verdict->outcome == OUTBOX_RETRY ||
          protocol == OTEL_GRPC);
    check(verdict->outcome == OUTBOX_DELIVERED || verdict->why.len > 0);
    if (protocol == OTEL_GRPC)
        check(verdict->outcome != OUTBOX_TOO_LARGE);
    else if (is_success)
        check(verdict->outcome == OUTBOX_DELIVERED ||
              verdict->outcome == OUTBOX_RETRY);
    else
        check(verdict->outcome != OUTBOX_DELIVERED);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum otel_protocol protocols[] = {
        OTEL_GRPC, OTEL_HTTP_PROTOBUF, OTEL_HTTP_JSON};
    struct head head, none;
    struct fetch_answer answer;
    struct outbox_verdict verdict;
    enum otel_protocol protocol;
    struct arena arena;
    struct str rest;

    if (size < 3)
        return 0;
    rest = fuzz_input(data + 3, size - 3);
    protocol = protocols[(data[0] & 0x7F) % 3];
    arena_init(&arena);
    head_init(&head);
    head_init(&none);
    head_complete(&none);
    read_fields(&head, &rest);
    answer = (struct fetch_answer){
        .status = 100 + (data[1] << 8 | data[2]) % 500,
        .head = (data[0] & AT_ONCE) != 0 ? &head : &none,
        .trailers = (data[0] & AT_ONCE) != 0 ? &none : &head,
        .body = rest,
    };
    check_fields(rest);
    verdict = otlp_judge(&arena, protocol, &answer);
    check_verdict(protocol, answer.status, &verdict);
    head_fini(&none);
    head_fini(&head);
    arena_clear(&arena);
    return 0;
}
