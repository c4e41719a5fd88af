/* accept/client: a caller's connection, from raw bytes. */
#include <sys/socket.h>

#include "door_double.h"

static void requests_are_answered_one_after_the_other(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /a?b=c&d HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(&caller, "\r\n\r\nGET /a?b=c&d ");
    say(&caller,
        "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    expect(&caller, "\r\n\r\nPOST /b? body");
    say(&caller, "\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(&caller, "\r\n\r\nGET /c? ");
    assert_int_equal(seen.requests, 3);
    assert_int_equal(seen.heads, 3);
    assert_int_equal(seen.refusals, 0);
    caller_close(&caller);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const char text[] =
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct caller caller;

    (void)state;
    caller_open(&caller);
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        socket_write(&loop, caller.fd, (struct str){text + i, 1});
        loop_turn(&loop);
    }
    expect(&caller, "POST /a? abcde");
    caller_close(&caller);
}

static void pipelined_requests_wait_for_their_turn(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
                 "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
                 "GET /c HTTP/1.1\r\nHost: x\r\n\r\nGET /d HT");
    loop_until(&loop, seen.requests == 1);
    expect_silence(&caller);
    assert_int_equal(seen.requests, 1);
    finish_held(true);
    expect(&caller, "held");
    loop_until(&loop, seen.requests == 3);
    say(&caller, "TP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.requests == 4);
    assert_str(buf_str(&seen.log), "/hold;/b;/c;/d;");
    caller_close(&caller);
}

static void a_caller_that_pipelines_too_much_has_to_wait(void **state)
{
    static char block[50000];
    size_t sent = 0;
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.requests == 1);
    for (unsigned i = 0; i < 400; i++) {
        ssize_t n = write(caller.fd, block, sizeof(block));

        sent += n > 0 ? (size_t)n : 0;
        loop_turn(&loop);
    }
    assert_true(sent < 400 * sizeof(block)); /* the kernel was full */
    seen.answers_held_at_gone = true;
    caller_close(&caller);
    finish_held(true); /* paused: the leaving is not seen */
    loop_until(&loop, atomic_load(&door.client_count) == 0);
}

static void what_had_to_wait_is_served_in_the_end(void **state)
{
    enum { COUNT = 8000 }; /* 300 KB: more than is kept at a time */
    struct caller caller;
    struct str rest;
    struct buf all;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.requests == 1);
    buf_init(&all, 1 << 20);
    for (unsigned i = 0; i < COUNT; i++)
        buf_printf(&all, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n",
                   i == COUNT / 2 ? "hold" : "pipelined");
    rest = buf_str(&all);
    for (unsigned round = 0; round < 2; round++) {
        loop_be_patient(&loop);
        while (seen.held == NULL || (round == 0 && rest.len > 0)) {
            ssize_t n = write(caller.fd, rest.ptr, rest.len);

            rest = str_slice(rest, n > 0 ? (size_t)n : 0, rest.len);
            loop_turn(&loop);
        }
        finish_held(true);
    }
    loop_until(&loop, (socket_read(caller.fd, &caller.got),
                       seen.requests == 1 + COUNT));
    buf_fini(&all);
    caller_close(&caller);
}

static void many_requests_on_one_connection_are_all_answered(void **state)
{
    enum { COUNT = 2000 };
    struct caller caller;
    struct buf all;
    unsigned answers = 0;
    struct str rest;
    size_t at;

    (void)state;
    caller_open(&caller);
    buf_init(&all, 1 << 20);
    for (unsigned i = 0; i < COUNT; i++)
        buf_printf(&all, "GET /%u HTTP/1.1\r\nHost: x\r\n\r\n", i);
    socket_write(&loop, caller.fd, buf_str(&all));
    loop_until(&loop, seen.requests == COUNT);
    socket_read_until(&loop, caller.fd, &caller.got, "GET /1999? ");
    rest = buf_str(&caller.got);
    while (str_find(rest, STR("HTTP/1.1 200"), &at)) {
        rest = str_slice(rest, at + 1, rest.len);
        answers++;
    }
    assert_int_equal(answers, COUNT);
    buf_fini(&all);
    caller_close(&caller);
}

static void some_connections_end_with_their_answer(void **state)
{
    static const char *const requests[] = {
        "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
        "GET /close HTTP/1.1\r\nHost: x\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct caller caller;

        caller_open(&caller);
        say(&caller, requests[i]);
        expect_end(&caller);
        assert_has(buf_str(&caller.got), "HTTP/1.1 200 X\r\n");
        caller_close(&caller);
    }
}

static void an_old_caller_may_ask_to_stay(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(&caller, "GET /a? ");
    say(&caller, "GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(&caller, "GET /b? ");
    caller_close(&caller);
}

static void what_follows_a_last_answer_is_thrown_away(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /close HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_end(&caller);
    say(&caller, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_run_ms(&loop, 30);
    assert_str(buf_str(&seen.log), "/close;");
    caller_close(&caller);
}

static void an_absolute_target_is_taken_by_its_path(void **state)
{
    static const struct {
        const char *target;
        const char *answer;
    } cases[] = {
        {"http://a.test/b/c?d", "GET /b/c?d "},
        {"http://a.test", "GET /? "},
        {"/b/../c%2F?", "GET /b/../c%2F? "},
        {"/?a?b", "GET /?a?b "},
        {"//a", "GET //a? "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct caller caller;

        caller_open(&caller);
        say(&caller, "GET ");
        say(&caller, cases[i].target);
        say(&caller, " HTTP/1.1\r\nHost: x\r\n\r\n");
        expect(&caller, cases[i].answer);
        caller_close(&caller);
    }
}

static void an_offer_to_upgrade_is_not_taken(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, "
                 "HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
                 "\r\n");
    expect(&caller, "GET /a? ");
    say(&caller, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(&caller, "GET /b? ");
    caller_close(&caller);
}

static void the_peer_has_an_address(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    assert_str(request_peer(seen.held), "127.0.0.1");
    finish_held(true);
    caller_close(&caller);
}

/* --- the way back
 * ---------------------------------------------------------------- */

static void a_slow_reader_gets_a_big_answer_and_the_drain_is_told(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    {
        char *body = calloc(1, BIG_BODY);

        assert_non_null(body);
        say_to(seen.held, (struct str){body, BIG_BODY});
        free(body);
    }
    assert_true(seen.held->sink.ops->queued(&seen.held->sink) > 0);
    assert_int_equal(seen.drains, 0);
    loop_be_patient(&loop);
    while (seen.drains == 0) {
        assert_true(socket_read(caller.fd, &caller.got));
        loop_turn(&loop);
    }
    assert_int_equal(seen.held->sink.ops->queued(&seen.held->sink), 0);
    loop_until(&loop, (socket_read(caller.fd, &caller.got),
                       caller.got.len == BIG_BODY));
    finish_held(true);
    expect(&caller, "held");
    caller_close(&caller);
}

static void the_next_request_waits_for_an_answer_to_be_read(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.requests == 1);
    loop_run_ms(&loop, 50);
    assert_int_equal(seen.requests, 1);
    expect(&caller, "GET /b? ");
    assert_int_equal(seen.requests, 2);
    caller_close(&caller);
}

static void who_asks_and_does_not_read_is_not_read_either(void **state)
{
    enum { REQUESTS = 200 };
    struct caller caller;
    unsigned sent = 0;
    size_t got = 0;
    struct str request = STR("GET /big HTTP/1.1\r\nHost: x\r\nX: "
                             "0123456789012345678901234567890123456789"
                             "\r\n\r\n");

    (void)state;
    caller_open(&caller);
    for (; sent < REQUESTS; sent++)
        socket_write(&loop, caller.fd, request);
    loop_run_ms(&loop, 50);
    assert_int_equal(seen.requests, 1);
    /* and all come in the end, one after the other */
    while (got < 5 * (size_t)BIG_BODY) {
        assert_true(socket_read(caller.fd, &caller.got));
        got += caller.got.len;
        buf_clear(&caller.got);
        assert_true(seen.requests <= got / BIG_BODY + 2);
        loop_turn(&loop);
    }
    caller_close(&caller);
}

static void a_slow_reader_is_not_idle(void **state)
{
    struct caller caller;
    size_t got = 0;

    (void)state;
    door.limits.idle_ms = 600;
    caller_open(&caller);
    say(&caller, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.requests == 1);
    for (int i = 0; i < 12; i++) {
        char some[100 * 1000];
        ssize_t n = read(caller.fd, some, sizeof(some));

        assert_true(n > 0);
        got += (size_t)n;
        loop_run_ms(&loop, 100);
    }
    assert_in_range(got, 1000, BIG_BODY / 2);
    assert_int_equal(atomic_load(&door.client_count), 1);
    /* but who does not read at all is */
    loop_until(&loop, atomic_load(&door.client_count) == 0);
    caller_close(&caller);
}

/* The held answer gets a piece more; it is ended once the caller has left. */
static void say_more(size_t len)
{
    char *body = calloc(1, len);

    assert_non_null(body);
    say_to(seen.held, (struct str){body, len});
    free(body);
}

static void who_takes_nothing_of_an_answer_has_left(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.write_ms = 300;
    seen.answers_held_at_gone = true;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    say_more(BIG_BODY);
    /* saying more is no sign of life of his */
    for (int i = 0; i < 20 && seen.gones == 0; i++) {
        say_more(1000);
        loop_run_ms(&loop, 100);
    }
    assert_int_equal(seen.gones, 1);
    loop_until(&loop, atomic_load(&door.client_count) == 0);
    caller_close(&caller);
}

static void who_takes_a_little_has_not_left(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.write_ms = 1000; /* a busy machine may stop for a while */
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    say_more(BIG_BODY);
    for (int i = 0; i < 25; i++) {
        char some[100 * 1000];

        assert_true(read(caller.fd, some, sizeof(some)) > 0);
        say_more(sizeof(some)); /* as fast as he reads */
        loop_run_ms(&loop, 100);
    }
    assert_int_equal(seen.gones, 0);
    finish_held(true);
    caller_close(&caller);
}

static void an_answer_that_was_taken_may_pause(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.write_ms = 200;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    say_more(BIG_BODY);
    loop_be_patient(&loop);
    loop_until(&loop, (socket_read(caller.fd, &caller.got),
                       caller.got.len == BIG_BODY));
    say_more(10); /* nothing waits here, though he does not read it */
    loop_run_ms(&loop, 500);
    assert_int_equal(seen.gones, 0);
    finish_held(true);
    expect(&caller, "held");
    caller_close(&caller);
}

static void a_big_last_answer_is_not_lost_by_closing(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    loop_until(&loop, seen.requests == 1);
    loop_run_ms(&loop, 20);
    expect_end(&caller);
    assert_true(caller.got.len > BIG_BODY);
    assert_true(str_starts(buf_str(&caller.got),
                           STR("HTTP/1.1 200 X\r\nContent-Length: "
                               "20000000\r\n\r\n")));
    assert_int_equal(caller.got.len, BIG_BODY + 44);
    caller_close(&caller);
}

static void an_aborted_answer_is_a_reset(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_end(&caller);
    assert_int_equal(caller.got.len, 0);
    loop_until(&loop, atomic_load(&door.client_count) == 0);
    assert_int_equal(seen.gones, 0);
    caller_close(&caller);
}

static void a_caller_that_leaves_is_gone_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct caller caller;

        caller_open(&caller);
        say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        loop_until(&loop, seen.held != NULL);
        assert_str(request_peer(seen.held), "127.0.0.1");
        if (i == 0)
            close(caller.fd);
        else if (i == 1)
            socket_reset(caller.fd);
        else /* half a close counts as well */
            assert_int_equal(shutdown(caller.fd, SHUT_WR), 0);
        if (i < 2)
            caller.fd = -1;
        loop_until(&loop, seen.gones == i + 1);
        assert_null(seen.held->client);
        assert_str(request_peer(seen.held), "127.0.0.1");
        /* the sink swallows what is written now */
        say_to(seen.held, STR("x"));
        assert_int_equal(seen.held->sink.ops->queued(&seen.held->sink), 0);
        finish_held(true);
        loop_run_ms(&loop, 10);
        assert_int_equal(seen.gones, i + 1);
        caller_close(&caller);
    }
}

static void a_gone_request_may_be_aborted(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    caller_close(&caller);
    loop_until(&loop, seen.gones == 1);
    seen.held->sink.ops->abort(&seen.held->sink);
    seen.held = NULL;
}

static void without_a_budget_nothing_is_counted(void **state)
{
    struct caller caller;

    (void)state;
    door.limits.memory_used = NULL;
    caller_open(&caller);
    say(&caller, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
                 "body");
    expect(&caller, "POST /a? body");
    caller_close(&caller);
}

static void a_handler_may_let_go_inside_on_gone(void **state)
{
    struct caller caller;

    (void)state;
    seen.answers_held_at_gone = true;
    caller_open(&caller);
    say(&caller, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
                 "body");
    loop_until(&loop, seen.held != NULL);
    caller_close(&caller);
    loop_until(&loop, seen.gones == 1);
    assert_null(seen.held);
}

static void idle_and_unfinished_callers_leave_without_a_word(void **state)
{
    static const char *const texts[] = {"", "GET /a HT",
                                        "GET /a HTTP/1.1\r\nHos"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct caller caller;

        caller_open(&caller);
        say(&caller, texts[i]);
        loop_run_ms(&loop, 10);
        caller_close(&caller);
        loop_until(&loop, atomic_load(&door.client_count) == 0);
        assert_int_equal(seen.gones + seen.refusals + seen.requests, 0);
    }
}

/* --- the door
 * --------------------------------------------------------------------- */

static void a_last_answer_that_is_still_being_read_is_not_cut(void **state)
{
    struct caller caller;
    static char some[100 * 1000];
    size_t got = 0;
    ssize_t n;

    (void)state;
    caller_open(&caller);
    say(&caller, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.requests == 1);
    loop_run_ms(&loop, 50);
    door_close_idle(&door);
    loop_be_patient(&loop);
    while ((n = recv(caller.fd, some, sizeof(some), MSG_DONTWAIT)) != 0) {
        if (n > 0)
            got += (size_t)n;
        loop_turn(&loop);
    }
    assert_in_range(got, BIG_BODY, BIG_BODY + 1000);
    caller_close(&caller);
    loop_until(&loop, atomic_load(&door.client_count) == 0);
}

static void closing_idle_connections_lets_the_others_finish(void **state)
{
    struct caller idle;
    struct caller busy;

    (void)state;
    caller_open(&idle);
    caller_open(&busy);
    say(&busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    assert_int_equal(atomic_load(&door.client_count), 2);
    door_close_idle(&door);
    expect_end(&idle);
    assert_int_equal(seen.gones, 0);
    finish_held(true);
    expect_end(&busy);
    assert_has(buf_str(&busy.got), "held");
    caller_close(&idle);
    caller_close(&busy);
}

static void cutting_the_door_tells_those_who_answer(void **state)
{
    struct caller callers[2];

    (void)state;
    seen.answers_held_at_gone = true;
    caller_open(&callers[0]);
    caller_open(&callers[1]);
    say(&callers[1], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_until(&loop, seen.held != NULL);
    door_cut(&door);
    assert_int_equal(seen.gones, 1);
    expect_end(&callers[0]);
    expect_end(&callers[1]);
    assert_int_equal(atomic_load(&door.client_count), 0);
    caller_close(&callers[0]);
    caller_close(&callers[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_door(requests_are_answered_one_after_the_other),
        with_door(a_request_may_come_byte_by_byte),
        with_door(pipelined_requests_wait_for_their_turn),
        with_door(a_caller_that_pipelines_too_much_has_to_wait),
        with_door(what_had_to_wait_is_served_in_the_end),
        with_door(many_requests_on_one_connection_are_all_answered),
        with_door(some_connections_end_with_their_answer),
        with_door(an_old_caller_may_ask_to_stay),
        with_door(what_follows_a_last_answer_is_thrown_away),
        with_door(an_absolute_target_is_taken_by_its_path),
        with_door(an_offer_to_upgrade_is_not_taken),
        with_door(the_peer_has_an_address),
        with_door(a_slow_reader_gets_a_big_answer_and_the_drain_is_told),
        with_door(the_next_request_waits_for_an_answer_to_be_read),
        with_door(who_asks_and_does_not_read_is_not_read_either),
        with_door(a_slow_reader_is_not_idle),
        with_door(who_takes_nothing_of_an_answer_has_left),
        with_door(who_takes_a_little_has_not_left),
        with_door(an_answer_that_was_taken_may_pause),
        with_door(a_big_last_answer_is_not_lost_by_closing),
        with_door(an_aborted_answer_is_a_reset),
        with_door(a_gone_request_may_be_aborted),
        with_door(without_a_budget_nothing_is_counted),
        with_door(a_caller_that_leaves_is_gone_once),
        with_door(a_handler_may_let_go_inside_on_gone),
        with_door(idle_and_unfinished_callers_leave_without_a_word),
        with_door(closing_idle_connections_lets_the_others_finish),
        with_door(a_last_answer_that_is_still_being_read_is_not_cut),
        with_door(cutting_the_door_tells_those_who_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
