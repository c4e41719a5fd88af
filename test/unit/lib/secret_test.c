/* lib/secret: keys that are wiped. */
#include "secret.h"

#include "../testing.h"

static void a_secret_is_a_copy_of_its_own(void **state)
{
    char text[] = "sk-123";
    struct arena arena;
    struct secret secret;

    (void)state;
    arena_init(&arena);
    secret = secret_keep(&arena, (struct str){text, 6});
    text[0] = 'X';
    assert_str(secret.bytes, "sk-123");
    assert_int_equal(secret.bytes.ptr[6], '\0');
    assert_true(secret_is_set(secret));
    assert_false(secret_is_set(secret_keep(&arena, (struct str){NULL, 0})));
    assert_false(secret_is_set((struct secret){{NULL, 0}}));
    arena_clear(&arena);
}

static struct str seen;
static bool was_wiped;

static void look(void *unused)
{
    (void)unused;
    was_wiped = true;
    for (size_t i = 0; i < seen.len; i++)
        if (seen.ptr[i] != '\0')
            was_wiped = false;
}

static void its_bytes_are_wiped_before_the_memory_goes_back(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    arena_defer(&arena, look, NULL); /* older: runs behind the wiping */
    seen = secret_keep(&arena, STR("sk-very-secret")).bytes;
    was_wiped = false;
    arena_clear(&arena);
    assert_true(was_wiped);
}

static void the_text_it_came_in_can_be_wiped(void **state)
{
    char text[] = "a key b";

    (void)state;
    secret_wipe((struct str){text + 2, 3});
    assert_memory_equal(text, "a \0\0\0 b", 7);
    secret_wipe((struct str){NULL, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_a_copy_of_its_own),
        cmocka_unit_test(its_bytes_are_wiped_before_the_memory_goes_back),
        cmocka_unit_test(the_text_it_came_in_can_be_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
