/* The rules: does a request match? */
#ifndef WEIR_RULE_H
#define WEIR_RULE_H

#include "catalog.h"
#include "dialect/chat.h"
#include "head.h"

/* What a rule may look at. */
struct rule_facts {
    enum service service;
    const struct chat *chat;
    const struct head *head;
    const struct api_key *key; /* NULL: none was needed */
    int64_t prompt_tokens;     /* estimated */
    /* Completions and embeddings: the same of the longest text alone, since
     * of a list each is read by itself.  0: not known. */
    int64_t longest_tokens;
    int64_t max_tokens;
    int minute_of_day; /* in the process's time zone */
    /* What policies left to the conversation that this request goes on with:
     * TIER_NONE is nothing. */
    bool is_confined;
    enum tier confined;
    bool goes_on_refused; /* nobody may keep what it says: content.h */
};

/* Is it about models by name, and so also about requests that name one? */
static inline bool rule_is_about_names(const struct rule *rule)
{
    return rule->model.len > 0;
}

/* A pattern that cannot be decided within its bounds does not match, but for
 * a rule with a policy, which fails closed.  Looking through the texts may take
 * long for large requests: call it where that does not matter. */
bool rule_matches(const struct rule *rule, const struct rule_facts *facts);

/* The same, where a pattern that cannot be decided matches whatever the rule
 * is for. */
bool rule_may_match(const struct rule *rule, const struct rule_facts *facts);

/* Estimated tokens of a number of characters. */
int64_t rule_estimate_tokens(size_t characters);
/* The present minute of the day, 0 to 1439, in the process's time zone. */
int rule_minute_now(void);

#endif
