/* forward/pool: a host with several addresses.  The test answers for DNS: the
 * program's own getaddrinfo() comes before the system's. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "clock.h"
#include "try.h"

enum { MOST = 4 };

static struct {
    const char *addresses[MOST];
    _Atomic unsigned lookups;
} dns;

struct answer {
    struct addrinfo info;
    struct sockaddr_storage address;
};

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo **next = found;
    struct sockaddr_in6 *v6;
    struct sockaddr_in *v4;

    (void)hints;
    if (strcmp(node, "several.test") != 0)
        return EAI_NONAME;
    atomic_fetch_add(&dns.lookups, 1);
    *found = NULL;
    for (unsigned i = 0; i < MOST && dns.addresses[i] != NULL; i++) {
        struct answer *answer = calloc(1, sizeof(*answer));
        uint64_t number = 0;

        if (!str_to_u64(str_of(service), &number))
            return EAI_SERVICE;
        answer->info.ai_addr = (struct sockaddr *)&answer->address;
        v4 = (struct sockaddr_in *)&answer->address;
        v6 = (struct sockaddr_in6 *)&answer->address;
        if (inet_pton(AF_INET, dns.addresses[i], &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons((uint16_t)number);
            answer->info.ai_addrlen = sizeof(*v4);
        } else {
            inet_pton(AF_INET6, dns.addresses[i], &v6->sin6_addr);
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons((uint16_t)number);
            answer->info.ai_addrlen = sizeof(*v6);
        }
        answer->info.ai_family = answer->address.ss_family;
        answer->info.ai_socktype = SOCK_STREAM;
        *next = &answer->info;
        next = &answer->info.ai_next;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;

        free(found); /* the first member of its answer */
        found = next;
    }
}

static void resolve_to(const char *a, const char *b, const char *c)
{
    dns.addresses[0] = a;
    dns.addresses[1] = b;
    dns.addresses[2] = c;
}

static int begin(void **state)
{
    (void)state;
    atomic_store(&dns.lookups, 0);
    loop_open(&loop);
    listener = socket_listen(&port);
    pool_open_for("backends:\n  - {name: a, tier: local, url: "
                  "'http://several.test:%u', models: [{name: m}]}\n",
                  port);
    return 0;
}

static void close_at_once(int peer)
{
    socket_say(&loop, peer,
               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
               "Connection: close\r\n\r\n");
    close(peer);
}

/* On 127.0.0.2, at the same port. */
static int listen_beside(int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &address.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Callers that nobody accepts, until the next one would hang. */
static void fill(int fds[], unsigned count)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};

    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &address.sin_addr), 1);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        (void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    loop_run_ms(&loop, 20);
}

static void an_address_that_refuses_is_left_for_the_next(void **state)
{
    struct try t;

    (void)state;
    resolve_to("::1", "127.0.0.2", "127.0.0.1");
    try_open(&t);
    close_at_once(serve());
    assert_ended(&t, 200, "");
    try_fini(&t);
}

static void one_that_hangs_takes_no_more_than_its_share(void **state)
{
    struct attempt_order order = order_of(REQUEST);
    int hanging = listen_beside(0);
    int fds[4];
    struct try t;
    uint64_t from;

    (void)state;
    fill(fds, COUNT_OF(fds));
    resolve_to("127.0.0.2", "127.0.0.1", NULL);
    order.connect_ms = 1000;
    from = clock_us();
    try_order(&t, &order);
    close_at_once(serve());
    assert_ended(&t, 200, "");
    assert_in_range(clock_us() - from, 300 * 1000, 1000 * 1000);
    try_fini(&t);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    close(hanging);
}

static void all_of_them_share_the_whole_time(void **state)
{
    struct attempt_order order = order_of(REQUEST);
    int hanging = listen_beside(0);
    int fds[4];
    struct try t;
    uint64_t from;

    (void)state;
    fill(fds, COUNT_OF(fds));
    resolve_to("127.0.0.2", "127.0.0.2", "127.0.0.2");
    order.connect_ms = 900;
    from = clock_us();
    try_order(&t, &order);
    assert_failed(&t, ERR_CONNECT_TIMEOUT);
    assert_in_range(clock_us() - from, 800 * 1000, 3000 * 1000);
    try_fini(&t);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    close(hanging);
}

static void a_host_that_moves_is_found_with_the_next_connection(void **state)
{
    int beside = listen_beside(16);
    struct try t;
    int peer;

    (void)state;
    resolve_to("127.0.0.1", NULL, NULL);
    try_open(&t);
    close_at_once(serve());
    assert_ended(&t, 200, "");
    try_fini(&t);
    resolve_to("127.0.0.2", NULL, NULL);
    try_open(&t);
    peer = socket_accept(&loop, beside);
    serve_again(peer); /* reads the request */
    close_at_once(peer);
    assert_ended(&t, 200, "");
    try_fini(&t);
    assert_int_equal(atomic_load(&dns.lookups), 2);
    close(beside);
}

#define with_names(test) \
    cmocka_unit_test_setup_teardown(test, begin, try_finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_names(an_address_that_refuses_is_left_for_the_next),
        with_names(one_that_hangs_takes_no_more_than_its_share),
        with_names(all_of_them_share_the_whole_time),
        with_names(a_host_that_moves_is_found_with_the_next_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
