#include "pool_private.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "tunnel.h"

static void try_next_address(struct conn *conn);

/* Where connections to the replica wait; NULL when the pool serves another
 * catalog meanwhile. */
static struct pool_shelf *shelf_of(const struct pool *pool,
                                   const struct replica *replica)
{
    struct pool_shelf *shelf = replica->index < pool->shelf_count
                                   ? &pool->shelves[replica->index]
                                   : NULL;

    return shelf != NULL && shelf->replica == replica ? shelf : NULL;
}

/* --- the end of a connection -------------------------------------------- */

static void free_if_done(struct conn *conn)
{
    if (conn->is_wire_open || conn->is_looking_up)
        return;
    if (conn->addresses != NULL)
        uv_freeaddrinfo(conn->addresses);
    list_remove(&conn->link);
    conn->pool->open_count--;
    catalog_unref(conn->replica->backend->catalog);
    buf_fini(&conn->tunnel);
    free(conn);
}

static void leave_shelf(struct conn *conn)
{
    list_remove(&conn->link);
    deadline_clear(&conn->deadline);
    deadline_clear(&conn->address);
}

static void leave(struct conn *conn)
{
    if (conn->is_leaving)
        return;
    conn->is_leaving = true;
    conn->user = NULL;
    leave_shelf(conn);
    if (conn->is_looking_up)
        (void)uv_cancel((uv_req_t *)&conn->lookup);
    if (conn->is_wire_open)
        wire_close(&conn->wire);
    /* else the look-up's callback, or whoever called us, frees it */
}

/* Tells the user that it is over; the connection is on its way out. */
static void fail(struct conn *conn, enum error error, const char *detail)
{
    /* The analyzer does not see that pool_close() takes each connection off
     * the list that it loops over. */
    void *user = conn->user; /* NOLINT(clang-analyzer-unix.Malloc) */
    const struct conn_events *events = conn->events;

    struct pool_shelf *shelf = shelf_of(conn->pool, conn->replica);

    if (user == NULL && !conn->is_leaving && shelf != NULL)
        shelf->count--;
    leave(conn);
    if (user != NULL)
        events->on_over(user, error, detail);
}

/* --- the wire's events -------------------------------------------------- */

/* Who cannot be reached: the proxy, if there is one. */
static void fail_to_reach(struct conn *conn, enum error error, const char *why)
{
    const struct proxy *proxy = conn->replica->proxy;
    char detail[ENDPOINT_HOST_MAX + TUNNEL_WHY_MAX + 32];

    if (proxy == NULL) {
        fail(conn, error, why);
        return;
    }
    (void)snprintf(detail, sizeof(detail), "proxy %s:%u: %s", proxy->host,
                   proxy->port, why);
    fail(conn, error == ERR_NO_DESCRIPTORS ? error : ERR_PROXY, detail);
}

/* --- the way through a proxy ---------------------------------------------- */

static void ask_proxy(struct conn *conn)
{
    struct buf question;
    struct str piece;

    buf_init(&question, TUNNEL_ANSWER_MAX);
    tunnel_ask(conn->replica->proxy, &conn->replica->endpoint, &question);
    piece = buf_str(&question);
    wire_write(&conn->wire, &piece, 1);
    buf_fini(&question);
}

static struct tls *tls_for(const struct conn *conn)
{
    const struct replica *replica = conn->replica;
    const struct pool_shelf *shelf = shelf_of(conn->pool, replica);

    return tls_client_new(replica->backend->tls, replica->endpoint.host,
                          shelf == NULL ? NULL : shelf->session);
}

/* The address has been reached: what comes has a deadline of its own. */
static void tell_handshake(struct conn *conn)
{
    deadline_clear(&conn->address);
    if (conn->user != NULL && conn->events->on_handshake != NULL)
        conn->events->on_handshake(conn->user);
}

static void hear_proxy(struct conn *conn, struct str bytes)
{
    char why[TUNNEL_WHY_MAX] = "it answered before it was asked";

    buf_put(&conn->tunnel, bytes);
    switch (tunnel_hear(buf_str(&conn->tunnel), why)) {
    case TUNNEL_WAITS:
        return;
    case TUNNEL_OPEN:
        if (wire_queued(&conn->wire) > 0)
            break;
        buf_fini(&conn->tunnel);
        conn->is_tunneling = false;
        if (conn->replica->endpoint.is_tls) {
            tell_handshake(conn);
            wire_start_tls(&conn->wire, tls_for(conn));
        } else {
            conn->events->on_ready(conn->user);
        }
        return;
    case TUNNEL_REFUSED:
        break;
    }
    fail_to_reach(conn, ERR_PROXY, why);
}

/* --- the wire's events -------------------------------------------------- */

static void on_wire_open(struct wire *wire)
{
    struct conn *conn = wire->owner;

    if (conn->is_tunneling) {
        ask_proxy(conn);
        return;
    }
    deadline_clear(&conn->address);
    if (conn->user != NULL)
        conn->events->on_ready(conn->user);
}

static void on_wire_handshake(struct wire *wire)
{
    tell_handshake(wire->owner);
}

static void on_wire_bytes(struct wire *wire, struct str bytes)
{
    struct conn *conn = wire->owner;

    if (conn->is_tunneling)
        hear_proxy(conn, bytes);
    else if (conn->user != NULL)
        conn->events->on_bytes(conn->user, bytes);
    else
        fail(conn, OK, NULL); /* nobody has asked: a broken server */
}

static void on_wire_drain(struct wire *wire)
{
    struct conn *conn = wire->owner;

    if (conn->user != NULL && conn_is_ready(conn))
        conn->events->on_sent(conn->user);
}

static void on_wire_end(struct wire *wire, int why)
{
    struct conn *conn = wire->owner;

    if (!wire->is_open) {
        if (wire->tls != NULL && why == UV_EPROTO) {
            fail(conn, ERR_TLS, tls_why(wire->tls));
            return;
        }
        if (conn->next_address != NULL) {
            wire_close(wire); /* on_closed tries the next one */
            return;
        }
        fail_to_reach(conn, ERR_CONNECT,
                      uv_strerror(why == 0 ? UV_ECONNRESET : why));
        return;
    }
    if (conn->is_tunneling) {
        fail_to_reach(conn, ERR_PROXY, "it closed the connection");
        return;
    }
    fail(conn, why == 0 ? OK : ERR_CLOSED, why == 0 ? NULL : uv_strerror(why));
}

static void on_wire_closed(struct wire *wire)
{
    struct conn *conn = wire->owner;

    conn->is_wire_open = false;
    if (conn->is_leaving)
        free_if_done(conn);
    else
        try_next_address(conn);
}

static const struct wire_events wire_events = {
    .on_open = on_wire_open,
    .on_handshake = on_wire_handshake,
    .on_bytes = on_wire_bytes,
    .on_drain = on_wire_drain,
    .on_end = on_wire_end,
    .on_closed = on_wire_closed,
};

/* --- the beginning of a connection -------------------------------------- */

static void connect_to(struct conn *conn, const struct sockaddr *address)
{
    struct tls *tls = NULL;

    conn->is_tunneling = conn->replica->proxy != NULL;
    buf_clear(&conn->tunnel);
    if (conn->replica->endpoint.is_tls && !conn->is_tunneling)
        tls = tls_for(conn);
    conn->is_wire_open = true;
    conn->why_not = wire_connect(&conn->wire, conn->pool->loop, address, tls,
                                 &wire_events, conn);
    /* if it failed the wire closes, and on_closed tries the next address */
}

/* Is it our own poverty, and not the server? */
static bool is_ours(int why)
{
    return why == UV_EMFILE || why == UV_ENFILE || why == UV_ENOBUFS ||
           why == UV_ENOMEM || why == UV_EADDRNOTAVAIL;
}

/* RFC 8305 has several addresses tried at the same time; here one that hangs
 * is left for the next one when its part of the time is over. */
static void share_time(struct conn *conn)
{
    uint64_t spent = uv_now(conn->pool->loop) - conn->began_ms;

    if (conn->addresses_left > 1 && conn->connect_ms > spent)
        deadline_set(conn->pool->deadlines, &conn->address,
                     (conn->connect_ms - spent) / conn->addresses_left);
    else
        deadline_clear(&conn->address);
    conn->addresses_left--;
}

static void on_address_due(struct deadline *deadline)
{
    struct conn *conn = list_entry(deadline, struct conn, address);

    if (conn->is_wire_open && conn->next_address != NULL)
        wire_close(&conn->wire); /* on_closed tries the next one */
}

static void try_next_address(struct conn *conn)
{
    struct addrinfo *address = conn->next_address;

    if (address == NULL) {
        fail_to_reach(conn,
                      is_ours(conn->why_not) ? ERR_NO_DESCRIPTORS : ERR_CONNECT,
                      conn->why_not != 0 ? uv_strerror(conn->why_not)
                                         : "no address accepts the connection");
        free_if_done(conn);
        return;
    }
    conn->next_address = address->ai_next;
    share_time(conn);
    connect_to(conn, address->ai_addr);
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status,
                         struct addrinfo *found)
{
    struct conn *conn = lookup->data;

    conn->is_looking_up = false;
    conn->addresses = found;
    if (conn->is_leaving) {
        free_if_done(conn);
        return;
    }
    if (status != 0 || found == NULL) {
        fail_to_reach(conn, ERR_RESOLVE, uv_strerror(status));
        free_if_done(conn);
        return;
    }
    conn->next_address = found;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next)
        conn->addresses_left++;
    try_next_address(conn);
}

static bool is_number(const char *host, unsigned port,
                      struct sockaddr_storage *out)
{
    return uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out) == 0;
}

static void begin(struct conn *conn)
{
    const struct endpoint *endpoint = &conn->replica->endpoint;
    const struct proxy *proxy = conn->replica->proxy;
    const char *host = proxy == NULL ? endpoint->host : proxy->host;
    unsigned number = proxy == NULL ? endpoint->port : proxy->port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV};
    struct sockaddr_storage address;
    char port[8];

    if (is_number(host, number, &address)) {
        connect_to(conn, (const struct sockaddr *)&address);
        return;
    }
    (void)snprintf(port, sizeof(port), "%u", number % 65536);
    conn->lookup.data = conn;
    conn->is_looking_up = true;
    check(uv_getaddrinfo(conn->pool->loop, &conn->lookup, on_looked_up, host,
                         port, &hints) == 0);
}

static void on_idle_too_long(struct deadline *deadline)
{
    fail(list_entry(deadline, struct conn, deadline), OK, NULL);
}

static struct conn *take_idle(struct pool *pool, struct replica *replica)
{
    struct pool_shelf *shelf = shelf_of(pool, replica);
    struct conn *conn;

    if (shelf == NULL || list_empty(&shelf->idle))
        return NULL;
    conn = list_entry(shelf->idle.next, struct conn, link);
    leave_shelf(conn);
    shelf->count--;
    list_push_back(&pool->used, &conn->link);
    return conn;
}

struct conn *pool_open(struct pool *pool, struct replica *replica,
                       enum tier allowed, bool fresh,
                       const struct conn_events *events, void *user)
{
    struct conn *conn;

    if ((replica->backend->tier & allowed) == 0)
        return NULL;
    conn = fresh ? NULL : take_idle(pool, replica);
    if (conn != NULL) {
        conn->events = events;
        conn->user = user;
        return conn;
    }
    conn = must_calloc(1, sizeof(*conn));
    conn->pool = pool;
    conn->replica = replica;
    (void)catalog_ref(replica->backend->catalog);
    conn->events = events;
    conn->user = user;
    deadline_init(&conn->deadline, on_idle_too_long);
    deadline_init(&conn->address, on_address_due);
    buf_init(&conn->tunnel, TUNNEL_ANSWER_MAX + WIRE_READ_SIZE);
    conn->began_ms = uv_now(pool->loop);
    list_init(&conn->link);
    list_push_back(&pool->used, &conn->link);
    pool->open_count++;
    begin(conn);
    return conn;
}

static void keep_session(struct conn *conn, struct pool_shelf *shelf)
{
    SSL_SESSION *session;

    if (conn->wire.tls == NULL)
        return;
    session = tls_take_session(conn->wire.tls);
    if (session == NULL)
        return;
    SSL_SESSION_free(shelf->session);
    shelf->session = session;
}

void pool_release(struct conn *conn, bool keep)
{
    struct pool *pool = conn->pool;
    struct pool_shelf *shelf = shelf_of(pool, conn->replica);

    conn->user = NULL;
    if (shelf != NULL)
        keep_session(conn, shelf);
    if (!keep || shelf == NULL || shelf->count >= pool->max_idle ||
        conn->wire.has_ended || wire_queued(&conn->wire) > 0) {
        leave(conn);
        free_if_done(conn);
        return;
    }
    conn->was_used = true;
    list_remove(&conn->link);
    list_push_front(&shelf->idle, &conn->link);
    shelf->count++;
    /* keep reading: a close by the server is noticed at once */
    wire_resume(&conn->wire);
    deadline_set(pool->deadlines, &conn->deadline, pool->idle_ms);
}

/* --- the pool as a whole ------------------------------------------------ */

void pool_serve_catalog(struct pool *pool, struct catalog *catalog)
{
    pool->catalog = catalog_ref(catalog);
    pool->max_idle = catalog->settings.pool_size;
    pool->idle_ms = catalog->settings.pool_idle_ms;
    pool->shelf_count = catalog->replica_count;
    pool->shelves =
        must_calloc(catalog->replica_count + 1, sizeof(*pool->shelves));
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++) {
            struct replica *replica = &backend->replicas[k];

            pool->shelves[replica->index].replica = replica;
            list_init(&pool->shelves[replica->index].idle);
        }
    }
}

void pool_init(struct pool *pool, uv_loop_t *loop, struct deadlines *deadlines,
               struct catalog *catalog)
{
    *pool = (struct pool){.loop = loop, .deadlines = deadlines};
    list_init(&pool->used);
    pool_serve_catalog(pool, catalog);
}

void pool_close_shelf(struct pool_shelf *shelf)
{
    while (!list_empty(&shelf->idle))
        fail(list_entry(shelf->idle.next, struct conn, link), OK, NULL);
}

void pool_close(struct pool *pool)
{
    pool->max_idle = 0;
    for (unsigned i = 0; i < pool->shelf_count; i++)
        pool_close_shelf(&pool->shelves[i]);
    while (!list_empty(&pool->used)) {
        struct conn *conn = list_entry(pool->used.next, struct conn, link);

        fail(conn, ERR_SHUTTING_DOWN, NULL);
        free_if_done(conn);
    }
}

bool pool_is_empty(const struct pool *pool)
{
    return pool->open_count == 0;
}

void pool_fini(struct pool *pool)
{
    check(pool_is_empty(pool));
    for (unsigned i = 0; i < pool->shelf_count; i++)
        SSL_SESSION_free(pool->shelves[i].session);
    free(pool->shelves);
    catalog_unref(pool->catalog);
}
