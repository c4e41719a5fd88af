#include "loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "testing.h"

enum { TICK_MS = 2, READ_SIZE = 64 * 1024 };

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

void loop_open(struct loop *loop)
{
    /* as the program does: a closed peer is an error code */
    (void)signal(SIGPIPE, SIG_IGN);
    check(uv_loop_init(&loop->uv) == 0);
    wire_loop_init(&loop->uv, &loop->wires);
    deadlines_open(&loop->deadlines, &loop->uv);
    check(uv_timer_init(&loop->uv, &loop->tick) == 0);
    check(uv_timer_start(&loop->tick, on_tick, TICK_MS, TICK_MS) == 0);
    loop_be_patient(loop);
}

void loop_close(struct loop *loop)
{
    loop_be_patient(loop);
    deadlines_close(&loop->deadlines);
    uv_timer_stop(&loop->tick);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    while (uv_loop_close(&loop->uv) != 0) {
        if (clock_ms() > loop->patience_until)
            fail_msg("handles were left open");
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
    wire_loop_fini(&loop->wires);
}

void loop_be_patient(struct loop *loop)
{
    loop->patience_until = clock_ms() + LOOP_PATIENCE_MS;
}

void loop_turn(struct loop *loop)
{
    if (clock_ms() > loop->patience_until)
        fail_msg("it did not happen in time");
    (void)uv_run(&loop->uv, UV_RUN_ONCE);
}

void loop_run_ms(struct loop *loop, uint64_t ms)
{
    uint64_t until = clock_ms() + ms;

    loop_be_patient(loop);
    while (clock_ms() < until)
        loop_turn(loop);
}

/* --- plain sockets -------------------------------------------------------- */

static void be_nonblocking(int fd)
{
    check(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

static struct sockaddr_in here(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    return address;
}

int socket_listen(unsigned *port)
{
    struct sockaddr_in address = here(0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    check(fd >= 0);
    check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    check(listen(fd, 64) == 0);
    check(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    be_nonblocking(fd);
    *port = ntohs(address.sin_port);
    return fd;
}

unsigned socket_dead_port(void)
{
    unsigned port;
    int fd = socket_listen(&port);

    close(fd);
    return port;
}

bool socket_has_caller(int listener)
{
    struct pollfd wanted = {.fd = listener, .events = POLLIN};

    return poll(&wanted, 1, 0) == 1;
}

int socket_accept(struct loop *loop, int listener)
{
    int fd;

    loop_be_patient(loop);
    while ((fd = accept(listener, NULL, NULL)) < 0) {
        check(errno == EAGAIN || errno == EINTR);
        loop_turn(loop);
    }
    be_nonblocking(fd);
    return fd;
}

void socket_pair(int ends[2])
{
    unsigned port;
    int listener = socket_listen(&port);
    struct sockaddr_in address = here(port);

    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    check(ends[0] >= 0);
    check(connect(ends[0], (struct sockaddr *)&address, sizeof(address)) == 0);
    do {
        ends[1] = accept(listener, NULL, NULL);
    } while (ends[1] < 0);
    close(listener);
    be_nonblocking(ends[0]);
    be_nonblocking(ends[1]);
}

void socket_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
    close(fd);
}

void socket_write(struct loop *loop, int fd, struct str bytes)
{
    loop_be_patient(loop);
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0) {
            /* the other end may have closed, and the test expects that */
            if (errno == EPIPE || errno == ECONNRESET)
                return;
            check(errno == EAGAIN || errno == EINTR);
            loop_turn(loop);
            continue;
        }
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
}

void socket_say(struct loop *loop, int fd, const char *text)
{
    socket_write(loop, fd, str_of(text));
}

bool socket_read(int fd, struct buf *to)
{
    for (;;) {
        ssize_t n;

        check(buf_reserve(to, READ_SIZE));
        n = read(fd, to->ptr + to->len, READ_SIZE);
        if (n > 0)
            to->len += (size_t)n;
        else if (n == 0 || errno == ECONNRESET)
            return false;
        else if (errno == EAGAIN)
            return true;
    }
}

void socket_read_to_end(struct loop *loop, int fd, struct buf *to)
{
    loop_be_patient(loop);
    while (socket_read(fd, to))
        loop_turn(loop);
}

void socket_read_until(struct loop *loop, int fd, struct buf *to,
                       const char *needle)
{
    loop_be_patient(loop);
    while (!str_contains(buf_str(to), str_of(needle))) {
        if (!socket_read(fd, to) &&
            !str_contains(buf_str(to), str_of(needle))) {
            print_error("got: %.*s\n", STR_ARG(buf_str(to)));
            fail_msg("the connection ended before \"%s\"", needle);
        }
        loop_turn(loop);
    }
}
