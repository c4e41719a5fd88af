#include "fetch_given.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { PATIENCE_MS = 20000 };

struct given_fetch given;

static uint64_t patient_until_ms;

static void open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    given.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(given.listener >= 0);
    assert_int_equal(
        bind(given.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(given.listener, 8), 0);
    assert_int_equal(
        getsockname(given.listener, (struct sockaddr *)&address, &size), 0);
    given.port = ntohs(address.sin_port);
}

int given_begin(void **state)
{
    struct buf why;

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    buf_init(&why, 1024);
    given = (struct given_fetch){.listener = -1, .fd = -1};
    given.fetcher = fetch_open(&why);
    assert_str(buf_str(&why), "");
    assert_non_null(given.fetcher);
    buf_init(&given.detail, SIZE_MAX);
    buf_init(&given.body, SIZE_MAX);
    buf_init(&given.head, SIZE_MAX);
    buf_init(&given.trailers, SIZE_MAX);
    buf_init(&given.got, SIZE_MAX);
    open_listener();
    return 0;
}

int given_end(void **state)
{
    (void)state;
    fetch_close(given.fetcher);
    given_hang_up();
    if (given.listener >= 0)
        close(given.listener);
    buf_fini(&given.detail);
    buf_fini(&given.body);
    buf_fini(&given.head);
    buf_fini(&given.trailers);
    buf_fini(&given.got);
    return 0;
}

struct str given_url(const char *scheme, const char *host)
{
    static char url[128];

    (void)snprintf(url, sizeof(url), "%s://%s:%u/v1/x", scheme, host,
                   given.port);
    return str_of(url);
}

struct fetch_order given_order(const char *body)
{
    return (struct fetch_order){
        .url = given_url("http", "127.0.0.1"),
        .body = str_of(body),
        .timeout_ms = 10000,
        .max_answer = 64 * 1024,
    };
}

static void copy_fields(const struct head *head, struct buf *to)
{
    buf_clear(to);
    for (unsigned i = 0; i < head->count; i++) {
        buf_put(to, head->fields[i].name);
        buf_put(to, STR(": "));
        buf_put(to, head->fields[i].value);
        buf_put_char(to, '\n');
    }
}

static void on_answer(void *ctx, const struct fetch_answer *answer)
{
    (void)ctx;
    given.fetch = NULL;
    given.answers++;
    given.error = answer->error;
    given.status = answer->status;
    buf_clear(&given.detail);
    buf_put(&given.detail, str_of(answer->detail));
    buf_clear(&given.body);
    buf_put(&given.body, answer->body);
    copy_fields(answer->head, &given.head);
    copy_fields(answer->trailers, &given.trailers);
}

void given_fetch(const struct fetch_order *order)
{
    given.fetch = fetch_begin(given.fetcher, order, on_answer, NULL);
    assert_non_null(given.fetch);
}

void given_be_patient(void)
{
    patient_until_ms = clock_ms() + PATIENCE_MS;
}

void given_turn(void)
{
    assert_true(clock_ms() < patient_until_ms);
    fetch_wait(given.fetcher, 2);
    fetch_work(given.fetcher);
}

static bool is_ready(int fd, short events)
{
    struct pollfd wanted = {fd, events, 0};

    return poll(&wanted, 1, 0) > 0;
}

void given_accept(void)
{
    given_until(is_ready(given.listener, POLLIN));
    given_hang_up();
    given.fd = accept(given.listener, NULL, NULL);
    assert_true(given.fd >= 0);
    assert_int_equal(
        fcntl(given.fd, F_SETFL, fcntl(given.fd, F_GETFL) | O_NONBLOCK), 0);
    buf_clear(&given.got);
}

bool given_is_called(void)
{
    return is_ready(given.listener, POLLIN);
}

static bool read_some(void)
{
    char bytes[4096];
    ssize_t n = given.fd < 0 ? 0 : read(given.fd, bytes, sizeof(bytes));

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    assert_true(n >= 0);
    if (n == 0) {
        given_hang_up();
        return false;
    }
    buf_put(&given.got, (struct str){bytes, (size_t)n});
    return true;
}

bool given_has_got(const char *needle)
{
    while (read_some())
        continue;
    return str_contains(buf_str(&given.got), str_of(needle));
}

void given_read_until(const char *needle)
{
    given_until(given_has_got(needle));
}

void given_say(struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(given.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n < 0) {
            assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
            given_until(is_ready(given.fd, POLLOUT));
            continue;
        }
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
}

void given_hang_up(void)
{
    if (given.fd >= 0)
        close(given.fd);
    given.fd = -1;
}

void given_serve(const char *body, const char *answer)
{
    given_accept();
    given_read_until(body);
    given_say(str_of(answer));
    given_hang_up();
}

void given_fetch_answer(const struct fetch_order *order)
{
    given_fetch(order);
    given_until(given.answers > 0);
}
