/* forward/pool: connections in use, and those that wait. */
#include "../certificates.h"
#include "try.h"

/* Who uses a connection. */
struct user {
    struct conn *conn;
    unsigned readies, sents, overs;
    struct buf got;
    enum error error;
    char detail[128];
};

static void on_ready(void *ctx)
{
    struct user *user = ctx;

    user->readies++;
}

static void on_bytes(void *ctx, struct str bytes)
{
    struct user *user = ctx;

    buf_put(&user->got, bytes);
}

static void on_sent(void *ctx)
{
    struct user *user = ctx;

    user->sents++;
}

static void on_over(void *ctx, enum error error, const char *detail)
{
    struct user *user = ctx;

    user->conn = NULL;
    user->overs++;
    user->error = error;
    (void)snprintf(user->detail, sizeof(user->detail), "%s",
                   detail == NULL ? "" : detail);
}

static const struct conn_events events = {
    .on_ready = on_ready,
    .on_bytes = on_bytes,
    .on_sent = on_sent,
    .on_over = on_over,
};

static void user_open(struct user *user, bool fresh)
{
    *user = (struct user){.error = OK};
    buf_init(&user->got, 1 << 20);
    user->conn = pool_open(&pool, replica, TIER_LOCAL, fresh, &events, user);
    assert_non_null(user->conn);
}

static void user_fini(struct user *user)
{
    buf_fini(&user->got);
}

/* Opens a new one; the server's end. */
static int connected(struct user *user)
{
    int peer;

    user_open(user, true);
    assert_false(conn_is_ready(user->conn));
    peer = socket_accept(&loop, listener);
    loop_until(&loop, user->readies == 1);
    assert_true(conn_is_ready(user->conn));
    return peer;
}

static void release(struct user *user, bool keep)
{
    pool_release(user->conn, keep);
    user->conn = NULL;
    user_fini(user);
}

static bool is_closed(int peer)
{
    struct buf rest;
    bool closed;

    buf_init(&rest, 1 << 20);
    closed = !socket_read(peer, &rest);
    buf_fini(&rest);
    return closed;
}

static void the_most_recent_one_serves_next(void **state)
{
    struct user a, b, next;
    struct conn *latest;
    int peers[2];

    (void)state;
    peers[0] = connected(&a);
    peers[1] = connected(&b);
    latest = b.conn;
    release(&a, true);
    release(&b, true);
    assert_int_equal(pool.shelves[0].count, 2);
    user_open(&next, false);
    assert_true(conn_is_ready(next.conn)); /* no on_ready will come */
    assert_ptr_equal(next.conn, latest);
    assert_int_equal(pool.shelves[0].count, 1);
    loop_run_ms(&loop, 20);
    assert_int_equal(next.readies, 0);
    release(&next, false);
    loop_until(&loop, is_closed(peers[1]));
    assert_false(is_closed(peers[0]));
    close(peers[0]);
    close(peers[1]);
}

static void what_is_not_to_be_kept_is_closed(void **state)
{
    struct user user;
    int peer = connected(&user);

    (void)state;
    release(&user, false);
    loop_until(&loop, is_closed(peer));
    loop_until(&loop, pool_is_empty(&pool));
    assert_int_equal(pool.shelves[0].count, 0);
    close(peer);
}

static void one_that_the_server_closes_while_it_waits_is_forgotten(void **state)
{
    struct user user;
    int peer = connected(&user);

    (void)state;
    release(&user, true);
    assert_int_equal(pool.shelves[0].count, 1);
    close(peer);
    loop_until(&loop, pool_is_empty(&pool));
    assert_int_equal(pool.shelves[0].count, 0);
    user_open(&user, false);
    assert_false(conn_is_ready(user.conn)); /* a fresh one */
    release(&user, false);
}

static void bytes_that_nobody_asked_for_end_it(void **state)
{
    struct user user;
    int peer = connected(&user);

    (void)state;
    release(&user, true);
    socket_say(&loop, peer, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    loop_until(&loop, pool_is_empty(&pool));
    assert_int_equal(pool.shelves[0].count, 0);
    close(peer);
}

static void more_than_the_bound_are_not_kept(void **state)
{
    struct user users[5];
    int peers[5];

    (void)state;
    pool.max_idle = 3;
    for (unsigned i = 0; i < 5; i++)
        peers[i] = connected(&users[i]);
    for (unsigned i = 0; i < 5; i++)
        release(&users[i], true);
    assert_int_equal(pool.shelves[0].count, 3);
    loop_until(&loop, pool.open_count == 3);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(is_closed(peers[i]), i >= 3);
        close(peers[i]);
    }
}

static void one_that_waits_too_long_is_closed(void **state)
{
    struct user user;
    int peer;

    (void)state;
    pool.idle_ms = 100;
    peer = connected(&user);
    loop_run_ms(&loop, 300); /* in use it may be silent */
    assert_int_equal(user.overs, 0);
    release(&user, true);
    loop_until(&loop, is_closed(peer));
    loop_until(&loop, pool_is_empty(&pool));
    assert_int_equal(pool.shelves[0].count, 0);
    close(peer);
}

static void a_paused_one_is_kept_reading(void **state)
{
    struct user user;
    int peer = connected(&user);

    (void)state;
    wire_pause(&user.conn->wire);
    release(&user, true);
    close(peer); /* and that is noticed */
    loop_until(&loop, pool_is_empty(&pool));
}

static void the_end_is_told_to_its_user(void **state)
{
    struct user user;
    int peer = connected(&user);

    (void)state;
    socket_say(&loop, peer, "bytes");
    loop_until(&loop, user.got.len == 5);
    close(peer);
    loop_until(&loop, user.overs == 1);
    assert_int_equal(user.error, OK);
    user_fini(&user);
    peer = connected(&user);
    socket_reset(peer);
    loop_until(&loop, user.overs == 1);
    assert_int_equal(user.error, ERR_CLOSED);
    assert_has(str_of(user.detail), "reset");
    user_fini(&user);
}

static void a_forbidden_tier_gets_none(void **state)
{
    struct user user = {.error = OK};

    (void)state;
    assert_null(pool_open(&pool, replica, TIER_CLOUD, false, &events, &user));
    assert_null(pool_open(&pool, replica, TIER_NONE, true, &events, &user));
    assert_true(pool_is_empty(&pool));
    assert_false(socket_has_caller(listener));
}

static void closing_the_pool_tells_those_who_use_it(void **state)
{
    struct user used, connecting;
    struct user waiting;
    int peers[2];

    (void)state;
    peers[0] = connected(&used);
    peers[1] = connected(&waiting);
    release(&waiting, true);
    user_open(&connecting, true);
    pool_close(&pool);
    assert_int_equal(used.overs, 1);
    assert_int_equal(used.error, ERR_SHUTTING_DOWN);
    assert_int_equal(connecting.overs, 1);
    loop_until(&loop, pool_is_empty(&pool));
    loop_until(&loop, is_closed(peers[0]));
    loop_until(&loop, is_closed(peers[1]));
    user_fini(&used);
    user_fini(&connecting);
    close(peers[0]);
    close(peers[1]);
}

/* The name has several addresses; the server listens on 127.0.0.1 alone. */
static void a_name_is_looked_up_and_its_addresses_are_tried(void **state)
{
    struct user user;
    int peer;

    (void)state;
    (void)snprintf(replica->endpoint.host, sizeof(replica->endpoint.host),
                   "localhost");
    user_open(&user, true);
    assert_true(user.conn->is_looking_up);
    peer = socket_accept(&loop, listener);
    loop_until(&loop, user.readies == 1);
    release(&user, true);
    close(peer);
}

static void leaving_during_a_look_up_is_allowed(void **state)
{
    struct user user;

    (void)state;
    (void)snprintf(replica->endpoint.host, sizeof(replica->endpoint.host),
                   "localhost");
    for (unsigned i = 0; i < 20; i++) {
        user_open(&user, true);
        assert_true(user.conn->is_looking_up);
        if (i % 2 == 0)
            loop_turn(&loop);
        release(&user, false);
    }
    loop_until(&loop, pool_is_empty(&pool));
}

/* A label of more than 63 characters: no resolver has to be asked. */
static void a_name_that_cannot_be_looked_up_is_told_as_such(void **state)
{
    struct user user;

    (void)state;
    memset(replica->endpoint.host, 'x', 70);
    replica->endpoint.host[70] = '\0';
    user_open(&user, true);
    loop_until(&loop, user.overs == 1);
    assert_int_equal(user.error, ERR_RESOLVE);
    assert_int_equal(user.readies, 0);
    user_fini(&user);
    loop_until(&loop, pool_is_empty(&pool));
}

static void a_dead_port_is_a_failure_to_connect(void **state)
{
    struct user user;

    (void)state;
    replica->endpoint.port = socket_dead_port();
    user_open(&user, true);
    loop_until(&loop, user.overs == 1);
    assert_int_equal(user.error, ERR_CONNECT);
    assert_has(str_of(user.detail), "refused");
    assert_int_equal(user.readies, 0);
    user_fini(&user);
    loop_until(&loop, pool_is_empty(&pool));
}

/* --- TLS
 * ------------------------------------------------------------------------ */

static struct certificate authority, certificate;
static SSL_CTX *shared;

static int tls_begin(void **state)
{
    char yaml[300];
    char path[64];

    (void)state;
    loop_open(&loop);
    listener = socket_listen(&port);
    authority = certificate_authority("Test Authority");
    certificate = certificate_for(&authority, "IP:127.0.0.1", -1, 1);
    shared = certificate_server(&certificate);
    certificate_save(&authority, path);
    (void)snprintf(yaml, sizeof(yaml),
                   "backends:\n  - {name: a, tier: local, url: "
                   "'https://127.0.0.1:%%u', ca_file: %s, models: [{name: "
                   "m}]}\n",
                   path);
    pool_open_for(yaml, port);
    unlink(path);
    return 0;
}

static int tls_finish(void **state)
{
    SSL_CTX_free(shared);
    certificate_free(&certificate);
    certificate_free(&authority);
    return try_finish(state);
}

/* Opens one with TLS and closes it in order; was the session resumed? */
static bool connect_with_tls(void)
{
    struct user user;
    SSL *ssl = SSL_new(shared);
    bool resumed;
    char bytes[16];
    size_t n = 0;
    int peer;

    user_open(&user, true);
    peer = socket_accept(&loop, listener);
    assert_int_equal(SSL_set_fd(ssl, peer), 1);
    SSL_set_accept_state(ssl);
    loop_be_patient(&loop);
    while (user.readies == 0 || !SSL_is_init_finished(ssl)) {
        assert_int_equal(user.overs, 0);
        (void)SSL_do_handshake(ssl);
        loop_turn(&loop);
    }
    resumed = SSL_session_reused(ssl) == 1;
    wire_write(&user.conn->wire, &STR("ask"), 1);
    loop_until(&loop, SSL_read_ex(ssl, bytes, sizeof(bytes), &n) == 1);
    assert_int_equal(n, 3);
    assert_int_equal(SSL_write_ex(ssl, "answer", 6, &n), 1);
    loop_until(&loop, user.got.len == 6);
    assert_str(buf_str(&user.got), "answer");
    release(&user, false);
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    close(peer);
    return resumed;
}

static void sessions_are_resumed(void **state)
{
    (void)state;
    assert_false(connect_with_tls());
    assert_true(connect_with_tls());
    assert_true(connect_with_tls());
}

static void a_server_that_is_not_trusted_is_told_as_such(void **state)
{
    struct certificate other = certificate_for(&authority, "DNS:b.test", -1, 1);
    SSL_CTX *wrong = certificate_server(&other);
    SSL *ssl = SSL_new(wrong);
    struct user user;
    int peer;

    (void)state;
    user_open(&user, true);
    peer = socket_accept(&loop, listener);
    assert_int_equal(SSL_set_fd(ssl, peer), 1);
    SSL_set_accept_state(ssl);
    loop_be_patient(&loop);
    while (user.overs == 0) {
        (void)SSL_do_handshake(ssl);
        loop_turn(&loop);
    }
    assert_int_equal(user.error, ERR_TLS);
    assert_has(str_of(user.detail), "mismatch");
    assert_int_equal(user.readies, 0);
    user_fini(&user);
    SSL_free(ssl);
    SSL_CTX_free(wrong);
    certificate_free(&other);
    close(peer);
}

#define with_tls(test) \
    cmocka_unit_test_setup_teardown(test, tls_begin, tls_finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(the_most_recent_one_serves_next),
        with_server(what_is_not_to_be_kept_is_closed),
        with_server(one_that_the_server_closes_while_it_waits_is_forgotten),
        with_server(bytes_that_nobody_asked_for_end_it),
        with_server(more_than_the_bound_are_not_kept),
        with_server(one_that_waits_too_long_is_closed),
        with_server(a_paused_one_is_kept_reading),
        with_server(the_end_is_told_to_its_user),
        with_server(a_forbidden_tier_gets_none),
        with_server(closing_the_pool_tells_those_who_use_it),
        with_server(a_name_is_looked_up_and_its_addresses_are_tried),
        with_server(leaving_during_a_look_up_is_allowed),
        with_server(a_name_that_cannot_be_looked_up_is_told_as_such),
        with_server(a_dead_port_is_a_failure_to_connect),
        with_tls(sessions_are_resumed),
        with_tls(a_server_that_is_not_trusted_is_told_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
