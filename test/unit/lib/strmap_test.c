/* lib/strmap: from strings to numbers. */
#include "strmap.h"

#include "../testing.h"

static void a_new_key_begins_at_zero_and_keeps_its_number(void **state)
{
    struct arena arena;
    struct strmap map;

    (void)state;
    arena_init(&arena);
    strmap_init(&map, &arena);
    assert_null(strmap_find(&map, STR("a")));
    assert_int_equal(*strmap_at(&map, STR("a")), 0);
    *strmap_at(&map, STR("a")) = 5;
    assert_int_equal(*strmap_at(&map, STR("a")), 5);
    assert_int_equal(*strmap_find(&map, STR("a")), 5);
    assert_null(strmap_find(&map, STR("b")));
    assert_int_equal(map.count, 1);
    arena_clear(&arena);
}

static void a_thousand_keys_are_told_apart(void **state)
{
    enum { KEYS = 1000 };
    struct arena arena;
    struct strmap map;

    (void)state;
    arena_init(&arena);
    strmap_init(&map, &arena);
    for (size_t i = 0; i < KEYS; i++)
        *strmap_at(&map, arena_printf(&arena, "key-%zu", i)) = i;
    assert_int_equal(map.count, KEYS);
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(*strmap_find(&map, arena_printf(&arena, "key-%zu", i)),
                         i);
    assert_null(strmap_find(&map, STR("key-1000")));
    arena_clear(&arena);
}

static void the_empty_string_is_a_key(void **state)
{
    struct arena arena;
    struct strmap map;

    (void)state;
    arena_init(&arena);
    strmap_init(&map, &arena);
    *strmap_at(&map, (struct str){NULL, 0}) = 3;
    assert_int_equal(*strmap_find(&map, STR("")), 3);
    assert_int_equal(*strmap_at(&map, STR("")), 3);
    assert_int_equal(map.count, 1);
    arena_clear(&arena);
}

static void keys_are_bytes_and_not_c_strings(void **state)
{
    struct arena arena;
    struct strmap map;

    (void)state;
    arena_init(&arena);
    strmap_init(&map, &arena);
    *strmap_at(&map, STR("a\0b")) = 1;
    *strmap_at(&map, STR("a\0c")) = 2;
    *strmap_at(&map, STR("a")) = 3;
    assert_int_equal(*strmap_find(&map, STR("a\0b")), 1);
    assert_int_equal(*strmap_find(&map, STR("a\0c")), 2);
    assert_int_equal(*strmap_find(&map, STR("a")), 3);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_key_begins_at_zero_and_keeps_its_number),
        cmocka_unit_test(a_thousand_keys_are_told_apart),
        cmocka_unit_test(the_empty_string_is_a_key),
        cmocka_unit_test(keys_are_bytes_and_not_c_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
