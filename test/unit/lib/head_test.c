/* lib/head: the fields of an HTTP message head. */
#include "head.h"

#include "../testing.h"

static void add(struct head *head, const char *name, const char *value)
{
    head_add_name(head, str_of(name));
    head_end_name(head);
    head_add_value(head, str_of(value));
}

static void pieces_become_whole_fields(void **state)
{
    struct head head;

    (void)state;
    head_init(&head);
    head_add_target(&head, STR("/v1"));
    head_add_target(&head, STR("/models"));
    head_add_name(&head, STR("Con"));
    head_add_name(&head, STR("tent-Type"));
    head_end_name(&head);
    head_add_value(&head, STR("  application"));
    head_add_value(&head, STR("/json \t"));
    add(&head, "Empty", "");
    add(&head, "X", "y");
    head_complete(&head);
    assert_str(head.target, "/v1/models");
    assert_str(head_find(&head, STR("content-type")), "application/json");
    assert_str(head_find(&head, STR("X")), "y");
    assert_int_equal(head.count, 3);
    head_fini(&head);
}

static void an_empty_field_is_there_and_an_absent_one_is_not(void **state)
{
    struct head head;

    (void)state;
    head_init(&head);
    head_add_name(&head, STR("empty"));
    head_end_name(&head);
    add(&head, "blank", "   ");
    head_complete(&head);
    assert_non_null(head_find(&head, STR("empty")).ptr);
    assert_int_equal(head_find(&head, STR("empty")).len, 0);
    assert_non_null(head_find(&head, STR("blank")).ptr);
    assert_int_equal(head_find(&head, STR("blank")).len, 0);
    assert_null(head_find(&head, STR("absent")).ptr);
    assert_int_equal(head_count(&head, STR("absent")), 0);
    head_fini(&head);
}

static void the_first_of_equal_names_is_found_and_all_are_counted(void **state)
{
    struct head head;

    (void)state;
    head_init(&head);
    add(&head, "X-A", "1");
    add(&head, "x-a", "2");
    add(&head, "X-AB", "3");
    head_complete(&head);
    assert_str(head_find(&head, STR("X-a")), "1");
    assert_int_equal(head_count(&head, STR("X-a")), 2);
    head_fini(&head);
}

static void a_hundred_and_twenty_eight_fields_fit_and_no_more(void **state)
{
    struct head head;

    (void)state;
    head_init(&head);
    for (unsigned i = 0; i < HEAD_MAX_FIELDS; i++)
        add(&head, "n", "v");
    assert_false(head.is_too_large);
    add(&head, "n", "v");
    assert_true(head.is_too_large);
    head_complete(&head);
    assert_int_equal(head.count, HEAD_MAX_FIELDS);
    head_fini(&head);
}

static void sixty_four_kilobytes_fit_and_no_more(void **state)
{
    static char big[HEAD_MAX_BYTES];
    struct head head;

    (void)state;
    memset(big, 'a', sizeof(big));
    head_init(&head);
    head_add_name(&head, STR("n"));
    head_end_name(&head);
    head_add_value(&head, (struct str){big, sizeof(big) - 1});
    assert_false(head.is_too_large);
    head_add_value(&head, STR("b"));
    assert_true(head.is_too_large);
    head_complete(&head);
    assert_int_equal(head_find(&head, STR("n")).len, sizeof(big) - 1);
    head_clear(&head);
    assert_false(head.is_too_large);
    head_add_target(&head, (struct str){big, sizeof(big)});
    assert_false(head.is_too_large);
    head_add_target(&head, STR("/"));
    assert_true(head.is_too_large);
    head_fini(&head);
}

static void a_head_is_used_again_and_again(void **state)
{
    static char big[8192];
    struct head head;

    (void)state;
    memset(big, 'b', sizeof(big));
    head_init(&head);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < round; i++)
            add(&head, "name", i % 2 == 0 ? "even" : "odd");
        if (round % 3 == 0) {
            head_add_name(&head, STR("big"));
            head_end_name(&head);
            head_add_value(&head, (struct str){big, sizeof(big)});
        }
        head_complete(&head);
        assert_int_equal(head_count(&head, STR("name")), round);
        assert_int_equal(head_find(&head, STR("big")).len,
                         round % 3 == 0 ? sizeof(big) : 0);
        assert_null(head_find(&head, STR("nama")).ptr);
        head_clear(&head);
        assert_int_equal(head.count, 0);
        /* an idle connection must not hold much */
        assert_true(head.text.cap <= 4096);
    }
    head_fini(&head);
}

static void an_empty_head_can_be_completed(void **state)
{
    struct head head;

    (void)state;
    head_init(&head);
    head_complete(&head);
    assert_int_equal(head.target.len, 0);
    assert_null(head_find(&head, STR("a")).ptr);
    /* a value without a name is nobody's */
    head_add_value(&head, STR("x"));
    assert_int_equal(head.count, 0);
    head_fini(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_become_whole_fields),
        cmocka_unit_test(an_empty_field_is_there_and_an_absent_one_is_not),
        cmocka_unit_test(the_first_of_equal_names_is_found_and_all_are_counted),
        cmocka_unit_test(a_hundred_and_twenty_eight_fields_fit_and_no_more),
        cmocka_unit_test(sixty_four_kilobytes_fit_and_no_more),
        cmocka_unit_test(a_head_is_used_again_and_again),
        cmocka_unit_test(an_empty_head_can_be_completed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
