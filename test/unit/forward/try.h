/* One try at a small server that the test plays itself, on 127.0.0.1: what
 * the attempt told, and a pool to make it with. */
#ifndef WEIR_TRY_H
#define WEIR_TRY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../given.h"
#include "../loop.h"
#include "../testing.h"
#include "forward/attempt.h"

struct
try {
    struct attempt *attempt; /* NULL when it is over */
    unsigned heads, ends, fails;
    int status;
    struct buf fields; /* "name=value;" of the head */
    struct buf body;
    enum error error;
    char detail[128];
    bool closes_on_head, closes_on_body, pauses_on_body;
};

static struct loop loop;
static struct catalog *catalog;
static struct pool pool;
static struct replica *replica; /* the first one */
static int listener;
static unsigned port;

static void try_on_head(void *ctx, const struct answer_head *head)
{
    struct try *t = ctx;

    assert_non_null(t->attempt);
    assert_int_equal(t->heads + t->ends + t->fails, 0);
    t->heads++;
    t->status = head->status;
    for (unsigned i = 0; i < head->head->count; i++) {
        buf_put(&t->fields, head->head->fields[i].name);
        buf_put_char(&t->fields, '=');
        buf_put(&t->fields, head->head->fields[i].value);
        buf_put_char(&t->fields, ';');
    }
    if (t->closes_on_head) {
        attempt_close(t->attempt);
        t->attempt = NULL;
    }
}

static void try_on_body(void *ctx, struct str bytes)
{
    struct try *t = ctx;

    assert_non_null(t->attempt);
    assert_int_equal(t->heads, 1);
    assert_true(bytes.len > 0);
    buf_put(&t->body, bytes);
    if (t->pauses_on_body)
        attempt_pause(t->attempt);
    if (t->closes_on_body) {
        attempt_close(t->attempt);
        t->attempt = NULL;
    }
}

static void try_on_end(void *ctx)
{
    struct try *t = ctx;

    assert_non_null(t->attempt);
    assert_int_equal(t->heads, 1);
    t->attempt = NULL;
    t->ends++;
}

static void try_on_fail(void *ctx, enum error error, const char *detail)
{
    struct try *t = ctx;

    assert_non_null(t->attempt);
    t->attempt = NULL;
    t->fails++;
    t->error = error;
    (void)snprintf(t->detail, sizeof(t->detail), "%s",
                   detail == NULL ? "" : detail);
}

static const struct attempt_events try_events = {
    .on_head = try_on_head,
    .on_body = try_on_body,
    .on_end = try_on_end,
    .on_fail = try_on_fail,
};

static inline struct attempt_order order_of(const char *request)
{
    return (struct attempt_order){
        .replica = replica,
        .allowed = TIER_ANY,
        .pieces = {str_of(request)},
        .piece_count = 1,
        .connect_ms = 10000,
        .tls_ms = 10000,
        .first_byte_ms = 10000,
        .idle_ms = 10000,
    };
}

static void try_release(struct replica *place)
{
    atomic_fetch_sub(&place->in_flight, 1);
}

/* Takes a place for it, which must have come back in the end. */
static inline void try_order(struct try *t, const struct attempt_order *order)
{
    struct attempt_order placed = *order;

    placed.release = try_release;
    atomic_fetch_add(&order->replica->in_flight, 1);
    *t = (struct try){.error = OK};
    buf_init(&t->fields, 1 << 20);
    buf_init(&t->body, 64 << 20);
    t->attempt = attempt_open(&pool, &placed, &try_events, t);
}

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static inline void try_open(struct try *t)
{
    struct attempt_order order = order_of(REQUEST);

    try_order(t, &order);
    assert_non_null(t->attempt);
}

static inline void try_fini(struct try *t)
{
    if (t->attempt != NULL)
        attempt_close(t->attempt);
    buf_fini(&t->fields);
    buf_fini(&t->body);
}

static inline bool try_is_over(const struct try *t)
{
    return t->ends + t->fails > 0;
}

static inline void assert_ended(struct try *t, int status, const char *body)
{
    loop_until(&loop, try_is_over(t));
    if (t->fails > 0)
        print_error("failed: %d %s\n", (int)t->error, t->detail);
    assert_int_equal(t->ends, 1);
    assert_int_equal(t->status, status);
    assert_str(buf_str(&t->body), body);
}

static inline void assert_failed(struct try *t, enum error error)
{
    loop_until(&loop, try_is_over(t));
    assert_int_equal(t->fails, 1);
    assert_str(error_name(t->error), error_name(error).ptr);
}

/* Accepts the next connection and reads a request from it. */
static inline int serve(void)
{
    int peer = socket_accept(&loop, listener);
    struct buf got;

    buf_init(&got, 1 << 20);
    socket_read_until(&loop, peer, &got, "\r\n\r\n");
    buf_fini(&got);
    return peer;
}

static inline void serve_again(int peer)
{
    struct buf got;

    buf_init(&got, 1 << 20);
    socket_read_until(&loop, peer, &got, "\r\n\r\n");
    buf_fini(&got);
}

/* A pool for the backends of `yaml`, whose %u is the server's port. */
static inline void pool_open_for(const char *yaml, unsigned server_port)
{
    char text[1000];

    /* the format is a literal of the test's */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), yaml, server_port);
#pragma GCC diagnostic pop
    catalog = given_catalog(text);
    replica = &catalog->backends[0].replicas[0];
    pool_init(&pool, &loop.uv, &loop.deadlines, catalog);
}

static inline void pool_drop(void)
{
    pool_close(&pool);
    loop_until(&loop, pool_is_empty(&pool));
    pool_fini(&pool);
    for (unsigned i = 0; i < catalog->backend_count; i++)
        for (unsigned k = 0; k < catalog->backends[i].replica_count; k++)
            assert_int_equal(
                atomic_load(&catalog->backends[i].replicas[k].in_flight), 0);
    catalog_unref(catalog);
}

static inline int try_begin(void **state)
{
    (void)state;
    loop_open(&loop);
    listener = socket_listen(&port);
    pool_open_for("backends:\n  - {name: a, tier: local, url: "
                  "'http://127.0.0.1:%u', models: [{name: m}]}\n"
                  "timeouts: {pool_idle: 10s}\n",
                  port);
    return 0;
}

static inline int try_finish(void **state)
{
    (void)state;
    pool_drop();
    close(listener);
    loop_close(&loop);
    return 0;
}

#define with_server(test) \
    cmocka_unit_test_setup_teardown(test, try_begin, try_finish)

#endif
