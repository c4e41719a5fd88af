/* dialect/names: names and ids that every API takes. */
#include "dialect/names.h"

#include "asked.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void a_plain_name_stays_what_it_is(void **state)
{
    static const char *const names[] = {
        "a", "get_weather", "A-Z_0-9",
        "0123456789012345678901234567890123456789012345678901234567890123"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str name = str_of(names[i]);

        assert_ptr_equal(names_token(&arena, name).ptr, name.ptr);
    }
}

static void another_name_is_made_plain_with_a_hash(void **state)
{
    (void)state;
    /* the example of rule token() */
    assert_str(names_token(&arena, STR("functions.get:0")),
               "functions_get_0_8b40afa6");
    /* FNV-1a of nothing is its offset */
    assert_str(names_token(&arena, STR("")), "_811c9dc5");
    /* each byte outside the set becomes one underscore */
    assert_true(
        str_starts(names_token(&arena, STR("\xE2\x82\xAC")), STR("____")));
}

static void a_long_name_is_cut_to_sixty_four(void **state)
{
    char name[200];
    struct str token;

    (void)state;
    memset(name, 'x', sizeof(name));
    token = names_token(&arena, (struct str){name, 65});
    assert_int_equal(token.len, 64);
    assert_int_equal(token.ptr[54], 'x');
    assert_int_equal(token.ptr[55], '_');
    assert_true(str_eq(token, names_token(&arena, (struct str){name, 65})));
    assert_false(str_eq(token, names_token(&arena, (struct str){name, 66})));
}

static void a_token_needs_no_token(void **state)
{
    static const char *const names[] = {"a.b", "mcp.files/read file", "",
                                        "\xC3\xA4", "a b"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str token = names_token(&arena, str_of(names[i]));

        assert_ptr_equal(names_token(&arena, token).ptr, token.ptr);
        assert_true(token.len <= NAMES_MAX);
    }
}

static void names_that_look_alike_are_told_apart(void **state)
{
    (void)state;
    assert_false(str_eq(names_token(&arena, STR("a.b")),
                        names_token(&arena, STR("a b"))));
    assert_false(str_eq(names_token(&arena, STR("a.b")),
                        names_token(&arena, STR("a_b"))));
}

static void the_way_back_gives_the_callers_name(void **state)
{
    const struct names_tool *tool;
    struct asked asked;
    struct names names;
    struct names copy;

    (void)state;
    asked_good(&asked,
               ASK("\"tools\":[{\"function\":{\"name\":\"mcp.read\"}},"
                   "{\"type\":\"custom\",\"custom\":{\"name\":\"plain\"}}]"));
    names_of_tools(&asked.arena, &asked.chat, &names);
    names_copy(&arena, &names, &copy);
    asked_fini(&asked); /* the copy stands on its own */
    tool = names_find(&copy, names_token(&arena, STR("mcp.read")));
    assert_non_null(tool);
    assert_str(tool->original, "mcp.read");
    assert_false(tool->is_custom);
    tool = names_find(&copy, STR("plain"));
    assert_non_null(tool);
    assert_true(tool->is_custom);
    assert_null(names_find(&copy, STR("mcp.read")));
    assert_null(names_find(&copy, STR("other")));
    assert_null(names_find(&(struct names){0}, STR("plain")));
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

static void custom_tools_are_found_by_the_name_they_have(void **state)
{
    struct names_tool *tool;
    struct names names;
    struct asked asked;

    (void)state;
    asked_good(&asked,
               ASK("\"tools\":[{\"type\":\"function\",\"function\":{"
                   "\"name\":\"f.x\"}},{\"type\":\"custom\",\"custom\":{"
                   "\"name\":\"c.x\"}}]"));
    names_of_custom_tools(&asked.arena, &asked.chat, &names);
    assert_int_equal(names.count, 1);
    tool = &names.tools[0];
    assert_ptr_equal(names_find(&names, STR("c.x")), tool);
    assert_str(tool->original, "c.x");
    assert_true(tool->is_custom);
    assert_null(names_find(&names, STR("f.x")));
    asked_fini(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(a_plain_name_stays_what_it_is),
        with_arena(another_name_is_made_plain_with_a_hash),
        with_arena(a_long_name_is_cut_to_sixty_four),
        with_arena(a_token_needs_no_token),
        with_arena(names_that_look_alike_are_told_apart),
        with_arena(the_way_back_gives_the_callers_name),
        with_arena(custom_tools_are_found_by_the_name_they_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
