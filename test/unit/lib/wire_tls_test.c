/* lib/wire with TLS, against a server on 127.0.0.1 in the same thread. */
#include <stdlib.h>
#include <unistd.h>

#include "../certificates.h"
#include "wire_end.h"

enum { MUCH = 20 * 1000 * 1000 };

static struct loop loop;
static struct certificate authority, certificate;
static struct tls_context *context;
static SSL_CTX *shared;
static int listener;
static unsigned port;

static struct end here; /* the wire under test */
static int there;       /* the server's socket */
static SSL *ssl;

static int make_certificates(void **state)
{
    char path[64];
    const char *why = NULL;

    (void)state;
    authority = certificate_authority("Test Authority");
    certificate = certificate_for(&authority, "DNS:a.test", -1, 1);
    certificate_save(&authority, path);
    context = tls_context_new(path, &why);
    unlink(path);
    assert_non_null(context);
    shared = certificate_server(&certificate);
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    SSL_CTX_free(shared);
    tls_context_free(context);
    certificate_free(&certificate);
    certificate_free(&authority);
    return 0;
}

static void reach(const char *host)
{
    struct sockaddr_in address;
    int err = -1;

    end_init(&here);
    assert_int_equal(uv_ip4_addr("127.0.0.1", (int)port, &address), 0);
    wire_call(err = wire_connect(
                  &here.wire, &loop.uv, (const struct sockaddr *)&address,
                  tls_client_new(context, host, NULL), &end_events, &here));
    assert_int_equal(err, 0);
    there = socket_accept(&loop, listener);
    ssl = SSL_new(shared);
    assert_int_equal(SSL_set_fd(ssl, there), 1);
    SSL_set_accept_state(ssl);
}

static void reach_and_open(void)
{
    reach("a.test");
    loop_be_patient(&loop);
    while (here.opens == 0 || !SSL_is_init_finished(ssl)) {
        assert_int_equal(here.ends, 0);
        (void)SSL_do_handshake(ssl);
        loop_turn(&loop);
    }
}

static int begin(void **state)
{
    (void)state;
    in_call = false;
    there = -1;
    loop_open(&loop);
    listener = socket_listen(&port);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    end_drop(&here, &loop);
    SSL_free(ssl);
    if (there >= 0)
        close(there);
    close(listener);
    loop_close(&loop);
    return 0;
}

/* Reads what the wire sends, in pieces of 30 KB, one each turn. */
static void serve_read(struct buf *got, size_t wanted)
{
    loop_be_patient(&loop);
    while (got->len < wanted) {
        char piece[30000];
        size_t n;

        if (SSL_read_ex(ssl, piece, sizeof(piece), &n) == 1)
            buf_put(got, (struct str){piece, n});
        loop_turn(&loop);
    }
}

static void serve_write(struct str bytes)
{
    loop_be_patient(&loop);
    while (bytes.len > 0) {
        size_t n = 0;

        if (SSL_write_ex(ssl, bytes.ptr, bytes.len, &n) == 1)
            bytes = str_slice(bytes, n, bytes.len);
        else
            loop_turn(&loop);
    }
}

static void it_opens_when_the_handshake_is_done_and_carries(void **state)
{
    struct str hello = STR("hello");
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    reach_and_open();
    assert_int_equal(here.opens, 1);
    wire_call(wire_write(&here.wire, &hello, 1));
    serve_read(&got, 5);
    assert_str(buf_str(&got), "hello");
    serve_write(STR("hi there"));
    loop_until(&loop, here.got.len == 8);
    assert_str(buf_str(&here.got), "hi there");
    buf_fini(&got);
}

static void another_name_ends_it_before_it_opens(void **state)
{
    (void)state;
    reach("b.test");
    loop_be_patient(&loop);
    while (here.ends == 0) {
        (void)SSL_do_handshake(ssl);
        loop_turn(&loop);
    }
    assert_int_equal(here.why, UV_EPROTO);
    assert_int_equal(here.opens, 0);
    assert_has(str_of(tls_why(here.wire.tls)), "mismatch");
}

static void a_server_without_tls_ends_it(void **state)
{
    (void)state;
    reach("a.test");
    socket_say(&loop, there, "HTTP/1.1 400 Bad Request\r\n\r\n");
    loop_until(&loop, here.ends == 1);
    assert_int_equal(here.why, UV_EPROTO);
    assert_int_equal(here.opens, 0);
}

static void a_goodbye_is_an_end_in_order(void **state)
{
    (void)state;
    reach_and_open();
    serve_write(STR("last words"));
    (void)SSL_shutdown(ssl);
    loop_until(&loop, here.ends == 1);
    assert_int_equal(here.why, 0);
    assert_str(buf_str(&here.got), "last words");
}

static void an_end_without_goodbye_is_an_error(void **state)
{
    (void)state;
    reach_and_open();
    serve_write(STR("last words"));
    loop_until(&loop, here.got.len == 10);
    close(there);
    there = -1;
    loop_until(&loop, here.ends == 1);
    assert_int_equal(here.why, UV_ECONNRESET);
}

static void the_wire_says_goodbye_when_it_closes(void **state)
{
    char byte;
    size_t n;
    int result = 0;

    (void)state;
    reach_and_open();
    wire_call(wire_close(&here.wire));
    loop_until(&loop, here.closes == 1);
    loop_be_patient(&loop);
    while (SSL_get_error(ssl, result = SSL_read_ex(ssl, &byte, 1, &n)) ==
           SSL_ERROR_WANT_READ)
        loop_turn(&loop);
    assert_int_equal(SSL_get_error(ssl, result), SSL_ERROR_ZERO_RETURN);
}

static void a_slow_reader_gets_twenty_megabytes_whole(void **state)
{
    char *bytes = malloc(MUCH);
    struct str pieces[] = {{bytes, 100}, {bytes + 100, MUCH - 100}};
    struct buf got;
    bool is_done = true;

    (void)state;
    assert_non_null(bytes);
    fill_pattern(bytes, MUCH);
    buf_init(&got, MUCH);
    reach_and_open();
    wire_call(is_done = wire_send(&here.wire, pieces, COUNT_OF(pieces)));
    assert_false(is_done);
    assert_true(wire_queued(&here.wire) > MUCH / 2);
    /* encrypted ahead only a little: the rest is lent */
    assert_true(here.wire.out.len + here.wire.sending.len < 1 << 20);
    serve_read(&got, MUCH);
    loop_until(&loop, here.drains > 0);
    assert_int_equal(here.drains, 1);
    assert_int_equal(here.queued_at_drain, 0);
    assert_memory_equal(got.ptr, bytes, MUCH);
    buf_fini(&got);
    free(bytes);
}

static void much_comes_in_whole(void **state)
{
    char *bytes = malloc(MUCH);

    (void)state;
    assert_non_null(bytes);
    fill_pattern(bytes, MUCH);
    reach_and_open();
    serve_write((struct str){bytes, MUCH});
    loop_until(&loop, here.got.len == MUCH);
    assert_memory_equal(here.got.ptr, bytes, MUCH);
    free(bytes);
}

static void ending_our_side_is_said_and_the_peer_may_go_on(void **state)
{
    char byte;
    size_t n;

    (void)state;
    reach_and_open();
    wire_call(wire_shutdown(&here.wire));
    loop_be_patient(&loop);
    while ((SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) == 0) {
        assert_int_equal(SSL_read_ex(ssl, &byte, 1, &n), 0);
        assert_int_not_equal(SSL_get_error(ssl, 0), SSL_ERROR_SSL);
        loop_turn(&loop);
    }
    serve_write(STR("still here"));
    loop_until(&loop, here.got.len == 10);
    assert_int_equal(here.ends, 0);
}

static void closing_during_a_write_gives_lent_pieces_back(void **state)
{
    char *bytes = calloc(1, MUCH);
    struct str piece = {bytes, MUCH};
    bool is_done = true;

    (void)state;
    assert_non_null(bytes);
    reach_and_open();
    wire_call(is_done = wire_send(&here.wire, &piece, 1));
    assert_false(is_done);
    loop_run_ms(&loop, 10);
    wire_call(wire_close(&here.wire));
    free(bytes);
    loop_until(&loop, here.closes == 1);
    assert_int_equal(here.drains, 0);
}

static void a_reset_during_a_write_is_told(void **state)
{
    char *bytes = calloc(1, MUCH);
    struct str piece = {bytes, MUCH};
    bool is_done = true;

    (void)state;
    assert_non_null(bytes);
    reach_and_open();
    wire_call(is_done = wire_send(&here.wire, &piece, 1));
    assert_false(is_done);
    loop_run_ms(&loop, 10);
    socket_reset(there);
    there = -1;
    loop_until(&loop, here.ends == 1);
    assert_int_not_equal(here.why, 0);
    assert_int_equal(here.drains, 0);
    wire_call(wire_close(&here.wire));
    free(bytes);
}

static void noise_behind_the_handshake_ends_it(void **state)
{
    (void)state;
    reach_and_open();
    socket_say(&loop, there, "this is no record of TLS at all");
    loop_until(&loop, here.ends == 1);
    assert_int_equal(here.why, UV_EPROTO);
    assert_int_equal(here.got.len, 0);
}

#define with_tls(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_tls(it_opens_when_the_handshake_is_done_and_carries),
        with_tls(another_name_ends_it_before_it_opens),
        with_tls(a_server_without_tls_ends_it),
        with_tls(a_goodbye_is_an_end_in_order),
        with_tls(an_end_without_goodbye_is_an_error),
        with_tls(the_wire_says_goodbye_when_it_closes),
        with_tls(a_slow_reader_gets_twenty_megabytes_whole),
        with_tls(much_comes_in_whole),
        with_tls(ending_our_side_is_said_and_the_peer_may_go_on),
        with_tls(closing_during_a_write_gives_lent_pieces_back),
        with_tls(a_reset_during_a_write_is_told),
        with_tls(noise_behind_the_handshake_ends_it),
    };

    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
