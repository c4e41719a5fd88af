#include "caller.h"

#include "../testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "buf.h"

struct sim *sim;
static struct buf got;
static bool has_got;

struct sim_options caller_options(void)
{
    struct sim_options options = sim_options_usual();

    options.vllm_port = options.anthropic_port = 0;
    options.tokens_per_second = options.first_token_ms = 0;
    options.model = "m";
    return options;
}

int caller_start(const struct sim_options *options)
{
    const char *why = NULL;

    if (!has_got)
        buf_init(&got, 1 << 24);
    has_got = true;
    if (!sim_start(&sim, options, &why))
        fail_msg("cannot start: %s", why);
    return 0;
}

int caller_begin(void **state)
{
    struct sim_options options = caller_options();

    (void)state;
    return caller_start(&options);
}

int caller_end(void **state)
{
    (void)state;
    sim_stop(sim);
    buf_fini(&got);
    has_got = false;
    return 0;
}

int caller_dial(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)port)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

int caller_ask(unsigned port, const char *method, const char *path,
               const char *fault, const char *body)
{
    int fd = caller_dial(port);
    struct buf request;

    assert_true(fd >= 0);
    buf_init(&request, 1 << 20);
    buf_printf(&request,
               "%s %s HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n"
               "content-type: application/json\r\n"
               "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
               "%s%s%scontent-length: %zu\r\n\r\n%s",
               method, path,
               fault == NULL ? "" : "x-sim-fault: ", fault == NULL ? "" : fault,
               fault == NULL ? "" : "\r\n", strlen(body), body);
    assert_int_equal(write(fd, request.ptr, request.len), (ssize_t)request.len);
    buf_fini(&request);
    return fd;
}

struct str caller_hear(int fd)
{
    char piece[4096];
    ssize_t n;

    buf_clear(&got);
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        buf_put(&got, (struct str){piece, (size_t)n});
    close(fd);
    return buf_str(&got);
}

struct str caller_get(unsigned port, const char *path)
{
    return caller_hear(caller_ask(port, "GET", path, NULL, ""));
}

struct str caller_post(unsigned port, const char *path, const char *body)
{
    return caller_hear(caller_ask(port, "POST", path, NULL, body));
}
