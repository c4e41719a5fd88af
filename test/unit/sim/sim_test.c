/* Both stand-ins, over real sockets. */
#include "../testing.h"

#include <time.h>
#include <unistd.h>

#include "caller.h"

/* One slot, two that wait, and time to look at it. */
static int begin_narrow(void **state)
{
    struct sim_options options = caller_options();

    (void)state;
    options.slots = 1;
    options.queue = 2;
    options.first_token_ms = 100;
    return caller_start(&options);
}

static int chat(const char *fault, const char *body)
{
    return caller_ask(sim_vllm_port(sim), "POST", "/v1/chat/completions", fault,
                      body);
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

/* The state comes to have that piece, within twenty seconds. */
static void await_state(const char *path, const char *piece)
{
    struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    struct str answer = STR("");

    for (int i = 0; i < 2000; i++) {
        answer = caller_get(sim_anthropic_port(sim), path);
        if (str_contains(answer, str_of(piece)))
            return;
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("expected \"%s\" in: %.*s", piece, STR_ARG(answer));
}

#define VLLM_STATE "/sim/state?target=vllm"

/* --- what must stay true -------------------------------------------------- */

static void both_listen_and_answer(void **state)
{
    (void)state;
    assert_has(caller_get(sim_vllm_port(sim), "/health"), "HTTP/1.1 200 OK");
    assert_has(caller_get(sim_vllm_port(sim), "/v1/models"),
               "\"simulated\":true");
    assert_has(caller_get(sim_anthropic_port(sim), "/v1/models"),
               "(simulated)");
    assert_has(caller_hear(chat(NULL, HELLO)), "\"content\":\"hello\"");
}

static void streams_have_their_ends(void **state)
{
    (void)state;
    assert_has(caller_hear(chat(NULL, HELLO_STREAM)), "data: [DONE]\n\n");
    assert_has(
        caller_post(sim_anthropic_port(sim), "/v1/messages", CLAUDE_STREAM),
        "data: {\"type\":\"message_stop\"}\n\n");
}

static void a_taken_port_is_told(void **state)
{
    struct sim_options options = caller_options();
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
    assert_has(caller_hear(chat(NULL, HELLO)), "HTTP/1.1 503");
    assert_has(caller_hear(first), "\"content\":\"hello\"");
    assert_has(caller_hear(second), "\"content\":\"hello\"");
    assert_has(caller_hear(third), "[DONE]");
}

static void a_refusal_ends_when_it_is_told_to(void **state)
{
    unsigned port = sim_anthropic_port(sim);

    (void)state;
    assert_has(caller_post(port, "/sim/fault?target=vllm",
                           "{\"fault\":\"refuse\",\"seconds\":60}"),
               "\"refusing\":true");
    assert_int_equal(caller_dial(sim_vllm_port(sim)), -1);
    assert_has(caller_post(port, "/sim/fault?target=vllm", "{\"fault\":null}"),
               "\"refusing\":false");
    assert_has(caller_get(sim_vllm_port(sim), "/health"), "HTTP/1.1 200 OK");
}

static void a_fault_is_for_as_many_requests_as_was_said(void **state)
{
    (void)state;
    assert_has(caller_post(sim_vllm_port(sim), "/sim/fault",
                           "{\"fault\":\"status\",\"status\":503,\"count\":2}"),
               "\"left\":2");
    assert_has(caller_hear(chat(NULL, HELLO)), "HTTP/1.1 503");
    assert_has(caller_hear(chat(NULL, HELLO)), "HTTP/1.1 503");
    assert_has(caller_hear(chat(NULL, HELLO)), "HTTP/1.1 200");
}

static void while_cold_only_the_control_endpoint_answers(void **state)
{
    unsigned port = sim_vllm_port(sim);

    (void)state;
    assert_has(
        caller_post(port, "/sim/fault", "{\"fault\":\"cold\",\"seconds\":60}"),
        "\"cold\":true");
    assert_has(caller_get(port, "/health"), "HTTP/1.1 503");
    assert_has(caller_get(port, "/v1/models"), "HTTP/1.1 503");
    assert_has(caller_get(port, "/sim/state"), "\"cold\":true");
    assert_has(caller_post(port, "/sim/reset", ""), "\"cold\":false");
    assert_has(caller_get(port, "/health"), "HTTP/1.1 200");
}

static void the_last_request_is_shown_without_its_key(void **state)
{
    struct str answer;

    (void)state;
    (void)caller_post(sim_anthropic_port(sim), "/v1/messages", CLAUDE_STREAM);
    answer = caller_get(sim_anthropic_port(sim), "/sim/state");
    assert_has(answer, "\"x-api-key\":\"present\"");
    assert_has(answer, "\"anthropic-version\":\"2023-06-01\"");
    assert_has(answer, "\\\"content\\\":\\\"Say hello\\\"");
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
        (void)caller_hear(streams[i]);
    /* for caller_end() */
    (void)caller_begin(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_listen_and_answer, caller_begin,
                                        caller_end),
        cmocka_unit_test_setup_teardown(streams_have_their_ends, caller_begin,
                                        caller_end),
        cmocka_unit_test_setup_teardown(a_taken_port_is_told, caller_begin,
                                        caller_end),
        cmocka_unit_test_setup_teardown(
            a_caller_who_leaves_is_counted_and_frees_the_slot, caller_begin,
            caller_end),
        cmocka_unit_test_setup_teardown(
            those_who_wait_come_next_and_too_many_are_refused, begin_narrow,
            caller_end),
        cmocka_unit_test_setup_teardown(a_refusal_ends_when_it_is_told_to,
                                        caller_begin, caller_end),
        cmocka_unit_test_setup_teardown(
            a_fault_is_for_as_many_requests_as_was_said, caller_begin,
            caller_end),
        cmocka_unit_test_setup_teardown(
            while_cold_only_the_control_endpoint_answers, caller_begin,
            caller_end),
        cmocka_unit_test_setup_teardown(
            the_last_request_is_shown_without_its_key, caller_begin,
            caller_end),
        cmocka_unit_test_setup_teardown(stopping_does_not_wait_for_anybody,
                                        caller_begin, caller_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
