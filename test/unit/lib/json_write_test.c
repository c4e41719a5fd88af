/* lib/json: writing. */
#include "json.h"

#include "../testing.h"

static struct arena arena;
static struct buf text;
static struct json_out out;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    buf_init(&text, 1 << 20);
    out = json_out_to(&text);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&text);
    arena_clear(&arena);
    return 0;
}

static void commas_stand_between_and_nowhere_else(void **state)
{
    (void)state;
    json_open(&out, '{');
    json_key(&out, STR("a"));
    json_open(&out, '[');
    json_close(&out, ']');
    json_key(&out, STR("b"));
    json_open(&out, '[');
    json_put_i64(&out, -1);
    json_put_u64(&out, UINT64_MAX);
    json_put_bool(&out, true);
    json_put_null(&out);
    json_open(&out, '{');
    json_close(&out, '}');
    json_put_str(&out, STR("x"));
    json_put_raw(&out, STR("1.50"));
    json_close(&out, ']');
    json_member_str(&out, STR("c"), STR("d"));
    json_member_i64(&out, STR("e"), 5);
    json_close(&out, '}');
    assert_str(buf_str(&text), "{\"a\":[],\"b\":[-1,18446744073709551615,true,"
                               "null,{},\"x\",1.50],\"c\":\"d\",\"e\":5}");
}

static void what_json_asks_for_is_escaped_and_nothing_more(void **state)
{
    (void)state;
    json_put_str(&out, STR("\"\\/\b\f\n\r\t\x01\x1F\x7F"));
    assert_str(buf_str(&text),
               "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\"");
}

static void a_nul_byte_is_escaped(void **state)
{
    (void)state;
    json_put_str(&out, STR("a\0b"));
    assert_str(buf_str(&text), "\"a\\u0000b\"");
}

static void other_languages_go_out_as_raw_utf8(void **state)
{
    /* also U+2028, which only JavaScript takes for a line end */
    struct str raw = STR("\xC3\xA4\xE2\x80\xA8\xF0\x9F\x98\x80");

    (void)state;
    json_put_str(&out, raw);
    assert_str(str_slice(buf_str(&text), 1, text.len - 1),
               "\xC3\xA4\xE2\x80\xA8\xF0\x9F\x98\x80");
}

static void any_key_can_be_written(void **state)
{
    (void)state;
    json_open(&out, '{');
    json_key_any(&out, STR("a\"b"));
    json_put_i64(&out, 1);
    json_key_any(&out, STR(""));
    json_put_i64(&out, 2);
    json_close(&out, '}');
    assert_str(buf_str(&text), "{\"a\\\"b\":1,\"\":2}");
}

static void copy(struct str json)
{
    struct json_doc doc;
    struct json_error error;

    assert_true(json_read(&arena, json, &doc, &error));
    buf_clear(&text);
    out = json_out_to(&text);
    json_put_val(&out, doc.root);
}

static void a_value_comes_out_compact_in_its_order_and_spelling(void **state)
{
    (void)state;
    copy(STR(" { \"z\" : [ 1.50 , -0 , 1E5 , 12345678901234567890123 ] ,\n"
             "  \"a\" : { } , \"z2\" : \"\\u00e4\\/\\n\" , \"n\" : null ,\n"
             "  \"t\" : true , \"f\" : false } "));
    assert_str(buf_str(&text),
               "{\"z\":[1.50,-0,1E5,12345678901234567890123],\"a\":{},"
               "\"z2\":\"\xC3\xA4/\\n\",\"n\":null,\"t\":true,\"f\":false}");
}

static void writing_what_was_written_changes_nothing(void **state)
{
    static const char *const cases[] = {
        "[]",
        "{\"a\":{\"b\":{\"c\":[[[]]]}}}",
        "\"\\u0000\\u001f\"",
        "[\"\xE2\x80\xA8\",\"\\\\\",\"\\\"\"]",
        "{\"\":\"\",\"a\":0.10}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        copy(str_of(cases[i]));
        assert_str(buf_str(&text), cases[i]);
    }
}

static void the_deepest_document_can_be_written(void **state)
{
    char nested[2 * JSON_MAX_DEPTH + 1] = {0};

    (void)state;
    memset(nested, '[', JSON_MAX_DEPTH);
    memset(nested + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    copy(str_of(nested));
    assert_str(buf_str(&text), nested);
}

static void a_full_buffer_is_told_at_the_end(void **state)
{
    struct buf small;
    struct json_out to;

    (void)state;
    buf_init(&small, 300);
    to = json_out_to(&small);
    json_open(&to, '[');
    for (unsigned i = 0; i < 100; i++)
        json_put_str(&to, STR("text"));
    json_close(&to, ']');
    assert_true(buf_failed(&small));
    assert_true(small.len <= 300);
    buf_fini(&small);
}

#define with_buffer(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_buffer(commas_stand_between_and_nowhere_else),
        with_buffer(what_json_asks_for_is_escaped_and_nothing_more),
        with_buffer(a_nul_byte_is_escaped),
        with_buffer(other_languages_go_out_as_raw_utf8),
        with_buffer(any_key_can_be_written),
        with_buffer(a_value_comes_out_compact_in_its_order_and_spelling),
        with_buffer(writing_what_was_written_changes_nothing),
        with_buffer(the_deepest_document_can_be_written),
        with_buffer(a_full_buffer_is_told_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
