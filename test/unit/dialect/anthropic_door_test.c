/* dialect/anthropic_door: the members of a request's top level. */
#include "asked_messages.h"

static void every_field_has_its_place(void **state)
{
    struct asked asked;
    const struct chat *chat = &asked.chat;
    struct str body =
        STR(ASKED("\"stream\":true,\"system\":\"s\",\"temperature\":0.50,"
                  "\"top_p\":1e-1,\"top_k\":40,\"stop_sequences\":[\"A\","
                  "\"B\"],\"metadata\":{\"user_id\":\"u\"},"
                  "\"service_tier\":\"auto\","
                  "\"output_config\":{\"effort\":\"xhigh\"},"
                  "\"thinking\":{\"type\":\"adaptive\"}"));

    (void)state;
    asked_good(&asked, body);
    assert_str(chat->model, "m");
    assert_str(
        str_slice(body, chat->model_at, chat->model_at + chat->model_len),
        "\"m\"");
    assert_true(chat->has_max_tokens && chat->max_tokens == 9);
    assert_str(chat->max_tokens_name, "max_tokens");
    assert_true(chat->is_stream);
    assert_str(chat->temperature, "0.50");
    assert_str(chat->top_p, "1e-1");
    assert_str(chat->top_k, "40");
    assert_int_equal(chat->stop_count, 2);
    assert_str(chat->stops[1], "B");
    assert_str(chat->user, "u");
    assert_str(chat->service_tier, "auto");
    assert_int_equal(chat->effort, CHAT_EFFORT_XHIGH);
    assert_true(chat->wants_thinking);
    assert_int_equal(chat->message_count, 2);
    assert_int_equal(chat->messages[0].role, CHAT_SYSTEM);
    assert_str(chat->messages[0].parts[0].text, "s");
    assert_int_equal(chat->other_count, 0);
    assert_str(chat->words->call_id, "tool_use_id");
    assert_str(chat->words->effort, "output_config.effort");
    assert_str(chat->words->stops, "stop_sequences");
    assert_str(chat->words->user, "metadata.user_id");
    assert_true(chat->words->starts_with_usage);
    asked_fini(&asked);
}

static void null_is_absent(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked,
               STR(ASKED("\"stream\":null,\"system\":null,\"tools\":null,"
                         "\"tool_choice\":null,\"thinking\":null,"
                         "\"output_config\":null,\"metadata\":null,"
                         "\"service_tier\":null,\"stop_sequences\":null,"
                         "\"top_k\":null,\"container\":null,\"odd\":null")));
    assert_int_equal(asked.chat.message_count, 1);
    assert_int_equal(asked.chat.other_count, 0);
    assert_int_equal(asked.chat.effort, CHAT_EFFORT_UNSET);
    asked_fini(&asked);
}

static void what_has_no_place_is_noted_by_its_path(void **state)
{
    static const struct {
        const char *more;
        const char *others;
    } cases[] = {
        {"\"container\":\"c\",\"mcp_servers\":[],\"context_management\":{},"
         "\"inference_geo\":\"eu\",\"speed\":\"fast\",\"odd\":0,"
         "\"cache_control\":{\"type\":\"ephemeral\"}",
         "container mcp_servers context_management inference_geo speed odd"},
        {"\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048,"
         "\"display\":\"omitted\"}",
         "thinking.budget_tokens thinking.display"},
        {"\"output_config\":{\"task_budget\":{},\"effort\":\"low\"}",
         "output_config.task_budget"},
        {"\"thinking\":{\"type\":\"disabled\"},"
         "\"output_config\":{\"effort\":\"low\"}",
         "output_config.effort"},
        {"\"metadata\":{\"user_id\":null,\"trace\":\"t\"}", "metadata.trace"},
        {"\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"type\":\"custom\","
         "\"input_examples\":[{}],\"defer_loading\":true,"
         "\"eager_input_streaming\":true,\"allowed_callers\":[\"direct\"],"
         "\"strict\":true},"
         "{\"name\":\"g\",\"input_schema\":{},\"input_examples\":[{}],"
         "\"cache_control\":null}]",
         "tools[].input_examples tools[].defer_loading "
         "tools[].eager_input_streaming tools[].allowed_callers"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct asked asked;
        struct str body;
        struct arena arena;

        arena_init(&arena);
        body = arena_printf(
            &arena, "{\"max_tokens\":1,\"messages\":[" USER("\"x\"") "],%s}",
            cases[i].more);
        asked_good(&asked, body);
        assert_str(asked_others(&asked), cases[i].others);
        asked_fini(&asked);
        arena_clear(&arena);
    }
}

static void thinking_that_is_off_wins_over_effort(void **state)
{
    static const struct str bodies[] = {
        STR_INIT(ASKED("\"thinking\":{\"type\":\"disabled\"},"
                       "\"output_config\":{\"effort\":\"high\"}")),
        STR_INIT(ASKED("\"output_config\":{\"effort\":\"high\"},"
                       "\"thinking\":{\"type\":\"between_tools\"}")),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct asked asked;

        asked_good(&asked, bodies[i]);
        assert_int_equal(asked.chat.effort, CHAT_EFFORT_NONE);
        assert_false(asked.chat.wants_thinking);
        asked_fini(&asked);
    }
}

static void a_schema_comes_by_either_name(void **state)
{
    static const struct str bodies[] = {
        STR_INIT(ASKED("\"output_config\":{\"format\":{\"type\":"
                       "\"json_schema\",\"schema\":{\"type\":\"object\"}}}")),
        STR_INIT(ASKED("\"output_format\":{\"type\":\"json_schema\","
                       "\"schema\":{\"type\":\"object\"}}")),
        STR_INIT(ASKED("\"output_config\":{\"format\":{\"type\":"
                       "\"json_schema\",\"schema\":{\"type\":\"object\"}}},"
                       "\"output_format\":\"old\"")),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct asked asked;

        asked_good(&asked, bodies[i]);
        assert_int_equal(asked.chat.format, CHAT_FORMAT_JSON_SCHEMA);
        assert_str(json_get_text(asked.chat.format_schema, STR("type")),
                   "object");
        asked_fini(&asked);
    }
}

static void tools_of_anthropics_own_are_counted_apart(void **state)
{
    struct asked asked;
    const struct chat *chat = &asked.chat;

    (void)state;
    asked_good(&asked,
               STR(ASKED("\"tools\":[{\"type\":\"mcp_toolset\","
                         "\"mcp_server_name\":\"s\"},"
                         "{\"name\":\"f\",\"description\":\"d\\u00fc\","
                         "\"strict\":true,"
                         "\"input_schema\":{\"type\":\"object\"},"
                         "\"cache_control\":{\"type\":\"ephemeral\"}},"
                         "{\"type\":\"web_search_20260209\","
                         "\"name\":\"web_search\"}],"
                         "\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\","
                         "\"disable_parallel_tool_use\":true}")));
    assert_int_equal(chat->server_tool_count, 2);
    assert_str(chat->server_tool, "mcp_toolset");
    assert_int_equal(chat->tool_count, 1);
    assert_str(chat->tools[0].name, "f");
    assert_str(chat->tools[0].description, "d\xc3\xbc");
    assert_true(chat->tools[0].is_strict);
    assert_false(chat->tools[0].is_custom);
    assert_non_null(chat->tools[0].schema);
    assert_non_null(chat->tools[0].cache);
    assert_int_equal(chat->choice, CHAT_CHOICE_NAMED);
    assert_str(chat->choice_name, "f");
    assert_true(chat->is_serial);
    asked_fini(&asked);
}

static void choices_by_name(void **state)
{
    static const struct {
        struct str body;
        enum chat_choice choice;
    } cases[] = {
        {STR_INIT(ASKED("\"tool_choice\":{\"type\":\"auto\"}")),
         CHAT_CHOICE_AUTO},
        {STR_INIT(ASKED("\"tool_choice\":{\"type\":\"any\"}")),
         CHAT_CHOICE_REQUIRED},
        {STR_INIT(ASKED("\"tool_choice\":{\"type\":\"none\"}")),
         CHAT_CHOICE_NONE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct asked asked;

        asked_good(&asked, cases[i].body);
        assert_int_equal(asked.chat.choice, cases[i].choice);
        assert_false(asked.chat.is_serial);
        asked_fini(&asked);
    }
}

static void counting_needs_no_limit(void **state)
{
    struct arena arena;
    struct chat chat;
    struct chat_error error;

    (void)state;
    arena_init(&arena);
    assert_true(anthropic_read_count(
        &arena, STR("{\"messages\":[" USER("\"abc\"") "]}"), &chat, &error));
    assert_false(chat.has_max_tokens);
    assert_int_equal(chat.characters, 3);
    arena_clear(&arena);
}

/* Wide documents take the time of their length: the names are noted up to a
 * bound, and no more. */
static void endless_unknown_members_are_bounded(void **state)
{
    struct asked asked;
    struct buf body;

    (void)state;
    buf_init(&body, 16 << 20);
    buf_put(&body, STR("{\"max_tokens\":1,\"messages\":[{\"role\":\"user\","
                       "\"content\":[{\"type\":\"text\",\"text\":\"x\""));
    for (unsigned i = 0; i < 20000; i++)
        buf_printf(&body, ",\"m%u\":1", i);
    buf_put(&body, STR("}]}]}"));
    asked_good(&asked, buf_str(&body));
    assert_int_equal(asked.chat.other_count, 100);
    assert_str(asked.chat.others[99], "messages[].content[].m99");
    asked_fini(&asked);
    buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_place),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(what_has_no_place_is_noted_by_its_path),
        cmocka_unit_test(thinking_that_is_off_wins_over_effort),
        cmocka_unit_test(a_schema_comes_by_either_name),
        cmocka_unit_test(tools_of_anthropics_own_are_counted_apart),
        cmocka_unit_test(choices_by_name),
        cmocka_unit_test(counting_needs_no_limit),
        cmocka_unit_test(endless_unknown_members_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
