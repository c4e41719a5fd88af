/* accept/listener: the sockets that wait for callers. */
#include "accept/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../loop.h"
#include "../testing.h"

enum { MOST = 100 };

static struct loop loop;
static struct listener listener;
static int accepted[MOST];
static unsigned count;

static void on_socket(void *ctx, uv_os_sock_t fd)
{
    assert_ptr_equal(ctx, &listener);
    assert_true(count < MOST);
    accepted[count++] = fd;
}

static int begin(void **state)
{
    const char *why = NULL;

    (void)state;
    count = 0;
    loop_open(&loop);
    assert_true(listener_open(&listener, &loop.uv, "127.0.0.1", 0, on_socket,
                              &listener, &why));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    for (unsigned i = 0; i < count; i++)
        close(accepted[i]);
    listener_close(&listener);
    listener_close(&listener); /* may be repeated */
    loop_close(&loop);
    return 0;
}

/* A caller of the port; -1 when it is refused. */
static int call(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

static void port_0_is_a_free_one_and_told(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(listener.count, 1);
    assert_in_range(listener.port, 1, 65535);
    fd = call(listener.port);
    assert_true(fd >= 0);
    loop_until(&loop, count == 1);
    assert_int_equal(write(fd, "x", 1), 1);
    {
        char byte = 0;

        loop_until(&loop, recv(accepted[0], &byte, 1, MSG_DONTWAIT) == 1);
        assert_int_equal(byte, 'x');
    }
    close(fd);
}

static void many_callers_are_all_handed_on(void **state)
{
    int fds[MOST];

    (void)state;
    for (unsigned i = 0; i < MOST; i++)
        fds[i] = call(listener.port);
    loop_until(&loop, count == MOST);
    for (unsigned i = 0; i < MOST; i++)
        close(fds[i]);
}

static void after_closing_callers_are_refused(void **state)
{
    unsigned port = listener.port;

    (void)state;
    listener_close(&listener);
    loop_run_ms(&loop, 10);
    assert_int_equal(call(port), -1);
    assert_int_equal(count, 0);
}

static void a_port_that_is_taken_is_told(void **state)
{
    struct listener other;
    const char *why = NULL;

    (void)state;
    assert_false(listener_open(&other, &loop.uv, "127.0.0.1", listener.port,
                               on_socket, &other, &why));
    assert_has(str_of(why), "in use");
}

static void an_address_that_is_none_is_told(void **state)
{
    struct listener other;
    const char *why = NULL;

    (void)state;
    assert_false(listener_open(&other, &loop.uv, "300.1.2.3:x", 0, on_socket,
                               &other, &why));
    assert_non_null(why);
    why = NULL;
    /* an address that is not this machine's (RFC 5737) */
    assert_false(listener_open(&other, &loop.uv, "192.0.2.1", 0, on_socket,
                               &other, &why));
    assert_non_null(why);
}

/* --- Unix sockets --------------------------------------------------------- */

static char folder[] = "/tmp/weir-listener-XXXXXX";
static char path[64];

static int unix_begin(void **state)
{
    (void)state;
    count = 0;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    loop_open(&loop);
    listener_init(&listener, &loop.uv, on_socket, &listener);
    return 0;
}

static int unix_finish(void **state)
{
    (void)finish(state);
    (void)unlink(path);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/* A caller of the path; -1 when it is refused or not there. */
static int call_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, path, strlen(path));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void a_unix_socket_has_its_mode_and_goes_with_the_listener(void **state)
{
    struct stat found;
    const char *why = NULL;
    int fd;

    (void)state;
    assert_true(listener_add_unix(&listener, path, 0640, &why));
    assert_int_equal(lstat(path, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    assert_int_equal(found.st_mode & 0777, 0640);
    fd = call_path();
    assert_true(fd >= 0);
    loop_until(&loop, count == 1);
    close(fd);
    listener_close(&listener);
    assert_int_equal(lstat(path, &found), -1);
}

/* Bound and left, as by a process that was killed. */
static void leave_stale(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

static void a_stale_unix_socket_is_replaced(void **state)
{
    const char *why = NULL;
    int fd;

    (void)state;
    leave_stale();
    assert_true(listener_add_unix(&listener, path, 0600, &why));
    fd = call_path();
    assert_true(fd >= 0);
    close(fd);
}

static void a_unix_socket_that_is_served_is_left_alone(void **state)
{
    struct listener other;
    const char *why = NULL;
    int fd;

    (void)state;
    assert_true(listener_add_unix(&listener, path, 0600, &why));
    listener_init(&other, &loop.uv, on_socket, &listener);
    assert_false(listener_add_unix(&other, path, 0600, &why));
    assert_has(str_of(why), "in use");
    listener_close(&other);
    fd = call_path();
    assert_true(fd >= 0);
    close(fd);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    const char *why = NULL;
    FILE *file;

    (void)state;
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_false(listener_add_unix(&listener, path, 0600, &why));
    assert_has(str_of(why), "in use");
    assert_int_equal(access(path, F_OK), 0);
}

static void a_socket_of_somebody_else_is_not_taken_away(void **state)
{
    const char *why = NULL;

    (void)state;
    assert_true(listener_add_unix(&listener, path, 0600, &why));
    unlink(path);
    leave_stale();
    listener_close(&listener);
    assert_int_equal(access(path, F_OK), 0);
}

static void a_socket_that_listens_already_is_taken_over(void **state)
{
    const char *why = NULL;
    unsigned port = 0;
    int given = socket_listen(&port);
    int fd;

    (void)state;
    assert_true(listener_add_socket(&listener, given, &why));
    assert_int_equal(listener.port, port);
    fd = call(port);
    loop_until(&loop, count == 1);
    assert_false(listener_add_socket(&listener, fd, &why));
    assert_has(str_of(why), "listens");
    close(fd);
}

#define with_folder(test) \
    cmocka_unit_test_setup_teardown(test, unix_begin, unix_finish)
#define with_listener(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_listener(port_0_is_a_free_one_and_told),
        with_listener(many_callers_are_all_handed_on),
        with_listener(after_closing_callers_are_refused),
        with_listener(a_port_that_is_taken_is_told),
        with_listener(an_address_that_is_none_is_told),
        with_folder(a_unix_socket_has_its_mode_and_goes_with_the_listener),
        with_folder(a_stale_unix_socket_is_replaced),
        with_folder(a_unix_socket_that_is_served_is_left_alone),
        with_folder(what_is_no_socket_is_left_alone),
        with_folder(a_socket_of_somebody_else_is_not_taken_away),
        with_folder(a_socket_that_listens_already_is_taken_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
