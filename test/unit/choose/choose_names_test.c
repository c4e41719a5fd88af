/* choose: rules about the names of models, and what is left of a name that a
 * rule has sent elsewhere. */
#include "choose/choose.h"

#include "../given.h"
#include "../testing.h"
#include "dialect/openai.h"

#define BOTH                                                             \
    "backends:\n"                                                        \
    "  - {name: general, tier: local, url: http://127.0.0.1:1, models: " \
    "[{name: small}]}\n"                                                 \
    "  - {name: code, tier: local, url: http://127.0.0.1:2, models: "    \
    "[{name: coder, context_window: 1000}]}\n"                           \
    "  - {name: vendor, tier: cloud, url: http://127.0.0.1:3, api_key: " \
    "k, models: [{name: claude-sonnet-4-6}]}\n"

#define RULES                                                             \
    "rules:\n"                                                            \
    "  - {name: haiku, when: {model: 'claude-haiku-*'}, use: coder}\n"    \
    "  - {name: gpt, when: {model: 'gpt-*'}, use: local}\n"               \
    "  - {name: far, when: {model: 'o?'}, use: cloud}\n"                  \
    "  - {name: big, when: {min_prompt_tokens: 500}, use: cloud}\n"       \
    "  - {name: agents, when: {tool: '^(Bash|Edit)$', model: '*'}, use: " \
    "coder}\n"                                                            \
    "  - {name: quiet, when: {model: '*-secret'}, use: coder, policy: "   \
    "local-only}\n"

static struct arena arena;
static struct catalog *catalog;
static struct chat chat;
static struct head head;
static struct rule_facts facts;
static struct choice choice;
static struct chat_error error;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head);
    catalog = NULL;
    facts = (struct rule_facts){
        .chat = &chat, .head = &head, .prompt_tokens = 10, .max_tokens = 10};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    catalog_unref(catalog);
    head_fini(&head);
    arena_clear(&arena);
    return 0;
}

static void pin(const char *policy)
{
    head_clear(&head);
    head_add_name(&head, STR("X-Router-Policy"));
    head_end_name(&head);
    head_add_value(&head, str_of(policy));
    head_complete(&head);
}

static bool decide(const char *model, const char *more)
{
    struct str body = arena_printf(
        &arena,
        "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":"
        "\"x\"}]%s}",
        model, more);

    assert_true(openai_read_request(&arena, body, &chat, &error));
    error = (struct chat_error){.error = OK};
    return choose(&arena, catalog, &facts, &choice, &error);
}

static void assert_choice(const char *model, const char *first,
                          const char *second, const char *reason)
{
    if (!decide(model, "")) {
        struct str says = chat_error_message(&error);

        fail_msg("%.*s", STR_ARG(says));
    }
    assert_str(choice.reason, reason);
    assert_str(choice.targets[0].upstream, first);
    assert_str(choice.target_count > 1 ? choice.targets[1].upstream
                                       : STR("none"),
               second);
}

static void a_rule_about_a_name_decides_for_it(void **state)
{
    (void)state;
    catalog = given_catalog(BOTH RULES);
    /* what the caller named is still the next best */
    assert_choice("claude-haiku-4-5", "coder", "claude-haiku-4-5",
                  "rule:haiku");
    assert_true(choice.wants_local);
    /* a name that nobody knows */
    assert_choice("gpt-5-mini", "small", "claude-sonnet-4-6", "rule:gpt");
    assert_choice("o3", "claude-sonnet-4-6", "none", "rule:far");
    /* other names and other rules are as ever */
    assert_choice("claude-opus-5", "claude-opus-5", "none", "explicit");
    assert_choice("small", "small", "claude-sonnet-4-6", "explicit");
    facts.prompt_tokens = 600;
    assert_choice("small", "small", "claude-sonnet-4-6", "explicit");
    assert_choice("auto", "claude-sonnet-4-6", "small", "rule:big");
    assert_false(decide("o33", ""));
    assert_int_equal(error.error, ERR_NO_SUCH_MODEL);
}

static void what_the_rule_uses_must_fit(void **state)
{
    (void)state;
    catalog = given_catalog(BOTH RULES);
    facts.prompt_tokens = 1001;
    assert_choice("claude-haiku-4-5", "claude-haiku-4-5", "none",
                  "fit:context");
    pin("local-only");
    assert_false(decide("claude-haiku-4-5", ""));
    assert_int_equal(error.error, ERR_CONTEXT_LENGTH);
    assert_has(chat_error_message(&error), "\"coder\" is 1000 tokens");
}

static void tools_and_names_go_together(void **state)
{
    static const char bash[] = ",\"tools\":[{\"function\":{\"name\":\"f\"}},"
                               "{\"function\":{\"name\":\"Bash\"}}]";

    (void)state;
    catalog = given_catalog(BOTH RULES);
    assert_true(decide("claude-opus-5", bash));
    assert_str(choice.reason, "rule:agents");
    assert_str(choice.targets[0].upstream, "coder");
    assert_str(choice.targets[1].upstream, "claude-opus-5");
    assert_true(decide("auto", bash));
    assert_str(choice.reason, "rule:agents");
    assert_str(choice.targets[1].upstream, "claude-sonnet-4-6");
}

static void pins_are_stronger_than_rules_about_names(void **state)
{
    (void)state;
    catalog = given_catalog(BOTH RULES);
    pin("local-only");
    assert_choice("claude-haiku-4-5", "coder", "none", "rule:haiku");
    assert_choice("gpt-5", "small", "none", "rule:gpt");
    /* the rule is out of the question: then the name counts as ever */
    assert_false(decide("o3", ""));
    assert_int_equal(error.error, ERR_NO_SUCH_MODEL);
    pin("cloud-only");
    assert_choice("claude-haiku-4-5", "claude-haiku-4-5", "none", "explicit");
    assert_false(decide("gpt-5", ""));
    assert_int_equal(error.error, ERR_NO_SUCH_MODEL);
}

static void a_policy_beside_a_name_guards_that_name(void **state)
{
    (void)state;
    catalog = given_catalog(BOTH RULES);
    assert_choice("my-secret", "coder", "none", "rule:quiet");
    assert_int_equal(choice.allowed, TIER_LOCAL);
    /* even where a rule before it decides */
    assert_choice("claude-haiku-secret", "coder", "none", "rule:haiku");
    assert_int_equal(choice.allowed, TIER_LOCAL);
    assert_choice("auto", "small", "claude-sonnet-4-6", "rule:short");
    pin("cloud-only");
    assert_false(decide("my-secret", ""));
    assert_int_equal(error.error, ERR_POLICY_CONFLICT);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(a_rule_about_a_name_decides_for_it),
        with_arena(what_the_rule_uses_must_fit),
        with_arena(tools_and_names_go_together),
        with_arena(pins_are_stronger_than_rules_about_names),
        with_arena(a_policy_beside_a_name_guards_that_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
