/* What the stand-in of vLLM can be asked to answer, in one piece and as a
 * stream: both must say the same. */
#include "../testing.h"

#include <stdio.h>

#include "../../../sim/tokenizer.h"
#include "caller.h"
#include "folded.h"

static struct arena arena;

static int begin(void **state)
{
    struct sim_options options = caller_options();

    (void)state;
    arena_init(&arena);
    options.embedding_model = "e";
    return caller_start(&options);
}

static int end(void **state)
{
    arena_clear(&arena);
    return caller_end(state);
}

static struct str post(const char *path, struct str body)
{
    /* the answer is overwritten by the next one */
    return arena_copy(&arena, caller_post(sim_vllm_port(sim), path,
                                          arena_copy(&arena, body).ptr));
}

/* `fields` as ",…" or "". */
static struct str chat(const char *question, const char *fields, bool is_stream)
{
    return post("/v1/chat/completions",
                arena_printf(&arena,
                             "{\"model\":\"m\",\"messages\":[{\"role\":"
                             "\"user\",\"content\":\"%s\"}]%s%s}",
                             question, fields,
                             is_stream ? ",\"stream\":true" : ""));
}

static void expect(const char *question, const char *fields,
                   const char *expected)
{
    assert_str(folded_chat(&arena, chat(question, fields, false)), expected);
    assert_str(folded_chat(&arena, chat(question, fields, true)), expected);
}

#define FAULT(faults) "\\n[[sim: " faults "]]"
#define TOOLS                                                             \
    ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"  \
    "{\"type\":\"function\",\"function\":{\"name\":\"g\",\"parameters\":" \
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}," \
    "\"required\":[\"n\"]}}}]"
#define NAMED \
    ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}"

static void every_finish_reason_can_be_had(void **state)
{
    (void)state;
    expect("Say hi", "", "|hi||stop null");
    expect("Count to 9", ",\"max_tokens\":3", "|1, 2||length null");
    expect("Call g 7", TOOLS, "||g({\"n\":7})|tool_calls null");
    expect("Say hi" FAULT("finish=content_filter"), "",
           "|hi||content_filter null");
    expect("Say hi" FAULT("finish"), "", "|hi||abort null");
    expect("Say hi" FAULT("finish=error"), "", "|hi||error null");
    expect("Call g 7" FAULT("finish=stop"), TOOLS, "||g({\"n\":7})|stop null");
}

static void a_named_call_ends_in_stop(void **state)
{
    (void)state;
    expect("7", TOOLS NAMED, "||g({\"n\":7})|stop null");
}

static void what_stopped_it_is_told(void **state)
{
    char number[80];
    uint64_t token = tokenizer_number(STR(" there"));

    (void)state;
    expect("Say hi there", ",\"stop\":[\"x\",\"the\"]", "|hi ||stop \"the\"");
    (void)snprintf(number, sizeof(number), ",\"stop_token_ids\":[9,%llu]",
                   (unsigned long long)token);
    assert_str(
        folded_chat(&arena, chat("Say hi there", number, true)),
        arena_printf(&arena, "|hi||stop %llu", (unsigned long long)token).ptr);
    expect("Say hi" FAULT("stop-token=7"), "", "|hi||stop 7");
    assert_has(chat("x", ",\"stop_token_ids\":[\"a\"]", false), "400");
}

#define THOUGHT                                                           \
    "The user asks: \"Say hi\" A simulated model does not need to think " \
    "about this, but it was asked to."

static void thinking_has_a_new_and_an_old_name(void **state)
{
    (void)state;
    expect("Say hi", ",\"reasoning_effort\":\"low\"", THOUGHT "|hi||stop null");
    expect("Say hi", ",\"reasoning_effort\":\"none\"", "|hi||stop null");
    expect("Say hi" FAULT("think; reasoning-content"), "",
           "old: " THOUGHT "|hi||stop null");
    expect("Say hi" FAULT("think=2"), "",
           THOUGHT "Thought 2 comes to the same.|hi||stop null");
    assert_has(chat("Say hi" FAULT("think"), "", false),
               "\"completion_tokens_details\":{\"reasoning_tokens\":");
}

static void calls_are_as_many_as_are_asked_for(void **state)
{
    (void)state;
    expect("7" FAULT("calls=3"), TOOLS,
           "||f({}) g({\"n\":7}) f({})|tool_calls null");
    expect("7" FAULT("calls=3; interleave"), TOOLS,
           "||f({}) g({\"n\":7}) f({})|tool_calls null");
    expect("Call g 7" FAULT("calls=0"), TOOLS,
           "|This is a simulated answer from m. You wrote: \"Call g 7\"||stop "
           "null");
}

static void fragments_of_calls_may_alternate(void **state)
{
    struct str plain = chat("7" FAULT("calls=2"), TOOLS, true);
    struct str mixed = chat("7" FAULT("calls=2; interleave"), TOOLS, true);
    static const char second[] = "\"tool_calls\":[{\"index\":1";
    static const char first[] = "\"tool_calls\":[{\"index\":0";
    size_t at;

    (void)state;
    assert_true(str_find(plain, str_of(second), &at));
    assert_lacks(str_slice(plain, at, plain.len), first);
    assert_true(str_find(mixed, str_of(second), &at));
    assert_has(str_slice(mixed, at, mixed.len), first);
}

static void ids_may_be_those_of_the_model(void **state)
{
    struct str odd = chat("7" FAULT("calls=2; odd-ids"), TOOLS, false);

    (void)state;
    assert_has(odd, "\"id\":\"functions.f:0\"");
    assert_has(odd, "\"id\":\"functions.g:1\"");
    assert_has(chat("Call g 7" FAULT("odd-ids"), TOOLS, true),
               "\"id\":\"functions.g:0\"");
    assert_has(chat("Call g 7", TOOLS, false), "\"id\":\"chatcmpl-tool-");
}

static void usage_may_be_in_every_chunk(void **state)
{
    struct str answer = chat("Say hi",
                             ",\"stream_options\":{\"include_usage\":true,"
                             "\"continuous_usage_stats\":true}",
                             true);

    (void)state;
    assert_has(answer, "\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":"
                       "9,\"total_tokens\":10,\"completion_tokens\":1");
    assert_has(answer, "\"choices\":[],\"usage\":{\"prompt_tokens\":9,");
    assert_has(answer, "\"prompt_tokens_details\":{\"cached_tokens\":");
}

static void what_vllm_refuses_is_refused(void **state)
{
    (void)state;
    assert_has(chat("x", ",\"tools\":[]", false), "HTTP/1.1 400");
    assert_has(chat("x", ",\"tool_choice\":\"auto\"", false),
               "When using `tool_choice`, `tools` must be set.");
    assert_has(chat("x", ",\"tool_choice\":\"none\"", false), "HTTP/1.1 200");
    assert_has(chat("x", ",\"stream_options\":{}", false),
               "Stream options can only be defined when `stream=True`.");
    assert_has(
        chat("x", TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\"}", false),
        "HTTP/1.1 400");
}

static void plain_completions_come_in_both_ways(void **state)
{
    struct str answer =
        post("/v1/completions",
             STR("{\"model\":\"m\",\"prompt\":[\"Say hi\",\"Say \\\"ho\\\"\"],"
                 "\"n\":2,\"echo\":true,\"max_tokens\":9}"));

    (void)state;
    assert_has(answer, "\"object\":\"text_completion\"");
    assert_has(answer, "\"index\":1,\"text\":\"Say hihi\"");
    assert_has(answer, "\"index\":3,\"text\":\"Say \\\"ho\\\"ho\"");
    answer = post("/v1/completions",
                  STR("{\"model\":\"m\",\"prompt\":\"Say hi\",\"stream\":true,"
                      "\"stream_options\":{\"include_usage\":true}}"));
    assert_has(answer, "\"text\":\"hi\",\"logprobs\":null,\"finish_reason\":"
                       "\"stop\",\"stop_reason\":null");
    assert_has(answer, "\"choices\":[],\"usage\":{\"prompt_tokens\":");
    assert_has(answer, "data: [DONE]");
}

static void embeddings_come_as_numbers_or_bytes(void **state)
{
    struct str answer =
        post("/v1/embeddings", STR("{\"model\":\"e\",\"input\":[\"a b\",\"a\"],"
                                   "\"dimensions\":2}"));

    (void)state;
    assert_has(answer, "\"model\":\"e\"");
    assert_has(answer, "\"index\":1,\"object\":\"embedding\",\"embedding\":[");
    assert_has(answer, "\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3");
    answer = post("/v1/embeddings",
                  STR("{\"model\":\"m\",\"input\":\"a\",\"dimensions\":3,"
                      "\"encoding_format\":\"base64\"}"));
    assert_has(answer, "\"embedding\":\"JcXBvkh+QD/ZLwq/\"");
    assert_has(
        post("/v1/embeddings", STR("{\"model\":\"other\",\"input\":\"a\"}")),
        "The model `other` does not exist.");
    assert_has(caller_get(sim_vllm_port(sim), "/v1/models"), "\"id\":\"e\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_finish_reason_can_be_had),
        cmocka_unit_test(a_named_call_ends_in_stop),
        cmocka_unit_test(what_stopped_it_is_told),
        cmocka_unit_test(thinking_has_a_new_and_an_old_name),
        cmocka_unit_test(calls_are_as_many_as_are_asked_for),
        cmocka_unit_test(fragments_of_calls_may_alternate),
        cmocka_unit_test(ids_may_be_those_of_the_model),
        cmocka_unit_test(usage_may_be_in_every_chunk),
        cmocka_unit_test(what_vllm_refuses_is_refused),
        cmocka_unit_test(plain_completions_come_in_both_ways),
        cmocka_unit_test(embeddings_come_as_numbers_or_bytes),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
