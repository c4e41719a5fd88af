#include "client_private.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "log.h"

enum {
    PENDING_MAX = 64 * 1024,
    LINGER_MS = 5000,
    /* Answers that wait for a caller who goes on asking: the next request
     * has to wait, too. */
    ANSWERS_MAX = 256 * 1024,
};

static void feed(struct client *client, struct str bytes);

/* --- closing ------------------------------------------------------------ */

static void on_wire_closed(struct wire *wire)
{
    struct client *client = wire->owner;

    if (client->request != NULL)
        request_free(client->request);
    buf_fini(&client->pending);
    free(client);
}

static void detach(struct client *client)
{
    deadline_clear(&client->deadline);
    list_remove(&client->link);
    atomic_fetch_sub(&client->door->client_count, 1);
}

static void drop(struct client *client)
{
    if (client->wire.is_closing)
        return;
    detach(client);
    wire_close(&client->wire);
}

/* The caller is gone: the handler keeps the request until it lets go of it. */
static void leave(struct client *client)
{
    struct request *request = client->request;

    if (client->wire.is_closing)
        return;
    if (client->state == CLIENT_ANSWERING) {
        client->request = NULL;
        (void)request_peer(request);
        request->client = NULL;
        drop(client);
        client->door->handler->on_gone(client->door->handler->ctx, request);
        return;
    }
    drop(client);
}

/* Has the caller taken some of its answers since we last looked?  What waits
 * may have grown meanwhile: it is what has left that counts. */
static bool has_taken(struct client *client)
{
    uint64_t unread = wire_unread(&client->wire);
    uint64_t taken = client->written > unread ? client->written - unread : 0;
    bool is_more = taken > client->taken;

    client->taken = taken;
    return is_more;
}

/* An answer that ends the connection must not be lost to a reset because the
 * caller is still sending: say that we are done, and read on for a while. */
static void linger(struct client *client)
{
    client->state = CLIENT_LINGERING;
    buf_fini(&client->pending);
    if (wire_queued(&client->wire) == 0)
        wire_shutdown(&client->wire);
    wire_resume(&client->wire);
    (void)has_taken(client);
    deadline_set(client->door->deadlines, &client->deadline, LINGER_MS);
}

/* --- from bytes to requests --------------------------------------------- */

static void hand_over(struct client *client)
{
    const struct accept_handler *handler = client->door->handler;

    client->state = CLIENT_ANSWERING;
    deadline_clear(&client->deadline);
    handler->on_request(handler->ctx, client->request);
}

static void refuse(struct client *client, enum error error, const char *detail)
{
    const struct accept_handler *handler = client->door->handler;
    struct request *request = client->request;

    client->closes = true;
    client->state = CLIENT_ANSWERING;
    deadline_clear(&client->deadline);
    if (request->method.ptr == NULL) /* the head has not been completed */
        head_complete(&request->head);
    request->keeps_alive = false;
    handler->on_refused(handler->ctx, request, error, detail);
}

/* Parses one step.  Returns how many of the bytes were eaten. */
static size_t parse(struct client *client, struct str bytes)
{
    llhttp_errno_t status;

    client->trouble = OK;
    if (!client_is_line_fine(client, bytes)) {
        refuse(client, ERR_BAD_HTTP, "Not a request line of HTTP/1.1");
        return bytes.len;
    }
    status = llhttp_execute(&client->parser, bytes.ptr, bytes.len);
    if (client->wire.is_closing)
        return bytes.len;
    if (status == HPE_OK)
        return bytes.len;
    if (status == HPE_PAUSED) {
        size_t eaten =
            (size_t)(llhttp_get_error_pos(&client->parser) - bytes.ptr);

        hand_over(client);
        return eaten;
    }
    if (client->trouble != OK)
        refuse(client, client->trouble, NULL);
    else
        refuse(client, ERR_BAD_HTTP, llhttp_get_error_reason(&client->parser));
    return bytes.len;
}

static void keep_pending(struct client *client, struct str bytes)
{
    if (client->closes)
        return;
    buf_put(&client->pending, bytes);
    if (client->pending.len >= PENDING_MAX)
        wire_pause(&client->wire);
}

/* What waited behind the last request, or for its answer to be read. */
static void feed_pending(struct client *client)
{
    struct buf pending = client->pending;

    wire_resume(&client->wire);
    if (pending.len == 0)
        return;
    /* what it does not eat comes back into a buffer of its own */
    buf_init(&client->pending, pending.max);
    feed(client, buf_str(&pending));
    buf_fini(&pending);
}

static void feed(struct client *client, struct str bytes)
{
    client->is_feeding = true;
    while (bytes.len > 0 && !client->wire.is_closing) {
        size_t eaten;

        if (client->state == CLIENT_ANSWERING ||
            (client->state == CLIENT_IDLE &&
             wire_queued(&client->wire) > ANSWERS_MAX)) {
            keep_pending(client, bytes);
            break;
        }
        if (client->state == CLIENT_LINGERING)
            break;
        if (client->state == CLIENT_IDLE) {
            /* line ends between requests are allowed (RFC 9112, 2.2) */
            if (bytes.ptr[0] == '\r' || bytes.ptr[0] == '\n') {
                bytes = str_slice(bytes, 1, bytes.len);
                continue;
            }
            if (client->request == NULL)
                client->request = request_new(client);
            client->request->began_us = clock_us();
            client->state = CLIENT_HEAD;
            client->body_max = client->door->limits.max_body_bytes;
            client_begin_parsing(client);
            deadline_set(client->door->deadlines, &client->deadline,
                         client->door->limits.head_ms);
        }
        eaten = parse(client, bytes);
        bytes = str_slice(bytes, eaten, bytes.len);
    }
    client->is_feeding = false;
}

/* --- the wire's events -------------------------------------------------- */

static void on_wire_bytes(struct wire *wire, struct str bytes)
{
    feed(wire->owner, bytes);
}

static void on_wire_drain(struct wire *wire)
{
    struct client *client = wire->owner;
    const struct accept_handler *handler = client->door->handler;

    if (client->state == CLIENT_ANSWERING && client->request != NULL) {
        deadline_clear(&client->deadline);
        handler->on_drain(handler->ctx, client->request);
    } else if (client->state == CLIENT_LINGERING) {
        wire_shutdown(&client->wire);
    } else if (client->state == CLIENT_IDLE) {
        feed_pending(client);
    }
}

static void on_wire_end(struct wire *wire, int why)
{
    struct client *client = wire->owner;

    if (!wire->is_open && why == UV_EPROTO)
        log_say(LOG_DEBUG, "handshake failed", "%s", tls_why(wire->tls));
    if (why == 0 && client->state == CLIENT_BODY)
        refuse(client, ERR_BODY_TRUNCATED, NULL);
    else
        leave(client);
}

static const struct wire_events wire_events = {
    .on_bytes = on_wire_bytes,
    .on_drain = on_wire_drain,
    .on_end = on_wire_end,
    .on_closed = on_wire_closed,
};

/* Is there something that the caller has still to take, and does he? */
static bool is_reading(struct client *client)
{
    return has_taken(client) && wire_unread(&client->wire) > 0;
}

/* An answer is under way, and for a while bytes of it have waited here. */
static void look_at_reader(struct client *client)
{
    if (wire_queued(&client->wire) == 0)
        return;
    if (has_taken(client))
        deadline_set(client->door->deadlines, &client->deadline,
                     client->door->limits.write_ms);
    else
        leave(client);
}

static void on_due(struct deadline *deadline)
{
    struct client *client = list_entry(deadline, struct client, deadline);

    switch (client->state) {
    case CLIENT_HEAD:
    case CLIENT_BODY:
        refuse(client, ERR_REQUEST_TIMEOUT, NULL);
        break;
    case CLIENT_IDLE:
        if (is_reading(client))
            deadline_set(client->door->deadlines, &client->deadline,
                         client->door->limits.idle_ms);
        else
            drop(client);
        break;
    case CLIENT_LINGERING:
        if (is_reading(client))
            deadline_set(client->door->deadlines, &client->deadline, LINGER_MS);
        else
            drop(client);
        break;
    case CLIENT_ANSWERING:
        look_at_reader(client);
        break;
    }
}

/* --- the way back ------------------------------------------------------- */

static struct request *request_of(const struct sink *sink)
{
    /* the sink is the request's first member */
    return (struct request *)(uintptr_t)sink;
}

static void sink_write(struct sink *sink, const struct str pieces[],
                       size_t count)
{
    struct client *client = request_of(sink)->client;

    if (client == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        client->written += pieces[i].len;
    wire_write(&client->wire, pieces, count);
    if (client->state != CLIENT_ANSWERING || wire_queued(&client->wire) == 0 ||
        deadline_is_set(&client->deadline))
        return;
    /* from now on he has to take some of it; what he has taken by now is not
     * looked at: most answers leave at once, and that is a system call */
    deadline_set(client->door->deadlines, &client->deadline,
                 client->door->limits.write_ms);
}

static size_t sink_queued(const struct sink *sink)
{
    struct request *request = request_of(sink);

    return request->client == NULL ? 0 : wire_queued(&request->client->wire);
}

/* The next request may wait in `pending` already. */
static void next_request(struct client *client)
{
    request_reset(client->request);
    client->state = CLIENT_IDLE;
    /* what it has taken is not looked at: a system call for each answer
     * would tell too little */
    deadline_set(client->door->deadlines, &client->deadline,
                 client->door->limits.idle_ms);
    if (!client->is_feeding)
        feed_pending(client);
}

static void sink_finish(struct sink *sink, bool keep)
{
    struct request *request = request_of(sink);
    struct client *client = request->client;

    if (client == NULL) {
        request_free(request);
        return;
    }
    if (client->wire.has_ended) {
        drop(client);
        return;
    }
    if (!keep || !request->keeps_alive || client->closes ||
        client->door->is_closing)
        linger(client);
    else
        next_request(client);
}

static void sink_abort(struct sink *sink)
{
    struct request *request = request_of(sink);
    struct client *client = request->client;

    if (client == NULL) {
        request_free(request);
        return;
    }
    if (client->wire.is_closing)
        return;
    detach(client);
    wire_reset(&client->wire);
}

const struct sink_ops client_sink_ops = {
    .write = sink_write,
    .queued = sink_queued,
    .finish = sink_finish,
    .abort = sink_abort,
};

/* --- the door ----------------------------------------------------------- */

void door_refuse(uv_os_sock_t fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: application/json\r\nContent-Length: 125\r\n"
        "Connection: close\r\nRetry-After: 1\r\n\r\n"
        "{\"error\":{\"message\":\"The router has no room for another "
        "connection.\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":\"overloaded\"}}";

    (void)send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    close(fd);
}

void door_init(struct door *door, uv_loop_t *loop, struct deadlines *deadlines,
               const struct accept_handler *handler,
               const struct accept_limits *limits)
{
    *door = (struct door){
        .loop = loop,
        .deadlines = deadlines,
        .handler = handler,
        .limits = *limits,
    };
    list_init(&door->clients);
}

void door_set_limits(struct door *door, const struct accept_limits *limits)
{
    door->limits = *limits;
}

void door_expect(struct door *door)
{
    atomic_fetch_add(&door->client_count, 1);
}

void door_admit(struct door *door, uv_os_sock_t fd, struct tls *tls)
{
    struct client *client = must_calloc(1, sizeof(*client));

    client->door = door;
    list_init(&client->link);
    deadline_init(&client->deadline, on_due);
    buf_init(&client->pending, PENDING_MAX + WIRE_READ_SIZE);
    list_push_back(&door->clients, &client->link);
    if (wire_adopt(&client->wire, door->loop, fd, tls, &wire_events, client) !=
        0) {
        detach(client);
        return;
    }
    deadline_set(door->deadlines, &client->deadline, door->limits.head_ms);
}

void door_drain(struct door *door)
{
    door->is_closing = true;
}

void door_close_idle(struct door *door)
{
    door->is_closing = true;
    list_each_safe (link, &door->clients) {
        struct client *client = list_entry(link, struct client, link);

        if (client->state != CLIENT_IDLE)
            continue;
        if (wire_queued(&client->wire) == 0)
            drop(client);
        else /* it still reads its last answer */
            linger(client);
    }
}

void door_cut(struct door *door)
{
    door->is_closing = true;
    /* one that leaves may take others with it */
    while (!list_empty(&door->clients))
        leave(list_entry(door->clients.next, struct client, link));
}
