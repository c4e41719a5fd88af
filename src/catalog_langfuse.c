#include "catalog_langfuse.h"

#include "catalog_private.h"

enum { ENVIRONMENT_MAX = 40, FLUSH_AT_MAX = 100000 };

/* As Langfuse takes them: another one would silently become "default". */
static bool is_environment(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') ||
              (s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '-' ||
              s.ptr[i] == '_'))
            return false;
    return s.len <= ENVIRONMENT_MAX && !str_starts(s, STR("langfuse"));
}

static bool is_said(const struct config *config, enum config_option option)
{
    return config_get(&config->root, option)->source > CONFIG_DEFAULT;
}

/* The keys come together, and what else is said needs them. */
static void check_keys(struct maker *m)
{
    static const enum config_option keys[] = {CONFIG_ROOT_LANGFUSE_PUBLIC_KEY,
                                              CONFIG_ROOT_LANGFUSE_SECRET_KEY};
    struct config *config = m->config;
    bool has[COUNT_OF(keys)];

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        has[i] = secret_is_set(config_get(&config->root, keys[i])->secret);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (has[1 - i] && !has[i])
            config_complain(config, &config->root, keys[i],
                            "Langfuse needs both keys of a project");
    if (!has[0] && !has[1] && is_said(config, CONFIG_ROOT_LANGFUSE_URL))
        config_complain(config, &config->root, CONFIG_ROOT_LANGFUSE_URL,
                        "but nothing can be sent there without the keys of a "
                        "project: set langfuse.public_key and "
                        "langfuse.secret_key");
    if (str_contains(config_get(&config->root, keys[0])->secret.bytes,
                     STR(":")))
        config_complain(config, &config->root, keys[0],
                        "expected a key without a colon");
}

void catalog_check_langfuse(struct maker *m)
{
    struct config *config = m->config;
    const struct config_node *root = &config->root;
    int64_t flush_at = config_number(root, CONFIG_ROOT_LANGFUSE_FLUSH_AT);

    check_keys(m);
    if (config_get(root, CONFIG_ROOT_LANGFUSE_URL)->item_count != 1)
        config_complain(config, root, CONFIG_ROOT_LANGFUSE_URL,
                        "expected one URL");
    if (!is_environment(config_text(root, CONFIG_ROOT_LANGFUSE_ENVIRONMENT)))
        config_complain(config, root, CONFIG_ROOT_LANGFUSE_ENVIRONMENT,
                        "expected up to 40 of a-z, 0-9, - and _, not "
                        "beginning with langfuse");
    if (config_number(root, CONFIG_ROOT_LANGFUSE_TIMEOUT_MS) == 0)
        config_complain(config, root, CONFIG_ROOT_LANGFUSE_TIMEOUT_MS,
                        "expected more than 0");
    if (flush_at < 1 || flush_at > FLUSH_AT_MAX)
        config_complain(config, root, CONFIG_ROOT_LANGFUSE_FLUSH_AT,
                        "expected 1 to 100000");
}

void langfuse_settings_read(const struct config *config,
                            struct langfuse_settings *out)
{
    const struct config_node *root = &config->root;
    struct str url = config_get(root, CONFIG_ROOT_LANGFUSE_URL)->items[0];

    while (str_ends(url, STR("/")))
        url.len--;
    *out = (struct langfuse_settings){
        .base_url = url,
        .public_key = config_get(root, CONFIG_ROOT_LANGFUSE_PUBLIC_KEY)->secret,
        .secret_key = config_get(root, CONFIG_ROOT_LANGFUSE_SECRET_KEY)->secret,
        .mode = (enum config_langfuse_mode)config_number(
            root, CONFIG_ROOT_LANGFUSE_MODE),
        .environment = config_text(root, CONFIG_ROOT_LANGFUSE_ENVIRONMENT),
        .release = config_text(root, CONFIG_ROOT_LANGFUSE_RELEASE),
        .share = config_number(root, CONFIG_ROOT_LANGFUSE_SAMPLE_RATE),
        .timeout_ms =
            (uint64_t)config_number(root, CONFIG_ROOT_LANGFUSE_TIMEOUT_MS),
        .flush_ms =
            (uint64_t)config_number(root, CONFIG_ROOT_LANGFUSE_FLUSH_MS),
        .flush_at =
            (unsigned)config_number(root, CONFIG_ROOT_LANGFUSE_FLUSH_AT),
        .is_zipped = config_number(root, CONFIG_ROOT_LANGFUSE_GZIP) != 0,
    };
    out->is_on =
        secret_is_set(out->public_key) && secret_is_set(out->secret_key);
}
