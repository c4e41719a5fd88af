/* lib/buf: a ceiling below the first capacity holds as well. */
#include "buf.h"

#include "../testing.h"

static void a_small_ceiling_holds(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    buf_put(&buf, STR("12345"));
    buf_put(&buf, STR("67890"));
    assert_false(buf_failed(&buf));
    buf_put_char(&buf, '!');
    assert_true(buf_failed(&buf));
    assert_str(buf_str(&buf), "1234567890");
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_ceiling_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
