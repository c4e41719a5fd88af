/* choose: which backends a request may go to, in which order, and why. */
#include "choose/choose.h"

#include "../given.h"
#include "../testing.h"
#include "dialect/openai.h"

#define LOCAL                                                        \
    "  - {name: gpu, tier: local, url: http://127.0.0.1:1, models: " \
    "[{name: small, upstream: org/small, context_window: 4096}, "    \
    "{name: blind, images: false, tools: false}]}\n"
#define CLOUD                                                               \
    "  - {name: vendor, tier: cloud, url: http://127.0.0.1:2, api_key: k, " \
    "models: [{name: claude-sonnet-4-6}]}\n"
#define BOTH "backends:\n" LOCAL CLOUD

static struct arena arena;
static struct catalog *catalog;
static struct chat chat;
static struct head head;
static struct api_key key;
static struct rule_facts facts;
static struct choice choice;
static struct chat_error error;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head);
    catalog = NULL;
    key = (struct api_key){.name = STR("team")};
    facts = (struct rule_facts){
        .chat = &chat, .head = &head, .prompt_tokens = 10, .max_tokens = 10};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    if (catalog != NULL)
        catalog_unref(catalog);
    head_fini(&head);
    arena_clear(&arena);
    return 0;
}

static void use(const char *yaml)
{
    if (catalog != NULL)
        catalog_unref(catalog);
    catalog = given_catalog(yaml);
}

static void pin_by_header(const char *policy)
{
    head_clear(&head);
    if (policy != NULL) {
        head_add_name(&head, STR("X-Router-Policy"));
        head_end_name(&head);
        head_add_value(&head, str_of(policy));
    }
    head_complete(&head);
}

static void pin_by_key(enum tier policy)
{
    key.policy = policy;
    facts.key = &key;
}

static bool try_model(const char *model, const char *more)
{
    struct chat_error ignored;
    struct str body = arena_printf(
        &arena,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]%s%s%s%s}",
        model == NULL ? "" : ",\"model\":\"", model == NULL ? "" : model,
        model == NULL ? "" : "\"", more);

    assert_true(openai_read_request(&arena, body, &chat, &ignored));
    error = (struct chat_error){.error = OK};
    return choose(&arena, catalog, &facts, &choice, &error);
}

static struct str backend_name(unsigned i)
{
    return i < choice.target_count ? choice.targets[i].backend->name
                                   : STR("none");
}

/* Chooses for `model` (NULL: none), and expects this order and reason. */
static void assert_choice(const char *model, const char *first,
                          const char *second, const char *reason)
{
    if (!try_model(model, "")) {
        struct str says = chat_error_message(&error);

        fail_msg("%.*s", STR_ARG(says));
    }
    assert_str(backend_name(0), first);
    assert_str(backend_name(1), second);
    assert_str(choice.reason, reason);
}

static void assert_refused(const char *model, enum error expected,
                           const char *says)
{
    assert_false(try_model(model, ""));
    assert_int_equal(error.error, expected);
    assert_has(chat_error_message(&error), says);
}

static void names_lead_to_their_tier(void **state)
{
    (void)state;
    use(BOTH);
    assert_choice("local", "gpu", "vendor", "explicit");
    assert_str(choice.targets[0].upstream, "org/small");
    assert_str(choice.targets[1].upstream, "claude-sonnet-4-6");
    assert_null(choice.targets[0].claude);
    assert_non_null(choice.targets[1].claude);
    assert_true(choice.wants_local);
    assert_false(choice.is_pinned);
    assert_choice("small", "gpu", "vendor", "explicit");
    assert_choice("blind", "gpu", "vendor", "explicit");
    assert_str(choice.targets[0].upstream, "blind");
    assert_choice("cloud", "vendor", "none", "explicit");
    assert_false(choice.wants_local);
    assert_choice("claude", "vendor", "none", "explicit");
    assert_choice("claude-sonnet-4-6", "vendor", "none", "explicit");
    /* any other name of a Claude goes to the cloud as it is */
    assert_choice("claude-opus-9-9", "vendor", "none", "explicit");
    assert_str(choice.targets[0].upstream, "claude-opus-9-9");
    assert_ptr_equal(choice.targets[0].claude, &claude_unknown);
}

static void an_unknown_name_is_refused_with_the_known_ones(void **state)
{
    (void)state;
    use(BOTH);
    assert_refused("gpt-9", ERR_NO_SUCH_MODEL, "\"gpt-9\" does not exist");
    assert_str(error.param, "model");
    assert_has(chat_error_message(&error),
               "auto, local, cloud, claude, claude-*, small, blind, "
               "claude-sonnet-4-6");
    assert_refused("Local", ERR_NO_SUCH_MODEL, "\"Local\"");
    assert_refused("org/small", ERR_NO_SUCH_MODEL, "org/small");
    use("backends:\n" LOCAL);
    assert_refused("cloud", ERR_NO_SUCH_MODEL,
                   "Known models: auto, local, "
                   "small, blind");
    assert_refused("claude-haiku-4-5", ERR_NO_SUCH_MODEL, "does not exist");
    use("backends:\n" CLOUD);
    assert_refused("local", ERR_NO_SUCH_MODEL, "does not exist");
}

static void the_known_names_have_a_bound(void **state)
{
    struct buf yaml;
    struct str names;

    (void)state;
    buf_init(&yaml, 1 << 16);
    buf_put(&yaml, STR("backends:\n  - {name: a, tier: local, url: "
                       "'http://127.0.0.1:1', models: ["));
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&yaml, "{name: model-%u}, ", i);
    buf_printf(&yaml, "]}\n");
    buf_put_char(&yaml, '\0');
    use(yaml.ptr);
    names = choose_known_names(&arena, catalog, SERVICE_CHAT, 300);
    assert_true(names.len <= 300);
    assert_true(str_starts(names, STR("auto, local, model-0, model-1, ")));
    buf_fini(&yaml);
}

static void auto_is_decided_by_the_thresholds(void **state)
{
    static const struct {
        int64_t prompt, answer;
        const char *first;
        const char *second;
        const char *reason;
    } cases[] = {
        {1, 1, "gpu", "vendor", "rule:short"},
        {1000, 512, "gpu", "vendor", "rule:short"},
        {1001, 512, "vendor", "gpu", "rule:long-prompt"},
        {1000, 513, "vendor", "gpu", "rule:long-answer"},
        {1001, 513, "vendor", "gpu", "rule:long-prompt"},
    };

    (void)state;
    use(BOTH);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        facts.prompt_tokens = cases[i].prompt;
        facts.max_tokens = cases[i].answer;
        assert_choice("auto", cases[i].first, cases[i].second, cases[i].reason);
        assert_choice(NULL, cases[i].first, cases[i].second, cases[i].reason);
        assert_choice("", cases[i].first, cases[i].second, cases[i].reason);
        assert_true(choice.prompt_tokens == cases[i].prompt);
        assert_true(choice.max_tokens == cases[i].answer);
    }
    /* what counts when a request has none */
    assert_true(catalog->settings.assumed_max_tokens == 512);
}

static void the_thresholds_can_be_set(void **state)
{
    (void)state;
    use(BOTH "routing: {local_tokens: 0, local_max_tokens: 20}\n");
    facts.prompt_tokens = 0;
    facts.max_tokens = 20;
    assert_choice("auto", "gpu", "vendor", "rule:short");
    facts.max_tokens = 21;
    assert_choice("auto", "vendor", "gpu", "rule:long-answer");
    facts.prompt_tokens = 1;
    assert_choice("auto", "vendor", "gpu", "rule:long-prompt");
}

static void one_tier_alone_takes_everything(void **state)
{
    (void)state;
    use("backends:\n" LOCAL);
    facts.prompt_tokens = 5000;
    assert_true(try_model("auto", ""));
    assert_str(backend_name(0), "gpu");
    assert_int_equal(choice.target_count, 1);
    facts.prompt_tokens = 1;
    assert_choice("auto", "gpu", "none", "rule:short");
    use("backends:\n" CLOUD);
    assert_choice("auto", "vendor", "none", "rule:only-tier");
    facts.prompt_tokens = 5000;
    assert_choice("auto", "vendor", "none", "rule:long-prompt");
}

static void the_first_rule_that_matches_wins(void **state)
{
    (void)state;
    use(BOTH "rules:\n"
             "  - {name: tiny, when: {max_prompt_tokens: 5}, use: blind}\n"
             "  - {name: tools, when: {tools: true}, use: cloud}\n"
             "  - {name: late, when: {min_prompt_tokens: 50}, use: "
             "claude-sonnet-4-6, policy: cloud-only}\n");
    facts.prompt_tokens = 5;
    assert_choice("auto", "gpu", "vendor", "rule:tiny");
    assert_str(choice.targets[0].upstream, "blind");
    facts.prompt_tokens = 6;
    assert_choice("auto", "gpu", "vendor", "rule:short");
    assert_true(
        try_model("auto", ",\"tools\":[{\"function\":{\"name\":\"f\"}}]"));
    assert_str(choice.reason, "rule:tools");
    assert_str(backend_name(0), "vendor");
    /* a rule's policy pins what it decides */
    facts.prompt_tokens = 60;
    assert_choice("auto", "vendor", "none", "rule:late");
    assert_true(choice.is_pinned);
    assert_int_equal(choice.allowed, TIER_CLOUD);
    /* an explicit name is none of the rules' business, but for their pins */
    assert_refused("local", ERR_POLICY_CONFLICT, "local tier");
    facts.prompt_tokens = 5;
    assert_choice("cloud", "vendor", "none", "explicit");
}

#define GUARDED                                                          \
    "rules:\n"                                                           \
    "  - {name: big, when: {min_prompt_tokens: 50}, use: cloud}\n"       \
    "  - {name: patients, when: {text: 'patient'}, use: local, policy: " \
    "local-only}\n"                                                      \
    "  - {name: legal, when: {text: 'contract'}, use: cloud, policy: "   \
    "cloud-only}\n"

static bool try_text(const char *model, const char *text)
{
    struct str body =
        arena_printf(&arena,
                     "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\","
                     "\"content\":\"%s\"}]}",
                     model, text);

    assert_true(openai_read_request(&arena, body, &chat, &error));
    return choose(&arena, catalog, &facts, &choice, &error);
}

static void a_rule_with_a_policy_guards_whatever_it_matches(void **state)
{
    (void)state;
    use(BOTH GUARDED);
    assert_true(try_text("auto", "a patient"));
    assert_str(choice.reason, "rule:patients");
    assert_int_equal(choice.allowed, TIER_LOCAL);
    /* even behind a rule that would have won */
    facts.prompt_tokens = 60;
    assert_true(try_text("auto", "somebody"));
    assert_str(choice.reason, "rule:big");
    assert_true(try_text("auto", "a patient"));
    assert_str(choice.reason, "rule:patients");
    assert_str(backend_name(1), "none");
    /* and against names */
    assert_true(try_text("local", "a patient"));
    assert_str(choice.reason, "explicit");
    assert_str(backend_name(1), "none");
    assert_false(try_text("claude-opus-5", "a patient"));
    assert_int_equal(error.error, ERR_POLICY_CONFLICT);
    /* two that contradict each other leave nothing */
    assert_false(try_text("auto", "the contract of a patient"));
    assert_has(chat_error_message(&error), "legal");
    /* and so does a header that contradicts */
    pin_by_header("cloud-only");
    assert_false(try_text("auto", "a patient"));
    assert_has(chat_error_message(&error), "patients");
}

static void a_guard_without_its_tier_refuses(void **state)
{
    (void)state;
    use("backends:\n" CLOUD GUARDED);
    assert_true(try_text("auto", "somebody"));
    assert_str(backend_name(0), "vendor");
    assert_false(try_text("auto", "a patient"));
    assert_has(chat_error_message(&error), "No backend of the tier");
}

static void a_guard_that_cannot_decide_holds(void **state)
{
    (void)state;
    use(BOTH "rules:\n"
             "  - {name: endless, when: {text: '^(a+)+$'}, use: cloud}\n"
             "  - {name: guard, when: {text: '^(b+)+$'}, use: local, policy: "
             "local-only}\n");
    assert_true(try_text("auto", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
    assert_str(choice.reason, "rule:short");
    assert_int_equal(choice.allowed, TIER_ANY);
    assert_true(try_text("auto", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb!"));
    assert_str(choice.reason, "rule:guard");
    assert_int_equal(choice.allowed, TIER_LOCAL);
}

static void a_pin_leaves_one_tier_only(void **state)
{
    (void)state;
    use(BOTH);
    pin_by_header("local-only");
    facts.prompt_tokens = 4000; /* above the threshold: pinned all the same */
    assert_choice("auto", "gpu", "none", "pin");
    assert_int_equal(choice.allowed, TIER_LOCAL);
    assert_true(choice.is_pinned);
    assert_true(choice.wants_local);
    assert_choice("local", "gpu", "none", "explicit");
    pin_by_header("Cloud-Only");
    facts.prompt_tokens = 1;
    assert_choice("auto", "vendor", "none", "pin");
    assert_int_equal(choice.allowed, TIER_CLOUD);
    assert_false(choice.wants_local);
    pin_by_header(NULL);
    pin_by_key(TIER_LOCAL);
    assert_choice("auto", "gpu", "none", "pin");
    pin_by_key(TIER_CLOUD);
    assert_choice("auto", "vendor", "none", "pin");
    /* both may say the same */
    pin_by_header("cloud-only");
    assert_choice("auto", "vendor", "none", "pin");
}

static void a_pin_that_cannot_be_kept_is_refused(void **state)
{
    (void)state;
    use(BOTH);
    pin_by_header("local-only");
    assert_refused("cloud", ERR_POLICY_CONFLICT, "served by the cloud tier");
    assert_refused("claude-x", ERR_POLICY_CONFLICT, "claude-x");
    assert_refused("claude-sonnet-4-6", ERR_POLICY_CONFLICT, "forbids");
    pin_by_key(TIER_CLOUD);
    assert_refused("auto", ERR_POLICY_CONFLICT, "policy of the key forbids");
    pin_by_header(NULL);
    assert_refused("small", ERR_POLICY_CONFLICT, "served by the local tier");
    use("backends:\n" LOCAL);
    assert_refused("auto", ERR_POLICY_CONFLICT, "No backend of the tier");
}

static void a_pin_that_cannot_be_read_is_refused(void **state)
{
    static const char *const bad[] = {
        "",    "local",      "local-only,cloud-only",
        "any", "local only", "cloud-only;"};

    (void)state;
    use(BOTH);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        pin_by_header(bad[i]);
        assert_refused("auto", ERR_BAD_POLICY, "X-Router-Policy");
    }
    /* twice, even if both say the same */
    head_clear(&head);
    for (int i = 0; i < 2; i++) {
        head_add_name(&head, STR("x-router-policy"));
        head_end_name(&head);
        head_add_value(&head, STR("local-only"));
    }
    head_complete(&head);
    assert_refused("auto", ERR_BAD_POLICY, "once");
}

static void a_pin_still_lets_a_rule_name_the_model(void **state)
{
    (void)state;
    use(BOTH "rules:\n"
             "  - {name: a, when: {max_prompt_tokens: 5}, use: "
             "claude-sonnet-4-6}\n"
             "  - {name: b, when: {max_prompt_tokens: 5}, use: blind}\n");
    facts.prompt_tokens = 5;
    pin_by_header("local-only");
    assert_choice("auto", "gpu", "none", "rule:b");
    assert_str(choice.targets[0].upstream, "blind");
    facts.prompt_tokens = 6;
    assert_choice("auto", "gpu", "none", "pin");
}

static void what_does_not_fit_goes_to_the_cloud(void **state)
{
    (void)state;
    use(BOTH);
    facts.prompt_tokens = 3000;
    facts.max_tokens = 1096;
    assert_choice("small", "gpu", "vendor", "explicit");
    facts.max_tokens = 1097;
    assert_choice("small", "vendor", "none", "fit:context");
    assert_false(choice.wants_local);
    /* a window that nobody has told is not exceeded */
    facts.max_tokens = 10;
    facts.prompt_tokens = 100000;
    assert_choice("blind", "gpu", "vendor", "explicit");
    facts.prompt_tokens = 10;
    assert_true(
        try_model("blind", ",\"tools\":[{\"function\":{\"name\":\"f\"}}]"));
    assert_str(choice.reason, "fit:tools");
    assert_str(backend_name(0), "vendor");
}

static void images_do_not_go_to_a_blind_model(void **state)
{
    static const struct str body = STR_INIT(
        "{\"model\":\"blind\",\"messages\":[{\"role\":\"user\",\"content\":"
        "[{\"type\":\"image_url\",\"image_url\":\"https://a.test\"}]}]}");

    (void)state;
    use(BOTH);
    assert_true(openai_read_request(&arena, body, &chat, &error));
    assert_true(choose(&arena, catalog, &facts, &choice, &error));
    assert_str(choice.reason, "fit:images");
    assert_str(backend_name(0), "vendor");
}

static void a_pin_is_stronger_than_the_fit(void **state)
{
    (void)state;
    use(BOTH);
    pin_by_header("local-only");
    facts.prompt_tokens = 4096; /* the server may judge what is near */
    assert_choice("small", "gpu", "none", "explicit");
    facts.prompt_tokens = 100000;
    assert_refused("small", ERR_CONTEXT_LENGTH, "maximum context length");
    use("backends:\n" LOCAL);
    pin_by_header(NULL);
    assert_refused("small", ERR_CONTEXT_LENGTH, "maximum context length");
}

static void the_cloud_falls_back_as_the_setting_says(void **state)
{
    (void)state;
    facts.prompt_tokens = 2000;
    use(BOTH "routing: {cloud_falls_back: auto}\n");
    assert_choice("auto", "vendor", "gpu", "rule:long-prompt");
    assert_choice("cloud", "vendor", "none", "explicit");
    use(BOTH "routing: {cloud_falls_back: never}\n");
    assert_choice("auto", "vendor", "none", "rule:long-prompt");
    use(BOTH "routing: {cloud_falls_back: always}\n");
    assert_choice("cloud", "vendor", "gpu", "explicit");
    assert_choice("claude-x", "vendor", "gpu", "explicit");
    /* not to a model that cannot take it */
    facts.prompt_tokens = 4090;
    assert_choice("cloud", "vendor", "gpu", "explicit");
    assert_str(choice.targets[1].upstream, "blind");
    assert_true(
        try_model("cloud", ",\"tools\":[{\"function\":{\"name\":\"f\"}}]"));
    assert_str(backend_name(1), "none");
    /* nor against a pin */
    facts.prompt_tokens = 2000;
    pin_by_header("cloud-only");
    assert_choice("cloud", "vendor", "none", "explicit");
}

static void no_head_is_no_pin(void **state)
{
    (void)state;
    use(BOTH);
    facts.head = NULL;
    assert_choice("auto", "gpu", "vendor", "rule:short");
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(names_lead_to_their_tier),
        with_arena(an_unknown_name_is_refused_with_the_known_ones),
        with_arena(the_known_names_have_a_bound),
        with_arena(auto_is_decided_by_the_thresholds),
        with_arena(the_thresholds_can_be_set),
        with_arena(one_tier_alone_takes_everything),
        with_arena(the_first_rule_that_matches_wins),
        with_arena(a_rule_with_a_policy_guards_whatever_it_matches),
        with_arena(a_guard_without_its_tier_refuses),
        with_arena(a_guard_that_cannot_decide_holds),
        with_arena(a_pin_leaves_one_tier_only),
        with_arena(a_pin_that_cannot_be_kept_is_refused),
        with_arena(a_pin_that_cannot_be_read_is_refused),
        with_arena(a_pin_still_lets_a_rule_name_the_model),
        with_arena(what_does_not_fit_goes_to_the_cloud),
        with_arena(images_do_not_go_to_a_blind_model),
        with_arena(a_pin_is_stronger_than_the_fit),
        with_arena(the_cloud_falls_back_as_the_setting_says),
        with_arena(no_head_is_no_pin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
