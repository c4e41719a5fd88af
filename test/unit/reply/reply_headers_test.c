/* reply: more headers than fit leave the answer well-formed. */
#include "reply/reply.h"

#include "../reply/sink_double.h"

static void a_header_that_does_not_fit_is_left_out_whole(void **state)
{
    static char big[20000];
    struct str body = STR("body");
    struct sink_double sink;
    struct reply reply;
    struct str text;

    (void)state;
    memset(big, 'x', sizeof(big));
    sink_double_init(&sink);
    reply_init(&reply, &sink.sink);
    reply.keeps_alive = true;
    reply_header(&reply, STR("X-A"), (struct str){big, sizeof(big)});
    reply_header(&reply, STR("X-B"), (struct str){big, sizeof(big)});
    reply_header(&reply, STR("X-C"), STR("c"));
    reply_whole(&reply, 200, STR("text/plain"), &body, 1);
    text = sink_double_text(&sink);
    assert_true(text.len < 70000);
    assert_has(text, "\r\nX-A: xxx");
    assert_lacks(text, "X-B");
    assert_has(text, "\r\nX-C: c\r\n");
    assert_true(str_ends(text, STR("\r\n\r\nbody")));
    reply_close(&reply);
    sink_double_fini(&sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_that_does_not_fit_is_left_out_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
