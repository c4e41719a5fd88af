/* dialect/anthropic_request: the fields beside the messages (rules Q2, Q3,
 * Q13 to Q20, Q22 to Q26). */
#include "written.h"

#define SONNET "claude-sonnet-4-6" /* takes nearly everything */
#define OPUS "claude-opus-5-5"     /* no sampling, no forced choice */
#define HAIKU "claude-haiku-4-5"   /* manual thinking, prefill */
#define NEW "claude-saga-9"        /* in no list */

#define TOOLS(list) "\"tools\":[" list "]"
#define TOOL(name) \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
#define NO_ARGUMENTS "{\"type\":\"object\",\"properties\":{}}"

static bool was_dropped(const struct written *w, const char *field)
{
    for (unsigned i = 0; i < w->notes.dropped_count; i++)
        if (str_eq(w->notes.dropped[i], str_of(field)))
            return true;
    return false;
}

static void assert_dropped(const char *model, struct str body,
                           const char *field)
{
    struct written w;

    write_for(&w, model, body);
    assert_true(was_dropped(&w, field));
    assert_str(member_of(&w, field), "");
    written_fini(&w);
}

static void max_tokens_is_always_there_and_never_above_the_models(void **state)
{
    (void)state;
    assert_member(SONNET, ASK("\"n\":1"), "max_tokens", "8192");
    assert_member(SONNET, ASK("\"max_tokens\":7"), "max_tokens", "7");
    assert_member(HAIKU, ASK("\"max_tokens\":64000"), "max_tokens", "64000");
    assert_member(HAIKU, ASK("\"max_tokens\":64001"), "max_tokens", "64000");
    assert_member(HAIKU,
                  ASK("\"max_tokens\":10,\"max_completion_tokens\":100000"),
                  "max_tokens", "64000");
    /* nobody knows the limit of an unknown model */
    assert_member(NEW, ASK("\"max_tokens\":9000000"), "max_tokens", "9000000");
    assert_refused(SONNET, ASK("\"max_tokens\":0"), ERR_BAD_VALUE, "max_tokens",
                   "at least 1, got 0");
    assert_refused(SONNET, ASK("\"max_completion_tokens\":-5"), ERR_BAD_VALUE,
                   "max_completion_tokens", "got -5");
}

static void the_default_too_is_cut_to_the_models_limit(void **state)
{
    struct request_style options = options_for(HAIKU);
    struct written w;

    (void)state;
    options.default_max_tokens = 100000;
    write_with(&w, ASK("\"n\":1"), &options);
    assert_str(member_of(&w, "max_tokens"), "64000");
    written_fini(&w);
}

static void the_model_is_the_upstreams(void **state)
{
    (void)state;
    assert_member(NEW, ASK("\"model\":\"auto\""), "model", "\"claude-saga-9\"");
}

static void sampling_passes_only_where_it_is_taken(void **state)
{
    (void)state;
    assert_member(SONNET, ASK("\"temperature\":0.70"), "temperature", "0.70");
    assert_member(SONNET, ASK("\"temperature\":1"), "temperature", "1");
    assert_member(SONNET, ASK("\"temperature\":1.00"), "temperature", "1.00");
    assert_member(SONNET, ASK("\"temperature\":1.01"), "temperature", "1");
    assert_member(SONNET, ASK("\"temperature\":2"), "temperature", "1");
    assert_member(SONNET, ASK("\"temperature\":1e-05"), "temperature", "1e-05");
    assert_member(SONNET, ASK("\"temperature\":0"), "temperature", "0");
    assert_member(SONNET, ASK("\"top_p\":0.9"), "top_p", "0.9");
    assert_member(SONNET, ASK("\"top_k\":40"), "top_k", "40");
    /* not both */
    assert_dropped(SONNET, ASK("\"temperature\":0.5,\"top_p\":0.9"), "top_p");
    /* the newer models take none, and what is unknown is new */
    assert_dropped(OPUS, ASK("\"temperature\":1"), "temperature");
    assert_dropped(OPUS, ASK("\"top_p\":0.9"), "top_p");
    assert_dropped(OPUS, ASK("\"top_k\":5"), "top_k");
    assert_dropped(NEW, ASK("\"temperature\":0.5"), "temperature");
    /* nor does thinking go with it */
    assert_dropped(SONNET,
                   ASK("\"temperature\":0.5,\"reasoning_effort\":\"low\""),
                   "temperature");
}

static void the_api_of_october_2026_has_no_sampling(void **state)
{
    struct request_style options = options_for(SONNET);
    struct written w;

    (void)state;
    options.is_2026_10_21 = true;
    write_with(&w, ASK("\"temperature\":0.5,\"top_p\":0.5,\"top_k\":5"),
               &options);
    assert_str(member_of(&w, "temperature"), "");
    assert_str(member_of(&w, "top_p"), "");
    assert_str(member_of(&w, "top_k"), "");
    assert_true(was_dropped(&w, "temperature"));
    assert_true(was_dropped(&w, "top_p"));
    assert_true(was_dropped(&w, "top_k"));
    written_fini(&w);
}

static void stops_are_a_list_of_what_is_not_blank(void **state)
{
    (void)state;
    assert_member(SONNET, ASK("\"stop\":\"END\""), "stop_sequences",
                  "[\"END\"]");
    assert_member(SONNET, ASK("\"stop\":[\"a\",\"\\n\",\"\",\"b \"]"),
                  "stop_sequences", "[\"a\",\"b \"]");
    assert_member(SONNET, ASK("\"stop\":[]"), "stop_sequences", "");
    assert_dropped(SONNET, ASK("\"stop\":\"\\n\\n\""), "stop");
}

static void a_strict_tool_is_cut_to_what_is_supported(void **state)
{
    (void)state;
    assert_member(
        SONNET,
        ASK(TOOLS("{\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"description\":\"D\",\"strict\":true,\"parameters\":"
                  "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":"
                  "\"integer\",\"minimum\":1}},\"required\":[\"x\"]}}}")),
        "tools",
        "[{\"name\":\"f\",\"description\":\"D\",\"input_schema\":{\"type\":"
        "\"object\",\"properties\":{\"x\":{\"type\":\"integer\"}},"
        "\"required\":[\"x\"],\"additionalProperties\":false},\"strict\":"
        "true}]");
    /* strict:false is not worth a word */
    assert_member(
        SONNET,
        ASK(TOOLS("{\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"strict\":false}}")),
        "tools", "[{\"name\":\"f\",\"input_schema\":" NO_ARGUMENTS "}]");
}

static void calls_of_the_history_define_their_tools(void **state)
{
    static const struct str body =
        STR_INIT("{\"messages\":[" USER("q") "," CALLS(CALL("a", "f") "," CALL(
            "b", "g") "," CALL("c", "f")) "," USER("r") "]}");

    (void)state;
    assert_member(SONNET, body, "tools",
                  "[{\"name\":\"f\",\"input_schema\":" NO_ARGUMENTS "},"
                  "{\"name\":\"g\",\"input_schema\":" NO_ARGUMENTS "}]");
    assert_member(SONNET, body, "tool_choice", "{\"type\":\"none\"}");
    assert_member(SONNET, ASK("\"n\":1"), "tools", "");
    assert_member(SONNET, ASK("\"tools\":[]"), "tools", "");
}

static void a_choice_is_forced_where_that_is_possible(void **state)
{
    (void)state;
    assert_member(SONNET, ASK(TOOLS(TOOL("f"))), "tool_choice", "");
    assert_member(SONNET, ASK(TOOLS(TOOL("f")) ",\"tool_choice\":\"auto\""),
                  "tool_choice", "{\"type\":\"auto\"}");
    assert_member(SONNET, ASK(TOOLS(TOOL("f")) ",\"tool_choice\":\"none\""),
                  "tool_choice", "{\"type\":\"none\"}");
    assert_member(SONNET, ASK(TOOLS(TOOL("f")) ",\"tool_choice\":\"required\""),
                  "tool_choice", "{\"type\":\"any\"}");
    assert_member(SONNET,
                  ASK(TOOLS(TOOL("f")) ",\"tool_choice\":{\"type\":"
                                       "\"function\",\"function\":{\"name\":"
                                       "\"f\"}}"),
                  "tool_choice", "{\"type\":\"tool\",\"name\":\"f\"}");
    /* without tools there is nothing to choose */
    assert_member(SONNET, ASK("\"tool_choice\":\"auto\""), "tool_choice", "");
    assert_member(OPUS, ASK("\"tool_choice\":\"required\""), "system", "");
}

static void a_choice_that_cannot_be_forced_is_asked_for(void **state)
{
    (void)state;
    assert_member(OPUS, ASK(TOOLS(TOOL("f")) ",\"tool_choice\":\"required\""),
                  "tool_choice", "{\"type\":\"auto\"}");
    assert_member(OPUS, ASK(TOOLS(TOOL("f")) ",\"tool_choice\":\"required\""),
                  "system",
                  "[" TEXT("Call at least one of the provided tools in this "
                           "turn.") "]");
    /* an unknown model is new; behind the caller's text, before the JSON
     * instruction */
    assert_member(
        NEW,
        STR("{\"messages\":[{\"role\":\"system\",\"content\":\"S\"}," USER(
            "q") "]," TOOLS(TOOL("functions.get:0")) ",\"tool_choice\":"
                                                     "{\"type\":\"function\","
                                                     "\"function\":{\"name\":"
                                                     "\"functions.get:0\"}},"
                                                     "\"response_format\":{"
                                                     "\"type\":"
                                                     "\"json_object\"}}"),
        "system",
        "[" TEXT("S") "," TEXT(
            "Call the tool \\\"functions_get_0_8b40afa6\\\" "
            "in this turn.") "," TEXT("Respond with a single valid JSON object "
                                      "and nothing else.") "]");
}

static void allowed_tools_are_the_only_ones_sent(void **state)
{
#define ALLOW(mode)                                                      \
    ASK(TOOLS(TOOL("f") "," TOOL("g") "," TOOL(                          \
        "h")) ",\"tool_choice\":"                                        \
              "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":" \
              "\"" mode "\",\"tools\":[" TOOL("h") "," TOOL("f") "]}}")

    (void)state;
    assert_member(SONNET, ALLOW("auto"), "tools",
                  "[{\"name\":\"f\",\"input_schema\":" NO_ARGUMENTS "},"
                  "{\"name\":\"h\",\"input_schema\":" NO_ARGUMENTS "}]");
    assert_member(SONNET, ALLOW("auto"), "tool_choice", "{\"type\":\"auto\"}");
    assert_member(SONNET, ALLOW("required"), "tool_choice",
                  "{\"type\":\"any\"}");
}

static void one_call_at_a_time_is_part_of_the_choice(void **state)
{
#define SERIAL TOOLS(TOOL("f")) ",\"parallel_tool_calls\":false"

    (void)state;
    assert_member(SONNET, ASK(SERIAL), "tool_choice",
                  "{\"type\":\"auto\",\"disable_parallel_tool_use\":true}");
    assert_member(SONNET, ASK(SERIAL ",\"tool_choice\":\"required\""),
                  "tool_choice",
                  "{\"type\":\"any\",\"disable_parallel_tool_use\":true}");
    assert_member(OPUS, ASK(SERIAL ",\"tool_choice\":\"required\""),
                  "tool_choice",
                  "{\"type\":\"auto\",\"disable_parallel_tool_use\":true}");
    assert_member(SONNET, ASK(SERIAL ",\"tool_choice\":\"none\""),
                  "tool_choice", "{\"type\":\"none\"}");
    assert_member(SONNET, ASK("\"parallel_tool_calls\":false"), "tool_choice",
                  "");
    assert_member(SONNET, ASK(TOOLS(TOOL("f")) ",\"parallel_tool_calls\":true"),
                  "tool_choice", "");
}

static void effort_becomes_thinking_as_each_model_has_it(void **state)
{
    static const struct {
        const char *model;
        const char *effort;
        const char *thinking;
        const char *config;
    } cases[] = {
        {SONNET, "high", "{\"type\":\"adaptive\"}", "{\"effort\":\"high\"}"},
        {SONNET, "minimal", "{\"type\":\"adaptive\"}", "{\"effort\":\"low\"}"},
        /* it has no xhigh: the next lower */
        {SONNET, "xhigh", "{\"type\":\"adaptive\"}", "{\"effort\":\"high\"}"},
        {SONNET, "max", "{\"type\":\"adaptive\"}", "{\"effort\":\"max\"}"},
        {SONNET, "none", "", ""},
        {OPUS, "xhigh", "{\"type\":\"adaptive\",\"display\":\"summarized\"}",
         "{\"effort\":\"xhigh\"}"},
        {OPUS, "none", "", "{\"effort\":\"low\"}"},
        {"claude-sonnet-5-5", "none", "{\"type\":\"between_tools\"}", ""},
        {"claude-sonnet-5", "none", "{\"type\":\"disabled\"}", ""},
        /* low, medium and high only: max becomes high; manual thinking */
        {"claude-opus-4-5", "max",
         "{\"type\":\"enabled\",\"budget_tokens\":4096}",
         "{\"effort\":\"high\"}"},
        /* no effort at all */
        {HAIKU, "low", "{\"type\":\"enabled\",\"budget_tokens\":2048}", ""},
        {HAIKU, "minimal", "{\"type\":\"enabled\",\"budget_tokens\":1024}", ""},
        {HAIKU, "none", "", ""},
        {NEW, "none", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena;
        struct str body;

        arena_init(&arena);
        body = arena_printf(
            &arena,
            "{\"messages\":[" USER("q") "],\"reasoning_effort\":\"%s\"}",
            cases[i].effort);
        assert_member(cases[i].model, body, "thinking", cases[i].thinking);
        assert_member(cases[i].model, body, "output_config", cases[i].config);
        arena_clear(&arena);
    }
}

static void a_budget_is_at_most_half_of_the_answer(void **state)
{
    (void)state;
    assert_member(HAIKU,
                  ASK("\"reasoning_effort\":\"medium\",\"max_tokens\":6001"),
                  "thinking", "{\"type\":\"enabled\",\"budget_tokens\":3000}");
    assert_member(HAIKU,
                  ASK("\"reasoning_effort\":\"high\",\"max_tokens\":60000"),
                  "thinking", "{\"type\":\"enabled\",\"budget_tokens\":16384}");
    assert_member(HAIKU,
                  ASK("\"reasoning_effort\":\"high\",\"max_tokens\":2048"),
                  "thinking", "{\"type\":\"enabled\",\"budget_tokens\":1024}");
    /* below 1024 it is left out, and that is told */
    assert_dropped(HAIKU,
                   ASK("\"reasoning_effort\":\"high\",\"max_tokens\":2047"),
                   "reasoning_effort");
    assert_dropped(NEW, ASK("\"reasoning_effort\":\"high\""),
                   "reasoning_effort");
}

static void manual_thinking_gives_way_to_tools(void **state)
{
    (void)state;
    assert_member(HAIKU,
                  ASK("\"reasoning_effort\":\"low\"," TOOLS(
                      TOOL("f")) ",\"tool_choice\":\"required\""),
                  "thinking", "");
    /* the last tool turn lacks its thinking block */
    assert_member(
        HAIKU,
        STR("{\"messages\":[" USER("q") "," CALLS(CALL("a", "f")) "," RESULT(
            "a", "1") "],\"reasoning_effort\":\"low\"}"),
        "thinking", "");
    /* or has it */
    assert_member(
        HAIKU,
        STR("{\"messages\":[" USER(
            "q") ",{\"role\":\"assistant\","
                 "\"tool_calls\":[" CALL(
                     "a", "f") "],\"thinking_blocks\":"
                               "[{\"type\":\"thinking\",\"thinking\":\"h\","
                               "\"signature\":"
                               "\"S\"}]}," RESULT(
                                   "a", "1") "],\"reasoning_effort\":\"low\"}"),
        "thinking", "{\"type\":\"enabled\",\"budget_tokens\":2048}");
}

static void hidden_reasoning_asks_for_no_summary(void **state)
{
    struct request_style options = options_for(OPUS);
    struct written w;

    (void)state;
    options.shows_reasoning = false;
    write_with(&w, ASK("\"reasoning_effort\":\"high\""), &options);
    assert_str(member_of(&w, "thinking"), "{\"type\":\"adaptive\"}");
    written_fini(&w);
}

static void a_format_is_a_schema_or_an_instruction(void **state)
{
    (void)state;
    assert_member(
        SONNET,
        ASK("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
            "{\"name\":\"s\",\"strict\":true,\"schema\":{\"type\":\"object\","
            "\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":5}}}}},"
            "\"reasoning_effort\":\"low\""),
        "output_config",
        "{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":"
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
        "\"additionalProperties\":false}}}");
    assert_member(SONNET, ASK("\"response_format\":{\"type\":\"json_object\"}"),
                  "system",
                  "[" TEXT("Respond with a single valid JSON object and "
                           "nothing else.") "]");
    assert_member(SONNET, ASK("\"response_format\":{\"type\":\"text\"}"),
                  "system", "");
}

static void personal_data_is_no_user_id(void **state)
{
    static const char *const personal[] = {"a@b.test", "+49 (170) 123-4567",
                                           "0170.1234567", "1234567"};
    static const char *const plain[] = {"user-7", "123456", "+---+--",
                                        "a1234567"};
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(personal); i++)
        assert_dropped(
            SONNET,
            arena_printf(&arena,
                         "{\"messages\":[" USER("q") "],\"user\":\"%s\"}",
                         personal[i]),
            "user");
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        assert_member(
            SONNET,
            arena_printf(&arena,
                         "{\"messages\":[" USER("q") "],\"user\":\"%s\"}",
                         plain[i]),
            "metadata",
            arena_printf(&arena, "{\"user_id\":\"%s\"}", plain[i]).ptr);
    assert_member(SONNET, ASK("\"user\":\"u\",\"safety_identifier\":\"s\""),
                  "metadata", "{\"user_id\":\"s\"}");
    assert_dropped(SONNET, ASK("\"safety_identifier\":\"a@b.test\""),
                   "safety_identifier");
    arena_clear(&arena);
}

static void tiers_and_streams_have_their_own_words(void **state)
{
    (void)state;
    assert_member(SONNET, ASK("\"service_tier\":\"default\""), "service_tier",
                  "\"standard_only\"");
    assert_member(SONNET, ASK("\"service_tier\":\"flex\""), "service_tier",
                  "\"standard_only\"");
    assert_member(SONNET, ASK("\"service_tier\":\"priority\""), "service_tier",
                  "\"auto\"");
    assert_member(SONNET, ASK("\"n\":1"), "service_tier", "");
    assert_member(SONNET, ASK("\"stream\":true"), "stream", "true");
    assert_member(SONNET, ASK("\"stream\":false"), "stream", "");
}

static void what_cannot_be_had_is_refused_and_the_rest_is_told(void **state)
{
    struct written w;

    (void)state;
    assert_refused(SONNET, ASK("\"n\":2"), ERR_UNSUPPORTED_VALUE, "n", "got 2");
    assert_refused(SONNET, ASK("\"n\":0"), ERR_UNSUPPORTED_VALUE, "n", "got 0");
    assert_refused(SONNET, ASK("\"modalities\":[\"text\",\"audio\"]"),
                   ERR_UNSUPPORTED_VALUE, "modalities", "text only");
    write_for(&w, SONNET,
              ASK("\"seed\":1,\"logprobs\":true,\"metadata\":{\"a\":\"b\"},"
                  "\"modalities\":[\"text\"],\"x_unknown\":1"));
    assert_int_equal(w.notes.dropped_count, 4);
    assert_true(was_dropped(&w, "seed"));
    assert_true(was_dropped(&w, "metadata"));
    assert_true(was_dropped(&w, "x_unknown"));
    assert_str(member_of(&w, "seed"), "");
    assert_str(member_of(&w, "metadata"), "");
    assert_int_equal(yyjson_obj_size(w.root), 3); /* model, limit, messages */
    written_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_tokens_is_always_there_and_never_above_the_models),
        cmocka_unit_test(the_default_too_is_cut_to_the_models_limit),
        cmocka_unit_test(the_model_is_the_upstreams),
        cmocka_unit_test(sampling_passes_only_where_it_is_taken),
        cmocka_unit_test(the_api_of_october_2026_has_no_sampling),
        cmocka_unit_test(stops_are_a_list_of_what_is_not_blank),
        cmocka_unit_test(a_strict_tool_is_cut_to_what_is_supported),
        cmocka_unit_test(calls_of_the_history_define_their_tools),
        cmocka_unit_test(a_choice_is_forced_where_that_is_possible),
        cmocka_unit_test(a_choice_that_cannot_be_forced_is_asked_for),
        cmocka_unit_test(allowed_tools_are_the_only_ones_sent),
        cmocka_unit_test(one_call_at_a_time_is_part_of_the_choice),
        cmocka_unit_test(effort_becomes_thinking_as_each_model_has_it),
        cmocka_unit_test(a_budget_is_at_most_half_of_the_answer),
        cmocka_unit_test(manual_thinking_gives_way_to_tools),
        cmocka_unit_test(hidden_reasoning_asks_for_no_summary),
        cmocka_unit_test(a_format_is_a_schema_or_an_instruction),
        cmocka_unit_test(personal_data_is_no_user_id),
        cmocka_unit_test(tiers_and_streams_have_their_own_words),
        cmocka_unit_test(what_cannot_be_had_is_refused_and_the_rest_is_told),
    };

    return cmocka_run_group_tests(tests, models_read, models_drop);
}
