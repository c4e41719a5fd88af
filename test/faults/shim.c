/* Makes the n-th call of one kind fail, in a program that it is preloaded
 * into.  test/integration/nth-failure.test.ts drives it.
 *
 * WEIR_SHIM names a file of 32-bit words, which is mapped, so that the test
 * says what it wants by writing and learns what happened by reading:
 *
 *   0  kind of call, 0 = none          3  how many calls of it were made
 *   1  which of them fails, from 1     4  how many have failed
 *   2  with which errno (EAI_… for look-ups)
 *   5  1 = all reads and writes on sockets are of one byte
 *   6  1 = a socket stays broken, in both directions
 *
 * Reads and writes are those on internet sockets: pipes, event counters and
 * the log are left alone. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    NONE,
    ALLOC,
    READ,
    WRITE,
    CONNECT,
    ACCEPT,
    LOOKUP,
    SOCKET,
    LARGE_ALLOC, /* of more than LARGE bytes */
};

enum { LARGE = 256 * 1024 };

struct orders {
    _Atomic uint32_t kind, nth, error, calls, failed, is_dripping, breaks;
};

static struct orders *orders;
static _Atomic int broken_fd = -1;

/* glibc's own names: dlsym() itself allocates */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WEIR_SHIM");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *mapped;

    if (fd < 0)
        return;
    mapped =
        mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        orders = mapped;
}

static bool fails(enum kind kind)
{
    if (orders == NULL || atomic_load(&orders->kind) != kind ||
        atomic_fetch_add(&orders->calls, 1) + 1 != atomic_load(&orders->nth))
        return false;
    atomic_fetch_add(&orders->failed, 1);
    errno = (int)atomic_load(&orders->error);
    return true;
}

static bool is_internet(int fd)
{
    int before = errno;
    int domain = 0;
    socklen_t size = sizeof(domain);
    bool is = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
              (domain == AF_INET || domain == AF_INET6);

    errno = before;
    return is;
}

static bool drips(int fd)
{
    return orders != NULL && atomic_load(&orders->is_dripping) != 0 &&
           is_internet(fd);
}

/* A read or a write: on a socket that an earlier one has broken, too. */
static bool transfer_fails(enum kind kind, int fd)
{
    if (!is_internet(fd))
        return false;
    if (atomic_load(&broken_fd) == fd) {
        errno = (int)atomic_load(&orders->error);
        return true;
    }
    if (!fails(kind))
        return false;
    if (atomic_load(&orders->breaks) != 0)
        atomic_store(&broken_fd, fd);
    return true;
}

/* A new socket is whole, whatever had its number before. */
static int whole(int fd)
{
    int expected = fd;

    if (fd >= 0)
        (void)atomic_compare_exchange_strong(&broken_fd, &expected, -1);
    return fd;
}

/* The next definition of the function, as a pointer of its own type. */
#define NEXT(type, name)                           \
    static type next;                              \
    if (next == NULL) {                            \
        void *definition = dlsym(RTLD_NEXT, name); \
        memcpy(&next, &definition, sizeof(next));  \
    }

/* --- memory --------------------------------------------------------------- */

#ifndef SHIM_WITHOUT_MEMORY
static bool memory_fails(size_t size)
{
    return fails(size > LARGE ? LARGE_ALLOC : ALLOC) ||
           (size > LARGE && fails(ALLOC));
}

void *malloc(size_t size)
{
    return memory_fails(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return memory_fails(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return memory_fails(size) ? NULL : __libc_realloc(old, size);
}
#endif

/* --- bytes ---------------------------------------------------------------- */

ssize_t read(int fd, void *into, size_t size)
{
    typedef ssize_t (*read_fn)(int, void *, size_t);
    NEXT(read_fn, "read")
    if (transfer_fails(READ, fd))
        return -1;
    return next(fd, into, size > 1 && drips(fd) ? 1 : size);
}

ssize_t write(int fd, const void *from, size_t size)
{
    typedef ssize_t (*write_fn)(int, const void *, size_t);
    NEXT(write_fn, "write")
    if (transfer_fails(WRITE, fd))
        return -1;
    return next(fd, from, size > 1 && drips(fd) ? 1 : size);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    typedef ssize_t (*writev_fn)(int, const struct iovec *, int);
    NEXT(writev_fn, "writev")
    if (transfer_fails(WRITE, fd))
        return -1;
    if (drips(fd)) {
        for (int i = 0; i < count; i++)
            if (pieces[i].iov_len > 0)
                return write(fd, pieces[i].iov_base, 1);
    }
    return next(fd, pieces, count);
}

ssize_t send(int fd, const void *from, size_t size, int flags)
{
    typedef ssize_t (*send_fn)(int, const void *, size_t, int);
    NEXT(send_fn, "send")
    if (transfer_fails(WRITE, fd))
        return -1;
    return next(fd, from, size > 1 && drips(fd) ? 1 : size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    typedef ssize_t (*sendmsg_fn)(int, const struct msghdr *, int);
    NEXT(sendmsg_fn, "sendmsg")
    if (transfer_fails(WRITE, fd))
        return -1;
    if (drips(fd)) {
        for (size_t i = 0; i < message->msg_iovlen; i++)
            if (message->msg_iov[i].iov_len > 0)
                return next(
                    fd,
                    &(struct msghdr){
                        .msg_iov =
                            &(struct iovec){message->msg_iov[i].iov_base, 1},
                        .msg_iovlen = 1},
                    flags);
    }
    return next(fd, message, flags);
}

/* --- connections ---------------------------------------------------------- */

int socket(int domain, int type, int protocol)
{
    typedef int (*socket_fn)(int, int, int);
    NEXT(socket_fn, "socket")
    if (domain != AF_UNIX && fails(SOCKET))
        return -1;
    return whole(next(domain, type, protocol));
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    typedef int (*connect_fn)(int, const struct sockaddr *, socklen_t);
    NEXT(connect_fn, "connect")
    return is_internet(fd) && fails(CONNECT) ? -1 : next(fd, address, size);
}

int accept(int fd, struct sockaddr *address, socklen_t *size)
{
    typedef int (*accept_fn)(int, struct sockaddr *, socklen_t *);
    NEXT(accept_fn, "accept")
    return fails(ACCEPT) ? -1 : whole(next(fd, address, size));
}

int getaddrinfo(const char *host, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
    typedef int (*lookup_fn)(const char *, const char *,
                             const struct addrinfo *, struct addrinfo **);
    NEXT(lookup_fn, "getaddrinfo")
    if (fails(LOOKUP))
        return (int)atomic_load(&orders->error);
    return next(host, service, hints, found);
}
