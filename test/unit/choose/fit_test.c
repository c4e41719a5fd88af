/* choose and fit: what a model cannot take goes to one that can, or nowhere;
 * and every service has its own models. */
#include "choose/fit.h"

#include "../given.h"
#include "../testing.h"
#include "choose/choose.h"
#include "choose/explain.h"
#include "dialect/openai.h"

#define PLAIN                                                            \
    "  - name: plain\n"                                                  \
    "    tier: local\n"                                                  \
    "    url: http://127.0.0.1:1\n"                                      \
    "    models: [{name: tiny, context_window: 1000, max_output: 100,\n" \
    "              images: false, tools: false, thinking: false,\n"      \
    "              structured_output: false}]\n"
#define ABLE                                                              \
    "  - name: able\n"                                                    \
    "    tier: local\n"                                                   \
    "    url: http://127.0.0.1:2\n"                                       \
    "    models: [{name: eyes, context_window: 2000, thinking: false},\n" \
    "             {name: coder, context_window: 8000, images: false,\n"   \
    "              serves: [chat, completions]}]\n"
#define VECTORS                                                       \
    "  - name: vectors\n"                                             \
    "    tier: local\n"                                               \
    "    url: http://127.0.0.1:3\n"                                   \
    "    models: [{name: embed, serves: embeddings, context_window: " \
    "500},\n"                                                         \
    "             {name: embed-large, serves: embeddings}]\n"
#define CLOUD                                                           \
    "  - {name: vendor, tier: cloud, url: http://127.0.0.1:4, models: " \
    "[{name: claude-sonnet-4-6}]}\n"
#define OTHER_CLOUD                                                       \
    "  - {name: other, tier: cloud, dialect: openai, url: "               \
    "http://127.0.0.1:5, models: [{name: far-embed, serves: embeddings}," \
    " {name: far-writer, serves: completions}]}\n"

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

static void pin(const char *policy)
{
    head_clear(&head);
    head_add_name(&head, STR("X-Router-Policy"));
    head_end_name(&head);
    head_add_value(&head, str_of(policy));
    head_complete(&head);
}

/* A request for `model` with more members behind it. */
static void ask(const char *model, const char *more)
{
    struct str body = arena_printf(
        &arena,
        "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":"
        "\"x\"}]%s}",
        model, more);

    assert_true(openai_read_request(&arena, body, &chat, &error));
    if (chat.has_max_tokens)
        facts.max_tokens = chat.max_tokens;
}

/* The same with two images. */
static void ask_with_images(const char *model)
{
    struct str body = arena_printf(
        &arena,
        "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":"
        "[{\"type\":\"image_url\",\"image_url\":\"https://a.test/a.png\"},"
        "{\"type\":\"image_url\",\"image_url\":\"https://a.test/b.png\"}]}]}",
        model);

    assert_true(openai_read_request(&arena, body, &chat, &error));
}

static bool decide(void)
{
    error = (struct chat_error){.error = OK};
    return choose(&arena, catalog, &facts, &choice, &error);
}

static void assert_decision(const char *first, const char *second,
                            const char *reason)
{
    if (!decide()) {
        struct str says = chat_error_message(&error);

        fail_msg("%.*s", STR_ARG(says));
    }
    assert_str(choice.reason, reason);
    assert_str(choice.targets[0].upstream, first);
    assert_str(choice.target_count > 1 ? choice.targets[1].upstream
                                       : STR("none"),
               second);
}

static void assert_choice(const char *model, const char *more,
                          const char *first, const char *second,
                          const char *reason)
{
    ask(model, more);
    assert_decision(first, second, reason);
}

static void assert_refused(enum error expected, const char *param,
                           const char *says)
{
    if (decide())
        fail_msg("taken by %.*s", STR_ARG(choice.targets[0].upstream));
    assert_int_equal(error.error, expected);
    assert_str(error.param, param);
    assert_has(chat_error_message(&error), says);
}

#define TOOL ",\"tools\":[{\"function\":{\"name\":\"f\"}}]"
#define NAMED(name)                                                          \
    ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\"}}"
#define SCHEMA                                                  \
    ",\"response_format\":{\"type\":\"json_schema\",\"json_"    \
    "schema\":{\"name\":\"s\",\"schema\":{\"type\":\"object\"}" \
    "}}"
/* Each cause, with a request that has it and nothing else. */
static const struct cause {
    enum misfit misfit;
    const char *name;
    const char *more;
    enum error error;
    const char *param;
    const char *says;
} causes[] = {
    {MISFIT_OUTPUT, "output", ",\"max_completion_tokens\":101",
     ERR_UNSUPPORTED_VALUE, "max_completion_tokens",
     "The model \"tiny\" writes at most 100 tokens, and the request asks for "
     "101."},
    {MISFIT_TOOLS, "tools", TOOL, ERR_UNSUPPORTED_VALUE, "tools",
     "The model \"tiny\" takes no tools, and the request has 1."},
    {MISFIT_STRUCTURED, "structured", SCHEMA, ERR_UNSUPPORTED_VALUE,
     "response_format", "\"tiny\" does not answer in the shape of a JSON"},
    {MISFIT_THINKING, "thinking", ",\"reasoning_effort\":\"low\"",
     ERR_UNSUPPORTED_VALUE, "reasoning_effort",
     "The model \"tiny\" takes no reasoning effort but none."},
};

static void each_cause_leads_to_the_cloud(void **state)
{
    (void)state;
    use("backends:\n" PLAIN CLOUD);
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        struct str reason;

        facts.max_tokens = 10;
        ask("tiny", causes[i].more);
        assert_int_equal(fit_check(&catalog->models[0], &facts, false),
                         causes[i].misfit);
        assert_int_equal(fit_check(&catalog->models[1], &facts, false),
                         MISFIT_NONE);
        reason = arena_printf(&arena, "fit:%s", causes[i].name);
        assert_decision("claude-sonnet-4-6", "none", reason.ptr);
        assert_false(choice.wants_local);
        assert_int_equal(choice.passed_count, 1);
        assert_int_equal(choice.passed[0].cause, causes[i].misfit);
    }
}

static void each_cause_is_refused_where_there_is_no_cloud(void **state)
{
    (void)state;
    for (int pinned = 0; pinned < 2; pinned++) {
        use(pinned ? "backends:\n" PLAIN CLOUD : "backends:\n" PLAIN);
        if (pinned)
            pin("local-only");
        for (size_t i = 0; i < COUNT_OF(causes); i++) {
            static const char *const names[] = {"tiny", "local", "auto"};

            for (size_t k = 0; k < COUNT_OF(names); k++) {
                facts.max_tokens = 10;
                ask(names[k], causes[i].more);
                assert_refused(causes[i].error, causes[i].param,
                               causes[i].says);
                assert_int_equal(chat_error_status(&error), 400);
            }
        }
    }
}

static void what_asks_for_nothing_special_fits(void **state)
{
    (void)state;
    use("backends:\n" PLAIN CLOUD);
    assert_choice("tiny", ",\"max_tokens\":100", "tiny", "claude-sonnet-4-6",
                  "explicit");
    assert_choice("tiny", ",\"reasoning_effort\":\"none\"", "tiny",
                  "claude-sonnet-4-6", "explicit");
    assert_choice("tiny", ",\"response_format\":{\"type\":\"json_object\"}",
                  "tiny", "claude-sonnet-4-6", "explicit");
    /* what max_tokens is assumed to be is not what the caller asks for */
    facts.max_tokens = 512;
    assert_choice("tiny", "", "tiny", "claude-sonnet-4-6", "explicit");
}

static void an_estimate_alone_refuses_only_what_exceeds_the_window(void **state)
{
    (void)state;
    use("backends:\n" PLAIN);
    facts.prompt_tokens = 1000;
    assert_choice("tiny", "", "tiny", "none", "explicit");
    assert_int_equal(choice.passed_count, 0);
    facts.prompt_tokens = 1001;
    ask("tiny", "");
    assert_refused(ERR_CONTEXT_LENGTH, "messages",
                   "The maximum context length of the model \"tiny\" is 1000 "
                   "tokens, and the prompt has about 1001 (estimated).");
    assert_str(chat_error_code(&error), "context_length_exceeded");
    assert_int_equal(chat_error_status(&error), 400);
    /* but what else is wrong is not forgotten */
    facts.prompt_tokens = 1000;
    ask("tiny", TOOL);
    assert_refused(ERR_UNSUPPORTED_VALUE, "tools", "takes no tools");
}

static void the_next_local_model_comes_before_the_cloud(void **state)
{
    (void)state;
    use("backends:\n" PLAIN ABLE VECTORS CLOUD);
    /* in the order of the configuration, over all backends of the tier */
    assert_choice("local", TOOL, "eyes", "claude-sonnet-4-6", "fit:tools");
    assert_true(choice.wants_local);
    assert_str(choice.targets[0].backend->name, "able");
    assert_choice("auto", TOOL, "eyes", "claude-sonnet-4-6", "fit:tools");
    facts.prompt_tokens = 900;
    facts.max_tokens = 500;
    assert_choice("auto", "", "eyes", "claude-sonnet-4-6", "fit:context");
    facts.prompt_tokens = 4000;
    assert_choice("local", "", "coder", "claude-sonnet-4-6", "fit:context");
    assert_int_equal(choice.passed_count, 2);
    assert_str(choice.passed[1].model->name, "eyes");
    /* a certain model is that one, or the cloud */
    assert_choice("tiny", "", "claude-sonnet-4-6", "none", "fit:context");
    assert_int_equal(choice.passed_count, 1);
    /* nobody here, and embeddings are no chat */
    facts.prompt_tokens = 9000;
    assert_choice("local", "", "claude-sonnet-4-6", "none", "fit:context");
    assert_int_equal(choice.passed_count, 3);
    pin("local-only");
    ask("local", "");
    assert_refused(ERR_CONTEXT_LENGTH, "messages", "\"tiny\" is 1000");
}

static void a_rule_for_the_tier_may_move_and_for_a_model_may_not(void **state)
{
    (void)state;
    use("backends:\n" PLAIN ABLE CLOUD "rules:\n"
        "  - {name: tier, when: {header: a}, use: local}\n"
        "  - {name: model, when: {header: b}, use: tiny}\n");
    head_add_name(&head, STR("a"));
    head_end_name(&head);
    head_complete(&head);
    assert_choice("auto", TOOL, "eyes", "claude-sonnet-4-6", "fit:tools");
    head_clear(&head);
    head_add_name(&head, STR("b"));
    head_end_name(&head);
    head_complete(&head);
    /* the cloud falls back to a local model that can take it */
    assert_choice("auto", TOOL, "claude-sonnet-4-6", "eyes", "fit:tools");
}

static void a_last_resort_is_looked_for_in_the_whole_tier(void **state)
{
    (void)state;
    use("backends:\n" PLAIN ABLE);
    /* without doubt nobody; the second one perhaps */
    facts.prompt_tokens = 1990;
    ask_with_images("local");
    facts.max_tokens = 100;
    assert_decision("eyes", "none", "fit:context");
    facts.prompt_tokens = 2001;
    assert_refused(ERR_CONTEXT_LENGTH, "messages", "\"tiny\"");
}

static void images_are_counted(void **state)
{
    (void)state;
    use("backends:\n" PLAIN);
    ask_with_images("local");
    assert_refused(ERR_UNSUPPORTED_CONTENT, "messages",
                   "The model \"tiny\" takes no images and no files, and the "
                   "request has 2.");
}

static void add_search(void)
{
    chat.server_tool_count = 1;
    chat.server_tool = STR("web_search");
    chat.server_tools_exist = true;
}

static void builtin_tools_among_others_may_be_left_out(void **state)
{
    static const struct {
        const char *setting, *more;
        bool is_dropped;
    } cases[] = {
        {"auto", TOOL, true},
        {"auto", "", false},
        {"auto", TOOL NAMED("f"), true},
        {"auto", TOOL NAMED("web_search"), false},
        {"refuse", TOOL, false},
        {"drop", TOOL, true},
        {"drop", "", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        use(arena_printf(&arena,
                         "backends:\n" ABLE CLOUD
                         "translation: {builtin_tools: %s}\n",
                         cases[i].setting)
                .ptr);
        ask("auto", cases[i].more);
        add_search();
        assert_int_equal(fit_drops_server_tools(&catalog->settings, &chat),
                         cases[i].is_dropped);
        pin("local-only");
        assert_int_equal(decide(), cases[i].is_dropped);
        head_clear(&head);
        /* the cloud has it */
        assert_decision("claude-sonnet-4-6", "none", "fit:server_tools");
        /* or nobody has: then nothing is won by going there */
        chat.server_tools_exist = false;
        ask("auto", cases[i].more);
        assert_decision("eyes", "claude-sonnet-4-6", "rule:short");
    }
}

static void builtin_tools_are_nothing_that_a_local_model_has(void **state)
{
    (void)state;
    use("backends:\n" ABLE CLOUD);
    ask("coder", "");
    add_search();
    assert_decision("claude-sonnet-4-6", "none", "fit:server_tools");
    ask("auto", "");
    add_search();
    assert_decision("claude-sonnet-4-6", "none", "fit:server_tools");
    pin("local-only");
    assert_refused(ERR_UNSUPPORTED_VALUE, "tools",
                   "The tool \"web_search\" is run by its vendor's servers, "
                   "and the model \"eyes\" has none of these.");
    /* or they are left out, where nobody has them */
    use("backends:\n" ABLE CLOUD "translation: {builtin_tools: drop}\n");
    assert_decision("eyes", "none", "pin");
    head_clear(&head);
    assert_decision("claude-sonnet-4-6", "none", "fit:server_tools");
}

static void a_cloud_that_cannot_take_it_either_is_no_way_out(void **state)
{
    (void)state;
    use("backends:\n" PLAIN
        "  - {name: vendor, tier: cloud, url: http://127.0.0.1:4, models: "
        "[{name: claude-haiku-4-5, tools: false}]}\n");
    ask("tiny", TOOL);
    assert_refused(ERR_UNSUPPORTED_VALUE, "tools", "\"tiny\"");
    assert_choice("tiny", "", "tiny", "claude-haiku-4-5", "explicit");
    /* its sizes are its vendor's business */
    facts.prompt_tokens = 10000000;
    assert_choice("tiny", "", "claude-haiku-4-5", "none", "fit:context");
}

static void the_route_tells_who_was_passed_over(void **state)
{
    struct buf out;

    (void)state;
    use("backends:\n" PLAIN ABLE CLOUD);
    buf_init(&out, 1 << 16);
    ask("local", SCHEMA TOOL);
    assert_true(decide());
    explain(&arena, &facts, &choice, 0, &out);
    assert_has(buf_str(&out),
               "\"passed_over\":[{\"target\":\"plain\",\"model\":\"tiny\","
               "\"cause\":\"tools\",\"says\":\"The model \\\"tiny\\\" takes no "
               "tools, and the request has 1.\"}]");
    buf_fini(&out);
}

/* --- services ------------------------------------------------------------ */

static void ask_for(enum service service, const char *model)
{
    const struct format *format = service == SERVICE_EMBEDDINGS
                                      ? &format_embeddings
                                      : &format_completions;
    const char *input = service == SERVICE_EMBEDDINGS ? "input" : "prompt";

    facts.service = service;
    if (service == SERVICE_CHAT)
        ask(model, "");
    else
        assert_true(format->read_request(
            &arena,
            arena_printf(&arena, "{\"model\":\"%s\",\"%s\":\"x\"}", model,
                         input),
            &chat, &error));
}

static void each_service_has_its_models(void **state)
{
    static const struct {
        enum service service;
        const char *model, *first, *second, *reason;
    } cases[] = {
        {SERVICE_EMBEDDINGS, "auto", "embed", "none", "service:embeddings"},
        {SERVICE_EMBEDDINGS, "", "embed", "none", "service:embeddings"},
        {SERVICE_EMBEDDINGS, "local", "embed", "none", "explicit"},
        {SERVICE_EMBEDDINGS, "embed-large", "embed-large", "none", "explicit"},
        {SERVICE_EMBEDDINGS, "cloud", "far-embed", "none", "explicit"},
        {SERVICE_EMBEDDINGS, "far-embed", "far-embed", "none", "explicit"},
        {SERVICE_COMPLETIONS, "auto", "tiny", "far-writer",
         "service:completions"},
        {SERVICE_COMPLETIONS, "coder", "coder", "far-writer", "explicit"},
        {SERVICE_CHAT, "auto", "tiny", "claude-sonnet-4-6", "rule:short"},
    };

    (void)state;
    use("backends:\n" VECTORS PLAIN ABLE CLOUD OTHER_CLOUD);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask_for(cases[i].service, cases[i].model);
        assert_decision(cases[i].first, cases[i].second, cases[i].reason);
        assert_non_null(choice.targets[0].model);
        assert_int_equal(choice.targets[0].backend->dialect, DIALECT_OPENAI);
    }
    /* the thresholds are about chats */
    facts.prompt_tokens = 100000;
    ask_for(SERVICE_EMBEDDINGS, "auto");
    assert_decision("embed", "none", "service:embeddings");
}

static void a_model_that_does_not_serve_it_is_refused(void **state)
{
    (void)state;
    use("backends:\n" VECTORS ABLE CLOUD);
    ask_for(SERVICE_CHAT, "embed");
    assert_refused(ERR_UNSUPPORTED_VALUE, "model",
                   "The model \"embed\" serves embeddings, not chat. Models "
                   "that serve chat: auto, local, cloud, claude, claude-*, "
                   "eyes, coder, claude-sonnet-4-6.");
    assert_int_equal(chat_error_status(&error), 400);
    ask_for(SERVICE_EMBEDDINGS, "coder");
    assert_refused(ERR_UNSUPPORTED_VALUE, "model",
                   "The model \"coder\" serves chat and completions, not "
                   "embeddings. Models that serve embeddings: embed, "
                   "embed-large.");
    ask_for(SERVICE_COMPLETIONS, "claude-opus-5");
    assert_refused(ERR_UNSUPPORTED_VALUE, "model",
                   "\"claude-opus-5\" serves chat, not completions.");
    ask_for(SERVICE_EMBEDDINGS, "nobody");
    assert_refused(ERR_NO_SUCH_MODEL, "model",
                   "The model \"nobody\" does not exist. Models that serve "
                   "embeddings: embed, embed-large.");
    ask_for(SERVICE_EMBEDDINGS, "cloud");
    assert_refused(ERR_NO_SUCH_MODEL, "model", "does not exist");
}

static void a_service_that_nobody_has_is_not_found(void **state)
{
    (void)state;
    use("backends:\n" PLAIN CLOUD);
    ask_for(SERVICE_EMBEDDINGS, "auto");
    assert_refused(ERR_NO_SUCH_MODEL, "model",
                   "No model that serves /v1/embeddings is configured; give "
                   "one `serves: embeddings`.");
    assert_int_equal(chat_error_status(&error), 404);
    use("backends:\n" VECTORS);
    ask_for(SERVICE_CHAT, "auto");
    assert_refused(ERR_NO_SUCH_MODEL, "model", "/v1/chat/completions");
    ask_for(SERVICE_CHAT, "local");
    assert_refused(ERR_NO_SUCH_MODEL, "model", "/v1/chat/completions");
}

static void the_cloud_serves_what_the_local_tier_does_not(void **state)
{
    (void)state;
    use("backends:\n" PLAIN CLOUD OTHER_CLOUD);
    ask_for(SERVICE_EMBEDDINGS, "local");
    assert_decision("far-embed", "none", "explicit");
    ask_for(SERVICE_EMBEDDINGS, "auto");
    assert_decision("far-embed", "none", "service:embeddings");
    assert_false(choice.wants_local);
    pin("local-only");
    assert_refused(ERR_POLICY_CONFLICT, "",
                   "No backend of the tier that the policy asks for serves "
                   "embeddings.");
    ask_for(SERVICE_EMBEDDINGS, "far-embed");
    assert_refused(ERR_POLICY_CONFLICT, "model", "served by the cloud tier");
    ask_for(SERVICE_EMBEDDINGS, "local");
    assert_refused(ERR_NO_SUCH_MODEL, "model", "does not exist");
    /* no fallback beyond a pin */
    ask_for(SERVICE_COMPLETIONS, "auto");
    assert_decision("tiny", "none", "service:completions");
}

static void a_rule_that_names_a_model_counts_for_what_it_serves(void **state)
{
    (void)state;
    use("backends:\n" VECTORS PLAIN ABLE CLOUD "rules:\n"
        "  - {name: openai, when: {model: 'text-embedding-*'}, use: "
        "embed-large}\n"
        "  - {name: all, when: {max_prompt_tokens: 50}, use: coder}\n");
    ask_for(SERVICE_EMBEDDINGS, "text-embedding-3-small");
    assert_decision("embed-large", "none", "rule:openai");
    ask_for(SERVICE_EMBEDDINGS, "auto");
    assert_decision("embed", "none", "service:embeddings");
    ask_for(SERVICE_COMPLETIONS, "auto");
    assert_decision("coder", "none", "rule:all");
    ask_for(SERVICE_CHAT, "text-embedding-3-small");
    assert_refused(ERR_NO_SUCH_MODEL, "model", "does not exist");
}

static void only_the_longest_text_must_fit(void **state)
{
    (void)state;
    use("backends:\n" VECTORS PLAIN CLOUD);
    facts.prompt_tokens = 100000; /* many texts */
    facts.longest_tokens = 500;
    ask_for(SERVICE_EMBEDDINGS, "auto");
    assert_decision("embed", "none", "service:embeddings");
    facts.longest_tokens = 501;
    assert_refused(ERR_CONTEXT_LENGTH, "input",
                   "The maximum context length of the model \"embed\" is 500 "
                   "tokens, and the prompt has about 501");
    ask_for(SERVICE_EMBEDDINGS, "embed-large");
    assert_decision("embed-large", "none", "explicit");
    facts.longest_tokens = 1001;
    ask_for(SERVICE_COMPLETIONS, "tiny");
    assert_refused(ERR_CONTEXT_LENGTH, "prompt", "\"tiny\"");
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(each_cause_leads_to_the_cloud),
        with_arena(each_cause_is_refused_where_there_is_no_cloud),
        with_arena(what_asks_for_nothing_special_fits),
        with_arena(an_estimate_alone_refuses_only_what_exceeds_the_window),
        with_arena(the_next_local_model_comes_before_the_cloud),
        with_arena(a_rule_for_the_tier_may_move_and_for_a_model_may_not),
        with_arena(a_last_resort_is_looked_for_in_the_whole_tier),
        with_arena(images_are_counted),
        with_arena(builtin_tools_are_nothing_that_a_local_model_has),
        with_arena(builtin_tools_among_others_may_be_left_out),
        with_arena(a_cloud_that_cannot_take_it_either_is_no_way_out),
        with_arena(the_route_tells_who_was_passed_over),
        with_arena(each_service_has_its_models),
        with_arena(a_model_that_does_not_serve_it_is_refused),
        with_arena(a_service_that_nobody_has_is_not_found),
        with_arena(the_cloud_serves_what_the_local_tier_does_not),
        with_arena(a_rule_that_names_a_model_counts_for_what_it_serves),
        with_arena(only_the_longest_text_must_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
