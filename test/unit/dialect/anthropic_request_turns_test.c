/* dialect/anthropic_request: messages become turns (rules Q4 to Q6, Q11, Q12,
 * Q27, Q28). */
#include "written.h"

#define MODEL "claude-sonnet-4-6"
#define assert_messages(body, expected) \
    assert_member(MODEL, ASK_MESSAGES(body), "messages", "[" expected "]")

static void neighbours_of_one_role_are_merged(void **state)
{
    (void)state;
    assert_messages(
        USER("a") "," USER("b") "," SAYS("c") "," SAYS("d") "," USER("e"),
        TURN("user", TEXT("a") "," TEXT("b")) "," TURN(
            "assistant", TEXT("c") "," TEXT("d")) "," TURN("user", TEXT("e")));
}

static void what_is_blank_vanishes_and_its_neighbours_merge(void **state)
{
    (void)state;
    assert_messages(USER("a") "," SAYS(" \\n") "," USER("b"),
                    TURN("user", TEXT("a") "," TEXT("b")));
    assert_messages(
        USER("a") "," SAYS("b") "," USER("\\t") "," SAYS("c") "," USER("d"),
        TURN("user", TEXT("a")) "," TURN(
            "assistant", TEXT("b") "," TEXT("c")) "," TURN("user", TEXT("d")));
    assert_messages(
        USER("a") ",{\"role\":\"assistant\",\"content\":[]},"
                  "{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                  "\"text\":\"\"},{\"type\":\"text\",\"text\":\"b\"}]}",
        TURN("user", TEXT("a") "," TEXT("b")));
}

static void system_texts_are_hoisted_from_everywhere(void **state)
{
    static const struct str body =
        STR_INIT("{\"messages\":[{\"role\":\"system\",\"content\":\"A\"}," USER(
            "a") ",{\"role\":\"developer\",\"content\":[{\"type\":"
                 "\"text\",\"text\":"
                 "\"B\"},{\"type\":\"text\",\"text\":\" \"}]}," SAYS(
                     "b") ",{\"role\":\"system\",\"content\":\"\"}"
                          "," USER("c") ",{\"role\":\"system\","
                                        "\"content\":\"C\"}]}");

    (void)state;
    assert_member(MODEL, body, "system",
                  "[" TEXT("A") "," TEXT("B") "," TEXT("C") "]");
    assert_member(MODEL, body, "messages",
                  "[" TURN("user", TEXT("a")) "," TURN(
                      "assistant", TEXT("b")) "," TURN("user", TEXT("c")) "]");
    assert_member(MODEL, ASK_MESSAGES(USER("a")), "system", "");
}

static void the_last_of_nothing_but_system_texts_is_what_is_asked(void **state)
{
    static const struct str body =
        STR_INIT("{\"messages\":[{\"role\":\"system\",\"content\":\"A\"},"
                 "{\"role\":\"system\",\"content\":\"B\"}]}");

    (void)state;
    assert_member(MODEL, body, "system", "[" TEXT("A") "]");
    assert_member(MODEL, body, "messages", "[" TURN("user", TEXT("B")) "]");
}

static void nothing_at_all_is_refused(void **state)
{
    (void)state;
    assert_refused(MODEL, ASK_MESSAGES(USER(" ")), ERR_BAD_VALUE, "messages",
                   "blank");
    assert_refused(MODEL, ASK_MESSAGES(SAYS("") "," USER("\\n")), ERR_BAD_VALUE,
                   "messages", "blank");
}

static void a_system_message_holds_text_only(void **state)
{
    (void)state;
    assert_refused(
        MODEL,
        ASK_MESSAGES(USER("a") ",{\"role\":\"system\",\"content\":[{\"type\":"
                               "\"text\",\"text\":\"x\"},{\"type\":"
                               "\"image_url\",\"image_url\":{\"url\":"
                               "\"https://a.test/b\"}}]}"),
        ERR_UNSUPPORTED_CONTENT, "messages[1].content[1]", "text only");
}

static void results_come_first_and_in_the_order_of_the_calls(void **state)
{
    (void)state;
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f") "," CALL("b", "g")) "," RESULT(
            "b", "2") "," RESULT("a", "1") "," USER("and"),
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            USED("a", "f") "," USED(
                "b", "g")) "," TURN("user",
                                    GAVE("a", "1") "," GAVE("b", "2") "," TEXT(
                                        "and")));
}

static void a_late_result_is_put_before_what_was_said(void **state)
{
    (void)state;
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")) "," USER("wait") "," RESULT("a",
                                                                        "1"),
        TURN("user", TEXT("q")) "," TURN("assistant", USED("a", "f")) "," TURN(
            "user", GAVE("a", "1") "," TEXT("wait")));
}

static void a_missing_result_is_filled_in_as_an_error(void **state)
{
    (void)state;
    /* before the user, between two assistant turns, and at the end */
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")) "," USER("go on"),
        TURN("user", TEXT("q")) "," TURN("assistant", USED("a", "f")) "," TURN(
            "user", MISSED("a") "," TEXT("go on")));
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f") "," CALL("b", "f")) "," RESULT(
            "b", "2") "," SAYS("so") "," USER("ok"),
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            USED("a", "f") "," USED(
                "b",
                "f")) "," TURN("user",
                               MISSED("a") "," GAVE(
                                   "b",
                                   "2")) "," TURN("assistant",
                                                  TEXT(
                                                      "so")) "," TURN("user",
                                                                      TEXT(
                                                                          "o"
                                                                          "k")));
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")),
        TURN("user", TEXT("q")) "," TURN("assistant", USED("a", "f")) "," TURN(
            "user", MISSED("a")));
}

static void assistants_merge_only_before_a_result_was_seen(void **state)
{
    (void)state;
    /* no result yet: one turn, the call behind all text */
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")) "," SAYS("text") "," RESULT("a",
                                                                        "1"),
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            TEXT("text") "," USED("a", "f")) "," TURN("user", GAVE("a", "1")));
    /* a result in between: two turns */
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")) "," RESULT("a", "1") "," SAYS(
            "text") "," USER("r"),
        TURN("user", TEXT("q")) "," TURN("assistant", USED("a", "f")) "," TURN(
            "user", GAVE("a", "1")) "," TURN("assistant",
                                             TEXT("text")) "," TURN("user",
                                                                    TEXT("r")));
    /* calls of both, and their results in one turn */
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")) "," CALLS(
            CALL("b", "g")) "," RESULT("a", "1") "," RESULT("b", "2"),
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            USED("a", "f") "," USED(
                "b", "g")) "," TURN("user", GAVE("a", "1") "," GAVE("b", "2")));
}

static void equal_ids_in_one_turn_take_the_results_in_order(void **state)
{
    (void)state;
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f") "," CALL("a", "g")) "," RESULT(
            "a", "1") "," RESULT("a", "2"),
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            USED("a", "f") "," USED(
                "a_2", "g")) "," TURN("user",
                                      GAVE("a", "1") "," GAVE("a_2", "2")));
}

static void surplus_results_overwrite_the_last(void **state)
{
    (void)state;
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")) "," RESULT("a", "1") "," RESULT(
            "a", "2"),
        TURN("user", TEXT("q")) "," TURN("assistant", USED("a", "f")) "," TURN(
            "user", GAVE("a", "2")));
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f") "," CALL("a", "f")) "," RESULT(
            "a", "1") "," RESULT("a", "2") "," RESULT("a", "3"),
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            USED("a", "f") "," USED(
                "a_2", "f")) "," TURN("user",
                                      GAVE("a", "1") "," GAVE("a_2", "3")));
}

static void ids_are_unique_in_the_whole_conversation(void **state)
{
    (void)state;
    assert_messages(
        USER("q") "," CALLS(CALL("a", "f")) "," RESULT("a", "1") "," CALLS(CALL(
            "a", "f")) "," RESULT("a",
                                  "2") "," CALLS(CALL("a_2",
                                                      "f")) "," RESULT("a_2",
                                                                       "3"),
        TURN("user", TEXT("q")) "," TURN("assistant", USED("a", "f")) "," TURN(
            "user",
            GAVE(
                "a",
                "1")) "," TURN("assistant",
                               USED(
                                   "a_2",
                                   "f")) "," TURN("user",
                                                  GAVE(
                                                      "a_2",
                                                      "2")) "," TURN("assistan"
                                                                     "t",
                                                                     USED(
                                                                         "a_2_"
                                                                         "2",
                                                                         "f")) "," TURN("user",
                                                                                        GAVE(
                                                                                            "a_2_2",
                                                                                            "3")));
}

static void empty_and_odd_ids_are_replaced(void **state)
{
    (void)state;
    assert_messages(
        USER("q") "," CALLS(CALL("", "f") "," CALL(
            "functions.get:0",
            "g")) "," RESULT("", "1") "," RESULT("functions.get:0", "2"),
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            USED("call_m1_0", "f") "," USED(
                "functions_get_0_8b40afa6",
                "g")) "," TURN("user",
                               GAVE("call_m1_0", "1") "," GAVE(
                                   "functions_get_0_8b40afa6", "2")));
}

static void a_result_without_its_call_is_refused(void **state)
{
    (void)state;
    assert_refused(MODEL, ASK_MESSAGES(USER("q") "," RESULT("a", "1")),
                   ERR_BAD_VALUE, "messages[1].tool_call_id", "\"a\"");
    assert_refused(MODEL,
                   ASK_MESSAGES(CALLS(CALL("a", "f")) "," RESULT("b", "1")),
                   ERR_BAD_VALUE, "messages[1].tool_call_id", "\"b\"");
    /* only the latest assistant turn counts */
    assert_refused(
        MODEL,
        ASK_MESSAGES(USER("q") "," CALLS(CALL("a", "f")) "," RESULT(
            "a", "1") "," CALLS(CALL("b", "f")) "," RESULT("a", "2")),
        ERR_BAD_VALUE, "messages[4].tool_call_id", "\"a\"");
    assert_refused(MODEL,
                   ASK_MESSAGES("{\"role\":\"function\",\"name\":\"f\","
                                "\"content\":\"1\"}"),
                   ERR_BAD_VALUE, "messages[0]", "no tool call");
}

static void the_deprecated_functions_are_calls_and_results(void **state)
{
    (void)state;
    assert_messages(
        USER("q") ",{\"role\":\"assistant\",\"content\":null,"
                  "\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
                  "{\"role\":\"function\",\"name\":\"f\",\"content\":\"1\"}",
        TURN("user", TEXT("q")) "," TURN(
            "assistant",
            USED("call_fn_1", "f")) "," TURN("user", GAVE("call_fn_1", "1")));
}

static void a_conversation_begins_with_the_user(void **state)
{
    (void)state;
    assert_messages(
        SAYS("hello") "," USER("hi"),
        TURN("user", TEXT(".")) "," TURN("assistant", TEXT("hello")) "," TURN(
            "user", TEXT("hi")));
}

static void a_conversation_ends_with_the_user_or_a_prefill(void **state)
{
    static const struct str body =
        STR_INIT("{\"messages\":[" USER("a") "," SAYS("begun\\n ") "]}");
    static const struct str with_schema =
        STR_INIT("{\"messages\":[" USER("a") "," SAYS(
            "{") "],\"response_format\":"
                 "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\","
                 "\"schema\":{\"type\":\"object\"}}}}");

    (void)state;
    assert_member(
        "claude-sonnet-4-6", body, "messages",
        "[" TURN("user", TEXT("a")) "," TURN(
            "assistant", TEXT("begun\\n ")) "," TURN("user",
                                                     TEXT("Continue.")) "]");
    /* a prefill must not end in white space */
    assert_member(
        "claude-haiku-4-5", body, "messages",
        "[" TURN("user", TEXT("a")) "," TURN("assistant", TEXT("begun")) "]");
    /* nor go with a schema */
    assert_member(
        "claude-haiku-4-5", with_schema, "messages",
        "[" TURN("user", TEXT("a")) "," TURN("assistant", TEXT("{")) "," TURN(
            "user", TEXT("Continue.")) "]");
    /* a turn with calls is no prefill */
    assert_member(
        "claude-haiku-4-5", ASK_MESSAGES(USER("a") "," CALLS(CALL("c", "f"))),
        "messages",
        "[" TURN("user", TEXT("a")) "," TURN(
            "assistant", USED("c", "f")) "," TURN("user", MISSED("c")) "]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_of_one_role_are_merged),
        cmocka_unit_test(what_is_blank_vanishes_and_its_neighbours_merge),
        cmocka_unit_test(system_texts_are_hoisted_from_everywhere),
        cmocka_unit_test(the_last_of_nothing_but_system_texts_is_what_is_asked),
        cmocka_unit_test(nothing_at_all_is_refused),
        cmocka_unit_test(a_system_message_holds_text_only),
        cmocka_unit_test(results_come_first_and_in_the_order_of_the_calls),
        cmocka_unit_test(a_late_result_is_put_before_what_was_said),
        cmocka_unit_test(a_missing_result_is_filled_in_as_an_error),
        cmocka_unit_test(assistants_merge_only_before_a_result_was_seen),
        cmocka_unit_test(equal_ids_in_one_turn_take_the_results_in_order),
        cmocka_unit_test(surplus_results_overwrite_the_last),
        cmocka_unit_test(ids_are_unique_in_the_whole_conversation),
        cmocka_unit_test(empty_and_odd_ids_are_replaced),
        cmocka_unit_test(a_result_without_its_call_is_refused),
        cmocka_unit_test(the_deprecated_functions_are_calls_and_results),
        cmocka_unit_test(a_conversation_begins_with_the_user),
        cmocka_unit_test(a_conversation_ends_with_the_user_or_a_prefill),
    };

    return cmocka_run_group_tests(tests, models_read, models_drop);
}
