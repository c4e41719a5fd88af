/* lib/wire: bytes over plain TCP on 127.0.0.1. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire_end.h"

enum { MUCH = 20 * 1000 * 1000 };

static struct loop loop;
static struct end here; /* the wire under test */
static int there;       /* the other end, a plain socket */

static int begin(void **state)
{
    int ends[2];

    (void)state;
    in_call = false;
    loop_open(&loop);
    socket_pair(ends);
    there = ends[1];
    end_adopt(&here, &loop, ends[0]);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    end_drop(&here, &loop);
    assert_int_equal(here.closes, 1);
    if (there >= 0)
        close(there);
    loop_close(&loop);
    return 0;
}

static void say(struct str text)
{
    wire_call(wire_write(&here.wire, &text, 1));
}

static void small_writes_leave_at_once_and_in_order(void **state)
{
    struct str pieces[] = {STR("a"), STR(""), STR("bc"), STR("d")};
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    wire_call(wire_write(&here.wire, pieces, COUNT_OF(pieces)));
    assert_int_equal(wire_queued(&here.wire), 0);
    say(STR("e"));
    socket_read_until(&loop, there, &got, "e");
    assert_str(buf_str(&got), "abcde");
    loop_run_ms(&loop, 20);
    assert_int_equal(here.drains, 0); /* nothing had to wait */
    buf_fini(&got);
}

static void bytes_come_as_they_are_sent(void **state)
{
    (void)state;
    socket_say(&loop, there, "hello ");
    loop_until(&loop, here.got.len == 6);
    socket_say(&loop, there, "you");
    loop_until(&loop, here.got.len == 9);
    assert_str(buf_str(&here.got), "hello you");
    assert_int_equal(here.ends, 0);
}

static void read_slowly(struct buf *got, size_t wanted)
{
    loop_be_patient(&loop);
    while (got->len < wanted) {
        char piece[100000];
        ssize_t n = read(there, piece, sizeof(piece));

        if (n > 0)
            buf_put(got, (struct str){piece, (size_t)n});
        loop_turn(&loop);
    }
}

static void a_slow_reader_gets_twenty_megabytes_whole(void **state)
{
    char *bytes = malloc(MUCH);
    struct buf got;

    (void)state;
    assert_non_null(bytes);
    fill_pattern(bytes, MUCH);
    buf_init(&got, MUCH);
    for (size_t at = 0; at < MUCH; at += 1000000)
        say((struct str){bytes + at, 1000000});
    assert_true(wire_queued(&here.wire) > MUCH / 2);
    read_slowly(&got, MUCH);
    loop_until(&loop, here.drains > 0);
    assert_int_equal(here.drains, 1);
    assert_int_equal(here.queued_at_drain, 0);
    assert_int_equal(got.len, MUCH);
    assert_memory_equal(got.ptr, bytes, MUCH);
    buf_fini(&got);
    free(bytes);
}

static void lent_pieces_are_sent_without_a_copy(void **state)
{
    char *bytes = malloc(MUCH);
    struct str pieces[] = {
        {bytes, 10}, {bytes + 10, 0}, {bytes + 10, MUCH - 10}};
    struct buf got;
    bool is_done = true;

    (void)state;
    assert_non_null(bytes);
    fill_pattern(bytes, MUCH);
    buf_init(&got, MUCH);
    wire_call(is_done = wire_send(&here.wire, pieces, COUNT_OF(pieces)));
    assert_false(is_done);
    assert_true(wire_queued(&here.wire) > 0);
    assert_int_equal(here.wire.out.len, 0);
    assert_int_equal(here.wire.sending.len, 0);
    read_slowly(&got, MUCH);
    loop_until(&loop, here.drains > 0);
    assert_int_equal(here.drains, 1);
    assert_int_equal(wire_queued(&here.wire), 0);
    assert_memory_equal(got.ptr, bytes, MUCH);
    /* a small one leaves at once, and needs no drain */
    wire_call(is_done = wire_send(&here.wire, pieces, 1));
    assert_true(is_done);
    loop_run_ms(&loop, 20);
    assert_int_equal(here.drains, 1);
    buf_fini(&got);
    free(bytes);
}

static void a_drain_is_told_each_time_it_is_empty_again(void **state)
{
    char *bytes = malloc(MUCH);
    struct buf got;

    (void)state;
    assert_non_null(bytes);
    fill_pattern(bytes, MUCH);
    for (unsigned round = 1; round <= 3; round++) {
        buf_init(&got, MUCH);
        say((struct str){bytes, MUCH / 2});
        assert_true(wire_queued(&here.wire) > 0);
        read_slowly(&got, MUCH / 2);
        loop_until(&loop, here.drains == round);
        assert_int_equal(here.queued_at_drain, 0);
        buf_fini(&got);
    }
    free(bytes);
}

static void closing_during_a_write_loses_it_and_tells_no_drain(void **state)
{
    char *bytes = calloc(1, MUCH);

    (void)state;
    assert_non_null(bytes);
    say((struct str){bytes, MUCH});
    assert_true(wire_queued(&here.wire) > 0);
    wire_call(wire_close(&here.wire));
    wire_call(wire_close(&here.wire)); /* twice is one */
    say(STR("nobody hears this"));
    loop_until(&loop, here.closes == 1);
    assert_int_equal(here.drains, 0);
    assert_int_equal(here.ends, 0);
    free(bytes);
}

static void closing_while_lent_pieces_wait_gives_them_back(void **state)
{
    char *bytes = calloc(1, MUCH);
    struct str piece = {bytes, MUCH};
    bool is_done = true;

    (void)state;
    assert_non_null(bytes);
    wire_call(is_done = wire_send(&here.wire, &piece, 1));
    assert_false(is_done);
    wire_call(wire_close(&here.wire));
    free(bytes); /* nobody may look at them now */
    loop_until(&loop, here.closes == 1);
    assert_int_equal(here.drains, 0);
}

static void the_peers_end_is_told_once_and_writing_goes_on(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    socket_say(&loop, there, "last");
    shutdown(there, SHUT_WR);
    loop_until(&loop, here.ends == 1);
    assert_int_equal(here.why, 0);
    assert_str(buf_str(&here.got), "last");
    say(STR("still here"));
    socket_read_until(&loop, there, &got, "still here");
    loop_run_ms(&loop, 20);
    assert_int_equal(here.ends, 1);
    buf_fini(&got);
}

static void a_reset_is_told_as_an_error(void **state)
{
    (void)state;
    socket_say(&loop, there, "x");
    loop_until(&loop, here.got.len == 1);
    socket_reset(there);
    there = -1;
    loop_until(&loop, here.ends == 1);
    assert_int_equal(here.why, UV_ECONNRESET);
    say(STR("nobody"));
    assert_int_equal(wire_queued(&here.wire), 0);
    loop_run_ms(&loop, 20);
    assert_int_equal(here.ends, 1);
    assert_int_equal(here.drains, 0);
}

static void a_reset_during_a_write_is_told_and_not_drained(void **state)
{
    char *bytes = calloc(1, MUCH);

    (void)state;
    assert_non_null(bytes);
    say((struct str){bytes, MUCH});
    loop_run_ms(&loop, 10);
    socket_reset(there);
    there = -1;
    loop_until(&loop, here.ends == 1);
    assert_int_not_equal(here.why, 0);
    loop_run_ms(&loop, 20);
    assert_int_equal(here.ends, 1);
    assert_int_equal(here.drains, 0);
    free(bytes);
}

/* Also when the owner does not read at the moment. */
static void a_broken_write_is_told_while_reading_is_paused(void **state)
{
    char *bytes = calloc(1, MUCH);

    (void)state;
    assert_non_null(bytes);
    wire_call(wire_pause(&here.wire));
    say((struct str){bytes, MUCH});
    loop_run_ms(&loop, 10);
    socket_reset(there);
    there = -1;
    loop_until(&loop, here.ends == 1);
    assert_int_not_equal(here.why, 0);
    free(bytes);
}

static void a_paused_wire_makes_the_peer_wait(void **state)
{
    struct str piece;
    char block[10000] = {0};
    size_t sent = 0;

    (void)state;
    wire_call(wire_pause(&here.wire));
    wire_call(wire_pause(&here.wire));
    /* until the kernel takes no more */
    for (unsigned i = 0; i < 50; i++) {
        ssize_t n;

        while ((n = write(there, block, sizeof(block))) > 0)
            sent += (size_t)n;
        assert_int_equal(errno, EAGAIN);
        loop_run_ms(&loop, 2);
    }
    assert_true(sent > 0);
    assert_int_equal(here.got.len, 0);
    wire_call(wire_resume(&here.wire));
    assert_int_equal(here.got.len, 0); /* not from within the call */
    loop_until(&loop, here.got.len == sent);
    piece = STR("z");
    socket_write(&loop, there, piece);
    loop_until(&loop, here.got.len == sent + 1);
}

static void closing_inside_on_bytes_is_allowed(void **state)
{
    (void)state;
    here.closes_on_bytes = true;
    socket_say(&loop, there, "first");
    loop_until(&loop, here.closes == 1);
    assert_str(buf_str(&here.got), "first");
    assert_int_equal(here.ends, 0);
}

static void closing_inside_on_end_is_allowed(void **state)
{
    (void)state;
    here.closes_on_end = true;
    close(there);
    there = -1;
    loop_until(&loop, here.closes == 1);
    assert_int_equal(here.ends, 1);
}

static void after_a_shutdown_the_peer_sees_the_end_and_may_answer(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    say(STR("all I have"));
    wire_call(wire_shutdown(&here.wire));
    socket_read_to_end(&loop, there, &got);
    assert_str(buf_str(&got), "all I have");
    socket_say(&loop, there, "answer");
    loop_until(&loop, here.got.len == 6);
    buf_fini(&got);
}

static void after_a_reset_the_peer_sees_an_error_and_no_end(void **state)
{
    char byte;

    (void)state;
    wire_call(wire_reset(&here.wire));
    wire_call(wire_reset(&here.wire));
    wire_call(wire_close(&here.wire));
    loop_until(&loop, here.closes == 1);
    errno = 0;
    assert_int_equal(read(there, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
}

/* --- connecting ------------------------------------------------------------
 */

static int connect_end(struct end *end, unsigned port)
{
    struct sockaddr_in address;
    int err = -1;

    end_init(end);
    assert_int_equal(uv_ip4_addr("127.0.0.1", (int)port, &address), 0);
    wire_call(err = wire_connect(&end->wire, &loop.uv,
                                 (const struct sockaddr *)&address, NULL,
                                 &end_events, end));
    return err;
}

static void a_connection_opens_and_carries(void **state)
{
    struct str hello = STR("hello");
    struct buf got;
    struct end end;
    unsigned port;
    int listener = socket_listen(&port);
    int peer;

    (void)state;
    buf_init(&got, 1 << 20);
    assert_int_equal(connect_end(&end, port), 0);
    assert_int_equal(end.opens, 0);
    peer = socket_accept(&loop, listener);
    loop_until(&loop, end.opens == 1);
    wire_call(wire_write(&end.wire, &hello, 1));
    socket_read_until(&loop, peer, &got, "hello");
    socket_say(&loop, peer, "hi");
    loop_until(&loop, end.got.len == 2);
    end_drop(&end, &loop);
    close(peer);
    close(listener);
    buf_fini(&got);
}

static void a_refused_connection_is_an_end_and_never_an_opening(void **state)
{
    struct end end;

    (void)state;
    assert_int_equal(connect_end(&end, socket_dead_port()), 0);
    loop_until(&loop, end.ends == 1);
    assert_int_equal(end.why, UV_ECONNREFUSED);
    assert_int_equal(end.opens, 0);
    end_drop(&end, &loop);
    assert_int_equal(end.ends, 1);
}

static void closing_before_it_stands_tells_only_the_closing(void **state)
{
    struct end end;
    unsigned port;
    int listener = socket_listen(&port);

    (void)state;
    assert_int_equal(connect_end(&end, port), 0);
    end_drop(&end, &loop);
    assert_int_equal(end.opens, 0);
    assert_int_equal(end.ends, 0);
    close(listener);
}

static void a_wire_paused_before_it_stands_reads_when_resumed(void **state)
{
    struct end end;
    unsigned port;
    int listener = socket_listen(&port);
    int peer;

    (void)state;
    assert_int_equal(connect_end(&end, port), 0);
    wire_call(wire_pause(&end.wire));
    peer = socket_accept(&loop, listener);
    socket_say(&loop, peer, "early");
    loop_until(&loop, end.opens == 1);
    loop_run_ms(&loop, 20);
    assert_int_equal(end.got.len, 0);
    wire_call(wire_resume(&end.wire));
    loop_until(&loop, end.got.len == 5);
    end_drop(&end, &loop);
    close(peer);
    close(listener);
}

#define with_wire(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_wire(small_writes_leave_at_once_and_in_order),
        with_wire(bytes_come_as_they_are_sent),
        with_wire(a_slow_reader_gets_twenty_megabytes_whole),
        with_wire(lent_pieces_are_sent_without_a_copy),
        with_wire(a_drain_is_told_each_time_it_is_empty_again),
        with_wire(closing_during_a_write_loses_it_and_tells_no_drain),
        with_wire(closing_while_lent_pieces_wait_gives_them_back),
        with_wire(the_peers_end_is_told_once_and_writing_goes_on),
        with_wire(a_reset_is_told_as_an_error),
        with_wire(a_reset_during_a_write_is_told_and_not_drained),
        with_wire(a_broken_write_is_told_while_reading_is_paused),
        with_wire(a_paused_wire_makes_the_peer_wait),
        with_wire(closing_inside_on_bytes_is_allowed),
        with_wire(closing_inside_on_end_is_allowed),
        with_wire(after_a_shutdown_the_peer_sees_the_end_and_may_answer),
        with_wire(after_a_reset_the_peer_sees_an_error_and_no_end),
        with_wire(a_connection_opens_and_carries),
        with_wire(a_refused_connection_is_an_end_and_never_an_opening),
        with_wire(closing_before_it_stands_tells_only_the_closing),
        with_wire(a_wire_paused_before_it_stands_reads_when_resumed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
