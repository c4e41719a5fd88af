#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "log.h"

enum { BACKLOG = 1024, BATCH = 64, PAUSE_MS = 100 };

static void on_readable(uv_poll_t *poll, int status, int events);

static void watch(struct listener_socket *socket)
{
    check(uv_poll_start(&socket->poll, UV_READABLE, on_readable) == 0);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    for (unsigned i = 0; i < listener->count; i++)
        watch(&listener->sockets[i]);
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
    if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
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

/* --- the ways to a socket ------------------------------------------------- */

void listener_init(struct listener *listener, uv_loop_t *loop,
                   void (*on_socket)(void *ctx, uv_os_sock_t fd), void *ctx)
{
    *listener =
        (struct listener){.loop = loop, .on_socket = on_socket, .ctx = ctx};
}

static void add(struct listener *listener, int fd)
{
    struct listener_socket *socket = &listener->sockets[listener->count++];

    if (!listener->is_open) {
        check(uv_timer_init(listener->loop, &listener->pause) == 0);
        listener->pause.data = listener;
        listener->is_open = true;
    }
    socket->fd = fd;
    socket->listener = listener;
    check(uv_poll_init(listener->loop, &socket->poll, fd) == 0);
    socket->poll.data = socket;
    watch(socket);
}

static bool has_room(const struct listener *listener, const char **why)
{
    if (listener->count < LISTENER_MAX_SOCKETS)
        return true;
    *why = "too many sockets";
    return false;
}

/* True when at least one of the addresses could be had. */
static bool add_addresses(struct listener *listener, struct addrinfo *found,
                          const char **why)
{
    unsigned before = listener->count;

    *why = "no usable address";
    for (struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        int fd;

        if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
            continue;
        if (!has_room(listener, why))
            break;
        set_port(info, listener->port);
        fd = listen_on(info);
        if (fd < 0) {
            *why = strerror(errno);
            continue;
        }
        if (listener->port == 0)
            listener->port = port_of(fd);
        add(listener, fd);
    }
    return listener->count > before;
}

bool listener_add_port(struct listener *listener, const char *host,
                       unsigned port, const char **why)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    bool ok;
    int err;

    listener->port = port;
    (void)snprintf(service, sizeof(service), "%u", port % 65536);
    err = getaddrinfo(host == NULL || *host == '\0' ? NULL : host, service,
                      &hints, &found);
    if (err != 0) {
        *why = gai_strerror(err);
        return false;
    }
    ok = add_addresses(listener, found, why);
    freeaddrinfo(found);
    return ok;
}

bool listener_open(struct listener *listener, uv_loop_t *loop, const char *host,
                   unsigned port, void (*on_socket)(void *ctx, uv_os_sock_t fd),
                   void *ctx, const char **why)
{
    listener_init(listener, loop, on_socket, ctx);
    return listener_add_port(listener, host, port, why);
}

/* A socket file on which nobody listens: its process died. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat found;
    int fd;
    bool is_dead;

    if (lstat(address->sun_path, &found) != 0 || !S_ISSOCK(found.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return false;
    is_dead =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno == ECONNREFUSED;
    close(fd);
    return is_dead;
}

static bool bind_unix(int fd, const struct sockaddr_un *address, mode_t mode)
{
    const struct sockaddr *name = (const struct sockaddr *)address;

    /* before bind(), so that nobody comes in by a wider mode meanwhile; after
     * it, because the mask of the process has narrowed it */
    if (fchmod(fd, mode) != 0)
        return false;
    if (bind(fd, name, sizeof(*address)) != 0) {
        if (errno != EADDRINUSE)
            return false;
        if (!is_stale(address)) {
            errno = EADDRINUSE;
            return false;
        }
        if (unlink(address->sun_path) != 0 ||
            bind(fd, name, sizeof(*address)) != 0)
            return false;
    }
    return chmod(address->sun_path, mode) == 0;
}

static bool listen_unblocked(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && listen(fd, BACKLOG) == 0 &&
           fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

bool listener_add_unix(struct listener *listener, const char *path, mode_t mode,
                       const char **why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat made;
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        *why = "the path is too long";
        return false;
    }
    if (!has_room(listener, why))
        return false;
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || !bind_unix(fd, &address, mode) || !listen_unblocked(fd) ||
        lstat(path, &made) != 0) {
        *why = strerror(errno);
        if (fd >= 0)
            close(fd);
        return false;
    }
    memcpy(listener->unix_path, address.sun_path, sizeof(address.sun_path));
    listener->unix_device = made.st_dev;
    listener->unix_inode = made.st_ino;
    add(listener, fd);
    return true;
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

bool listener_add_socket(struct listener *listener, int fd, const char **why)
{
    if (!has_room(listener, why))
        return false;
    if (option_of(fd, SO_TYPE) != SOCK_STREAM ||
        option_of(fd, SO_ACCEPTCONN) != 1) {
        *why = "it is no stream socket that listens";
        return false;
    }
    if (!listen_unblocked(fd)) {
        *why = strerror(errno);
        return false;
    }
    if (listener->port == 0)
        listener->port = port_of(fd);
    add(listener, fd);
    return true;
}

/* --- the end ----------------------------------------------------------------
 */

/* Unless somebody has put another one there. */
static void remove_unix(struct listener *listener)
{
    struct stat found;

    if (listener->unix_path[0] != '\0' &&
        lstat(listener->unix_path, &found) == 0 &&
        found.st_dev == listener->unix_device &&
        found.st_ino == listener->unix_inode)
        (void)unlink(listener->unix_path);
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
    remove_unix(listener);
    uv_close((uv_handle_t *)&listener->pause, NULL);
    for (unsigned i = 0; i < listener->count; i++) {
        uv_poll_stop(&listener->sockets[i].poll);
        /* at once, so that callers are refused from now on */
        uv_close((uv_handle_t *)&listener->sockets[i].poll, on_poll_closed);
    }
}
