/* lib/json: reading. */
#include <stdio.h>
#include <stdlib.h>

#include "json.h"

#include "../testing.h"

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int clear_arena(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static yyjson_val *read_text(struct str text)
{
    struct json_doc doc;
    struct json_error error;

    if (!json_read(&arena, text, &doc, &error))
        fail_msg("%.*s: %s", STR_ARG(text), error.says);
    return doc.root;
}

static struct json_error refuse_text(struct str text)
{
    struct json_doc doc;
    struct json_error error = {.says = NULL};

    if (json_read(&arena, text, &doc, &error))
        fail_msg("taken: %.*s", STR_ARG(text));
    assert_non_null(error.says);
    return error;
}

static void members_are_found_and_null_is_absent(void **state)
{
    yyjson_val *root =
        read_text(STR("{\"a\":\"x\",\"b\":null,\"c\":[1],\"d\":true}"));

    (void)state;
    assert_str(json_get_text(root, STR("a")), "x");
    assert_null(json_get(root, STR("b")));
    assert_null(json_get(root, STR("z")));
    assert_null(json_get(NULL, STR("a")));
    assert_null(json_get(json_get(root, STR("c")), STR("a")));
    assert_null(json_get_text(root, STR("c")).ptr);
    assert_true(json_is_true(json_get(root, STR("d"))));
    assert_false(json_is_true(json_get(root, STR("a"))));
    assert_false(json_is_true(NULL));
}

static void walking_gives_every_item_and_member(void **state)
{
    yyjson_val *root = read_text(STR("{\"k\":[\"a\",[],\"b\"],\"l\":{}}"));
    unsigned items = 0;
    unsigned members = 0;

    (void)state;
    json_each_item (item, json_get(root, STR("k")))
        items += item != NULL;
    assert_int_equal(items, 3);
    json_each_member (key, value, root)
        members += json_text(key).len == 1 && value != NULL;
    assert_int_equal(members, 2);
    /* of another type, empty or absent: nothing */
    json_each_item (item, root)
        fail();
    json_each_item (item, NULL)
        fail();
    json_each_member (key, value, json_get(root, STR("l")))
        fail();
    json_each_member (key, value, json_get(root, STR("k")))
        fail();
}

static void whole_numbers_are_exact_and_nothing_else_is_one(void **state)
{
    static const struct {
        const char *text;
        int64_t number;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"-12", -12},
        {"9007199254740993", INT64_C(9007199254740993)},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775807", -INT64_MAX},
    };
    static const char *const bad[] = {
        "9223372036854775808", "1.0", "1e3", "\"1\"", "true", "null", "[]"};
    int64_t n;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(json_to_i64(read_text(str_of(good[i].text)), &n));
        assert_true(n == good[i].number);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(json_to_i64(read_text(str_of(bad[i])), &n));
    assert_false(json_to_i64(NULL, &n));
    assert_true(json_get_i64(read_text(STR("{\"a\":\"5\"}")), STR("a")) == 0);
}

static void numbers_stay_the_text_they_were_written_as(void **state)
{
    static const char *const numbers[] = {
        "1.10",
        "-0.0",
        "1E+2",
        "1e999999",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827",
        "12345678901234567890.12345678901234567890e-10",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        yyjson_val *value = read_text(str_of(numbers[i]));

        assert_true(json_is_number(value));
        assert_str(json_number_text(value), numbers[i]);
    }
    assert_null(json_number_text(read_text(STR("\"1\""))).ptr);
    assert_false(json_is_number(read_text(STR("\"1\""))));
}

static void types_have_names_for_messages(void **state)
{
    (void)state;
    assert_string_equal(json_type_name(NULL), "nothing");
    assert_string_equal(json_type_name(read_text(STR("null"))), "null");
    assert_string_equal(json_type_name(read_text(STR("true"))), "true");
    assert_string_equal(json_type_name(read_text(STR("false"))), "false");
    assert_string_equal(json_type_name(read_text(STR("1.5"))), "a number");
    assert_string_equal(json_type_name(read_text(STR("\"\""))), "a string");
    assert_string_equal(json_type_name(read_text(STR("[]"))), "an array");
    assert_string_equal(json_type_name(read_text(STR("{}"))), "an object");
}

static void lone_halves_of_surrogate_pairs_become_a_replacement(void **state)
{
    static const struct {
        const char *json;
        const char *text;
    } cases[] = {
        {"\"a\\ud83d\"", "a\xEF\xBF\xBD"},
        {"\"\\ude00z\"", "\xEF\xBF\xBDz"},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80"},
        {"\"\\uD83D\\uDE00\\uD83D\"", "\xF0\x9F\x98\x80\xEF\xBF\xBD"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
        {"\"\\ude00\\ud83d\"", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\"\\ud83d\\n\"", "\xEF\xBF\xBD\n"},
        /* an escaped backslash before "ud83d" is no escape of that kind */
        {"\"\\\\ud83d\\ud83d\"", "\\ud83d\xEF\xBF\xBD"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_str(json_text(read_text(str_of(cases[i].json))), cases[i].text);
}

static void mending_does_not_move_what_stands_behind(void **state)
{
    struct str text = STR("{\"bad\":\"\\ud83d\",\"model\":\"m\\u0031\"}");
    struct json_doc doc;
    struct json_error error;
    yyjson_val *value;

    (void)state;
    assert_true(json_read(&arena, text, &doc, &error));
    value = json_get(doc.root, STR("model"));
    assert_str(json_text(value), "m1");
    assert_int_equal(json_offset(&doc, value), 25);
    assert_int_equal(text.ptr[25], 'm');
}

static void strings_are_where_they_stood_in_the_text(void **state)
{
    struct str text = STR(" { \"a\\tb\" :\n\"x\\u00e4y\" , \"c\":[\"d\"] }");
    struct json_doc doc;
    struct json_error error;

    (void)state;
    assert_true(json_read(&arena, text, &doc, &error));
    json_each_member (key, value, doc.root) {
        struct str name = json_text(key);
        size_t at = json_offset(&doc, key);

        assert_int_equal(text.ptr[at - 1], '"');
        assert_int_equal(text.ptr[at], name.ptr[0]);
        if (str_eq(name, STR("a\tb")))
            assert_int_equal(json_offset(&doc, value), 13);
    }
}

static void the_place_of_a_member_is_its_value_alone(void **state)
{
    static const struct {
        const char *text;
        const char *value;
    } cases[] = {
        {"{\"model\":\"m\"}", "\"m\""},
        {"{\"model\"\t:\r\n  \"m\"  ,\"b\":1}", "\"m\""},
        {"{\"model\":\"a\\\"b\\\\\",\"b\":1}", "\"a\\\"b\\\\\""},
        {"{\"model\":\"\"}", "\"\""},
        {"{\"mo\\u0064el\":\"m\"}", "\"m\""},
        {"{\"\\u006d\\u006f\\u0064\\u0065\\u006C\" : \"m\"}", "\"m\""},
        {"{\"a\":\"model\",\"model\":\"m\"}", "\"m\""},
        {"{\"a\":{\"model\":\"x\"},\"model\":\"m\"}", "\"m\""},
        {"{\"model\":null}", "null"},
        {"{\"model\":null,\"b\":1}", "null"},
        {"{\"model\":true }", "true"},
        {"{\"model\":-1.5e3\n}", "-1.5e3"},
        {"{\"model\":[1]}", ""},
        {"{\"model\":{\"a\":1}}", ""},
        {"{\"model\":\"{\\\"model\\\":1}\"}", "\"{\\\"model\\\":1}\""},
        {"{\"model\":\"\xE2\x82\xAC\"}", "\"\xE2\x82\xAC\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str text = str_of(cases[i].text);
        struct json_doc doc;
        struct json_error error;
        bool found = false;

        assert_true(json_read(&arena, text, &doc, &error));
        json_each_member (key, value, doc.root) {
            size_t at;
            size_t len;

            (void)value;
            if (!str_eq(json_text(key), STR("model")))
                continue;
            json_member_place(&doc, text, key, &at, &len);
            assert_str(str_slice(text, at, at + len), cases[i].value);
            found = true;
        }
        assert_true(found);
    }
}

static void a_members_value_as_it_stands(void **state)
{
    static const char *const values[] = {"[ 1, {\"]\" : \"}\\\"\"} ]",
                                         "{ }",
                                         "[]",
                                         "\"a\\\"]\"",
                                         "-1.50e3",
                                         "null",
                                         "true"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct str text = arena_printf(
            &arena, "{ \"b\" : {\"a\":0},\n\"a\" :  %s , \"c\":[]}", values[i]);
        struct json_error error;
        struct json_doc doc;
        bool found = false;

        assert_true(json_read(&arena, text, &doc, &error));
        json_each_member (key, value, doc.root) {
            (void)value;
            if (!str_eq(json_text(key), STR("a")))
                continue;
            assert_str(json_member_text(&doc, text, key), values[i]);
            found = true;
        }
        assert_true(found);
    }
}

static struct str nested(size_t depth, char open, char close)
{
    char *text = arena_alloc(&arena, 2 * depth + 1);

    memset(text, open, depth);
    memset(text + depth, close, depth);
    return (struct str){text, 2 * depth};
}

static void a_hundred_and_twenty_eight_levels_are_read_and_no_more(void **state)
{
    struct json_error error;

    (void)state;
    assert_non_null(read_text(nested(128, '[', ']')));
    error = refuse_text(nested(129, '[', ']'));
    assert_int_equal(error.fault, JSON_TOO_DEEP);
    assert_int_equal(error.offset, 128);
    assert_int_equal(error.column, 129);
    error = refuse_text(nested(1000000, '{', '}'));
    assert_int_equal(error.fault, JSON_TOO_DEEP);
    /* brackets inside a string are text */
    assert_non_null(read_text(
        arena_printf(&arena, "\"%.*s\"", STR_ARG(nested(500, '[', ']')))));
}

static void more_than_a_million_values_are_refused(void **state)
{
    enum { COUNT = 1000002 };
    char *text = malloc(2 * COUNT + 1);
    struct json_error error;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(text + 2 * i, i == 0 ? "[1" : ",1", 2);
    text[2 * (COUNT)] = ']';
    error = refuse_text((struct str){text, 2 * COUNT + 1});
    assert_int_equal(error.fault, JSON_TOO_MANY_VALUES);
    free(text);
}

static void an_error_tells_line_and_column(void **state)
{
    static const struct {
        const char *text;
        size_t line, column;
    } cases[] = {
        {"{]", 1, 2},
        {"{\n  \"a\": 1,\n  \"b\" 2\n}", 3, 7},
        {"[1,\n2,\n\nx]", 4, 1},
        {"[1]]", 1, 4},
        {"", 1, 1},
        {"[1, 2", 1, 6},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json_error error = refuse_text(str_of(cases[i].text));

        assert_int_equal(error.fault, JSON_SYNTAX);
        assert_int_equal(error.line, cases[i].line);
        assert_int_equal(error.column, cases[i].column);
    }
}

static void what_is_no_json_is_refused(void **state)
{
    static const struct str bad[] = {
        STR_INIT("{a:1}"),
        STR_INIT("{'a':1}"),
        STR_INIT("[1,]"),
        STR_INIT("{\"a\":1,}"),
        STR_INIT("// comment\n1"),
        STR_INIT("[01]"),
        STR_INIT("[+1]"),
        STR_INIT("[.5]"),
        STR_INIT("[1.]"),
        STR_INIT("[NaN]"),
        STR_INIT("[Infinity]"),
        STR_INIT("[-]"),
        STR_INIT("[1e]"),
        STR_INIT("\"a\nb\""),
        STR_INIT("\"a\0b\""),
        STR_INIT("[1]\0"),
        STR_INIT("\"\\x41\""),
        STR_INIT("\"\\u12\""),
        STR_INIT("\"\xFF\""),
        STR_INIT("\"\xC0\xAF\""),
        STR_INIT("\"\xED\xA0\x80\""),
        STR_INIT("\"open"),
        STR_INIT("\"\\ud8\""),
        STR_INIT("\"\\ud83d"),
        STR_INIT("tru"),
        STR_INIT("\xEF\xBB\xBF[1]x"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        (void)refuse_text(bad[i]);
}

/* Above 32 KB a document takes another way through memory. */
static void a_large_document_reads_as_a_small_one(void **state)
{
    enum { STRINGS = 20000 };
    struct buf text;
    struct json_doc doc;
    struct json_error error;
    size_t n = 0;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_put(&text, STR("{\"list\":["));
    for (unsigned i = 0; i < STRINGS; i++)
        buf_printf(&text, "%s\"s%u\"", i == 0 ? "" : ",", i);
    buf_put(&text, STR("],\"half\":\"\\ud83d\",\"model\" : \"m\"}"));
    assert_true(json_read(&arena, buf_str(&text), &doc, &error));
    json_each_item (item, json_get(doc.root, STR("list"))) {
        char want[16];

        (void)snprintf(want, sizeof(want), "s%zu", n++);
        assert_str(json_text(item), want);
    }
    assert_int_equal(n, STRINGS);
    assert_str(json_get_text(doc.root, STR("half")), "\xEF\xBF\xBD");
    assert_int_equal(json_offset(&doc, json_get(doc.root, STR("model"))),
                     text.len - 3);
    buf_fini(&text);
}

static void characters_are_about_what_would_be_written(void **state)
{
    (void)state;
    assert_int_equal(json_characters(NULL), 0);
    assert_int_equal(json_characters(read_text(STR("\"abc\""))), 5);
    assert_int_equal(json_characters(read_text(STR("\"\xE2\x82\xAC\""))), 3);
    assert_int_equal(json_characters(read_text(STR("1234"))), 4);
    assert_int_equal(json_characters(read_text(STR("true"))), 4);
    assert_in_range(json_characters(read_text(STR("{\"a\":[1,2]}"))), 9, 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_and_null_is_absent),
        cmocka_unit_test(walking_gives_every_item_and_member),
        cmocka_unit_test(whole_numbers_are_exact_and_nothing_else_is_one),
        cmocka_unit_test(numbers_stay_the_text_they_were_written_as),
        cmocka_unit_test(types_have_names_for_messages),
        cmocka_unit_test(lone_halves_of_surrogate_pairs_become_a_replacement),
        cmocka_unit_test(mending_does_not_move_what_stands_behind),
        cmocka_unit_test(strings_are_where_they_stood_in_the_text),
        cmocka_unit_test(the_place_of_a_member_is_its_value_alone),
        cmocka_unit_test(
            a_hundred_and_twenty_eight_levels_are_read_and_no_more),
        cmocka_unit_test(more_than_a_million_values_are_refused),
        cmocka_unit_test(an_error_tells_line_and_column),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(a_large_document_reads_as_a_small_one),
        cmocka_unit_test(characters_are_about_what_would_be_written),
        cmocka_unit_test(a_members_value_as_it_stands),
    };

    return cmocka_run_group_tests(tests, open_arena, clear_arena);
}
