/* lib/deadline: many deadlines, one timer. */
#include "deadline.h"

#include "../loop.h"
#include "../testing.h"

struct watched {
    struct deadline deadline;
    char name;
    void (*then)(struct watched *watched); /* NULL: nothing */
    struct watched *other;
    unsigned calls;
};

static struct loop loop;
static char calls[32];
static size_t call_count;

static void on_due(struct deadline *deadline)
{
    struct watched *watched = list_entry(deadline, struct watched, deadline);

    calls[call_count++] = watched->name;
    watched->calls++;
    assert_true(uv_now(&loop.uv) >= deadline->at_ms);
    if (watched->then != NULL)
        watched->then(watched);
}

static void watch(struct watched *watched, char name, uint64_t ms)
{
    *watched = (struct watched){.name = name};
    deadline_init(&watched->deadline, on_due);
    deadline_set(&loop.deadlines, &watched->deadline, ms);
}

static void assert_calls(const char *expected)
{
    struct str seen = {calls, call_count};

    assert_str(seen, expected);
}

static int begin(void **state)
{
    (void)state;
    call_count = 0;
    loop_open(&loop);
    uv_update_time(&loop.uv);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    loop_close(&loop);
    return 0;
}

static bool timer_runs(void)
{
    return uv_is_active((uv_handle_t *)&loop.deadlines.timer) != 0;
}

static void each_is_called_once_and_not_early(void **state)
{
    struct watched a, b, c;

    (void)state;
    watch(&a, 'a', 350);
    watch(&b, 'b', 20);
    watch(&c, 'c', 180);
    loop_until(&loop, call_count == 3);
    assert_calls("bca");
    loop_run_ms(&loop, 250);
    assert_int_equal(call_count, 3);
}

static void it_is_late_by_one_tick_at_most(void **state)
{
    struct watched a;
    uint64_t set_at = uv_now(&loop.uv);

    (void)state;
    watch(&a, 'a', 120);
    loop_until(&loop, call_count == 1);
    /* and by what a busy machine adds */
    assert_in_range(uv_now(&loop.uv) - set_at, 120,
                    120 + DEADLINE_TICK_MS + 500);
}

static void moving_replaces_what_was_set(void **state)
{
    struct watched later, sooner;

    (void)state;
    watch(&later, 'l', 50);
    deadline_set(&loop.deadlines, &later.deadline, 400);
    watch(&sooner, 's', 5000);
    deadline_set(&loop.deadlines, &sooner.deadline, 50);
    loop_until(&loop, call_count == 2);
    assert_calls("sl");
}

static void a_cleared_one_is_never_called(void **state)
{
    struct watched a, b;

    (void)state;
    watch(&a, 'a', 30);
    watch(&b, 'b', 30);
    deadline_clear(&a.deadline);
    deadline_clear(&a.deadline); /* twice is harmless */
    loop_until(&loop, call_count == 1);
    loop_run_ms(&loop, 150);
    assert_calls("b");
}

static void zero_means_never(void **state)
{
    struct watched a, b;

    (void)state;
    watch(&a, 'a', 0);
    watch(&b, 'b', 30);
    deadline_set(&loop.deadlines, &b.deadline, 0);
    assert_true(list_empty(&a.deadline.link));
    assert_true(list_empty(&b.deadline.link));
    loop_run_ms(&loop, 250);
    assert_calls("");
}

static void the_timer_runs_only_while_something_is_watched(void **state)
{
    struct watched a;

    (void)state;
    assert_false(timer_runs());
    watch(&a, 'a', 30);
    assert_true(timer_runs());
    loop_until(&loop, call_count == 1);
    assert_false(timer_runs());
    watch(&a, 'b', 30);
    deadline_clear(&a.deadline);
    loop_until(&loop, !timer_runs());
    watch(&a, 'c', 30);
    loop_until(&loop, call_count == 2);
    assert_calls("ac");
}

static void clear_the_other(struct watched *watched)
{
    deadline_clear(&watched->other->deadline);
}

static void a_callback_may_clear_one_that_is_due_with_it(void **state)
{
    struct watched a, b, c;

    (void)state;
    watch(&a, 'a', 30);
    watch(&b, 'b', 30);
    watch(&c, 'c', 30);
    a.then = clear_the_other;
    a.other = &b;
    loop_until(&loop, c.calls == 1);
    loop_run_ms(&loop, 150);
    assert_calls("ac");
}

static void move_the_other(struct watched *watched)
{
    deadline_set(&loop.deadlines, &watched->other->deadline, 150);
}

static void a_callback_may_move_one_that_is_due_with_it(void **state)
{
    struct watched a, b, c;

    (void)state;
    watch(&a, 'a', 30);
    watch(&b, 'b', 30);
    watch(&c, 'c', 30);
    a.then = move_the_other;
    a.other = &b;
    loop_until(&loop, c.calls == 1);
    assert_calls("ac");
    loop_until(&loop, b.calls == 1);
    assert_calls("acb");
    assert_int_equal(b.calls, 1);
}

static void set_again(struct watched *watched)
{
    if (watched->calls < 3)
        deadline_set(&loop.deadlines, &watched->deadline, 1);
}

static void a_callback_may_set_itself_again(void **state)
{
    struct watched a;

    (void)state;
    watch(&a, 'a', 1);
    a.then = set_again;
    loop_until(&loop, a.calls == 3);
    loop_run_ms(&loop, 200);
    assert_calls("aaa");
    assert_false(timer_runs());
}

static void a_thousand_of_them_are_all_called(void **state)
{
    static struct watched many[1000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = (struct watched){.name = 'x'};
        deadline_init(&many[i].deadline, on_due);
    }
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        if (i % 40 == 0)
            deadline_set(&loop.deadlines, &many[i].deadline, 1 + i % 97);
        else
            deadline_set(&loop.deadlines, &many[i].deadline, 60000);
    }
    loop_until(&loop, call_count == 25);
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        assert_int_equal(many[i].calls, i % 40 == 0);
        deadline_clear(&many[i].deadline);
    }
}

#define with_loop(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_loop(each_is_called_once_and_not_early),
        with_loop(it_is_late_by_one_tick_at_most),
        with_loop(moving_replaces_what_was_set),
        with_loop(a_cleared_one_is_never_called),
        with_loop(zero_means_never),
        with_loop(the_timer_runs_only_while_something_is_watched),
        with_loop(a_callback_may_clear_one_that_is_due_with_it),
        with_loop(a_callback_may_move_one_that_is_due_with_it),
        with_loop(a_callback_may_set_itself_again),
        with_loop(a_thousand_of_them_are_all_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
