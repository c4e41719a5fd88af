#include "content.h"

static bool caller_allows(const struct head *head)
{
    for (unsigned i = 0; head != NULL && i < head->count; i++)
        if (str_eq_nocase(head->fields[i].name, STR("x-router-content")) &&
            !str_eq_nocase(head->fields[i].value, STR("on")))
            return false;
    return true;
}

static bool rules_allow(const struct catalog *catalog,
                        const struct rule_facts *facts)
{
    for (unsigned i = 0; i < catalog->rule_count; i++)
        if (catalog->rules[i].forbids_content &&
            rule_may_match(&catalog->rules[i], facts))
            return false;
    return true;
}

bool content_is_refused(const struct catalog *catalog,
                        const struct rule_facts *facts)
{
    return facts->goes_on_refused ||
           (facts->key != NULL && facts->key->forbids_content) ||
           !caller_allows(facts->head) || !rules_allow(catalog, facts);
}

bool content_is_allowed(const struct catalog *catalog,
                        const struct rule_facts *facts, enum tier allowed)
{
    return catalog->settings.captures_content && (allowed & TIER_CLOUD) != 0 &&
           !content_is_refused(catalog, facts);
}
