/* The ways in and out: listening sockets, TLS at the door, proxies. */
#include "catalog_private.h"

static void free_tls(void *context)
{
    tls_context_free(context);
}

void catalog_make_listen(struct maker *m)
{
    enum { UNIX_PATH_MAX = 107 };
    struct config *c = m->config;
    struct settings *s = &m->catalog->settings;
    struct str certificate =
        config_text(&c->root, CONFIG_ROOT_LISTEN_CERTIFICATE);
    struct str key = config_text(&c->root, CONFIG_ROOT_LISTEN_KEY);
    const char *why = "";
    bool is_key = false;

    if (config_is_set(&c->root, CONFIG_ROOT_LISTEN_UNIX))
        s->unix_path = arena_copy(
            m->arena, config_text(&c->root, CONFIG_ROOT_LISTEN_UNIX));
    s->unix_mode =
        (unsigned)config_number(&c->root, CONFIG_ROOT_LISTEN_UNIX_MODE);
    if (s->unix_path.len > UNIX_PATH_MAX)
        config_complain(c, &c->root, CONFIG_ROOT_LISTEN_UNIX,
                        "expected at most %d bytes", UNIX_PATH_MAX);
    if (certificate.len == 0 && key.len == 0)
        return;
    if (certificate.len == 0 || key.len == 0) {
        config_complain(c, &c->root,
                        key.len == 0 ? CONFIG_ROOT_LISTEN_KEY
                                     : CONFIG_ROOT_LISTEN_CERTIFICATE,
                        "expected both, listen.tls_certificate and "
                        "listen.tls_key");
        return;
    }
    s->tls = tls_server_context_new(certificate.ptr, key.ptr, &is_key, &why);
    if (s->tls == NULL)
        config_complain(
            c, &c->root,
            is_key ? CONFIG_ROOT_LISTEN_KEY : CONFIG_ROOT_LISTEN_CERTIFICATE,
            "expected a PEM file%s: %s",
            is_key ? " of the certificate's key" : " of a certificate", why);
    else
        arena_defer(m->arena, free_tls, s->tls);
}

static const struct proxy *read_proxy(struct maker *m,
                                      const struct config_node *node,
                                      enum config_option option)
{
    struct str text = config_get(node, option)->secret.bytes;
    struct proxy *proxy;

    if (str_eq(text, STR("none")))
        return NULL;
    proxy = proxy_parse(m->arena, text);
    if (proxy == NULL)
        config_complain(m->config, node, option,
                        "expected http://[user:password@]host:port, or none");
    return proxy;
}

/* What the environment says about the way to an endpoint. */
static const struct proxy *proxy_of_environment(struct maker *m,
                                                const struct endpoint *endpoint)
{
    const char *name;
    struct str text =
        endpoint->is_tls
            ? proxy_environment("https_proxy", "HTTPS_PROXY", &name)
            : proxy_environment("http_proxy", "HTTP_PROXY", &name);
    struct proxy *proxy;

    if (text.len == 0)
        return NULL;
    proxy = proxy_parse(m->arena, text);
    if (proxy == NULL)
        config_complain_node(m->config, &m->config->root,
                             "environment: %s: expected "
                             "http://[user:password@]host:port",
                             name);
    return proxy;
}

void catalog_make_proxies(struct maker *m, struct backend *backend,
                          const struct config_node *node)
{
    const struct config_node *root = &m->config->root;
    const char *name;
    struct str exempt = proxy_environment("no_proxy", "NO_PROXY", &name);

    for (unsigned i = 0; i < backend->replica_count; i++) {
        struct replica *replica = &backend->replicas[i];

        if (node != NULL && config_is_set(node, CONFIG_BACKEND_PROXY))
            replica->proxy = read_proxy(m, node, CONFIG_BACKEND_PROXY);
        else if (proxy_is_loopback(&replica->endpoint) ||
                 proxy_is_exempt(&replica->endpoint, exempt))
            replica->proxy = NULL;
        else if (config_is_set(root, CONFIG_ROOT_PROXY))
            replica->proxy = read_proxy(m, root, CONFIG_ROOT_PROXY);
        else
            replica->proxy = proxy_of_environment(m, &replica->endpoint);
    }
}
