/* systemd: sockets that were given, and what the manager is told. */
#include "systemd.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "testing.h"

static void given_sockets(const char *pid, const char *count)
{
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "weir.socket", 1);
}

static void sockets_are_taken_when_they_are_ours(void **state)
{
    char pid[16];
    int first = 0;

    (void)state;
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    given_sockets(pid, "2");
    assert_int_equal(systemd_sockets(&first), 2);
    assert_int_equal(first, 3);
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_PID"));
    assert_int_equal(systemd_sockets(&first), 0);
}

static void sockets_of_another_process_are_not_ours(void **state)
{
    int first = 0;

    (void)state;
    given_sockets("1", "2");
    assert_int_equal(systemd_sockets(&first), 0);
    given_sockets("x", "2");
    assert_int_equal(systemd_sockets(&first), 0);
}

static void a_count_that_is_none_gives_no_socket(void **state)
{
    static const char *const counts[] = {"", "-1", "x", "100000"};
    char pid[16];
    int first = 0;

    (void)state;
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        given_sockets(pid, counts[i]);
        assert_int_equal(systemd_sockets(&first), 0);
    }
}

/* A manager's socket of that name; "@" is an abstract one. */
static int manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                      strlen(name))),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void assert_told(int fd, const char *expected)
{
    char text[200] = "";
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    assert_true(n > 0);
    assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
}

static void the_manager_is_told(void **state)
{
    char folder[] = "/tmp/weir-notify-XXXXXX";
    char path[64];
    char abstract[64];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/n", folder);
    fd = manager(path);
    systemd_notify("READY=1");
    assert_told(fd, "READY=1");
    close(fd);
    systemd_notify("STOPPING=1"); /* nobody is there: nothing happens */
    unlink(path);
    rmdir(folder);
    (void)snprintf(abstract, sizeof(abstract), "@weir-%ld", (long)getpid());
    fd = manager(abstract);
    systemd_notify_reloading();
    assert_told(fd, "RELOADING=1\nMONOTONIC_USEC=");
    close(fd);
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    systemd_notify("READY=1");
    setenv("NOTIFY_SOCKET", "relative", 1);
    systemd_notify("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_taken_when_they_are_ours),
        cmocka_unit_test(sockets_of_another_process_are_not_ours),
        cmocka_unit_test(a_count_that_is_none_gives_no_socket),
        cmocka_unit_test(the_manager_is_told),
        cmocka_unit_test(without_a_manager_nothing_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
