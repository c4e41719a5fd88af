#include "pin.h"

struct taker {
    struct arena *arena;
    const struct rule_facts *facts;
    struct chat_error *error;
    unsigned allowed;
};

static bool take_header(struct taker *t)
{
    static const struct {
        struct str name;
        enum tier tier;
    } policies[] = {
        {STR_INIT("local-only"), TIER_LOCAL},
        {STR_INIT("cloud-only"), TIER_CLOUD},
    };
    struct str name = STR("x-router-policy");
    struct str header = {NULL, 0};
    enum tier asked = TIER_NONE;

    if (t->facts->head != NULL)
        header = head_find(t->facts->head, name);
    if (header.ptr == NULL)
        return true;
    for (size_t i = 0; i < COUNT_OF(policies); i++)
        if (str_eq_nocase(header, policies[i].name))
            asked = policies[i].tier;
    if (asked == TIER_NONE || head_count(t->facts->head, name) > 1) {
        struct str shown = str_clip(header, 40);

        /* a policy that cannot be read must not mean "anywhere" */
        return chat_refuse(t->error, t->arena, ERR_BAD_POLICY,
                           (struct str){NULL, 0},
                           "X-Router-Policy: expected local-only or "
                           "cloud-only, once; got \"%.*s\"",
                           STR_ARG(shown));
    }
    t->allowed &= asked;
    return true;
}

static bool take_key(struct taker *t)
{
    const struct api_key *key = t->facts->key;

    if (key != NULL && key->policy != TIER_NONE)
        t->allowed &= key->policy;
    if (t->allowed == TIER_NONE)
        return chat_refuse(t->error, t->arena, ERR_POLICY_CONFLICT,
                           (struct str){NULL, 0},
                           "X-Router-Policy asks for the tier that the "
                           "policy of the key forbids.");
    return true;
}

/* What policies left to the turns before holds for the whole conversation. */
static bool take_conversation(struct taker *t)
{
    if (!t->facts->is_confined)
        return true;
    t->allowed &= t->facts->confined;
    if (t->allowed == TIER_NONE)
        return chat_refuse(t->error, t->arena, ERR_POLICY_CONFLICT,
                           (struct str){NULL, 0},
                           "The conversation that this request goes on with "
                           "belongs to the tier that its policy forbids.");
    return true;
}

/* A rule with a policy guards every request that it matches, whatever model
 * that names and whichever rule stands before it. */
static bool take_guards(struct taker *t, const struct catalog *catalog,
                        bool *guards)
{
    for (unsigned i = 0; i < catalog->rule_count; i++) {
        const struct rule *rule = &catalog->rules[i];

        guards[i] = rule->policy != TIER_NONE && rule_matches(rule, t->facts);
        if (!guards[i])
            continue;
        t->allowed &= rule->policy;
        if (t->allowed == TIER_NONE)
            return chat_refuse(t->error, t->arena, ERR_POLICY_CONFLICT,
                               (struct str){NULL, 0},
                               "The policy of the rule \"%.*s\" forbids the "
                               "tier that another policy asks for.",
                               STR_ARG(rule->name));
    }
    return true;
}

bool pin_take(struct arena *arena, const struct catalog *catalog,
              const struct rule_facts *facts, enum tier *allowed, bool *guards,
              struct chat_error *error)
{
    struct taker taker = {arena, facts, error, TIER_ANY};

    if (!take_header(&taker) || !take_key(&taker) ||
        !take_conversation(&taker) || !take_guards(&taker, catalog, guards))
        return false;
    *allowed = (enum tier)taker.allowed;
    return true;
}
