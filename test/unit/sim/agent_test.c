/* What coding agents ask for: a tool by name, with the right arguments, and an
 * end to it; and how calls and thoughts are asked for. */
#include "../testing.h"

#include "../../../sim/brain.h"

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

static yyjson_val *parse(const char *json)
{
    struct json_error trouble;
    struct json_doc doc;

    if (!json_read(&arena, str_of(json), &doc, &trouble))
        fail_msg("not JSON: %s", json);
    return doc.root;
}

#define TEXT(name) "\"" name "\":{\"type\":\"string\"}"
#define SCHEMA(members, required)                   \
    "{\"type\":\"object\",\"properties\":{" members \
    "},\"required\":[" required "]}"

static void offer(struct prompt *prompt)
{
    static const struct {
        struct str name;
        const char *schema;
    } rows[] = {
        {STR_INIT("Bash"), SCHEMA(TEXT("command"), "\"command\"")},
        {STR_INIT("Read"), SCHEMA(TEXT("file_path"), "\"file_path\"")},
        {STR_INIT("shell"),
         SCHEMA("\"command\":{\"type\":\"array\",\"items\":{\"type\":"
                "\"string\"}}",
                "\"command\"")},
    };

    prompt->tools = ARENA_ARRAY(&arena, struct prompt_tool, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        prompt->tools[prompt->tool_count++] = (struct prompt_tool){
            .name = rows[i].name, .schema = parse(rows[i].schema)};
}

static struct prompt ask(const char *question)
{
    struct prompt prompt = {.model = STR("m"), .message_count = 1};

    prompt.messages = ARENA_ARRAY(&arena, struct prompt_message, 4);
    prompt.messages[0].role = PROMPT_USER;
    prompt.messages[0].parts = ARENA_ARRAY(&arena, struct prompt_part, 4);
    prompt.messages[0].part_count = 1;
    prompt.messages[0].parts[0].text = str_of(question);
    offer(&prompt);
    return prompt;
}

static struct str name_of(enum script_kind kind)
{
    return kind == SCRIPT_THINKING ? STR("think")
           : kind == SCRIPT_TEXT   ? STR("text")
                                   : STR("call");
}

/* "think text Bash({…})" */
static struct str answer(const struct prompt *prompt, const char *faults)
{
    struct fault fault = {0};
    struct script script;
    struct str all = STR("");
    struct str why;

    assert_true(fault_parse(&arena, str_of(faults), &fault, &why));
    brain_answer(&arena, prompt, &fault, &script);
    for (unsigned i = 0; i < script.block_count; i++) {
        const struct script_block *block = &script.blocks[i];

        if (block->kind == SCRIPT_CALL)
            all = arena_printf(&arena, "%.*s %.*s(%.*s)", STR_ARG(all),
                               STR_ARG(block->name), STR_ARG(block->text));
        else
            all = arena_printf(&arena, "%.*s %.*s", STR_ARG(all),
                               STR_ARG(name_of(block->kind)));
    }
    return str_trim(all);
}

static void expect(const char *question, const char *faults,
                   const char *expected)
{
    struct prompt prompt = ask(question);

    assert_str(answer(&prompt, faults), expected);
}

static void the_tool_that_is_named_is_called_alone(void **state)
{
    (void)state;
    expect("Run the command \"echo hi\" with the Bash tool", "",
           "Bash({\"command\":\"echo hi\"})");
    expect("Run \"echo hi\", read nothing, with the `shell` tool", "",
           "shell({\"command\":[\"bash\",\"-lc\",\"echo hi\"]})");
    expect("Read /tmp/x.txt with the Read tool, then run `ls` with the Bash "
           "tool",
           "",
           "Read({\"file_path\":\"/tmp/x.txt\"}) Bash({\"command\":\"ls\"})");
}

static void what_an_agent_puts_around_the_question_is_left_out(void **state)
{
    struct prompt prompt =
        ask("<system-reminder>\nUse the Read tool, the shell "
            "tool!\n</system-reminder>\n");
    struct prompt_message *user = &prompt.messages[0];

    (void)state;
    user->parts[user->part_count++].text =
        STR("Run \"ls\" with the Bash tool\n[[sim: calls=2]]");
    user->parts[user->part_count++].text =
        STR("<system-reminder>more</system-reminder>");
    prompt.messages[prompt.message_count++].role = PROMPT_SYSTEM;
    /* a message of its own where there is no system message */
    prompt.messages[prompt.message_count++] = (struct prompt_message){
        PROMPT_USER, &user->parts[user->part_count - 1], 1};
    assert_str(prompt_take_directive(&prompt), "calls=2");
    assert_str(prompt_question(&arena, &prompt),
               "Run \"ls\" with the Bash tool");
    assert_str(answer(&prompt, ""), "Bash({\"command\":\"ls\"})");
}

static void an_old_directive_is_cut_off_but_not_obeyed(void **state)
{
    struct prompt prompt = ask("Run \"ls\" with the Bash tool\n[[sim: think]]");
    struct prompt_part result = {
        .kind = PROMPT_RESULT, .name = STR("Bash"), .text = STR("x")};

    (void)state;
    prompt.messages[1].role = PROMPT_ASSISTANT;
    prompt.messages[2] = (struct prompt_message){PROMPT_TOOL, &result, 1};
    prompt.message_count = 3;
    assert_null(prompt_take_directive(&prompt).ptr);
    assert_str(prompt.messages[0].parts[0].text,
               "Run \"ls\" with the Bash tool");
    assert_str(answer(&prompt, ""), "text");
    /* it may call again when it is told to */
    assert_str(answer(&prompt, "calls=1"), "Bash({\"command\":\"ls\"})");
}

static void a_result_is_quoted_without_what_is_around_it(void **state)
{
    struct prompt prompt = ask("Run \"ls\" with the Bash tool");
    struct prompt_part result = {
        .kind = PROMPT_RESULT,
        .name = STR("Bash"),
        .text = STR("a.c\n<system-reminder>\nmore\n</system-reminder>")};
    struct fault none = {0};
    struct script script;

    (void)state;
    prompt.messages[1].role = PROMPT_ASSISTANT;
    prompt.messages[2] = (struct prompt_message){PROMPT_TOOL, &result, 1};
    prompt.message_count = 3;
    brain_answer(&arena, &prompt, &none, &script);
    assert_int_equal(script.block_count, 1);
    assert_str(script.blocks[0].text, "Bash returned: a.c");
}

static void as_many_calls_are_made_as_are_asked_for(void **state)
{
    struct prompt serial = ask("Good day");

    (void)state;
    expect("Good day", "", "text");
    expect("Run \"ls\" with the Bash tool", "calls=0", "text");
    expect("Run \"ls\" with the Bash tool", "calls=2",
           "Bash({\"command\":\"ls\"}) Bash({\"command\":\"ls\"})");
    expect("\"a.c\"", "calls=4",
           "Bash({\"command\":\"a.c\"}) Read({\"file_path\":\"a.c\"}) "
           "shell({\"command\":[\"bash\",\"-lc\",\"a.c\"]}) "
           "Bash({\"command\":\"a.c\"})");
    serial.is_serial = true;
    assert_str(answer(&serial, "calls=3"), "Bash({\"command\":\"ls\"})");
    serial.tool_count = 0;
    assert_str(answer(&serial, "calls=3"), "text");
}

static void thoughts_stand_between_what_is_said_and_done(void **state)
{
    struct prompt prompt = ask("Run \"ls\" with the Bash tool");

    (void)state;
    expect("Good day", "think", "think text");
    expect("Good day", "think=3", "think think think text");
    prompt.announces_calls = true;
    assert_str(answer(&prompt, "think=2"),
               "think text think Bash({\"command\":\"ls\"})");
    assert_str(answer(&prompt, "think=3; calls=2"),
               "think text think Bash({\"command\":\"ls\"}) think "
               "Bash({\"command\":\"ls\"})");
    prompt.wants_thinking = true;
    assert_str(answer(&prompt, "think=0"), "text Bash({\"command\":\"ls\"})");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tool_that_is_named_is_called_alone),
        cmocka_unit_test(what_an_agent_puts_around_the_question_is_left_out),
        cmocka_unit_test(an_old_directive_is_cut_off_but_not_obeyed),
        cmocka_unit_test(a_result_is_quoted_without_what_is_around_it),
        cmocka_unit_test(as_many_calls_are_made_as_are_asked_for),
        cmocka_unit_test(thoughts_stand_between_what_is_said_and_done),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
