/* The backend behind every gateway that is measured: fixed answers of an
 * OpenAI-compatible server and of the Anthropic API, at next to no cost.
 *
 * The prompt tells what is wanted: `"stream":true` a stream, and in its text
 * `pace=MS` the time between two events and `count=N` how many (0: endless).
 * A request whose body is no complete JSON object gets no answer but a closed
 * connection: so a gateway that sends on garbage is found out.
 *
 * With a certificate and its key it speaks TLS. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "check.h"
#include "clock.h"
#include "list.h"
#include "mock_texts.h"

enum {
    EVENTS = 256,
    READ_SIZE = 64 * 1024,
    HEAD_MAX = 8 * 1024,
    SHOWN_MAX = 2048, /* the part of a body that is looked into */
    SLOTS = 8192,     /* milliseconds: the longest pace */
};

struct peer {
    int fd;
    SSL *tls;
    char head[HEAD_MAX];
    size_t head_len;
    bool in_body;
    size_t body_left;
    char shown[SHOWN_MAX];
    size_t shown_len;
    char first, last; /* bytes of the body */
    /* a stream */
    struct list due;
    const struct mock_texts *texts;
    uint64_t pace_ms;
    uint64_t count;
    uint64_t sent;
};

static int epoll;
static SSL_CTX *tls_context;
static struct mock_texts openai, anthropic;
static struct list slots[SLOTS];
static uint64_t clock_slot;

static void peer_close(struct peer *peer)
{
    list_remove(&peer->due);
    SSL_free(peer->tls);
    close(peer->fd);
    free(peer);
}

/* What a peer does not take at once it never gets: nobody here is slow. */
static bool put(struct peer *peer, struct str bytes)
{
    ssize_t n = peer->tls != NULL
                    ? SSL_write(peer->tls, bytes.ptr, (int)bytes.len)
                    : send(peer->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

    return n == (ssize_t)bytes.len;
}

/* --- streams ------------------------------------------------------------ */

static void schedule(struct peer *peer)
{
    list_push_back(&slots[(clock_slot + peer->pace_ms) % SLOTS], &peer->due);
}

/* False when the peer is gone. */
static bool stream_on(struct peer *peer)
{
    bool is_last = peer->count > 0 && peer->sent == peer->count;

    list_remove(&peer->due);
    if (!put(peer,
             is_last ? peer->texts->stream_end : peer->texts->stream_event)) {
        peer_close(peer);
        return false;
    }
    peer->sent++;
    if (!is_last)
        schedule(peer);
    return true;
}

static void run_slots(void)
{
    uint64_t now = clock_ms();

    while (clock_slot < now) {
        struct list *slot = &slots[++clock_slot % SLOTS];

        list_each_safe (link, slot) {
            (void)stream_on(list_entry(link, struct peer, due));
        }
    }
}

/* --- requests ----------------------------------------------------------- */

static uint64_t number_behind(struct str text, struct str name)
{
    uint64_t n = 0;
    size_t at;

    if (!str_find(text, name, &at))
        return 0;
    for (at += name.len;
         at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        n = n * 10 + (uint64_t)(text.ptr[at] - '0');
    return n;
}

static bool answer(struct peer *peer)
{
    struct str head = {peer->head, peer->head_len};
    struct str shown = {peer->shown, peer->shown_len};
    bool is_get = str_starts(head, STR("GET "));

    peer->texts =
        str_starts(head, STR("POST /v1/messages")) ? &anthropic : &openai;
    /* a collector and a Langfuse, as far as a sender sees them */
    if (str_starts(head, STR("POST /v1/traces")))
        return put(peer, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    if (str_starts(head, STR("POST /api/public/")))
        return put(peer,
                   STR("HTTP/1.1 200 OK\r\nContent-Type: "
                       "application/json\r\nContent-Length: 2\r\n\r\n{}"));
    if (is_get)
        return put(peer, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    if (peer->first != '{' || peer->last != '}')
        return false;
    if (!str_contains(shown, STR("\"stream\":true")) &&
        !str_contains(shown, STR("\"stream\": true")))
        return put(peer, peer->texts->whole);
    peer->pace_ms = number_behind(shown, STR("pace="));
    if (peer->pace_ms == 0 || peer->pace_ms >= SLOTS)
        return false;
    peer->count = number_behind(shown, STR("count="));
    peer->sent = 0;
    schedule(peer);
    return put(peer, peer->texts->stream_head);
}

static struct str field(struct str head, struct str name)
{
    struct str line;

    while (str_split(&head, '\n', &line))
        if (str_eq_nocase(str_slice(line, 0, name.len), name))
            return str_trim(str_slice(line, name.len, line.len));
    return (struct str){NULL, 0};
}

static size_t take_head(struct peer *peer, struct str bytes)
{
    size_t i = 0;

    while (i < bytes.len && peer->head_len < HEAD_MAX) {
        struct str head = {peer->head, ++peer->head_len};
        uint64_t length = 0;

        peer->head[peer->head_len - 1] = bytes.ptr[i++];
        if (!str_ends(head, STR("\r\n\r\n")))
            continue;
        if (!str_to_u64(field(head, STR("content-length:")), &length))
            length = 0;
        peer->in_body = true;
        peer->body_left = length;
        peer->shown_len = 0;
        peer->first = peer->last = '\0';
        return i;
    }
    return i;
}

static size_t take_body(struct peer *peer, struct str bytes)
{
    struct str piece = str_slice(bytes, 0, peer->body_left);
    struct str seen = str_slice(piece, 0, SHOWN_MAX - peer->shown_len);

    if (piece.len == 0)
        return 0;
    memcpy(peer->shown + peer->shown_len, seen.ptr, seen.len);
    peer->shown_len += seen.len;
    if (peer->first == '\0')
        peer->first = piece.ptr[0];
    peer->last = piece.ptr[piece.len - 1];
    peer->body_left -= piece.len;
    return piece.len;
}

static bool take(struct peer *peer, struct str bytes)
{
    while (bytes.len > 0) {
        size_t n =
            peer->in_body ? take_body(peer, bytes) : take_head(peer, bytes);

        bytes = str_slice(bytes, n, bytes.len);
        if (peer->in_body && peer->body_left == 0) {
            peer->in_body = false;
            if (!answer(peer))
                return false;
            peer->head_len = 0;
        } else if (!peer->in_body && peer->head_len == HEAD_MAX) {
            return false;
        }
    }
    return true;
}

static void peer_read(struct peer *peer)
{
    static char buffer[READ_SIZE];

    for (;;) {
        ssize_t n = peer->tls != NULL
                        ? SSL_read(peer->tls, buffer, sizeof(buffer))
                        : recv(peer->fd, buffer, sizeof(buffer), 0);

        if (n > 0 && !take(peer, (struct str){buffer, (size_t)n})) {
            peer_close(peer);
            return;
        }
        if (n <= 0) {
            bool waits = peer->tls != NULL ? SSL_get_error(peer->tls, (int)n) ==
                                                 SSL_ERROR_WANT_READ
                                           : n < 0 && errno == EAGAIN;

            if (!waits)
                peer_close(peer);
            return;
        }
        if (peer->tls == NULL && (size_t)n < sizeof(buffer))
            return;
    }
}

static void peer_accept(int listener)
{
    struct peer *peer = must_calloc(1, sizeof(*peer));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    int one = 1;

    list_init(&peer->due);
    peer->fd = accept(listener, NULL, NULL);
    if (peer->fd < 0) {
        free(peer);
        return;
    }
    (void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    check(fcntl(peer->fd, F_SETFL, O_NONBLOCK) == 0);
    if (tls_context != NULL) {
        peer->tls = SSL_new(tls_context);
        SSL_set_fd(peer->tls, peer->fd);
        SSL_set_accept_state(peer->tls);
    }
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, peer->fd, &event) == 0);
}

/* --- the process -------------------------------------------------------- */

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = {.events = EPOLLIN};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    check(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 4096) != 0) {
        perror("mock: listen");
        exit(1);
    }
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    return fd;
}

static void load_certificate(const char *certificate, const char *key)
{
    tls_context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls_context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_context, key, SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "mock: cannot use %s\n", certificate);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    int listener;

    if (argc != 3 && argc != 5) {
        (void)fprintf(stderr, "usage: mock PORT TEXTS [CERTIFICATE KEY]\n");
        return 2;
    }
    epoll = epoll_create1(0);
    listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    mock_texts_read(&openai, argv[2], "openai");
    mock_texts_read(&anthropic, argv[2], "anthropic");
    if (argc == 5)
        load_certificate(argv[3], argv[4]);
    for (size_t i = 0; i < SLOTS; i++)
        list_init(&slots[i]);
    clock_slot = clock_ms();
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, 1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                peer_accept(listener);
            else
                peer_read(events[i].data.ptr);
        }
        run_slots();
    }
}
