#include "as_vllm.h"

#include <stdarg.h>
#include <stdio.h>

#include "clock.h"
#include "spell.h"

enum { BODY_BYTES = 64 * 1024 * 1024, METRICS_MAX = 256 * 1024, WHY_MAX = 512 };

/* --- errors ------------------------------------------------------------- */

static const struct {
    int status;
    const char *type;
    const char *says;
} errors[] = {
    {400, "BadRequestError", "The request is invalid."},
    {401, "Unauthorized", "Unauthorized"},
    {403, "Forbidden", "Forbidden"},
    {404, "NotFoundError", "Not Found"},
    {405, "MethodNotAllowed", "Method Not Allowed"},
    {408, "RequestTimeout", "The request took too long."},
    {413, "RequestEntityTooLarge", "The request is too large."},
    {422, "UnprocessableEntityError", "The request cannot be processed."},
    {429, "TooManyRequestsError", "Too many requests."},
    {500, "InternalServerError",
     "EngineCore encountered an issue. See stack trace (above) for the root "
     "cause."},
    {501, "NotImplementedError", "Not implemented."},
    {503, "ServiceUnavailableError", "The server is not ready."},
};

static void put_retry_after(struct visit *visit)
{
    char seconds[24];
    int len;

    if (!visit->fault.is_set[FAULT_RETRY_AFTER])
        return;
    len = snprintf(seconds, sizeof(seconds), "%llu",
                   (unsigned long long)visit->fault.value[FAULT_RETRY_AFTER]);
    page_field(&visit->page, STR("retry-after"),
               (struct str){seconds, (size_t)len});
}

/* What a proxy in front of vLLM would say. */
static void refuse_as_proxy(struct visit *visit, int status)
{
    page_whole(&visit->page, status, STR("text/html"),
               STR("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
                   "<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
                   "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"));
}

static void refuse(struct visit *visit, int status, struct str message)
{
    struct buf body;
    struct json_out out = json_out_to(&body);
    const char *type = status < 500 ? "BadRequestError" : "InternalServerError";

    if (visit->page.has_begun)
        return;
    buf_clear(&visit->page.fields); /* those of an answer that failed */
    page_field(&visit->page, STR("server"), STR("uvicorn"));
    put_retry_after(visit);
    if (status == 401) {
        page_json(&visit->page, 401, STR("{\"error\":\"Unauthorized\"}"));
        return;
    }
    if (status == 502) {
        refuse_as_proxy(visit, status);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (errors[i].status != status)
            continue;
        type = errors[i].type;
        if (message.len == 0)
            message = str_of(errors[i].says);
    }
    if (message.len == 0)
        message = STR("Simulated error.");
    if (status == 503 && str_eq(visit->request->path, STR("/health"))) {
        page_whole(&visit->page, 503, STR(""), STR(""));
        return;
    }
    buf_init(&body, WHY_MAX + message.len * 6);
    json_open(&out, '{');
    json_key(&out, STR("error"));
    json_open(&out, '{');
    json_member_str(&out, STR("message"), message);
    json_member_str(&out, STR("type"), str_of(type));
    json_key(&out, STR("param"));
    json_put_null(&out);
    json_member_i64(&out, STR("code"), status);
    json_close(&out, '}');
    json_close(&out, '}');
    page_json(&visit->page, status, buf_str(&body));
    buf_fini(&body);
}

bool as_vllm_fail(struct visit *visit, int status, const char *format, ...)
{
    char why[WHY_MAX];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    if (len >= (int)sizeof(why))
        len = sizeof(why) - 1;
    refuse(visit, status,
           arena_copy_utf8(visit->arena, (struct str){why, (size_t)len}));
    return false;
}

/* FastAPI's own errors have another shape. */
static void detail(struct visit *visit, int status, const char *says)
{
    struct str body = arena_printf(visit->arena, "{\"detail\":\"%s\"}", says);

    page_field(&visit->page, STR("server"), STR("uvicorn"));
    page_json(&visit->page, status, body);
}

/* --- what all need ------------------------------------------------------ */

static bool is_json(const struct visit *visit)
{
    struct str type = head_find(&visit->request->head, STR("content-type"));
    struct str media;

    return str_split(&type, ';', &media) &&
           str_eq_nocase(str_trim(media), STR("application/json"));
}

/* Is it the second one that is served, the one for embeddings? */
static bool is_second(const struct visit *visit, struct str model)
{
    const char *second = visit->stand->options->embedding_model;

    return second != NULL && str_eq(model, str_of(second));
}

struct str as_vllm_model(const struct visit *visit, yyjson_val *root)
{
    struct str model = json_get_text(root, STR("model"));

    return is_second(visit, model) ? model
                                   : str_of(visit->stand->options->model);
}

bool as_vllm_read_body(struct visit *visit, yyjson_val **root)
{
    const char *served = visit->stand->options->model;
    struct json_error trouble;
    struct json_doc doc;
    yyjson_val *model;

    if (!is_json(visit))
        return as_vllm_fail(visit, 400,
                            "[\"Unsupported Media Type: Only "
                            "'application/json' is allowed\"]");
    if (!json_read(visit->arena, request_body(visit->request), &doc, &trouble))
        return as_vllm_fail(visit, 400,
                            "[{'type': 'json_invalid', 'loc': ('body', %zu), "
                            "'msg': 'JSON decode error', 'input': {}, 'ctx': "
                            "{'error': '%s'}}]",
                            trouble.offset, trouble.says);
    if (!yyjson_is_obj(doc.root))
        return as_vllm_fail(
            visit, 400,
            "[{'type': 'model_attributes_type', 'loc': ('body',), "
            "'msg': 'Input should be a valid dictionary or object "
            "to extract fields from'}]");
    *root = doc.root;
    model = json_get(doc.root, STR("model"));
    if (model != NULL && !yyjson_is_str(model))
        return as_vllm_fail(
            visit, 400,
            "[{'type': 'string_type', 'loc': ('body', 'model'), "
            "'msg': 'Input should be a valid string'}]");
    if (model != NULL && !str_eq(json_text(model), str_of(served)) &&
        !is_second(visit, json_text(model)))
        return as_vllm_fail(visit, 404, "The model `%.*s` does not exist.",
                            STR_ARG(str_clip(json_text(model), 200)));
    return true;
}

struct str as_vllm_id(struct visit *visit, const char *prefix)
{
    struct str given = head_find(&visit->request->head, STR("x-request-id"));

    if (given.len == 0)
        given = spell_hex(visit->arena,
                          visit->serial ^ (uint64_t)clock_wall_ms() << 20, 32);
    else
        given = arena_copy_utf8(visit->arena, given);
    return arena_printf(visit->arena, "%s%.*s", prefix, STR_ARG(given));
}

/* --- endpoints without a body ------------------------------------------- */

static void health(struct visit *visit)
{
    page_field(&visit->page, STR("server"), STR("uvicorn"));
    page_whole(&visit->page, 200, STR(""), STR(""));
}

static void version(struct visit *visit)
{
    page_json(&visit->page, 200, STR("{\"version\":\"0.15.0+weir.sim\"}"));
}

static void load(struct visit *visit)
{
    page_json(&visit->page, 200,
              arena_printf(visit->arena, "{\"server_load\":%u}",
                           visit->stand->slots.running +
                               visit->stand->slots.waiting));
}

static void put_permission(struct json_out *out, struct visit *visit,
                           struct str model)
{
    json_key(out, STR("permission"));
    json_open(out, '[');
    json_open(out, '{');
    json_member_str(
        out, STR("id"),
        arena_printf(visit->arena, "modelperm-%.*s",
                     STR_ARG(spell_hex(visit->arena, str_fnv1a64(model), 32))));
    json_member_str(out, STR("object"), STR("model_permission"));
    json_member_i64(out, STR("created"), clock_wall_s());
    json_key(out, STR("allow_create_engine"));
    json_put_bool(out, false);
    json_key(out, STR("allow_sampling"));
    json_put_bool(out, true);
    json_key(out, STR("allow_logprobs"));
    json_put_bool(out, false);
    json_key(out, STR("allow_search_indices"));
    json_put_bool(out, false);
    json_key(out, STR("allow_view"));
    json_put_bool(out, true);
    json_key(out, STR("allow_fine_tuning"));
    json_put_bool(out, false);
    json_member_str(out, STR("organization"), STR("*"));
    json_key(out, STR("group"));
    json_put_null(out);
    json_key(out, STR("is_blocking"));
    json_put_bool(out, false);
    json_close(out, '}');
    json_close(out, ']');
}

static void put_model(struct json_out *out, struct visit *visit,
                      struct str model)
{
    json_open(out, '{');
    json_member_str(out, STR("id"), model);
    json_member_str(out, STR("object"), STR("model"));
    json_member_i64(out, STR("created"), clock_wall_s());
    json_member_str(out, STR("owned_by"), STR("weir-sim"));
    json_member_str(out, STR("root"), model);
    json_key(out, STR("parent"));
    json_put_null(out);
    json_member_i64(out, STR("max_model_len"),
                    visit->stand->options->max_model_len);
    put_permission(out, visit, model);
    json_key(out, STR("simulated"));
    json_put_bool(out, true);
    json_close(out, '}');
}

static void models(struct visit *visit)
{
    const struct sim_options *options = visit->stand->options;
    struct json_out out = json_out_to(&visit->page.out);

    json_open(&out, '{');
    json_member_str(&out, STR("object"), STR("list"));
    json_key(&out, STR("data"));
    json_open(&out, '[');
    put_model(&out, visit, str_of(options->model));
    if (options->embedding_model != NULL)
        put_model(&out, visit, str_of(options->embedding_model));
    json_close(&out, ']');
    json_close(&out, '}');
    page_json(&visit->page, 200, buf_str(&visit->page.out));
}

/* As if all slots together had room for a quarter of their contexts. */
static double cache_usage(const struct stand *stand)
{
    double room = (double)stand->options->slots *
                  (double)stand->options->max_model_len / 4;
    double usage = (double)stand->tokens_held / room;

    return usage > 1 ? 1 : usage;
}

static void metrics(struct visit *visit)
{
    struct stand *stand = visit->stand;
    struct gauges_now now = {
        .model = str_of(stand->options->model),
        .running = stand->slots.running,
        .waiting = stand->slots.waiting,
        .cache_usage = cache_usage(stand),
    };
    struct buf body;

    buf_init(&body, METRICS_MAX);
    gauges_put(&stand->gauges, &now, &body);
    page_whole(&visit->page, 200,
               STR("text/plain; version=0.0.4; charset=utf-8"), buf_str(&body));
    buf_fini(&body);
}

/* --- conversations ------------------------------------------------------ */

static void chat(struct visit *visit)
{
    struct vllm_answer *answer = ARENA_NEW(visit->arena, struct vllm_answer);
    struct prompt *prompt = ARENA_NEW(visit->arena, struct prompt);
    yyjson_val *root = NULL;

    answer->is_chat = true;
    if (!as_vllm_read_body(visit, &root) ||
        !as_vllm_read_chat(visit, root, prompt, answer) ||
        !stand_takes_directive(visit, prompt) ||
        !as_vllm_check_length(visit, prompt))
        return;
    answer->id = as_vllm_id(visit, "chatcmpl-");
    answer->model = prompt->model;
    as_vllm_generate(visit, prompt, 1, answer);
}

/* --- routes ------------------------------------------------------------- */

static const struct {
    struct str method;
    struct str path;
    void (*serve)(struct visit *visit);
} routes[] = {
    {STR_INIT("GET"), STR_INIT("/health"), health},
    {STR_INIT("GET"), STR_INIT("/ping"), health},
    {STR_INIT("POST"), STR_INIT("/ping"), health},
    {STR_INIT("GET"), STR_INIT("/version"), version},
    {STR_INIT("GET"), STR_INIT("/load"), load},
    {STR_INIT("GET"), STR_INIT("/metrics"), metrics},
    {STR_INIT("GET"), STR_INIT("/v1/models"), models},
    {STR_INIT("POST"), STR_INIT("/v1/chat/completions"), chat},
    {STR_INIT("POST"), STR_INIT("/v1/completions"), as_vllm_completions},
    {STR_INIT("POST"), STR_INIT("/v1/embeddings"), as_vllm_embeddings},
    {STR_INIT("POST"), STR_INIT("/tokenize"), as_vllm_tokenize},
    {STR_INIT("POST"), STR_INIT("/detokenize"), as_vllm_detokenize},
};

/* Only what is under /v1 is guarded. */
static bool may_enter(const struct visit *visit)
{
    const char *key = visit->stand->options->vllm_key;
    struct str given = head_find(&visit->request->head, STR("authorization"));

    if (key == NULL || !str_starts(visit->request->path, STR("/v1")))
        return true;
    return str_starts(given, STR("Bearer ")) &&
           str_eq_secret(str_slice(given, 7, given.len), str_of(key));
}

static void serve(struct visit *visit)
{
    const struct request *request = visit->request;
    bool is_known = false;

    if (!may_enter(visit)) {
        refuse(visit, 401, STR(""));
        return;
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!str_eq(request->path, routes[i].path))
            continue;
        is_known = true;
        if (str_eq(request->method, routes[i].method)) {
            routes[i].serve(visit);
            return;
        }
    }
    if (is_known)
        detail(visit, 405, "Method Not Allowed");
    else
        detail(visit, 404, "Not Found");
}

const struct stand_kind as_vllm = {
    .name = STR_INIT("vllm"),
    .serve = serve,
    .refuse = refuse,
    .busy_status = 503,
    .idle_ms = 5000, /* uvicorn's, as vLLM sets it */
    .max_body_bytes = BODY_BYTES,
};
