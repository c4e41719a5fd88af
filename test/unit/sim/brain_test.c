/* The small tasks that people try, and what a stand-in answers. */
#include "../testing.h"

#include "../../../sim/brain.h"
#include "../../../sim/tokenizer.h"

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

/* --- prompts -------------------------------------------------------------- */

static struct prompt_message message(enum prompt_role role, const char *text)
{
    struct prompt_part *part = ARENA_NEW(&arena, struct prompt_part);

    part->text = str_of(text);
    return (struct prompt_message){role, part, 1};
}

static struct prompt ask(const char *question)
{
    struct prompt_message *messages =
        ARENA_ARRAY(&arena, struct prompt_message, 4);

    messages[0] = message(PROMPT_USER, question);
    return (struct prompt){
        .model = STR("m"), .messages = messages, .message_count = 1};
}

static yyjson_val *parse(const char *json)
{
    struct json_error trouble;
    struct json_doc doc;

    if (!json_read(&arena, str_of(json), &doc, &trouble))
        fail_msg("not JSON: %s", json);
    return doc.root;
}

static void offer(struct prompt *prompt, const char *name,
                  const char *description, const char *schema)
{
    struct prompt_tool *tools =
        ARENA_ARRAY(&arena, struct prompt_tool, prompt->tool_count + 1);

    for (unsigned i = 0; i < prompt->tool_count; i++)
        tools[i] = prompt->tools[i];
    tools[prompt->tool_count++] = (struct prompt_tool){
        .name = str_of(name),
        .description = str_of(description),
        .schema = schema == NULL ? NULL : parse(schema),
    };
    prompt->tools = tools;
}

#define CITY                                                               \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}," \
    "\"unit\":{\"enum\":[\"celsius\",\"fahrenheit\"]}},"                   \
    "\"required\":[\"city\"]}"

static struct prompt ask_with_tools(const char *question)
{
    struct prompt prompt = ask(question);

    offer(&prompt, "get_weather", "Get the weather of a city", CITY);
    offer(&prompt, "get_time", "Get the time in a place",
          "{\"type\":\"object\",\"properties\":{\"location\":{\"type\":"
          "\"string\"}},\"required\":[\"location\"]}");
    return prompt;
}

/* --- answers -------------------------------------------------------------- */

static struct script answer(const struct prompt *prompt)
{
    static const struct fault none;
    struct script script;

    brain_answer(&arena, prompt, &none, &script);
    return script;
}

static struct str text_of(const struct prompt *prompt)
{
    struct script script = answer(prompt);

    assert_int_equal(script.block_count, 1);
    assert_int_equal(script.blocks[0].kind, SCRIPT_TEXT);
    return script.blocks[0].text;
}

static void expect(const char *question, const char *expected)
{
    struct prompt prompt = ask(question);

    assert_str(text_of(&prompt), expected);
}

static void expect_piece(const char *question, const char *piece)
{
    struct prompt prompt = ask(question);
    struct str text = text_of(&prompt);

    if (!str_contains(text, str_of(piece)))
        fail_msg("\"%s\" gave: %.*s", question, STR_ARG(text));
}

/* "name(arguments) name(arguments)" */
static void expect_calls(const struct prompt *prompt, const char *expected)
{
    struct script script = answer(prompt);
    struct str all = STR("");

    for (unsigned i = 0; i < script.block_count; i++) {
        const struct script_block *block = &script.blocks[i];

        if (block->kind == SCRIPT_CALL)
            all = arena_printf(&arena, "%.*s%s%.*s(%.*s)", STR_ARG(all),
                               all.len > 0 ? " " : "", STR_ARG(block->name),
                               STR_ARG(block->text));
    }
    assert_str(all, expected);
    assert_int_equal(script.end,
                     *expected == '\0' ? SCRIPT_STOP : SCRIPT_CALLS);
}

/* --- plain tasks ---------------------------------------------------------- */

static void it_says_what_it_is_told_to(void **state)
{
    (void)state;
    expect("Say hello", "hello");
    expect("Reply with exactly: ok", "ok");
    expect("Respond with the word banana.", "banana");
    expect("Please reply with only the word \"pong\" and nothing else.",
           "pong");
    expect("Say \"hi there\" three times", "hi there hi there hi there");
    expect("Repeat after me: I am a router", "I am a router");
}

static void it_counts(void **state)
{
    (void)state;
    expect("count from 1 to 5", "1, 2, 3, 4, 5");
    expect("Count to 3", "1, 2, 3");
    expect("Count down from 3", "3, 2, 1");
    expect("Count from 1 to 3, one number per line", "1\n2\n3");
}

static void it_does_sums(void **state)
{
    (void)state;
    expect("what is 2+2?", "4");
    expect("What is (3 + 4) * 5 - 6 / 4?", "33.5");
    expect("What is 17 times 3?", "51");
    expect("2 ** 10", "1024");
    expect("What is 1 / 0?", "undefined");
    expect_piece("What happened on 2026-11-21?", "simulated");
}

static void it_classifies_in_the_form_that_was_asked(void **state)
{
    (void)state;
    expect("Positive or negative? I love this phone.", "Positive");
    expect("Is this POSITIVE, NEGATIVE or NEUTRAL: it broke, I hate it",
           "NEGATIVE");
    expect("What is the sentiment of: \"not good at all\"",
           "The sentiment is negative.");
    expect("Classify this email as spam, ham or other: click here for a free "
           "prize",
           "spam");
}

static void it_summarises_by_the_leading_sentences(void **state)
{
    (void)state;
    expect("Summarize: The cat sat. It was warm. The dog barked.",
           "The cat sat. It was warm.");
    expect("Summarise in one sentence:\nThe cat sat. It was warm.",
           "The cat sat.");
}

static void it_outlines_plans_at_length(void **state)
{
    struct prompt prompt = ask("Make a plan to move to Berlin");
    struct str text = text_of(&prompt);

    (void)state;
    assert_true(str_contains(text, STR("move to Berlin")));
    assert_true(str_contains(text, STR("\n7. ")));
    assert_true(tokenizer_count(text) > 100);
}

static void it_describes_attachments_by_type_and_size(void **state)
{
    struct prompt prompt = ask("What is in this image?");
    struct prompt_part *parts = ARENA_ARRAY(&arena, struct prompt_part, 2);

    (void)state;
    parts[0] = prompt.messages[0].parts[0];
    parts[1] = (struct prompt_part){
        .kind = PROMPT_MEDIA,
        .media_type = STR("image/png"),
        .size = 100,
        .bytes = STR("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0"),
    };
    prompt.messages[0].parts = parts;
    prompt.messages[0].part_count = 2;
    assert_str(text_of(&prompt),
               "I was given an image of the type image/png with 100 bytes, 640 "
               "by 480 pixels. A simulated model cannot look inside.");
}

static void it_names_itself_simulated_when_it_knows_nothing(void **state)
{
    (void)state;
    expect("Why is the sky blue?",
           "This is a simulated answer from m. You wrote: \"Why is the sky "
           "blue?\"");
    expect_piece("Who are you?", "simulated stand-in for the model m");
}

static void it_remembers_what_was_said_before(void **state)
{
    struct prompt prompt = ask("Hi, my name is Ada.");

    (void)state;
    prompt.messages[1] = message(PROMPT_ASSISTANT, "Hello Ada!");
    prompt.messages[2] = message(PROMPT_USER, "What is my name?");
    prompt.message_count = 3;
    assert_str(text_of(&prompt), "Your name is Ada.");
}

static void the_same_prompt_has_the_same_answer(void **state)
{
    struct prompt prompt = ask_with_tools("weather in Berlin, tell me a story");
    struct script first = answer(&prompt);
    struct script second = answer(&prompt);

    (void)state;
    assert_int_equal(first.block_count, second.block_count);
    for (unsigned i = 0; i < first.block_count; i++)
        assert_true(str_eq(first.blocks[i].text, second.blocks[i].text));
}

/* --- tools ---------------------------------------------------------------- */

static void a_tool_is_called_when_the_question_speaks_of_it(void **state)
{
    struct prompt prompt = ask_with_tools("What's the weather in Berlin?");

    (void)state;
    expect_calls(&prompt, "get_weather({\"city\":\"Berlin\"})");
    prompt = ask_with_tools("Hello, how are you?");
    expect_calls(&prompt, "");
}

static void several_places_are_several_calls(void **state)
{
    struct prompt prompt = ask_with_tools(
        "What's the weather in Berlin and in New York, in fahrenheit?");

    (void)state;
    expect_calls(
        &prompt,
        "get_weather({\"city\":\"Berlin\",\"unit\":\"fahrenheit\"}) "
        "get_weather({\"city\":\"New York\",\"unit\":\"fahrenheit\"})");
    prompt.is_serial = true;
    expect_calls(&prompt, "get_weather({\"city\":\"Berlin\",\"unit\":"
                          "\"fahrenheit\"})");
}

static void several_tools_have_their_own_arguments(void **state)
{
    struct prompt prompt =
        ask_with_tools("the weather in Paris and the time in Tokyo");

    (void)state;
    expect_calls(&prompt, "get_weather({\"city\":\"Paris\"}) "
                          "get_time({\"location\":\"Tokyo\"})");
}

static void a_choice_is_obeyed(void **state)
{
    struct prompt prompt = ask_with_tools("What's the weather in Rome?");

    (void)state;
    prompt.choice = PROMPT_CHOICE_NONE;
    expect_calls(&prompt, "");
    prompt.choice = PROMPT_CHOICE_NAMED;
    prompt.choice_name = STR("get_time");
    expect_calls(&prompt, "get_time({\"location\":\"Rome\"})");
    prompt = ask_with_tools("Hello");
    prompt.choice = PROMPT_CHOICE_REQUIRED;
    expect_calls(&prompt, "get_weather({\"city\":\"Berlin\"})");
}

static void a_choice_may_stand_in_the_system_text(void **state)
{
    struct prompt prompt = ask_with_tools("Hello");

    (void)state;
    prompt.messages[1] = prompt.messages[0];
    prompt.messages[0] =
        message(PROMPT_SYSTEM, "Call the tool \"get_time\" in this turn.");
    prompt.message_count = 2;
    expect_calls(&prompt, "get_time({\"location\":\"Berlin\"})");
}

static void results_are_quoted_and_nothing_is_called_again(void **state)
{
    struct prompt prompt = ask_with_tools("What's the weather in Berlin?");

    (void)state;
    prompt.messages[1] = message(PROMPT_ASSISTANT, "{\"city\":\"Berlin\"}");
    prompt.messages[1].parts->kind = PROMPT_CALL;
    prompt.messages[1].parts->id = STR("c1");
    prompt.messages[1].parts->name = STR("get_weather");
    prompt.messages[2] = message(PROMPT_TOOL, "21 degrees");
    prompt.messages[2].parts->kind = PROMPT_RESULT;
    prompt.messages[2].parts->id = STR("c1");
    prompt.message_count = 3;
    assert_str(text_of(&prompt), "get_weather returned: 21 degrees");
}

/* --- forms ---------------------------------------------------------------- */

static void structured_output_fits_and_makes_sense(void **state)
{
    struct prompt prompt = ask("What is 2+2?");

    (void)state;
    prompt.format = PROMPT_JSON_SCHEMA;
    prompt.schema = parse("{\"type\":\"object\",\"properties\":{\"result\":"
                          "{\"type\":\"integer\"}},\"required\":[\"result\"]}");
    assert_str(text_of(&prompt), "{\"result\":4}");
    prompt = ask("I love it");
    prompt.format = PROMPT_JSON_SCHEMA;
    prompt.schema = parse("{\"type\":\"object\",\"properties\":{\"s\":{\"enum\""
                          ":[\"negative\",\"positive\"]}}}");
    assert_str(text_of(&prompt), "{\"s\":\"positive\"}");
}

static void a_json_object_has_the_keys_that_were_asked_for(void **state)
{
    struct prompt prompt =
        ask("Give me JSON with the keys \"name\" and \"age\": I am Bob, 33");

    (void)state;
    prompt.format = PROMPT_JSON_OBJECT;
    assert_str(text_of(&prompt), "{\"name\":\"Bob\",\"age\":33}");
}

static void lengths_and_stops_are_kept(void **state)
{
    struct prompt prompt = ask("count from 1 to 9");
    struct str stop = STR(", 4");
    struct script script;

    (void)state;
    prompt.max_tokens = 3;
    script = answer(&prompt);
    assert_str(script.blocks[0].text, "1, 2");
    assert_int_equal(script.end, SCRIPT_LENGTH);
    assert_int_equal(script.tokens, 3);
    prompt.max_tokens = 0;
    prompt.stops = &stop;
    prompt.stop_count = 1;
    script = answer(&prompt);
    assert_str(script.blocks[0].text, "1, 2, 3");
    assert_int_equal(script.end, SCRIPT_STOP_TEXT);
    assert_str(script.stop, ", 4");
    prompt = ask("Say hello");
    prompt.min_tokens = prompt.max_tokens = 40;
    assert_int_equal(answer(&prompt).tokens, 40);
}

static void thinking_comes_first_and_counts(void **state)
{
    struct prompt prompt = ask("Say hello");
    struct script script;

    (void)state;
    prompt.wants_thinking = true;
    script = answer(&prompt);
    assert_int_equal(script.block_count, 2);
    assert_int_equal(script.blocks[0].kind, SCRIPT_THINKING);
    assert_str(script.blocks[1].text, "hello");
    assert_int_equal(script.tokens, script.thinking_tokens + 1);
}

static void a_directive_is_taken_out_of_the_prompt(void **state)
{
    struct prompt prompt = ask("Say hello\n[[sim: stall=3; slow=10]]");
    struct prompt plain = ask("Say [[sim: x]] please");

    (void)state;
    assert_str(prompt_take_directive(&prompt), "stall=3; slow=10");
    assert_str(prompt_question(&arena, &prompt), "Say hello");
    assert_null(prompt_take_directive(&prompt).ptr);
    assert_null(prompt_take_directive(&plain).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_it_is_told_to),
        cmocka_unit_test(it_counts),
        cmocka_unit_test(it_does_sums),
        cmocka_unit_test(it_classifies_in_the_form_that_was_asked),
        cmocka_unit_test(it_summarises_by_the_leading_sentences),
        cmocka_unit_test(it_outlines_plans_at_length),
        cmocka_unit_test(it_describes_attachments_by_type_and_size),
        cmocka_unit_test(it_names_itself_simulated_when_it_knows_nothing),
        cmocka_unit_test(it_remembers_what_was_said_before),
        cmocka_unit_test(the_same_prompt_has_the_same_answer),
        cmocka_unit_test(a_tool_is_called_when_the_question_speaks_of_it),
        cmocka_unit_test(several_places_are_several_calls),
        cmocka_unit_test(several_tools_have_their_own_arguments),
        cmocka_unit_test(a_choice_is_obeyed),
        cmocka_unit_test(a_choice_may_stand_in_the_system_text),
        cmocka_unit_test(results_are_quoted_and_nothing_is_called_again),
        cmocka_unit_test(structured_output_fits_and_makes_sense),
        cmocka_unit_test(a_json_object_has_the_keys_that_were_asked_for),
        cmocka_unit_test(lengths_and_stops_are_kept),
        cmocka_unit_test(thinking_comes_first_and_counts),
        cmocka_unit_test(a_directive_is_taken_out_of_the_prompt),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
