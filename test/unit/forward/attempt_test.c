/* forward/attempt: answers of every kind, and what becomes of their
 * connections. */
#include "try.h"

#define SIZED "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void a_sized_answer_keeps_its_connection(void **state)
{
    struct try t;
    int peer;

    (void)state;
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer,
               "HTTP/1.1 201 Created\r\nX-A:  b \r\n"
               "Content-Length: 5\r\n\r\nhello");
    assert_ended(&t, 201, "hello");
    assert_str(buf_str(&t.fields), "X-A=b;Content-Length=5;");
    try_fini(&t);

    for (unsigned i = 0; i < 3; i++) {
        try_open(&t); /* on the same connection */
        serve_again(peer);
        socket_say(&loop, peer, SIZED);
        assert_ended(&t, 200, "hello");
        try_fini(&t);
    }
    assert_false(socket_has_caller(listener));
    close(peer);
}

static void the_request_goes_out_whole_and_in_order(void **state)
{
    struct attempt_order order = order_of("POST / HTTP/1.1\r\n");
    static char body[300000];
    struct buf got;
    struct try t;
    int peer;

    (void)state;
    memset(body, 'b', sizeof(body));
    order.pieces[1] = STR("Content-Length: 300000\r\n\r\n");
    order.pieces[2] = (struct str){body, 100000};
    order.pieces[3] = (struct str){NULL, 0};
    order.pieces[4] = (struct str){body, 199996};
    order.pieces[5] = STR("last");
    order.piece_count = 6;
    try_order(&t, &order);
    peer = socket_accept(&loop, listener);
    buf_init(&got, 1 << 20);
    socket_read_until(&loop, peer, &got, "last");
    assert_true(str_starts(buf_str(&got), STR("POST / HTTP/1.1\r\n"
                                              "Content-Length: 300000\r\n\r\n"
                                              "bbb")));
    assert_int_equal(got.len, 17 + 26 + 300000);
    assert_true(attempt_is_sending(t.attempt)); /* nothing has come back */
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    buf_fini(&got);
    try_fini(&t);
    close(peer);
}

static void a_chunked_answer_is_put_together(void **state)
{
    struct try t;
    int peer;

    (void)state;
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer,
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nhel\r\n");
    loop_until(&loop, t.body.len == 3); /* it does not wait for the end */
    socket_say(&loop, peer, "0002;ext=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n");
    assert_ended(&t, 200, "hello");
    try_fini(&t);
    try_open(&t);
    serve_again(peer);
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    try_fini(&t);
    close(peer);
}

static void an_answer_without_a_length_ends_with_its_connection(void **state)
{
    struct try t;
    int peer;

    (void)state;
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, "HTTP/1.1 200 OK\r\n\r\nhel");
    loop_until(&loop, t.body.len == 3);
    socket_say(&loop, peer, "lo");
    close(peer);
    assert_ended(&t, 200, "hello");
    try_fini(&t);
    /* a reset is no end */
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, "HTTP/1.1 200 OK\r\n\r\nhel");
    loop_until(&loop, t.body.len == 3);
    socket_reset(peer);
    assert_failed(&t, ERR_TRUNCATED);
    try_fini(&t);
}

static void an_answer_may_have_no_body(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    int peer = -1;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct try t;

        try_open(&t);
        if (i == 0)
            peer = serve();
        else
            serve_again(peer);
        socket_say(&loop, peer, answers[i]);
        loop_until(&loop, try_is_over(&t));
        assert_int_equal(t.ends, 1);
        assert_int_equal(t.body.len, 0);
        try_fini(&t);
    }
    assert_false(socket_has_caller(listener));
    close(peer);
}

static void interim_answers_are_passed_over(void **state)
{
    struct try t;
    int peer;

    (void)state;
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer,
               "HTTP/1.1 100 Continue\r\n\r\n"
               "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    loop_run_ms(&loop, 20);
    assert_int_equal(t.heads, 0);
    /* they have no body, whatever they say */
    socket_say(&loop, peer,
               "HTTP/1.1 199 Odd\r\nX-B: c\r\nContent-Length: 4\r\n"
               "\r\n" SIZED);
    assert_ended(&t, 200, "hello");
    assert_str(buf_str(&t.fields), "Content-Length=5;");
    try_fini(&t);
    close(peer);
}

static void what_is_no_answer_fails(void **state)
{
    static const char *const answers[] = {
        "garbage\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 013 Low\r\n\r\n",
        "HTTP/3.7 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
        "Connection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked"
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "11111111111111111111\r\n",
        "HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct try t;
        int peer;

        try_open(&t);
        peer = serve();
        socket_say(&loop, peer, answers[i]);
        if (i == COUNT_OF(answers) - 1)
            socket_write(&loop, peer, STR("\0b\r\n\r\n"));
        loop_until(&loop, try_is_over(&t));
        if (t.fails != 1 || t.error != ERR_BAD_ANSWER)
            fail_msg("%s: %d", answers[i], (int)t.error);
        try_fini(&t);
        close(peer);
    }
}

static void a_head_without_end_fails(void **state)
{
    static char big[HEAD_MAX_BYTES + 1000];
    struct try t;
    int peer;

    (void)state;
    memset(big, 'x', sizeof(big));
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, "HTTP/1.1 200 OK\r\nX-Big: ");
    socket_write(&loop, peer, (struct str){big, sizeof(big)});
    assert_failed(&t, ERR_BAD_ANSWER);
    try_fini(&t);
    close(peer);

    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, "HTTP/1.1 200 OK\r\n");
    for (unsigned i = 0; i <= HEAD_MAX_FIELDS; i++)
        socket_say(&loop, peer, "a: b\r\n");
    assert_failed(&t, ERR_BAD_ANSWER);
    assert_int_equal(t.heads, 0);
    try_fini(&t);
    close(peer);

    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, "HTTP/1.1 200 ");
    socket_write(&loop, peer, (struct str){big, sizeof(big)});
    assert_failed(&t, ERR_BAD_ANSWER);
    try_fini(&t);
    close(peer);

    try_open(&t);
    peer = serve();
    for (unsigned i = 0; i < 40; i++)
        socket_say(&loop, peer, "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_failed(&t, ERR_BAD_ANSWER);
    try_fini(&t);
    close(peer);
}

static void some_connections_are_not_kept(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
        "hello",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        /* bytes behind the answer belong to no request */
        SIZED "HTTP/1.1 200 OK\r\n",
        SIZED "\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct buf rest;
        struct try t;
        int peer;

        try_open(&t);
        peer = serve(); /* a new one each time */
        socket_say(&loop, peer, answers[i]);
        assert_ended(&t, 200, "hello");
        buf_init(&rest, 1 << 20);
        socket_read_to_end(&loop, peer, &rest);
        assert_int_equal(rest.len, 0);
        buf_fini(&rest);
        try_fini(&t);
        close(peer);
    }
}

static void an_early_answer_does_not_keep_a_half_sent_request(void **state)
{
    enum { BIG = 30 * 1000 * 1000 };
    struct attempt_order order = order_of("POST / HTTP/1.1\r\n\r\n");
    char *body = calloc(1, BIG);
    struct buf rest;
    struct try t;
    int peer;

    (void)state;
    assert_non_null(body);
    order.pieces[1] = (struct str){body, BIG};
    order.piece_count = 2;
    try_order(&t, &order);
    peer = socket_accept(&loop, listener);
    socket_say(&loop, peer,
               "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n"
               "\r\nno");
    assert_ended(&t, 413, "no");
    free(body); /* the pieces are not needed any more */
    buf_init(&rest, BIG + (1 << 20));
    socket_read_to_end(&loop, peer, &rest);
    assert_true(rest.len < BIG);
    buf_fini(&rest);
    try_fini(&t);
    close(peer);
}

static void a_slow_server_gets_a_big_request_whole(void **state)
{
    enum { BIG = 20 * 1000 * 1000 };
    struct attempt_order order = order_of("POST / HTTP/1.1\r\n\r\n");
    char *body = malloc(BIG);
    struct buf got;
    struct try t;
    int peer;

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < BIG; i++)
        body[i] = (char)(i * 131 + (i >> 8) * 7);
    order.pieces[1] = (struct str){body, BIG};
    order.piece_count = 2;
    try_order(&t, &order);
    peer = socket_accept(&loop, listener);
    loop_run_ms(&loop, 50);
    assert_true(attempt_is_sending(t.attempt));
    buf_init(&got, BIG + 1000);
    loop_be_patient(&loop);
    while (got.len < 19 + BIG) {
        char piece[200000];
        ssize_t n = read(peer, piece, sizeof(piece));

        if (n > 0)
            buf_put(&got, (struct str){piece, (size_t)n});
        loop_turn(&loop);
    }
    assert_memory_equal(got.ptr + 19, body, BIG);
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    free(body);
    try_fini(&t);
    /* all of it had left: the connection serves the next */
    try_open(&t);
    serve_again(peer);
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    assert_false(socket_has_caller(listener));
    buf_fini(&got);
    try_fini(&t);
    close(peer);
}

static void a_tier_that_is_forbidden_is_never_connected_to(void **state)
{
    static const enum tier forbidden[] = {TIER_CLOUD, TIER_NONE};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        struct attempt_order order = order_of(REQUEST);
        struct try t;

        order.allowed = forbidden[i];
        try_order(&t, &order);
        assert_null(t.attempt);
        loop_run_ms(&loop, 30);
        assert_false(socket_has_caller(listener));
        assert_int_equal(t.heads + t.ends + t.fails, 0);
        assert_int_equal(atomic_load(&replica->in_flight), 0);
        try_fini(&t);
    }
}

static void a_waiting_connection_is_no_way_around_the_policy(void **state)
{
    struct attempt_order order = order_of(REQUEST);
    struct try t;
    int peer;

    (void)state;
    try_open(&t);
    peer = serve();
    socket_say(&loop, peer, SIZED);
    assert_ended(&t, 200, "hello");
    try_fini(&t);
    order.allowed = TIER_CLOUD;
    try_order(&t, &order);
    assert_null(t.attempt);
    try_fini(&t);
    close(peer);
}

static void tries_under_way_are_counted(void **state)
{
    struct try a, b;
    int peer;

    (void)state;
    try_open(&a);
    try_open(&b);
    assert_int_equal(atomic_load(&replica->in_flight), 2);
    peer = serve();
    socket_say(&loop, peer, SIZED);
    loop_until(&loop, a.ends + b.ends == 1);
    assert_int_equal(atomic_load(&replica->in_flight), 1);
    try_fini(&a);
    try_fini(&b); /* closes the other */
    assert_int_equal(atomic_load(&replica->in_flight), 0);
    close(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(a_sized_answer_keeps_its_connection),
        with_server(the_request_goes_out_whole_and_in_order),
        with_server(a_chunked_answer_is_put_together),
        with_server(an_answer_without_a_length_ends_with_its_connection),
        with_server(an_answer_may_have_no_body),
        with_server(interim_answers_are_passed_over),
        with_server(what_is_no_answer_fails),
        with_server(a_head_without_end_fails),
        with_server(some_connections_are_not_kept),
        with_server(an_early_answer_does_not_keep_a_half_sent_request),
        with_server(a_slow_server_gets_a_big_request_whole),
        with_server(a_tier_that_is_forbidden_is_never_connected_to),
        with_server(a_waiting_connection_is_no_way_around_the_policy),
        with_server(tries_under_way_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
