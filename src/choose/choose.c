#include "choose.h"

#include "config_value.h"

struct chooser {
    struct arena *arena;
    const struct catalog *catalog;
    const struct rule_facts *facts;
    struct choice *choice;
    struct chat_error *error;
    bool is_auto;
    bool *guards; /* for each rule: it has a policy, and matches */
};

struct str choose_known_names(struct arena *arena,
                              const struct catalog *catalog, size_t max)
{
    struct buf names;
    struct str copy;

    buf_init(&names, max);
    buf_put(&names, STR("auto"));
    if (catalog->local != NULL)
        buf_put(&names, STR(", local"));
    if (catalog->cloud != NULL)
        buf_put(&names, STR(", cloud, claude, claude-*"));
    for (unsigned i = 0; i < catalog->model_count; i++) {
        struct str name = catalog->models[i].name;

        /* whole names only, and room for the dots */
        if (names.len + name.len + 2 + 5 > max) {
            buf_put(&names, STR(", ..."));
            break;
        }
        buf_put(&names, STR(", "));
        buf_put(&names, name);
    }
    copy = arena_copy(arena, buf_str(&names));
    buf_fini(&names);
    return copy;
}

/* --- pins --------------------------------------------------------------- */

/* The tiers that header, key and rule allow together. */
static bool take_pins(struct chooser *c)
{
    static const struct {
        struct str name;
        enum tier tier;
    } policies[] = {
        {STR_INIT("local-only"), TIER_LOCAL},
        {STR_INIT("cloud-only"), TIER_CLOUD},
    };
    const struct api_key *key = c->facts->key;
    unsigned allowed = TIER_ANY;
    struct str header = {NULL, 0};

    if (c->facts->head != NULL)
        header = head_find(c->facts->head, STR("x-router-policy"));
    if (header.ptr != NULL) {
        enum tier asked = TIER_NONE;

        for (size_t i = 0; i < COUNT_OF(policies); i++)
            if (str_eq_nocase(header, policies[i].name))
                asked = policies[i].tier;
        if (asked == TIER_NONE ||
            head_count(c->facts->head, STR("x-router-policy")) > 1) {
            struct str shown = str_clip(header, 40);

            /* a policy that cannot be read must not mean "anywhere" */
            return chat_refuse(c->error, c->arena, ERR_BAD_POLICY,
                               (struct str){NULL, 0},
                               "X-Router-Policy: expected local-only or "
                               "cloud-only, once; got \"%.*s\"",
                               STR_ARG(shown));
        }
        allowed &= asked;
    }
    if (key != NULL && key->policy != TIER_NONE)
        allowed &= key->policy;
    if (allowed == TIER_NONE)
        return chat_refuse(c->error, c->arena, ERR_POLICY_CONFLICT,
                           (struct str){NULL, 0},
                           "X-Router-Policy asks for the tier that the "
                           "policy of the key forbids.");
    c->choice->allowed = (enum tier)allowed;
    return true;
}

/* A rule with a policy guards every request that it matches, whatever model
 * that names and whichever rule stands before it. */
static bool take_guards(struct chooser *c)
{
    const struct catalog *catalog = c->catalog;

    c->guards = ARENA_ARRAY(c->arena, bool, catalog->rule_count);
    for (unsigned i = 0; i < catalog->rule_count; i++) {
        const struct rule *rule = &catalog->rules[i];

        if (rule->policy == TIER_NONE || !rule_matches(rule, c->facts))
            continue;
        c->guards[i] = true;
        c->choice->allowed &= rule->policy;
        if (c->choice->allowed == TIER_NONE)
            return chat_refuse(c->error, c->arena, ERR_POLICY_CONFLICT,
                               (struct str){NULL, 0},
                               "The policy of the rule \"%.*s\" forbids the "
                               "tier that another policy asks for.",
                               STR_ARG(rule->name));
    }
    return true;
}

/* --- targets ------------------------------------------------------------ */

static void add_target(struct chooser *c, const struct backend *backend,
                       struct str upstream)
{
    struct choice *choice = c->choice;
    struct target *target = &choice->targets[choice->target_count++];

    *target = (struct target){.backend = backend, .upstream = upstream};
    if (backend->dialect == DIALECT_ANTHROPIC) {
        target->claude = claude_find(&c->catalog->claude, upstream);
        if (target->claude == NULL)
            target->claude = &claude_unknown;
    }
}

static const struct backend *backend_of(const struct catalog *catalog,
                                        enum tier tier)
{
    return tier == TIER_LOCAL ? catalog->local : catalog->cloud;
}

static bool add_default(struct chooser *c, enum tier tier)
{
    const struct backend *backend = backend_of(c->catalog, tier);

    if (backend == NULL || (c->choice->allowed & tier) == 0)
        return false;
    add_target(c, backend, backend->default_model->upstream);
    return true;
}

/* "claude-…" names that are in no list go to the cloud as they are. */
static const struct backend *claude_backend(const struct catalog *catalog)
{
    for (unsigned i = 0; i < catalog->backend_count; i++)
        if (catalog->backends[i].dialect == DIALECT_ANTHROPIC)
            return &catalog->backends[i];
    return NULL;
}

static bool refuse_unknown(struct chooser *c, struct str name)
{
    struct str names = choose_known_names(c->arena, c->catalog, 300);
    struct str shown = str_clip(name, 80);

    return chat_refuse(c->error, c->arena, ERR_NO_SUCH_MODEL, STR("model"),
                       "The model \"%.*s\" does not exist. Known models: "
                       "%.*s.",
                       STR_ARG(shown), STR_ARG(names));
}

static bool refuse_conflict(struct chooser *c, struct str name, enum tier tier)
{
    struct str shown = str_clip(name, 80);
    struct str tier_text = tier_name(tier);

    return chat_refuse(c->error, c->arena, ERR_POLICY_CONFLICT, STR("model"),
                       "The model \"%.*s\" is served by the %.*s tier, which "
                       "the policy of this request forbids.",
                       STR_ARG(shown), STR_ARG(tier_text));
}

/* --- explicit names ----------------------------------------------------- */

static bool choose_named(struct chooser *c, struct str name)
{
    const struct catalog *catalog = c->catalog;
    const struct model *model;
    const struct backend *backend = NULL;
    struct str upstream = {NULL, 0};

    if (str_eq(name, STR("local"))) {
        backend = catalog->local;
    } else if (str_eq(name, STR("cloud")) || str_eq(name, STR("claude"))) {
        backend = catalog->cloud;
    } else if ((model = catalog_find_model(catalog, name)) != NULL) {
        backend = model->backend;
        upstream = model->upstream;
    } else if (str_starts(name, STR("claude-"))) {
        backend = claude_backend(catalog);
        upstream = arena_copy(c->arena, name);
    }
    if (backend == NULL)
        return refuse_unknown(c, name);
    if ((backend->tier & c->choice->allowed) == 0)
        return refuse_conflict(c, name, backend->tier);
    add_target(c, backend,
               upstream.len > 0 ? upstream : backend->default_model->upstream);
    c->choice->reason = STR("explicit");
    return true;
}

/* --- auto --------------------------------------------------------------- */

static enum tier tier_of(const struct rule *rule)
{
    return rule->use_model != NULL ? rule->use_model->backend->tier
                                   : rule->use_tier;
}

/* May this rule decide?  A request that is pinned does not need the
 * thresholds: only a rule of the file can still say which model of the tier
 * it is. */
static bool is_open(const struct chooser *c, const struct rule *rule)
{
    enum tier tier = tier_of(rule);

    if ((tier & c->choice->allowed) == 0 ||
        (rule->use_model == NULL && backend_of(c->catalog, tier) == NULL))
        return false;
    return c->choice->allowed == TIER_ANY || rule->use_model != NULL ||
           rule->policy != TIER_NONE;
}

static void choose_by_rule(struct chooser *c, const struct rule *rule)
{
    if (rule->use_model != NULL)
        add_target(c, rule->use_model->backend, rule->use_model->upstream);
    else
        (void)add_default(c, rule->use_tier);
    c->choice->reason =
        arena_printf(c->arena, "rule:%.*s", STR_ARG(rule->name));
}

static bool choose_auto(struct chooser *c)
{
    const struct catalog *catalog = c->catalog;
    struct choice *choice = c->choice;
    bool is_pinned = choice->allowed != TIER_ANY;

    for (unsigned i = 0; i < catalog->rule_count && choice->target_count == 0;
         i++) {
        const struct rule *rule = &catalog->rules[i];

        if (!is_open(c, rule))
            continue;
        if (rule->policy != TIER_NONE ? c->guards[i]
                                      : rule_matches(rule, c->facts))
            choose_by_rule(c, rule);
    }
    if (choice->target_count > 0)
        return true;
    /* pinned, or only one tier is configured */
    if (add_default(c, TIER_LOCAL) || add_default(c, TIER_CLOUD)) {
        choice->reason = is_pinned ? STR("pin") : STR("rule:only-tier");
        return true;
    }
    return chat_refuse(c->error, c->arena, ERR_POLICY_CONFLICT,
                       (struct str){NULL, 0},
                       "No backend of the tier that the policy asks for is "
                       "configured.");
}

/* --- fit and fallback --------------------------------------------------- */

static const struct model *model_of(const struct catalog *catalog,
                                    const struct target *target)
{
    for (unsigned i = 0; i < catalog->model_count; i++)
        if (catalog->models[i].backend == target->backend &&
            str_eq(catalog->models[i].upstream, target->upstream))
            return &catalog->models[i];
    return NULL;
}

/* Why a model cannot serve the request; empty when it can. */
static struct str misfit(const struct chooser *c, const struct model *model)
{
    const struct chat *chat = c->facts->chat;

    if (model == NULL)
        return STR("");
    /* max_tokens is the caller's: no sum that could overflow */
    if (model->context_window > 0 &&
        (c->choice->prompt_tokens > model->context_window ||
         c->choice->max_tokens >
             model->context_window - c->choice->prompt_tokens))
        return STR("context");
    if (!model->takes_images && chat->image_count + chat->file_count > 0)
        return STR("images");
    if (!model->takes_tools && chat->tool_count > 0)
        return STR("tools");
    return STR("");
}

static void fit(struct chooser *c)
{
    struct choice *choice = c->choice;
    const struct target *first = &choice->targets[0];
    struct str cause;

    if (first->backend->tier != TIER_LOCAL || c->catalog->cloud == NULL ||
        (choice->allowed & TIER_CLOUD) == 0)
        return;
    cause = misfit(c, model_of(c->catalog, first));
    if (cause.len == 0)
        return;
    choice->target_count = 0;
    (void)add_default(c, TIER_CLOUD);
    choice->reason = arena_printf(c->arena, "fit:%.*s", STR_ARG(cause));
    choice->wants_local = false;
}

/* Who answers when the first target cannot. */
static void add_fallback(struct chooser *c)
{
    struct choice *choice = c->choice;
    const struct catalog *catalog = c->catalog;
    int cloud_fallback = catalog->settings.cloud_fallback;

    if (choice->targets[0].backend->tier == TIER_LOCAL) {
        (void)add_default(c, TIER_CLOUD);
        return;
    }
    if (catalog->local == NULL || cloud_fallback == CONFIG_FALLBACK_NEVER ||
        (cloud_fallback == CONFIG_FALLBACK_AUTO && !c->is_auto) ||
        misfit(c, catalog->local->default_model).len > 0)
        return;
    (void)add_default(c, TIER_LOCAL);
}

bool choose(struct arena *arena, const struct catalog *catalog,
            const struct rule_facts *facts, struct choice *choice,
            struct chat_error *error)
{
    struct str name = facts->chat->model;
    struct chooser chooser = {
        .arena = arena,
        .catalog = catalog,
        .facts = facts,
        .choice = choice,
        .error = error,
        .is_auto = name.len == 0 || str_eq(name, STR("auto")),
    };

    *choice = (struct choice){
        .prompt_tokens = facts->prompt_tokens,
        .max_tokens = facts->max_tokens,
    };
    if (!take_pins(&chooser) || !take_guards(&chooser))
        return false;
    if (chooser.is_auto ? !choose_auto(&chooser)
                        : !choose_named(&chooser, name))
        return false;
    choice->is_pinned = choice->allowed != TIER_ANY;
    choice->wants_local = choice->targets[0].backend->tier == TIER_LOCAL;
    fit(&chooser);
    add_fallback(&chooser);
    return true;
}
