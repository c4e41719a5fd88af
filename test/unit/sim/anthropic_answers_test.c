/* What the stand-in of the Anthropic API can be asked to answer, in one piece
 * and as a stream: both must say the same. */
#include "../testing.h"

#include "../../../sim/as_anthropic.h"
#include "caller.h"
#include "folded.h"

static struct arena arena;

static int begin(void **state)
{
    arena_init(&arena);
    return caller_begin(state);
}

static int end(void **state)
{
    arena_clear(&arena);
    return caller_end(state);
}

static struct str post(const char *path, struct str body)
{
    /* the answer is overwritten by the next one */
    return arena_copy(&arena, caller_post(sim_anthropic_port(sim), path,
                                          arena_copy(&arena, body).ptr));
}

#define HAIKU "\"model\":\"claude-haiku-4-5\",\"max_tokens\":2000"
#define OPUS "\"model\":\"claude-opus-4-8\",\"max_tokens\":2000"

/* `messages` without brackets. */
static struct str talk(const char *traits, const char *messages, bool is_stream)
{
    return post("/v1/messages?beta=true",
                arena_printf(&arena, "{%s,\"messages\":[%s]%s}", traits,
                             messages, is_stream ? ",\"stream\":true" : ""));
}

static const char *user(const char *question)
{
    return arena_printf(&arena, "{\"role\":\"user\",\"content\":\"%s\"}",
                        question)
        .ptr;
}

static struct str ask(const char *traits, const char *question, bool is_stream)
{
    return talk(traits, user(question), is_stream);
}

static void expect(const char *traits, const char *question,
                   const char *expected)
{
    assert_str(folded_messages(&arena, ask(traits, question, false)), expected);
    assert_str(folded_messages(&arena, ask(traits, question, true)), expected);
}

#define FAULT(faults) "\\n[[sim: " faults "]]"
#define TOOLS                                                     \
    ",\"tools\":[{\"name\":\"get_n\",\"input_schema\":{\"type\":" \
    "\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"   \
    "\"required\":[\"n\"]}}]"
#define SEARCH \
    ",\"tools\":[{\"type\":\"web_search_20260209\",\"name\":\"web_search\"}]"

static void every_stop_reason_can_be_had(void **state)
{
    (void)state;
    expect(HAIKU, "Say hi", "text hi|end_turn null null");
    expect("\"model\":\"claude-haiku-4-5\",\"max_tokens\":3", "Count to 9",
           "text 1, 2|max_tokens null null");
    expect(HAIKU ",\"stop_sequences\":[\"x\",\"the\"]", "Say hi there",
           "text hi |stop_sequence \"the\" null");
    expect(HAIKU TOOLS, "get_n 7",
           "text I will use get_n for this.|tool_use get_n {\"n\":7}|tool_use "
           "null null");
    expect(HAIKU, "Say hi" FAULT("stop-reason=pause_turn"),
           "text hi|pause_turn null null");
    expect(HAIKU, "Say hi" FAULT("stop-reason=model_context_window_exceeded"),
           "text hi|model_context_window_exceeded null null");
    expect(HAIKU ",\"stop_sequences\":[\"x\"]",
           "Say hi" FAULT("stop-reason=stop_sequence"),
           "text hi|stop_sequence \"x\" null");
    expect(HAIKU, "Say hi" FAULT("stop-reason=max_tokens"),
           "text hi|max_tokens null null");
}

static void refusals_say_why(void **state)
{
    (void)state;
    expect(HAIKU, "Count to 9" FAULT("refusal=3; category=bio"),
           "text 1, 2|refusal null {\"type\":\"refusal\",\"category\":\"bio\","
           "\"explanation\":\"This refusal was asked for (simulated).\"}");
    expect(HAIKU, "Say hi" FAULT("refusal; category=none"),
           "refusal null {\"type\":\"refusal\",\"category\":null,"
           "\"explanation\":null}");
}

static void the_context_ends_an_answer(void **state)
{
    struct buf question;
    struct str answer;

    (void)state;
    buf_init(&question, 1 << 22);
    for (unsigned i = 0; i < 199000; i++)
        buf_put(&question, STR(" w"));
    buf_put(&question, STR(FAULT("tokens=3000")));
    answer = ask("\"model\":\"claude-haiku-4-5\",\"max_tokens\":64000",
                 arena_copy(&arena, buf_str(&question)).ptr, false);
    buf_fini(&question);
    assert_has(answer, "\"stop_reason\":\"model_context_window_exceeded\"");
}

/* --- thinking ------------------------------------------------------------- */

#define THOUGHT                                                           \
    "The user asks: \"Say hi\" A simulated model does not need to think " \
    "about this, but it was asked to."

static struct str signed_by(const char *model, const char *thought)
{
    return as_anthropic_sign(&arena, str_of(model), str_of(thought));
}

static void thinking_is_signed_or_left_out(void **state)
{
    struct str own = signed_by("claude-opus-4-8", THOUGHT);

    (void)state;
    expect(OPUS ",\"thinking\":{\"type\":\"adaptive\",\"display\":"
                "\"summarized\"}",
           "Say hi",
           arena_printf(&arena,
                        "thinking " THOUGHT " <%.*s>|text hi|end_turn null "
                        "null",
                        STR_ARG(own))
               .ptr);
    expect(OPUS ",\"thinking\":{\"type\":\"adaptive\"}", "Say hi",
           arena_printf(&arena, "thinking  <%.*s>|text hi|end_turn null null",
                        STR_ARG(own))
               .ptr);
    expect(HAIKU, "Say hi" FAULT("think; redacted"),
           arena_printf(&arena,
                        "thinking " THOUGHT " <%.*s>|redacted_thinking "
                        "EuYBCoYBGAIiQL7simulated|text hi|end_turn null null",
                        STR_ARG(signed_by("claude-haiku-4-5", THOUGHT)))
               .ptr);
    assert_has(ask(HAIKU, "Say hi" FAULT("think"), true),
               "\"output_tokens_details\":{\"thinking_tokens\":");
}

static void thoughts_stand_between_calls(void **state)
{
    struct str answer = folded_messages(
        &arena, ask(HAIKU TOOLS, "get_n 7" FAULT("think=3; calls=2"), true));
    struct str later =
        signed_by("claude-haiku-4-5", "Thought 3 comes to the same.");

    (void)state;
    assert_has(answer, "|text I will use get_n for this.|thinking Thought 2");
    assert_has(answer, arena_printf(&arena,
                                    ">|tool_use get_n {\"n\":7}|thinking "
                                    "Thought 3 comes to the same. <%.*s>|"
                                    "tool_use get_n {\"n\":7}|tool_use",
                                    STR_ARG(later))
                           .ptr);
}

/* A thought that comes back, with a call behind it. */
static struct str hand_back(const char *traits, const char *thought,
                            struct str signature)
{
    return talk(traits,
                arena_printf(
                    &arena,
                    "%s,{\"role\":\"assistant\",\"content\":[{\"type\":"
                    "\"thinking\",\"thinking\":\"%s\",\"signature\":\"%.*s\"},"
                    "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"get_n\","
                    "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":"
                    "\"tool_result\",\"tool_use_id\":\"a\",\"content\":"
                    "\"5\"}]}",
                    user("get_n"), thought, STR_ARG(signature))
                    .ptr,
                false);
}

static void signed_thoughts_are_checked(void **state)
{
    struct str own = signed_by("claude-opus-4-8", "deep");
    static const char invalid[] = "Invalid `signature` in `thinking` block";

    (void)state;
    assert_has(hand_back(OPUS TOOLS, "deep", own), "get_n returned: 5");
    assert_has(hand_back(OPUS TOOLS, "", own), "get_n returned: 5");
    assert_has(hand_back(OPUS TOOLS, "deeper", own), invalid);
    assert_has(hand_back(OPUS TOOLS, "deep", STR("router-unsigned")), invalid);
}

/* The thought of another model is not an error, but it is not read. */
static void a_foreign_thought_is_dropped(void **state)
{
    struct str own = hand_back(OPUS TOOLS, "deep deep deep",
                               signed_by("claude-opus-4-8", "deep deep deep"));
    struct str foreign =
        hand_back(OPUS TOOLS, "deep deep deep",
                  signed_by("claude-haiku-4-5", "deep deep deep"));
    yyjson_val *usage = json_get(folded_body(&arena, own), STR("usage"));
    yyjson_val *less = json_get(folded_body(&arena, foreign), STR("usage"));

    (void)state;
    assert_int_equal(json_get_i64(usage, STR("input_tokens")),
                     json_get_i64(less, STR("input_tokens")) + 3);
}

/* --- Anthropic's own tools ------------------------------------------------ */

static void the_web_is_searched_and_cited(void **state)
{
    struct str answer = ask(HAIKU SEARCH, "Search for \\\"otters\\\"", false);
    struct str stream = ask(HAIKU SEARCH, "Search for \\\"otters\\\"", true);

    (void)state;
    assert_str(folded_messages(&arena, stream),
               arena_copy(&arena, folded_messages(&arena, answer)).ptr);
    assert_has(answer, "{\"type\":\"server_tool_use\",\"id\":\"srvtoolu_");
    assert_has(answer, "\"input\":{\"query\":\"otters\"}");
    assert_has(answer, "{\"type\":\"web_search_tool_result\",\"tool_use_id\":"
                       "\"srvtoolu_");
    assert_has(answer,
               "\"citations\":[{\"type\":\"web_search_result_location\"");
    assert_has(answer, "\"stop_reason\":\"end_turn\"");
    assert_has(stream, "\"type\":\"citations_delta\"");
    assert_has(stream, "\"server_tool_use\":{\"web_search_requests\":1,");
    assert_lacks(ask(HAIKU, "Search for otters", false),
                 "\"server_tool_use\",");
}

static void a_paused_turn_goes_on(void **state)
{
    struct str answer =
        ask(OPUS SEARCH, "Search for otters" FAULT("stop-reason=pause_turn"),
            false);
    struct str content;
    size_t from;
    size_t to;

    (void)state;
    assert_true(str_find(answer, STR("\"content\":["), &from));
    assert_true(str_find(answer, STR(",\"stop_reason\""), &to));
    content = str_slice(answer, from, to);
    answer = talk(OPUS SEARCH,
                  arena_printf(&arena, "%s,{\"role\":\"assistant\",%.*s}",
                               user("Search for otters"), STR_ARG(content))
                      .ptr,
                  false);
    assert_has(answer, "\"stop_reason\":\"end_turn\"");
    assert_lacks(answer, "\"type\":\"server_tool_use\"");
}

static void tools_without_a_schema_are_known(void **state)
{
    (void)state;
    expect(HAIKU ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]",
           "Run `ls -l` with the bash tool",
           "text I will use bash for this.|tool_use bash {\"command\":\"ls "
           "-l\"}|tool_use null null");
}

static void threads_are_refused_so_that_an_sdk_goes_on(void **state)
{
    struct anthropic_check c = {.arena = &arena, .has_beta = true};
    struct json_error trouble;
    struct json_doc doc;

    (void)state;
    assert_true(json_read(&arena, STR("{\"thread\":{\"type\":\"create\"}}"),
                          &doc, &trouble));
    c.root = doc.root;
    assert_false(as_anthropic_check(&c));
    assert_int_equal(c.status, 400);
    assert_has(c.details, "\"error_code\":\"thread_unsupported_request\"");
    c = (struct anthropic_check){.arena = &arena, .root = doc.root};
    assert_false(as_anthropic_check(&c));
    assert_str(c.message, "thread: Extra inputs are not permitted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stop_reason_can_be_had),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(the_context_ends_an_answer),
        cmocka_unit_test(thinking_is_signed_or_left_out),
        cmocka_unit_test(thoughts_stand_between_calls),
        cmocka_unit_test(signed_thoughts_are_checked),
        cmocka_unit_test(a_foreign_thought_is_dropped),
        cmocka_unit_test(the_web_is_searched_and_cited),
        cmocka_unit_test(a_paused_turn_goes_on),
        cmocka_unit_test(tools_without_a_schema_are_known),
        cmocka_unit_test(threads_are_refused_so_that_an_sdk_goes_on),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
