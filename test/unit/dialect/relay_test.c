/* dialect/relay: the bytes pass, but for the model's name. */
#include "dialect/relay.h"

#include "asked.h"
#include "dialect/anthropic.h"

/* The pieces as one text. */
static struct str joined(struct arena *arena, const struct str *pieces,
                         unsigned count)
{
    struct buf text;
    struct str copy;

    buf_init(&text, 1 << 20);
    for (unsigned i = 0; i < count; i++)
        buf_put(&text, pieces[i]);
    copy = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void a_request_is_the_same_but_for_the_model(void **state)
{
#define REST "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
    static const struct {
        struct str body;
        const char *relayed;
    } cases[] = {
        /* first, in the middle, last */
        {STR_INIT("{\"model\":\"a\"," REST "}"),
         "{\"model\":\"NEW\"," REST "}"},
        {STR_INIT("{" REST ",\"model\":\"a\",\"n\":1}"),
         "{" REST ",\"model\":\"NEW\",\"n\":1}"},
        {STR_INIT("{" REST ",\"model\":\"a\"}"),
         "{" REST ",\"model\":\"NEW\"}"},
        /* white space, unknown members and number spellings survive */
        {STR_INIT("  {\n\t" REST " ,\r\n \"model\"  :  \"auto\" , \"x\" :\t"
                  "1.500e+00 , \"y\":[ ] }\r\n"),
         "  {\n\t" REST " ,\r\n \"model\"  :  \"NEW\" , \"x\" :\t1.500e+00 , "
         "\"y\":[ ] }\r\n"},
        {STR_INIT("{" REST ",\"model\":\"a\",\"seed\":"
                  "123456789012345678901234567890,\"\\u00e4\":\"\\u00e4\\/\"}"),
         "{" REST ",\"model\":\"NEW\",\"seed\":"
         "123456789012345678901234567890,\"\\u00e4\":\"\\u00e4\\/\"}"},
        /* escapes in the name and in the key */
        {STR_INIT("{\"model\":\"\\u0061\\\"}\\\\\"," REST "}"),
         "{\"model\":\"NEW\"," REST "}"},
        {STR_INIT("{\"mode\\u006C\":\"a\"," REST "}"),
         "{\"mode\\u006C\":\"NEW\"," REST "}"},
        /* other members of that name are none of ours */
        {STR_INIT("{\"metadata\":{\"model\":\"x\"},\"model\":\"a\"," REST "}"),
         "{\"metadata\":{\"model\":\"x\"},\"model\":\"NEW\"," REST "}"},
        /* null, empty and absent */
        {STR_INIT("{\"model\":null," REST "}"), "{\"model\":\"NEW\"," REST "}"},
        {STR_INIT("{" REST ",\"model\": null }"),
         "{" REST ",\"model\": \"NEW\" }"},
        {STR_INIT("{\"model\":\"\"," REST "}"), "{\"model\":\"NEW\"," REST "}"},
        {STR_INIT("{" REST "}"), "{\"model\":\"NEW\"," REST "}"},
        {STR_INIT(" \n{ " REST " }"), " \n{\"model\":\"NEW\", " REST " }"},
        /* half a surrogate pair stays as it came */
        {STR_INIT("{\"user\":\"\\ud83d\",\"model\":\"a\"," REST "}"),
         "{\"user\":\"\\ud83d\",\"model\":\"NEW\"," REST "}"},
    };
#undef REST

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str pieces[RELAY_PIECES];
        struct asked asked;
        unsigned n;

        asked_good(&asked, cases[i].body);
        n = relay_request(&asked.arena, &asked.chat, STR("NEW"), false, pieces);
        assert_str(joined(&asked.arena, pieces, n), cases[i].relayed);
        asked_fini(&asked);
    }
}

static void a_name_that_needs_escapes_is_escaped(void **state)
{
    struct str pieces[RELAY_PIECES];
    struct asked asked;
    unsigned n;

    (void)state;
    asked_good(&asked, ASK("\"model\":\"a\""));
    n = relay_request(&asked.arena, &asked.chat, STR("a\"b\\c\n"), false,
                      pieces);
    assert_has(joined(&asked.arena, pieces, n),
               "\"model\":\"a\\\"b\\\\c\\n\"}");
    assert_str(json_quote(&asked.arena, STR("qwen2.5-7b")), "\"qwen2.5-7b\"");
    asked_fini(&asked);
}

static void the_usage_of_a_stream_is_asked_for(void **state)
{
#define REST "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define ASK_IT "\"stream_options\":{\"include_usage\":true}"
    static const struct {
        struct str body;
        const char *relayed;
    } cases[] = {
        /* absent, with the model before it, behind it, and absent, too */
        {STR_INIT("{\"model\":\"a\",\"stream\":true," REST "}"),
         "{" ASK_IT ",\"model\":\"NEW\",\"stream\":true," REST "}"},
        {STR_INIT(" {\n" REST ",\"stream\":true}"),
         " {\"model\":\"NEW\"," ASK_IT ",\n" REST ",\"stream\":true}"},
        /* null and empty */
        {STR_INIT("{\"stream_options\": null ,\"model\":\"a\"," REST "}"),
         "{\"stream_options\": {\"include_usage\":true} "
         ",\"model\":\"NEW\"," REST "}"},
        {STR_INIT("{\"model\":\"a\"," REST ",\"stream_options\":{ }}"),
         "{\"model\":\"NEW\"," REST
         ",\"stream_options\":{\"include_usage\":true }}"},
        /* not asked for, beside others, which stay as they are */
        {STR_INIT("{" REST ",\"stream_options\":{\"x\" :1.0e0, "
                  "\"include_usage\" : false},\"model\":\"a\"}"),
         "{" REST ",\"stream_options\":{\"x\" :1.0e0, "
         "\"include_usage\" : true},\"model\":\"NEW\"}"},
        {STR_INIT("{" REST ",\"stream_options\":{\"include_usage\":null,"
                  "\"continuous_usage_stats\":true},\"model\":\"a\"}"),
         "{" REST ",\"stream_options\":{\"include_usage\":true,"
         "\"continuous_usage_stats\":true},\"model\":\"NEW\"}"},
        {STR_INIT("{" REST ",\"stream_options\":{\"x\":{\"include_usage\":"
                  "false}},\"model\":\"a\"}"),
         "{" REST ",\"stream_options\":{\"include_usage\":true,\"x\":{"
         "\"include_usage\":false}},\"model\":\"NEW\"}"},
        /* escapes, and the last of two, which is the one that servers take */
        {STR_INIT("{\"model\":\"a\",\"stream_option\\u0073\":{"
                  "\"\\u0069nclude_usage\":true,\"include_usage\":false}," REST
                  "}"),
         "{\"model\":\"NEW\",\"stream_option\\u0073\":{"
         "\"\\u0069nclude_usage\":true,\"include_usage\":true}," REST "}"},
        /* asked for */
        {STR_INIT("{\"model\":\"a\",\"stream_options\":{\"include_usage\":true,"
                  "\"continuous_usage_stats\":true}," REST "}"),
         "{\"model\":\"NEW\",\"stream_options\":{\"include_usage\":true,"
         "\"continuous_usage_stats\":true}," REST "}"},
    };
#undef ASK_IT
#undef REST

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str pieces[RELAY_PIECES];
        struct asked asked;
        unsigned n;

        asked_good(&asked, cases[i].body);
        n = relay_request(&asked.arena, &asked.chat, STR("NEW"), true, pieces);
        assert_true(n <= RELAY_PIECES);
        assert_str(joined(&asked.arena, pieces, n), cases[i].relayed);
        asked_fini(&asked);
    }
}

/* --- answers ----------------------------------------------------------------
 */

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct relay_facts facts_of(struct str json)
{
    struct relay_facts facts = {0};

    assert_true(openai_relay_read(&arena, json, &facts));
    return facts;
}

static void the_facts_of_an_answer_are_read(void **state)
{
    struct relay_facts facts = facts_of(
        STR("{\"id\":\"chatcmpl-abc\",\"model\":\"m\",\"choices\":[{\"index\":"
            "0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},"
            "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":12,"
            "\"completion_tokens\":5,\"total_tokens\":17,"
            "\"prompt_tokens_details\":{\"cached_tokens\":8},"
            "\"completion_tokens_details\":{\"reasoning_tokens\":3}}}"));

    (void)state;
    assert_false(facts.is_error);
    assert_true(facts.has_token);
    assert_int_equal(facts.finish, CHAT_FINISH_LENGTH);
    assert_true(facts.usage.is_known);
    assert_true(facts.usage.input == 12);
    assert_true(facts.usage.output == 5);
    assert_true(facts.usage.cache_read == 8);
    assert_true(facts.usage.has_reasoning && facts.usage.reasoning == 3);
}

static void only_what_a_reader_would_see_is_a_token(void **state)
{
    static const struct {
        const char *delta;
        bool shows;
    } cases[] = {
        {"{\"role\":\"assistant\",\"content\":\"\"}", false},
        {"{\"role\":\"assistant\",\"content\":null}", false},
        {"{}", false},
        {"{\"content\":\"x\"}", true},
        {"{\"content\":\" \"}", true},
        {"{\"reasoning_content\":\"x\"}", true},
        {"{\"reasoning\":\"x\"}", true},
        {"{\"reasoning\":\"\"}", false},
        {"{\"refusal\":\"x\"}", true},
        {"{\"tool_calls\":[]}", false},
        {"{\"tool_calls\":[{\"index\":0}]}", true},
        {"{\"function_call\":{\"name\":\"f\"}}", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct relay_facts facts = facts_of(
            arena_printf(&arena, "{\"choices\":[{\"index\":0,\"delta\":%s}]}",
                         cases[i].delta));

        assert_int_equal(facts.has_token, cases[i].shows);
    }
}

static void each_finish_reason_has_its_meaning(void **state)
{
    static const struct {
        const char *name;
        enum chat_finish finish;
    } cases[] = {
        {"null", CHAT_FINISH_UNSET},
        {"\"stop\"", CHAT_FINISH_STOP},
        {"\"length\"", CHAT_FINISH_LENGTH},
        {"\"tool_calls\"", CHAT_FINISH_TOOL_CALLS},
        {"\"function_call\"", CHAT_FINISH_TOOL_CALLS},
        {"\"content_filter\"", CHAT_FINISH_CONTENT_FILTER},
        {"\"abort\"", CHAT_FINISH_STOP},
        {"\"something new\"", CHAT_FINISH_STOP},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct relay_facts facts = facts_of(arena_printf(
            &arena,
            "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":%s}]}",
            cases[i].name));

        assert_int_equal(facts.finish, cases[i].finish);
    }
}

static void a_usage_chunk_has_no_choices_and_is_fine(void **state)
{
    struct relay_facts facts =
        facts_of(STR("{\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
                     "\"completion_tokens\":2}}"));

    (void)state;
    assert_false(facts.has_token);
    assert_true(facts.usage.is_known);
    assert_false(facts.usage.has_reasoning);
    facts = facts_of(STR("{\"choices\":[],\"usage\":null}"));
    assert_false(facts.usage.is_known);
}

static void errors_are_told_from_answers(void **state)
{
    (void)state;
    assert_true(facts_of(STR("{\"error\":{\"message\":\"x\"}}")).is_error);
    assert_true(facts_of(STR("{\"error\":\"Unauthorized\"}")).is_error);
    assert_true(
        facts_of(STR("{\"choices\":[],\"error\":{\"code\":500}}")).is_error);
    assert_false(facts_of(STR("{\"choices\":[],\"error\":null}")).is_error);
}

static void what_is_no_answer_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "\"x\"",
        "{}",
        "{\"choices\":{}}",
        "{\"choices\":null}",
        "{\"object\":\"list\"}",
        "{\"choices\":[]",
        "<html>",
    };
    struct relay_facts facts = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(openai_relay_read(&arena, str_of(bad[i]), &facts));
}

static void an_answer_is_the_same_but_for_the_model(void **state)
{
    static const struct {
        struct str json;
        const char *relayed;
    } cases[] = {
        {STR_INIT("{ \"model\" : \"qwen\" ,\n\"choices\":[], \"x\":1.0e2 }"),
         "{ \"model\" : \"auto\" ,\n\"choices\":[], \"x\":1.0e2 }"},
        {STR_INIT("{\"choices\":[{\"model\":\"qwen\"}],\"model\":\"qwen\"}"),
         "{\"choices\":[{\"model\":\"qwen\"}],\"model\":\"auto\"}"},
        {STR_INIT("{\"choices\":[]}"), "{\"choices\":[]}"},
        {STR_INIT("{\"choices\":[],\"model\":null}"),
         "{\"choices\":[],\"model\":null}"},
        {STR_INIT("{\"choices\":[],\"\\u006dodel\":\"q\"}"),
         "{\"choices\":[],\"\\u006dodel\":\"auto\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct relay_facts facts = facts_of(cases[i].json);
        struct str pieces[RELAY_PIECES];
        struct buf frame;
        unsigned n =
            relay_answer(&arena, cases[i].json, &facts, STR("auto"), pieces);

        assert_str(joined(&arena, pieces, n), cases[i].relayed);
        /* and as a frame; the line feeds of its JSON begin new data lines */
        buf_init(&frame, 1 << 16);
        relay_chunk(STR(""), cases[i].json, &facts, STR("\"auto\""), &frame);
        assert_true(str_starts(buf_str(&frame), STR("data: {")));
        assert_true(str_ends(buf_str(&frame), STR("}\n\n")));
        assert_lacks(str_slice(buf_str(&frame), 0, frame.len - 2), "\n\n");
        buf_fini(&frame);
    }
}

static void the_usage_of_a_chunk_can_be_left_out(void **state)
{
    static const struct {
        struct str json;
        const char *relayed;
    } cases[] = {
        {STR_INIT("{\"choices\":[],\"usage\":null,\"x\":1}"),
         "{\"choices\":[],\"x\":1}"},
        {STR_INIT("{\"choices\":[] , \"usage\" :\t{\"a\":{\"b\":\"}\"}} }"),
         "{\"choices\":[]  }"},
        {STR_INIT("{ \"usage\":null, \"choices\":[],\"model\":\"q\" }"),
         "{  \"choices\":[],\"model\":\"auto\" }"},
        {STR_INIT("{\"choices\":[],\"model\":\"q\" ,\"usage\":1.0}"),
         "{\"choices\":[],\"model\":\"auto\" }"},
        {STR_INIT("{\"model\":\"q\",\"us\\u0061ge\":null,\"choices\":[]}"),
         "{\"model\":\"auto\",\"choices\":[]}"},
        {STR_INIT("{\"choices\":[{\"usage\":null}],\"model\":\"q\"}"),
         "{\"choices\":[{\"usage\":null}],\"model\":\"auto\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct relay_facts facts = {.seeks_usage = true};
        struct buf frame;

        assert_true(openai_relay_read(&arena, cases[i].json, &facts));
        buf_init(&frame, 1 << 16);
        relay_chunk(STR(""), cases[i].json, &facts, STR("\"auto\""), &frame);
        assert_str(str_slice(buf_str(&frame), 6, frame.len - 2),
                   cases[i].relayed);
        buf_fini(&frame);
        /* and is not, where nobody wants that */
        facts = facts_of(cases[i].json);
        assert_true(facts.usage_len == 0);
    }
}

static void only_usage_without_choices_is_nothing_but_usage(void **state)
{
    (void)state;
    assert_true(facts_of(STR("{\"choices\":[],\"usage\":{}}")).is_usage);
    assert_false(facts_of(STR("{\"choices\":[],\"usage\":null}")).is_usage);
    assert_false(facts_of(STR("{\"choices\":[],\"x\":[]}")).is_usage);
    assert_false(
        facts_of(STR("{\"choices\":[{\"index\":0}],\"usage\":{}}")).is_usage);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

/* --- Anthropic's own --------------------------------------------------------
 */

static struct relay_facts read_event(struct arena *memory, const char *json)
{
    struct relay_facts facts = {0};

    assert_true(anthropic_relay_read(memory, str_of(json), &facts));
    return facts;
}

static void a_token_of_anthropics_is_what_a_reader_sees(void **state)
{
    static const struct {
        const char *event;
        bool is_token;
    } cases[] = {
        {"{\"type\":\"ping\"}", false},
        {"{\"type\":\"message_start\",\"message\":{\"content\":[]}}", false},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":"
         "\"text\",\"text\":\"\"}}",
         false},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":"
         "\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}",
         false},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":"
         "\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}",
         true},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":"
         "\"from_tomorrow\"}}",
         true},
        {"{\"type\":\"content_block_delta\",\"delta\":{\"type\":"
         "\"text_delta\",\"text\":\"a\"}}",
         true},
        {"{\"type\":\"content_block_delta\",\"delta\":{\"type\":"
         "\"thinking_delta\",\"thinking\":\"a\"}}",
         true},
        {"{\"type\":\"content_block_delta\",\"delta\":{\"type\":"
         "\"signature_delta\",\"signature\":\"a\"}}",
         false},
        {"{\"type\":\"message\",\"content\":[{\"type\":\"text\"}]}", true},
    };
    struct arena memory;

    (void)state;
    arena_init(&memory);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct relay_facts facts = read_event(&memory, cases[i].event);

        if (facts.has_token != cases[i].is_token)
            fail_msg("%s", cases[i].event);
        assert_false(facts.is_last || facts.is_error);
    }
    arena_clear(&memory);
}

static void what_anthropic_says_adds_up(void **state)
{
    struct relay_facts facts = {0};
    struct arena memory;
    struct str start =
        STR("{\"type\":\"message_start\",\"message\":{\"model\" : \"m\","
            "\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":4,"
            "\"cache_creation_input_tokens\":5,\"output_tokens\":1}}}");

    (void)state;
    arena_init(&memory);
    assert_true(anthropic_relay_read(&memory, start, &facts));
    assert_str(
        str_slice(start, facts.model_at, facts.model_at + facts.model_len),
        "\"m\"");
    assert_true(anthropic_relay_read(
        &memory,
        STR("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
            "\"max_tokens\"},\"usage\":{\"output_tokens\":9}}"),
        &facts));
    assert_int_equal(facts.model_len, 0);
    assert_int_equal(facts.finish, CHAT_FINISH_LENGTH);
    assert_true(facts.usage.is_known && facts.usage.input == 12 &&
                facts.usage.cache_read == 4 && facts.usage.cache_write == 5 &&
                facts.usage.output == 9);
    assert_true(anthropic_relay_read(
        &memory, STR("{\"type\":\"message_stop\"}"), &facts));
    assert_true(facts.is_last);
    assert_true(anthropic_relay_read(
        &memory, STR("{\"type\":\"error\",\"error\":{}}"), &facts));
    assert_true(facts.is_error && !facts.is_last);
    assert_false(anthropic_relay_read(&memory, STR("{}"), &facts));
    assert_false(anthropic_relay_read(&memory, STR("[]"), &facts));
    assert_false(anthropic_relay_read(&memory, STR("{\"type\":"), &facts));
    arena_clear(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_the_same_but_for_the_model),
        cmocka_unit_test(a_name_that_needs_escapes_is_escaped),
        cmocka_unit_test(the_usage_of_a_stream_is_asked_for),
        with_arena(the_facts_of_an_answer_are_read),
        with_arena(only_what_a_reader_would_see_is_a_token),
        with_arena(each_finish_reason_has_its_meaning),
        with_arena(a_usage_chunk_has_no_choices_and_is_fine),
        with_arena(errors_are_told_from_answers),
        with_arena(what_is_no_answer_is_refused),
        with_arena(an_answer_is_the_same_but_for_the_model),
        with_arena(the_usage_of_a_chunk_can_be_left_out),
        with_arena(only_usage_without_choices_is_nothing_but_usage),
        cmocka_unit_test(a_token_of_anthropics_is_what_a_reader_sees),
        cmocka_unit_test(what_anthropic_says_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
