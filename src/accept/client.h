/* A caller's connection: HTTP/1.1 in and out, one request at a time.
 *
 * The parser is strict: what two readers could take for two different
 * messages is refused, and the connection closed (RFC 9112, 11.2).  While an
 * answer is under way reading goes on, so that the caller's leaving is seen;
 * what comes meanwhile (pipelining) waits, and above 64 KB it waits in the
 * kernel.  A caller that closes its sending side counts as gone, and so does
 * one that takes nothing of its answer for too long. */
#ifndef WEIR_CLIENT_H
#define WEIR_CLIENT_H

#include <stdatomic.h>

#include "deadline.h"
#include "error.h"
#include "list.h"
#include "request.h"
#include "wire.h"

struct accept_limits {
    size_t max_body_bytes;
    uint64_t head_ms; /* from the first byte to the end of the head */
    uint64_t body_ms; /* between two pieces of the body */
    uint64_t idle_ms; /* between two requests */
    /* How long the caller may take nothing of an answer that waits for him;
     * then he has left. */
    uint64_t write_ms;
    /* Bytes of bodies and trees that may be held at the same time, by all
     * loops together. */
    size_t memory_budget;
    _Atomic size_t *memory_used;
};

struct accept_handler {
    /* The head is complete, the body not yet read.  OK, or why not. */
    enum error (*on_head)(void *ctx, struct request *request);
    /* The request is complete: answer it. */
    void (*on_request)(void *ctx, struct request *request);
    /* It cannot be read, or on_head said no: answer that.  `detail` is a
     * static sentence or NULL. */
    void (*on_refused)(void *ctx, struct request *request, enum error error,
                       const char *detail);
    /* All that was written has left. */
    void (*on_drain)(void *ctx, struct request *request);
    /* The caller left before the answer was finished. */
    void (*on_gone)(void *ctx, struct request *request);
    void *ctx;
};

/* The door of one loop. */
struct door {
    uv_loop_t *loop;
    struct deadlines *deadlines;
    const struct accept_handler *handler;
    struct accept_limits limits;
    struct list clients;
    _Atomic unsigned client_count; /* read by the listener's thread */
    bool is_closing; /* no more requests: connections close when idle */
};

void door_init(struct door *door, uv_loop_t *loop, struct deadlines *deadlines,
               const struct accept_handler *handler,
               const struct accept_limits *limits);
/* Other limits, from the next request of each connection on. */
void door_set_limits(struct door *door, const struct accept_limits *limits);
/* Tells one for whom there is no room, and closes; from any thread. */
void door_refuse(uv_os_sock_t fd);
/* A caller is on his way here, and counts from now on; from any thread.  Who
 * looks at the count before he lets in the next one sees each of them once. */
void door_expect(struct door *door);
/* Takes over the connected socket of one that is expected; `tls` too, which is
 * NULL for plain.  The handshake and the head of the first request share one
 * deadline. */
void door_admit(struct door *door, uv_os_sock_t fd, struct tls *tls);
/* Every answer is the last one on its connection from now on. */
void door_drain(struct door *door);
/* Closes the idle connections now and the others after their answer. */
void door_close_idle(struct door *door);
/* Cuts all connections; on_gone comes for the requests under way. */
void door_cut(struct door *door);

#endif
