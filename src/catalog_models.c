/* The models of a backend: what each is called, takes and serves. */
#include "catalog_private.h"

/* What is known of a Claude need not be configured. */
static void take_claude_limits(const struct catalog *catalog,
                               struct model *model)
{
    const struct claude_model *claude =
        claude_find(&catalog->claude, model->upstream);

    if (claude == NULL)
        return;
    model->context_window = claude->context_window;
    model->max_output = claude->max_output_tokens;
    /* who calls a model of his own so pays nothing to Anthropic */
    if (model->backend->tier == TIER_CLOUD)
        model->tariff = claude->tariff;
}

struct model *catalog_add_model(struct maker *m, const struct backend *backend,
                                struct str name, struct str upstream)
{
    struct model *model = &m->catalog->models[m->catalog->model_count++];

    *model = (struct model){
        .name = catalog_keep(m, name),
        .upstream = catalog_keep(m, upstream.len > 0 ? upstream : name),
        .backend = backend,
        .takes_images = true,
        .takes_tools = true,
        .takes_structured = true,
        .takes_thinking = true,
        .serves = 1u << SERVICE_CHAT,
    };
    if (backend->dialect == DIALECT_ANTHROPIC)
        take_claude_limits(m->catalog, model);
    else
        model->serves |= 1u << SERVICE_COMPLETIONS;
    return model;
}

static bool is_reserved(struct str name)
{
    static const struct str reserved[] = {STR_INIT("auto"), STR_INIT("local"),
                                          STR_INIT("cloud"),
                                          STR_INIT("claude")};

    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (str_eq(name, reserved[i]))
            return true;
    return false;
}

static void make_serves(struct maker *m, struct model *model,
                        const struct config_node *node)
{
    if (!config_is_set(node, CONFIG_MODEL_SERVES))
        return; /* model_add has seen to it */
    model->serves = (unsigned)config_number(node, CONFIG_MODEL_SERVES);
    if (model->backend->dialect == DIALECT_ANTHROPIC &&
        model->serves != 1u << SERVICE_CHAT)
        config_complain(m->config, node, CONFIG_MODEL_SERVES,
                        "expected chat alone, which is all that an anthropic "
                        "backend has");
}

/* A price of its own holds for prompts of every length. */
static void make_price(struct maker *m, struct model *model,
                       const struct config_node *node)
{
    struct claude_price *price = &model->tariff.price;
    /* input and output first: caches cost as much as input if nothing is
     * known of them */
    const struct {
        enum config_option option;
        int64_t *rate;
    } rows[] = {
        {CONFIG_MODEL_PRICE_INPUT, &price->input},
        {CONFIG_MODEL_PRICE_OUTPUT, &price->output},
        {CONFIG_MODEL_PRICE_READ, &price->cache_read},
        {CONFIG_MODEL_PRICE_WRITE_5M, &price->cache_write_5m},
        {CONFIG_MODEL_PRICE_WRITE_1H, &price->cache_write_1h},
    };
    bool was_known = price->is_known;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        price->is_known =
            price->is_known || config_is_set(node, rows[i].option);
    if (price->is_known == was_known && !was_known)
        return;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (config_is_set(node, rows[i].option)) {
            *rows[i].rate = config_number(node, rows[i].option);
            model->tariff.long_prompt_tokens = 0;
        } else if (!was_known && i < 2) {
            config_complain(m->config, node, rows[i].option,
                            "expected it beside the other prices: nothing "
                            "else tells what this model costs");
        } else if (!was_known) {
            *rows[i].rate = price->input;
        }
    }
}

void catalog_make_hour_price(struct backend *backend,
                             const struct config_node *node,
                             enum config_option option)
{
    backend->has_hour_price = config_is_set(node, option);
    if (backend->has_hour_price)
        backend->hour_price = config_number(node, option);
}

void catalog_make_reference(struct maker *m)
{
    struct catalog *catalog = m->catalog;
    const struct config_node *root = &m->config->root;
    struct str name = config_text(root, CONFIG_ROOT_PRICE_AS);
    const struct model *model = catalog_find_model(catalog, name);
    const struct claude_model *claude = claude_find(&catalog->claude, name);

    if (name.len == 0 && catalog->cloud != NULL)
        model = catalog->cloud->default_model;
    if (model != NULL)
        catalog->reference = model->tariff;
    else if (claude != NULL)
        catalog->reference = claude->tariff;
    if (name.len > 0 && !catalog->reference.price.is_known)
        config_complain(m->config, root, CONFIG_ROOT_PRICE_AS,
                        "expected the name of a model that has a price for "
                        "its tokens");
}

void catalog_make_model(struct maker *m, const struct backend *backend,
                        const struct config_node *node)
{
    struct str name = config_text(node, CONFIG_MODEL_NAME);
    struct model *model;

    if (name.len == 0) {
        config_complain_node(m->config, node, "name: expected a name");
        return;
    }
    if (is_reserved(name)) {
        config_complain(m->config, node, CONFIG_MODEL_NAME,
                        "expected another name than auto, local, cloud and "
                        "claude, which mean something");
        return;
    }
    if (catalog_find_model(m->catalog, name) != NULL) {
        config_complain(m->config, node, CONFIG_MODEL_NAME,
                        "expected a name that no other model has");
        return;
    }
    model = catalog_add_model(m, backend, name,
                              config_text(node, CONFIG_MODEL_UPSTREAM));
    if (config_is_set(node, CONFIG_MODEL_CONTEXT))
        model->context_window = config_number(node, CONFIG_MODEL_CONTEXT);
    if (config_is_set(node, CONFIG_MODEL_MAX_OUTPUT))
        model->max_output = config_number(node, CONFIG_MODEL_MAX_OUTPUT);
    model->takes_images = config_number(node, CONFIG_MODEL_IMAGES) != 0;
    model->takes_tools = config_number(node, CONFIG_MODEL_TOOLS) != 0;
    model->takes_structured = config_number(node, CONFIG_MODEL_STRUCTURED) != 0;
    model->takes_thinking = config_number(node, CONFIG_MODEL_THINKING) != 0;
    make_serves(m, model, node);
    make_price(m, model, node);
}

/* The first that serves chat, or else the first. */
static const struct model *first_model_of(const struct catalog *catalog,
                                          unsigned from)
{
    for (unsigned i = from; i < catalog->model_count; i++)
        if (model_serves(&catalog->models[i], SERVICE_CHAT))
            return &catalog->models[i];
    return from < catalog->model_count ? &catalog->models[from] : NULL;
}

void catalog_make_default_model(struct maker *m, struct backend *backend,
                                const struct config_node *node,
                                unsigned first_model)
{
    struct str wanted = config_text(node, CONFIG_BACKEND_DEFAULT_MODEL);
    const struct model *first = first_model_of(m->catalog, first_model);
    const struct model *model;

    backend->default_model = first;
    if (wanted.len > 0) {
        model = catalog_find_model(m->catalog, wanted);
        if (model == NULL && backend->dialect == DIALECT_ANTHROPIC)
            model = catalog_add_model(m, backend, wanted, wanted);
        if (model == NULL || model->backend != backend)
            config_complain(m->config, node, CONFIG_BACKEND_DEFAULT_MODEL,
                            "expected the name of one of its models");
        else if (!model_serves(model, SERVICE_CHAT) &&
                 model_serves(first, SERVICE_CHAT))
            config_complain(m->config, node, CONFIG_BACKEND_DEFAULT_MODEL,
                            "expected the name of a model that serves chat");
        else
            backend->default_model = model;
    }
    if (backend->default_model == NULL)
        config_complain_node(m->config, node,
                             "models: expected at least one model");
}
