/* Rules, and the keys that they may ask for. */
#include <openssl/evp.h>

#include "catalog_private.h"
#include "check.h"

/* --- rules -------------------------------------------------------------- */

static void free_regex(void *regex)
{
    regex_free(regex);
}

/* NULL when the condition is not there. */
static struct regex *make_pattern(struct maker *m,
                                  const struct config_node *node,
                                  enum config_option option)
{
    struct str pattern = config_text(node, option);
    struct regex *regex;

    if (pattern.len == 0)
        return NULL;
    regex = regex_new(pattern);
    check(regex != NULL); /* the configuration has tried it already */
    arena_defer(m->arena, free_regex, regex);
    return regex;
}

static void make_bound(const struct config_node *node,
                       enum config_option option, bool *has, int64_t *bound)
{
    *has = config_is_set(node, option);
    *bound = config_number(node, option);
}

static int make_either(const struct config_node *node,
                       enum config_option option)
{
    return config_is_set(node, option) ? (int)config_number(node, option) : -1;
}

static void make_use(struct maker *m, struct rule *rule,
                     const struct config_node *node)
{
    struct str use = config_text(node, CONFIG_RULE_USE);

    if (str_eq(use, STR("local")))
        rule->use_tier = TIER_LOCAL;
    else if (str_eq(use, STR("cloud")))
        rule->use_tier = TIER_CLOUD;
    else
        rule->use_model = catalog_find_model(m->catalog, use);
    if (use.len == 0)
        config_complain_node(m->config, node,
                             "use: expected local, cloud or a model's name");
    else if (rule->use_tier == TIER_NONE && rule->use_model == NULL)
        config_complain(m->config, node, CONFIG_RULE_USE,
                        "expected local, cloud or the name of a model");
}

static void make_rule(struct maker *m, const struct config_node *node)
{
    struct rule *rule = &m->catalog->rules[m->catalog->rule_count++];
    struct str header = catalog_keep(m, config_text(node, CONFIG_RULE_HEADER));
    enum tier tier;

    rule->name = catalog_keep(m, config_text(node, CONFIG_RULE_NAME));
    if (rule->name.len == 0)
        config_complain_node(m->config, node, "name: expected a name");
    make_bound(node, CONFIG_RULE_MIN_TOKENS, &rule->has_min_tokens,
               &rule->min_tokens);
    make_bound(node, CONFIG_RULE_MAX_TOKENS, &rule->has_max_tokens,
               &rule->max_tokens);
    make_bound(node, CONFIG_RULE_MIN_ANSWER, &rule->has_min_answer,
               &rule->min_answer);
    make_bound(node, CONFIG_RULE_MAX_ANSWER, &rule->has_max_answer,
               &rule->max_answer);
    rule->tools = make_either(node, CONFIG_RULE_TOOLS);
    rule->images = make_either(node, CONFIG_RULE_IMAGES);
    (void)str_split(&header, ':', &rule->header_name);
    rule->header_name = str_trim(rule->header_name);
    rule->header_value = str_trim(header);
    rule->key = catalog_keep(m, config_text(node, CONFIG_RULE_KEY));
    rule->model = catalog_keep(m, config_text(node, CONFIG_RULE_MODEL));
    rule->tool = make_pattern(m, node, CONFIG_RULE_TOOL);
    rule->text = make_pattern(m, node, CONFIG_RULE_TEXT);
    rule->from_minute = (int)(config_number(node, CONFIG_RULE_HOURS) / 10000);
    rule->to_minute = (int)(config_number(node, CONFIG_RULE_HOURS) % 10000);
    rule->policy = (enum tier)config_number(node, CONFIG_RULE_POLICY);
    rule->forbids_content = config_number(node, CONFIG_RULE_CONTENT) == 0;
    make_use(m, rule, node);
    tier = rule->use_model != NULL ? rule->use_model->backend->tier
                                   : rule->use_tier;
    if (rule->policy != TIER_NONE && tier != TIER_NONE &&
        (rule->policy & tier) == 0)
        config_complain(m->config, node, CONFIG_RULE_POLICY,
                        "expected a policy that allows what the rule uses");
}

/* The two thresholds, as rules behind those of the file. */
static void make_thresholds(struct maker *m)
{
    const struct config_node *root = &m->config->root;
    int64_t tokens = config_number(root, CONFIG_ROOT_LOCAL_TOKENS);
    int64_t answer = config_number(root, CONFIG_ROOT_LOCAL_MAX_TOKENS);
    struct rule *rules = &m->catalog->rules[m->catalog->rule_count];

    rules[0] = (struct rule){
        .name = STR("long-prompt"),
        .has_min_tokens = true,
        .min_tokens = tokens < INT64_MAX ? tokens + 1 : tokens,
        .use_tier = TIER_CLOUD,
    };
    rules[1] = (struct rule){
        .name = STR("long-answer"),
        .has_min_answer = true,
        .min_answer = answer < INT64_MAX ? answer + 1 : answer,
        .use_tier = TIER_CLOUD,
    };
    rules[2] = (struct rule){.name = STR("short"), .use_tier = TIER_LOCAL};
    for (size_t i = 0; i < 3; i++)
        rules[i].tools = rules[i].images = -1;
    m->catalog->rule_count += 3;
}

void catalog_make_rules(struct maker *m)
{
    m->catalog->rules =
        ARENA_ARRAY(m->arena, struct rule, m->config->rule_count + 3);
    for (unsigned i = 0; i < m->config->rule_count; i++)
        make_rule(m, &m->config->rules[i]);
    make_thresholds(m);
}

/* --- keys --------------------------------------------------------------- */

void catalog_make_keys(struct maker *m)
{
    m->catalog->keys =
        ARENA_ARRAY(m->arena, struct api_key, m->config->key_count);
    for (unsigned i = 0; i < m->config->key_count; i++) {
        const struct config_node *node = &m->config->keys[i];
        struct str secret = config_get(node, CONFIG_KEY_SECRET)->secret.bytes;
        struct api_key *key = &m->catalog->keys[m->catalog->key_count++];
        unsigned len = 0;

        key->name = catalog_keep(m, config_text(node, CONFIG_KEY_NAME));
        key->policy = (enum tier)config_number(node, CONFIG_KEY_POLICY);
        key->forbids_content = config_number(node, CONFIG_KEY_CONTENT) == 0;
        if (key->name.len == 0 || secret.len == 0) {
            config_complain_node(m->config, node,
                                 "expected a name and a secret");
            continue;
        }
        check(EVP_Digest(secret.ptr, secret.len, key->digest, &len,
                         EVP_sha256(), NULL) == 1 &&
              len == sizeof(key->digest));
    }
    /* a rule that names a key which is not there would never match */
    for (unsigned i = 0; i < m->config->rule_count; i++) {
        const struct config_node *node = &m->config->rules[i];
        struct str name = config_text(node, CONFIG_RULE_KEY);
        bool found = name.len == 0;

        for (unsigned k = 0; k < m->catalog->key_count; k++)
            found = found || str_eq(m->catalog->keys[k].name, name);
        if (!found)
            config_complain(m->config, node, CONFIG_RULE_KEY,
                            "expected the name of a key");
    }
}
