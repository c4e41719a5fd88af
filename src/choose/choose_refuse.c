#include "choose/choose_private.h"

enum { NAMES_SHOWN = 300 };

/* --- names -------------------------------------------------------------- */

/* Whole names only, and room for the dots; false when there is no more. */
static bool put_name(struct buf *names, struct str name, size_t max)
{
    bool is_first = names->len == 0;

    if (names->len + name.len + 2 + 5 > max) {
        buf_put(names, STR(", ..."));
        return false;
    }
    if (!is_first)
        buf_put(names, STR(", "));
    buf_put(names, name);
    return true;
}

struct str choose_known_names(struct arena *arena,
                              const struct catalog *catalog,
                              enum service service, size_t max)
{
    struct buf names;
    struct str copy;

    buf_init(&names, max);
    if (service == SERVICE_CHAT) {
        buf_put(&names, STR("auto"));
        if (catalog->local != NULL)
            buf_put(&names, STR(", local"));
        if (catalog->cloud != NULL)
            buf_put(&names, STR(", cloud, claude, claude-*"));
    }
    for (unsigned i = 0; i < catalog->model_count; i++)
        if (model_serves(&catalog->models[i], service) &&
            !put_name(&names, catalog->models[i].name, max))
            break;
    copy = arena_copy(arena, buf_str(&names));
    buf_fini(&names);
    return copy;
}

static struct str known_names(const struct chooser *c)
{
    return choose_known_names(c->arena, c->catalog, c->facts->service,
                              NAMES_SHOWN);
}

/* --- refusals ----------------------------------------------------------- */

bool choose_refuse_unknown(const struct chooser *c)
{
    struct str names = known_names(c);
    struct str shown = str_clip(c->name, 80);
    struct str service = service_name(c->facts->service);

    if (c->facts->service == SERVICE_CHAT)
        return chat_refuse(c->error, c->arena, ERR_NO_SUCH_MODEL, STR("model"),
                           "The model \"%.*s\" does not exist. Known models: "
                           "%.*s.",
                           STR_ARG(shown), STR_ARG(names));
    return chat_refuse(c->error, c->arena, ERR_NO_SUCH_MODEL, STR("model"),
                       "The model \"%.*s\" does not exist. Models that serve "
                       "%.*s: %.*s.",
                       STR_ARG(shown), STR_ARG(service), STR_ARG(names));
}

static struct str services_of(struct arena *arena, const struct model *model)
{
    struct str list = {NULL, 0};

    for (unsigned i = 0; i < SERVICES; i++) {
        struct str name = service_name((enum service)i);

        if (!model_serves(model, (enum service)i))
            continue;
        list = list.len == 0 ? name
                             : arena_printf(arena, "%.*s and %.*s",
                                            STR_ARG(list), STR_ARG(name));
    }
    return list;
}

bool choose_refuse_service(const struct chooser *c, const struct model *model)
{
    struct str names = known_names(c);
    struct str shown = str_clip(c->name, 80);
    struct str service = service_name(c->facts->service);
    struct str serves =
        model == NULL ? STR("chat") : services_of(c->arena, model);

    return chat_refuse(c->error, c->arena, ERR_UNSUPPORTED_VALUE, STR("model"),
                       "The model \"%.*s\" serves %.*s, not %.*s. Models that "
                       "serve %.*s: %.*s.",
                       STR_ARG(shown), STR_ARG(serves), STR_ARG(service),
                       STR_ARG(service), STR_ARG(names));
}

bool choose_refuse_conflict(const struct chooser *c, enum tier tier)
{
    struct str shown = str_clip(c->name, 80);
    struct str tier_text = tier_name(tier);

    return chat_refuse(c->error, c->arena, ERR_POLICY_CONFLICT, STR("model"),
                       "The model \"%.*s\" is served by the %.*s tier, which "
                       "the policy of this request forbids.",
                       STR_ARG(shown), STR_ARG(tier_text));
}

bool choose_refuse_pinned(const struct chooser *c)
{
    struct str service = service_name(c->facts->service);

    if (c->facts->service == SERVICE_CHAT)
        return chat_refuse(c->error, c->arena, ERR_POLICY_CONFLICT,
                           (struct str){NULL, 0},
                           "No backend of the tier that the policy asks for "
                           "is configured.");
    return chat_refuse(c->error, c->arena, ERR_POLICY_CONFLICT,
                       (struct str){NULL, 0},
                       "No backend of the tier that the policy asks for "
                       "serves %.*s.",
                       STR_ARG(service));
}

bool choose_is_served(const struct chooser *c)
{
    static const struct str paths[SERVICES] = {
        [SERVICE_CHAT] = STR_INIT("/v1/chat/completions"),
        [SERVICE_COMPLETIONS] = STR_INIT("/v1/completions"),
        [SERVICE_EMBEDDINGS] = STR_INIT("/v1/embeddings"),
    };
    enum service service = c->facts->service;
    struct str name = service_name(service);

    for (unsigned i = 0; i < c->catalog->model_count; i++)
        if (model_serves(&c->catalog->models[i], service))
            return true;
    return chat_refuse(c->error, c->arena, ERR_NO_SUCH_MODEL, STR("model"),
                       "No model that serves %.*s is configured; give one "
                       "`serves: %.*s`.",
                       STR_ARG(paths[service]), STR_ARG(name));
}
