/* The clock of the loop and of the program, which stands still until the
 * script moves it; and uv_tcp_connect(), which leads to a socket pair.  Both
 * take the places of the real ones when the target is linked. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "stage.h"

enum { DIALS_MAX = 64 };

int __wrap_uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *arg);
int __wrap_uv_tcp_connect(uv_connect_t *request, uv_tcp_t *tcp,
                          const struct sockaddr *address, uv_connect_cb done);
void __wrap_uv_close(uv_handle_t *handle, uv_close_cb done);
void __real_uv_close(uv_handle_t *handle, uv_close_cb done);

static uint64_t now_ms = 1000000;

static struct {
    uv_connect_t *request;
    uv_tcp_t *tcp;
    uv_connect_cb done;
    int status;
} dials[DIALS_MAX];
static unsigned dial_count;

/* --- the clock ---------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *out)
{
    if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, id, out);
    out->tv_sec = (time_t)(now_ms / 1000);
    out->tv_nsec = (long)(now_ms % 1000 * 1000000);
    return 0;
}

uint64_t net_now_ms(void)
{
    return now_ms;
}

void net_advance(uint64_t ms)
{
    now_ms += ms;
}

/* The worker's loop is run by the fuzzer's own thread. */
int __wrap_uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *arg)
{
    (void)thread;
    (void)entry;
    (void)arg;
    return 0;
}

/* --- connections -------------------------------------------------------- */

void net_pair(int ends[2])
{
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    check(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    check(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
}

int __wrap_uv_tcp_connect(uv_connect_t *request, uv_tcp_t *tcp,
                          const struct sockaddr *address, uv_connect_cb done)
{
    const struct sockaddr_in *in = (const void *)address;
    int fd = -1;
    int status = 0;

    switch (backends_dial(ntohs(in->sin_port) - NET_FIRST_PORT, &fd)) {
    case DIAL_OK:
        check(uv_tcp_open(tcp, fd) == 0);
        break;
    case DIAL_REFUSED:
        status = UV_ECONNREFUSED;
        break;
    case DIAL_POOR:
        return UV_EMFILE;
    case DIAL_NEVER:
        return 0;
    }
    check(dial_count < DIALS_MAX);
    request->handle = (uv_stream_t *)tcp;
    dials[dial_count].request = request;
    dials[dial_count].tcp = tcp;
    dials[dial_count].done = done;
    dials[dial_count++].status = status;
    return 0;
}

void __wrap_uv_close(uv_handle_t *handle, uv_close_cb done)
{
    for (unsigned i = 0; i < dial_count; i++)
        if ((uv_handle_t *)dials[i].tcp == handle)
            dials[i--] = dials[--dial_count];
    __real_uv_close(handle, done);
}

bool net_pump(void)
{
    bool any = dial_count > 0;

    while (dial_count > 0) {
        unsigned last = --dial_count;

        dials[last].done(dials[last].request, dials[last].status);
    }
    return any;
}

/* --- bytes -------------------------------------------------------------- */

bool net_write(int fd, struct str *bytes, size_t most)
{
    struct str piece = str_slice(*bytes, 0, most);
    ssize_t n = piece.len == 0 ? 0 : write(fd, piece.ptr, piece.len);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    n = n < 0 ? (ssize_t)piece.len : n;
    *bytes = str_slice(*bytes, (size_t)n, bytes->len);
    return n > 0;
}

bool net_read(int fd, struct buf *to, bool *has_ended)
{
    char piece[16384];
    bool any = false;
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        buf_put(to, (struct str){piece, (size_t)n});
        check(!buf_failed(to));
        any = true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        any = any || !*has_ended;
        *has_ended = true;
    }
    return any;
}
