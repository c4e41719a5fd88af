/* accept/client: one Host, and a version that is spoken here (RFC 9112, 2.3
 * and 3.2). */
#include "../accept/door_double.h"

static void assert_refused(const char *text)
{
    struct caller caller;

    seen.refusals = seen.requests = 0;
    caller_open(&caller);
    say(&caller, text);
    loop_until(&loop, seen.refusals + seen.requests == 1);
    if (seen.refusals != 1)
        fail_msg("taken: %s", text);
    caller_close(&caller);
    loop_until(&loop, atomic_load(&door.client_count) == 0);
}

static void a_request_without_its_host_is_refused(void **state)
{
    (void)state;
    assert_refused("GET /a HTTP/1.1\r\n\r\n");
}

static void a_request_with_two_hosts_is_refused(void **state)
{
    (void)state;
    assert_refused("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
}

static void a_host_is_a_host(void **state)
{
    (void)state;
    assert_refused("GET /a HTTP/1.1\r\nHost: a b\r\n\r\n");
    assert_refused("GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n");
    assert_refused("GET /a HTTP/1.1\r\nHost: u@b\r\n\r\n");
    assert_refused("GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n");
}

static void versions_that_are_not_spoken_are_refused(void **state)
{
    (void)state;
    assert_refused("GET /a HTTP/2.0\r\nHost: a\r\n\r\n");
    assert_refused("GET /a HTTP/0.9\r\nHost: a\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_door(a_request_without_its_host_is_refused),
        with_door(a_request_with_two_hosts_is_refused),
        with_door(a_host_is_a_host),
        with_door(versions_that_are_not_spoken_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
