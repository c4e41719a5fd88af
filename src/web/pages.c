#include "pages.h"

#include "choose/queue.h"
#include "json.h"
#include "reply/failure.h"
#include "telemetry/metrics.h"

enum { PAGE_MAX = 4 << 20 };

/* Model cards must bear a date; there is no better one than a fixed one. */
enum { MODEL_CREATED = 1790000000 };

static void reply_json(struct reply *reply, int status, struct str body)
{
    reply_whole(reply, status, STR("application/json"), &body, 1);
}

void page_health(struct reply *reply)
{
    reply_json(reply, 200, STR("{\"status\":\"ok\"}"));
}

void page_ready(struct reply *reply, bool is_draining)
{
    if (is_draining)
        reply_json(reply, 503, STR("{\"status\":\"draining\"}"));
    else
        reply_json(reply, 200, STR("{\"status\":\"ready\"}"));
}

/* --- models ------------------------------------------------------------- */

static void put_model(struct json_out *out, struct str id, struct str owner,
                      enum tier tier)
{
    json_open(out, '{');
    json_member_str(out, STR("id"), id);
    json_member_str(out, STR("object"), STR("model"));
    json_member_i64(out, STR("created"), MODEL_CREATED);
    json_member_str(out, STR("owned_by"), owner);
    if (tier != TIER_NONE)
        json_member_str(out, STR("backend"), tier_name(tier));
    json_close(out, '}');
}

/* Calls `visit` for every name; stops when it returns false. */
static void each_model(const struct catalog *catalog,
                       bool (*visit)(void *ctx, struct str id, struct str owner,
                                     enum tier tier),
                       void *ctx)
{
    bool has_claude = false;

    if (!visit(ctx, STR("auto"), STR("weir"), TIER_NONE) ||
        (catalog->local != NULL &&
         !visit(ctx, STR("local"), STR("weir"), TIER_LOCAL)) ||
        (catalog->cloud != NULL &&
         (!visit(ctx, STR("cloud"), STR("weir"), TIER_CLOUD) ||
          !visit(ctx, STR("claude"), STR("weir"), TIER_CLOUD))))
        return;
    for (unsigned i = 0; i < catalog->model_count; i++)
        if (!visit(ctx, catalog->models[i].name,
                   catalog->models[i].backend->name,
                   catalog->models[i].backend->tier))
            return;
    for (unsigned i = 0; i < catalog->backend_count; i++)
        has_claude =
            has_claude || catalog->backends[i].dialect == DIALECT_ANTHROPIC;
    for (unsigned i = 0; has_claude && i < catalog->claude.count; i++) {
        struct str id = catalog->claude.models[i].id;

        if (catalog_find_model(catalog, id) == NULL &&
            !visit(ctx, id, STR("anthropic"), TIER_CLOUD))
            return;
    }
}

static bool list_model(void *ctx, struct str id, struct str owner,
                       enum tier tier)
{
    put_model(ctx, id, owner, tier);
    return true;
}

void page_models(struct reply *reply, const struct catalog *catalog)
{
    struct buf body;
    struct json_out out = json_out_to(&body);

    buf_init(&body, PAGE_MAX);
    json_open(&out, '{');
    json_member_str(&out, STR("object"), STR("list"));
    json_key(&out, STR("data"));
    json_open(&out, '[');
    each_model(catalog, list_model, &out);
    json_close(&out, ']');
    json_close(&out, '}');
    reply_json(reply, 200, buf_str(&body));
    buf_fini(&body);
}

struct search {
    struct str wanted;
    struct json_out out;
    bool found;
};

static bool find_model(void *ctx, struct str id, struct str owner,
                       enum tier tier)
{
    struct search *search = ctx;

    if (!str_eq(id, search->wanted))
        return true;
    put_model(&search->out, id, owner, tier);
    search->found = true;
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

void page_model(struct reply *reply, struct arena *arena,
                const struct catalog *catalog, struct str id)
{
    struct search search = {.wanted = unescape(arena, id)};
    struct chat_error error;
    struct buf body;

    buf_init(&body, PAGE_MAX);
    search.out = json_out_to(&body);
    each_model(catalog, find_model, &search);
    if (search.found) {
        reply_json(reply, 200, buf_str(&body));
    } else {
        struct str shown = str_clip(search.wanted, 80);

        (void)chat_refuse(&error, arena, ERR_NO_SUCH_MODEL, STR("model"),
                          "The model \"%.*s\" does not exist.", STR_ARG(shown));
        failure_reply(reply, &format_chat, STR(""), &error);
    }
    buf_fini(&body);
}

/* --- metrics ------------------------------------------------------------ */

static void put_waiting(const struct catalog *catalog, struct buf *out)
{
    metrics_family(out, "weir_backend_waiting",
                   "Requests that wait for a place at the backend.", "gauge");
    for (unsigned i = 0; i < catalog->backend_count; i++)
        buf_printf(out, "weir_backend_waiting{backend=\"%.*s\"} %u\n",
                   STR_ARG(catalog->backends[i].name),
                   queue_length(&catalog->backends[i]));
}

static void put_moves(const struct catalog *catalog, struct buf *out)
{
    metrics_family(out, "weir_backend_state_changes_total",
                   "How often the replica came into the state.", "counter");
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++)
            for (unsigned s = 0; s < HEALTH_STATES; s++)
                buf_printf(out,
                           "weir_backend_state_changes_total{backend=\"%.*s\","
                           "replica=\"%u\",to=\"%.*s\"} %llu\n",
                           STR_ARG(backend->name), k,
                           STR_ARG(health_state_name((enum health_state)s)),
                           (unsigned long long)atomic_load(
                               &backend->replicas[k].moves[s]));
    }
}

void page_put_replicas(const struct catalog *catalog, struct buf *out)
{
    metrics_family(out, "weir_backend_in_flight",
                   "Requests under way, by replica.", "gauge");
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++)
            buf_printf(out,
                       "weir_backend_in_flight{backend=\"%.*s\",replica=\"%u\"}"
                       " %u\n",
                       STR_ARG(backend->name), k,
                       atomic_load(&backend->replicas[k].in_flight));
    }
    metrics_family(out, "weir_backend_state",
                   "1 for the state that the replica is in.", "gauge");
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++) {
            enum health_state state = health_state(&backend->replicas[k]);

            for (unsigned s = 0; s < HEALTH_STATES; s++)
                buf_printf(out,
                           "weir_backend_state{backend=\"%.*s\",replica=\"%u\","
                           "state=\"%.*s\"} %d\n",
                           STR_ARG(backend->name), k,
                           STR_ARG(health_state_name((enum health_state)s)),
                           state == (enum health_state)s);
        }
    }
    put_waiting(catalog, out);
    put_moves(catalog, out);
}

void page_metrics(struct reply *reply, struct str text)
{
    reply_whole(reply, 200, STR("text/plain; version=0.0.4; charset=utf-8"),
                &text, 1);
}
