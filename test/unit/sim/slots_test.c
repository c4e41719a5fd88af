/* Slots: first come, first served, up to a bound. */
#include "../testing.h"

#include "../../../sim/slots.h"

enum { SEATS = 5 };

static struct slots slots;
static struct slots_seat seats[SEATS];

static int begin(void **state)
{
    (void)state;
    slots_init(&slots, 2, 2);
    for (unsigned i = 0; i < SEATS; i++)
        slots_seat_init(&seats[i]);
    return 0;
}

static void fill(void)
{
    assert_int_equal(slots_enter(&slots, &seats[0]), SLOTS_RUNNING);
    assert_int_equal(slots_enter(&slots, &seats[1]), SLOTS_RUNNING);
    assert_int_equal(slots_enter(&slots, &seats[2]), SLOTS_WAITING);
    assert_int_equal(slots_enter(&slots, &seats[3]), SLOTS_WAITING);
}

static void who_finds_no_place_is_refused(void **state)
{
    (void)state;
    fill();
    assert_int_equal(slots_enter(&slots, &seats[4]), SLOTS_NONE);
    assert_int_equal(slots.running, 2);
    assert_int_equal(slots.waiting, 2);
}

static void the_one_who_waited_longest_comes_next(void **state)
{
    (void)state;
    fill();
    assert_null(slots_next(&slots));
    slots_leave(&slots, &seats[0]);
    assert_ptr_equal(slots_next(&slots), &seats[2]);
    assert_null(slots_next(&slots));
    slots_leave(&slots, &seats[1]);
    slots_leave(&slots, &seats[2]);
    assert_ptr_equal(slots_next(&slots), &seats[3]);
    assert_int_equal(slots.running, 1);
    assert_int_equal(slots.waiting, 0);
}

static void nobody_overtakes_those_who_wait(void **state)
{
    (void)state;
    fill();
    slots_leave(&slots, &seats[0]);
    slots_leave(&slots, &seats[3]);
    assert_int_equal(slots_enter(&slots, &seats[4]), SLOTS_WAITING);
    assert_ptr_equal(slots_next(&slots), &seats[2]);
}

static void leaving_twice_is_harmless(void **state)
{
    (void)state;
    fill();
    slots_leave(&slots, &seats[2]);
    slots_leave(&slots, &seats[2]);
    slots_leave(&slots, &seats[4]);
    assert_int_equal(slots.running, 2);
    assert_int_equal(slots.waiting, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_finds_no_place_is_refused, begin),
        cmocka_unit_test_setup(the_one_who_waited_longest_comes_next, begin),
        cmocka_unit_test_setup(nobody_overtakes_those_who_wait, begin),
        cmocka_unit_test_setup(leaving_twice_is_harmless, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
