/* accept/client: fields behind a chunked body are none of the head's (RFC
 * 9110, 6.5.1): they come too late to say who is calling. */
#include "../accept/door_double.h"

#define HOLD                                       \
    "POST /hold HTTP/1.1\r\nHost: x\r\nX-A: b\r\n" \
    "Transfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n"

static void ask(struct caller *caller, const char *text)
{
    caller_open(caller);
    say(caller, text);
    loop_until(&loop, seen.held != NULL);
}

static void trailers_are_not_taken_for_headers(void **state)
{
    struct caller caller;

    (void)state;
    ask(&caller, HOLD "X-Api-Key: forged\r\nX-Router-Policy: cloud-only\r\n"
                      "\r\n");
    assert_null(head_find(&seen.held->head, STR("x-api-key")).ptr);
    assert_null(head_find(&seen.held->head, STR("x-router-policy")).ptr);
    assert_int_equal(head_count(&seen.held->head, STR("x-api-key")), 0);
    assert_str(head_find(&seen.held->head, STR("x-a")), "b");
    finish_held(true);
    expect(&caller, "held");
    caller_close(&caller);
}

static void many_trailers_do_not_move_the_head(void **state)
{
    struct caller caller;
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 16);
    buf_put(&text, STR(HOLD));
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&text, "Trailer-%u: some more bytes to make it grow\r\n", i);
    buf_printf(&text, "\r\n");
    buf_put_char(&text, '\0');
    ask(&caller, text.ptr);
    assert_str(seen.held->path, "/hold");
    assert_str(head_find(&seen.held->head, STR("host")), "x");
    assert_str(head_find(&seen.held->head, STR("x-a")), "b");
    assert_null(head_find(&seen.held->head, STR("traceparent")).ptr);
    finish_held(true);
    expect(&caller, "held");
    buf_fini(&text);
    caller_close(&caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_door(trailers_are_not_taken_for_headers),
        with_door(many_trailers_do_not_move_the_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
