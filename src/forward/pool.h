/* Connections to the backends' servers, of one loop: those in use and those
 * that wait, alive, for the next request.
 *
 * Every way to a server leads through pool_open(), and there the policy is
 * checked once more: a request that is pinned to a tier never gets a
 * connection of the other, whatever went wrong before. */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <llhttp.h>

#include "catalog.h"
#include "deadline.h"
#include "error.h"
#include "head.h"
#include "list.h"
#include "wire.h"

struct pool;
struct conn;

/* What happens on a connection, for the attempt that uses it. */
struct conn_events {
    /* It stands: send. */
    void (*on_ready)(void *user);
    /* Before that: the server is reached, the TLS handshake begins.  NULL:
     * nobody wants to know. */
    void (*on_handshake)(void *user);
    void (*on_bytes)(void *user, struct str bytes);
    /* What was sent has left. */
    void (*on_sent)(void *user);
    /* It is over: OK when the server closed it in order.  The connection has
     * gone from the user's hands. */
    void (*on_over)(void *user, enum error error, const char *detail);
};

struct conn {
    struct wire wire;
    struct list link; /* in the pool's list of its replica */
    struct pool *pool;
    struct replica *replica;  /* its catalog is counted for us */
    struct deadline deadline; /* while idle */
    const struct conn_events *events;
    void *user; /* NULL: idle, or on its way out */
    uv_getaddrinfo_t lookup;
    struct addrinfo *addresses, *next_address;
    unsigned addresses_left; /* with the one that is tried */
    struct deadline address; /* for the one that is tried */
    uint64_t connect_ms;     /* for all of them; 0 = for ever */
    uint64_t began_ms;
    struct buf tunnel; /* what the proxy has answered; see is_tunneling */
    int why_not; /* the last address failed at once with this code, or 0 */
    bool is_looking_up;
    bool is_wire_open; /* the wire's handle exists */
    bool is_tunneling; /* the wire leads to a proxy, and no further yet */
    bool is_leaving;
    bool was_used; /* it has served a request before */
};

struct pool_shelf {
    struct replica *replica;
    struct list idle; /* most recently used first */
    unsigned count;
    SSL_SESSION *session; /* to resume, or NULL */
};

struct pool {
    uv_loop_t *loop;
    struct deadlines *deadlines;
    struct catalog *catalog;    /* one reference */
    struct pool_shelf *shelves; /* one for each replica of the catalog */
    unsigned shelf_count;
    unsigned max_idle;
    uint64_t idle_ms;
    struct list used;
    unsigned open_count; /* connections whose memory still lives */
};

void pool_init(struct pool *pool, uv_loop_t *loop, struct deadlines *deadlines,
               struct catalog *catalog);
/* Serves another catalog from now on.  Connections to servers that it has,
 * too, stay; idle ones to others are closed, and those in use are when their
 * use ends. */
void pool_follow(struct pool *pool, struct catalog *catalog);
/* Closes all connections.  The loop must run until pool_is_empty(), then
 * pool_fini(). */
void pool_close(struct pool *pool);
bool pool_is_empty(const struct pool *pool);
void pool_fini(struct pool *pool);

/* A connection to the replica for a request that may go to the `allowed`
 * tiers: a waiting one unless `fresh`, else a new one.  A waiting one stands
 * (conn_is_ready); for a new one on_ready or on_over comes later.  NULL when
 * the tier is forbidden. */
struct conn *pool_open(struct pool *pool, struct replica *replica,
                       enum tier allowed, bool fresh,
                       const struct conn_events *events, void *user);
/* How long its user will wait for a new connection: each address of the host
 * gets its share of it, so that one that hangs leaves time for the others. */
static inline void conn_expect(struct conn *conn, uint64_t connect_ms)
{
    conn->connect_ms = connect_ms;
}
static inline bool conn_is_ready(const struct conn *conn)
{
    return conn->wire.is_open && !conn->is_tunneling;
}

/* Ends the use: the connection waits for the next one, or is closed. */
void pool_release(struct conn *conn, bool keep);

#endif
