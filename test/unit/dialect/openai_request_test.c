/* dialect/openai_request: what is taken, and what it is taken for. */
#include "asked.h"

static void assert_place(const struct chat *chat, const char *expected)
{
    assert_str(
        str_slice(chat->body, chat->model_at, chat->model_at + chat->model_len),
        expected);
}

static void the_smallest_request_is_one_message(void **state)
{
    struct asked asked;
    const struct chat *chat = &asked.chat;

    (void)state;
    asked_good(&asked, ASK_MESSAGES("{\"role\":\"user\"}"));
    assert_int_equal(chat->message_count, 1);
    assert_int_equal(chat->messages[0].role, CHAT_USER);
    assert_int_equal(chat->messages[0].part_count, 0);
    assert_int_equal(chat->model.len, 0);
    assert_int_equal(chat->model_at, 0);
    assert_int_equal(chat->model_len, 0);
    assert_false(chat->has_max_tokens);
    assert_false(chat->is_stream);
    assert_false(chat->has_n);
    assert_int_equal(chat->choice, CHAT_CHOICE_UNSET);
    assert_int_equal(chat->effort, CHAT_EFFORT_UNSET);
    assert_int_equal(chat->other_count, 0);
    asked_fini(&asked);
}

static void null_is_the_same_as_absent(void **state)
{
    struct asked asked;
    const struct chat *chat = &asked.chat;

    (void)state;
    asked_good(&asked,
               ASK("\"model\":null,\"stream\":null,\"max_tokens\":null,"
                   "\"max_completion_tokens\":null,\"temperature\":null,"
                   "\"top_p\":null,\"top_k\":null,\"stop\":null,\"n\":null,"
                   "\"tools\":null,\"tool_choice\":null,\"functions\":null,"
                   "\"function_call\":null,\"parallel_tool_calls\":null,"
                   "\"response_format\":null,\"stream_options\":null,"
                   "\"reasoning_effort\":null,\"modalities\":null,"
                   "\"user\":null,\"safety_identifier\":null,"
                   "\"service_tier\":null,\"seed\":null,\"metadata\":null"));
    assert_int_equal(chat->model.len, 0);
    assert_place(chat, "null"); /* yet its place is known */
    assert_false(chat->has_max_tokens);
    assert_false(chat->is_serial);
    assert_int_equal(chat->tool_count, 0);
    assert_int_equal(chat->stop_count, 0);
    assert_int_equal(chat->temperature.len, 0);
    assert_int_equal(chat->other_count, 0);
    asked_fini(&asked);
}

static void the_place_of_the_model_is_found_in_any_layout(void **state)
{
    static const struct {
        struct str body;
        const char *name;
        const char *place;
    } cases[] = {
        {STR_INIT("{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}"), "m",
         "\"m\""},
        {STR_INIT("{\"messages\":[{\"role\":\"user\"}],\"model\":\"m\"}"), "m",
         "\"m\""},
        {STR_INIT("\n{\r\n\t\"model\"\n:\t \"m\"\r\n,\"messages\":"
                  "[{\"role\":\"user\"}]}\n"),
         "m", "\"m\""},
        {STR_INIT("{\"model\":\"a\\\"b\\\\\\u00e4\\/c\",\"messages\":"
                  "[{\"role\":\"user\"}]}"),
         "a\"b\\\xC3\xA4/c", "\"a\\\"b\\\\\\u00e4\\/c\""},
        {STR_INIT("{\"m\\u006fdel\":\"m\",\"messages\":[{\"role\":\"user\"}]}"),
         "m", "\"m\""},
        {STR_INIT("{\"messages\":[{\"role\":\"user\",\"content\":"
                  "\"\\\"model\\\":\\\"no\\\"\"}],\"model\":\"yes\"}"),
         "yes", "\"yes\""},
        {STR_INIT("{\"x\":{\"model\":\"no\"},\"model\":\"yes\",\"messages\":"
                  "[{\"role\":\"user\",\"model\":\"no\"}]}"),
         "yes", "\"yes\""},
        {STR_INIT("{\"model\":\"\",\"messages\":[{\"role\":\"user\"}]}"), "",
         "\"\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct asked asked;

        asked_good(&asked, cases[i].body);
        assert_str(asked.chat.model, cases[i].name);
        assert_place(&asked.chat, cases[i].place);
        asked_fini(&asked);
    }
}

static void characters_of_all_text_are_counted(void **state)
{
    struct asked asked;

    (void)state;
    /* 3 + 1 (the euro sign is one) + 4 + 2 + 5 */
    asked_good(&asked, ASK_MESSAGES(
                           "{\"role\":\"system\",\"content\":\"abc\"},"
                           "{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                           "\"text\":\"\\u20ac\"},{\"type\":\"text\",\"text\":"
                           "\"four\"}]},"
                           "{\"role\":\"assistant\",\"refusal\":\"no\"},"
                           "{\"role\":\"user\",\"content\":\"a\\nb\\\"c\"}"));
    assert_int_equal(asked.chat.characters, 15);
    asked_fini(&asked);

    /* a call's name and arguments: 1 + 7 */
    asked_good(&asked,
               ASK_MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
                            "\"c\",\"type\":\"function\",\"function\":"
                            "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]"
                            "}"));
    assert_int_equal(asked.chat.characters, 8);
    asked_fini(&asked);

    /* a tool: name 3, description 5, and about what its schema takes */
    asked_good(&asked,
               ASK("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
                   "\"get\",\"description\":\"Gets.\",\"parameters\":"
                   "{\"type\":\"object\"}}}]"));
    assert_in_range(asked.chat.characters, 1 + 3 + 5 + 17, 1 + 3 + 5 + 21);
    asked_fini(&asked);
}

static void images_do_not_count_as_text(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked,
               ASK_MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":"
                            "\"image_url\",\"image_url\":{\"url\":"
                            "\"data:image/png;base64,iVBORw0KGgo=\"}},"
                            "{\"type\":\"image_url\",\"image_url\":"
                            "\"https://a.test/b.png\"},{\"type\":\"file\","
                            "\"file\":{\"file_id\":\"f-1\"}}]}"));
    assert_int_equal(asked.chat.characters, 0);
    assert_int_equal(asked.chat.image_count, 2);
    assert_int_equal(asked.chat.file_count, 1);
    assert_str(asked.chat.messages[0].parts[1].url, "https://a.test/b.png");
    assert_str(asked.chat.messages[0].parts[2].file_id, "f-1");
    asked_fini(&asked);
}

static void max_completion_tokens_wins_in_any_order(void **state)
{
    static const struct str bodies[] = {
        STR_INIT("{\"messages\":[{\"role\":\"user\"}],\"max_tokens\":10,"
                 "\"max_completion_tokens\":20}"),
        STR_INIT("{\"messages\":[{\"role\":\"user\"}],"
                 "\"max_completion_tokens\":20,\"max_tokens\":10}"),
        STR_INIT("{\"messages\":[{\"role\":\"user\"}],"
                 "\"max_completion_tokens\":20,\"max_tokens\":null}"),
    };
    struct asked asked;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        asked_good(&asked, bodies[i]);
        assert_true(asked.chat.has_max_tokens);
        assert_true(asked.chat.max_tokens == 20);
        assert_str(asked.chat.max_tokens_name, "max_completion_tokens");
        asked_fini(&asked);
    }
    asked_good(&asked, ASK("\"max_tokens\":0"));
    assert_true(asked.chat.has_max_tokens);
    assert_true(asked.chat.max_tokens == 0);
    assert_str(asked.chat.max_tokens_name, "max_tokens");
    asked_fini(&asked);
    asked_good(&asked, ASK("\"max_tokens\":9223372036854775807"));
    assert_true(asked.chat.max_tokens == INT64_MAX);
    asked_fini(&asked);
}

static void numbers_keep_their_spelling(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, ASK("\"temperature\":0.70,\"top_p\":1E-1,\"top_k\":"
                           "40.0"));
    assert_str(asked.chat.temperature, "0.70");
    assert_str(asked.chat.top_p, "1E-1");
    assert_str(asked.chat.top_k, "40.0");
    asked_fini(&asked);
}

static void every_role_is_known(void **state)
{
    static const enum chat_role roles[] = {CHAT_SYSTEM, CHAT_SYSTEM,
                                           CHAT_USER,   CHAT_ASSISTANT,
                                           CHAT_TOOL,   CHAT_TOOL};
    struct asked asked;

    (void)state;
    asked_good(&asked,
               ASK_MESSAGES("{\"role\":\"system\"},{\"role\":\"developer\"},"
                            "{\"role\":\"user\"},{\"role\":\"assistant\"},"
                            "{\"role\":\"tool\",\"tool_call_id\":\"a\"},"
                            "{\"role\":\"function\",\"name\":\"f\"}"));
    for (unsigned i = 0; i < COUNT_OF(roles); i++) {
        assert_int_equal(asked.chat.messages[i].role, roles[i]);
        assert_int_equal(asked.chat.messages[i].index, i);
    }
    assert_false(asked.chat.messages[4].is_function);
    assert_true(asked.chat.messages[5].is_function);
    asked_fini(&asked);
}

static void unknown_parts_are_left_to_the_backend(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked,
               ASK_MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":"
                            "\"input_audio\",\"input_audio\":{}},{\"type\":"
                            "\"text\",\"text\":\"a\"}]}"));
    assert_int_equal(asked.chat.messages[0].parts[0].kind, CHAT_OTHER);
    assert_str(asked.chat.messages[0].parts[0].text, "input_audio");
    assert_int_equal(asked.chat.messages[0].parts[1].index, 1);
    asked_fini(&asked);
}

static void tool_calls_are_read_in_all_their_forms(void **state)
{
    const struct chat_call *calls;
    struct asked asked;

    (void)state;
    asked_good(
        &asked,
        ASK_MESSAGES(
            "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
            "{\"id\":\"a\",\"function\":{\"name\":\"f\"}},"
            "{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\","
            "\"arguments\":\"{\\\"x\\\": 1\"}},"
            "{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"h\","
            "\"input\":\"free text\"}},"
            "{\"type\":\"function\",\"function\":{\"name\":\"i\",\"arguments\":"
            "{\"y\" : 2.0}}}],"
            "\"function_call\":{\"name\":\"j\",\"arguments\":\"\"}}"));
    assert_int_equal(asked.chat.messages[0].call_count, 5);
    calls = asked.chat.messages[0].calls;
    assert_str(calls[0].name, "f");
    assert_int_equal(calls[0].arguments.len, 0);
    assert_str(calls[1].arguments, "{\"x\": 1"); /* broken, and kept so */
    assert_true(calls[2].is_custom);
    assert_str(calls[2].arguments, "free text");
    assert_int_equal(calls[3].id.len, 0);
    assert_str(calls[3].arguments, "{\"y\":2.0}");
    assert_str(calls[4].id, "call_fn_0");
    asked_fini(&asked);
}

static void tools_and_choices_are_read_in_all_their_forms(void **state)
{
    struct asked asked;
    const struct chat *chat = &asked.chat;

    (void)state;
    asked_good(&asked,
               ASK("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
                   "\"f\",\"strict\":true}},{\"type\":\"custom\",\"custom\":"
                   "{\"name\":\"c\"}}],\"parallel_tool_calls\":false,"
                   "\"tool_choice\":{\"type\":\"allowed_tools\","
                   "\"allowed_tools\":{\"mode\":\"required\",\"tools\":"
                   "[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}]}}"));
    assert_int_equal(chat->tool_count, 2);
    assert_true(chat->tools[0].is_strict);
    assert_null(chat->tools[0].schema);
    assert_true(chat->tools[1].is_custom);
    assert_true(chat->is_serial);
    assert_int_equal(chat->choice, CHAT_CHOICE_REQUIRED);
    assert_int_equal(chat->allowed_count, 1);
    assert_str(chat->allowed_tools[0], "c");
    asked_fini(&asked);

    asked_good(&asked, ASK("\"tool_choice\":{\"type\":\"function\","
                           "\"function\":{\"name\":\"f\"}}"));
    assert_int_equal(chat->choice, CHAT_CHOICE_NAMED);
    assert_str(chat->choice_name, "f");
    asked_fini(&asked);

    asked_good(&asked, ASK("\"functions\":[{\"name\":\"g\"}],"
                           "\"function_call\":{\"name\":\"g\"}"));
    assert_int_equal(chat->tool_count, 1);
    assert_int_equal(chat->choice, CHAT_CHOICE_NAMED);
    assert_str(chat->choice_name, "g");
    asked_fini(&asked);

    /* the successors win over the deprecated ones */
    asked_good(&asked,
               ASK("\"tools\":[{\"function\":{\"name\":\"f\"}}],"
                   "\"functions\":[{\"name\":\"g\"},{\"name\":\"h\"}],"
                   "\"tool_choice\":\"none\",\"function_call\":\"auto\""));
    assert_int_equal(chat->tool_count, 1);
    assert_str(chat->tools[0].name, "f");
    assert_int_equal(chat->choice, CHAT_CHOICE_NONE);
    asked_fini(&asked);
}

static void what_has_no_place_in_the_common_form_is_listed(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, ASK("\"seed\":7,\"logprobs\":true,\"x-own\":{},"
                           "\"store\":null"));
    assert_int_equal(asked.chat.other_count, 3);
    assert_str(asked.chat.others[0], "seed");
    assert_str(asked.chat.others[1], "logprobs");
    assert_str(asked.chat.others[2], "x-own");
    asked_fini(&asked);
}

static void streams_formats_and_stops_are_read(void **state)
{
    struct asked asked;
    const struct chat *chat = &asked.chat;

    (void)state;
    asked_good(&asked,
               ASK("\"stream\":true,\"stream_options\":{\"include_usage\":"
                   "true},\"stop\":[\"a\",\"\\n\"],\"n\":1,\"modalities\":"
                   "[\"text\",\"audio\"],\"reasoning_effort\":\"xhigh\","
                   "\"response_format\":{\"type\":\"json_schema\","
                   "\"json_schema\":{\"name\":\"s\",\"schema\":{}}}"));
    assert_true(chat->is_stream);
    assert_true(chat->include_usage);
    assert_int_equal(chat->stop_count, 2);
    assert_str(chat->stops[1], "\n");
    assert_true(chat->has_n && chat->n == 1);
    assert_true(chat->wants_audio);
    assert_int_equal(chat->effort, CHAT_EFFORT_XHIGH);
    assert_int_equal(chat->format, CHAT_FORMAT_JSON_SCHEMA);
    assert_non_null(chat->format_schema);
    asked_fini(&asked);
    asked_good(&asked, ASK("\"stop\":\"END\",\"response_format\":{\"type\":"
                           "\"text\"}"));
    assert_int_equal(chat->stop_count, 1);
    assert_str(chat->stops[0], "END");
    assert_int_equal(chat->format, CHAT_FORMAT_TEXT);
    asked_fini(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_request_is_one_message),
        cmocka_unit_test(null_is_the_same_as_absent),
        cmocka_unit_test(the_place_of_the_model_is_found_in_any_layout),
        cmocka_unit_test(characters_of_all_text_are_counted),
        cmocka_unit_test(images_do_not_count_as_text),
        cmocka_unit_test(max_completion_tokens_wins_in_any_order),
        cmocka_unit_test(numbers_keep_their_spelling),
        cmocka_unit_test(every_role_is_known),
        cmocka_unit_test(unknown_parts_are_left_to_the_backend),
        cmocka_unit_test(tool_calls_are_read_in_all_their_forms),
        cmocka_unit_test(tools_and_choices_are_read_in_all_their_forms),
        cmocka_unit_test(what_has_no_place_in_the_common_form_is_listed),
        cmocka_unit_test(streams_formats_and_stops_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
