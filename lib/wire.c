/* OVERALL DESIGN
 *
 * wire_write ─┬─ plain ─▶ send_now ── rest ─▶ out ─▶ sending ─▶ uv_write
 *             │           (where the loop gathers: ─▶ out, and at the end of
 *             │           its turn the same way)
 *             └─ TLS ───▶ tls_write ─▶ records, which take the same way
 * wire_send  ─┬─ plain ─▶ send_now ── rest ─▶ held ─▶ uv_write (borrowed)
 *             └─ TLS ───▶ 16 KB slices of held while the queue is short
 *
 * One uv_write is under way at most.  When it is done the next of out or held
 * follows; when nothing is left, on_drain.
 *
 * uv_read ─▶ read_buffer ─┬─ plain ─▶ on_bytes
 *                         └─ TLS ───▶ tls_feed ─▶ plain_buffer ─▶ on_bytes
 */
#include "wire.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "check.h"

enum {
    TLS_SLICE = 16 * 1024,
    TLS_AHEAD = 128 * 1024, /* encrypted bytes that may wait */
    KEEP_BYTES = 1024,      /* a larger empty buffer is given back */
    GATHER_MAX = 16 * 1024, /* more than that is not copied, but sent */
};

static void pump(struct wire *wire);
static void gather(struct wire *wire, const struct str pieces[], size_t count);
static void send_gathered(struct wire *wire);

void wire_loop_init(uv_loop_t *loop, struct wire_loop *shared)
{
    shared->read_buffer = must_alloc(WIRE_READ_SIZE);
    shared->plain_buffer = must_alloc(WIRE_READ_SIZE);
    shared->gathers = false;
    list_init(&shared->unsent);
    loop->data = shared;
}

void wire_loop_fini(struct wire_loop *shared)
{
    free(shared->read_buffer);
    free(shared->plain_buffer);
}

static struct wire_loop *loop_of(struct wire *wire)
{
    return wire->uv.handle.loop->data;
}

static void end(struct wire *wire, int why)
{
    if (why != 0)
        wire->is_broken = true;
    if (wire->has_ended || wire->is_closing)
        return;
    wire->has_ended = true;
    if (wire->is_reading) {
        uv_read_stop(&wire->uv.stream);
        wire->is_reading = false;
    }
    wire->events->on_end(wire, why);
}

/* Nothing can be written any more.  The owner hears of it through the reading
 * side, and not from within the call that met the trouble. */
static void give_up(struct wire *wire)
{
    uv_os_fd_t fd;

    wire->is_broken = true;
    if (uv_fileno(&wire->uv.handle, &fd) == 0)
        (void)shutdown(fd, SHUT_RDWR);
}

/* --- in ----------------------------------------------------------------- */

/* Sends what TLS has to say. */
static void flush_records(struct wire *wire)
{
    struct str raw = tls_pending(wire->tls);

    if (raw.len == 0)
        return;
    buf_put(&wire->out, raw);
    tls_sent(wire->tls);
    pump(wire);
}

static void decrypt(struct wire *wire, struct str raw)
{
    char *plain = loop_of(wire)->plain_buffer;

    tls_feed(wire->tls, raw);
    if (!wire->tls->is_ready) {
        enum tls_status status = tls_handshake(wire->tls);

        flush_records(wire);
        if (wire->is_closing || wire->has_ended)
            return;
        if (status == TLS_BROKEN || status == TLS_CLOSED) {
            end(wire, UV_EPROTO);
            return;
        }
        if (status == TLS_WAIT)
            return;
        wire->is_open = true;
        if (wire->events->on_open != NULL)
            wire->events->on_open(wire);
    }
    while (!wire->is_closing && !wire->has_ended) {
        size_t len = 0;
        enum tls_status status =
            tls_read(wire->tls, plain, WIRE_READ_SIZE, &len);

        if (status == TLS_OK) {
            wire->events->on_bytes(wire, (struct str){plain, len});
            continue;
        }
        if (status == TLS_CLOSED)
            end(wire, 0);
        else if (status == TLS_BROKEN)
            end(wire, UV_EPROTO);
        break;
    }
    /* key updates and the like */
    if (!wire->is_closing && !wire->has_ended)
        flush_records(wire);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct wire_loop *shared = handle->loop->data;

    (void)suggested;
    *out = uv_buf_init(shared->read_buffer, WIRE_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct wire *wire = stream->data;

    if (wire->is_closing || n == 0)
        return;
    if (n < 0) {
        /* TLS promises a goodbye before the end: without one somebody on the
         * way may have cut the line. */
        if (n == UV_EOF)
            n = wire->tls == NULL && !wire->is_broken ? 0 : UV_ECONNRESET;
        end(wire, (int)n);
        return;
    }
    if (wire->tls != NULL)
        decrypt(wire, (struct str){buffer->base, (size_t)n});
    else
        wire->events->on_bytes(wire, (struct str){buffer->base, (size_t)n});
}

static void read_as_wanted(struct wire *wire)
{
    bool want = wire->wants_bytes && !wire->has_ended && !wire->is_closing;

    if (want == wire->is_reading)
        return;
    if (want) {
        check(uv_read_start(&wire->uv.stream, on_alloc, on_read) == 0);
    } else {
        uv_read_stop(&wire->uv.stream);
    }
    wire->is_reading = want;
}

void wire_pause(struct wire *wire)
{
    wire->wants_bytes = false;
    if (wire->is_open)
        read_as_wanted(wire);
}

void wire_resume(struct wire *wire)
{
    wire->wants_bytes = true;
    if (wire->is_open)
        read_as_wanted(wire);
}

/* --- out ---------------------------------------------------------------- */

static unsigned as_bufs(const struct str pieces[], size_t count,
                        uv_buf_t bufs[])
{
    unsigned n = 0;

    check(count <= WIRE_MAX_PIECES);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len == 0)
            continue;
        /* libuv's buffers are not const, yet it only reads them */
        memcpy(&bufs[n].base, &pieces[i].ptr, sizeof(char *));
        bufs[n++].len = pieces[i].len;
    }
    return n;
}

/* What is left of the pieces after the first `done` bytes. */
static unsigned skip(const struct str pieces[], size_t count, size_t done,
                     struct str rest[WIRE_MAX_PIECES])
{
    unsigned n = 0;

    for (size_t i = 0; i < count; i++) {
        if (done >= pieces[i].len) {
            done -= pieces[i].len;
            continue;
        }
        rest[n++] = str_slice(pieces[i], done, pieces[i].len);
        done = 0;
    }
    return n;
}

/* What the socket takes at once, below 0 when nothing.  uv_try_write() does
 * the same by way of the file system's calls, which cost more.  An error comes
 * again, and is told, when uv_write() meets it. */
static ssize_t send_now(struct wire *wire, uv_buf_t bufs[], unsigned count)
{
    /* libuv's buffers are the system's (uv_buf_t, in its manual) */
    struct msghdr message = {.msg_iov = (struct iovec *)bufs,
                             .msg_iovlen = count};
    uv_os_fd_t fd;

    if (count == 0 || uv_fileno(&wire->uv.handle, &fd) != 0)
        return -1;
    if (count == 1)
        return send(fd, bufs[0].base, bufs[0].len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_written(uv_write_t *request, int status)
{
    struct wire *wire = request->data;

    wire->is_writing = false;
    if (wire->sending.cap > KEEP_BYTES)
        buf_fini(&wire->sending);
    buf_clear(&wire->sending);
    if (wire->is_closing)
        return;
    if (wire->tls == NULL)
        wire->held_count = 0;
    if (status < 0) {
        end(wire, status);
        return;
    }
    pump(wire);
    if (!wire->is_closing && !wire->is_broken && !wire->is_writing)
        wire->events->on_drain(wire);
}

static void write_async(struct wire *wire, const struct str pieces[],
                        size_t count)
{
    uv_buf_t bufs[WIRE_MAX_PIECES];
    unsigned n = as_bufs(pieces, count, bufs);
    int err;

    wire->request.write.data = wire;
    err = uv_write(&wire->request.write, &wire->uv.stream, bufs, n, on_written);
    if (err != 0)
        give_up(wire);
    else
        wire->is_writing = true;
}

static void write_out(struct wire *wire)
{
    struct buf swap = wire->sending;
    struct str piece;
    uv_buf_t whole;
    ssize_t n;

    whole = uv_buf_init(wire->out.ptr, (unsigned)wire->out.len);
    n = send_now(wire, &whole, 1);
    if (n > 0)
        buf_consume(&wire->out, (size_t)n);
    if (wire->out.len == 0) {
        if (wire->out.cap > KEEP_BYTES)
            buf_fini(&wire->out);
        return;
    }
    wire->sending = wire->out;
    wire->out = swap;
    buf_clear(&wire->out);
    piece = buf_str(&wire->sending);
    write_async(wire, &piece, 1);
}

/* Encrypts held plain bytes while the peer keeps up. */
static void encrypt_held(struct wire *wire)
{
    while (wire->held_count > 0 && wire->out.len < TLS_AHEAD) {
        struct str slice = str_slice(wire->held[0], 0, TLS_SLICE);
        struct str rest[WIRE_MAX_PIECES];
        struct str raw;

        if (tls_write(wire->tls, slice) != TLS_OK) {
            give_up(wire);
            return;
        }
        raw = tls_pending(wire->tls);
        buf_put(&wire->out, raw);
        tls_sent(wire->tls);
        wire->held_count = skip(wire->held, wire->held_count, slice.len, rest);
        memcpy(wire->held, rest, wire->held_count * sizeof(rest[0]));
    }
}

/* Starts the next write, if none is under way and something waits. */
static void pump(struct wire *wire)
{
    while (!wire->is_writing && !wire->is_broken && !wire->is_closing) {
        if (buf_failed(&wire->out)) {
            give_up(wire);
            return;
        }
        if (wire->tls != NULL)
            encrypt_held(wire);
        if (wire->out.len == 0 || wire->is_broken)
            return;
        write_out(wire);
    }
}

static size_t total(const struct str pieces[], size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += pieces[i].len;
    return n;
}

void wire_write(struct wire *wire, const struct str pieces[], size_t count)
{
    struct str rest[WIRE_MAX_PIECES];
    unsigned left = (unsigned)count;

    if (wire->is_closing || wire->is_broken)
        return;
    check(count <= WIRE_MAX_PIECES && wire->held_count == 0);
    if (wire->tls != NULL) {
        for (size_t i = 0; i < count; i++) {
            if (tls_write(wire->tls, pieces[i]) != TLS_OK) {
                give_up(wire);
                return;
            }
        }
        flush_records(wire);
        return;
    }
    if (loop_of(wire)->gathers && !wire->is_writing &&
        wire->out.len + total(pieces, count) <= GATHER_MAX) {
        gather(wire, pieces, count);
        return;
    }
    memcpy(rest, pieces, count * sizeof(rest[0]));
    if (!wire->is_writing && wire->out.len == 0) {
        uv_buf_t bufs[WIRE_MAX_PIECES];
        unsigned n = as_bufs(pieces, count, bufs);
        ssize_t sent = send_now(wire, bufs, n);

        left = skip(pieces, count, sent > 0 ? (size_t)sent : 0, rest);
    }
    for (unsigned i = 0; i < left; i++)
        buf_put(&wire->out, rest[i]);
    pump(wire);
}

bool wire_send(struct wire *wire, const struct str pieces[], size_t count)
{
    if (wire->is_closing || wire->is_broken)
        return false;
    check(count <= WIRE_MAX_PIECES);
    if (wire->tls != NULL) {
        /* the end of the handshake may still be on its way */
        check(wire->held_count == 0);
        wire->held_count = skip(pieces, count, 0, wire->held);
        pump(wire);
    } else {
        uv_buf_t bufs[WIRE_MAX_PIECES];
        unsigned n = as_bufs(pieces, count, bufs);
        ssize_t sent;

        check(wire_queued(wire) == 0);
        sent = send_now(wire, bufs, n);
        wire->held_count =
            skip(pieces, count, sent > 0 ? (size_t)sent : 0, wire->held);
        if (wire->held_count > 0)
            write_async(wire, wire->held, wire->held_count);
    }
    return wire_queued(wire) == 0 && !wire->is_broken;
}

size_t wire_queued(const struct wire *wire)
{
    size_t n = wire->out.len;

    if (wire->is_writing)
        n += uv_stream_get_write_queue_size(&wire->uv.stream);
    if (wire->tls != NULL)
        for (unsigned i = 0; i < wire->held_count; i++)
            n += wire->held[i].len;
    return n;
}

size_t wire_unread(const struct wire *wire)
{
    uv_os_fd_t fd;
    int held = 0;

    if (uv_fileno(&wire->uv.handle, &fd) != 0 ||
        ioctl(fd, SIOCOUTQ, &held) != 0)
        held = 0;
    return wire_queued(wire) + (size_t)held;
}

/* --- gathered writes ---------------------------------------------------- */

static void gather(struct wire *wire, const struct str pieces[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_put(&wire->out, pieces[i]);
    if (list_empty(&wire->unsent))
        list_push_back(&loop_of(wire)->unsent, &wire->unsent);
}

/* Sends what was gathered; calls nobody back. */
static void send_gathered(struct wire *wire)
{
    if (list_empty(&wire->unsent))
        return;
    list_remove(&wire->unsent);
    pump(wire);
}

static void send_all_gathered(struct wire_loop *shared)
{
    while (!list_empty(&shared->unsent)) {
        struct wire *wire =
            list_entry(shared->unsent.next, struct wire, unsent);

        send_gathered(wire);
        if (!wire->is_closing && !wire->is_broken && !wire->is_writing)
            wire->events->on_drain(wire);
    }
}

/* What timers have written leaves before the loop waits, what reading has
 * brought, behind it. */
static void on_before_poll(uv_prepare_t *prepare)
{
    send_all_gathered(prepare->loop->data);
}

static void on_after_poll(uv_check_t *after_poll)
{
    send_all_gathered(after_poll->loop->data);
}

void wire_loop_gather_open(uv_loop_t *loop)
{
    struct wire_loop *shared = loop->data;

    check(uv_prepare_init(loop, &shared->before_poll) == 0);
    check(uv_check_init(loop, &shared->after_poll) == 0);
    check(uv_prepare_start(&shared->before_poll, on_before_poll) == 0);
    check(uv_check_start(&shared->after_poll, on_after_poll) == 0);
    uv_unref((uv_handle_t *)&shared->before_poll);
    uv_unref((uv_handle_t *)&shared->after_poll);
    shared->gathers = true;
}

void wire_loop_gather_close(uv_loop_t *loop)
{
    struct wire_loop *shared = loop->data;

    send_all_gathered(shared);
    shared->gathers = false;
    uv_close((uv_handle_t *)&shared->before_poll, NULL);
    uv_close((uv_handle_t *)&shared->after_poll, NULL);
}

/* --- open and close ----------------------------------------------------- */

static void init(struct wire *wire, uv_loop_t *loop,
                 const struct wire_events *events, void *owner)
{
    *wire =
        (struct wire){.owner = owner, .events = events, .wants_bytes = true};
    buf_init(&wire->out, WIRE_MAX_QUEUED);
    buf_init(&wire->sending, WIRE_MAX_QUEUED);
    list_init(&wire->unsent);
    check(uv_tcp_init(loop, &wire->uv.tcp) == 0);
    wire->uv.handle.data = wire;
}

int wire_adopt(struct wire *wire, uv_loop_t *loop, uv_os_sock_t fd,
               struct tls *tls, const struct wire_events *events, void *owner)
{
    int err;

    init(wire, loop, events, owner);
    wire->tls = tls;
    err = uv_tcp_open(&wire->uv.tcp, fd);
    if (err == 0) {
        /* Nagle's algorithm meeting delayed acknowledgements costs 40 ms */
        (void)uv_tcp_nodelay(&wire->uv.tcp, 1);
        wire->is_open = tls == NULL; /* else when the handshake is done */
        wire->is_reading = true;
        err = uv_read_start(&wire->uv.stream, on_alloc, on_read);
    }
    if (err != 0)
        wire_close(wire);
    return err;
}

static void on_connect(uv_connect_t *request, int status)
{
    struct wire *wire = request->data;

    if (wire->is_closing)
        return;
    if (status < 0) {
        end(wire, status);
        return;
    }
    (void)uv_tcp_nodelay(&wire->uv.tcp, 1);
    (void)uv_tcp_keepalive(&wire->uv.tcp, 1, 30);
    if (wire->tls == NULL) {
        wire->is_open = true;
        read_as_wanted(wire);
        if (!wire->has_ended)
            wire->events->on_open(wire);
        return;
    }
    if (wire->events->on_handshake != NULL)
        wire->events->on_handshake(wire);
    /* a handshake must read, whatever the owner wants */
    status = uv_read_start(&wire->uv.stream, on_alloc, on_read);
    if (status < 0) {
        end(wire, status);
        return;
    }
    wire->is_reading = true;
    if (tls_handshake(wire->tls) == TLS_BROKEN)
        end(wire, UV_EPROTO);
    else
        flush_records(wire);
}

int wire_connect(struct wire *wire, uv_loop_t *loop,
                 const struct sockaddr *address, struct tls *tls,
                 const struct wire_events *events, void *owner)
{
    int err;

    init(wire, loop, events, owner);
    wire->tls = tls;
    wire->request.connect.data = wire;
    err = uv_tcp_connect(&wire->request.connect, &wire->uv.tcp, address,
                         on_connect);
    if (err != 0)
        wire_close(wire);
    return err;
}

void wire_start_tls(struct wire *wire, struct tls *tls)
{
    check(wire->tls == NULL && wire->is_open && wire_queued(wire) == 0);
    wire->tls = tls;
    wire->wants_bytes = true;
    read_as_wanted(wire);
    wire->is_open = false;
    if (tls_handshake(tls) == TLS_BROKEN)
        give_up(wire);
    else
        flush_records(wire);
}

static void on_closed(uv_handle_t *handle)
{
    struct wire *wire = handle->data;

    tls_free(wire->tls);
    wire->tls = NULL;
    buf_fini(&wire->out);
    buf_fini(&wire->sending);
    wire->events->on_closed(wire);
}

void wire_close(struct wire *wire)
{
    if (wire->is_closing)
        return;
    send_gathered(wire);
    if (wire->tls != NULL && wire->is_open && !wire->is_broken &&
        !wire->is_writing && wire->out.len == 0) {
        struct str raw;

        tls_goodbye(wire->tls);
        raw = tls_pending(wire->tls);
        if (raw.len > 0) {
            uv_buf_t buffer[1];

            (void)as_bufs(&raw, 1, buffer);
            (void)uv_try_write(&wire->uv.stream, buffer, 1);
        }
    }
    wire->is_closing = true;
    wire->held_count = 0;
    uv_close(&wire->uv.handle, on_closed);
}

void wire_reset(struct wire *wire)
{
    if (wire->is_closing)
        return;
    send_gathered(wire);
    wire->is_closing = true;
    wire->held_count = 0;
    if (uv_tcp_close_reset(&wire->uv.tcp, on_closed) != 0)
        uv_close(&wire->uv.handle, on_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status;
    free(request);
}

void wire_shutdown(struct wire *wire)
{
    uv_shutdown_t *request;

    if (wire->is_closing || wire->is_broken)
        return;
    if (wire->tls != NULL) {
        /* without it the peer cannot tell the end from a cut line */
        tls_goodbye(wire->tls);
        flush_records(wire);
    }
    send_gathered(wire);
    request = must_alloc(sizeof(*request));
    if (uv_shutdown(request, &wire->uv.stream, on_shutdown) != 0)
        free(request);
}
