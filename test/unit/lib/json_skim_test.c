/* lib/json_skim: long strings are read apart, and nobody can tell. */
#include "json_skim.h"

#include "../testing.h"

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

/* `before`, `count` times "x", `after`. */
static struct str with_filling(const char *before, size_t count,
                               const char *after)
{
    struct buf buf;
    struct str text;

    buf_init(&buf, 1 << 20);
    buf_put(&buf, str_of(before));
    for (size_t i = 0; i < count; i++)
        buf_put_char(&buf, 'x');
    buf_put(&buf, str_of(after));
    text = arena_copy(&arena, buf_str(&buf));
    buf_fini(&buf);
    return text;
}

static const struct {
    const char *raw;
    const char *says; /* NULL: not valid */
} strings[] = {
    {"", ""},
    {"plain", "plain"},
    {"a\\n\\t\\r\\b\\f\\\"\\\\\\/z", "a\n\t\r\b\f\"\\/z"},
    {"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00",
     "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
    {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
     "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
    {"\xEF\xBF\xBD\xE0\xA0\x80\xED\x9F\xBF",
     "\xEF\xBF\xBD\xE0\xA0\x80\xED\x9F\xBF"},
    {"\x7F", "\x7F"},
    {"\\x", NULL},
    {"\\", NULL},
    {"\\u12", NULL},
    {"\\u12g4", NULL},
    {"\x01", NULL},
    {"line\nfeed", NULL},
    {"\\ud83d", NULL}, /* a lone half: the parser mends it */
    {"\\ud83d\\n", NULL},
    {"\\ud83d\\u0041", NULL},
    {"\\ude00", NULL},
    {"\xC0\x80", NULL}, /* overlong */
    {"\xE0\x80\x80", NULL},
    {"\xED\xA0\x80", NULL},     /* a surrogate */
    {"\xF4\x90\x80\x80", NULL}, /* above U+10FFFF */
    {"\xE2\x82", NULL},
    {"\x80", NULL},
    {"\xFF", NULL},
};

/* At each place in a word, and with each way to the end. */
static void escapes_and_utf8_are_read_wherever_they_stand(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strings); i++) {
        for (size_t shift = 0; shift < 40; shift++) {
            struct str raw = with_filling("", shift, strings[i].raw);
            char *out = arena_alloc(&arena, raw.len + 8);
            size_t len = 0;

            assert_int_equal(json_unescape(raw, out, &len),
                             strings[i].says != NULL);
            if (strings[i].says == NULL)
                continue;
            assert_str(((struct str){out, len}),
                       with_filling("", shift, strings[i].says).ptr);
        }
    }
}

/* The same strings, in a document that is long enough for an outline. */
static void a_long_string_says_what_a_short_one_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strings); i++) {
        struct str tail =
            arena_printf(&arena, "%s\",\"model\":\"m\"}", strings[i].raw);
        struct str text = with_filling("{\"a\":\"", 2000, tail.ptr);
        struct json_error error;
        struct json_doc doc;

        if (!json_read(&arena, text, &doc, &error)) {
            assert_null(strings[i].says);
            assert_int_equal(error.fault, JSON_SYNTAX);
            continue;
        }
        assert_str(json_get_text(doc.root, STR("model")), "m");
        if (strings[i].says != NULL)
            assert_str(json_get_text(doc.root, STR("a")),
                       with_filling("", 2000, strings[i].says).ptr);
    }
}

static void lone_halves_in_long_strings_are_mended(void **state)
{
    struct json_error error;
    struct json_doc doc;

    (void)state;
    assert_true(json_read(&arena, with_filling("[\"", 2000, "\\ud83d\"]"), &doc,
                          &error));
    assert_str(json_text(json_first(doc.root, YYJSON_TYPE_ARR)),
               with_filling("", 2000, "\xEF\xBF\xBD").ptr);
}

static void places_are_those_of_the_text(void **state)
{
    struct str text =
        with_filling("{\"long\":\"", 1500,
                     "\",\"\":\"\",\"model\": \"here\",\"last\":\"there\"}");
    struct json_error error;
    struct json_doc doc;

    (void)state;
    assert_true(json_read(&arena, text, &doc, &error));
    assert_true(doc.long_count == 1);
    json_each_member (key, value, doc.root) {
        struct str name = json_text(key);
        size_t at = json_offset(&doc, key);

        assert_memory_equal(text.ptr + at, name.ptr, name.len);
        at = json_offset(&doc, value);
        assert_memory_equal(text.ptr + at, json_text(value).ptr,
                            json_text(value).len);
    }
}

/* More of them than are noted, between values of every kind. */
static void many_long_strings_all_come_to_their_place(void **state)
{
    struct json_error error;
    struct json_doc doc;
    struct buf buf;
    unsigned n = 0;

    (void)state;
    buf_init(&buf, 1 << 20);
    buf_put_char(&buf, '[');
    for (unsigned i = 0; i < 200; i++) {
        struct str filling = with_filling("", 100 + i % 7, "");

        buf_printf(&buf, "%s{\"\":\"\",\"%.*s\":[1,\"%u %.*s\",null]}",
                   i == 0 ? "" : ",", STR_ARG(filling), i, STR_ARG(filling));
    }
    buf_put_char(&buf, ']');
    assert_true(json_read(&arena, buf_str(&buf), &doc, &error));
    assert_int_equal(doc.long_count, JSON_LONG_MAX);
    json_each_item (item, doc.root) {
        struct str filling = with_filling("", 100 + n % 7, "");
        yyjson_val *list = json_get(item, filling);
        struct str expected =
            arena_printf(&arena, "%u %.*s", n++, STR_ARG(filling));

        assert_int_equal(yyjson_arr_size(list), 3);
        assert_str(json_text(yyjson_arr_get(list, 1)), expected.ptr);
        assert_str(json_get_text(item, STR("")), "");
    }
    assert_int_equal(n, 200);
    buf_fini(&buf);
}

/* Written anew, a long string is what it was in the text, escapes and all;
 * what is not a whole one is escaped. */
static void long_strings_are_written_as_they_stood(void **state)
{
    static const char escapes[] = "\\u00fc\\/\\n\\ud83d\\ude00";
    struct str raw = with_filling(escapes, 1500, escapes);
    struct str text = arena_printf(&arena, "[\"%.*s\",\"%.*s\",\"\\/\"]",
                                   STR_ARG(raw), STR_ARG(raw));
    struct json_error error;
    struct json_doc doc;
    struct json_out out;
    struct buf buf;

    (void)state;
    assert_true(json_read(&arena, text, &doc, &error));
    buf_init(&buf, 1 << 20);
    out = json_out_from(&buf, &doc);
    json_open(&out, '[');
    json_each_item (item, doc.root) {
        struct str whole = json_text(item);

        json_put_val(&out, item);
        json_put_str(&out, str_slice(whole, 0, 4));
        json_put_str(&out, str_slice(whole, 2, whole.len));
    }
    json_close(&out, ']');
    {
        struct str tail = with_filling("/\\n\xF0\x9F\x98\x80", 1500,
                                       "\xC3\xBC/\\n\xF0\x9F\x98\x80");
        struct str expected = arena_printf(
            &arena,
            "[\"%.*s\",\"\xC3\xBC/\\n\",\"%.*s\",\"%.*s\",\"\xC3\xBC/\\n\","
            "\"%.*s\",\"/\",\"/\",\"\"]",
            STR_ARG(raw), STR_ARG(tail), STR_ARG(raw), STR_ARG(tail));

        assert_int_equal(buf.len, expected.len);
        assert_memory_equal(buf.ptr, expected.ptr, expected.len);
    }
    buf_fini(&buf);
}

/* A lone half of a surrogate pair was mended: it must not go on as it came. */
static void what_was_mended_is_written_mended(void **state)
{
    struct str text = with_filling("[\"", 2000, "\\ud83d\"]");
    struct str mended = with_filling("[\"", 2000, "\xEF\xBF\xBD\"]");
    struct json_error error;
    struct json_doc doc;
    struct json_out out;
    struct buf buf;

    (void)state;
    assert_true(json_read(&arena, text, &doc, &error));
    buf_init(&buf, 1 << 20);
    out = json_out_from(&buf, &doc);
    json_put_val(&out, doc.root);
    assert_int_equal(buf.len, mended.len);
    assert_memory_equal(buf.ptr, mended.ptr, mended.len);
    buf_fini(&buf);
}

/* The outline would hide it. */
static void what_stands_between_long_strings_is_judged(void **state)
{
    static const char *const tails[] = {"\"",    "\"]]", "\" \"x\"]", "\"},]",
                                        "\":1]", "\",]", "\"\x01]"};
    struct json_error error;
    struct json_doc doc;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        assert_false(json_read(&arena, with_filling("[\"", 2000, tails[i]),
                               &doc, &error));
        assert_int_equal(error.fault, JSON_SYNTAX);
        assert_true(error.offset >= 2000);
    }
}

static void short_texts_are_bounded_too(void **state)
{
    struct json_error error;
    struct json_doc doc;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1024);
    for (int i = 0; i < 129; i++)
        buf_put_char(&buf, '[');
    for (int i = 0; i < 129; i++)
        buf_put_char(&buf, ']');
    assert_false(json_read(&arena, buf_str(&buf), &doc, &error));
    assert_int_equal(error.fault, JSON_TOO_DEEP);
    assert_int_equal(error.offset, 128);
    buf_fini(&buf);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(escapes_and_utf8_are_read_wherever_they_stand),
        with_arena(a_long_string_says_what_a_short_one_says),
        with_arena(lone_halves_in_long_strings_are_mended),
        with_arena(places_are_those_of_the_text),
        with_arena(long_strings_are_written_as_they_stood),
        with_arena(what_was_mended_is_written_mended),
        with_arena(many_long_strings_all_come_to_their_place),
        with_arena(what_stands_between_long_strings_is_judged),
        with_arena(short_texts_are_bounded_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
