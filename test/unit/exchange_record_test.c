/* exchange_record: what the account of an exchange says, between real callers
 * and the stand-ins. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "gateway.h"
#include "given.h"
#include "log.h"
#include "sim/caller.h"
#include "testing.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

/* --- who takes the accounts ---------------------------------------------- */

enum { KEPT = 16 };

static struct {
    struct exporter exporter;
    struct record *records[KEPT];
    unsigned count;
} desk;

static void take(struct exporter *exporter, const struct record *record)
{
    (void)exporter;
    check(desk.count < KEPT);
    desk.records[desk.count++] = record_copy(record);
}

static uint64_t tick(struct exporter *exporter, uint64_t now_ms)
{
    (void)exporter;
    (void)now_ms;
    return UINT64_MAX;
}

static bool flush(struct exporter *exporter, uint64_t now_ms)
{
    (void)exporter;
    (void)now_ms;
    return true;
}

static void leave(struct exporter *exporter)
{
    (void)exporter;
}

/* --- the house ----------------------------------------------------------- */

static struct gateway *gateway;

/* Takes over the text. */
static void open_with(struct buf *text)
{
    static const struct exporter_verbs verbs = {take, tick, flush, leave};
    struct exporter *exporters[] = {&desk.exporter};
    struct gateway_sockets none = {0};
    struct buf why;

    buf_init(&why, 1 << 16);
    buf_put(text, STR("listen: { host: 127.0.0.1, port: 0 }\nworkers: 1\n"));
    buf_put_char(text, '\0');
    desk.exporter.verbs = &verbs;
    gateway = gateway_start(given_catalog(text->ptr),
                            clerk_start(1, NULL, exporters, 1), &none, &why);
    assert_non_null(gateway);
    buf_fini(text);
    buf_fini(&why);
}

static void open_house(const char *more)
{
    struct buf text;

    buf_init(&text, 1 << 16);
    buf_printf(&text,
               "backends:\n"
               "  - name: near\n"
               "    tier: local\n"
               "    url: http://127.0.0.1:%u\n"
               "    models: [{ name: m }]\n"
               "  - name: far\n"
               "    tier: cloud\n"
               "    url: http://127.0.0.1:%u\n"
               "    api_key: k\n"
               "    default_model: claude-sonnet-4-6\n%s",
               sim_vllm_port(sim), sim_anthropic_port(sim), more);
    open_with(&text);
}

/* One backend of two replicas. */
static void open_pair(const char *more)
{
    struct buf text;

    buf_init(&text, 1 << 16);
    buf_printf(&text,
               "backends:\n"
               "  - name: pair\n"
               "    tier: local\n"
               "    url: [http://127.0.0.1:%u, http://127.0.0.1:%u/]\n"
               "    models: [{ name: two, upstream: m }]\n%s",
               sim_vllm_port(sim), sim_vllm_port(sim), more);
    open_with(&text);
}

/* Then all that was said is on the desk. */
static const struct record *close_house(unsigned count)
{
    gateway_stop(gateway);
    gateway_join(gateway);
    gateway = NULL;
    assert_int_equal(desk.count, count);
    return desk.records[0];
}

static int clear_desk(void **state)
{
    (void)state;
    for (unsigned i = 0; i < desk.count; i++)
        record_free(desk.records[i]);
    desk.count = 0;
    (void)caller_post(sim_vllm_port(sim), "/sim/reset", "{}");
    return 0;
}

static int dial_and_send(const char *path, const char *headers,
                         const char *body)
{
    int fd = caller_dial(gateway_port(gateway));
    struct buf text;

    assert_true(fd >= 0);
    buf_init(&text, 1 << 16);
    buf_printf(&text,
               "POST %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s"
               "Content-Length: %zu\r\n\r\n%s",
               path, headers, strlen(body), body);
    assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
    buf_fini(&text);
    return fd;
}

static struct str ask(const char *path, const char *headers, const char *body)
{
    return caller_hear(dial_and_send(path, headers, body));
}

static void fault(const char *target, const char *what)
{
    char path[64];
    char body[128];

    (void)snprintf(path, sizeof(path), "/sim/fault?target=%s", target);
    (void)snprintf(body, sizeof(body), "{\"fault\":\"%s\",\"count\":1}", what);
    assert_has(caller_post(sim_anthropic_port(sim), path, body), " 200 ");
}

#define CHAT "/v1/chat/completions"
#define ASKED "\"messages\":[{\"role\":\"user\",\"content\":\"Say hello\"}]"

static void assert_times(const struct record *record)
{
    assert_true(record->began_us > 0);
    assert_true(record->chosen_us >= record->began_us);
    assert_true(record->ended_us >= record->chosen_us);
    for (unsigned i = 0; i < record->tries_kept; i++) {
        const struct record_try *try = &record->tries_made[i];

        assert_true(try->began_us >= record->chosen_us);
        if (i > 0)
            assert_true(try->began_us >= try[-1].ended_us);
        if (try->first_byte_us > 0)
            assert_true(try->first_byte_us >= try->began_us);
        if (try->first_token_us > 0)
            assert_true(try->first_token_us >= try->first_byte_us);
        assert_true(try->ended_us >= try->first_byte_us &&
                    try->ended_us >= try->first_token_us);
        assert_true(try->ended_us <= record->ended_us);
    }
}

/* --- what is noted ------------------------------------------------------- */

static void a_chat_is_noted_with_its_one_try(void **state)
{
    const struct record *record;
    const struct record_try *try;

    (void)state;
    open_house("");
    assert_has(
        ask(CHAT,
            "traceparent: 00-" TRACE "-" SPAN "-03\r\ntracestate: a=1\r\n"
            "X-Session-Id: session 7\r\n",
            "{\"model\":\"local\",\"max_tokens\":50,\"temperature\":0.50,"
            "\"top_p\":0.9,\"n\":1,\"stop\":[\"x\",\"y\"],\"user\":\"zap\","
            "\"response_format\":{\"type\":\"json_object\"},"
            "\"metadata\":{\"team\":\"blue\",\"session_id\":\"other\"}," ASKED
            "}"),
        "HTTP/1.1 200");
    record = close_house(1);
    assert_str(record->format, "chat");
    assert_int_equal(record->operation, OPERATION_CHAT);
    assert_str(record->model, "local");
    assert_str(record->trace_id, TRACE);
    assert_int_equal(record->span_id.len, TRACE_SPAN_LEN);
    assert_str(record->parent_span_id, SPAN);
    assert_str(record->trace_state, "a=1");
    assert_int_equal(record->trace_flags, 3);
    assert_true(record->is_sampled);
    assert_int_equal(record->link_trace_id.len, 0);
    assert_int_equal(record->max_tokens, 50);
    assert_true(record->params.has_max_tokens);
    assert_int_equal(record->params.max_tokens, 50);
    assert_str(record->params.temperature, "0.50");
    assert_str(record->params.top_p, "0.9");
    assert_str(record->params.top_k, "");
    assert_int_equal(record->params.n, 1);
    assert_int_equal(record->params.stop_count, 2);
    assert_true(record->params.wants_json);
    assert_str(record->user, "zap");
    assert_str(record->session, "session 7");
    assert_str(record->metadata,
               "{\"team\":\"blue\",\"session_id\":\"other\"}");
    assert_false(record->is_pinned);
    assert_str(record->rule, "");
    assert_true(str_starts(record->answer_id, STR("chatcmpl-")));
    assert_int_equal(record->event_count, 0);
    assert_int_equal(record->tries, 1);
    assert_int_equal(record->tries_kept, 1);
    try = &record->tries_made[0];
    assert_int_equal(try->tier, TIER_LOCAL);
    assert_int_equal(try->dialect, DIALECT_OPENAI);
    assert_str(try->backend, "near");
    assert_str(try->model, "m");
    assert_str(try->host, "127.0.0.1");
    assert_int_equal(try->port, sim_vllm_port(sim));
    assert_int_equal(try->status, 200);
    assert_int_equal(try->error, OK);
    assert_int_equal(try->in_flight, 1);
    assert_memory_not_equal(try->span_id, record->span_id.ptr, TRACE_SPAN_LEN);
    assert_true(try->first_byte_us > 0 && try->first_token_us > 0);
    assert_int_equal(try->ended_us, record->ended_us);
    assert_times(record);
}

static void a_stream_has_a_first_token(void **state)
{
    const struct record *record;

    (void)state;
    open_house("");
    assert_has(ask(CHAT, "",
                   "{\"model\":\"cloud\",\"stream\":true,\"user\":\"a@b.c\","
                   "\"safety_identifier\":\"s\"," ASKED "}"),
               "data: [DONE]");
    record = close_house(1);
    assert_true(record->is_stream);
    assert_str(record->user, "a@b.c");
    assert_int_equal(record->params.n, 0);
    assert_false(record->params.has_max_tokens);
    assert_int_equal(record->max_tokens, 512); /* as assumed */
    assert_int_equal(record->trace_flags, 3);
    assert_int_equal(record->parent_span_id.len, 0);
    assert_true(str_starts(record->answer_id, STR("msg_")));
    assert_int_equal(record->event_count, 1);
    assert_int_equal(record->events[0].kind, RECORD_FIRST_TOKEN);
    assert_int_equal(record->events[0].at_us, record->first_token_us);
    assert_str(record->events[0].backend, "far");
    assert_int_equal(record->tries_made[0].first_token_us,
                     record->first_token_us);
    assert_int_equal(record->tries_made[0].dialect, DIALECT_ANTHROPIC);
    assert_str(record->tries_made[0].model, "claude-sonnet-4-6");
    assert_times(record);
}

static void a_fallback_is_a_failed_try_and_a_good_one(void **state)
{
    const struct record *record;
    const struct record_try *tries;

    (void)state;
    open_house("");
    fault("vllm", "status=500");
    assert_has(ask(CHAT, "", "{\"model\":\"local\"," ASKED "}"),
               "X-Router-Reason: fallback:500");
    record = close_house(1);
    assert_int_equal(record->tries_kept, 2);
    tries = record->tries_made;
    assert_str(tries[0].backend, "near");
    assert_int_equal(tries[0].status, 500);
    assert_int_equal(tries[0].error, ERR_BACKEND_STATUS);
    assert_true(tries[0].first_byte_us > 0);
    assert_int_equal(tries[0].first_token_us, 0);
    assert_str(tries[1].backend, "far");
    assert_int_equal(tries[1].status, 200);
    assert_int_equal(tries[1].error, OK);
    assert_memory_not_equal(tries[0].span_id, tries[1].span_id, TRACE_SPAN_LEN);
    assert_int_equal(record->event_count, 1);
    assert_int_equal(record->events[0].kind, RECORD_FALLBACK);
    assert_str(record->events[0].cause, "500");
    assert_str(record->events[0].backend, "far");
    assert_true(record->events[0].at_us >= tries[0].ended_us);
    assert_true(str_starts(record->answer_id, STR("msg_")));
    assert_times(record);
}

static void another_replica_is_a_retry(void **state)
{
    const struct record *record;

    (void)state;
    open_pair("rules: [{ name: twice, when: { model: two }, use: two }]\n");
    fault("vllm", "status=500");
    assert_has(ask(CHAT, "X-Router-Policy: local-only\r\n",
                   "{\"model\":\"two\"," ASKED "}"),
               "HTTP/1.1 200");
    record = close_house(1);
    assert_true(record->is_pinned);
    assert_str(record->rule, "twice");
    assert_int_equal(record->tries_kept, 2);
    assert_int_equal(record->event_count, 1);
    assert_int_equal(record->events[0].kind, RECORD_RETRY);
    assert_str(record->events[0].cause, "500");
    assert_str(record->events[0].backend, "pair");
}

/* Until the near one says so of itself. */
static void await_near(const char *count)
{
    enum { ROUNDS = 4000, ROUND_MS = 5 };

    for (int i = 0; i < ROUNDS; i++) {
        if (str_contains(caller_get(sim_vllm_port(sim), "/sim/state"),
                         str_of(count)))
            return;
        (void)poll(NULL, 0, ROUND_MS);
    }
    fail_msg("never came true: %s", count);
}

static void what_waits_in_vain_spills(void **state)
{
    const struct record *record;
    int first;

    (void)state;
    open_house("limits: { in_flight: 1 }\n"
               "timeouts: { queue: 50ms }\n");
    fault("vllm", "late=1500");
    first = dial_and_send(CHAT, "", "{\"model\":\"local\"," ASKED "}");
    await_near("\"requests\":1,");
    assert_has(ask(CHAT, "", "{\"model\":\"local\"," ASKED "}"),
               "X-Router-Reason: spill:full");
    (void)caller_hear(first);
    (void)close_house(2);
    record = desk.records[desk.records[0]->tier == TIER_CLOUD ? 0 : 1];
    assert_int_equal(record->tier, TIER_CLOUD);
    assert_true(record->was_held);
    assert_int_equal(record->tries, 1);
    assert_int_equal(record->event_count, 2);
    assert_int_equal(record->events[0].kind, RECORD_QUEUED);
    assert_str(record->events[0].cause, "full");
    assert_str(record->events[0].backend, "near");
    assert_int_equal(record->events[1].kind, RECORD_SPILL);
    assert_str(record->events[1].cause, "full");
    assert_str(record->events[1].backend, "far");
}

static void who_may_go_nowhere_else_is_held(void **state)
{
    const struct record *record;

    (void)state;
    open_house("timeouts: { hold: 50ms }\n");
    assert_has(caller_post(sim_anthropic_port(sim), "/sim/fault?target=vllm",
                           "{\"fault\":\"cold\",\"seconds\":60}"),
               " 200 ");
    assert_has(ask(CHAT, "X-Router-Policy: local-only\r\n",
                   "{\"model\":\"local\"," ASKED "}"),
               "HTTP/1.1 503");
    record = close_house(1);
    assert_true(record->is_pinned);
    assert_true(record->was_held);
    assert_int_equal(record->error, ERR_NOT_READY);
    assert_int_equal(record->event_count, 1);
    assert_int_equal(record->events[0].kind, RECORD_HELD);
    assert_str(record->events[0].cause, "cold");
    assert_str(record->events[0].backend, "near");
    assert_times(record);
}

static void the_other_formats_say_who_asks_too(void **state)
{
    static const struct {
        const char *path, *body;
        const char *format;
        enum operation operation;
        const char *user, *session, *metadata, *id;
    } cases[] = {
        {"/v1/messages",
         "{\"model\":\"cloud\",\"max_tokens\":5,"
         "\"metadata\":{\"user_id\":\"u1\"}," ASKED "}",
         "messages", OPERATION_CHAT, "u1", "", "{\"user_id\":\"u1\"}", "msg_"},
        {"/v1/messages",
         "{\"model\":\"cloud\",\"max_tokens\":5,\"stream\":true," ASKED "}",
         "messages", OPERATION_CHAT, "", "", "", "msg_"},
        {"/v1/messages", "{\"model\":\"local\",\"max_tokens\":5," ASKED "}",
         "messages", OPERATION_CHAT, "", "", "", "chatcmpl-"},
        {"/v1/messages",
         "{\"model\":\"local\",\"max_tokens\":5,\"stream\":true," ASKED "}",
         "messages", OPERATION_CHAT, "", "", "", "chatcmpl-"},
        {"/v1/messages/count_tokens", "{\"model\":\"cloud\"," ASKED "}",
         "count_tokens", OPERATION_COUNT, "", "", "", ""},
        {"/v1/responses",
         "{\"model\":\"cloud\",\"input\":\"hi\",\"safety_identifier\":\"s1\","
         "\"metadata\":{\"session_id\":\"s9\",\"a\":\"b\"}}",
         "responses", OPERATION_CHAT, "s1", "s9",
         "{\"session_id\":\"s9\",\"a\":\"b\"}", "msg_"},
        {"/v1/completions",
         "{\"model\":\"m\",\"prompt\":\"hi\",\"user\":\"u2\","
         "\"metadata\":{\"k\":1}}",
         "completions", OPERATION_COMPLETION, "u2", "", "{\"k\":1}", "cmpl-"},
        {CHAT, "{\"model\":\"local\",\"stream\":true," ASKED "}", "chat",
         OPERATION_CHAT, "", "", "", "chatcmpl-"},
    };

    (void)state;
    open_house("");
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_has(ask(cases[i].path, "", cases[i].body), "HTTP/1.1 200");
    (void)close_house(COUNT_OF(cases));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct record *record = desk.records[i];

        assert_str(record->format, cases[i].format);
        assert_int_equal(record->operation, cases[i].operation);
        assert_str(record->user, cases[i].user);
        assert_str(record->session, cases[i].session);
        assert_str(record->metadata, cases[i].metadata);
        assert_true(str_starts(record->answer_id, str_of(cases[i].id)));
        assert_true(record->answer_id.len > 0 || cases[i].id[0] == '\0');
        assert_times(record);
    }
}

static void what_is_too_long_is_left_out(void **state)
{
    char long_text[5001];
    struct buf body, headers;
    const struct record *record;

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    buf_init(&body, 1 << 16);
    buf_init(&headers, 1 << 16);
    buf_printf(&body,
               "{\"model\":\"local\",\"user\":\"%.300s\","
               "\"metadata\":{\"session_id\":\"%.201s\",\"long\":\"%s\"}," ASKED
               "}",
               long_text, long_text, long_text);
    buf_put_char(&body, '\0');
    buf_printf(&headers, "X-Session-Id: %.201s\r\n", long_text);
    buf_put_char(&headers, '\0');
    open_house("");
    assert_has(ask(CHAT, headers.ptr, body.ptr), "HTTP/1.1 200");
    record = close_house(1);
    assert_int_equal(record->user.len, 256);
    assert_str(record->session, "");
    assert_str(record->metadata, "");
    buf_fini(&body);
    buf_fini(&headers);
}

static void a_refusal_says_what_is_known(void **state)
{
    (void)state;
    open_house("keys: [{ name: team, secret: open-sesame }]\n");
    assert_has(ask(CHAT, "", "{}"), "HTTP/1.1 401");
    assert_has(ask(CHAT, "Authorization: Bearer open-sesame\r\n", "{\"mod"),
               "HTTP/1.1 400");
    assert_has(ask(CHAT, "Authorization: Bearer open-sesame\r\n",
                   "{\"model\":\"none\",\"user\":\"u\"," ASKED "}"),
               "HTTP/1.1 404");
    assert_has(ask("/v1/nothing", "", "{}"), "HTTP/1.1 404");
    (void)close_house(4);
    for (unsigned i = 0; i < 4; i++) {
        assert_str(desk.records[i]->format, "chat");
        assert_int_equal(desk.records[i]->span_id.len, TRACE_SPAN_LEN);
        assert_int_equal(desk.records[i]->trace_flags, 3);
        assert_int_equal(desk.records[i]->tries, 0);
        assert_int_equal(desk.records[i]->chosen_us, 0);
        /* those whose body was asked for */
        assert_int_equal(desk.records[i]->is_chat, i == 1 || i == 2);
    }
    assert_str(desk.records[1]->key, "team");
    assert_int_equal(desk.records[1]->error, ERR_BAD_JSON);
    assert_str(desk.records[2]->user, "u");
    assert_str(desk.records[2]->model, "none");
}

static void who_leaves_ends_the_try(void **state)
{
    const struct record *record;
    int fd;

    (void)state;
    open_house("");
    fault("vllm", "late=60000");
    fd = dial_and_send(CHAT, "", "{\"model\":\"local\"," ASKED "}");
    await_near("\"requests\":1,");
    close(fd);
    await_near("\"cancelled\":1,");
    record = close_house(1);
    assert_int_equal(record->outcome, OUTCOME_CANCELLED);
    assert_int_equal(record->tries_kept, 1);
    assert_int_equal(record->tries_made[0].error, ERR_CALLER_LEFT);
    assert_int_equal(record->tries_made[0].status, 0);
    assert_int_equal(record->tries_made[0].first_byte_us, 0);
    assert_int_equal(record->tries_made[0].ended_us, record->ended_us);
}

static void a_restart_keeps_the_callers_ids_for_a_link(void **state)
{
    const struct record *record;

    (void)state;
    open_house("telemetry: { incoming_trace: restart }\n");
    assert_has(ask(CHAT,
                   "traceparent: 00-" TRACE "-" SPAN "-01\r\n"
                   "tracestate: a=1\r\n",
                   "{\"model\":\"local\"," ASKED "}"),
               "HTTP/1.1 200");
    record = close_house(1);
    assert_false(str_eq(record->trace_id, STR(TRACE)));
    assert_str(record->parent_span_id, "");
    assert_str(record->trace_state, "");
    assert_str(record->link_trace_id, TRACE);
    assert_str(record->link_span_id, SPAN);
    assert_int_equal(record->link_flags, 1);
}

static int begin(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, LOG_LOGFMT);
    return caller_begin(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, clear_desk)
    const struct CMUnitTest tests[] = {
        TEST(a_chat_is_noted_with_its_one_try),
        TEST(a_stream_has_a_first_token),
        TEST(a_fallback_is_a_failed_try_and_a_good_one),
        TEST(another_replica_is_a_retry),
        TEST(what_waits_in_vain_spills),
        TEST(who_may_go_nowhere_else_is_held),
        TEST(the_other_formats_say_who_asks_too),
        TEST(what_is_too_long_is_left_out),
        TEST(a_refusal_says_what_is_known),
        TEST(who_leaves_ends_the_try),
        TEST(a_restart_keeps_the_callers_ids_for_a_link),
    };

    return cmocka_run_group_tests(tests, begin, caller_end);
}
