/* The models: every name that a caller may use, and what is behind it, in the
 * shape of OpenAI or, for who sends an anthropic-version, in Anthropic's. */
#include "json.h"
#include "pages.h"
#include "reply/failure.h"

enum { PAGE_MAX = 4 << 20 };

/* Model cards must bear a date; there is no better one than a fixed one. */
enum { MODEL_CREATED = 1790000000 };
static const struct str model_created_at = STR_INIT("2026-09-21T14:13:20Z");

/* What is said of a name. */
struct card {
    struct str id;
    struct str owner;
    enum tier tier;            /* TIER_NONE: whoever answers */
    const struct model *model; /* behind it; NULL: none that is configured */
    int64_t context_window;    /* 0: unknown */
    int64_t max_output;
};

static void reply_json(struct reply *reply, int status, struct str body)
{
    reply_whole(reply, status, STR("application/json"), &body, 1);
}

/* --- every name ----------------------------------------------------------- */

/* Returns false when it has seen enough. */
typedef bool visit_card(void *ctx, const struct card *card);

/* What stands for a model: its own name, or the name of its tier. */
static bool visit_model(visit_card *visit, void *ctx, struct str id,
                        struct str owner, const struct model *model)
{
    struct card card = {
        .id = id,
        .owner = owner,
        .tier = model->backend->tier,
        .model = model,
        .context_window = model->context_window,
        .max_output = model->max_output,
    };

    return visit(ctx, &card);
}

static bool visit_tiers(const struct catalog *catalog, visit_card *visit,
                        void *ctx)
{
    struct str weir = STR("weir");
    struct card any = {.id = STR("auto"), .owner = weir};
    const struct backend *local = catalog->local;
    const struct backend *cloud = catalog->cloud;

    return visit(ctx, &any) &&
           (local == NULL || visit_model(visit, ctx, STR("local"), weir,
                                         local->default_model)) &&
           (cloud == NULL || (visit_model(visit, ctx, STR("cloud"), weir,
                                          cloud->default_model) &&
                              visit_model(visit, ctx, STR("claude"), weir,
                                          cloud->default_model)));
}

/* Any Claude can be asked for, where there is a backend for it. */
static void visit_claudes(const struct catalog *catalog, visit_card *visit,
                          void *ctx)
{
    bool has_claude = false;

    for (unsigned i = 0; i < catalog->backend_count; i++)
        has_claude =
            has_claude || catalog->backends[i].dialect == DIALECT_ANTHROPIC;
    for (unsigned i = 0; has_claude && i < catalog->claude.count; i++) {
        const struct claude_model *claude = &catalog->claude.models[i];
        struct card card = {
            .id = claude->id,
            .owner = STR("anthropic"),
            .tier = TIER_CLOUD,
            .context_window = claude->context_window,
            .max_output = claude->max_output_tokens,
        };

        if (catalog_find_model(catalog, card.id) == NULL && !visit(ctx, &card))
            return;
    }
}

static void visit_all(const struct catalog *catalog, visit_card *visit,
                      void *ctx)
{
    if (!visit_tiers(catalog, visit, ctx))
        return;
    for (unsigned i = 0; i < catalog->model_count; i++) {
        const struct model *model = &catalog->models[i];

        if (!visit_model(visit, ctx, model->name, model->backend->name, model))
            return;
    }
    visit_claudes(catalog, visit, ctx);
}

/* --- the shapes ----------------------------------------------------------- */

static void put_flag(struct json_out *out, struct str name, bool is)
{
    json_key(out, name);
    json_put_bool(out, is);
}

static void put_abilities(struct json_out *out, const struct model *model)
{
    json_key(out, STR("serves"));
    json_open(out, '[');
    for (unsigned i = 0; i < SERVICES; i++)
        if (model_serves(model, (enum service)i))
            json_put_str(out, service_name((enum service)i));
    json_close(out, ']');
    json_key(out, STR("capabilities"));
    json_open(out, '{');
    put_flag(out, STR("images"), model->takes_images);
    put_flag(out, STR("tools"), model->takes_tools);
    put_flag(out, STR("structured_output"), model->takes_structured);
    put_flag(out, STR("thinking"), model->takes_thinking);
    json_close(out, '}');
}

/* What OpenAI's cards have, and more behind it, as far as it is known. */
static void put_openai(struct json_out *out, const struct card *card)
{
    json_open(out, '{');
    json_member_str(out, STR("id"), card->id);
    json_member_str(out, STR("object"), STR("model"));
    json_member_i64(out, STR("created"), MODEL_CREATED);
    json_member_str(out, STR("owned_by"), card->owner);
    if (card->tier != TIER_NONE)
        json_member_str(out, STR("backend"), tier_name(card->tier));
    if (card->context_window > 0)
        json_member_i64(out, STR("context_window"), card->context_window);
    if (card->max_output > 0)
        json_member_i64(out, STR("max_output_tokens"), card->max_output);
    if (card->model != NULL)
        put_abilities(out, card->model);
    json_close(out, '}');
}

static void put_size(struct json_out *out, struct str name, int64_t size)
{
    json_key(out, name);
    if (size > 0)
        json_put_i64(out, size);
    else
        json_put_null(out);
}

static void put_anthropic(struct json_out *out, const struct card *card)
{
    json_open(out, '{');
    json_member_str(out, STR("type"), STR("model"));
    json_member_str(out, STR("id"), card->id);
    json_member_str(out, STR("display_name"), card->id);
    json_member_str(out, STR("created_at"), model_created_at);
    put_size(out, STR("max_input_tokens"), card->context_window);
    put_size(out, STR("max_tokens"), card->max_output);
    json_close(out, '}');
}

/* Anthropic's callers know of nothing but chats. */
static bool is_shown(const struct card *card, bool is_anthropic)
{
    return !is_anthropic || card->model == NULL ||
           model_serves(card->model, SERVICE_CHAT);
}

static bool wants_anthropic(const struct head *head)
{
    return head_find(head, STR("anthropic-version")).ptr != NULL;
}

/* --- the pages ------------------------------------------------------------ */

struct lister {
    struct json_out out;
    bool is_anthropic;
    struct str first, last;
};

static bool list_card(void *ctx, const struct card *card)
{
    struct lister *lister = ctx;

    if (!is_shown(card, lister->is_anthropic))
        return true;
    if (lister->first.len == 0)
        lister->first = card->id;
    lister->last = card->id;
    if (lister->is_anthropic)
        put_anthropic(&lister->out, card);
    else
        put_openai(&lister->out, card);
    return true;
}

void page_models(struct reply *reply, const struct head *head,
                 const struct catalog *catalog)
{
    struct lister lister = {.is_anthropic = wants_anthropic(head)};
    struct json_out *out = &lister.out;
    struct buf body;

    buf_init(&body, PAGE_MAX);
    lister.out = json_out_to(&body);
    json_open(out, '{');
    if (!lister.is_anthropic)
        json_member_str(out, STR("object"), STR("list"));
    json_key(out, STR("data"));
    json_open(out, '[');
    visit_all(catalog, list_card, &lister);
    json_close(out, ']');
    if (lister.is_anthropic) {
        put_flag(out, STR("has_more"), false);
        json_member_str(out, STR("first_id"), lister.first);
        json_member_str(out, STR("last_id"), lister.last);
    }
    json_close(out, '}');
    reply_json(reply, 200, buf_str(&body));
    buf_fini(&body);
}

struct search {
    struct str wanted;
    struct json_out out;
    bool is_anthropic;
    bool found;
};

static bool find_card(void *ctx, const struct card *card)
{
    struct search *search = ctx;

    if (!str_eq(card->id, search->wanted))
        return true;
    search->found = is_shown(card, search->is_anthropic);
    if (search->found && search->is_anthropic)
        put_anthropic(&search->out, card);
    else if (search->found)
        put_openai(&search->out, card);
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "%2F" and the like; what is no escape stays. */
static struct str unescape(struct arena *arena, struct str s)
{
    char *out = arena_alloc(arena, s.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        int high = i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
        int low = i + 2 < s.len ? hex_value(s.ptr[i + 2]) : -1;

        if (s.ptr[i] == '%' && high >= 0 && low >= 0) {
            out[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[n++] = s.ptr[i];
        }
    }
    return (struct str){out, n};
}

static void refuse(struct reply *reply, struct arena *arena,
                   struct search *search)
{
    struct str shown = str_clip(search->wanted, 80);
    struct chat_error error;

    (void)chat_refuse(&error, arena, ERR_NO_SUCH_MODEL, STR("model"),
                      "The model \"%.*s\" does not exist.", STR_ARG(shown));
    failure_reply(reply, search->is_anthropic ? &format_messages : &format_chat,
                  STR(""), &error);
}

void page_model(struct reply *reply, struct arena *arena,
                const struct head *head, const struct catalog *catalog,
                struct str id)
{
    struct search search = {
        .wanted = unescape(arena, id),
        .is_anthropic = wants_anthropic(head),
    };
    struct buf body;

    buf_init(&body, PAGE_MAX);
    search.out = json_out_to(&body);
    visit_all(catalog, find_card, &search);
    if (search.found)
        reply_json(reply, 200, buf_str(&body));
    else
        refuse(reply, arena, &search);
    buf_fini(&body);
}
