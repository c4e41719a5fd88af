/* What the stand-in of the Anthropic API refuses, rule by rule: a request
 * that it takes must be one that the real API takes. */
#include "../testing.h"

#include "../../../sim/as_anthropic.h"

static struct roster roster;

static int read_roster(void **state)
{
    (void)state;
    roster_init(&roster);
    return 0;
}

static int drop_roster(void **state)
{
    (void)state;
    roster_fini(&roster);
    return 0;
}

/* Examines `json`, with ' for ", and compares: NULL when it is right, else a
 * piece of the message. */
static void expect(struct anthropic_check c, const char *json,
                   const char *expected)
{
    struct json_error trouble;
    struct json_doc doc;
    struct arena arena;
    struct str text;
    char *spelled;
    bool is_right;

    arena_init(&arena);
    text = arena_copy(&arena, str_of(json));
    spelled = arena_alloc(&arena, text.len);
    for (size_t i = 0; i < text.len; i++)
        spelled[i] = text.ptr[i] == '\'' ? '"' : text.ptr[i];
    text.ptr = spelled;
    if (!json_read(&arena, text, &doc, &trouble))
        fail_msg("not JSON at %zu: %s", trouble.offset, json);
    c.arena = &arena;
    c.roster = &roster;
    c.root = doc.root;
    is_right = as_anthropic_check(&c);
    if (is_right != (expected == NULL) ||
        (expected != NULL && !str_contains(c.message, str_of(expected))))
        fail_msg("%s\n  gave:     %.*s\n  expected: %s", json,
                 STR_ARG(is_right ? STR("(taken)") : c.message),
                 expected == NULL ? "(taken)" : expected);
    arena_clear(&arena);
}

struct rule {
    const char *json;
    const char *expected;
};

static void expect_all(struct anthropic_check c, const struct rule *rules,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(c, rules[i].json, rules[i].expected);
}

#define EXPECT(...)                                                      \
    do {                                                                 \
        static const struct rule rules[] = {__VA_ARGS__};                \
                                                                         \
        expect_all((struct anthropic_check){0}, rules, COUNT_OF(rules)); \
    } while (0)

#define HAIKU "'model':'claude-haiku-4-5','max_tokens':5000"
#define OPUS "'model':'claude-opus-5-5','max_tokens':5000"
#define MESSAGES(...) "{" HAIKU ",'messages':[" __VA_ARGS__ "]}"
#define NEW_MESSAGES(...) "{" OPUS ",'messages':[" __VA_ARGS__ "]}"
#define USER(content) "{'role':'user','content':" content "}"
#define ASSISTANT(content) "{'role':'assistant','content':" content "}"
#define HI USER("'hi'")
#define WITH(fields) "{" HAIKU ",'messages':[" HI "]," fields "}"
#define NEW_WITH(fields) "{" OPUS ",'messages':[" HI "]," fields "}"
#define TOOL                                                         \
    "{'name':'f','description':'d','input_schema':{'type':'object'," \
    "'properties':{}}}"
#define CALL(id) "{'type':'tool_use','id':'" id "','name':'f','input':{}}"
#define RESULT(id) "{'type':'tool_result','tool_use_id':'" id "','content':'r'}"
#define THEN ","
#define TALK(...) \
    "{" HAIKU ",'tools':[" TOOL "],'messages':[" HI "," __VA_ARGS__ "]}"

static void a_plain_request_is_taken(void **state)
{
    (void)state;
    EXPECT({MESSAGES(HI), NULL}, {NEW_MESSAGES(HI), NULL},
           {WITH("'system':'s'"), NULL},
           {WITH("'system':[{'type':'text','text':'s'}]"), NULL},
           {WITH("'stream':true,'stop_sequences':['x'],'temperature':0.5,"
                 "'top_k':3,'metadata':{'user_id':'u'},'service_tier':'auto'"),
            NULL},
           {MESSAGES(HI THEN USER("'again'")), NULL});
}

static void needed_fields_are_needed(void **state)
{
    (void)state;
    EXPECT({"{'model':'claude-haiku-4-5','messages':[" HI "]}",
            "max_tokens: Field required"},
           {"{'max_tokens':1,'messages':[" HI "]}", "model: Field required"},
           {"{'model':'claude-haiku-4-5','max_tokens':1}",
            "messages: Field required"},
           {"[1]", "must be a JSON object"});
}

static void unknown_fields_are_refused(void **state)
{
    (void)state;
    EXPECT({WITH("'n':1"), "n: Extra inputs are not permitted"},
           {WITH("'max_completion_tokens':1"), "Extra inputs"},
           {WITH("'response_format':{'type':'text'}"), "Extra inputs"},
           {WITH("'mcp_servers':[]"), "Extra inputs"},
           {MESSAGES("{'role':'user','content':'x','name':'n'}"),
            "messages.0.name: Extra inputs"},
           {MESSAGES(USER("[{'type':'text','text':'x','foo':1}]")),
            "messages.0.content.0.text.foo: Extra inputs"},
           {WITH("'metadata':{'user':'u'}"), "metadata.user: Extra inputs"});
}

static void types_are_checked_and_null_is_none(void **state)
{
    (void)state;
    EXPECT({WITH("'stream':'yes'"), "stream: Input should be a valid boolean"},
           {WITH("'temperature':'1'"), "temperature: Input should be"},
           {WITH("'temperature':null"), "temperature: Input should be"},
           {WITH("'tools':{}"), "tools: Input should be a valid list"},
           {WITH("'stop_sequences':'x'"), "stop_sequences: Input should be"},
           {WITH("'system':1"), "system: Input should be"},
           {WITH("'cache_control':null"), NULL});
}

static void max_tokens_has_its_bounds(void **state)
{
    (void)state;
    EXPECT({"{'model':'claude-haiku-4-5','max_tokens':0,'messages':[" HI "]}",
            "max_tokens: Input should be greater than or equal to 1"},
           {"{'model':'claude-haiku-4-5','max_tokens':64001,'messages':[" HI
            "]}",
            "64001 > 64000, which is the maximum"});
}

static void an_unknown_model_is_not_found(void **state)
{
    (void)state;
    EXPECT({"{'model':'gpt-4','max_tokens':1,'messages':[" HI "]}",
            "model: gpt-4"});
}

static void texts_must_say_something(void **state)
{
    (void)state;
    EXPECT({MESSAGES(USER("''")), "must have non-empty content"},
           {MESSAGES(USER("' \\n'")), "must contain non-whitespace text"},
           {MESSAGES(USER("[]")), "must have non-empty content"},
           {MESSAGES(USER("[{'type':'text','text':''}]")),
            "text content blocks must be non-empty"},
           {MESSAGES(USER("[{'type':'text','text':' '}]")),
            "must contain non-whitespace text"},
           {WITH("'system':[{'type':'text','text':' '}]"),
            "system: text content blocks must be non-empty"},
           {WITH("'stop_sequences':[' ']"), "must contain non-whitespace"});
}

static void images_are_what_they_say(void **state)
{
    (void)state;
    EXPECT({MESSAGES(USER("[{'type':'image','source':{'type':'base64',"
                          "'media_type':'image/png','data':'iVBORw0KGgo='}}]")),
            NULL},
           {MESSAGES(USER("[{'type':'image','source':{'type':'base64',"
                          "'media_type':'image/jpg','data':'/9j/4AAQ'}}]")),
            "media_type: Input should be 'image/jpeg'"},
           {MESSAGES(USER("[{'type':'image','source':{'type':'base64',"
                          "'media_type':'image/png','data':'/9j/4AAQ'}}]")),
            "appears to be a image/jpeg image"},
           {MESSAGES(USER("[{'type':'image','source':{'type':'base64',"
                          "'media_type':'image/png','data':'AAAA'}}]")),
            "Could not process image"},
           {MESSAGES(USER("[{'type':'image','source':{'type':'base64',"
                          "'media_type':'image/png','data':'***'}}]")),
            "Invalid base64"},
           {MESSAGES(USER("[{'type':'image','source':{'type':'url',"
                          "'url':'http://x/y.png'}}]")),
            "Only HTTPS URLs"},
           {MESSAGES(USER("[{'type':'document','source':{'type':'base64',"
                          "'media_type':'application/pdf','data':'JVBERi0='}}"
                          "]")),
            NULL},
           {MESSAGES(USER("[{'type':'document','source':{'type':'text',"
                          "'media_type':'text/plain','data':'t'}}]")),
            NULL},
           {MESSAGES(USER("[{'type':'image_url','image_url':{'url':'x'}}]")),
            "Input tag 'image_url'"});
}

static void roles_have_their_order(void **state)
{
    (void)state;
    EXPECT({MESSAGES(ASSISTANT("'x'") THEN HI), "first message must use"},
           {MESSAGES("{'role':'tool','content':'x'}"),
            "messages.0.role: Input should be"},
           {MESSAGES(HI THEN "{'role':'system','content':'x'}"),
            "messages.1.role: Input should be"},
           {NEW_MESSAGES(HI THEN "{'role':'system','content':'x'}"), NULL},
           {NEW_MESSAGES(HI THEN ASSISTANT(
                "[{'type':'server_tool_use','id':'s','name':'web_search',"
                "'input':{}}]") THEN "{'role':'system','content':'x'}"),
            NULL},
           {NEW_MESSAGES(HI THEN ASSISTANT("'y'") THEN
                         "{'role':'system','content':'x'}"),
            "must follow a \"user\" message"},
           {NEW_MESSAGES("{'role':'system','content':'x'}" THEN HI),
            "first message must use"},
           {NEW_MESSAGES(HI THEN "{'role':'system','content':'x'}" THEN HI),
            "must follow a"},
           {"{" HAIKU ",'messages':[]}", "at least one message"});
}

static void every_call_is_answered_in_the_next_message(void **state)
{
    (void)state;
    EXPECT(
        {TALK(ASSISTANT("[" CALL("a") "]") THEN USER("[" RESULT("a") "]")),
         NULL},
        {TALK(ASSISTANT("[" CALL("a") "," CALL("b") "]") THEN USER(
             "[" RESULT("b") "," RESULT("a") ",{'type':'text','text':'t'}]")),
         NULL},
        {TALK(ASSISTANT("[" CALL("a") "," CALL("b") "]")
                  THEN USER("[" RESULT("a") "]")),
         "without `tool_result` blocks immediately after: b"},
        {TALK(ASSISTANT("[" CALL("a") "]")
                  THEN HI THEN USER("[" RESULT("a") "]")),
         "without `tool_result` blocks immediately after: a"},
        {TALK(ASSISTANT("[" CALL("a") "]")),
         "without `tool_result` blocks immediately after: a"},
        {TALK(USER("[" RESULT("a") "]")), "unexpected `tool_use_id`"},
        {TALK(ASSISTANT("[" CALL("a") "]")
                  THEN USER("[" RESULT("a") "," RESULT("a") "]")),
         "must have a single result"},
        {TALK(ASSISTANT("[" CALL("a") "]")
                  THEN USER("[{'type':'text','text':'t'}," RESULT("a") "]")),
         "must come first"});
}

static void ids_and_inputs_of_calls_have_their_form(void **state)
{
    (void)state;
    EXPECT({TALK(ASSISTANT("[" CALL("functions.f:0") "]")
                     THEN USER("[" RESULT("functions.f:0") "]")),
            "tool_use.id: String should match pattern"},
           {TALK(ASSISTANT("[" CALL("a") "]") THEN USER("[" RESULT("a") "]")
                     THEN ASSISTANT("[" CALL("a") "]")
                         THEN USER("[" RESULT("a") "]")),
            "`tool_use` ids must be unique"},
           {TALK(ASSISTANT("[{'type':'tool_use','id':'a','name':'f',"
                           "'input':'{}'}]") THEN USER("[" RESULT("a") "]")),
            "tool_use.input: Input should be a valid dictionary"},
           {TALK(ASSISTANT("[{'type':'tool_use','id':'a','name':'f.g',"
                           "'input':{}}]") THEN USER("[" RESULT("a") "]")),
            "tool_use.name: String should match pattern"},
           {TALK(USER("[" CALL("a") "]")), "not permitted here"});
}

static void older_models_want_tools_for_tool_blocks(void **state)
{
    (void)state;
    EXPECT({MESSAGES(HI THEN ASSISTANT("[" CALL("a") "]")
                         THEN USER("[" RESULT("a") "]")),
            "must define tools"},
           {NEW_MESSAGES(HI THEN ASSISTANT("[" CALL("a") "]")
                             THEN USER("[" RESULT("a") "]")),
            NULL});
}

/* A conversation in which the assistant has thought. */
static void expect_thought(const char *model, const char *thinking,
                           struct str signature, const char *expected)
{
    struct arena arena;
    struct str json;

    arena_init(&arena);
    json = arena_printf(&arena,
                        "{'model':'%s','max_tokens':9,'messages':[" HI
                        ",{'role':'assistant','content':[{'type':'thinking',"
                        "'thinking':'%s','signature':'%.*s'},"
                        "{'type':'text','text':'t'}]}," HI "]}",
                        model, thinking, STR_ARG(signature));
    expect((struct anthropic_check){0}, json.ptr, expected);
    arena_clear(&arena);
}

static void thinking_comes_back_as_it_was(void **state)
{
    struct arena arena;
    struct str signature;

    (void)state;
    arena_init(&arena);
    signature = as_anthropic_sign(&arena, STR("m"), STR("deep"));
    expect_thought("claude-haiku-4-5", "deep", signature, NULL);
    /* left out, as the newest models do */
    expect_thought("claude-opus-5-5", "", signature, NULL);
    expect_thought("claude-haiku-4-5", "changed", signature,
                   "Invalid `signature` in `thinking` block");
    expect_thought("claude-haiku-4-5", "deep", STR("router-unsigned"),
                   "Invalid `signature` in `thinking` block");
    arena_clear(&arena);
}

static void four_cache_marks_are_enough(void **state)
{
    (void)state;
#define MARKED "{'type':'text','text':'t','cache_control':{'type':'ephemeral'}}"
    EXPECT(
        {MESSAGES(USER("[" MARKED "," MARKED "," MARKED "," MARKED "]")), NULL},
        {MESSAGES(
             USER("[" MARKED "," MARKED "," MARKED "," MARKED "," MARKED "]")),
         "Found 5"},
        {MESSAGES(USER("[{'type':'text','text':'t','cache_control':"
                       "{'type':'ephemeral','ttl':'2h'}}]")),
         "ttl: Input should be"},
        {MESSAGES(USER("[{'type':'text','text':'t','cache_control':"
                       "{'type':'persistent'}}]")),
         "Input should be 'ephemeral'"});
#undef MARKED
}

static void tools_have_a_name_and_an_object_for_schema(void **state)
{
    (void)state;
    EXPECT({WITH("'tools':[" TOOL "]"), NULL},
           {WITH("'tools':[{'type':'web_search_20260209',"
                 "'name':'web_search'}]"),
            NULL},
           {WITH("'tools':[{'name':'f'}]"), "input_schema: Field required"},
           {WITH("'tools':[{'name':'f g','input_schema':{'type':'object'}}]"),
            "name: String should match pattern"},
           {WITH("'tools':[{'name':'f','input_schema':{}}]"),
            "input_schema.type: Field required"},
           {WITH("'tools':[{'name':'f','input_schema':{'type':'array'}}]"),
            "Input should be 'object'"},
           {WITH("'tools':[{'name':'f','input_schema':{'type':'object',"
                 "'anyOf':[]}}]"),
            "does not support oneOf, allOf, or anyOf"},
           {WITH("'tools':[" TOOL "," TOOL "]"), "must be unique"},
           {WITH("'tools':[{'type':'function','function':{'name':'f'}}]"),
            "Input tag 'function'"},
           {WITH("'tools':[{'name':'f','parameters':{},"
                 "'input_schema':{'type':'object'}}]"),
            "parameters: Extra inputs"},
           {WITH("'tools':[{'name':'f','strict':true,'input_schema':"
                 "{'type':'object','properties':{}}}]"),
            "'additionalProperties' must be explicitly set to false"});
}

static void a_choice_needs_tools_and_a_model_that_takes_it(void **state)
{
    (void)state;
    EXPECT({WITH("'tool_choice':{'type':'auto'}"), "while providing tools"},
           {WITH("'tools':[" TOOL "],'tool_choice':{'type':'any'}"), NULL},
           {WITH("'tools':[" TOOL "],'tool_choice':{'type':'tool','name':'f'}"),
            NULL},
           {WITH("'tools':[" TOOL "],'tool_choice':{'type':'tool','name':'g'}"),
            "'g' not found in provided tools"},
           {NEW_WITH("'tools':[" TOOL "],'tool_choice':{'type':'any'}"),
            "are not supported for this model"},
           {WITH("'tools':[" TOOL "],'tool_choice':{'type':'none',"
                 "'disable_parallel_tool_use':true}"),
            "tool_choice.none.disable_parallel_tool_use: Extra inputs"},
           {WITH("'tools':[" TOOL "],'tool_choice':{'type':'required'}"),
            "Input tag 'required'"},
           {WITH("'tools':[" TOOL "],'tool_choice':'auto'"),
            "tool_choice: Input should be a valid dictionary"},
           {WITH("'tools':[" TOOL "],'tool_choice':{'type':'any'},"
                 "'thinking':{'type':'enabled','budget_tokens':1024}"),
            "Thinking may not be enabled when tool_choice forces"});
}

static void thinking_is_as_the_model_has_it(void **state)
{
    (void)state;
    EXPECT({WITH("'thinking':{'type':'enabled','budget_tokens':1024}"), NULL},
           {WITH("'thinking':{'type':'enabled','budget_tokens':1023}"),
            "greater than or equal to 1024"},
           {WITH("'thinking':{'type':'enabled','budget_tokens':5000}"),
            "must be greater than `thinking.budget_tokens`"},
           {WITH("'thinking':{'type':'enabled'}"), "Field required"},
           {WITH("'thinking':{'type':'adaptive'}"), "not supported"},
           {NEW_WITH("'thinking':{'type':'adaptive'}"), NULL},
           {NEW_WITH("'thinking':{'type':'enabled','budget_tokens':1024}"),
            "is not supported for this model"},
           {NEW_WITH("'thinking':{'type':'disabled'}"), "not supported"},
           {WITH("'thinking':{'type':'between_tools'}"), "not supported"},
           {"{'model':'claude-sonnet-5-5','max_tokens':9,'messages':[" HI
            "],'thinking':{'type':'between_tools'}}",
            NULL},
           {WITH("'output_config':{'effort':'high'}"), "effort parameter"},
           {NEW_WITH("'output_config':{'effort':'xhigh'}"), NULL},
           {NEW_WITH("'output_config':{'effort':'minimal'}"),
            "effort: Input should be"});
}

static void sampling_is_as_the_model_has_it(void **state)
{
    struct anthropic_check is_new = {.is_new = true};

    (void)state;
    EXPECT({WITH("'temperature':1.5"), "temperature: range"},
           {WITH("'temperature':0.5,'top_p':0.5"), "cannot both be specified"},
           {NEW_WITH("'temperature':0.5"), "not supported for this model"},
           {NEW_WITH("'temperature':1"), NULL},
           {NEW_WITH("'top_k':5"), "not supported for this model"},
           {WITH("'temperature':0.5,"
                 "'thinking':{'type':'enabled','budget_tokens':1024}"),
            "may only be set to 1 when thinking is enabled"});
    expect(is_new, WITH("'temperature':1"),
           "temperature: Extra inputs are not permitted");
}

static void a_prefill_is_for_older_models(void **state)
{
    (void)state;
    EXPECT({MESSAGES(HI THEN ASSISTANT("'{'")), NULL},
           {MESSAGES(HI THEN ASSISTANT("'{ '")), "trailing whitespace"},
           {NEW_MESSAGES(HI THEN ASSISTANT("'{'")),
            "does not support assistant message prefill"});
}

static void with_manual_thinking_a_tool_turn_begins_with_it(void **state)
{
    (void)state;
    EXPECT({"{" HAIKU ",'tools':[" TOOL
            "],'thinking':{'type':'enabled','budget_tokens':1024},"
            "'messages':[" HI
            "," ASSISTANT("[" CALL("a") "]") "," USER("[" RESULT("a") "]") "]}",
            "must start with a thinking block"});
}

#define FORMAT(schema)                                                      \
    WITH("'output_config':{'format':{'type':'json_schema','schema':" schema \
         "}}")

static void a_strict_schema_is_a_small_one(void **state)
{
    (void)state;
    EXPECT(
        {FORMAT("{'type':'object','properties':{'a':{'type':'string'}},"
                "'required':['a'],'additionalProperties':false}"),
         NULL},
        {FORMAT("{'type':'object','properties':{}}"),
         "'additionalProperties' must be explicitly set to false"},
        {FORMAT("{'type':'integer','minimum':1}"),
         "property 'minimum' is not supported"},
        {FORMAT("{'type':'string','maxLength':1}"),
         "property 'maxLength' is not supported"},
        {FORMAT("{'oneOf':[{'type':'string'}]}"),
         "property 'oneOf' is not supported"},
        {FORMAT("{'type':'array','items':{'type':'string'},'minItems':2}"),
         "'minItems' values other than 0 or 1"},
        {FORMAT("{'type':'string','format':'phone'}"),
         "format 'phone' is not supported"},
        {FORMAT("{'type':'string','pattern':'^(?=a)'}"),
         "Unsupported regex feature"},
        {FORMAT("{'$ref':'https://x/y'}"), "External $ref"},
        {FORMAT("{'$ref':'#/$defs/a','$defs':{'a':{'type':'object',"
                "'properties':{'b':{'$ref':'#/$defs/a'}},"
                "'additionalProperties':false}}}"),
         "Recursive schemas"},
        {FORMAT("{'$ref':'#/$defs/a','$defs':{'a':{'type':'string'}}}"), NULL},
        {WITH("'output_config':{'format':{'type':'json_object'}}"),
         "Input should be 'json_schema'"});
}

static void count_tokens_takes_the_prompt_alone(void **state)
{
    struct anthropic_check is_count = {.is_count = true};

    (void)state;
    expect(is_count, "{'model':'claude-opus-5-5','messages':[" HI "]}", NULL);
    expect(is_count, NEW_MESSAGES(HI), "max_tokens: Extra inputs");
    expect(is_count,
           "{'model':'claude-opus-5-5','tools':[" TOOL
           "],'tool_choice':{'type':'any'},'messages':[" HI "]}",
           "are not supported for this model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_is_taken),
        cmocka_unit_test(needed_fields_are_needed),
        cmocka_unit_test(unknown_fields_are_refused),
        cmocka_unit_test(types_are_checked_and_null_is_none),
        cmocka_unit_test(max_tokens_has_its_bounds),
        cmocka_unit_test(an_unknown_model_is_not_found),
        cmocka_unit_test(texts_must_say_something),
        cmocka_unit_test(images_are_what_they_say),
        cmocka_unit_test(roles_have_their_order),
        cmocka_unit_test(every_call_is_answered_in_the_next_message),
        cmocka_unit_test(ids_and_inputs_of_calls_have_their_form),
        cmocka_unit_test(older_models_want_tools_for_tool_blocks),
        cmocka_unit_test(thinking_comes_back_as_it_was),
        cmocka_unit_test(four_cache_marks_are_enough),
        cmocka_unit_test(tools_have_a_name_and_an_object_for_schema),
        cmocka_unit_test(a_choice_needs_tools_and_a_model_that_takes_it),
        cmocka_unit_test(thinking_is_as_the_model_has_it),
        cmocka_unit_test(sampling_is_as_the_model_has_it),
        cmocka_unit_test(a_prefill_is_for_older_models),
        cmocka_unit_test(with_manual_thinking_a_tool_turn_begins_with_it),
        cmocka_unit_test(a_strict_schema_is_a_small_one),
        cmocka_unit_test(count_tokens_takes_the_prompt_alone),
    };

    return cmocka_run_group_tests(tests, read_roster, drop_roster);
}
