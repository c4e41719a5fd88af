/* dialect/openai_request: what is refused, and how the refusal names it. */
#include <stdio.h>

#include "asked.h"

struct bad {
    struct str body;
    enum error error;
    const char *param;
    const char *says;
};

#define BAD(body, error, param, says)  \
    {                                  \
        body, ERR_##error, param, says \
    }
#define FIELD(more, param, says)                                               \
    {                                                                          \
        STR_INIT("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," more \
                 "}"),                                                         \
            ERR_BAD_FIELD, param, says                                         \
    }
#define VALUE(more, param, says)                                               \
    {                                                                          \
        STR_INIT("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," more \
                 "}"),                                                         \
            ERR_BAD_VALUE, param, says                                         \
    }
#define LACKS(more, param)                                                     \
    {                                                                          \
        STR_INIT("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," more \
                 "}"),                                                         \
            ERR_MISSING_FIELD, param, "this field is required"                 \
    }
#define MESSAGE(list, error, param, says)                               \
    {                                                                   \
        STR_INIT("{\"messages\":[" list "]}"), ERR_##error, param, says \
    }

static void refuse(const struct bad *bad)
{
    struct asked asked;
    struct str param;
    struct str message;

    asked_read(&asked, bad->body);
    if (asked.ok)
        fail_msg("taken: %.*s", STR_ARG(bad->body));
    param = asked.error.param.ptr == NULL ? STR("") : asked.error.param;
    message = chat_error_message(&asked.error);
    if (asked.error.error != bad->error || !str_eq(param, str_of(bad->param)))
        print_error("%.*s\n  %.*s\n", STR_ARG(bad->body), STR_ARG(message));
    assert_int_equal(asked.error.error, bad->error);
    assert_str(param, bad->param);
    assert_has(message, bad->says);
    /* what names a field begins with its path */
    if (param.len > 0)
        assert_true(str_starts(message, param));
    assert_int_equal(chat_error_status(&asked.error), 400);
    asked_fini(&asked);
}

static void refuse_all(const struct bad *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        refuse(&list[i]);
}

static void broken_json_is_refused_with_its_place(void **state)
{
    static const struct bad list[] = {
        BAD(STR_INIT(""), BAD_JSON, "", "no body"),
        BAD(STR_INIT(" \r\n\t"), BAD_JSON, "", "no body"),
        BAD(STR_INIT("{"), BAD_JSON, "", "line 1, column 2 (byte 1)"),
        BAD(STR_INIT("{\"messages\":[}"), BAD_JSON, "", "line 1, column 14"),
        BAD(STR_INIT("{\n\"model\": \"m\"\n\"messages\":[]}"), BAD_JSON, "",
            "line 3, column 1 (byte 15)"),
        BAD(STR_INIT("{\"model\":'m'}"), BAD_JSON, "", "column 10"),
        BAD(STR_INIT("{\"model\":\"m\"}{}"), BAD_JSON, "", "column 14"),
        BAD(STR_INIT("{\"model\":\"a\0b\"}"), BAD_JSON, "", "line 1"),
        BAD(STR_INIT("\0"), BAD_JSON, "", "line 1, column 1"),
        BAD(STR_INIT("{\"model\":\"m\"}\0"), BAD_JSON, "", "column 14"),
        BAD(STR_INIT("{\"model\":\"\xFF\"}"), BAD_JSON, "", "line 1"),
        BAD(STR_INIT("{\"model\":\"\xC3\"}"), BAD_JSON, "", "line 1"),
        BAD(STR_INIT("{\"model\":\"\xED\xA0\x80\"}"), BAD_JSON, "", "line 1"),
        BAD(STR_INIT("{\"max_tokens\":01}"), BAD_JSON, "", "column"),
        BAD(STR_INIT("{\"temperature\":NaN}"), BAD_JSON, "", "column"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void another_value_than_an_object_is_refused(void **state)
{
    static const struct bad list[] = {
        BAD(STR_INIT("[]"), BAD_FIELD, "", "an array"),
        BAD(STR_INIT("\"x\""), BAD_FIELD, "", "a string"),
        BAD(STR_INIT("12"), BAD_FIELD, "", "a number"),
        BAD(STR_INIT("null"), BAD_FIELD, "", "null"),
        BAD(STR_INIT("true"), BAD_FIELD, "", "true"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void nesting_above_the_bound_is_refused_before_it_costs(void **state)
{
    static char body[200000];
    struct bad bad = {.error = ERR_TOO_COMPLEX, .param = "", .says = "128"};
    int n = snprintf(body, sizeof(body), "{\"messages\":");

    (void)state;
    memset(body + n, '[', sizeof(body) - (size_t)n);
    bad.body = (struct str){body, sizeof(body)};
    refuse(&bad);
}

static void messages_must_be_there(void **state)
{
    static const struct bad list[] = {
        BAD(STR_INIT("{}"), MISSING_FIELD, "messages", "required"),
        BAD(STR_INIT("{\"messages\":null}"), MISSING_FIELD, "messages",
            "required"),
        BAD(STR_INIT("{\"messages\":[]}"), BAD_VALUE, "messages",
            "at least one"),
        BAD(STR_INIT("{\"messages\":{}}"), BAD_FIELD, "messages",
            "expected an array, got an object"),
        BAD(STR_INIT("{\"messages\":\"hi\"}"), BAD_FIELD, "messages",
            "got the string \"hi\""),
        BAD(STR_INIT("{\"messages\":7}"), BAD_FIELD, "messages",
            "got the number 7"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void the_wrong_type_of_a_field_is_told_with_its_name(void **state)
{
    static const struct bad list[] = {
        FIELD("\"model\":5", "model", "expected a string, got the number 5"),
        FIELD("\"model\":[\"m\"]", "model", "expected a string, got an array"),
        FIELD("\"model\":true", "model", "got true"),
        FIELD("\"max_tokens\":\"5\"", "max_tokens", "a whole number"),
        FIELD("\"max_tokens\":5.0", "max_tokens", "got the number 5.0"),
        FIELD("\"max_tokens\":5e2", "max_tokens", "got the number 5e2"),
        FIELD("\"max_tokens\":99999999999999999999", "max_tokens",
              "99999999999999999999"),
        FIELD("\"max_completion_tokens\":{}", "max_completion_tokens",
              "a whole number, got an object"),
        FIELD("\"temperature\":\"hot\"", "temperature", "the string \"hot\""),
        FIELD("\"top_p\":false", "top_p", "expected a number, got false"),
        FIELD("\"top_k\":[]", "top_k", "expected a number, got an array"),
        FIELD("\"stream\":1", "stream", "expected true or false"),
        FIELD("\"stream\":\"true\"", "stream", "the string \"true\""),
        FIELD("\"stream_options\":true", "stream_options", "an object"),
        FIELD("\"stream_options\":{\"include_usage\":\"yes\"}",
              "stream_options.include_usage", "true or false"),
        FIELD("\"stop\":5", "stop", "expected a string or an array"),
        FIELD("\"stop\":[\"a\",7]", "stop[1]", "expected a string"),
        FIELD("\"stop\":[null]", "stop[0]", "got null"),
        FIELD("\"n\":\"1\"", "n", "a whole number"),
        FIELD("\"n\":1.5", "n", "a whole number"),
        FIELD("\"modalities\":\"text\"", "modalities", "an array"),
        FIELD("\"user\":5", "user", "a string"),
        FIELD("\"safety_identifier\":[]", "safety_identifier", "a string"),
        FIELD("\"service_tier\":{}", "service_tier", "a string"),
        FIELD("\"reasoning_effort\":3", "reasoning_effort", "a string"),
        FIELD("\"parallel_tool_calls\":\"no\"", "parallel_tool_calls",
              "true or false"),
        FIELD("\"response_format\":\"json\"", "response_format", "an object"),
        FIELD("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
              "{\"name\":\"a\",\"schema\":[]}}",
              "response_format.json_schema.schema", "an object"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void the_wrong_type_in_tools_is_told_with_its_path(void **state)
{
    static const struct bad list[] = {
        FIELD("\"tools\":{}", "tools", "expected an array"),
        FIELD("\"tools\":[5]", "tools[0]", "an object, got the number 5"),
        FIELD("\"tools\":[{\"type\":5}]", "tools[0].type", "a string"),
        VALUE("\"tools\":[{\"type\":\"retrieval\"}]", "tools[0].type",
              "\"function\" or \"custom\", got \"retrieval\""),
        LACKS("\"tools\":[{\"type\":\"function\"}]", "tools[0].function"),
        LACKS("\"tools\":[{\"type\":\"custom\"}]", "tools[0].custom"),
        FIELD("\"tools\":[{\"function\":[]}]", "tools[0].function",
              "an object"),
        LACKS("\"tools\":[{\"function\":{}}]", "tools[0].function.name"),
        LACKS("\"tools\":[{\"function\":{\"name\":\"\"}}]",
              "tools[0].function.name"),
        FIELD("\"tools\":[{\"function\":{\"name\":1}}]",
              "tools[0].function.name", "a string"),
        FIELD("\"tools\":[{\"function\":{\"name\":\"f\",\"description\":1}}]",
              "tools[0].function.description", "a string"),
        FIELD("\"tools\":[{\"function\":{\"name\":\"f\",\"parameters\":\"\"}}]",
              "tools[0].function.parameters", "an object"),
        FIELD("\"tools\":[{\"function\":{\"name\":\"f\"}},"
              "{\"function\":{\"name\":\"g\",\"strict\":1}}]",
              "tools[1].function.strict", "true or false"),
        FIELD("\"functions\":5", "functions", "an array"),
        FIELD("\"functions\":[{\"name\":\"f\"},5]", "functions[1]",
              "an object"),
        VALUE("\"tool_choice\":\"maybe\"", "tool_choice", "got \"maybe\""),
        FIELD("\"tool_choice\":5", "tool_choice", "a string or an object"),
        VALUE("\"tool_choice\":{\"type\":\"any\"}", "tool_choice.type",
              "got \"any\""),
        LACKS("\"tool_choice\":{\"type\":\"function\"}",
              "tool_choice.function.name"),
        LACKS("\"tool_choice\":{\"type\":\"custom\",\"custom\":{}}",
              "tool_choice.custom.name"),
        VALUE("\"tool_choice\":{\"type\":\"allowed_tools\"}",
              "tool_choice.allowed_tools.mode", "\"auto\" or \"required\""),
        FIELD("\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":"
              "{\"mode\":\"auto\",\"tools\":{}}}",
              "tool_choice.allowed_tools.tools", "an array"),
        FIELD("\"function_call\":5", "function_call", "an object with a name"),
        FIELD("\"function_call\":{}", "function_call", "an object"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void unknown_words_are_told(void **state)
{
    static const struct bad list[] = {
        VALUE("\"reasoning_effort\":\"extreme\"", "reasoning_effort",
              "one of none, minimal, low, medium, high, xhigh, max, got "
              "\"extreme\""),
        LACKS("\"response_format\":{\"type\":\"json_schema\"}",
              "response_format.json_schema"),
        MESSAGE("{\"role\":\"robot\",\"content\":\"x\"}", BAD_VALUE,
                "messages[0].role", "got \"robot\""),
        MESSAGE("{\"role\":\"User\",\"content\":\"x\"}", BAD_VALUE,
                "messages[0].role", "got \"User\""),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void a_bad_message_is_told_with_its_path(void **state)
{
    static const struct bad list[] = {
        MESSAGE("5", BAD_FIELD, "messages[0]", "an object, got the number 5"),
        MESSAGE("null", BAD_FIELD, "messages[0]", "got null"),
        MESSAGE("{}", MISSING_FIELD, "messages[0].role", "required"),
        MESSAGE("{\"role\":5}", BAD_FIELD, "messages[0].role", "a string"),
        MESSAGE("{\"role\":\"user\",\"content\":5}", BAD_FIELD,
                "messages[0].content", "a string or an array"),
        MESSAGE("{\"role\":\"user\",\"content\":{}}", BAD_FIELD,
                "messages[0].content", "got an object"),
        MESSAGE("{\"role\":\"user\"},{\"role\":\"user\",\"content\":[5]}",
                BAD_FIELD, "messages[1].content[0]", "an object"),
        MESSAGE("{\"role\":\"user\",\"content\":[{}]}", MISSING_FIELD,
                "messages[0].content[0].type", "required"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":7}]}", BAD_FIELD,
                "messages[0].content[0].type", "a string"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}",
                MISSING_FIELD, "messages[0].content[0].text", "required"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
                "\"a\"},{\"type\":\"text\",\"text\":[]}]}",
                BAD_FIELD, "messages[0].content[1].text", "a string"),
        MESSAGE("{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\"}]}",
                MISSING_FIELD, "messages[0].content[0].refusal", "required"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}",
                MISSING_FIELD, "messages[0].content[0].image_url", "required"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                "\"image_url\":5}]}",
                BAD_FIELD, "messages[0].content[0].image_url", "an object"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                "\"image_url\":{\"url\":5}}]}",
                BAD_FIELD, "messages[0].content[0].image_url.url", "a string"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"file\"}]}",
                MISSING_FIELD, "messages[0].content[0].file", "required"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":"
                "\"x\"}]}",
                BAD_FIELD, "messages[0].content[0].file", "an object"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":"
                "{\"file_data\":5}}]}",
                BAD_FIELD, "messages[0].content[0].file.file_data", "a string"),
        MESSAGE("{\"role\":\"tool\",\"content\":\"x\"}", MISSING_FIELD,
                "messages[0].tool_call_id", "required"),
        MESSAGE("{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":5}",
                BAD_FIELD, "messages[0].tool_call_id", "a string"),
        MESSAGE("{\"role\":\"assistant\",\"refusal\":5}", BAD_FIELD,
                "messages[0].refusal", "a string"),
        MESSAGE("{\"role\":\"assistant\",\"thinking_blocks\":{}}", BAD_FIELD,
                "messages[0].thinking_blocks", "an array"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

#define CALLS(list) "{\"role\":\"assistant\",\"tool_calls\":[" list "]}"

static void a_bad_tool_call_is_told_with_its_path(void **state)
{
    static const struct bad list[] = {
        MESSAGE("{\"role\":\"assistant\",\"tool_calls\":{}}", BAD_FIELD,
                "messages[0].tool_calls", "an array"),
        MESSAGE(CALLS("5"), BAD_FIELD, "messages[0].tool_calls[0]",
                "an object"),
        MESSAGE(CALLS("{\"id\":5}"), BAD_FIELD, "messages[0].tool_calls[0].id",
                "a string"),
        MESSAGE(CALLS("{\"type\":\"shell\"}"), BAD_VALUE,
                "messages[0].tool_calls[0].type", "got \"shell\""),
        MESSAGE(CALLS("{\"id\":\"a\"}"), MISSING_FIELD,
                "messages[0].tool_calls[0].function", "required"),
        MESSAGE(CALLS("{\"type\":\"custom\"}"), MISSING_FIELD,
                "messages[0].tool_calls[0].custom", "required"),
        MESSAGE(CALLS("{\"function\":[]}"), BAD_FIELD,
                "messages[0].tool_calls[0].function", "an object"),
        MESSAGE(CALLS("{\"function\":{\"arguments\":\"{}\"}}"), MISSING_FIELD,
                "messages[0].tool_calls[0].function.name", "required"),
        MESSAGE(CALLS("{\"function\":{\"name\":\"f\"}},"
                      "{\"function\":{\"name\":\"f\",\"arguments\":[]}}"),
                BAD_FIELD, "messages[0].tool_calls[1].function.arguments",
                "a string"),
        MESSAGE("{\"role\":\"assistant\",\"function_call\":\"f\"}", BAD_FIELD,
                "messages[0].function_call", "an object"),
        MESSAGE("{\"role\":\"assistant\",\"function_call\":{}}", MISSING_FIELD,
                "messages[0].function_call.name", "required"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void a_field_that_is_there_twice_is_refused(void **state)
{
    static const struct bad list[] = {
        VALUE("\"model\":\"a\",\"model\":\"b\"", "model", "there twice"),
        VALUE("\"model\":\"a\",\"mo\\u0064el\":\"b\"", "model", "there twice"),
        VALUE("\"model\":null,\"model\":\"b\"", "model", "there twice"),
        VALUE("\"messages\":[]", "messages", "there twice"),
        VALUE("\"stream\":true,\"stream\":true", "stream", "there twice"),
        VALUE("\"max_tokens\":1,\"max_tokens\":2", "max_tokens", "there twice"),
        VALUE("\"tools\":[],\"tools\":[]", "tools", "there twice"),
    };

    (void)state;
    refuse_all(list, COUNT_OF(list));
}

static void what_is_shown_of_a_value_is_short(void **state)
{
    static char body[5000];
    struct asked asked;
    int n = snprintf(body, sizeof(body), "{\"stream\":\"");

    (void)state;
    memset(body + n, 'x', 4000);
    memcpy(body + n + 4000, "\"}", 3);
    asked_read(&asked, str_of(body));
    assert_false(asked.ok);
    assert_true(chat_error_message(&asked.error).len < 200);
    asked_fini(&asked);
}

static void a_models_name_has_a_bound(void **state)
{
    static char body[600];
    struct asked asked;
    int n = snprintf(body, sizeof(body), "{\"model\":\"");

    (void)state;
    memset(body + n, 'm', 257);
    memcpy(body + n + 257, "\"}", 3);
    asked_read(&asked, str_of(body));
    assert_false(asked.ok);
    assert_has(chat_error_message(&asked.error), "got 257");
    asked_fini(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_json_is_refused_with_its_place),
        cmocka_unit_test(another_value_than_an_object_is_refused),
        cmocka_unit_test(nesting_above_the_bound_is_refused_before_it_costs),
        cmocka_unit_test(messages_must_be_there),
        cmocka_unit_test(the_wrong_type_of_a_field_is_told_with_its_name),
        cmocka_unit_test(the_wrong_type_in_tools_is_told_with_its_path),
        cmocka_unit_test(unknown_words_are_told),
        cmocka_unit_test(a_bad_message_is_told_with_its_path),
        cmocka_unit_test(a_bad_tool_call_is_told_with_its_path),
        cmocka_unit_test(a_field_that_is_there_twice_is_refused),
        cmocka_unit_test(a_models_name_has_a_bound),
        cmocka_unit_test(what_is_shown_of_a_value_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
