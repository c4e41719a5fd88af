/* The sockets that wait for callers.  It accepts and hands the descriptors
 * on; whose loop serves them is the owner's choice. */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include <sys/stat.h>
#include <uv.h>

#include "str.h"

enum { LISTENER_MAX_SOCKETS = 8 };

struct listener;

struct listener_socket {
    uv_poll_t poll;
    int fd;
    struct listener *listener;
};

struct listener {
    uv_loop_t *loop;
    struct listener_socket sockets[LISTENER_MAX_SOCKETS];
    unsigned count;
    uv_timer_t pause; /* runs while there are no descriptors left */
    void (*on_socket)(void *ctx, uv_os_sock_t fd);
    void *ctx;
    unsigned port; /* the real one, if 0 was asked for */
    bool is_open;
    /* the Unix socket that we have made, to be taken away again */
    char unix_path[108];
    dev_t unix_device;
    ino_t unix_inode;
};

/* Listens on all addresses of `host` ("" = every address of the machine).
 * False with *why, a static sentence, when none could be had. */
MUST_USE bool listener_open(struct listener *listener, uv_loop_t *loop,
                            const char *host, unsigned port,
                            void (*on_socket)(void *ctx, uv_os_sock_t fd),
                            void *ctx, const char **why);
/* A listener without a socket; what follows adds some.  Each is false with
 * *why, a static sentence, when it could not. */
void listener_init(struct listener *listener, uv_loop_t *loop,
                   void (*on_socket)(void *ctx, uv_os_sock_t fd), void *ctx);
/* Listens on all addresses of the host, as listener_open(). */
MUST_USE bool listener_add_port(struct listener *listener, const char *host,
                                unsigned port, const char **why);
/* Makes a Unix socket of that mode.  One that nobody listens on any more is
 * replaced; it is taken away again by listener_close(). */
MUST_USE bool listener_add_unix(struct listener *listener, const char *path,
                                mode_t mode, const char **why);
/* Takes over a socket that listens already. */
MUST_USE bool listener_add_socket(struct listener *listener, int fd,
                                  const char **why);

/* Stops listening: new callers are refused.  The memory must stay until the
 * loop has run once more.  May be repeated. */
void listener_close(struct listener *listener);

#endif
