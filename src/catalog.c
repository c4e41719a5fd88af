#include "catalog_private.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "check.h"
#include "config_value.h"

struct str tier_name(enum tier tier)
{
    switch (tier) {
    case TIER_LOCAL:
        return STR("local");
    case TIER_CLOUD:
        return STR("cloud");
    default:
        return STR("none");
    }
}

/* A copy in the catalog's arena: the configuration goes away. */
static struct str keep(struct maker *m, struct str s)
{
    return s.len == 0 ? (struct str){NULL, 0} : arena_copy(m->arena, s);
}

/* --- settings ----------------------------------------------------------- */

static uint64_t ms(const struct config *config, enum config_option option)
{
    return (uint64_t)config_number(&config->root, option);
}

static size_t bytes(const struct config *config, enum config_option option)
{
    return (size_t)config_number(&config->root, option);
}

static unsigned clamp(int64_t number)
{
    return number > UINT_MAX ? UINT_MAX : (unsigned)number;
}

static unsigned count(const struct config *config, enum config_option option)
{
    return clamp(config_number(&config->root, option));
}

static void make_settings(struct maker *m)
{
    static const enum config_option needed[] = {
        CONFIG_ROOT_PROBE_INTERVAL_MS, CONFIG_ROOT_PROBE_COLD_MS,
        CONFIG_ROOT_PROBE_TIMEOUT_MS,  CONFIG_ROOT_BODY_BYTES,
        CONFIG_ROOT_ANSWER_BYTES,      CONFIG_ROOT_IN_FLIGHT};
    const struct config *c = m->config;
    const struct config_node *root = &c->root;
    struct settings *s = &m->catalog->settings;
    int64_t workers = config_number(root, CONFIG_ROOT_WORKERS);

    *s = (struct settings){
        .host = keep(m, config_text(root, CONFIG_ROOT_LISTEN_HOST)),
        .port = (unsigned)config_number(root, CONFIG_ROOT_LISTEN_PORT),
        .workers = workers > 0 ? (unsigned)workers : uv_available_parallelism(),
        .assumed_max_tokens =
            config_number(root, CONFIG_ROOT_ASSUMED_MAX_TOKENS),
        .cloud_fallback = (int)config_number(root, CONFIG_ROOT_CLOUD_FALLBACK),
        .default_max_tokens =
            config_number(root, CONFIG_ROOT_DEFAULT_MAX_TOKENS),
        .shows_reasoning =
            config_number(root, CONFIG_ROOT_REASONING_OUTPUT) != 0,
        .shows_thinking = config_number(root, CONFIG_ROOT_THINKING_BLOCKS) != 0,
        .caches_prompt = config_number(root, CONFIG_ROOT_PROMPT_CACHE) != 0,
        .anthropic_version =
            keep(m, config_text(root, CONFIG_ROOT_ANTHROPIC_VERSION)),
        .connect_ms = ms(c, CONFIG_ROOT_CONNECT_MS),
        .tls_ms = ms(c, CONFIG_ROOT_TLS_MS),
        .first_byte_ms = ms(c, CONFIG_ROOT_FIRST_BYTE_MS),
        .first_token_ms = ms(c, CONFIG_ROOT_FIRST_TOKEN_MS),
        .idle_ms = ms(c, CONFIG_ROOT_IDLE_MS),
        .comment_ms = ms(c, CONFIG_ROOT_COMMENT_MS),
        .total_ms = ms(c, CONFIG_ROOT_TOTAL_MS),
        .hold_ms = ms(c, CONFIG_ROOT_HOLD_MS),
        .retry_after_ms = ms(c, CONFIG_ROOT_RETRY_AFTER_MS),
        .head_ms = ms(c, CONFIG_ROOT_HEAD_MS),
        .body_ms = ms(c, CONFIG_ROOT_BODY_MS),
        .keep_alive_ms = ms(c, CONFIG_ROOT_KEEP_ALIVE_MS),
        .write_ms = ms(c, CONFIG_ROOT_WRITE_MS),
        .pool_idle_ms = ms(c, CONFIG_ROOT_POOL_IDLE_MS),
        .drain_ms = ms(c, CONFIG_ROOT_DRAIN_MS),
        .drain_delay_ms = ms(c, CONFIG_ROOT_DRAIN_DELAY_MS),
        .probe_interval_ms = ms(c, CONFIG_ROOT_PROBE_INTERVAL_MS),
        .probe_cold_ms = ms(c, CONFIG_ROOT_PROBE_COLD_MS),
        .probe_timeout_ms = ms(c, CONFIG_ROOT_PROBE_TIMEOUT_MS),
        .rest_ms = ms(c, CONFIG_ROOT_REST_MS),
        .ramp_ms = ms(c, CONFIG_ROOT_RAMP_MS),
        .probe_successes = count(c, CONFIG_ROOT_PROBE_SUCCESSES),
        .body_bytes = bytes(c, CONFIG_ROOT_BODY_BYTES),
        .answer_bytes = bytes(c, CONFIG_ROOT_ANSWER_BYTES),
        .memory_bytes = bytes(c, CONFIG_ROOT_MEMORY_BYTES),
        .pool_size = count(c, CONFIG_ROOT_POOL_SIZE),
        .max_in_flight = count(c, CONFIG_ROOT_IN_FLIGHT),
        .queue_size = count(c, CONFIG_ROOT_QUEUE_SIZE),
        .queue_ms = ms(c, CONFIG_ROOT_QUEUE_MS),
        .connections = (uint64_t)config_number(root, CONFIG_ROOT_CONNECTIONS),
    };
    s->admin_token = secret_keep(
        m->arena, config_get(root, CONFIG_ROOT_ADMIN_TOKEN)->secret.bytes);
    /* versions are dates: they sort as text */
    s->is_anthropic_2026_10_21 =
        s->anthropic_version.len > 0 &&
        strcmp(s->anthropic_version.ptr, "2026-10-21") >= 0;
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (config_number(root, needed[i]) == 0)
            config_complain(m->config, root, needed[i], "expected more than 0");
    if (s->default_max_tokens < 1)
        config_complain(m->config, root, CONFIG_ROOT_DEFAULT_MAX_TOKENS,
                        "expected at least 1");
}

static void free_tls(void *context)
{
    tls_context_free(context);
}

/* --- backends ----------------------------------------------------------- */

static void make_replicas(struct maker *m, struct backend *backend,
                          const struct config_value *urls)
{
    backend->replicas = ARENA_ARRAY(m->arena, struct replica, urls->item_count);
    for (unsigned i = 0; i < urls->item_count; i++) {
        struct replica *replica = &backend->replicas[i];

        /* the configuration has looked at them already */
        check(endpoint_parse(keep(m, urls->items[i]), &replica->endpoint));
        replica->backend = backend;
        replica->index = m->catalog->replica_count++;
        atomic_init(&replica->state, HEALTH_UNKNOWN);
        backend->replica_count++;
    }
}

static void make_tls(struct maker *m, struct backend *backend,
                     const struct config_node *node,
                     enum config_option complain_at, struct str ca_file)
{
    const char *why = "";
    bool is_needed = false;

    for (unsigned i = 0; i < backend->replica_count; i++)
        is_needed = is_needed || backend->replicas[i].endpoint.is_tls;
    if (!is_needed)
        return;
    backend->ca_file = keep(m, ca_file);
    backend->tls = tls_context_new(ca_file.len == 0 ? NULL : ca_file.ptr, &why);
    if (backend->tls == NULL)
        config_complain(m->config, node, complain_at,
                        "expected a PEM file of certificates: %s", why);
    else
        arena_defer(m->arena, free_tls, backend->tls);
}

static void free_queue(void *queue)
{
    uv_mutex_destroy(&((struct queue *)queue)->lock);
}

static void make_queue(struct maker *m, struct backend *backend,
                       unsigned max_in_flight)
{
    backend->max_in_flight = max_in_flight;
    backend->queue = ARENA_NEW(m->arena, struct queue);
    backend->queue->settings = &m->catalog->settings;
    list_init(&backend->queue->waiters);
    check(uv_mutex_init(&backend->queue->lock) == 0);
    arena_defer(m->arena, free_queue, backend->queue);
}

static struct model *model_add(struct maker *m, const struct backend *backend,
                               struct str name, struct str upstream)
{
    struct model *model = &m->catalog->models[m->catalog->model_count++];

    *model = (struct model){
        .name = keep(m, name),
        .upstream = keep(m, upstream.len > 0 ? upstream : name),
        .backend = backend,
        .takes_images = true,
        .takes_tools = true,
    };
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

static void make_model(struct maker *m, const struct backend *backend,
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
    model =
        model_add(m, backend, name, config_text(node, CONFIG_MODEL_UPSTREAM));
    model->context_window = config_number(node, CONFIG_MODEL_CONTEXT);
    model->takes_images = config_number(node, CONFIG_MODEL_IMAGES) != 0;
    model->takes_tools = config_number(node, CONFIG_MODEL_TOOLS) != 0;
}

static void make_backend(struct maker *m, const struct config_node *node)
{
    struct catalog *catalog = m->catalog;
    struct str name = config_text(node, CONFIG_BACKEND_NAME);
    struct str health = config_text(node, CONFIG_BACKEND_HEALTH_PATH);
    struct str wanted = config_text(node, CONFIG_BACKEND_DEFAULT_MODEL);
    unsigned first_model = catalog->model_count;
    struct backend *backend;

    if (name.len == 0 || !config_is_set(node, CONFIG_BACKEND_TIER) ||
        !config_is_set(node, CONFIG_BACKEND_URL)) {
        config_complain_node(m->config, node,
                             "expected at least name, tier and url");
        return;
    }
    if (catalog_find_backend(catalog, name) != NULL) {
        config_complain(m->config, node, CONFIG_BACKEND_NAME,
                        "expected a name that no other backend has");
        return;
    }
    backend = &catalog->backends[catalog->backend_count++];
    backend->name = keep(m, name);
    backend->tier = (enum tier)config_number(node, CONFIG_BACKEND_TIER);
    backend->dialect =
        config_is_set(node, CONFIG_BACKEND_DIALECT)
            ? (enum dialect)config_number(node, CONFIG_BACKEND_DIALECT)
        : backend->tier == TIER_CLOUD ? DIALECT_ANTHROPIC
                                      : DIALECT_OPENAI;
    backend->key = secret_keep(
        m->arena, config_get(node, CONFIG_BACKEND_KEY)->secret.bytes);
    if (health.len == 0 && backend->dialect == DIALECT_OPENAI &&
        backend->tier == TIER_LOCAL)
        health = STR("/health");
    if (!str_eq(health, STR("none")))
        backend->health_path = keep(m, health);
    if (backend->health_path.len > 0 && backend->health_path.ptr[0] != '/')
        config_complain(m->config, node, CONFIG_BACKEND_HEALTH_PATH,
                        "expected a path that begins with /, or none");
    make_replicas(m, backend, config_get(node, CONFIG_BACKEND_URL));
    make_queue(m, backend,
               config_is_set(node, CONFIG_BACKEND_IN_FLIGHT)
                   ? clamp(config_number(node, CONFIG_BACKEND_IN_FLIGHT))
                   : catalog->settings.max_in_flight);
    if (backend->max_in_flight == 0)
        config_complain(m->config, node, CONFIG_BACKEND_IN_FLIGHT,
                        "expected more than 0");
    catalog_make_proxies(m, backend, node);
    make_tls(m, backend, node, CONFIG_BACKEND_CA_FILE,
             config_text(node, CONFIG_BACKEND_CA_FILE));
    for (unsigned i = 0; i < node->model_count; i++)
        make_model(m, backend, &node->models[i]);
    if (catalog->model_count > first_model)
        backend->default_model = &catalog->models[first_model];
    if (wanted.len > 0) {
        const struct model *model = catalog_find_model(catalog, wanted);

        if (model == NULL && backend->dialect == DIALECT_ANTHROPIC)
            model = model_add(m, backend, wanted, wanted);
        if (model == NULL || model->backend != backend)
            config_complain(m->config, node, CONFIG_BACKEND_DEFAULT_MODEL,
                            "expected the name of one of its models");
        else
            backend->default_model = model;
    }
    if (backend->default_model == NULL)
        config_complain_node(m->config, node,
                             "models: expected at least one model");
}

/* local.* and cloud.*: what the environment alone can say. */
static void make_short_form(struct maker *m)
{
    struct catalog *catalog = m->catalog;
    const struct config_node *root = &m->config->root;
    struct backend *backend;
    struct model *model;

    if (config_is_set(root, CONFIG_ROOT_LOCAL_URL)) {
        struct str name = config_text(root, CONFIG_ROOT_LOCAL_MODEL);

        if (name.len == 0) {
            config_complain(m->config, root, CONFIG_ROOT_LOCAL_MODEL,
                            "expected the name of the model that the server "
                            "at VLLM_BASE_URL serves (its "
                            "--served-model-name)");
            return;
        }
        backend = &catalog->backends[catalog->backend_count++];
        backend->name = STR("vllm");
        backend->tier = TIER_LOCAL;
        backend->dialect = DIALECT_OPENAI;
        backend->health_path = STR("/health");
        backend->key = secret_keep(
            m->arena, config_get(root, CONFIG_ROOT_LOCAL_KEY)->secret.bytes);
        make_replicas(m, backend, config_get(root, CONFIG_ROOT_LOCAL_URL));
        make_queue(m, backend, catalog->settings.max_in_flight);
        catalog_make_proxies(m, backend, NULL);
        make_tls(m, backend, root, CONFIG_ROOT_LOCAL_URL, STR(""));
        model = model_add(m, backend, name, name);
        model->context_window = config_number(root, CONFIG_ROOT_LOCAL_CONTEXT);
        backend->default_model = model;
    }
    if (config_get(root, CONFIG_ROOT_CLOUD_KEY)->secret.bytes.len > 0) {
        struct str name = config_text(root, CONFIG_ROOT_CLOUD_MODEL);

        backend = &catalog->backends[catalog->backend_count++];
        backend->name = STR("anthropic");
        backend->tier = TIER_CLOUD;
        backend->dialect = DIALECT_ANTHROPIC;
        backend->key = secret_keep(
            m->arena, config_get(root, CONFIG_ROOT_CLOUD_KEY)->secret.bytes);
        make_replicas(m, backend, config_get(root, CONFIG_ROOT_CLOUD_URL));
        make_queue(m, backend, catalog->settings.max_in_flight);
        catalog_make_proxies(m, backend, NULL);
        make_tls(m, backend, root, CONFIG_ROOT_CLOUD_URL, STR(""));
        backend->default_model = model_add(m, backend, name, name);
    }
}

static void make_backends(struct maker *m)
{
    struct catalog *catalog = m->catalog;
    const struct config *config = m->config;
    unsigned models = config->backend_count + 2;

    for (unsigned i = 0; i < config->backend_count; i++)
        models += config->backends[i].model_count;
    catalog->backends =
        ARENA_ARRAY(m->arena, struct backend, config->backend_count + 2);
    catalog->models = ARENA_ARRAY(m->arena, struct model, models);
    if (config->backend_count == 0)
        make_short_form(m);
    for (unsigned i = 0; i < config->backend_count; i++)
        make_backend(m, &config->backends[i]);
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        struct backend *backend = &catalog->backends[i];

        backend->catalog = catalog;
        if (backend->tier == TIER_LOCAL && catalog->local == NULL)
            catalog->local = backend;
        if (backend->tier == TIER_CLOUD && catalog->cloud == NULL)
            catalog->cloud = backend;
    }
}

/* --- rules -------------------------------------------------------------- */

static void free_regex(void *regex)
{
    regex_free(regex);
}

static void make_text_condition(struct maker *m, struct rule *rule,
                                struct str pattern)
{
    if (pattern.len == 0)
        return;
    rule->text = regex_new(pattern);
    check(rule->text != NULL); /* the configuration has tried it already */
    arena_defer(m->arena, free_regex, rule->text);
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
    struct str header = keep(m, config_text(node, CONFIG_RULE_HEADER));
    enum tier tier;

    rule->name = keep(m, config_text(node, CONFIG_RULE_NAME));
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
    rule->key = keep(m, config_text(node, CONFIG_RULE_KEY));
    make_text_condition(m, rule, config_text(node, CONFIG_RULE_TEXT));
    rule->from_minute = (int)(config_number(node, CONFIG_RULE_HOURS) / 10000);
    rule->to_minute = (int)(config_number(node, CONFIG_RULE_HOURS) % 10000);
    rule->policy = (enum tier)config_number(node, CONFIG_RULE_POLICY);
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

static void make_rules(struct maker *m)
{
    m->catalog->rules =
        ARENA_ARRAY(m->arena, struct rule, m->config->rule_count + 3);
    for (unsigned i = 0; i < m->config->rule_count; i++)
        make_rule(m, &m->config->rules[i]);
    make_thresholds(m);
}

/* --- keys --------------------------------------------------------------- */

static void make_keys(struct maker *m)
{
    m->catalog->keys =
        ARENA_ARRAY(m->arena, struct api_key, m->config->key_count);
    for (unsigned i = 0; i < m->config->key_count; i++) {
        const struct config_node *node = &m->config->keys[i];
        struct str secret = config_get(node, CONFIG_KEY_SECRET)->secret.bytes;
        struct api_key *key = &m->catalog->keys[m->catalog->key_count++];
        unsigned len = 0;

        key->name = keep(m, config_text(node, CONFIG_KEY_NAME));
        key->policy = (enum tier)config_number(node, CONFIG_KEY_POLICY);
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

/* --- Claude's models ---------------------------------------------------- */

static void make_claude(struct maker *m)
{
    struct str path = config_text(&m->config->root, CONFIG_ROOT_CLAUDE_MODELS);
    struct str text = {claude_default_data, claude_default_data_len};
    struct str why = {NULL, 0};
    struct buf file;

    buf_init(&file, 4 << 20);
    if (path.len > 0) {
        FILE *stream = fopen(path.ptr, "rb");
        size_t n;

        if (stream == NULL) {
            config_complain(m->config, &m->config->root,
                            CONFIG_ROOT_CLAUDE_MODELS,
                            "expected a file that can be read");
            return;
        }
        while (buf_reserve(&file, 4096) &&
               (n = fread(file.ptr + file.len, 1, 4096, stream)) > 0)
            file.len += n;
        fclose(stream);
        text = buf_str(&file);
    }
    if (!claude_models_read(m->arena, text, &m->catalog->claude, &why))
        config_complain(m->config, &m->config->root, CONFIG_ROOT_CLAUDE_MODELS,
                        "expected a list of models: %.*s", STR_ARG(why));
    buf_fini(&file);
}

/* --- the whole ---------------------------------------------------------- */

struct catalog *catalog_new(struct config *config)
{
    struct catalog *catalog = must_calloc(1, sizeof(*catalog));
    struct maker maker = {config, catalog, &catalog->arena};

    atomic_init(&catalog->references, 1);
    arena_init(&catalog->arena);
    make_settings(&maker);
    catalog_make_listen(&maker);
    make_claude(&maker);
    make_backends(&maker);
    make_rules(&maker);
    make_keys(&maker);
    if (config->problem_count > 0) {
        catalog_unref(catalog);
        return NULL;
    }
    return catalog;
}

struct catalog *catalog_ref(struct catalog *catalog)
{
    atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    return catalog;
}

void catalog_unref(struct catalog *catalog)
{
    if (atomic_fetch_sub_explicit(&catalog->references, 1,
                                  memory_order_acq_rel) != 1)
        return;
    arena_clear(&catalog->arena);
    free(catalog);
}

const struct backend *catalog_find_backend(const struct catalog *catalog,
                                           struct str name)
{
    for (unsigned i = 0; i < catalog->backend_count; i++)
        if (str_eq(catalog->backends[i].name, name))
            return &catalog->backends[i];
    return NULL;
}

const struct model *catalog_find_model(const struct catalog *catalog,
                                       struct str name)
{
    for (unsigned i = 0; i < catalog->model_count; i++)
        if (str_eq(catalog->models[i].name, name))
            return &catalog->models[i];
    return NULL;
}
