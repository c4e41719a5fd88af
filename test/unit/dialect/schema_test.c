/* dialect/schema: JSON Schema, cut to what Anthropic's API takes. */
#include "dialect/schema.h"

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

static yyjson_val *parse(struct str text)
{
    struct json_doc doc;
    struct json_error error;

    if (!json_read(&arena, text, &doc, &error))
        fail_msg("%.*s: %s", STR_ARG(text), error.says);
    return doc.root;
}

static struct str strict(struct str schema)
{
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str copy;

    buf_init(&text, 1 << 20);
    schema_put_strict(&out, parse(schema));
    copy = arena_copy(&arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static struct str tool(yyjson_val *schema, bool is_strict)
{
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str copy;

    buf_init(&text, 1 << 20);
    schema_put_tool(&out, &arena, schema, is_strict);
    copy = arena_copy(&arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

struct pair {
    struct str in;
    const char *out;
};

static const struct pair strict_cases[] = {
    {STR_INIT("{}"), "{}"},
    {STR_INIT("true"), "true"},
    {STR_INIT("{\"type\":\"string\",\"minLength\":1,\"maxLength\":9,"
              "\"title\":\"T\",\"description\":\"D\"}"),
     "{\"type\":\"string\",\"title\":\"T\",\"description\":\"D\"}"},
    {STR_INIT("{\"type\":\"number\",\"minimum\":0,\"multipleOf\":0.5,"
              "\"default\":1.50,\"enum\":[1.0,2],\"const\":null}"),
     "{\"type\":\"number\",\"default\":1.50,\"enum\":[1.0,2],\"const\":null}"},
    /* every object is closed, whatever it said */
    {STR_INIT("{\"type\":\"object\",\"additionalProperties\":true}"),
     "{\"type\":\"object\",\"additionalProperties\":false}"},
    {STR_INIT("{\"additionalProperties\":{\"type\":\"string\"},"
              "\"properties\":{\"a\":{\"type\":\"object\"}},"
              "\"required\":[\"a\"]}"),
     "{\"properties\":{\"a\":{\"type\":\"object\",\"additionalProperties\":"
     "false}},\"required\":[\"a\"],\"additionalProperties\":false}"},
    {STR_INIT("{\"type\":[\"object\",\"null\"]}"),
     "{\"type\":[\"object\",\"null\"],\"additionalProperties\":false}"},
    /* a property may be called like a keyword */
    {STR_INIT("{\"properties\":{\"minimum\":{\"minimum\":1},\"a\\\"b\":{}}}"),
     "{\"properties\":{\"minimum\":{},\"a\\\"b\":{}},"
     "\"additionalProperties\":false}"},
    {STR_INIT("{\"oneOf\":[{\"type\":\"string\",\"maxLength\":1},"
              "{\"type\":\"object\"}]}"),
     "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\","
     "\"additionalProperties\":false}]}"},
    {STR_INIT("{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":"
              "{\"type\":\"object\"}},\"definitions\":{}}"),
     "{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"type\":"
     "\"object\",\"additionalProperties\":false}},\"definitions\":{}}"},
    {STR_INIT("{\"type\":\"array\",\"items\":{\"type\":\"object\"},"
              "\"minItems\":1,\"maxItems\":5,\"uniqueItems\":true}"),
     "{\"type\":\"array\",\"items\":{\"type\":\"object\","
     "\"additionalProperties\":false},\"minItems\":1}"},
    {STR_INIT("{\"items\":[{\"minimum\":1},{}],\"minItems\":2}"),
     "{\"items\":[{},{}]}"},
    {STR_INIT("{\"minItems\":0}"), "{\"minItems\":0}"},
    {STR_INIT("{\"not\":{},\"if\":{},\"then\":{},\"patternProperties\":{},"
              "\"$schema\":\"x\",\"$id\":\"y\",\"examples\":[1]}"),
     "{}"},
};

static void the_filter_keeps_what_is_supported_and_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strict_cases); i++)
        assert_str(strict(strict_cases[i].in), strict_cases[i].out);
}

static void filtering_twice_is_filtering_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strict_cases); i++) {
        struct str once = strict(strict_cases[i].in);

        assert_true(str_eq(strict(once), once));
    }
}

static void only_known_formats_stay(void **state)
{
    static const char *const known[] = {
        "date-time", "time", "date", "duration", "email",
        "hostname",  "uri",  "ipv4", "ipv6",     "uuid"};
    static const char *const unknown[] = {"regex", "idn-email", "uri-template",
                                          "int32", "Date",      ""};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        assert_has(
            strict(arena_printf(&arena, "{\"format\":\"%s\"}", known[i])),
            known[i]);
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        assert_str(
            strict(arena_printf(&arena, "{\"format\":\"%s\"}", unknown[i])),
            "{}");
    assert_str(strict(STR("{\"format\":5}")), "{}");
}

static void only_simple_patterns_stay(void **state)
{
    static const char *const simple[] = {"^[a-z]+$", "(ab|cd)",   "(?:x)",
                                         "\\\\d{3}", "\\\\\\\\b", "a\\\\.b",
                                         "\\\\0"};
    static const char *const other[] = {
        "(?=a)", "(?!a)",    "(?<=a)",   "(?<n>a)",      "\\\\bword",
        "\\\\B", "(a)\\\\1", "\\\\k<n>", "\\\\\\\\\\\\b"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(simple); i++)
        assert_has(
            strict(arena_printf(&arena, "{\"pattern\":\"%s\"}", simple[i])),
            simple[i]);
    for (size_t i = 0; i < COUNT_OF(other); i++)
        assert_str(
            strict(arena_printf(&arena, "{\"pattern\":\"%s\"}", other[i])),
            "{}");
}

static void the_deepest_schema_is_filtered(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 16);
    for (unsigned i = 0; i < JSON_MAX_DEPTH - 1; i++)
        buf_put(&text, STR("{\"items\":"));
    buf_put(&text, STR("{}"));
    for (unsigned i = 0; i < JSON_MAX_DEPTH - 1; i++)
        buf_put_char(&text, '}');
    assert_true(str_eq(strict(buf_str(&text)), buf_str(&text)));
    buf_fini(&text);
}

static void a_tools_schema_is_an_object_with_properties(void **state)
{
    static const struct pair cases[] = {
        {STR_INIT("{}"), "{\"type\":\"object\",\"properties\":{}}"},
        {STR_INIT("{\"type\":\"string\"}"),
         "{\"type\":\"object\",\"properties\":{}}"},
        {STR_INIT("{\"properties\":{\"a\":{\"minimum\":1}},\"required\":"
                  "[\"a\",\"a\",5],\"description\":\"D\",\"x\":1}"),
         "{\"type\":\"object\",\"properties\":{\"a\":{\"minimum\":1}},"
         "\"required\":[\"a\"],\"description\":\"D\",\"x\":1}"},
        {STR_INIT("{\"type\":\"object\",\"additionalProperties\":{\"type\":"
                  "\"string\"},\"$defs\":{\"a\":{}}}"),
         "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":"
         "{\"type\":\"string\"},\"$defs\":{\"a\":{}}}"},
    };

    (void)state;
    assert_str(tool(NULL, false), "{\"type\":\"object\",\"properties\":{}}");
    assert_str(tool(NULL, true), "{\"type\":\"object\",\"properties\":{},"
                                 "\"additionalProperties\":false}");
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_str(tool(parse(cases[i].in), false), cases[i].out);
}

static void combinators_at_the_top_are_folded(void **state)
{
    static const struct pair cases[] = {
        /* any: required is what every branch asks for */
        {STR_INIT("{\"anyOf\":[{\"properties\":{\"a\":{},\"b\":{}},"
                  "\"required\":[\"a\",\"b\"]},{\"properties\":{\"a\":"
                  "{\"type\":\"string\"},\"c\":{}},\"required\":[\"c\","
                  "\"a\"]}]}"),
         "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{},\"c\":{}},"
         "\"required\":[\"a\"]}"},
        /* all: required is what any branch asks for */
        {STR_INIT("{\"allOf\":[{\"properties\":{\"a\":{}},\"required\":"
                  "[\"a\"]},{\"properties\":{\"b\":{}},\"required\":[\"b\"]}],"
                  "\"required\":[\"c\"],\"properties\":{\"c\":{}}}"),
         "{\"type\":\"object\",\"properties\":{\"c\":{},\"a\":{},\"b\":{}},"
         "\"required\":[\"c\",\"a\",\"b\"]}"},
        /* one branch without a required list: nothing is common */
        {STR_INIT("{\"oneOf\":[{\"properties\":{\"a\":{}},\"required\":"
                  "[\"a\"]},{}]}"),
         "{\"type\":\"object\",\"properties\":{\"a\":{}}}"},
        /* a name that one branch lists twice counts once */
        {STR_INIT("{\"anyOf\":[{\"required\":[\"a\",\"a\"]},{}]}"),
         "{\"type\":\"object\",\"properties\":{}}"},
        {STR_INIT("{\"anyOf\":[],\"oneOf\":{},\"allOf\":5}"),
         "{\"type\":\"object\",\"properties\":{}}"},
        /* deeper ones stay */
        {STR_INIT("{\"properties\":{\"a\":{\"anyOf\":[{},{}]}}}"),
         "{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[{},{}]}}}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_str(tool(parse(cases[i].in), false), cases[i].out);
}

static void a_strict_tool_is_filtered_too(void **state)
{
    (void)state;
    assert_str(
        tool(parse(STR("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                       "\"object\",\"minProperties\":1},\"b\":{\"minimum\":0}},"
                       "\"required\":[\"a\"],\"$defs\":{\"d\":{\"maximum\":1}},"
                       "\"additionalProperties\":true,\"x\":1}")),
             true),
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\","
        "\"additionalProperties\":false},\"b\":{}},\"required\":[\"a\"],"
        "\"$defs\":{\"d\":{}},\"additionalProperties\":false}");
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(the_filter_keeps_what_is_supported_and_no_more),
        with_arena(filtering_twice_is_filtering_once),
        with_arena(only_known_formats_stay),
        with_arena(only_simple_patterns_stay),
        with_arena(the_deepest_schema_is_filtered),
        with_arena(a_tools_schema_is_an_object_with_properties),
        with_arena(combinators_at_the_top_are_folded),
        with_arena(a_strict_tool_is_filtered_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
