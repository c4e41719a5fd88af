/* Faults: how they are asked for. */
#include "../testing.h"

#include "../../../sim/fault.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* The text that the parsed faults come to; or the reason why not. */
static void expect(const char *text, const char *expected)
{
    struct fault fault = {0};
    struct str why;

    if (fault_parse(&arena, str_of(text), &fault, &why))
        assert_str(fault_text(&arena, &fault), expected);
    else
        assert_str(why, expected);
}

static void expect_json(const char *json, const char *expected)
{
    struct json_error trouble;
    struct fault fault = {0};
    struct json_doc doc;
    struct str why;

    assert_true(json_read(&arena, str_of(json), &doc, &trouble));
    if (fault_read(&arena, doc.root, &fault, &why))
        assert_str(fault_text(&arena, &fault), expected);
    else
        assert_str(why, expected);
}

static void names_and_arguments_are_read(void **state)
{
    (void)state;
    expect("", "");
    expect("never", "never");
    expect("stall=3", "stall=3");
    expect(" Status = 429 ; retry-after=7; ", "status=429; retry-after=7");
    expect("garbage", "garbage=http");
    expect("garbage=json", "garbage=json");
    expect("slow", "slow=1000");
}

static void some_arguments_are_words(void **state)
{
    struct fault fault = {0};
    struct str why;

    (void)state;
    expect("finish", "finish=abort");
    expect("finish=tool_calls; category=cyber; stop-reason",
           "finish=tool_calls; stop-reason=pause_turn; category=cyber");
    expect("think; calls=3; interleave", "think=1; calls=3; interleave");
    expect("finish=end_turn",
           "finish: expected a finish_reason of vLLM's, got \"end_turn\"");
    expect("calls=9", "calls: expected up to 8 calls of the tools that are "
                      "offered, got \"9\"");
    expect_json("{\"fault\":\"finish\",\"reason\":\"error\"}", "finish=error");
    assert_true(fault_parse(&arena, STR("category=bio"), &fault, &why));
    assert_str(fault_word(&fault, FAULT_CATEGORY), "bio");
    assert_null(fault_word(&fault, FAULT_FINISH).ptr);
}

static void what_is_no_fault_is_refused(void **state)
{
    (void)state;
    expect("bogus", "there is no fault \"bogus\"");
    expect("stall=x",
           "stall: expected silence after that many tokens, got \"x\"");
    expect("never=1", "never: expected no answer, got \"1\"");
    expect("status=200", "status: 200 is too small");
    expect("status=600", "status: expected an error with that status, got "
                         "\"600\"");
    expect("garbage=xml", "garbage: expected \"http\" or \"json\": what should "
                          "be it is not, got \"xml\"");
    expect("split=0", "split: 0 is too small");
}

static void a_refused_text_changes_nothing(void **state)
{
    struct fault fault = {0};
    struct str why;

    (void)state;
    assert_false(fault_parse(&arena, STR("never; bogus"), &fault, &why));
    assert_str(fault_text(&arena, &fault), "");
}

static void json_has_the_arguments_by_name(void **state)
{
    (void)state;
    expect_json("{\"fault\":\"stall\",\"tokens\":3}", "stall=3");
    expect_json("{\"fault\":\"status\",\"status\":503,\"count\":3}",
                "status=503");
    expect_json("{\"fault\":\"status\",\"status\":429,\"retry_after\":2}",
                "status=429; retry-after=2");
    expect_json("{\"fault\":\"status=529; slow=5\"}", "slow=5; status=529");
    expect_json("{\"fault\":\"cold\",\"seconds\":10}", "cold=10");
    expect_json("{\"fault\":\"cold\",\"seconds\":10,\"mode\":\"refuse\"}",
                "refuse=10");
    expect_json("{\"fault\":\"garbage\",\"kind\":\"json\"}", "garbage=json");
    expect_json("{\"fault\":\"cut\",\"bytes\":-1}",
                "cut: expected reset after that many bytes of body, got "
                "\"-1\"");
}

static void the_later_one_wins(void **state)
{
    struct fault first = {0};
    struct fault second = {0};
    struct str why;

    (void)state;
    assert_true(fault_parse(&arena, STR("stall=1; slow=5"), &first, &why));
    assert_true(fault_parse(&arena, STR("stall=9; split"), &second, &why));
    fault_add(&first, &second);
    assert_str(fault_text(&arena, &first), "slow=5; stall=9; split=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_arguments_are_read),
        cmocka_unit_test(some_arguments_are_words),
        cmocka_unit_test(what_is_no_fault_is_refused),
        cmocka_unit_test(a_refused_text_changes_nothing),
        cmocka_unit_test(json_has_the_arguments_by_name),
        cmocka_unit_test(the_later_one_wins),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
