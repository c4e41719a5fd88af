/* One connection's bytes, in and out, on libuv; with TLS or without.
 *
 * A wire stands inside its owner's struct, which must live until on_closed.
 * All calls and callbacks belong to the thread of its loop.  After
 * wire_close() only on_closed is called.
 *
 * No callback comes from within a call: trouble with a write is told later.
 *
 * Reading uses one buffer per loop: bytes given to on_bytes are gone when it
 * returns.  Writing tries the socket first, at once or at the end of the
 * loop's turn (wire_loop_gather_open); what the peer does not take waits here,
 * and on_drain tells when all of it has left. */
#ifndef WEIR_WIRE_H
#define WEIR_WIRE_H

#include <uv.h>

#include "buf.h"
#include "list.h"
#include "str.h"
#include "tls.h"

enum {
    WIRE_READ_SIZE = 64 * 1024,
    WIRE_MAX_PIECES = 10,
    /* The hard bound on bytes that wait for one peer.  Owners stop their
     * source long before it. */
    WIRE_MAX_QUEUED = 1 << 30,
};

/* What the wires of one loop share; stands in uv_loop_t's `data`. */
struct wire_loop {
    char *read_buffer;
    char *plain_buffer; /* decrypted bytes */
    bool gathers;
    struct list unsent; /* wires with gathered bytes */
    uv_prepare_t before_poll;
    uv_check_t after_poll;
};

void wire_loop_init(uv_loop_t *loop, struct wire_loop *shared);
void wire_loop_fini(struct wire_loop *shared);

/* From now on what wire_write() is given leaves at the end of the loop's turn:
 * what one turn brings for a peer goes in one system call, and peers on this
 * machine are woken once for many writes and not for each.  The handles do not
 * keep the loop alive. */
void wire_loop_gather_open(uv_loop_t *loop);
/* Before uv_loop_close(); the handles are gone one turn later. */
void wire_loop_gather_close(uv_loop_t *loop);

struct wire;

struct wire_events {
    /* The connection stands, the TLS handshake is done.  May be NULL for
     * accepted wires. */
    void (*on_open)(struct wire *wire);
    void (*on_bytes)(struct wire *wire, struct str bytes);
    /* The connection stands, the TLS handshake begins.  NULL: nobody wants to
     * know.  It may not close the wire. */
    void (*on_handshake)(struct wire *wire);
    void (*on_drain)(struct wire *wire);
    /* The last bytes have come: the peer closed its side (why = 0; writing
     * may still work), or the connection broke or never stood (a UV_E… code,
     * or UV_EPROTO for TLS).  Called once at most; the owner still has to
     * close the wire. */
    void (*on_end)(struct wire *wire, int why);
    void (*on_closed)(struct wire *wire);
};

struct wire {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
    } uv;
    void *owner;
    const struct wire_events *events;
    struct tls *tls; /* owned; NULL for plain */
    union {
        uv_connect_t connect;
        uv_write_t write;
    } request;
    struct buf out;                   /* waits for the write under way */
    struct buf sending;               /* the write under way */
    struct str held[WIRE_MAX_PIECES]; /* wire_send's rest, borrowed */
    unsigned held_count;
    struct list unsent; /* in the loop's `unsent`: `out` leaves soon */
    bool is_writing;
    bool is_open;
    bool is_reading;
    bool wants_bytes; /* the owner has not paused it */
    bool has_ended;   /* nothing more will be read */
    bool is_broken;   /* nor written */
    bool is_closing;
};

/* Takes over a connected socket, of TCP or Unix, and begins to read; `tls` is
 * owned from now on, NULL for plain.  On failure the wire is closed, on_closed
 * included, and the error code is returned. */
MUST_USE int wire_adopt(struct wire *wire, uv_loop_t *loop, uv_os_sock_t fd,
                        struct tls *tls, const struct wire_events *events,
                        void *owner);

/* Begins to connect; `tls` is owned from now on, NULL for plain.  A failure
 * that the system reports at once (no descriptors, no such address family) is
 * returned, and the wire is closed then, on_closed included; every other one
 * comes through on_end. */
MUST_USE int wire_connect(struct wire *wire, uv_loop_t *loop,
                          const struct sockaddr *address, struct tls *tls,
                          const struct wire_events *events, void *owner);

/* Speaks TLS from now on, as the client, on a plain connection that stands
 * and has nothing queued; `tls` is owned.  on_open comes a second time. */
void wire_start_tls(struct wire *wire, struct tls *tls);

/* Sends the pieces; what does not leave at once is copied. */
void wire_write(struct wire *wire, const struct str pieces[], size_t count);
/* The same without copying: the bytes must stay until on_drain or
 * wire_close().  At most WIRE_MAX_PIECES, and only when nothing of the owner's
 * is queued.
 * Returns true when all of it has left already: then on_drain is not called
 * for it. */
bool wire_send(struct wire *wire, const struct str pieces[], size_t count);
/* Bytes that wait to leave. */
size_t wire_queued(const struct wire *wire);
/* The same, and those that the system holds because the peer has not taken
 * them: what gets smaller while a peer reads, however slowly. */
size_t wire_unread(const struct wire *wire);

/* Stops reading, so that the peer has to wait; and goes on. */
void wire_pause(struct wire *wire);
void wire_resume(struct wire *wire);

/* Closes; what is queued is lost.  May be repeated. */
void wire_close(struct wire *wire);
/* Closes so that the peer sees an error and not an end. */
void wire_reset(struct wire *wire);
/* No more bytes from us; reading goes on.  When nothing is queued only. */
void wire_shutdown(struct wire *wire);

#endif
