/* dialect/anthropic_door: what is refused, and how the refusal names it. */
#include "asked_messages.h"

struct bad {
    struct str body;
    enum error error;
    const char *message; /* it begins with the path, if there is one */
};

#define BAD(error, body, message)            \
    {                                        \
        STR_INIT(body), ERR_##error, message \
    }
#define FIELD(more, message) BAD(BAD_FIELD, ASKED(more), message)
#define VALUE(more, message) BAD(BAD_VALUE, ASKED(more), message)
#define BLOCK(error, list, message) BAD(error, ASKED_BLOCKS(list), message)
#define SAID(error, list, message) \
    BAD(error, ASKED_MESSAGES(SAYS("[" list "]")), message)

static const struct bad bads[] = {
    BAD(BAD_JSON, " ", "The request has no body; expected a JSON object."),
    BAD(BAD_JSON, "{\"a\":", "The request body is not usable JSON: "),
    BAD(BAD_FIELD, "[]",
        "The request body must be a JSON object, got an array."),
    BAD(MISSING_FIELD, "{\"messages\":[" USER("\"x\"") "]}",
        "max_tokens: this field is required"),
    BAD(MISSING_FIELD, "{\"max_tokens\":1}",
        "messages: this field is required"),
    BAD(BAD_VALUE, ASKED_MESSAGES(""),
        "messages: expected at least one message, got an empty array"),
    BAD(BAD_FIELD, "{\"max_tokens\":1,\"messages\":\"x\"}",
        "messages: expected an array, got the string \"x\""),
    BAD(BAD_VALUE, ASKED("\"model\":\"n\""),
        "model: this field is there twice"),
    BAD(BAD_VALUE, ASKED("\"messages\":null"),
        "messages: this field is there twice"),
    BAD(BAD_VALUE, "{\"max_tokens\":0,\"messages\":[" USER("\"x\"") "]}",
        "max_tokens: expected at least 1, got 0"),
    BAD(BAD_FIELD, "{\"max_tokens\":1.5,\"messages\":[" USER("\"x\"") "]}",
        "max_tokens: expected a whole number, got the number 1.5"),
    FIELD("\"stream\":1", "stream: expected true or false, got the number 1"),
    FIELD("\"temperature\":\"1\"",
          "temperature: expected a number, got the string \"1\""),
    FIELD("\"top_p\":{}", "top_p: expected a number, got an object"),
    FIELD("\"top_k\":true", "top_k: expected a number, got true"),
    FIELD("\"stop_sequences\":\"x\"",
          "stop_sequences: expected an array, got the string \"x\""),
    FIELD("\"stop_sequences\":[\"x\",1]",
          "stop_sequences[1]: expected a string, got the number 1"),
    FIELD("\"metadata\":[]", "metadata: expected an object, got an array"),
    FIELD("\"metadata\":{\"user_id\":1}",
          "metadata.user_id: expected a string, got the number 1"),
    FIELD("\"service_tier\":1",
          "service_tier: expected a string, got the number 1"),
    FIELD("\"thinking\":true", "thinking: expected an object, got true"),
    VALUE("\"thinking\":{\"type\":\"maybe\"}",
          "thinking.type: expected one of adaptive, enabled, disabled, "
          "between_tools, got \"maybe\""),
    FIELD("\"thinking\":{\"type\":1}",
          "thinking.type: expected a string, got the number 1"),
    FIELD("\"output_config\":[]",
          "output_config: expected an object, got an array"),
    FIELD("\"output_config\":{\"effort\":1}",
          "output_config.effort: expected a string, got the number 1"),
    VALUE("\"output_config\":{\"effort\":\"huge\"}",
          "output_config.effort: expected one of low, medium, high, xhigh, "
          "max, got \"huge\""),
    FIELD("\"output_config\":{\"format\":\"json\"}",
          "output_config.format: expected an object, got the string \"json\""),
    VALUE("\"output_config\":{\"format\":{\"type\":\"json\"}}",
          "output_config.format.type: expected \"json_schema\", got \"json\""),
    BAD(MISSING_FIELD,
        ASKED("\"output_config\":{\"format\":{\"type\":\"json_schema\"}}"),
        "output_config.format.schema: this field is required"),
    FIELD("\"output_format\":{\"type\":\"json_schema\",\"schema\":[]}",
          "output_format.schema: expected an object, got an array"),
    FIELD("\"tools\":{}", "tools: expected an array, got an object"),
    FIELD("\"tools\":[1]", "tools[0]: expected an object, got the number 1"),
    FIELD("\"tools\":[{\"type\":\"bash_1\"},{\"type\":1}]",
          "tools[1].type: expected a string, got the number 1"),
    BAD(MISSING_FIELD, ASKED("\"tools\":[{\"type\":\"bash_1\"},{}]"),
        "tools[1].name: this field is required"),
    BAD(MISSING_FIELD, ASKED("\"tools\":[{\"name\":\"f\"}]"),
        "tools[0].input_schema: this field is required"),
    FIELD("\"tools\":[{\"name\":\"f\",\"input_schema\":[]}]",
          "tools[0].input_schema: expected an object, got an array"),
    FIELD("\"tools\":[{\"name\":\"f\",\"description\":1}]",
          "tools[0].description: expected a string, got the number 1"),
    FIELD("\"tools\":[{\"name\":\"f\",\"strict\":\"yes\"}]",
          "tools[0].strict: expected true or false, got the string \"yes\""),
    FIELD("\"tool_choice\":\"auto\"",
          "tool_choice: expected an object, got the string \"auto\""),
    VALUE("\"tool_choice\":{\"type\":\"required\"}",
          "tool_choice.type: expected one of auto, any, tool, none, got "
          "\"required\""),
    BAD(MISSING_FIELD, ASKED("\"tool_choice\":{\"type\":\"tool\"}"),
        "tool_choice.name: this field is required"),
    FIELD("\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":1}",
          "tool_choice.disable_parallel_tool_use: expected true or false, got "
          "the number 1"),
    FIELD("\"system\":1",
          "system: expected a string or an array, got the number 1"),
    FIELD("\"system\":[\"x\"]",
          "system[0]: expected an object, got the string \"x\""),
    FIELD("\"system\":[" TEXT("a") ",{\"type\":\"text\",\"text\":[]}]",
          "system[1].text: expected a string, got an array"),
    VALUE("\"system\":[{\"type\":\"image\"}]",
          "system[0].type: expected \"text\", got \"image\""),
    BAD(BAD_FIELD, ASKED_MESSAGES("7"),
        "messages[0]: expected an object, got the number 7"),
    BAD(MISSING_FIELD, ASKED_MESSAGES(USER("\"x\"") ",{\"content\":\"x\"}"),
        "messages[1].role: this field is required"),
    BAD(BAD_FIELD, ASKED_MESSAGES("{\"role\":1}"),
        "messages[0].role: expected a string, got the number 1"),
    BAD(BAD_VALUE, ASKED_MESSAGES("{\"role\":\"tool\"}"),
        "messages[0].role: expected one of user, assistant, system, got "
        "\"tool\""),
    BAD(MISSING_FIELD, ASKED_MESSAGES("{\"role\":\"user\"}"),
        "messages[0].content: this field is required"),
    BAD(BAD_FIELD, ASKED_MESSAGES(USER("{}")),
        "messages[0].content: expected a string or an array, got an object"),
    BLOCK(BAD_FIELD, "1",
          "messages[0].content[0]: expected an object, got the number 1"),
    BLOCK(MISSING_FIELD, TEXT("a") ",{}",
          "messages[0].content[1].type: this field is required"),
    BLOCK(BAD_FIELD, "{\"type\":1}",
          "messages[0].content[0].type: expected a string, got the number 1"),
    BLOCK(BAD_FIELD, TEXT("a") ",{\"type\":\"text\",\"text\":3}",
          "messages[0].content[1].text: expected a string, got the number 3"),
    BLOCK(MISSING_FIELD, "{\"type\":\"text\"}",
          "messages[0].content[0].text: this field is required"),
    BLOCK(MISSING_FIELD, "{\"type\":\"image\"}",
          "messages[0].content[0].source: this field is required"),
    BLOCK(BAD_FIELD, "{\"type\":\"image\",\"source\":\"x\"}",
          "messages[0].content[0].source: expected an object, got the string "
          "\"x\""),
    BLOCK(MISSING_FIELD, "{\"type\":\"image\",\"source\":{}}",
          "messages[0].content[0].source.type: this field is required"),
    BLOCK(MISSING_FIELD,
          "{\"type\":\"image\",\"source\":{\"type\":\"base64\","
          "\"media_type\":\"image/png\"}}",
          "messages[0].content[0].source.data: this field is required"),
    BLOCK(BAD_FIELD,
          "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":1}}",
          "messages[0].content[0].source.url: expected a string, got the "
          "number 1"),
    BLOCK(BAD_FIELD, "{\"type\":\"document\",\"title\":1}",
          "messages[0].content[0].title: expected a string, got the number 1"),
    BLOCK(BAD_VALUE, CALL("x", "{}"),
          "messages[0].content[0].type: expected what a message of another "
          "role than assistant may hold, got \"tool_use\""),
    BLOCK(BAD_VALUE, "{\"type\":\"thinking\",\"thinking\":\"x\"}",
          "messages[0].content[0].type: expected what"),
    SAID(BAD_VALUE, RESULT("x", ""),
         "messages[0].content[0].type: expected what a message of another role "
         "than user may hold, got \"tool_result\""),
    SAID(MISSING_FIELD, "{\"type\":\"tool_use\"}",
         "messages[0].content[0].id: this field is required"),
    SAID(MISSING_FIELD, "{\"type\":\"tool_use\",\"id\":\"x\"}",
         "messages[0].content[0].name: this field is required"),
    SAID(MISSING_FIELD, "{\"type\":\"tool_use\",\"id\":\"x\",\"name\":\"f\"}",
         "messages[0].content[0].input: this field is required"),
    SAID(BAD_FIELD, CALL("x", "\"{}\""),
         "messages[0].content[0].input: expected an object, got the string "
         "\"{}\""),
    SAID(MISSING_FIELD, "{\"type\":\"thinking\"}",
         "messages[0].content[0].thinking: this field is required"),
    SAID(BAD_FIELD, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":1}",
         "messages[0].content[0].signature: expected a string, got the number "
         "1"),
    SAID(MISSING_FIELD, "{\"type\":\"redacted_thinking\"}",
         "messages[0].content[0].data: this field is required"),
    BLOCK(MISSING_FIELD, "{\"type\":\"tool_result\"}",
          "messages[0].content[0].tool_use_id: this field is required"),
    BLOCK(BAD_FIELD, RESULT("x", ",\"is_error\":\"no\""),
          "messages[0].content[0].is_error: expected true or false, got the "
          "string \"no\""),
    BLOCK(BAD_FIELD, TEXT("a") "," RESULT("x", ",\"content\":7"),
          "messages[0].content[1].content: expected a string or an array, got "
          "the number 7"),
    BLOCK(BAD_FIELD, RESULT("x", ",\"content\":[" TEXT("a") ",7]"),
          "messages[0].content[0].content[1]: expected an object, got the "
          "number 7"),
    BLOCK(BAD_FIELD,
          RESULT("x", ",\"content\":[{\"type\":\"text\","
                      "\"text\":{}}]"),
          "messages[0].content[0].content[0].text: expected a string, got an "
          "object"),
    BLOCK(BAD_VALUE, RESULT("x", ",\"content\":[" RESULT("y", "") "]"),
          "messages[0].content[0].content[0].type: expected what a tool result "
          "may hold, got \"tool_result\""),
};

static void every_refusal_names_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bads); i++) {
        const struct bad *bad = &bads[i];
        struct asked asked;
        struct str says;

        asked_read(&asked, bad->body);
        if (asked.ok)
            fail_msg("taken: %.*s", STR_ARG(bad->body));
        says = chat_error_message(&asked.error);
        if (!str_starts(says, str_of(bad->message)))
            fail_msg("%.*s\n  got:      %.*s\n  expected: %s",
                     STR_ARG(bad->body), STR_ARG(says), bad->message);
        assert_int_equal(asked.error.error, bad->error);
        assert_int_equal(anthropic_error_status(&asked.error), 400);
        if (asked.error.param.len > 0) {
            assert_true(str_starts(says, asked.error.param));
            assert_int_equal(says.ptr[asked.error.param.len], ':');
        }
        asked_fini(&asked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_names_the_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
