/* forward/pool: what becomes of connections when the catalog changes. */
#include "inherit.h"
#include "try.h"

static unsigned overs;

static void on_nothing(void *ctx)
{
    (void)ctx;
}

static void on_bytes(void *ctx, struct str bytes)
{
    (void)ctx;
    (void)bytes;
}

static void on_over(void *ctx, enum error error, const char *detail)
{
    (void)ctx;
    (void)error;
    (void)detail;
    overs++;
}

static const struct conn_events events = {
    .on_ready = on_nothing,
    .on_bytes = on_bytes,
    .on_sent = on_nothing,
    .on_over = on_over,
};

static struct conn *connected(int *peer)
{
    struct conn *conn =
        pool_open(&pool, replica, TIER_LOCAL, true, &events, &overs);

    assert_non_null(conn);
    *peer = socket_accept(&loop, listener);
    loop_until(&loop, conn_is_ready(conn));
    return conn;
}

/* The pool serves the catalog of `yaml` from now on. */
static void follow(const char *name, unsigned server_port)
{
    char yaml[300];
    struct catalog *next;

    (void)snprintf(yaml, sizeof(yaml),
                   "backends:\n  - {name: z, tier: local, url: "
                   "'http://127.0.0.1:1', models: [{name: n}]}\n"
                   "  - {name: %s, tier: local, url: 'http://127.0.0.1:%u', "
                   "models: [{name: m}]}\n"
                   "timeouts: {pool_idle: 10s}\n",
                   name, server_port);
    next = given_catalog(yaml);
    pool_follow(&pool, next);
    catalog_unref(catalog);
    catalog = next;
    replica = &next->backends[1].replicas[0];
}

static void assert_closed(int peer)
{
    struct buf got;

    buf_init(&got, 1 << 20);
    socket_read_to_end(&loop, peer, &got);
    assert_int_equal(got.len, 0);
    buf_fini(&got);
    close(peer);
}

static void one_that_waits_serves_the_same_server_on(void **state)
{
    int peer;
    struct conn *conn = connected(&peer);

    (void)state;
    pool_release(conn, true);
    follow("a", port);
    assert_ptr_equal(conn->replica, replica);
    assert_int_equal(pool.shelves[replica->index].count, 1);
    assert_ptr_equal(
        pool_open(&pool, replica, TIER_LOCAL, false, &events, &overs), conn);
    pool_release(conn, false);
    assert_closed(peer);
}

static void one_that_waits_for_a_server_that_is_gone_is_closed(void **state)
{
    int peer;

    (void)state;
    pool_release(connected(&peer), true);
    follow("b", port);
    assert_closed(peer);
    loop_until(&loop, pool_is_empty(&pool));
}

static void one_in_use_is_kept_when_its_server_stays(void **state)
{
    int peer;
    struct conn *conn = connected(&peer);

    (void)state;
    overs = 0;
    follow("a", port);
    assert_int_equal(overs, 0);
    pool_release(conn, true);
    assert_int_equal(pool.shelves[replica->index].count, 1);
    close(peer);
}

static void
one_in_use_is_closed_at_its_end_when_its_server_is_gone(void **state)
{
    int peer;
    struct conn *conn = connected(&peer);

    (void)state;
    overs = 0;
    follow("a", socket_dead_port());
    assert_int_equal(overs, 0);
    assert_true(conn_is_ready(conn));
    pool_release(conn, true);
    assert_closed(peer);
    loop_until(&loop, pool_is_empty(&pool));
}

/* A request of before goes to the server that it knows; nobody else uses its
 * connection. */
static void a_replica_of_before_still_gets_connections(void **state)
{
    struct catalog *before = catalog_ref(catalog);
    struct replica *old = replica;
    struct conn *conn;
    int peer;

    (void)state;
    follow("b", port);
    conn = pool_open(&pool, old, TIER_LOCAL, false, &events, &overs);
    catalog_unref(before); /* the connection keeps it */
    peer = socket_accept(&loop, listener);
    loop_until(&loop, conn_is_ready(conn));
    pool_release(conn, true);
    assert_closed(peer);
    loop_until(&loop, pool_is_empty(&pool));
}

/* --- health -------------------------------------------------------------- */

static struct catalog *one_backend(const char *name, const char *more)
{
    char yaml[300];

    (void)snprintf(yaml, sizeof(yaml),
                   "backends:\n  - {name: %s, tier: local, url: "
                   "'http://127.0.0.1:1', models: [{name: n}]%s}\n",
                   name, more);
    return given_catalog(yaml);
}

static int inherited(const char *name, const char *more)
{
    struct catalog *from = one_backend("a", "");
    struct catalog *to = one_backend(name, more);
    int state;

    atomic_store(&from->backends[0].replicas[0].state, HEALTH_COLD);
    inherit_health(to, from);
    state = atomic_load(&to->backends[0].replicas[0].state);
    catalog_unref(from);
    catalog_unref(to);
    return state;
}

static void health_goes_to_the_same_server(void **state)
{
    (void)state;
    assert_int_equal(inherited("a", ""), HEALTH_COLD);
    assert_int_equal(inherited("a", ", default_model: n"), HEALTH_COLD);
    assert_int_equal(inherited("b", ""), HEALTH_UNKNOWN);
}

static void a_cold_one_without_a_probe_begins_anew(void **state)
{
    (void)state;
    assert_int_equal(inherited("a", ", health_path: none"), HEALTH_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(one_that_waits_serves_the_same_server_on),
        with_server(one_that_waits_for_a_server_that_is_gone_is_closed),
        with_server(one_in_use_is_kept_when_its_server_stays),
        with_server(one_in_use_is_closed_at_its_end_when_its_server_is_gone),
        with_server(a_replica_of_before_still_gets_connections),
        cmocka_unit_test(health_goes_to_the_same_server),
        cmocka_unit_test(a_cold_one_without_a_probe_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
