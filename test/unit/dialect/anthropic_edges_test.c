/* dialect/anthropic_request and dialect/schema: edges. */
#include "../dialect/written.h"
#include "dialect/schema.h"

#define MODEL "claude-sonnet-4-6"
#define TOOL(name) \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"

static void a_temperature_is_clamped_by_its_value(void **state)
{
    static const struct {
        const char *spelled;
        const char *sent;
    } cases[] = {{"15e-1", "1"},     {"0.01e1", "0.01e1"}, {"2e0", "1"},
                 {"1e-05", "1e-05"}, {"0.1e1", "0.1e1"},   {"0e5", "0e5"}};
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_member(
            MODEL,
            arena_printf(&arena,
                         "{\"messages\":[" USER("q") "],\"temperature\":%s}",
                         cases[i].spelled),
            "temperature", cases[i].sent);
    arena_clear(&arena);
}

/* A breakpoint on what is not sent takes no one's place. */
static void breakpoints_of_tools_that_stay_behind_do_not_count(void **state)
{
#define MARKED_TOOL(name)                                                \
    "{\"type\":\"function\",\"cache_control\":{\"type\":\"ephemeral\"}," \
    "\"function\":{\"name\":\"" name "\"}}"
#define PART(text)                        \
    "{\"type\":\"text\",\"text\":\"" text \
    "\",\"cache_control\":{\"type\":\"ephemeral\"}}"

    (void)state;
    /* f and four texts are sent: the last four of these five */
    assert_member(
        MODEL,
        STR("{\"messages\":[{\"role\":\"user\",\"content\":[" PART("a") "," PART("b") "," PART("c") "," PART(
            "d") "]}],\"tools\":[" MARKED_TOOL("f") "," MARKED_TOOL("g") "],"
                                                                         "\"too"
                                                                         "l_"
                                                                         "choic"
                                                                         "e\":"
                                                                         "{\"ty"
                                                                         "pe\":"
                                                                         "\"all"
                                                                         "owed_"
                                                                         "tools"
                                                                         "\","
                                                                         "\"all"
                                                                         "owed_"
                                                                         "tools"
                                                                         "\":{"
                                                                         "\"mod"
                                                                         "e\":"
                                                                         "\"aut"
                                                                         "o\","
                                                                         "\"too"
                                                                         "ls\":"
                                                                         "[" TOOL(
                                                                             "f") "]}}}"),
        "messages",
        "[{\"role\":\"user\",\"content\":[" PART("a") "," PART("b") "," PART(
            "c") "," PART("d") "]}]");
}

/* An empty list of tools is a 400, and a choice without tools is, too. */
static void an_allowed_list_that_matches_nothing_sends_no_tools(void **state)
{
    static const struct str body =
        STR_INIT("{\"messages\":[" USER("q") "],\"tools\":[" TOOL(
            "f") "],\"tool_choice\":{\"type\":\"allowed_tools\","
                 "\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[" TOOL(
                     "x") "]}}}");

    (void)state;
    assert_member(MODEL, body, "tools", "");
    assert_member(MODEL, body, "tool_choice", "");
}

static void filtering_twice_is_filtering_once(void **state)
{
    static const char *const schemas[] = {"{\"properties\":5}",
                                          "{\"properties\":[]}"};
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        struct str text = str_of(schemas[i]);
        struct str passes[2];

        for (size_t pass = 0; pass < 2; pass++) {
            struct json_doc doc;
            struct json_error error;
            struct buf out;
            struct json_out json = json_out_to(&out);

            buf_init(&out, 1 << 16);
            assert_true(json_read(&arena, text, &doc, &error));
            schema_put_strict(&json, doc.root);
            text = passes[pass] = arena_copy(&arena, buf_str(&out));
            buf_fini(&out);
        }
        assert_true(str_eq(passes[0], passes[1]));
    }
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_temperature_is_clamped_by_its_value),
        cmocka_unit_test(breakpoints_of_tools_that_stay_behind_do_not_count),
        cmocka_unit_test(an_allowed_list_that_matches_nothing_sends_no_tools),
        cmocka_unit_test(filtering_twice_is_filtering_once),
    };

    return cmocka_run_group_tests(tests, models_read, models_drop);
}
