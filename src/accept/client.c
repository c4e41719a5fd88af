#include "client.h"

#include <llhttp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "log.h"

enum {
    BUDGET_FACTOR = 4, /* see budget_take() */
    PENDING_MAX = 64 * 1024,
    LINGER_MS = 5000,
    /* Answers that wait for a caller who goes on asking: the next request
     * has to wait, too. */
    ANSWERS_MAX = 256 * 1024,
    FIRST_BODY = 4096,
};

enum client_state {
    CLIENT_IDLE,      /* between two requests */
    CLIENT_HEAD,      /* the head is coming */
    CLIENT_BODY,      /* the body is coming */
    CLIENT_ANSWERING, /* the handler has the request */
    CLIENT_LINGERING, /* all is said; what still comes is thrown away */
};

struct client {
    struct wire wire;
    struct list link; /* in door->clients */
    struct door *door;
    struct deadline deadline;
    enum client_state state;
    llhttp_t parser;
    struct request *request; /* the present or, idle, the next one */
    struct buf pending;      /* bytes behind the present request */
    enum error trouble;      /* found in a callback of the parser */
    size_t body_max;         /* of the present request */
    char peer[48];           /* its address; empty: not asked for yet */
    unsigned spaces;         /* in the request line, so far */
    unsigned version_at;     /* behind the second of them */
    bool is_line_read;       /* the request line is complete */
    uint64_t written;        /* bytes of answers, all together */
    uint64_t taken;          /* of these, when we last looked */
    bool closes;             /* no further request on this connection */
    bool is_feeding;         /* inside feed(): do not enter it again */
};

static void feed(struct client *client, struct str bytes);

/* --- requests ----------------------------------------------------------- */

static const struct sink_ops sink_ops;

static struct request *request_new(struct client *client)
{
    struct request *request = must_calloc(1, sizeof(*request));

    request->sink.ops = &sink_ops;
    request->client = client;
    arena_init(&request->arena);
    head_init(&request->head);
    return request;
}

static void request_reset(struct request *request)
{
    struct client *client = request->client;
    struct head head = request->head;

    request_drop_body(request);
    arena_clear(&request->arena);
    head_clear(&head);
    *request =
        (struct request){.sink.ops = &sink_ops, .client = client, .head = head};
    arena_init(&request->arena);
}

static void request_free(struct request *request)
{
    request_drop_body(request);
    arena_clear(&request->arena);
    head_fini(&request->head);
    free(request);
}

struct str request_body(const struct request *request)
{
    return (struct str){request->body, request->body_len};
}

/* The budget counts what a body really holds, and what it will cost to read:
 * the copy that the parser works on and the tree. */
static bool budget_take(struct client *client, size_t bytes)
{
    const struct accept_limits *limits = &client->door->limits;
    size_t cost = bytes * BUDGET_FACTOR;

    if (limits->memory_used == NULL)
        return true;
    if (atomic_fetch_add(limits->memory_used, cost) + cost >
        limits->memory_budget) {
        atomic_fetch_sub(limits->memory_used, cost);
        return false;
    }
    return true;
}

void request_drop_body(struct request *request)
{
    if (request->memory_used != NULL)
        atomic_fetch_sub(request->memory_used,
                         request->body_len * BUDGET_FACTOR);
    request->memory_used = NULL;
    free(request->body);
    request->body = NULL;
    request->body_len = request->body_cap = 0;
}

/* The system is asked once per connection. */
static const char *client_peer(struct client *client)
{
    struct sockaddr_storage address;
    const struct sockaddr *peer = (const struct sockaddr *)&address;
    int len = sizeof(address);
    const char *name = "-";

    if (client->peer[0] == '\0' &&
        uv_tcp_getpeername(&client->wire.uv.tcp, (struct sockaddr *)&address,
                           &len) == 0) {
        if (uv_ip_name(peer, client->peer, sizeof(client->peer)) == 0)
            return client->peer;
        if (peer->sa_family == AF_UNIX)
            name = "unix";
    }
    if (client->peer[0] == '\0')
        memcpy(client->peer, name, strlen(name) + 1);
    return client->peer;
}

struct str request_peer(struct request *request)
{
    _Static_assert(sizeof(request->peer) == sizeof(request->client->peer),
                   "one is copied into the other");
    if (request->peer[0] == '\0' && request->client == NULL)
        request->peer[0] = '-';
    else if (request->peer[0] == '\0')
        memcpy(request->peer, client_peer(request->client),
               sizeof(request->peer));
    return str_of(request->peer);
}

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

/* --- the parser's callbacks --------------------------------------------- */

static int stop_for(struct client *client, enum error error)
{
    client->trouble = error;
    return HPE_USER;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;

    head_add_target(&client->request->head, (struct str){at, len});
    return client->request->head.is_too_large
               ? stop_for(client, ERR_HEAD_TOO_LARGE)
               : 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;

    head_add_name(&client->request->head, (struct str){at, len});
    return client->request->head.is_too_large
               ? stop_for(client, ERR_HEAD_TOO_LARGE)
               : 0;
}

static int on_field_complete(llhttp_t *parser)
{
    struct client *client = parser->data;

    head_end_name(&client->request->head);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;

    head_add_value(&client->request->head, (struct str){at, len});
    return client->request->head.is_too_large
               ? stop_for(client, ERR_HEAD_TOO_LARGE)
               : 0;
}

/* The path and the query of an origin-form or absolute-form target. */
static void split_target(struct request *request)
{
    struct str target = request->head.target;
    size_t at;

    if (!str_starts(target, STR("/")) && str_find(target, STR("://"), &at)) {
        target = str_slice(target, at + 3, target.len);
        target = str_find(target, STR("/"), &at)
                     ? str_slice(target, at, target.len)
                     : STR("/");
    }
    if (str_find(target, STR("?"), &at)) {
        request->query = str_slice(target, at + 1, target.len);
        target = str_slice(target, 0, at);
    }
    request->path = target;
}

/* RFC 9112, 2.3 and 3.2: a version that is spoken here, and one Host, which
 * is host and port and nothing else. */
static bool is_host_fine(const struct client *client)
{
    const struct head *head = &client->request->head;
    unsigned count = head_count(head, STR("host"));
    struct str host = head_find(head, STR("host"));

    for (size_t i = 0; i < host.len; i++)
        if (strchr(" \t/@,?#\\", host.ptr[i]) != NULL)
            return false;
    return client->parser.http_major == 1 &&
           (count == 1 || (count == 0 && client->parser.http_minor == 0));
}

/* RFC 9112, 6.1: the parser refuses what it cannot frame; what it lets pass
 * is an empty field, codings before "chunked", which nobody here undoes, and
 * a coding in HTTP/1.0, which had none. */
static bool is_coding_fine(const struct request *request)
{
    struct str coding = head_find(&request->head, STR("transfer-encoding"));

    return coding.ptr == NULL ||
           (str_eq_nocase(coding, STR("chunked")) && !request->is_http_1_0);
}

static enum error check_framing(struct client *client, uint64_t length)
{
    const struct head *head = &client->request->head;
    struct str coding = head_find(head, STR("content-encoding"));

    if (client->parser.method == HTTP_CONNECT)
        return ERR_METHOD;
    if (!is_host_fine(client) || !is_coding_fine(client->request))
        return ERR_BAD_HTTP;
    if (length > client->body_max)
        return ERR_BODY_TOO_LARGE;
    if (coding.len > 0 && !str_eq_nocase(coding, STR("identity")))
        return ERR_CONTENT_ENCODING;
    return OK;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct client *client = parser->data;
    struct request *request = client->request;
    const struct accept_handler *handler = client->door->handler;
    bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    bool is_chunked = (parser->flags & F_CHUNKED) != 0;
    uint64_t length = has_length ? parser->content_length : 0;
    struct str expect;
    enum error err;

    head_complete(&request->head);
    /* "Upgrade: h2c" and the like are offers: we do not take them */
    parser->upgrade = 0;
    request->method =
        str_of(llhttp_method_name((llhttp_method_t)parser->method));
    request->is_http_1_0 = parser->http_major == 1 && parser->http_minor == 0;
    split_target(request);
    client->state = CLIENT_BODY;
    deadline_set(client->door->deadlines, &client->deadline,
                 client->door->limits.body_ms);
    err = check_framing(client, length);
    if (err == OK)
        err = handler->on_head(handler->ctx, request);
    expect = head_find(&request->head, STR("expect"));
    if (err == OK && expect.len > 0 &&
        !str_eq_nocase(expect, STR("100-continue")))
        err = ERR_EXPECTATION;
    if (err != OK)
        return stop_for(client, err);
    if (length > 0) {
        request->body = malloc((size_t)length);
        if (request->body == NULL)
            return stop_for(client, ERR_MEMORY_BUDGET);
        request->body_cap = (size_t)length;
    }
    if (expect.len > 0 && !request->is_http_1_0 && (length > 0 || is_chunked)) {
        struct str go_on = STR("HTTP/1.1 100 Continue\r\n\r\n");

        client->written += go_on.len;
        wire_write(&client->wire, &go_on, 1);
    }
    return 0;
}

/* A chunked body does not tell its length.  From 128 KB on realloc moves
 * pages and not bytes. */
static bool body_grow(struct client *client, size_t need)
{
    struct request *request = client->request;
    size_t cap =
        request->body_cap < FIRST_BODY ? FIRST_BODY : request->body_cap;
    char *grown;

    while (cap < need)
        cap *= 2;
    if (cap > client->body_max)
        cap = client->body_max;
    grown = realloc(request->body, cap);
    if (grown == NULL)
        return false;
    request->body = grown;
    request->body_cap = cap;
    return true;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;
    struct request *request = client->request;
    size_t need = request->body_len + len;

    if (len > client->body_max - request->body_len)
        return stop_for(client, ERR_BODY_TOO_LARGE);
    if (!budget_take(client, len))
        return stop_for(client, ERR_MEMORY_BUDGET);
    request->memory_used = client->door->limits.memory_used;
    if (need > request->body_cap && !body_grow(client, need)) {
        request->body_len = need; /* the budget has them */
        return stop_for(client, ERR_MEMORY_BUDGET);
    }
    memcpy(request->body + request->body_len, at, len);
    request->body_len = need;
    deadline_set(client->door->deadlines, &client->deadline,
                 client->door->limits.body_ms);
    return 0;
}

/* A chunk tells its size before it comes. */
static int on_chunk_header(llhttp_t *parser)
{
    struct client *client = parser->data;

    return parser->content_length > client->body_max - client->request->body_len
               ? stop_for(client, ERR_BODY_TOO_LARGE)
               : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct client *client = parser->data;

    client->request->keeps_alive =
        llhttp_should_keep_alive(parser) != 0 && !client->door->is_closing;
    client->request->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
    static const llhttp_settings_t made = {
        .on_url = on_url,
        .on_header_field = on_field,
        .on_header_field_complete = on_field_complete,
        .on_header_value = on_value,
        .on_headers_complete = on_headers_complete,
        .on_chunk_header = on_chunk_header,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };

    return &made;
}

/* --- from bytes to requests --------------------------------------------- */

/* One space behind the method and one before the version, which is HTTP's
 * (RFC 9112, 3): the parser passes over more, where another reader may not,
 * and speaks RTSP. */
static bool is_line_fine(struct client *client, struct str bytes)
{
    static const char http[] = "HTTP/";

    for (size_t i = 0; i < bytes.len && !client->is_line_read; i++) {
        char c = bytes.ptr[i];

        client->is_line_read = c == '\n';
        if (c == ' ' && ++client->spaces > 2)
            return false;
        if (c != ' ' && client->spaces == 2 &&
            client->version_at < sizeof(http) - 1 &&
            c != http[client->version_at++])
            return false;
    }
    return true;
}

static void begin_parsing(struct client *client)
{
    client->spaces = client->version_at = 0;
    client->is_line_read = false;
    llhttp_init(&client->parser, HTTP_REQUEST, settings());
    client->parser.data = client;
}

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
    if (!is_line_fine(client, bytes)) {
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
            begin_parsing(client);
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

static const struct sink_ops sink_ops = {
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

void door_admit(struct door *door, uv_os_sock_t fd, struct tls *tls)
{
    struct client *client = must_calloc(1, sizeof(*client));

    client->door = door;
    list_init(&client->link);
    deadline_init(&client->deadline, on_due);
    buf_init(&client->pending, PENDING_MAX + WIRE_READ_SIZE);
    atomic_fetch_add(&door->client_count, 1);
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
