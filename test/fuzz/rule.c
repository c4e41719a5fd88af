/* The rules' matcher: what conditions say is what a second reading of them
 * says; a pattern is bounded in time; and one that nobody can decide guards,
 * when its rule has a policy.  The first line of the input is a header's
 * value, the first bytes are the numbers, the rest is the text. */
#include "choose/rule.h"

#include "check.h"
#include "clock.h"
#include "dialect/openai.h"
#include "fuzz.h"
#include "given.h"
#include "json.h"

enum { LOOK_MAX_US = 3 * 1000 * 1000, BODY_MAX = 4 << 20, NAME_LONGEST = 1024 };

static struct catalog *catalog;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    catalog = given_catalog(
        "local: { url: 'http://127.0.0.1:1', model: m }\n"
        "cloud: { api_key: k }\n"
        "rules:\n"
        "  - { name: needle, use: local, when: { text: 'needle' } }\n"
        "  - { name: bomb, use: local, when: { text: '(a+)+$' } }\n"
        "  - { name: guard, use: local, policy: local-only,\n"
        "      when: { text: '(a+)+$' } }\n"
        "  - { name: words, use: local,\n"
        "      when: { text: '(?i)\\b(\\w+)\\s+\\1\\b' } }\n"
        "  - { name: team, use: local, when: { header: 'X-Team: red' } }\n"
        "  - { name: named, use: local, when: { model: '*a*b?*' } }\n"
        "  - { name: any, use: local, when: { header: 'X-Team' } }\n"
        "  - { name: few, use: local, when: { max_prompt_tokens: 100 } }\n"
        "  - { name: many, use: local, when: { min_prompt_tokens: 101 } }\n"
        "  - { name: night, use: local, when: { hours: '22:00-06:00' } }\n"
        "  - { name: day, use: local, when: { hours: '06:00-22:00' } }\n");
    return 0;
}

static bool holds(const char *name, const struct rule_facts *facts)
{
    uint64_t began_us = clock_us();

    for (unsigned i = 0; i < catalog->rule_count; i++) {
        bool is_match;

        if (!str_eq(catalog->rules[i].name, str_of(name)))
            continue;
        is_match = rule_matches(&catalog->rules[i], facts);
        /* sanitizers and a busy machine included */
        check(clock_us() - began_us < LOOK_MAX_US);
        return is_match;
    }
    check(false);
    return false;
}

/* '*a*b?*', read in another way. */
static bool has_a_before_b(struct str name)
{
    size_t at;

    if (!str_find(name, STR("a"), &at))
        return false;
    name = str_slice(name, at + 1, name.len);
    return str_find(name, STR("b"), &at) && at + 1 < name.len;
}

static void check_rules(const struct rule_facts *facts, struct str text,
                        struct str team)
{
    bool is_night =
        facts->minute_of_day >= 22 * 60 || facts->minute_of_day < 6 * 60;

    check(holds("needle", facts) == str_contains(text, STR("needle")));
    /* undecided: no match, but for the guard */
    check(!holds("bomb", facts) || holds("guard", facts));
    check(holds("words", facts) == holds("words", facts));
    check(holds("any", facts));
    check(holds("named", facts) ==
          (team.len <= NAME_LONGEST && has_a_before_b(team)));
    check(holds("team", facts) == str_eq(str_trim(team), STR("red")));
    check(holds("few", facts) == (facts->prompt_tokens <= 100));
    check(holds("many", facts) != holds("few", facts));
    check(holds("night", facts) == is_night);
    check(holds("day", facts) == !is_night);
}

static void take(struct str text, struct str team, const uint8_t numbers[4])
{
    struct rule_facts facts = {
        .prompt_tokens = numbers[0] + numbers[1],
        .max_tokens = numbers[1],
        .minute_of_day = (numbers[2] * 256 + numbers[3]) % 1440,
    };
    struct chat_error error;
    struct arena arena;
    struct chat chat;
    struct head head;
    struct buf body;

    arena_init(&arena);
    buf_init(&body, BODY_MAX);
    buf_put(&body, STR("{\"messages\":[{\"role\":\"user\",\"content\":\""));
    json_escape(&body, text);
    buf_put(&body, STR("\"}]}"));
    head_init(&head);
    head_add_name(&head, STR("x-team"));
    head_end_name(&head);
    head_add_value(&head, team);
    head_complete(&head);
    if (openai_read_request(&arena, buf_str(&body), &chat, &error)) {
        facts.chat = &chat;
        facts.head = &head;
        chat.model = team;
        check_rules(&facts, text, team);
    }
    head_fini(&head);
    buf_fini(&body);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest;
    struct str team = {NULL, 0};

    if (size < 4)
        return 0;
    rest = fuzz_input(data + 4, size - 4);
    (void)str_split(&rest, '\n', &team);
    take(rest, team, data);
    return 0;
}
