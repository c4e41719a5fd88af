/* Both stand-ins, over real sockets. */
#include "../testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../../../sim/sim.h"
#include "buf.h"

static struct sim *sim;
static struct buf got;

static struct sim_options quick(void)
{
    struct sim_options options = sim_options_usual();

    options.vllm_port = options.anthropic_port = 0;
    options.tokens_per_second = options.first_token_ms = 0;
    options.model = "m";
    return options;
}

static int start(const struct sim_options *options)
{
    const char *why = NULL;

    buf_init(&got, 1 << 24);
    if (!sim_start(&sim, options, &why))
        fail_msg("cannot start: %s", why);
    return 0;
}

static int begin(void **state)
{
    struct sim_options options = quick();

    (void)state;
    return start(&options);
}

/* One slot, two that wait, and time to look at it. */
static int begin_narrow(void **state)
{
    struct sim_options options = quick();

    (void)state;
    options.slots = 1;
    options.queue = 2;
    options.first_token_ms = 100;
    return start(&options);
}

static int end(void **state)
{
    (void)state;
    sim_stop(sim);
    buf_fini(&got);
    return 0;
}

/* --- a caller ------------------------------------------------------------- */

/* A connection, or -1 when it is refused. */
static int dial(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)port)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int ask(unsigned port, const char *method, const char *path,
               const char *fault, const char *body)
{
    int fd = dial(port);
    struct buf request;

    assert_true(fd >= 0);
    buf_init(&request, 1 << 20);
    buf_printf(&request,
               "%s %s HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n"
               "content-type: application/json\r\n"
               "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
               "%s%s%scontent-length: %zu\r\n\r\n%s",
               method, path,
               fault == NULL ? "" : "x-sim-fault: ", fault == NULL ? "" : fault,
               fault == NULL ? "" : "\r\n", strlen(body), body);
    assert_int_equal(write(fd, request.ptr, request.len), (ssize_t)request.len);
    buf_fini(&request);
    return fd;
}

/* Everything up to the end, in `got`. */
static struct str hear(int fd)
{
    char piece[4096];
    ssize_t n;

    buf_clear(&got);
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        buf_put(&got, (struct str){piece, (size_t)n});
    close(fd);
    return buf_str(&got);
}

static void expect(struct str answer, const char *piece)
{
    if (!str_contains(answer, str_of(piece)))
        fail_msg("expected \"%s\" in: %.*s", piece, STR_ARG(answer));
}

static struct str get(unsigned port, const char *path)
{
    return hear(ask(port, "GET", path, NULL, ""));
}

static struct str post(unsigned port, const char *path, const char *body)
{
    return hear(ask(port, "POST", path, NULL, body));
}

static int chat(const char *fault, const char *body)
{
    return ask(sim_vllm_port(sim), "POST", "/v1/chat/completions", fault, body);
}

#define HELLO                                                        \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":" \
    "\"Say hello\"}]}"
#define HELLO_STREAM                                                     \
    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\"," \
    "\"content\":\"Say hello\"}]}"
#define CLAUDE_STREAM                                                   \
    "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":9,\"stream\":true," \
    "\"messages\":[{\"role\":\"user\",\"content\":\"Say hello\"}]}"

/* The state comes to have that piece, within two seconds. */
static void await_state(const char *path, const char *piece)
{
    struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    for (int i = 0; i < 200; i++) {
        if (str_contains(get(sim_anthropic_port(sim), path), str_of(piece)))
            return;
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("expected \"%s\" in: %.*s", piece, STR_ARG(buf_str(&got)));
}

#define VLLM_STATE "/sim/state?target=vllm"

/* --- what must stay true -------------------------------------------------- */

static void both_listen_and_answer(void **state)
{
    (void)state;
    expect(get(sim_vllm_port(sim), "/health"), "HTTP/1.1 200 OK");
    expect(get(sim_vllm_port(sim), "/v1/models"), "\"simulated\":true");
    expect(get(sim_anthropic_port(sim), "/v1/models"), "(simulated)");
    expect(hear(chat(NULL, HELLO)), "\"content\":\"hello\"");
}

static void streams_have_their_ends(void **state)
{
    (void)state;
    expect(hear(chat(NULL, HELLO_STREAM)), "data: [DONE]\n\n");
    expect(post(sim_anthropic_port(sim), "/v1/messages", CLAUDE_STREAM),
           "data: {\"type\":\"message_stop\"}\n\n");
}

static void a_taken_port_is_told(void **state)
{
    struct sim_options options = quick();
    const char *why = NULL;
    struct sim *other;

    (void)state;
    options.anthropic_port = sim_vllm_port(sim);
    assert_false(sim_start(&other, &options, &why));
    assert_non_null(why);
}

static void a_caller_who_leaves_is_counted_and_frees_the_slot(void **state)
{
    int fd = chat("stall=0", HELLO_STREAM);

    (void)state;
    await_state(VLLM_STATE, "\"running\":1");
    close(fd);
    await_state(VLLM_STATE, "\"cancelled\":1,\"cut\":0,\"running\":0");
}

static void those_who_wait_come_next_and_too_many_are_refused(void **state)
{
    int first = chat(NULL, HELLO);
    int second;
    int third;

    (void)state;
    await_state(VLLM_STATE, "\"running\":1");
    second = chat(NULL, HELLO);
    third = chat(NULL, HELLO_STREAM);
    await_state(VLLM_STATE, "\"waiting\":2");
    expect(hear(chat(NULL, HELLO)), "HTTP/1.1 503");
    expect(hear(first), "\"content\":\"hello\"");
    expect(hear(second), "\"content\":\"hello\"");
    expect(hear(third), "[DONE]");
}

static void a_refusal_ends_when_it_is_told_to(void **state)
{
    unsigned port = sim_anthropic_port(sim);

    (void)state;
    expect(post(port, "/sim/fault?target=vllm",
                "{\"fault\":\"refuse\",\"seconds\":60}"),
           "\"refusing\":true");
    assert_int_equal(dial(sim_vllm_port(sim)), -1);
    expect(post(port, "/sim/fault?target=vllm", "{\"fault\":null}"),
           "\"refusing\":false");
    expect(get(sim_vllm_port(sim), "/health"), "HTTP/1.1 200 OK");
}

static void a_fault_is_for_as_many_requests_as_was_said(void **state)
{
    (void)state;
    expect(post(sim_vllm_port(sim), "/sim/fault",
                "{\"fault\":\"status\",\"status\":503,\"count\":2}"),
           "\"left\":2");
    expect(hear(chat(NULL, HELLO)), "HTTP/1.1 503");
    expect(hear(chat(NULL, HELLO)), "HTTP/1.1 503");
    expect(hear(chat(NULL, HELLO)), "HTTP/1.1 200");
}

static void while_cold_only_the_control_endpoint_answers(void **state)
{
    unsigned port = sim_vllm_port(sim);

    (void)state;
    expect(post(port, "/sim/fault", "{\"fault\":\"cold\",\"seconds\":60}"),
           "\"cold\":true");
    expect(get(port, "/health"), "HTTP/1.1 503");
    expect(get(port, "/v1/models"), "HTTP/1.1 503");
    expect(get(port, "/sim/state"), "\"cold\":true");
    expect(post(port, "/sim/reset", ""), "\"cold\":false");
    expect(get(port, "/health"), "HTTP/1.1 200");
}

static void the_last_request_is_shown_without_its_key(void **state)
{
    struct str answer;

    (void)state;
    (void)post(sim_anthropic_port(sim), "/v1/messages", CLAUDE_STREAM);
    answer = get(sim_anthropic_port(sim), "/sim/state");
    expect(answer, "\"x-api-key\":\"present\"");
    expect(answer, "\"anthropic-version\":\"2023-06-01\"");
    expect(answer, "\\\"content\\\":\\\"Say hello\\\"");
}

static void stopping_does_not_wait_for_anybody(void **state)
{
    int streams[8];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        streams[i] = chat(i % 2 == 0 ? "stall=0" : "never", HELLO_STREAM);
    await_state(VLLM_STATE, "\"requests\":8");
    sim_stop(sim);
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        (void)hear(streams[i]);
    /* for end() */
    buf_fini(&got);
    (void)begin(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_listen_and_answer, begin, end),
        cmocka_unit_test_setup_teardown(streams_have_their_ends, begin, end),
        cmocka_unit_test_setup_teardown(a_taken_port_is_told, begin, end),
        cmocka_unit_test_setup_teardown(
            a_caller_who_leaves_is_counted_and_frees_the_slot, begin, end),
        cmocka_unit_test_setup_teardown(
            those_who_wait_come_next_and_too_many_are_refused, begin_narrow,
            end),
        cmocka_unit_test_setup_teardown(a_refusal_ends_when_it_is_told_to,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            a_fault_is_for_as_many_requests_as_was_said, begin, end),
        cmocka_unit_test_setup_teardown(
            while_cold_only_the_control_endpoint_answers, begin, end),
        cmocka_unit_test_setup_teardown(
            the_last_request_is_shown_without_its_key, begin, end),
        cmocka_unit_test_setup_teardown(stopping_does_not_wait_for_anybody,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
