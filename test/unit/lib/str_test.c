/* lib/str: bytes with a length. */
#include "str.h"

#include "../testing.h"

static void strings_are_equal_when_all_bytes_are(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_int_equal(str_of(NULL).len, 0);
}

static void case_is_ignored_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("X-Api-Key"), STR("x-aPI-kEY")));
    assert_false(str_eq_nocase(STR("\xC3\x84"), STR("\xC3\xA4")));
    /* '@' and '`' differ by the same bit as letters do */
    assert_false(str_eq_nocase(STR("@"), STR("`")));
    assert_false(str_eq_nocase(STR("["), STR("{")));
    assert_false(str_eq_nocase(STR("ab"), STR("abc")));
}

static void prefixes_and_suffixes_are_seen(void **state)
{
    (void)state;
    assert_true(str_starts(STR("data:x"), STR("data:")));
    assert_true(str_starts(STR("x"), (struct str){NULL, 0}));
    assert_false(str_starts(STR("dat"), STR("data:")));
    assert_true(str_ends(STR("a/v1"), STR("/v1")));
    assert_true(str_ends(STR("a"), STR("")));
    assert_false(str_ends(STR("v1"), STR("/v1")));
}

static void a_slice_never_leaves_the_string(void **state)
{
    struct str s = STR("abcdef");

    (void)state;
    assert_str(str_slice(s, 0, 3), "abc");
    assert_str(str_slice(s, 4, 100), "ef");
    assert_int_equal(str_slice(s, 3, 3).len, 0);
    assert_int_equal(str_slice(s, 5, 2).len, 0);
    assert_int_equal(str_slice(s, 100, 200).len, 0);
    assert_int_equal(str_slice((struct str){NULL, 0}, 0, 9).len, 0);
}

static void trimming_takes_the_six_white_characters(void **state)
{
    (void)state;
    assert_str(str_trim(STR(" \t\r\n\v\f a b \f\v\n\r\t ")), "a b");
    assert_int_equal(str_trim(STR(" \n ")).len, 0);
    /* a no-break space is text */
    assert_str(str_trim(STR("\xC2\xA0")), "\xC2\xA0");
    assert_true(str_is_blank(STR(" \t\r\n\v\f")));
    assert_true(str_is_blank((struct str){NULL, 0}));
    assert_false(str_is_blank(STR(" . ")));
    assert_false(str_is_blank(STR("\0")));
}

static void a_needle_is_found_where_it_first_stands(void **state)
{
    size_t at = 99;

    (void)state;
    assert_true(str_find(STR("aabaab"), STR("ab"), &at));
    assert_int_equal(at, 1);
    assert_true(str_find(STR("xyz"), STR("z"), &at));
    assert_int_equal(at, 2);
    assert_true(str_find(STR("xyz"), STR(""), &at));
    assert_int_equal(at, 0);
    assert_false(str_find(STR("aaab"), STR("aabb"), &at));
    assert_false(str_find(STR("a"), STR("ab"), &at));
    assert_false(str_find((struct str){NULL, 0}, STR("a"), &at));
    assert_true(str_contains(STR("a\0b"), STR("\0b")));
}

static void splitting_gives_every_part_but_no_last_empty_one(void **state)
{
    struct str rest = STR("a,,b,");
    struct str part;

    (void)state;
    assert_true(str_split(&rest, ',', &part));
    assert_str(part, "a");
    assert_true(str_split(&rest, ',', &part));
    assert_int_equal(part.len, 0);
    assert_true(str_split(&rest, ',', &part));
    assert_str(part, "b");
    assert_false(str_split(&rest, ',', &part));
}

static void numbers_are_digits_up_to_64_bits(void **state)
{
    static const char *const bad[] = {
        "",   "-1", "+1", " 1", "1 ", "0x10", "1.0", "18446744073709551616",
        "1e3"};
    uint64_t n = 7;

    (void)state;
    assert_true(str_to_u64(STR("0"), &n));
    assert_true(n == 0);
    assert_true(str_to_u64(STR("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    assert_true(str_to_u64(STR("000000000000000000000000012"), &n));
    assert_true(n == 12);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_to_u64(str_of(bad[i]), &n));
}

static void code_points_are_counted_and_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(str_code_points(STR("")), 0);
    assert_int_equal(str_code_points((struct str){NULL, 0}), 0);
    assert_int_equal(str_code_points(STR("abc")), 3);
    /* a, umlaut, euro sign, an emoji */
    assert_int_equal(
        str_code_points(STR("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80")), 4);
}

static void only_well_formed_utf8_has_a_length(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"a", 1},
        {"\xC2\x80", 2},
        {"\xDF\xBF", 2},
        {"\xE0\xA0\x80", 3},
        {"\xED\x9F\xBF", 3},
        {"\xEF\xBF\xBF", 3},
        {"\xF0\x90\x80\x80", 4},
        {"\xF4\x8F\xBF\xBF", 4},
        {"\x80", 0},             /* a continuation alone */
        {"\xC0\xAF", 0},         /* overlong slash */
        {"\xC1\xBF", 0},         /* overlong */
        {"\xE0\x9F\xBF", 0},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 0}, /* overlong */
        {"\xED\xA0\x80", 0},     /* a surrogate */
        {"\xF4\x90\x80\x80", 0}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", 0},
        {"\xFF", 0},
        {"\xC3", 0}, /* cut */
        {"\xE2\x82", 0},
        {"\xF0\x9F\x98", 0},
        {"\xE2\x28\xA1", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(str_utf8_length(str_of(cases[i].bytes), 0),
                         cases[i].len);
    assert_int_equal(str_utf8_length(STR("a"), 1), 0);
}

static void text_is_utf8_only_as_a_whole(void **state)
{
    (void)state;
    assert_true(str_is_utf8(STR("")));
    assert_true(str_is_utf8(STR("a\xC3\xA4")));
    assert_false(str_is_utf8(STR("a\xC3")));
    assert_false(str_is_utf8(STR("\xFF"
                                 "a")));
}

static void clipping_never_cuts_a_character(void **state)
{
    struct str s = STR("a\xE2\x82\xAC"
                       "b");

    (void)state;
    assert_str(str_clip(s, 5), "a\xE2\x82\xAC"
                               "b");
    assert_str(str_clip(s, 4), "a\xE2\x82\xAC");
    assert_str(str_clip(s, 3), "a");
    assert_str(str_clip(s, 2), "a");
    assert_str(str_clip(s, 1), "a");
    assert_int_equal(str_clip(s, 0).len, 0);
    /* nothing but continuations: no character at all */
    assert_int_equal(str_clip(STR("\x80\x80\x80"), 2).len, 0);
}

static void the_hashes_are_fnv_1a(void **state)
{
    (void)state;
    /* the published test vectors */
    assert_true(str_fnv1a32(STR("")) == 0x811c9dc5u);
    assert_true(str_fnv1a32(STR("a")) == 0xe40c292cu);
    assert_true(str_fnv1a32(STR("foobar")) == 0xbf9cf968u);
    assert_true(str_fnv1a64(STR("")) == 0xcbf29ce484222325u);
    assert_true(str_fnv1a64(STR("foobar")) == 0x85944171f73967e8u);
    /* the example of translation rule token() */
    assert_true(str_fnv1a32(STR("functions.get:0")) == 0x8b40afa6u);
}

static void secrets_are_equal_only_whole(void **state)
{
    (void)state;
    assert_true(str_eq_secret(STR("key"), STR("key")));
    assert_true(str_eq_secret((struct str){NULL, 0}, STR("")));
    assert_false(str_eq_secret(STR("key"), STR("kez")));
    assert_false(str_eq_secret(STR("key"), STR("Key")));
    assert_false(str_eq_secret(STR("key"), STR("key2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_equal_when_all_bytes_are),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(prefixes_and_suffixes_are_seen),
        cmocka_unit_test(a_slice_never_leaves_the_string),
        cmocka_unit_test(trimming_takes_the_six_white_characters),
        cmocka_unit_test(a_needle_is_found_where_it_first_stands),
        cmocka_unit_test(splitting_gives_every_part_but_no_last_empty_one),
        cmocka_unit_test(numbers_are_digits_up_to_64_bits),
        cmocka_unit_test(code_points_are_counted_and_not_bytes),
        cmocka_unit_test(only_well_formed_utf8_has_a_length),
        cmocka_unit_test(text_is_utf8_only_as_a_whole),
        cmocka_unit_test(clipping_never_cuts_a_character),
        cmocka_unit_test(the_hashes_are_fnv_1a),
        cmocka_unit_test(secrets_are_equal_only_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
