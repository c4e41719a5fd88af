/* lib/arena: memory that is given back all at once. */
#include "arena.h"

#include <stdalign.h>

#include "../testing.h"

static char order[16];
static size_t order_len;

static void assert_order(const char *expected)
{
    struct str seen = {order, order_len};

    assert_str(seen, expected);
}

static void note(void *what)
{
    order[order_len++] = *(const char *)what;
}

static void duties_run_newest_first_and_once(void **state)
{
    static char names[] = "abc";
    struct arena arena;

    (void)state;
    order_len = 0;
    arena_init(&arena);
    arena_defer(&arena, note, &names[0]);
    arena_defer(&arena, note, &names[1]);
    arena_defer(&arena, note, &names[2]);
    assert_int_equal(order_len, 0);
    arena_clear(&arena);
    assert_order("cba");
    arena_clear(&arena); /* empty by now */
    assert_int_equal(order_len, 3);
}

static void note_text(void *what)
{
    const struct str *text = what;

    order[order_len++] = text->ptr[0];
}

static void a_duty_may_still_use_what_the_arena_holds(void **state)
{
    struct arena arena;
    struct str *text;

    (void)state;
    order_len = 0;
    arena_init(&arena);
    text = ARENA_NEW(&arena, struct str);
    arena_defer(&arena, note_text, text);
    *text = arena_copy(&arena, STR("x"));
    for (unsigned i = 0; i < 100; i++)
        (void)arena_alloc(&arena, 100);
    arena_clear(&arena);
    assert_order("x");
}

static void every_piece_is_aligned_for_any_type(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t size = 0; size < 5000; size += 37) {
        char *piece = arena_alloc(&arena, size);

        assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
        memset(piece, 0xAA, size);
    }
    arena_clear(&arena);
}

static void pieces_do_not_overlap(void **state)
{
    enum { PIECES = 300 };
    static unsigned char *pieces[PIECES];
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (unsigned i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&arena, i * 11 % 3000);
        memset(pieces[i], (int)(i % 251), i * 11 % 3000);
    }
    for (unsigned i = 0; i < PIECES; i++)
        for (size_t k = 0; k < i * 11 % 3000; k++)
            assert_int_equal(pieces[i][k], i % 251);
    arena_clear(&arena);
}

static void calloc_gives_zeros(void **state)
{
    struct arena arena;
    const unsigned char *zeros;

    (void)state;
    arena_init(&arena);
    memset(arena_alloc(&arena, 512), 0xFF, 512);
    zeros = arena_calloc(&arena, 64, 8);
    for (size_t i = 0; i < 512; i++)
        assert_int_equal(zeros[i], 0);
    assert_non_null(arena_calloc(&arena, 0, 8));
    arena_clear(&arena);
}

static void a_copy_is_its_own_and_ends_in_a_nul(void **state)
{
    char text[] = "text";
    struct arena arena;
    struct str copy;

    (void)state;
    arena_init(&arena);
    copy = arena_copy(&arena, (struct str){text, 4});
    text[0] = 'X';
    assert_str(copy, "text");
    assert_int_equal(copy.ptr[4], '\0');
    copy = arena_copy(&arena, (struct str){NULL, 0});
    assert_non_null(copy.ptr);
    assert_int_equal(copy.ptr[0], '\0');
    arena_clear(&arena);
}

static void bytes_that_are_no_utf8_become_question_marks(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_str(arena_copy_utf8(&arena, STR("a\xFF\xC3\xA4\x80\xE2\x82")),
               "a?\xC3\xA4???");
    assert_str(arena_copy_utf8(&arena, STR("\xF0\x9F\x98\x80")),
               "\xF0\x9F\x98\x80");
    arena_clear(&arena);
}

static void printed_text_of_any_length_fits(void **state)
{
    struct arena arena;
    struct str text;

    (void)state;
    arena_init(&arena);
    text = arena_printf(&arena, "%s-%d", "a", 12);
    assert_str(text, "a-12");
    text = arena_printf(&arena, "%010000d", 7);
    assert_int_equal(text.len, 10000);
    assert_int_equal(text.ptr[9999], '7');
    arena_clear(&arena);
}

static void used_counts_what_was_asked_for(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    (void)arena_alloc(&arena, 10);
    (void)arena_alloc(&arena, 5000);
    assert_int_equal(arena.used, 5010);
    arena_clear(&arena);
    assert_int_equal(arena.used, 0);
}

static void two_joined_are_one_and_end_in_a_nul(void **state)
{
    struct arena arena;
    struct str text;

    (void)state;
    arena_init(&arena);
    text = arena_join(&arena, STR("ab"), STR("c"));
    assert_str(text, "abc");
    assert_int_equal(text.ptr[3], '\0');
    assert_str(arena_join(&arena, (struct str){NULL, 0}, STR("x")), "x");
    assert_str(arena_join(&arena, STR("x"), (struct str){NULL, 0}), "x");
    arena_clear(&arena);
}

/* More than are kept; each must be whole and nobody else's. */
static void spare_blocks_are_used_again_and_given_back(void **state)
{
    enum { ARENAS = 100, PIECE = 400 };
    struct arena arenas[ARENAS];
    char *pieces[ARENAS];

    (void)state;
    arena_spare_open();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < ARENAS; i++) {
            arena_init(&arenas[i]);
            pieces[i] = arena_alloc(&arenas[i], PIECE);
            memset(pieces[i], i, PIECE);
        }
        for (int i = 0; i < ARENAS; i++) {
            for (int k = 0; k < PIECE; k++)
                assert_int_equal(pieces[i][k], i);
            arena_clear(&arenas[i]);
        }
    }
    arena_spare_close();
    arena_init(&arenas[0]);
    assert_non_null(arena_alloc(&arenas[0], PIECE));
    arena_clear(&arenas[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duties_run_newest_first_and_once),
        cmocka_unit_test(a_duty_may_still_use_what_the_arena_holds),
        cmocka_unit_test(every_piece_is_aligned_for_any_type),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(calloc_gives_zeros),
        cmocka_unit_test(a_copy_is_its_own_and_ends_in_a_nul),
        cmocka_unit_test(bytes_that_are_no_utf8_become_question_marks),
        cmocka_unit_test(printed_text_of_any_length_fits),
        cmocka_unit_test(used_counts_what_was_asked_for),
        cmocka_unit_test(two_joined_are_one_and_end_in_a_nul),
        cmocka_unit_test(spare_blocks_are_used_again_and_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
