/* lib/list: links that stand inside the members. */
#include "list.h"

#include "../testing.h"

struct member {
    char name;
    struct list link;
};

static struct str names_of(struct list *head, char *out)
{
    size_t len = 0;

    list_each (link, head)
        out[len++] = list_entry(link, struct member, link)->name;
    return (struct str){out, len};
}

static void members_stand_in_the_order_of_their_pushes(void **state)
{
    struct member a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    struct list head;
    char names[8];

    (void)state;
    list_init(&head);
    assert_true(list_empty(&head));
    list_push_back(&head, &b.link);
    list_push_back(&head, &c.link);
    list_push_front(&head, &a.link);
    assert_false(list_empty(&head));
    assert_str(names_of(&head, names), "abc");
}

static void removing_twice_is_harmless(void **state)
{
    struct member a = {.name = 'a'}, b = {.name = 'b'};
    struct list head;
    char names[8];

    (void)state;
    list_init(&head);
    list_push_back(&head, &a.link);
    list_push_back(&head, &b.link);
    list_remove(&a.link);
    list_remove(&a.link);
    assert_str(names_of(&head, names), "b");
    assert_true(list_empty(&a.link));
    list_remove(&b.link);
    assert_true(list_empty(&head));
}

static void the_present_member_may_go_while_walking(void **state)
{
    struct member members[5];
    struct list head;
    char names[8];

    (void)state;
    list_init(&head);
    for (unsigned i = 0; i < COUNT_OF(members); i++) {
        members[i].name = (char)('a' + i);
        list_push_back(&head, &members[i].link);
    }
    list_each_safe (link, &head) {
        if (list_entry(link, struct member, link)->name % 2 == 0)
            list_remove(link);
    }
    assert_str(names_of(&head, names), "ace");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_of_their_pushes),
        cmocka_unit_test(removing_twice_is_harmless),
        cmocka_unit_test(the_present_member_may_go_while_walking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
