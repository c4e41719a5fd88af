/* forward/attempt: stale connections, deadlines, pauses, and giving up. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "try.h"

#define SIZED "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* Makes a connection that waits in the pool; the server's end. */
static int waiting_connection(void)
{
    struct try t;
    int peer;

    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    try_fini(&t);
    return peer;
}

static void a_stale_connection_is_replaced_once(void **state)
{
    struct try t;
    int peer = waiting_connection();

    (void)state;
    close(peer); /* and the loop has no time to notice */
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    assert_false(socket_has_caller(listener));
    try_fini(&t);
    close(peer);
}

static void a_stale_connection_that_was_reset_is_replaced_too(void **state)
{
    struct try t;
    int peer = waiting_connection();

    (void)state;
    socket_reset(peer);
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    try_fini(&t);
    close(peer);
}

static void a_fresh_connection_is_not_tried_again(void **state)
{
    struct try t;
    int peer = waiting_connection();

    (void)state;
    close(peer);
    try_open(&t);
    close(serve()); /* the fresh one closes, too */
    assert_failed(&t, ERR_CLOSED);
    assert_false(socket_has_caller(listener));
    try_fini(&t);

    try_open(&t); /* fresh from the beginning */
    close(serve());
    assert_failed(&t, ERR_CLOSED);
    assert_false(socket_has_caller(listener));
    try_fini(&t);
}

static void an_answer_that_had_begun_is_not_asked_for_again(void **state)
{
    struct try t;
    int peer = waiting_connection();

    (void)state;
    try_open(&t);
    serve_again(peer);
    socket_say(&loop, peer, "HTTP/1.1 2");
    loop_run_ms(&loop, 20);
    close(peer);
    assert_failed(&t, ERR_CLOSED);
    assert_false(socket_has_caller(listener));
    try_fini(&t);
}

/* --- cut anywhere ------------------------------------------------------------
 */

static void assert_cut_fails(const char *answer, size_t head_len)
{
    for (size_t cut = 0; cut < strlen(answer); cut++) {
        struct try t;
        int peer;

        try_open(&t);
        peer = serve();
        socket_write(&loop, peer, (struct str){answer, cut});
        if (cut % 2 == 0)
            loop_run_ms(&loop, 1);
        close(peer);
        assert_failed(&t, cut < head_len ? ERR_CLOSED : ERR_TRUNCATED);
        assert_int_equal(t.heads, cut >= head_len);
        try_fini(&t);
    }
}

static void a_sized_answer_that_is_cut_is_never_whole(void **state)
{
    (void)state;
    assert_cut_fails(SIZED, 17 + 19 + 2);
}

static void a_chunked_answer_that_is_cut_is_never_whole(void **state)
{
    (void)state;
    assert_cut_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
                     17 + 28 + 2);
}

static void an_answer_byte_by_byte_is_the_same(void **state)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    struct try t;
    int peer;

    (void)state;
    try_open(&t);
    peer = serve();
    for (size_t i = 0; i + 1 < sizeof(answer); i++) {
        socket_write(&loop, peer, (struct str){answer + i, 1});
        loop_run_ms(&loop, 1);
    }
    assert_ended(&t, 200, "hello");
    assert_str(buf_str(&t.fields), "Transfer-Encoding=chunked;X=y;");
    try_fini(&t);
    close(peer);
}

/* --- deadlines
 * ---------------------------------------------------------------- */

static void a_server_that_does_not_begin_is_left(void **state)
{
    struct attempt_order order = order_of(REQUEST);
    struct try t;
    int peer;

    (void)state;
    order.first_byte_ms = 100;
    try_order(&t, &order);
    peer = serve();
    assert_failed(&t, ERR_FIRST_BYTE_TIMEOUT);
    try_fini(&t);
    close(peer);
    /* an interim answer is no beginning */
    try_order(&t, &order);
    peer = serve();
    socket_say(&loop, peer, "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_failed(&t, ERR_FIRST_BYTE_TIMEOUT);
    try_fini(&t);
    close(peer);
}

static void a_server_that_falls_silent_is_left(void **state)
{
    struct attempt_order order = order_of(REQUEST);
    struct try t;
    int peer;

    (void)state;
    order.idle_ms = 300;
    try_order(&t, &order);
    peer = serve();
    socket_say(&loop, peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    for (unsigned i = 0; i < 4; i++) { /* slow, but not silent */
        loop_run_ms(&loop, 150);
        assert_false(try_is_over(&t));
        socket_say(&loop, peer, "x");
    }
    assert_failed(&t, ERR_IDLE_TIMEOUT);
    assert_str(buf_str(&t.body), "xxxx");
    try_fini(&t);
    close(peer);
}

/* A port on which nobody picks up: the kernel's queue is full. */
static void a_server_that_does_not_accept_is_left(void **state)
{
    struct attempt_order order;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int full = socket(AF_INET, SOCK_STREAM, 0);
    int callers[8];
    struct try t;

    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(full, (struct sockaddr *)&address, sizeof(address)),
                     0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)&address, &len), 0);
    for (size_t i = 0; i < COUNT_OF(callers); i++) {
        callers[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(fcntl(callers[i], F_SETFL, O_NONBLOCK), 0);
        (void)connect(callers[i], (struct sockaddr *)&address, sizeof(address));
    }
    replica->endpoint.port = ntohs(address.sin_port);
    order = order_of(REQUEST);
    order.connect_ms = 150;
    try_order(&t, &order);
    assert_failed(&t, ERR_CONNECT_TIMEOUT);
    try_fini(&t);
    for (size_t i = 0; i < COUNT_OF(callers); i++)
        close(callers[i]);
    close(full);
}

static void a_server_that_is_not_there_is_told_at_once(void **state)
{
    struct try t;

    (void)state;
    replica->endpoint.port = socket_dead_port();
    try_open(&t);
    assert_failed(&t, ERR_CONNECT);
    assert_has(str_of(t.detail), "refused");
    try_fini(&t);
}

/* --- pauses
 * -------------------------------------------------------------------- */

static void a_paused_attempt_makes_the_server_wait(void **state)
{
    enum { SIZE = 20 * 1000 * 1000 };
    static char block[100000];
    struct attempt_order order = order_of(REQUEST);
    size_t sent = 0;
    size_t seen;
    struct try t;
    int peer;

    (void)state;
    order.idle_ms = 1500; /* it is not the server who is slow */
    try_order(&t, &order);
    t.pauses_on_body = true;
    peer = serve();
    socket_say(&loop, peer,
               "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
    for (unsigned i = 0; i < 100; i++) {
        ssize_t n = write(peer, block, sizeof(block));

        sent += n > 0 ? (size_t)n : 0;
        loop_turn(&loop);
    }
    seen = t.body.len;
    assert_true(seen > 0 && seen < SIZE / 2);
    assert_true(sent < SIZE);
    loop_run_ms(&loop, 2000);
    assert_int_equal(t.body.len, seen);
    assert_false(try_is_over(&t));
    t.pauses_on_body = false;
    attempt_resume(t.attempt);
    loop_be_patient(&loop);
    while (!try_is_over(&t)) {
        size_t left = SIZE - sent;
        ssize_t n =
            write(peer, block, left < sizeof(block) ? left : sizeof(block));

        sent += n > 0 ? (size_t)n : 0;
        loop_turn(&loop);
    }
    assert_int_equal(t.ends, 1);
    assert_int_equal(t.body.len, SIZE);
    try_fini(&t);
    close(peer);
}

/* --- giving up
 * ------------------------------------------------------------------ */

static void closing_cuts_the_connection_and_tells_nothing(void **state)
{
    struct buf rest;
    struct try t;
    int peer;

    (void)state;
    try_open(&t); /* before it stands */
    attempt_close(t.attempt);
    t.attempt = NULL;
    try_fini(&t);

    try_open(&t);
    peer = socket_accept(&loop, listener);
    while (socket_has_caller(listener)) { /* that was the one before */
        close(peer);
        peer = socket_accept(&loop, listener);
    }
    attempt_close(t.attempt);
    t.attempt = NULL;
    buf_init(&rest, 1 << 20);
    socket_read_to_end(&loop, peer, &rest);
    assert_int_equal(t.heads + t.ends + t.fails, 0);
    buf_fini(&rest);
    try_fini(&t);
    close(peer);
}

static void closing_inside_a_callback_is_allowed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct buf rest;
        struct try t;
        int peer;

        try_open(&t);
        t.closes_on_head = i == 0;
        t.closes_on_body = i == 1;
        peer = serve();
        socket_say(&loop, peer, SIZED);
        buf_init(&rest, 1 << 20);
        socket_read_to_end(&loop, peer, &rest);
        assert_int_equal(t.heads, 1);
        assert_int_equal(t.ends + t.fails, 0);
        assert_int_equal(atomic_load(&replica->in_flight), 0);
        buf_fini(&rest);
        try_fini(&t);
        close(peer);
    }
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void an_abandoned_answer_whose_end_is_near_keeps_the_line(void **state)
{
    struct try t;
    int peer;

    (void)state;
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, CHUNKED "4\r\nlast\r\n");
    loop_until(&loop, t.body.len == 4);
    attempt_abandon(t.attempt);
    t.attempt = NULL;
    assert_int_equal(atomic_load(&replica->in_flight), 1);
    socket_say(&loop, peer, "0\r\n\r\n");
    loop_until(&loop, atomic_load(&replica->in_flight) == 0);
    assert_int_equal(t.ends + t.fails, 0);
    try_fini(&t);
    try_open(&t);
    serve_again(peer);
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    try_fini(&t);
    close(peer);
}

static void an_abandoned_answer_that_goes_on_is_cut(void **state)
{
    struct buf rest;
    struct try t;
    int peer;

    (void)state;
    buf_init(&rest, 1 << 20);
    for (unsigned i = 0; i < 2; i++) {
        try_open(&t);
        peer = serve();
        socket_say(&loop, peer, CHUNKED "4\r\nlast\r\n");
        loop_until(&loop, t.body.len == 4);
        attempt_abandon(t.attempt);
        t.attempt = NULL;
        if (i == 0)
            socket_say(&loop, peer, "4\r\nmore\r\n");
        /* or it is silent for too long */
        socket_read_to_end(&loop, peer, &rest);
        assert_int_equal(t.ends + t.fails, 0);
        assert_int_equal(t.body.len, 4);
        assert_int_equal(atomic_load(&replica->in_flight), 0);
        try_fini(&t);
        close(peer);
    }
    /* before the head there is nothing to wait for */
    try_open(&t);
    peer = serve();
    attempt_abandon(t.attempt);
    t.attempt = NULL;
    socket_read_to_end(&loop, peer, &rest);
    try_fini(&t);
    close(peer);
    buf_fini(&rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(a_stale_connection_is_replaced_once),
        with_server(a_stale_connection_that_was_reset_is_replaced_too),
        with_server(a_fresh_connection_is_not_tried_again),
        with_server(an_answer_that_had_begun_is_not_asked_for_again),
        with_server(a_sized_answer_that_is_cut_is_never_whole),
        with_server(a_chunked_answer_that_is_cut_is_never_whole),
        with_server(an_answer_byte_by_byte_is_the_same),
        with_server(a_server_that_does_not_begin_is_left),
        with_server(a_server_that_falls_silent_is_left),
        with_server(a_server_that_does_not_accept_is_left),
        with_server(a_server_that_is_not_there_is_told_at_once),
        with_server(a_paused_attempt_makes_the_server_wait),
        with_server(closing_cuts_the_connection_and_tells_nothing),
        with_server(closing_inside_a_callback_is_allowed),
        with_server(an_abandoned_answer_whose_end_is_near_keeps_the_line),
        with_server(an_abandoned_answer_that_goes_on_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
