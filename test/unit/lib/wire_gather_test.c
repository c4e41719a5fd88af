/* lib/wire: on a loop that gathers, writes leave at the end of its turn. */
#include <stdlib.h>
#include <unistd.h>

#include "wire_end.h"

static struct loop loop;
static struct end here; /* the wire under test */
static int there;       /* the other end, a plain socket */

static int begin(void **state)
{
    int ends[2];

    (void)state;
    in_call = false;
    loop_open(&loop);
    wire_loop_gather_open(&loop.uv);
    socket_pair(ends);
    there = ends[1];
    end_adopt(&here, &loop, ends[0]);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    end_drop(&here, &loop);
    close(there);
    wire_loop_gather_close(&loop.uv);
    loop_close(&loop);
    return 0;
}

static void say(struct str text)
{
    wire_call(wire_write(&here.wire, &text, 1));
}

static struct str heard(struct buf *got)
{
    (void)socket_read(there, got);
    return buf_str(got);
}

static void small_writes_leave_together_at_the_end_of_the_turn(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    say(STR("one "));
    say(STR("two"));
    assert_int_equal(wire_queued(&here.wire), 7);
    assert_str(heard(&got), "");
    loop_turn(&loop);
    assert_str(heard(&got), "one two");
    assert_int_equal(wire_queued(&here.wire), 0);
    assert_int_equal(here.drains, 1);
    buf_fini(&got);
}

static void a_large_write_leaves_at_once_behind_the_small_ones(void **state)
{
    size_t len = 20 * 1000;
    char *bytes = calloc(1, len);
    struct buf got;

    (void)state;
    assert_non_null(bytes);
    buf_init(&got, 1 << 20);
    say(STR("first"));
    say((struct str){bytes, len});
    loop_be_patient(&loop);
    while (got.len < len + 5) {
        (void)socket_read(there, &got);
        loop_turn(&loop);
    }
    assert_str(str_slice(buf_str(&got), 0, 5), "first");
    assert_int_equal(got.len, len + 5);
    buf_fini(&got);
    free(bytes);
}

static void closing_sends_what_was_gathered(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    say(STR("goodbye"));
    wire_call(wire_close(&here.wire));
    socket_read_to_end(&loop, there, &got);
    assert_str(buf_str(&got), "goodbye");
    assert_int_equal(here.drains, 0);
    buf_fini(&got);
}

static void a_shutdown_comes_behind_what_was_gathered(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    say(STR("the end"));
    wire_call(wire_shutdown(&here.wire));
    socket_read_to_end(&loop, there, &got);
    assert_str(buf_str(&got), "the end");
    buf_fini(&got);
}

#define with_wire(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_wire(small_writes_leave_together_at_the_end_of_the_turn),
        with_wire(a_large_write_leaves_at_once_behind_the_small_ones),
        with_wire(closing_sends_what_was_gathered),
        with_wire(a_shutdown_comes_behind_what_was_gathered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
