#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "log.h"

enum { BACKLOG = 1024, BATCH = 64, PAUSE_MS = 100 };

static void on_readable(uv_poll_t *poll, int status, int events);

static void watch(struct listener *listener)
{
    for (unsigned i = 0; i < listener->count; i++)
        check(uv_poll_start(&listener->sockets[i].poll, UV_READABLE,
                            on_readable) == 0);
}

static void on_pause_over(uv_timer_t *timer)
{
    watch(timer->data);
}

/* No descriptors left: callers wait in the kernel's queue until some are
 * free again; polling on would only burn the processor. */
static void pause_listening(struct listener *listener, int error)
{
    log_say(LOG_WARN, "cannot accept", "%s", strerror(error));
    for (unsigned i = 0; i < listener->count; i++)
        uv_poll_stop(&listener->sockets[i].poll);
    uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener_socket *socket = poll->data;
    struct listener *listener = socket->listener;

    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < BATCH && listener->is_open; i++) {
        int fd = accept(socket->fd, NULL, NULL);

        if (fd >= 0) {
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
            listener->on_socket(listener->ctx, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            pause_listening(listener, errno);
        return;
    }
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6
                     ? ((struct sockaddr_in6 *)&address)->sin6_port
                     : ((struct sockaddr_in *)&address)->sin_port);
}

static int listen_on(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0)
        return -1;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0 &&
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)
        return fd;
    on = errno;
    close(fd);
    errno = on;
    return -1;
}

/* The same port on every address, also when the first socket had to find a
 * free one. */
static void set_port(struct addrinfo *info, unsigned port)
{
    in_port_t net = htons((in_port_t)port);

    if (info->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_port = net;
    else
        ((struct sockaddr_in *)(void *)info->ai_addr)->sin_port = net;
}

bool listener_open(struct listener *listener, uv_loop_t *loop, const char *host,
                   unsigned port, void (*on_socket)(void *ctx, uv_os_sock_t fd),
                   void *ctx, const char **why)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    int err;

    *listener = (struct listener){
        .loop = loop, .on_socket = on_socket, .ctx = ctx, .port = port};
    (void)snprintf(service, sizeof(service), "%u", port % 65536);
    err = getaddrinfo(host == NULL || *host == '\0' ? NULL : host, service,
                      &hints, &found);
    if (err != 0) {
        *why = gai_strerror(err);
        return false;
    }
    *why = "no usable address";
    for (struct addrinfo *info = found;
         info != NULL && listener->count < LISTENER_MAX_SOCKETS;
         info = info->ai_next) {
        struct listener_socket *socket = &listener->sockets[listener->count];

        if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
            continue;
        set_port(info, listener->port);
        socket->fd = listen_on(info);
        if (socket->fd < 0) {
            *why = strerror(errno);
            continue;
        }
        if (listener->port == 0)
            listener->port = port_of(socket->fd);
        socket->listener = listener;
        check(uv_poll_init(loop, &socket->poll, socket->fd) == 0);
        socket->poll.data = socket;
        listener->count++;
    }
    freeaddrinfo(found);
    if (listener->count == 0)
        return false;
    check(uv_timer_init(loop, &listener->pause) == 0);
    listener->pause.data = listener;
    listener->is_open = true;
    watch(listener);
    return true;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener_socket *socket = handle->data;

    close(socket->fd);
    socket->fd = -1;
}

void listener_close(struct listener *listener)
{
    if (!listener->is_open)
        return;
    listener->is_open = false;
    uv_close((uv_handle_t *)&listener->pause, NULL);
    for (unsigned i = 0; i < listener->count; i++) {
        uv_poll_stop(&listener->sockets[i].poll);
        /* at once, so that callers are refused from now on */
        uv_close((uv_handle_t *)&listener->sockets[i].poll, on_poll_closed);
    }
}
