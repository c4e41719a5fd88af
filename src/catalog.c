#include "catalog_private.h"

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

struct str service_name(enum service service)
{
    static const struct str names[SERVICES] = {
        [SERVICE_CHAT] = STR_INIT("chat"),
        [SERVICE_COMPLETIONS] = STR_INIT("completions"),
        [SERVICE_EMBEDDINGS] = STR_INIT("embeddings"),
    };

    return names[service];
}

struct str catalog_keep(struct maker *m, struct str s)
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

/* Each request that is on its way, and each account that waits for delivery,
 * may hold it twice. */
enum { CONTENT_BYTES_MAX = 1 << 20 };

static void make_settings(struct maker *m)
{
    static const enum config_option needed[] = {
        CONFIG_ROOT_PROBE_INTERVAL_MS, CONFIG_ROOT_PROBE_COLD_MS,
        CONFIG_ROOT_PROBE_TIMEOUT_MS,  CONFIG_ROOT_BODY_BYTES,
        CONFIG_ROOT_ANSWER_BYTES,      CONFIG_ROOT_IN_FLIGHT,
        CONFIG_ROOT_STORE_TTL_MS};
    const struct config *c = m->config;
    const struct config_node *root = &c->root;
    struct settings *s = &m->catalog->settings;
    int64_t workers = config_number(root, CONFIG_ROOT_WORKERS);

    *s = (struct settings){
        .host = catalog_keep(m, config_text(root, CONFIG_ROOT_LISTEN_HOST)),
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
        .is_strict = config_number(root, CONFIG_ROOT_STRICT) != 0,
        .builtin_tools = (int)config_number(root, CONFIG_ROOT_BUILTIN_TOOLS),
        .incoming_trace = (int)config_number(root, CONFIG_ROOT_INCOMING_TRACE),
        .captures_content = config_number(root, CONFIG_ROOT_CONTENT) != 0,
        .content_bytes = bytes(c, CONFIG_ROOT_CONTENT_BYTES),
        .store_bytes = bytes(c, CONFIG_ROOT_STORE_BYTES),
        .store_ttl_ms = ms(c, CONFIG_ROOT_STORE_TTL_MS),
        .anthropic_version =
            catalog_keep(m, config_text(root, CONFIG_ROOT_ANTHROPIC_VERSION)),
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
    if (s->content_bytes > CONTENT_BYTES_MAX)
        config_complain(m->config, root, CONFIG_ROOT_CONTENT_BYTES,
                        "expected at most 1MiB");
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
        check(endpoint_parse(catalog_keep(m, urls->items[i]),
                             &replica->endpoint));
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
    backend->ca_file = catalog_keep(m, ca_file);
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

static void make_backend(struct maker *m, const struct config_node *node)
{
    struct catalog *catalog = m->catalog;
    struct str name = config_text(node, CONFIG_BACKEND_NAME);
    struct str health = config_text(node, CONFIG_BACKEND_HEALTH_PATH);
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
    backend->name = catalog_keep(m, name);
    backend->tier = (enum tier)config_number(node, CONFIG_BACKEND_TIER);
    backend->dialect =
        config_is_set(node, CONFIG_BACKEND_DIALECT)
            ? (enum dialect)config_number(node, CONFIG_BACKEND_DIALECT)
        : backend->tier == TIER_CLOUD ? DIALECT_ANTHROPIC
                                      : DIALECT_OPENAI;
    backend->key = secret_keep(
        m->arena, config_get(node, CONFIG_BACKEND_KEY)->secret.bytes);
    /* a vendor would learn how the calls of our callers hang together */
    backend->takes_trace =
        config_is_set(node, CONFIG_BACKEND_TRACEPARENT)
            ? config_number(node, CONFIG_BACKEND_TRACEPARENT) != 0
            : backend->tier == TIER_LOCAL;
    backend->asks_usage = config_number(node, CONFIG_BACKEND_STREAM_USAGE) != 0;
    if (health.len == 0 && backend->dialect == DIALECT_OPENAI &&
        backend->tier == TIER_LOCAL)
        health = STR("/health");
    if (!str_eq(health, STR("none")))
        backend->health_path = catalog_keep(m, health);
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
    catalog_make_hour_price(backend, node, CONFIG_BACKEND_PRICE);
    if (backend->has_hour_price && backend->tier != TIER_LOCAL)
        config_complain(m->config, node, CONFIG_BACKEND_PRICE,
                        "expected it for local backends alone: the cloud is "
                        "paid by the token");
    for (unsigned i = 0; i < node->model_count; i++)
        catalog_make_model(m, backend, &node->models[i]);
    catalog_make_default_model(m, backend, node, first_model);
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
        backend->takes_trace = true;
        backend->asks_usage = true;
        backend->health_path = STR("/health");
        backend->key = secret_keep(
            m->arena, config_get(root, CONFIG_ROOT_LOCAL_KEY)->secret.bytes);
        make_replicas(m, backend, config_get(root, CONFIG_ROOT_LOCAL_URL));
        make_queue(m, backend, catalog->settings.max_in_flight);
        catalog_make_proxies(m, backend, NULL);
        make_tls(m, backend, root, CONFIG_ROOT_LOCAL_URL, STR(""));
        catalog_make_hour_price(backend, root, CONFIG_ROOT_LOCAL_PRICE);
        model = catalog_add_model(m, backend, name, name);
        model->context_window = config_number(root, CONFIG_ROOT_LOCAL_CONTEXT);
        model->max_output = config_number(root, CONFIG_ROOT_LOCAL_MAX_OUTPUT);
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
        backend->default_model = catalog_add_model(m, backend, name, name);
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
        if (backend->default_model == NULL ||
            !model_serves(backend->default_model, SERVICE_CHAT))
            continue;
        if (backend->tier == TIER_LOCAL && catalog->local == NULL)
            catalog->local = backend;
        if (backend->tier == TIER_CLOUD && catalog->cloud == NULL)
            catalog->cloud = backend;
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
    catalog_make_reference(&maker);
    catalog_make_rules(&maker);
    catalog_make_keys(&maker);
    catalog_check_langfuse(&maker);
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
