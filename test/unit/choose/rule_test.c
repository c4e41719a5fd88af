/* choose/rule: does a request match? */
#include "choose/rule.h"

#include "../given.h"
#include "../testing.h"
#include "dialect/openai.h"

static struct arena arena;
static struct chat chat;
static struct head head;
static struct rule_facts facts;

static void ask(const char *body)
{
    struct chat_error error;

    assert_true(openai_read_request(&arena, str_of(body), &chat, &error));
}

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head);
    ask("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    facts = (struct rule_facts){
        .chat = &chat,
        .head = &head,
        .prompt_tokens = 100,
        .max_tokens = 200,
        .minute_of_day = 12 * 60,
    };
    return 0;
}

static int finish(void **state)
{
    (void)state;
    head_fini(&head);
    arena_clear(&arena);
    return 0;
}

static void add_header(const char *name, const char *value)
{
    head_add_name(&head, str_of(name));
    head_end_name(&head);
    head_add_value(&head, str_of(value));
    head_complete(&head);
}

/* A rule without conditions. */
static struct rule any(void)
{
    return (struct rule){.tools = -1, .images = -1};
}

static void a_rule_without_conditions_matches(void **state)
{
    struct rule rule = any();

    (void)state;
    assert_true(rule_matches(&rule, &facts));
    facts.head = NULL;
    assert_true(rule_matches(&rule, &facts));
}

static void bounds_belong_to_what_they_bound(void **state)
{
    struct rule rule = any();

    (void)state;
    rule.has_min_tokens = rule.has_max_tokens = true;
    rule.min_tokens = rule.max_tokens = 100;
    assert_true(rule_matches(&rule, &facts));
    facts.prompt_tokens = 101;
    assert_false(rule_matches(&rule, &facts));
    facts.prompt_tokens = 99;
    assert_false(rule_matches(&rule, &facts));
    rule = any();
    rule.has_min_answer = rule.has_max_answer = true;
    rule.min_answer = rule.max_answer = 200;
    assert_true(rule_matches(&rule, &facts));
    facts.max_tokens = 199;
    assert_false(rule_matches(&rule, &facts));
    facts.max_tokens = 201;
    assert_false(rule_matches(&rule, &facts));
}

static void tools_and_images_are_there_or_not(void **state)
{
    struct rule with = any();
    struct rule without = any();

    (void)state;
    with.tools = 1;
    without.tools = 0;
    assert_false(rule_matches(&with, &facts));
    assert_true(rule_matches(&without, &facts));
    ask("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\","
        "\"file\":{\"file_id\":\"a\"}}]}],\"tools\":[{\"function\":{\"name\":"
        "\"f\"}}]}");
    assert_true(rule_matches(&with, &facts));
    assert_false(rule_matches(&without, &facts));
    with = any();
    with.images = 1;
    without = any();
    without.images = 0;
    assert_true(rule_matches(&with, &facts)); /* files count as images */
    assert_false(rule_matches(&without, &facts));
}

static void a_header_is_asked_for_by_name_or_by_value(void **state)
{
    struct rule named = any();
    struct rule valued = any();

    (void)state;
    named.header_name = valued.header_name = STR("X-Team");
    valued.header_value = STR("red");
    assert_false(rule_matches(&named, &facts));
    add_header("x-team", "blue");
    assert_true(rule_matches(&named, &facts));
    assert_false(rule_matches(&valued, &facts));
    head_clear(&head);
    add_header("x-team", "red");
    assert_true(rule_matches(&valued, &facts));
    /* any of several */
    head_clear(&head);
    for (int i = 0; i < 2; i++) {
        head_add_name(&head, STR("x-team"));
        head_end_name(&head);
        head_add_value(&head, i == 0 ? STR("blue") : STR("red"));
    }
    head_complete(&head);
    assert_true(rule_matches(&valued, &facts));
    head_clear(&head);
    add_header("x-team", "Red"); /* values have a case */
    assert_false(rule_matches(&valued, &facts));
    facts.head = NULL;
    assert_false(rule_matches(&named, &facts));
}

static void a_key_is_asked_for_by_its_name(void **state)
{
    struct api_key key = {.name = STR("team")};
    struct rule rule = any();

    (void)state;
    rule.key = STR("team");
    assert_false(rule_matches(&rule, &facts));
    facts.key = &key;
    assert_true(rule_matches(&rule, &facts));
    key.name = STR("Team");
    assert_false(rule_matches(&rule, &facts));
}

static void hours_may_go_over_midnight(void **state)
{
    static const struct {
        int from, to, minute;
        bool matches;
    } cases[] = {
        {9 * 60, 17 * 60, 9 * 60, true},
        {9 * 60, 17 * 60, 17 * 60 - 1, true},
        {9 * 60, 17 * 60, 17 * 60, false},
        {9 * 60, 17 * 60, 9 * 60 - 1, false},
        {22 * 60, 6 * 60, 22 * 60, true},
        {22 * 60, 6 * 60, 0, true},
        {22 * 60, 6 * 60, 6 * 60 - 1, true},
        {22 * 60, 6 * 60, 6 * 60, false},
        {22 * 60, 6 * 60, 12 * 60, false},
        {0, 24 * 60, 0, true},
        {0, 24 * 60, 24 * 60 - 1, true},
    };
    struct rule rule = any();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rule.from_minute = cases[i].from;
        rule.to_minute = cases[i].to;
        facts.minute_of_day = cases[i].minute;
        assert_int_equal(rule_matches(&rule, &facts), cases[i].matches);
    }
    assert_in_range(rule_minute_now(), 0, 24 * 60 - 1);
}

static void a_pattern_looks_at_every_text_of_the_messages(void **state)
{
    struct rule rule = any();

    (void)state;
    rule.text = regex_new(STR("(?i)\\bselect\\b"));
    assert_non_null(rule.text);
    assert_false(rule_matches(&rule, &facts));
    ask("{\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":"
        "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"b\"},{\"type\":"
        "\"text\",\"text\":\"SELECT 1\"}]}]}");
    assert_true(rule_matches(&rule, &facts));
    ask("{\"messages\":[{\"role\":\"system\",\"content\":\"please select\"},"
        "{\"role\":\"user\",\"content\":\"b\"}]}");
    assert_true(rule_matches(&rule, &facts));
    ask("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"image_url\",\"image_url\":{\"url\":\"https://select.test\"}}]}]}");
    assert_false(rule_matches(&rule, &facts));
    ask("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":"
        "\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":"
        "\"f\",\"arguments\":\"{\\\"q\\\":\\\"select\\\"}\"}}]}]}");
    assert_true(rule_matches(&rule, &facts));
    ask("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":"
        "[{\"function\":{\"name\":\"f\",\"description\":\"select rows\"}}]}");
    assert_true(rule_matches(&rule, &facts));
    ask("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\","
        "\"file\":{\"file_data\":\"data:text/"
        "plain;base64,c2VsZWN0IDE=\"}}]}]}");
    assert_true(rule_matches(&rule, &facts));
    regex_free(rule.text);
}

static void ask_messages(const char *content)
{
    struct chat_error error;

    assert_true(format_messages.read_request(
        &arena,
        arena_printf(
            &arena,
            "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":"
            "\"user\",\"content\":[%s]}]}",
            content),
        &chat, &error));
}

static void a_pattern_looks_into_blocks_that_only_a_vendor_knows(void **state)
{
    struct rule rule = any();

    (void)state;
    rule.text = regex_new(STR("(?i)\\bselect\\b"));
    assert_non_null(rule.text);
    ask_messages("{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\","
                 "\"content\":[{\"type\":\"text\",\"text\":\"select 1\"}]}");
    assert_true(rule_matches(&rule, &facts));
    ask_messages("{\"type\":\"document\",\"source\":{\"type\":\"text\","
                 "\"media_type\":\"text/plain\",\"data\":\"select 1\"}}");
    assert_true(rule_matches(&rule, &facts));
    ask_messages("{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":"
                 "[{\"type\":\"text\",\"text\":\"select 1\"}]}");
    assert_true(rule_matches(&rule, &facts));
    ask_messages("{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\","
                 "\"content\":[{\"type\":\"text\",\"text\":\"selection\"}]}");
    assert_false(rule_matches(&rule, &facts));
    regex_free(rule.text);
}

static void a_tool_is_asked_for_by_its_name(void **state)
{
    struct rule rule = any();

    (void)state;
    rule.tool = regex_new(STR("^(Bash|Edit|apply_patch|shell)$"));
    assert_non_null(rule.tool);
    assert_false(rule_matches(&rule, &facts));
    /* any of them; a description is no name */
    ask("{\"messages\":[{\"role\":\"user\",\"content\":\"Bash\"}],\"tools\":"
        "[{\"function\":{\"name\":\"BashOutput\",\"description\":"
        "\"Bash\"}}]}");
    assert_false(rule_matches(&rule, &facts));
    ask("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":"
        "[{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":"
        "\"Edit\"}}]}");
    assert_true(rule_matches(&rule, &facts));
    /* those that run elsewhere count, too */
    ask("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    chat.server_tool = STR("shell");
    chat.server_tool_count = 1;
    assert_true(rule_matches(&rule, &facts));
    regex_free(rule.tool);
    rule = any();
    rule.tools = 0;
    assert_false(rule_matches(&rule, &facts));
    /* what nobody can decide: only a policy fails closed */
    rule = any();
    rule.tool = regex_new(STR("^(a+)+$"));
    chat.server_tool = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
    assert_false(rule_matches(&rule, &facts));
    assert_true(rule_may_match(&rule, &facts));
    rule.policy = TIER_LOCAL;
    assert_true(rule_matches(&rule, &facts));
    regex_free(rule.tool);
}

static void a_model_is_asked_for_by_a_pattern(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        {"claude-haiku-*", "claude-haiku-4-5", true},
        {"claude-haiku-*", "claude-haiku-", true},
        {"claude-haiku-*", "claude-haiku", false},
        {"claude-haiku-*", "Claude-haiku-4-5", false},
        {"claude-haiku-*", "my-claude-haiku-4-5", false},
        {"*haiku*", "claude-3-5-haiku-latest", true},
        {"*-*-mini", "gpt-5-mini", true},
        {"*-*-mini", "gpt-mini", false},
        {"*ab", "aab", true},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "aab", false},
        {"a.c", "abc", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"gpt-4o", "gpt-4o", true},
        {"gpt-4o", "gpt-4o-mini", false},
        {"**", "x", true},
        {"auto", "", true}, /* none is auto */
        {"auto", "auto", true},
        {"*", "", true},
        {"auto*", "automatic", true},
    };
    struct rule rule = any();
    char name[1026];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rule.model = str_of(cases[i].pattern);
        chat.model = str_of(cases[i].name);
        if (rule_matches(&rule, &facts) != cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].name);
    }
    /* no name is that long; a policy fails closed */
    memset(name, 'a', sizeof(name));
    rule.model = STR("a*");
    chat.model = (struct str){name, 1024};
    assert_true(rule_matches(&rule, &facts));
    chat.model.len = 1025;
    assert_false(rule_matches(&rule, &facts));
    rule.policy = TIER_LOCAL;
    assert_true(rule_matches(&rule, &facts));
}

static void all_conditions_must_hold(void **state)
{
    struct rule rule = any();

    (void)state;
    rule.tools = 0;
    rule.has_min_tokens = true;
    rule.min_tokens = 100;
    rule.header_name = STR("x-a");
    assert_false(rule_matches(&rule, &facts));
    add_header("X-A", "");
    assert_true(rule_matches(&rule, &facts));
    facts.prompt_tokens = 99;
    assert_false(rule_matches(&rule, &facts));
}

static void four_characters_are_a_token(void **state)
{
    (void)state;
    assert_true(rule_estimate_tokens(0) == 0);
    assert_true(rule_estimate_tokens(1) == 1);
    assert_true(rule_estimate_tokens(4) == 1);
    assert_true(rule_estimate_tokens(5) == 2);
    assert_true(rule_estimate_tokens(4000) == 1000);
    assert_true(rule_estimate_tokens(4001) == 1001);
}

#define with_facts(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_facts(a_rule_without_conditions_matches),
        with_facts(bounds_belong_to_what_they_bound),
        with_facts(tools_and_images_are_there_or_not),
        with_facts(a_header_is_asked_for_by_name_or_by_value),
        with_facts(a_key_is_asked_for_by_its_name),
        with_facts(hours_may_go_over_midnight),
        with_facts(a_pattern_looks_at_every_text_of_the_messages),
        with_facts(a_pattern_looks_into_blocks_that_only_a_vendor_knows),
        with_facts(a_tool_is_asked_for_by_its_name),
        with_facts(a_model_is_asked_for_by_a_pattern),
        with_facts(all_conditions_must_hold),
        with_facts(four_characters_are_a_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
