#include "otlp_answer.h"

#include "base64.h"
#include "json.h"
#include "protobuf.h"
#include "retry.h"

enum {
    WHY_MAX = 200,
    GRPC_PREFIX = 5, /* a flag and the length, before each message */
    DETAILS_MAX = 16 * 1024,
};

/* https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

static struct str clip(struct arena *arena, struct str text)
{
    return arena_copy_utf8(arena, str_clip(text, WHY_MAX));
}

/* --- partial success ------------------------------------------------------ */

/* An int64 on the wire: what is below zero says nothing. */
static unsigned rejected_of(uint64_t n)
{
    if (n > INT64_MAX)
        return 0;
    return n < UINT32_MAX ? (unsigned)n : UINT32_MAX;
}

/* ExportTraceServiceResponse.partial_success: { rejected_spans = 1,
 * error_message = 2 }; metrics have the same numbers. */
static struct outbox_verdict read_partial(struct arena *arena, struct str bytes)
{
    struct outbox_verdict verdict = {.outcome = OUTBOX_DELIVERED};
    struct protobuf_field field;
    struct str partial = {NULL, 0};

    while (protobuf_next(&bytes, &field))
        if (field.number == 1 && field.type == PROTOBUF_BYTES)
            partial = field.bytes;
    while (protobuf_next(&partial, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_VARINT)
            verdict.rejected = rejected_of(field.value);
        else if (field.number == 2 && field.type == PROTOBUF_BYTES)
            verdict.why = clip(arena, field.bytes);
    }
    return verdict;
}

/* The same in JSON, where a 64-bit number may be a string. */
static struct outbox_verdict read_partial_json(struct arena *arena,
                                               struct str text)
{
    struct outbox_verdict verdict = {.outcome = OUTBOX_DELIVERED};
    struct json_doc doc;
    struct json_error ignored;
    yyjson_val *partial;
    yyjson_val *rejected;
    uint64_t n = 0;
    int64_t number;

    if (text.len == 0 || !json_read(arena, text, &doc, &ignored))
        return verdict;
    partial = json_get(doc.root, STR("partialSuccess"));
    rejected = json_get(partial, STR("rejectedSpans"));
    if (rejected == NULL)
        rejected = json_get(partial, STR("rejectedDataPoints"));
    if (!str_to_u64(json_text(rejected), &n) && rejected != NULL &&
        json_to_i64(rejected, &number) && number > 0)
        n = (uint64_t)number;
    verdict.rejected = rejected_of(n);
    verdict.why = clip(arena, json_get_text(partial, STR("errorMessage")));
    return verdict;
}

/* --- HTTP ----------------------------------------------------------------- */

/* A google.rpc.Status: { code = 1, message = 2 }, or what else it says. */
static struct str message_of(struct arena *arena, enum otel_protocol protocol,
                             const struct fetch_answer *answer)
{
    struct str rest = answer->body;
    struct protobuf_field field;
    struct json_doc doc;
    struct json_error ignored;

    if (protocol == OTEL_HTTP_JSON) {
        if (json_read(arena, rest, &doc, &ignored) &&
            json_get_text(doc.root, STR("message")).len > 0)
            return clip(arena, json_get_text(doc.root, STR("message")));
        return clip(arena, rest);
    }
    while (protobuf_next(&rest, &field))
        if (field.number == 2 && field.type == PROTOBUF_BYTES)
            return clip(arena, field.bytes);
    return clip(arena, answer->body);
}

/* Of somebody else who has the address, or a gateway that is being mended: it
 * took nothing, whatever its status says. */
static bool is_page(const struct fetch_answer *answer)
{
    struct str type = head_find(answer->head, STR("content-type"));

    return answer->body.len > 0 &&
           str_eq_nocase(str_slice(type, 0, 9), STR("text/html"));
}

static struct outbox_verdict judge_http(struct arena *arena,
                                        enum otel_protocol protocol,
                                        const struct fetch_answer *answer)
{
    int status = answer->status;
    struct outbox_verdict verdict = {.outcome = OUTBOX_REJECTED};

    if (status >= 200 && status < 300 && is_page(answer)) {
        verdict.outcome = OUTBOX_RETRY;
        verdict.why = STR("it answers with a web page: is this the address "
                          "of a collector?");
        return verdict;
    }
    if (status >= 200 && status < 300)
        return protocol == OTEL_HTTP_JSON
                   ? read_partial_json(arena, answer->body)
                   : read_partial(arena, answer->body);
    if (status == 429 || status == 502 || status == 503 || status == 504) {
        verdict.outcome = OUTBOX_RETRY;
        verdict.retry_after_ms =
            retry_asked_ms(head_find(answer->head, STR("retry-after")));
    } else if (status == 413) {
        verdict.outcome = OUTBOX_TOO_LARGE;
    }
    verdict.why = arena_printf(arena, "HTTP %d %.*s", status,
                               STR_ARG(message_of(arena, protocol, answer)));
    return verdict;
}

/* --- gRPC ----------------------------------------------------------------- */

/* https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
static unsigned grpc_of_http(int status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

/* From the trailers, or from the head of an answer that is nothing else. */
static struct str grpc_field(const struct fetch_answer *answer, struct str name)
{
    struct str value = head_find(answer->trailers, name);

    return value.ptr != NULL ? value : head_find(answer->head, name);
}

static unsigned grpc_status(const struct fetch_answer *answer)
{
    uint64_t n;

    if (str_to_u64(grpc_field(answer, STR("grpc-status")), &n) && n <= 16)
        return (unsigned)n;
    return answer->status == 200 ? GRPC_UNKNOWN : grpc_of_http(answer->status);
}

/* google.protobuf.Duration: { seconds = 1, nanos = 2 } */
static uint64_t duration_ms(struct str bytes)
{
    struct protobuf_field field;
    uint64_t ms = 0;

    while (protobuf_next(&bytes, &field)) {
        if (field.type != PROTOBUF_VARINT)
            continue;
        if (field.number == 1 && field.value <= RETRY_ASKED_MAX_MS / 1000)
            ms += field.value * 1000;
        else if (field.number == 1)
            ms += RETRY_ASKED_MAX_MS;
        else if (field.number == 2 && field.value < 1000000000)
            ms += field.value / 1000000;
    }
    return ms;
}

/* An Any, { type_url = 1, value = 2 }, that holds a RetryInfo, { retry_delay =
 * 1 }; false when it holds something else. */
static bool read_retry_info(struct str any, uint64_t *ms)
{
    struct protobuf_field field;
    struct str value = {NULL, 0};
    bool is_it = false;

    while (protobuf_next(&any, &field)) {
        if (field.type != PROTOBUF_BYTES)
            continue;
        if (field.number == 1)
            is_it = str_ends(field.bytes, STR("/google.rpc.RetryInfo"));
        else if (field.number == 2)
            value = field.bytes;
    }
    *ms = 0;
    while (is_it && protobuf_next(&value, &field))
        if (field.number == 1 && field.type == PROTOBUF_BYTES)
            *ms = duration_ms(field.bytes);
    return is_it;
}

/* Base64, often without its padding. */
static struct str decode_details(struct arena *arena, struct str text)
{
    struct str padded;

    if (text.len == 0 || text.len > DETAILS_MAX)
        return STR("");
    padded = arena_printf(arena, "%.*s%.*s", STR_ARG(text),
                          (int)((4 - text.len % 4) % 4), "===");
    return base64_is_valid(padded) ? base64_decode(arena, padded) : STR("");
}

/* Does the status say when to come again?  Its details are field 3. */
static bool find_retry_info(struct arena *arena,
                            const struct fetch_answer *answer, uint64_t *ms)
{
    struct str status = decode_details(
        arena, grpc_field(answer, STR("grpc-status-details-bin")));
    struct protobuf_field field;

    *ms = 0;
    while (protobuf_next(&status, &field))
        if (field.number == 3 && field.type == PROTOBUF_BYTES &&
            read_retry_info(field.bytes, ms))
            return true;
    return false;
}

static bool is_retryable(unsigned status, bool has_retry_info)
{
    switch (status) {
    case GRPC_CANCELLED:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        return true;
    default:
        return status == GRPC_RESOURCE_EXHAUSTED && has_retry_info;
    }
}

static struct outbox_verdict judge_grpc(struct arena *arena,
                                        const struct fetch_answer *answer)
{
    unsigned status = grpc_status(answer);
    uint64_t ms;
    bool has_retry_info = find_retry_info(arena, answer, &ms);
    struct str message = clip(arena, grpc_field(answer, STR("grpc-message")));

    if (status == GRPC_OK)
        return read_partial(
            arena, str_slice(answer->body, GRPC_PREFIX, answer->body.len));
    return (struct outbox_verdict){
        .outcome = is_retryable(status, has_retry_info) ? OUTBOX_RETRY
                                                        : OUTBOX_REJECTED,
        .retry_after_ms = ms,
        .why = arena_printf(arena, "gRPC status %u %.*s", status,
                            STR_ARG(message)),
    };
}

/* --- either --------------------------------------------------------------- */

struct outbox_verdict otlp_judge(struct arena *arena,
                                 enum otel_protocol protocol,
                                 const struct fetch_answer *answer)
{
    bool is_cut = answer->error == FETCH_TOO_LARGE;

    /* it was taken, however much was said about it */
    if (is_cut && answer->status >= 200 && answer->status < 300)
        return (struct outbox_verdict){.outcome = OUTBOX_DELIVERED};
    /* by HTTP the status says it all; by gRPC what comes last, which is lost */
    if (is_cut && answer->status > 0 && protocol != OTEL_GRPC)
        return judge_http(arena, protocol, answer);
    if (answer->error != FETCH_OK)
        return (struct outbox_verdict){
            .outcome = OUTBOX_RETRY,
            .why = clip(arena, str_of(answer->detail)),
        };
    return protocol == OTEL_GRPC ? judge_grpc(arena, answer)
                                 : judge_http(arena, protocol, answer);
}
