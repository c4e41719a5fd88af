/* Values of single headers, of callers and of backends: keys, trace contexts,
 * Retry-After; and any value in an answer of ours, which must not end its
 * line. */
#include <stdlib.h>

#include "admit/key.h"
#include "check.h"
#include "dialect/openai.h"
#include "fuzz.h"
#include "given.h"
#include "reply/reply.h"
#include "telemetry/trace.h"

static struct catalog *catalog;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    catalog = given_catalog("local: { url: 'http://127.0.0.1:1', model: m }\n"
                            "keys:\n"
                            "  - { name: one, secret: first-key }\n"
                            "  - { name: two, secret: second key }\n");
    return 0;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("0123456789abcdef", s.ptr[i]) == NULL || s.ptr[i] == '\0')
            return false;
    return true;
}

static void put_field(struct head *head, struct str name, struct str value)
{
    head_add_name(head, name);
    head_end_name(head);
    head_add_value(head, value);
}

#define SPAN "00f067aa0ba902b7"

/* What goes out is a trace context, whatever came in; a trace goes on only
 * when it was one. */
static void check_parent(const struct head *head, struct trace *trace,
                         struct arena *arena)
{
    static const struct sampler sampler;
    struct str sent = head_find(head, STR("traceparent"));
    char text[TRACE_PARENT_LEN];
    struct str parent = {text, sizeof(text)};

    trace_begin(trace, head, arena, &sampler, TRACE_CONTINUE);
    trace_parent(trace, trace->span_id, text);
    check(str_starts(parent, STR("00-")) && parent.ptr[35] == '-' &&
          parent.ptr[52] == '-');
    check(is_hex(str_slice(parent, 3, 35)) &&
          is_hex(str_slice(parent, 36, 52)) &&
          is_hex(str_slice(parent, 53, 55)));
    check(!str_eq(trace_id(trace), STR("00000000000000000000000000000000")));
    if (str_eq(trace_id(trace), str_slice(sent, 3, 35)))
        check(sent.len >= TRACE_PARENT_LEN && is_hex(str_slice(sent, 0, 2)) &&
              !str_starts(sent, STR("ff")));
}

static void take_trace(struct str value)
{
    struct arena arena;
    struct head head;
    struct trace trace;

    arena_init(&arena);
    head_init(&head);
    put_field(&head, STR("traceparent"), value);
    head_complete(&head);
    check_parent(&head, &trace, &arena);
    head_clear(&head);
    put_field(&head, STR("traceparent"),
              STR("00-4bf92f3577b34da6a3ce929d0e0e4736-" SPAN "-01"));
    put_field(&head, STR("tracestate"), value);
    put_field(&head, STR("Tracestate"), value);
    head_complete(&head);
    check_parent(&head, &trace, &arena);
    check(trace.state.len <= 512);
    for (size_t i = 0; i < trace.state.len; i++)
        check(trace.state.ptr[i] == '\t' ||
              (trace.state.ptr[i] >= ' ' && trace.state.ptr[i] <= '~'));
    head_fini(&head);
    arena_clear(&arena);
}

static void take_key(struct str name, struct str value)
{
    const struct api_key *key;
    struct str sent = str_trim(value);
    struct head head;
    bool is_one, is_two;

    head_init(&head);
    put_field(&head, name, value);
    head_complete(&head);
    if (str_eq(name, STR("Authorization")))
        sent = str_eq_nocase(str_slice(sent, 0, 7), STR("bearer "))
                   ? str_trim(str_slice(sent, 7, sent.len))
                   : STR("");
    is_one = str_eq(sent, STR("first-key"));
    is_two = str_eq(sent, STR("second key"));
    check(key_check(catalog, &head, &key) == (is_one || is_two));
    if (is_one || is_two)
        check(str_eq(key->name, is_one ? STR("one") : STR("two")));
    head_fini(&head);
}

static void take_retry_after(struct str value)
{
    struct backend_head head = {.status = 503, .retry_after = value};
    unsigned seconds = backend_retry_after_s(&head);

    check(seconds <= 86400);
    for (size_t i = 0; i < str_trim(value).len && seconds > 0; i++)
        check(str_trim(value).ptr[i] >= '0' && str_trim(value).ptr[i] <= '9');
}

/* --- out ---------------------------------------------------------------- */

static struct buf written;

static void sink_write(struct sink *sink, const struct str pieces[],
                       size_t count)
{
    (void)sink;
    for (size_t i = 0; i < count; i++)
        buf_put(&written, pieces[i]);
}

static void sink_finish(struct sink *sink, bool keep)
{
    (void)sink;
    (void)keep;
}

static void take_value(struct str value)
{
    static const struct sink_ops ops = {.write = sink_write,
                                        .finish = sink_finish};
    struct sink sink = {&ops};
    struct reply reply;
    struct str rest, line;
    unsigned lines = 0;

    buf_init(&written, 1 << 20);
    reply_init(&reply, &sink);
    reply_header(&reply, STR("X-A"), value);
    reply_header(&reply, STR("X-B"), STR("b"));
    reply_whole(&reply, 200, STR("text/plain"), NULL, 0);
    reply_close(&reply);
    rest = buf_str(&written);
    check(str_contains(rest, STR("\r\nX-B: b\r\n\r\n")));
    while (str_split(&rest, '\n', &line)) {
        check(str_ends(line, STR("\r")));
        check(memchr(line.ptr, '\r', line.len - 1) == NULL);
        lines++;
    }
    /* status, type, length, connection, date, A (unless it is too long), B,
     * the empty one */
    check(lines == 8 || (lines == 7 && value.len > 30000));
    buf_fini(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = fuzz_input(data, size);

    take_trace(value);
    take_key(STR("Authorization"), value);
    take_key(STR("X-Api-Key"), value);
    take_retry_after(value);
    take_value(value);
    return 0;
}
