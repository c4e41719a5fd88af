#include "systemd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_SOCKET = 3, MOST_SOCKETS = 64 };

static bool number_of(const char *name, uint64_t *out)
{
    const char *text = getenv(name);

    return text != NULL && str_to_u64(str_of(text), out);
}

unsigned systemd_sockets(int *first)
{
    uint64_t pid = 0;
    uint64_t count = 0;
    bool is_ours = number_of("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
                   number_of("LISTEN_FDS", &count) && count <= MOST_SOCKETS;

    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    *first = FIRST_SOCKET;
    return is_ours ? (unsigned)count : 0;
}

void systemd_notify(const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);
    socklen_t address_len;
    int fd;

    if (len < 2 || len >= sizeof(address.sun_path) ||
        (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') /* an abstract name begins with a zero byte */
        address.sun_path[0] = '\0';
    address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                 (const struct sockaddr *)&address, address_len);
    close(fd);
}

void systemd_notify_reloading(void)
{
    struct timespec now;
    char state[64];

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return;
    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                   (uint64_t)now.tv_sec * 1000000 +
                       (uint64_t)now.tv_nsec / 1000);
    systemd_notify(state);
}
