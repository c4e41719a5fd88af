/* dialect/openai_backend_request: requests for vLLM (rules R1, R6 to R9), but
 * for their messages. */
#include "posted.h"

#define FIRST "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"

static void the_plain_fields_stay_as_they_were_spelled(void **state)
{
    struct posted p;

    (void)state;
    asked_good(&p.asked, ASK("\"model\":\"m\",\"max_completion_tokens\":300,"
                             "\"temperature\":0.50,\"top_p\":1e0,\"top_k\":20,"
                             "\"stop\":[\"END\",\" \"],\"user\":\"u1\""));
    posted_write(&p);
    assert_str(buf_str(&p.out),
               "{\"model\":\"up/stream\",\"max_tokens\":300,"
               "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
               "\"temperature\":0.50,\"top_p\":1e0,\"top_k\":20,"
               "\"stop\":[\"END\",\" \"],\"user\":\"u1\"}");
    posted_fini(&p);
}

static void a_stream_asks_for_its_usage(void **state)
{
    struct chat_words words;
    struct posted p;

    (void)state;
    assert_member(ASK("\"stream\":true"), "stream", "true");
    assert_member(ASK("\"stream\":true"), "stream_options",
                  "{\"include_usage\":true}");
    assert_member(ASK("\"stream\":false"), "stream_options", "");
    posted_style.without_usage = true;
    assert_member(ASK("\"stream\":true"), "stream_options", "");
    posted_style.without_usage = false;
    asked_good(&p.asked, ASK("\"stream\":true"));
    words = *p.asked.chat.words;
    words.starts_with_usage = true;
    p.asked.chat.words = &words;
    posted_write(&p);
    assert_str(member_of(&p, "stream_options"),
               "{\"include_usage\":true,\"continuous_usage_stats\":true}");
    posted_fini(&p);
}

static void efforts_are_those_that_every_version_knows(void **state)
{
    static const char *const efforts[][2] = {
        {"none", "\"none\""},     {"minimal", "\"low\""}, {"low", "\"low\""},
        {"medium", "\"medium\""}, {"high", "\"high\""},   {"xhigh", "\"high\""},
        {"max", "\"high\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(efforts); i++) {
        struct arena arena;

        arena_init(&arena);
        assert_member(arena_printf(&arena,
                                   FIRST ",\"reasoning_effort\":\"%s\"}",
                                   efforts[i][0]),
                      "reasoning_effort", efforts[i][1]);
        arena_clear(&arena);
    }
    assert_member(ASK("\"n\":1"), "reasoning_effort", "");
}

static void formats_go_along(void **state)
{
    (void)state;
    assert_member(ASK("\"response_format\":{\"type\":\"text\"}"),
                  "response_format", "");
    assert_member(ASK("\"response_format\":{\"type\":\"json_object\"}"),
                  "response_format", "{\"type\":\"json_object\"}");
    assert_member(
        ASK("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
            "{\"name\":\"q\",\"schema\":{\"type\":\"object\"}}}"),
        "response_format",
        "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"q\","
        "\"strict\":true,\"schema\":{\"type\":\"object\"}}}");
    assert_member(ASK("\"response_format\":{\"type\":\"json_schema\","
                      "\"json_schema\":{\"name\":\"q\"}}"),
                  "response_format", "{\"type\":\"json_object\"}");
}

/* --- tools -------------------------------------------------------------- */

#define TOOL(name) \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
#define CUSTOM(name) "{\"type\":\"custom\",\"custom\":{\"name\":\"" name "\"}}"
#define AS_FUNCTION(name)                                                \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name              \
    "\",\"parameters\":{\"type\":\"object\",\"properties\":{\"input\":{" \
    "\"type\":\"string\"}},\"required\":[\"input\"]}}}"

static void tools_keep_all_they_have(void **state)
{
    (void)state;
    assert_member(
        ASK("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
            "\"mcp.a b\",\"description\":\"d\",\"strict\":true,"
            "\"parameters\":{\"type\":\"object\",\"x\":1.50}}}," TOOL("g") "]"),
        "tools",
        "[{\"type\":\"function\",\"function\":{\"name\":\"mcp.a b\","
        "\"description\":\"d\",\"parameters\":{\"type\":\"object\",\"x\":1.50},"
        "\"strict\":true}}," TOOL("g") "]");
}

static void a_custom_tool_becomes_a_function_and_is_known_again(void **state)
{
    const struct names_tool *tool;
    struct posted p;

    (void)state;
    asked_good(&p.asked,
               ASK("\"tools\":[" TOOL("f") "," CUSTOM(
                   "sh.x") "],"
                           "\"tool_choice\":{\"type\":\"custom\",\"custom\":"
                           "{\"name\":\"sh.x\"}}"));
    posted_write(&p);
    assert_str(member_of(&p, "tools"),
               "[" TOOL("f") "," AS_FUNCTION("sh.x") "]");
    assert_str(member_of(&p, "tool_choice"), TOOL("sh.x"));
    assert_int_equal(p.notes.names.count, 1);
    tool = names_find(&p.notes.names, STR("sh.x"));
    assert_non_null(tool);
    assert_true(tool->is_custom);
    assert_str(tool->original, "sh.x");
    posted_fini(&p);
}

static void no_tools_means_no_list_and_no_choice(void **state)
{
    (void)state;
    assert_member(ASK("\"tools\":[]"), "tools", "");
    assert_member(ASK("\"tools\":[],\"tool_choice\":\"auto\","
                      "\"parallel_tool_calls\":false"),
                  "tool_choice", "");
    assert_member(ASK("\"tools\":[],\"parallel_tool_calls\":false"),
                  "parallel_tool_calls", "");
    assert_dropped(ASK("\"tools\":[],\"tool_choice\":\"auto\""), "");
    assert_dropped(ASK("\"tool_choice\":\"required\""), "tool_choice");
}

static void only_allowed_tools_go_along(void **state)
{
    struct str body = ASK("\"tools\":[" TOOL("f") "," TOOL(
        "g") "],\"tool_choice\":{"
             "\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":"
             "\"required\",\"tools\":[" TOOL("g") "]}}");

    (void)state;
    assert_member(body, "tools", "[" TOOL("g") "]");
    assert_member(body, "tool_choice", "\"required\"");
    body = ASK("\"tools\":[" TOOL(
        "f") "],\"tool_choice\":{"
             "\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":"
             "\"auto\",\"tools\":[]}}");
    assert_member(body, "tools", "");
    assert_member(body, "tool_choice", "");
}

static void choices_are_said_in_openais_words(void **state)
{
    (void)state;
    assert_member(ASK("\"tools\":[" TOOL("f") "],\"tool_choice\":\"none\""),
                  "tool_choice", "\"none\"");
    assert_member(ASK("\"tools\":[" TOOL("f") "],\"tool_choice\":\"auto\""),
                  "tool_choice", "\"auto\"");
    assert_member(ASK("\"tools\":[" TOOL("f") "],\"tool_choice\":" TOOL("f")),
                  "tool_choice", TOOL("f"));
    assert_member(ASK("\"tools\":[" TOOL("f") "]"), "tool_choice", "");
    assert_member(
        ASK("\"tools\":[" TOOL("f") "],\"parallel_tool_calls\":false"),
        "parallel_tool_calls", "false");
    assert_member(ASK("\"tools\":[" TOOL("f") "],\"parallel_tool_calls\":true"),
                  "parallel_tool_calls", "");
}

/* --- the rest ----------------------------------------------------------- */

static void what_has_no_effect_is_named(void **state)
{
    struct posted p;
    struct chat_words words;

    (void)state;
    assert_dropped(ASK("\"service_tier\":\"flex\",\"safety_identifier\":\"s\","
                       "\"metadata\":{\"a\":\"b\"}"),
                   "metadata, service_tier, safety_identifier");
    asked_good(&p.asked, ASK("\"user\":\"u\""));
    words = *p.asked.chat.words;
    words.user = STR("metadata.user_id");
    p.asked.chat.words = &words;
    p.asked.chat.server_tool_count = 1;
    posted_write(&p);
    assert_str(member_of(&p, "user"), "");
    assert_int_equal(p.notes.dropped_count, 2);
    assert_str(p.notes.dropped[0], "metadata.user_id");
    assert_str(p.notes.dropped[1], "tools[].type");
    posted_fini(&p);
}

static void more_than_one_answer_and_audio_are_refused(void **state)
{
    struct posted p;

    (void)state;
    asked_good(&p.asked, ASK("\"n\":2"));
    assert_refused(&p, ERR_UNSUPPORTED_VALUE, "n", "got 2");
    asked_good(&p.asked, ASK("\"modalities\":[\"text\",\"audio\"]"));
    assert_refused(&p, ERR_UNSUPPORTED_VALUE, "modalities", "text only");
}

static void the_callers_words_name_the_path(void **state)
{
    struct posted p;
    struct chat_words words;

    (void)state;
    (void)part_add(messages_of(&p, "u"), CHAT_OTHER, "thing");
    words = *p.asked.chat.words;
    words.messages = STR("input");
    p.asked.chat.words = &words;
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "input[0].content[0]", "thing");
}

static void the_prompt_alone_is_messages_and_tools(void **state)
{
    struct asked asked;
    struct chat_error error;
    struct buf text;
    struct json_out out = json_out_to(&text);

    (void)state;
    buf_init(&text, 1 << 16);
    asked_good(&asked, ASK("\"tools\":[" CUSTOM("c") "],\"temperature\":1"));
    json_open(&out, '{');
    json_member_str(&out, STR("model"), STR("m"));
    assert_true(openai_write_prompt(&asked.arena, &asked.chat, &out, &error));
    json_close(&out, '}');
    assert_str(buf_str(&text),
               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
               "\"x\"}],\"tools\":[" AS_FUNCTION("c") "]}");
    asked.chat.messages[0].parts[0].kind = CHAT_OTHER;
    out = json_out_to(&text);
    assert_false(openai_write_prompt(&asked.arena, &asked.chat, &out, &error));
    assert_int_equal(error.error, ERR_UNSUPPORTED_CONTENT);
    asked_fini(&asked);
    buf_fini(&text);
}

static void a_body_above_the_ceiling_is_an_error(void **state)
{
    struct asked asked;
    struct request_notes notes;
    struct chat_error error;
    struct buf text;

    (void)state;
    buf_init(&text, 32);
    asked_good(&asked, ASK("\"n\":1"));
    assert_false(openai_write_request(&asked.arena, &asked.chat, &posted_style,
                                      &text, &notes, &error));
    assert_int_equal(error.error, ERR_MEMORY_BUDGET);
    asked_fini(&asked);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plain_fields_stay_as_they_were_spelled),
        cmocka_unit_test(a_stream_asks_for_its_usage),
        cmocka_unit_test(efforts_are_those_that_every_version_knows),
        cmocka_unit_test(formats_go_along),
        cmocka_unit_test(tools_keep_all_they_have),
        cmocka_unit_test(a_custom_tool_becomes_a_function_and_is_known_again),
        cmocka_unit_test(no_tools_means_no_list_and_no_choice),
        cmocka_unit_test(only_allowed_tools_go_along),
        cmocka_unit_test(choices_are_said_in_openais_words),
        cmocka_unit_test(what_has_no_effect_is_named),
        cmocka_unit_test(more_than_one_answer_and_audio_are_refused),
        cmocka_unit_test(the_callers_words_name_the_path),
        cmocka_unit_test(the_prompt_alone_is_messages_and_tools),
        cmocka_unit_test(a_body_above_the_ceiling_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
