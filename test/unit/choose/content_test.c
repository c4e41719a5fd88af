/* choose/content: may what is said be kept? */
#include "choose/content.h"

#include "../given.h"
#include "../testing.h"
#include "dialect/openai.h"

#define BACKENDS                                           \
    "local: { url: 'http://127.0.0.1:1', model: small }\n" \
    "cloud: { api_key: k }\n"
#define RULES                                                                  \
    "rules:\n"                                                                 \
    "  - { name: first, when: { text: x }, use: local }\n"                     \
    "  - { name: quiet, when: { text: hush }, use: cloud, content: false }\n"  \
    "  - { name: slow, when: { text: '^(a+)+$' }, use: cloud, content: false " \
    "}\n"                                                                      \
    "  - { name: named, when: { model: 'm*' }, use: cloud, content: false }\n"
#define KEYS                                              \
    "keys:\n"                                             \
    "  - { name: open, secret: a, policy: cloud-only }\n" \
    "  - { name: shut, secret: b, content: false }\n"

static struct arena arena;
static struct head head;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    head_fini(&head);
    arena_clear(&arena);
    return 0;
}

/* "name: value", or "name: value\nname: value". */
static void add_headers(struct str lines)
{
    struct str line, name;

    head_clear(&head);
    while (str_split(&lines, '\n', &line)) {
        (void)str_split(&line, ':', &name);
        head_add_name(&head, name);
        head_end_name(&head);
        head_add_value(&head, str_trim(line));
    }
    head_complete(&head);
}

static const struct row {
    const char *config;
    const char *body; /* of the user's message */
    const char *model;
    const char *headers;
    int key; /* index into those of the configuration; -1: none */
    enum tier allowed;
    bool is_allowed;
} rows[] = {
#define ON "telemetry: { content: true }\n" BACKENDS
    /* off by default, and when it is switched off */
    {BACKENDS, "x", "", "", -1, TIER_ANY, false},
    {"telemetry: { content: false }\n" BACKENDS, "x", "", "", -1, TIER_ANY,
     false},
    {ON, "x", "", "", -1, TIER_ANY, true},
    /* what pins left */
    {ON, "x", "", "", -1, TIER_CLOUD, true},
    {ON, "x", "", "", -1, TIER_LOCAL, false},
    {ON, "x", "", "", -1, TIER_NONE, false},
    /* the caller's header: only "on" is yes, and every one counts */
    {ON, "x", "", "X-Router-Content: on", -1, TIER_ANY, true},
    {ON, "x", "", "x-router-content: On", -1, TIER_ANY, true},
    {ON, "x", "", "X-Router-Content: off", -1, TIER_ANY, false},
    {ON, "x", "", "X-Router-Content: OFF", -1, TIER_ANY, false},
    {ON, "x", "", "X-Router-Content: false", -1, TIER_ANY, false},
    {ON, "x", "", "X-Router-Content: ", -1, TIER_ANY, false},
    {ON, "x", "", "X-Router-Content: on\nX-Router-Content: off", -1, TIER_ANY,
     false},
    {ON, "x", "", "X-Router-Content: off\nX-Router-Content: on", -1, TIER_ANY,
     false},
    {BACKENDS, "x", "", "X-Router-Content: on", -1, TIER_ANY, false},
    /* keys */
    {ON KEYS, "x", "", "", 0, TIER_ANY, true},
    {ON KEYS, "x", "", "", 1, TIER_ANY, false},
    {ON KEYS, "x", "", "X-Router-Content: on", 1, TIER_ANY, false},
    /* rules: every one that matches counts, not the first alone */
    {ON RULES, "x", "", "", -1, TIER_ANY, true},
    {ON RULES, "x hush", "", "", -1, TIER_ANY, false},
    {ON RULES, "hush", "", "X-Router-Content: on", -1, TIER_ANY, false},
    {ON RULES, "y", "mine", "", -1, TIER_ANY, false},
    {ON RULES, "y", "other", "", -1, TIER_ANY, true},
    /* what nobody can decide means no */
    {ON RULES, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "",
     "", -1, TIER_ANY, false},
#undef ON
};

static void all_must_allow_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct catalog *catalog = given_catalog(row->config);
        struct chat_error error;
        struct chat chat;
        struct rule_facts facts = {.chat = &chat, .head = &head};

        assert_true(openai_read_request(
            &arena,
            arena_printf(&arena,
                         "{\"messages\":[{\"role\":\"user\",\"content\":"
                         "\"%s\"}],\"model\":\"%s\"}",
                         row->body, row->model),
            &chat, &error));
        add_headers(str_of(row->headers));
        if (row->key >= 0)
            facts.key = &catalog->keys[row->key];
        if (content_is_allowed(catalog, &facts, row->allowed) !=
            row->is_allowed)
            fail_msg("row %zu: %s", i, row->config);
        catalog_unref(catalog);
    }
}

static void a_refusal_holds_for_what_goes_on(void **state)
{
    struct catalog *on =
        given_catalog("telemetry: { content: true }\n" BACKENDS);
    struct catalog *off = given_catalog(BACKENDS KEYS);
    struct chat chat = {0};
    struct rule_facts facts = {.chat = &chat};

    (void)state;
    assert_false(content_is_refused(on, &facts));
    facts.goes_on_refused = true;
    assert_true(content_is_refused(on, &facts));
    assert_false(content_is_allowed(on, &facts, TIER_ANY));
    /* it is one, though the operator wants nothing kept anyway */
    facts.goes_on_refused = false;
    assert_false(content_is_refused(off, &facts));
    facts.key = &off->keys[1];
    assert_true(content_is_refused(off, &facts));
    catalog_unref(on);
    catalog_unref(off);
}

static void a_name_beyond_all_bounds_matches(void **state)
{
    struct catalog *catalog =
        given_catalog("telemetry: { content: true }\n" BACKENDS RULES);
    char name[2000];
    struct chat chat = {0};
    struct rule_facts facts = {.chat = &chat};

    (void)state;
    memset(name, 'z', sizeof(name));
    chat.model = (struct str){name, 1000};
    assert_true(content_is_allowed(catalog, &facts, TIER_ANY));
    chat.model.len = sizeof(name);
    assert_false(content_is_allowed(catalog, &facts, TIER_ANY));
    catalog_unref(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_must_allow_it, begin, finish),
        cmocka_unit_test(a_refusal_holds_for_what_goes_on),
        cmocka_unit_test(a_name_beyond_all_bounds_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
