/* The members of a Responses request, and the errors that name them. */
#include <stdio.h>

#include "responses_asked.h"

static void a_string_is_what_the_user_says(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, "{\"model\":\"smart\", \"input\":\"h\\u00e4\\\"\"}");
    assert_str(asked.chat.model, "smart");
    assert_str(str_slice(asked.chat.body, asked.chat.model_at,
                         asked.chat.model_at + asked.chat.model_len),
               "\"smart\"");
    assert_int_equal(asked.chat.message_count, 1);
    assert_int_equal(asked.chat.messages[0].role, CHAT_USER);
    assert_str(asked.chat.messages[0].parts[0].text, "hä\"");
    assert_str(asked.chat.items, "\"h\\u00e4\\\"\"");
    assert_int_equal(asked.chat.characters, 3);
    assert_true(asked.chat.is_stored);
    assert_false(asked.chat.is_stream);
    asked_fini(&asked);
}

static void the_items_are_kept_as_they_stand(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, "{\"input\" : [ {\"role\":\"user\",\"content\":\"]}\\\"["
                       "\"} ] ,\"model\":\"m\"}");
    assert_str(asked.chat.items,
               "[ {\"role\":\"user\",\"content\":\"]}\\\"[\"} ]");
    asked_fini(&asked);
}

static void members_find_their_places(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(
        &asked,
        ASK("\"instructions\":\"Be brief.\",\"stream\":true,"
            "\"max_output_tokens\":77,\"temperature\":0.50,\"top_p\":1e-1,"
            "\"parallel_tool_calls\":false,\"user\":\"u\","
            "\"safety_identifier\":\"s\",\"service_tier\":\"flex\","
            "\"store\":false,\"previous_response_id\":\"resp_1\","
            "\"reasoning\":{\"effort\":\"xhigh\",\"summary\":\"auto\"},"
            "\"include\":[\"reasoning.encrypted_content\"],"
            "\"background\":false,\"stream_options\":{},\"prompt\":null,"
            "\"conversation\":null"));
    assert_int_equal(asked.chat.messages[0].role, CHAT_SYSTEM);
    assert_str(asked.chat.messages[0].parts[0].text, "Be brief.");
    assert_int_equal(asked.chat.messages[1].role, CHAT_USER);
    assert_true(asked.chat.is_stream);
    assert_true(asked.chat.has_max_tokens);
    assert_int_equal(asked.chat.max_tokens, 77);
    assert_str(asked.chat.temperature, "0.50");
    assert_str(asked.chat.top_p, "1e-1");
    assert_true(asked.chat.is_serial);
    assert_str(asked.chat.user, "u");
    assert_str(asked.chat.safety_identifier, "s");
    assert_str(asked.chat.service_tier, "flex");
    assert_false(asked.chat.is_stored);
    assert_str(asked.chat.previous_id, "resp_1");
    assert_int_equal(asked.chat.effort, CHAT_EFFORT_XHIGH);
    assert_true(asked.chat.wants_encrypted);
    assert_str(asked_others(&asked), "");
    asked_fini(&asked);
}

static void what_has_no_place_is_named(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, ASK("\"truncation\":\"auto\",\"metadata\":{\"a\":\"b\"},"
                           "\"prompt_cache_key\":\"k\",\"max_tool_calls\":3,"
                           "\"top_logprobs\":2,\"reasoning\":{\"mode\":\"x\","
                           "\"context\":null},\"text\":{\"verbosity\":\"low\"},"
                           "\"include\":[\"message.output_text.logprobs\"],"
                           "\"nothing\":null"));
    assert_str(asked_others(&asked),
               "truncation top_logprobs reasoning.mode text.verbosity "
               "include.message.output_text.logprobs");
    asked_fini(&asked);
}

static void formats_of_the_text(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, ASK("\"text\":{\"format\":{\"type\":\"json_object\"}}"));
    assert_int_equal(asked.chat.format, CHAT_FORMAT_JSON_OBJECT);
    asked_fini(&asked);
    asked_good(&asked,
               ASK("\"text\":{\"format\":{\"type\":\"json_schema\","
                   "\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}"));
    assert_int_equal(asked.chat.format, CHAT_FORMAT_JSON_SCHEMA);
    assert_str(json_get_text(asked.chat.format_schema, STR("type")), "object");
    asked_fini(&asked);
    asked_good(&asked, ASK("\"text\":{}"));
    assert_int_equal(asked.chat.format, CHAT_FORMAT_TEXT);
    asked_fini(&asked);
}

static void the_answer_repeats_the_request(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, ASK("\"store\":false"));
    assert_str(asked.chat.echo,
               "\"background\":false,\"instructions\":null,"
               "\"max_output_tokens\":null,\"max_tool_calls\":null,"
               "\"metadata\":{},\"parallel_tool_calls\":true,"
               "\"previous_response_id\":null,\"prompt_cache_key\":null,"
               "\"reasoning\":{\"effort\":null,\"summary\":null},"
               "\"safety_identifier\":null,\"temperature\":1.0,"
               "\"text\":{\"format\":{\"type\":\"text\"}},"
               "\"tool_choice\":\"auto\",\"tools\":[],\"top_logprobs\":0,"
               "\"top_p\":1.0,\"truncation\":\"disabled\",\"user\":null");
    asked_fini(&asked);
    asked_good(&asked,
               ASK("\"instructions\":\"I\\n\",\"metadata\":{\"k\":\"v\"},"
                   "\"temperature\":0.30,\"text\":{\"verbosity\":\"low\"},"
                   "\"tools\":[{\"type\":\"web_search\"}],"
                   "\"tool_choice\":\"none\""));
    assert_has(asked.chat.echo, "\"instructions\":\"I\\n\",");
    assert_has(asked.chat.echo, "\"metadata\":{\"k\":\"v\"},");
    assert_has(asked.chat.echo, "\"temperature\":0.30,");
    assert_has(asked.chat.echo, "\"text\":{\"format\":{\"type\":\"text\"},"
                                "\"verbosity\":\"low\"},");
    assert_has(asked.chat.echo, "\"tools\":[{\"type\":\"web_search\"}],");
    assert_has(asked.chat.echo, "\"tool_choice\":\"none\",");
    asked_fini(&asked);
}

static void bad_members_are_refused_by_name(void **state)
{
    static const struct {
        const char *more;
        enum error error;
        const char *param, *says;
    } bad[] = {
        {"\"instructions\":3", ERR_BAD_FIELD, "instructions", "a string"},
        {"\"stream\":\"yes\"", ERR_BAD_FIELD, "stream", "true or false"},
        {"\"stream_options\":1", ERR_BAD_FIELD, "stream_options", "object"},
        {"\"max_output_tokens\":1.5", ERR_BAD_FIELD, "max_output_tokens",
         "a whole number"},
        {"\"parallel_tool_calls\":1", ERR_BAD_FIELD, "parallel_tool_calls",
         "true or false"},
        {"\"store\":\"no\"", ERR_BAD_FIELD, "store", "true or false"},
        {"\"store\":true,\"store\":false", ERR_BAD_VALUE, "store", "twice"},
        {"\"reasoning\":[]", ERR_BAD_FIELD, "reasoning", "an object"},
        {"\"reasoning\":{\"effort\":\"huge\"}", ERR_BAD_VALUE,
         "reasoning.effort", "\"huge\""},
        {"\"reasoning\":{\"effort\":1}", ERR_BAD_FIELD, "reasoning.effort",
         "a string"},
        {"\"text\":\"x\"", ERR_BAD_FIELD, "text", "an object"},
        {"\"text\":{\"format\":1}", ERR_BAD_FIELD, "text.format", "an object"},
        {"\"text\":{\"format\":{\"type\":\"xml\"}}", ERR_BAD_VALUE,
         "text.format.type", "\"xml\""},
        {"\"text\":{\"format\":{\"type\":\"json_schema\"}}", ERR_MISSING_FIELD,
         "text.format.schema", "required"},
        {"\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":1}}",
         ERR_BAD_FIELD, "text.format.schema", "an object"},
        {"\"include\":\"x\"", ERR_BAD_FIELD, "include", "an array"},
        {"\"include\":[\"a\",2]", ERR_BAD_FIELD, "include[1]", "a string"},
        {"\"previous_response_id\":7", ERR_BAD_FIELD, "previous_response_id",
         "a string"},
        {"\"previous_response_id\":\"\"", ERR_BAD_VALUE, "previous_response_id",
         "1 to 128 bytes, got 0"},
        {"\"conversation\":\"conv_1\"", ERR_UNSUPPORTED_PARAMETER,
         "conversation", "not kept"},
        {"\"prompt\":{\"id\":\"p\"}", ERR_UNSUPPORTED_PARAMETER, "prompt",
         "not kept"},
        {"\"background\":true", ERR_UNSUPPORTED_PARAMETER, "background",
         "stream"},
        {"\"background\":1", ERR_BAD_FIELD, "background", "true or false"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char body[512];

        (void)snprintf(body, sizeof(body), "{\"input\":\"x\",%s}", bad[i].more);
        assert_asked_bad(body, bad[i].error, bad[i].param, bad[i].says);
    }
    assert_asked_bad("{\"model\":\"m\"}", ERR_MISSING_FIELD, "input",
                     "required");
    assert_asked_bad("{\"input\":null}", ERR_MISSING_FIELD, "input",
                     "required");
    assert_asked_bad("{\"input\":{}}", ERR_BAD_FIELD, "input",
                     "a string or an array");
    assert_asked_bad("{\"input\":[]}", ERR_BAD_VALUE, "input",
                     "at least one item");
    assert_asked_bad("[]", ERR_BAD_FIELD, "", "a JSON object");
    assert_asked_bad("", ERR_BAD_JSON, "", "no body");
}

/* --- tools -------------------------------------------------------------- */

static void tools_are_flat(void **state)
{
    struct asked asked;
    const struct chat_tool *tools;

    (void)state;
    asked_good(&asked,
               ASK("\"tools\":[{\"type\":\"function\",\"name\":\"f\","
                   "\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
                   "\"strict\":true,\"output_schema\":{}},"
                   "{\"type\":\"function\",\"name\":\"g\",\"strict\":null,"
                   "\"parameters\":null,\"defer_loading\":true},"
                   "{\"type\":\"custom\",\"name\":\"c\",\"description\":\"Cc\","
                   "\"format\":{\"type\":\"grammar\",\"syntax\":\"lark\","
                   "\"definition\":\"start: A\"}},"
                   "{\"type\":\"custom\",\"name\":\"p\","
                   "\"format\":{\"type\":\"text\"}}]"));
    tools = asked.chat.tools;
    assert_int_equal(asked.chat.tool_count, 4);
    assert_str(tools[0].name, "f");
    assert_str(tools[0].description, "d");
    assert_non_null(tools[0].schema);
    assert_true(tools[0].is_strict);
    assert_null(tools[1].schema);
    assert_false(tools[1].is_strict);
    assert_true(tools[2].is_custom);
    assert_str(tools[2].description,
               "Cc\n\nThe input must follow this lark grammar:\nstart: A");
    assert_true(tools[3].is_custom);
    assert_str(tools[3].description, "");
    assert_str(asked_others(&asked), "tools[].output_schema tools[].format");
    asked_fini(&asked);
}

static void a_namespace_is_a_part_of_its_tools_names(void **state)
{
    struct asked asked;
    struct names names;

    (void)state;
    asked_good(&asked,
               ASK("\"tools\":[{\"type\":\"namespace\",\"name\":\"agents\","
                   "\"description\":\"All about agents.\",\"tools\":["
                   "{\"type\":\"function\",\"name\":\"open\","
                   "\"description\":\"Opens.\"},"
                   "{\"type\":\"custom\",\"name\":\"say\"}]},"
                   "{\"type\":\"function\",\"name\":\"open\"}],"
                   "\"tool_choice\":{\"type\":\"function\",\"name\":\"open\","
                   "\"namespace\":\"agents\"}"));
    assert_int_equal(asked.chat.tool_count, 3);
    assert_str(asked.chat.tools[0].name, "agents\x1fopen");
    assert_str(asked.chat.tools[0].description,
               "(agents: All about agents.)\n\nOpens.");
    assert_str(asked.chat.tools[1].name, "agents\x1fsay");
    assert_true(asked.chat.tools[1].is_custom);
    assert_str(asked.chat.tools[2].name, "open");
    assert_str(asked.chat.choice_name, "agents\x1fopen");
    assert_str(asked_others(&asked), "");

    /* a backend that takes every name gets none with a control character */
    names_of_custom_tools(&asked.arena, &asked.chat, &names);
    assert_int_equal(names.count, 2);
    assert_str(names.tools[0].original, "agents\x1fopen");
    assert_true(str_starts(names.tools[0].token, STR("agents_open_")));
    assert_false(names.tools[0].is_custom);
    assert_true(names.tools[1].is_custom);
    asked_fini(&asked);
}

static void built_in_tools_are_noted_by_their_types(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked,
               ASK("\"tools\":[{\"type\":\"web_search\"},"
                   "{\"type\":\"function\",\"name\":\"f\"},"
                   "{\"type\":\"tool_search\",\"execution\":\"server\"}]"));
    assert_int_equal(asked.chat.tool_count, 1);
    assert_int_equal(asked.chat.server_tool_count, 2);
    assert_false(asked.chat.server_tools_exist);
    assert_str(asked_others(&asked), "tools[].web_search tools[].tool_search");
    asked_fini(&asked);

    asked_good(&asked, ASK("\"tools\":[{\"type\":\"web_search\"},"
                           "{\"type\":\"mcp\"}]"));
    assert_int_equal(asked.chat.tool_count, 0);
    assert_int_equal(asked.chat.server_tool_count, 2);
    assert_str(asked.chat.server_tool, "web_search");
    asked_fini(&asked);
}

static void a_search_that_the_caller_does_is_a_tool(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked,
               ASK("\"tools\":[{\"type\":\"tool_search\","
                   "\"execution\":\"client\",\"description\":\"Finds.\","
                   "\"parameters\":{\"type\":\"object\"}}]"));
    assert_int_equal(asked.chat.tool_count, 1);
    assert_str(asked.chat.tools[0].name, "tool_search\x1f");
    assert_str(asked.chat.tools[0].description, "Finds.");
    assert_non_null(asked.chat.tools[0].schema);
    assert_int_equal(asked.chat.server_tool_count, 0);
    assert_str(asked_others(&asked), "");
    asked_fini(&asked);
}

static void choices_among_the_tools(void **state)
{
    static const struct {
        const char *choice;
        enum chat_choice is;
    } words[] = {
        {"\"none\"", CHAT_CHOICE_NONE},
        {"\"auto\"", CHAT_CHOICE_AUTO},
        {"\"required\"", CHAT_CHOICE_REQUIRED},
        {"{\"type\":\"custom\",\"name\":\"c\"}", CHAT_CHOICE_NAMED},
    };
    struct asked asked;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        char body[256];

        (void)snprintf(body, sizeof(body),
                       "{\"input\":\"x\",\"tool_choice\":%s}", words[i].choice);
        asked_good(&asked, body);
        assert_int_equal(asked.chat.choice, words[i].is);
        asked_fini(&asked);
    }
    asked_good(&asked, ASK("\"tool_choice\":{\"type\":\"allowed_tools\","
                           "\"mode\":\"required\",\"tools\":["
                           "{\"type\":\"function\",\"name\":\"f\"},"
                           "{\"type\":\"web_search\"},"
                           "{\"type\":\"custom\",\"name\":\"c\"}]}"));
    assert_int_equal(asked.chat.choice, CHAT_CHOICE_REQUIRED);
    assert_int_equal(asked.chat.allowed_count, 2);
    assert_str(asked.chat.allowed_tools[0], "f");
    assert_str(asked.chat.allowed_tools[1], "c");
    asked_fini(&asked);
}

static void bad_tools_are_refused_by_name(void **state)
{
    (void)state;
    assert_asked_bad(ASK("\"tools\":{}"), ERR_BAD_FIELD, "tools", "an array");
    assert_asked_bad(ASK("\"tools\":[1]"), ERR_BAD_FIELD, "tools[0]",
                     "an object");
    assert_asked_bad(ASK("\"tools\":[{}]"), ERR_MISSING_FIELD, "tools[0].type",
                     "required");
    assert_asked_bad(ASK("\"tools\":[{\"type\":\"function\"}]"),
                     ERR_MISSING_FIELD, "tools[0].name", "required");
    assert_asked_bad(ASK("\"tools\":[{\"type\":\"function\",\"name\":\"f\","
                         "\"parameters\":\"p\"}]"),
                     ERR_BAD_FIELD, "tools[0].parameters", "an object");
    assert_asked_bad(ASK("\"tools\":[{\"type\":\"function\",\"name\":\"f\","
                         "\"strict\":1}]"),
                     ERR_BAD_FIELD, "tools[0].strict", "true or false");
    assert_asked_bad(ASK("\"tools\":[{\"type\":\"namespace\",\"tools\":[]}]"),
                     ERR_MISSING_FIELD, "tools[0].name", "required");
    assert_asked_bad(ASK("\"tools\":[{\"type\":\"namespace\",\"name\":\"n\"}]"),
                     ERR_BAD_FIELD, "tools[0].tools", "an array");
    assert_asked_bad(ASK("\"tools\":[{\"type\":\"namespace\",\"name\":\"n\","
                         "\"tools\":[{\"type\":\"function\"}]}]"),
                     ERR_MISSING_FIELD, "tools[0].tools[0].name", "required");
    assert_asked_bad(ASK("\"tool_choice\":1"), ERR_BAD_FIELD, "tool_choice",
                     "a string or an object");
    assert_asked_bad(ASK("\"tool_choice\":\"any\""), ERR_BAD_VALUE,
                     "tool_choice", "\"any\"");
    assert_asked_bad(ASK("\"tool_choice\":{\"type\":\"function\"}"),
                     ERR_MISSING_FIELD, "tool_choice.name", "required");
    assert_asked_bad(ASK("\"tool_choice\":{\"type\":\"web_search\"}"),
                     ERR_UNSUPPORTED_VALUE, "tool_choice.type",
                     "no backend has built-in tools");
    assert_asked_bad(ASK("\"tool_choice\":{\"type\":\"allowed_tools\","
                         "\"mode\":\"x\"}"),
                     ERR_BAD_VALUE, "tool_choice.mode", "\"x\"");
    assert_asked_bad(ASK("\"tool_choice\":{\"type\":\"allowed_tools\","
                         "\"mode\":\"auto\"}"),
                     ERR_BAD_FIELD, "tool_choice.tools", "an array");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_what_the_user_says),
        cmocka_unit_test(the_items_are_kept_as_they_stand),
        cmocka_unit_test(members_find_their_places),
        cmocka_unit_test(what_has_no_place_is_named),
        cmocka_unit_test(formats_of_the_text),
        cmocka_unit_test(the_answer_repeats_the_request),
        cmocka_unit_test(bad_members_are_refused_by_name),
        cmocka_unit_test(tools_are_flat),
        cmocka_unit_test(a_namespace_is_a_part_of_its_tools_names),
        cmocka_unit_test(built_in_tools_are_noted_by_their_types),
        cmocka_unit_test(a_search_that_the_caller_does_is_a_tool),
        cmocka_unit_test(choices_among_the_tools),
        cmocka_unit_test(bad_tools_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
