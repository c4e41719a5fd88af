#include "choose.h"

#include "choose/choose_private.h"
#include "choose/pin.h"
#include "config_value.h"

/* --- targets ------------------------------------------------------------ */

static struct target claude_target(const struct chooser *c,
                                   const struct backend *backend,
                                   struct str upstream)
{
    struct target target = {.backend = backend, .upstream = upstream};

    target.claude = claude_find(&c->catalog->claude, upstream);
    if (target.claude == NULL)
        target.claude = &claude_unknown;
    return target;
}

static struct target model_target(const struct chooser *c,
                                  const struct model *model)
{
    struct target target = {.backend = model->backend,
                            .upstream = model->upstream};

    if (model->backend->dialect == DIALECT_ANTHROPIC)
        target = claude_target(c, model->backend, model->upstream);
    target.model = model;
    return target;
}

static void add_target(struct chooser *c, struct target target)
{
    c->choice->targets[c->choice->target_count++] = target;
}

/* The model of a tier that answers when nobody says which; NULL when the tier
 * has none for this service. */
static const struct model *default_of(const struct chooser *c, enum tier tier)
{
    const struct catalog *catalog = c->catalog;
    const struct backend *backend =
        tier == TIER_LOCAL ? catalog->local : catalog->cloud;

    if (c->facts->service == SERVICE_CHAT)
        return backend == NULL ? NULL : backend->default_model;
    for (unsigned i = 0; i < catalog->model_count; i++)
        if (catalog->models[i].backend->tier == tier &&
            model_serves(&catalog->models[i], c->facts->service))
            return &catalog->models[i];
    return NULL;
}

static bool add_default(struct chooser *c, enum tier tier)
{
    const struct model *model = default_of(c, tier);

    if (model == NULL || (c->choice->allowed & tier) == 0)
        return false;
    add_target(c, model_target(c, model));
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

/* --- explicit names ----------------------------------------------------- */

static bool is_cloud_name(struct str name)
{
    return str_eq(name, STR("cloud")) || str_eq(name, STR("claude"));
}

/* What is behind the name, whether or not it may be used. */
static bool find_named(const struct chooser *c, struct target *target)
{
    const struct model *model;
    const struct backend *backend;

    if (str_eq(c->name, STR("local")))
        model = default_of(c, TIER_LOCAL);
    else if (is_cloud_name(c->name))
        model = default_of(c, TIER_CLOUD);
    else
        model = catalog_find_model(c->catalog, c->name);
    if (model != NULL) {
        *target = model_target(c, model);
        return true;
    }
    backend = claude_backend(c->catalog);
    if (backend == NULL || !str_starts(c->name, STR("claude-")))
        return false;
    *target = claude_target(c, backend, arena_copy(c->arena, c->name));
    return true;
}

static bool serves(const struct chooser *c, const struct target *target)
{
    return target->model == NULL
               ? c->facts->service == SERVICE_CHAT
               : model_serves(target->model, c->facts->service);
}

static bool choose_named(struct chooser *c)
{
    bool is_local = str_eq(c->name, STR("local"));
    struct target target;

    c->choice->reason = STR("explicit");
    if (!find_named(c, &target)) {
        /* the tier may have no model for this, and the next one has */
        if (is_local && c->facts->service != SERVICE_CHAT &&
            add_default(c, TIER_CLOUD))
            return true;
        return choose_refuse_unknown(c);
    }
    c->is_certain = !is_local && !is_cloud_name(c->name);
    if (!serves(c, &target))
        return choose_refuse_service(c, target.model);
    if ((target.backend->tier & c->choice->allowed) == 0)
        return choose_refuse_conflict(c, target.backend->tier);
    add_target(c, target);
    return true;
}

/* --- rules -------------------------------------------------------------- */

static enum tier tier_of(const struct rule *rule)
{
    return rule->use_model != NULL ? rule->use_model->backend->tier
                                   : rule->use_tier;
}

/* May this rule decide?  A request that is pinned does not need the
 * thresholds: only a rule of the file can still say which model of the tier
 * it is.  And which model makes embeddings is nothing that a size decides. */
static bool is_open(const struct chooser *c, const struct rule *rule)
{
    enum tier tier = tier_of(rule);

    if ((!c->is_auto && !rule_is_about_names(rule)) ||
        (tier & c->choice->allowed) == 0)
        return false;
    if (rule->use_model != NULL)
        return model_serves(rule->use_model, c->facts->service);
    if (c->facts->service != SERVICE_CHAT || default_of(c, tier) == NULL)
        return false;
    return c->choice->allowed == TIER_ANY || rule->policy != TIER_NONE ||
           rule_is_about_names(rule);
}

static bool choose_by_rule(struct chooser *c)
{
    const struct catalog *catalog = c->catalog;

    for (unsigned i = 0; i < catalog->rule_count; i++) {
        const struct rule *rule = &catalog->rules[i];

        if (!is_open(c, rule) ||
            !(rule->policy != TIER_NONE ? c->guards[i]
                                        : rule_matches(rule, c->facts)))
            continue;
        c->is_certain = rule->use_model != NULL;
        if (rule->use_model != NULL)
            add_target(c, model_target(c, rule->use_model));
        else
            (void)add_default(c, rule->use_tier);
        c->choice->reason =
            arena_printf(c->arena, "rule:%.*s", STR_ARG(rule->name));
        c->choice->rule = rule->name;
        return true;
    }
    return false;
}

/* Pinned, or only one tier is configured, or it is no chat. */
static bool choose_default(struct chooser *c)
{
    struct choice *choice = c->choice;
    struct str service = service_name(c->facts->service);

    if (!add_default(c, TIER_LOCAL) && !add_default(c, TIER_CLOUD))
        return choose_refuse_pinned(c);
    if (c->facts->service != SERVICE_CHAT)
        choice->reason =
            arena_printf(c->arena, "service:%.*s", STR_ARG(service));
    else
        choice->reason =
            choice->allowed != TIER_ANY ? STR("pin") : STR("rule:only-tier");
    return true;
}

/* --- fit and fallback --------------------------------------------------- */

/* Is it another model of the local tier that serves this? */
static bool is_other_local(const struct chooser *c, const struct model *model,
                           const struct model *first)
{
    return model != first && model->backend->tier == TIER_LOCAL &&
           model_serves(model, c->facts->service);
}

/* The first local model, in the order of the configuration, that can take
 * the request; `first` was looked at already.  NULL: none, or a certain model
 * is wanted. */
static const struct model *next_local(const struct chooser *c,
                                      const struct model *first,
                                      bool is_last_resort)
{
    const struct catalog *catalog = c->catalog;

    for (unsigned i = 0; i < catalog->model_count && !c->is_certain; i++) {
        const struct model *model = &catalog->models[i];

        if (is_other_local(c, model, first) &&
            fit_check(model, c->facts, is_last_resort) == MISFIT_NONE)
            return model;
    }
    return NULL;
}

static void pass_over(struct choice *choice, const struct model *model,
                      enum misfit cause)
{
    choice->passed[choice->passed_count++] = (struct passed){model, cause};
}

/* Who was passed over before `chosen` (NULL: the cloud) was. */
static void note_passed(struct chooser *c, const struct model *first,
                        enum misfit cause, const struct model *chosen)
{
    const struct catalog *catalog = c->catalog;

    c->choice->passed =
        ARENA_ARRAY(c->arena, struct passed, catalog->model_count);
    pass_over(c->choice, first, cause);
    for (unsigned i = 0; i < catalog->model_count && !c->is_certain; i++) {
        const struct model *model = &catalog->models[i];

        if (model == chosen)
            return;
        if (!is_other_local(c, model, first))
            continue;
        cause = fit_check(model, c->facts, false);
        if (cause != MISFIT_NONE)
            pass_over(c->choice, model, cause);
    }
}

/* Where the cloud would serve the request: at the model of that name, if it
 * has one. */
static bool find_cloud(const struct chooser *c, struct target *target)
{
    const struct model *model;

    if ((c->choice->allowed & TIER_CLOUD) == 0)
        return false;
    if (!c->is_auto && find_named(c, target) &&
        target->backend->tier == TIER_CLOUD && serves(c, target))
        return target->model == NULL ||
               fit_check(target->model, c->facts, true) == MISFIT_NONE;
    model = default_of(c, TIER_CLOUD);
    if (model == NULL || fit_check(model, c->facts, true) != MISFIT_NONE)
        return false;
    *target = model_target(c, model);
    return true;
}

static void replace_target(struct chooser *c, struct target target,
                           enum misfit cause)
{
    struct str name = fit_name(cause);

    c->choice->target_count = 0;
    add_target(c, target);
    c->choice->reason = arena_printf(c->arena, "fit:%.*s", STR_ARG(name));
    c->choice->rule = STR("");
    c->choice->wants_local = target.backend->tier == TIER_LOCAL;
}

/* Nobody takes it without doubt: then who takes it with some. */
static bool fit_somehow(struct chooser *c, const struct model *first)
{
    enum misfit cause = fit_check(first, c->facts, true);
    const struct model *next;

    if (cause == MISFIT_NONE)
        return true;
    next = next_local(c, first, true);
    if (next == NULL)
        return fit_refuse(c->error, c->arena, first, c->facts, cause);
    note_passed(c, first, cause, next);
    replace_target(c, model_target(c, next), cause);
    return true;
}

static bool fit(struct chooser *c)
{
    const struct model *first = c->choice->targets[0].model;
    const struct model *next;
    struct target target;
    enum misfit cause;

    if (first == NULL || first->backend->tier != TIER_LOCAL)
        return true; /* the cloud judges by itself */
    cause = fit_check(first, c->facts, false);
    if (cause == MISFIT_NONE)
        return true;
    /* vectors of two models do not go together */
    if (c->facts->service == SERVICE_EMBEDDINGS)
        return fit_refuse(c->error, c->arena, first, c->facts, cause);
    next = next_local(c, first, false);
    if (next != NULL)
        target = model_target(c, next);
    else if (!find_cloud(c, &target))
        return fit_somehow(c, first);
    note_passed(c, first, cause, next);
    replace_target(c, target, cause);
    return true;
}

/* The local model that can stand in for the cloud, or NULL. */
static const struct model *find_stand_in(struct chooser *c)
{
    const struct model *first = default_of(c, TIER_LOCAL);

    if (first == NULL || (c->choice->allowed & TIER_LOCAL) == 0)
        return NULL;
    if (fit_check(first, c->facts, false) == MISFIT_NONE)
        return first;
    c->is_certain = false;
    return next_local(c, first, false);
}

/* Who answers when the first target cannot.  Embeddings of another model are
 * no answer. */
static void add_fallback(struct chooser *c)
{
    int cloud_fallback = c->catalog->settings.cloud_fallback;
    const struct model *model;
    struct target cloud;

    if (c->facts->service == SERVICE_EMBEDDINGS)
        return;
    if (c->choice->targets[0].backend->tier == TIER_LOCAL) {
        if (find_cloud(c, &cloud))
            add_target(c, cloud);
        return;
    }
    if (cloud_fallback == CONFIG_FALLBACK_NEVER ||
        (cloud_fallback == CONFIG_FALLBACK_AUTO && !c->is_auto))
        return;
    model = find_stand_in(c);
    if (model != NULL)
        add_target(c, model_target(c, model));
}

/* --- the whole ---------------------------------------------------------- */

bool choose(struct arena *arena, const struct catalog *catalog,
            const struct rule_facts *facts, struct choice *choice,
            struct chat_error *error)
{
    struct chooser chooser = {
        .arena = arena,
        .catalog = catalog,
        .facts = facts,
        .choice = choice,
        .error = error,
        .name = facts->chat->model.len > 0 ? facts->chat->model : STR("auto"),
        .guards = ARENA_ARRAY(arena, bool, catalog->rule_count),
    };

    chooser.is_auto = str_eq(chooser.name, STR("auto"));
    *choice = (struct choice){
        .prompt_tokens = facts->prompt_tokens,
        .max_tokens = facts->max_tokens,
    };
    if (!pin_take(arena, catalog, facts, &choice->allowed, chooser.guards,
                  error) ||
        !choose_is_served(&chooser))
        return false;
    if (!choose_by_rule(&chooser) &&
        !(chooser.is_auto ? choose_default(&chooser) : choose_named(&chooser)))
        return false;
    choice->is_pinned = choice->allowed != TIER_ANY;
    choice->wants_local = choice->targets[0].backend->tier == TIER_LOCAL;
    if (!fit(&chooser))
        return false;
    add_fallback(&chooser);
    return true;
}
