#include "as_anthropic.h"

#include <stdio.h>

#include "clock.h"
#include "spell.h"

enum {
    BODY_BYTES = 32 * 1024 * 1024,
    ERROR_MAX = 64 * 1024,
    PAGE_SIZE = 20,
    PAGE_MOST = 1000,
    MINUTE_MS = 60 * 1000,
};

/* --- headers ------------------------------------------------------------ */

static struct str request_id(const struct visit *visit)
{
    return arena_printf(
        visit->arena, "req_01%.*s",
        STR_ARG(spell_letters(visit->arena,
                              visit->serial ^ visit->arrived_us << 8, 22)));
}

static const struct {
    const char *name;
    uint64_t limit;
} limits[] = {
    {"requests", 4000},
    {"tokens", 2400000},
    {"input-tokens", 2000000},
    {"output-tokens", 400000},
};

/* `is_used_up` for a 429. */
static void put_limits(struct visit *visit, bool is_used_up)
{
    char reset[CLOCK_RFC3339_SIZE];
    struct str when;

    clock_rfc3339(clock_wall_ms() + MINUTE_MS, reset);
    /* whole seconds, as the API has it */
    when = arena_printf(visit->arena, "%.19sZ", reset);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        uint64_t left =
            is_used_up ? 0 : limits[i].limit - visit->stand->slots.running - 1;

        buf_printf(&visit->page.fields,
                   "anthropic-ratelimit-%s-limit: %llu\r\n"
                   "anthropic-ratelimit-%s-remaining: %llu\r\n"
                   "anthropic-ratelimit-%s-reset: %.*s\r\n",
                   limits[i].name, (unsigned long long)limits[i].limit,
                   limits[i].name, (unsigned long long)left, limits[i].name,
                   STR_ARG(when));
    }
}

static struct str put_headers(struct visit *visit, int status)
{
    struct str id = request_id(visit);

    page_field(&visit->page, STR("request-id"), id);
    page_field(&visit->page, STR("anthropic-organization-id"),
               STR("00000000-0000-4000-8000-000000000000"));
    if (status == 200 || status == 429)
        put_limits(visit, status == 429);
    if (visit->fault.is_set[FAULT_RETRY_AFTER] && status != 200)
        page_field(
            &visit->page, STR("retry-after"),
            arena_printf(
                visit->arena, "%llu",
                (unsigned long long)visit->fault.value[FAULT_RETRY_AFTER]));
    return id;
}

/* --- errors ------------------------------------------------------------- */

static const struct {
    int status;
    const char *type;
    const char *says;
} errors[] = {
    {400, "invalid_request_error", "The request is invalid."},
    {401, "authentication_error", "invalid x-api-key"},
    {402, "billing_error", "Your credit balance is too low."},
    {403, "permission_error",
     "Your API key does not have permission to use the specified resource."},
    {404, "not_found_error", "Not Found"},
    {405, "invalid_request_error", "Method Not Allowed"},
    {408, "timeout_error", "Request timed out."},
    {409, "conflict_error", "Conflict"},
    {413, "request_too_large", "Request exceeds the maximum size of 32 MB."},
    {429, "rate_limit_error",
     "This request would exceed your organization's rate limit."},
    {500, "api_error", "Internal server error"},
    {503, "api_error", "Service unavailable"},
    {504, "timeout_error", "Request timed out."},
    {529, "overloaded_error", "Overloaded"},
};

/* The edge in front of the API answers by itself, and not in JSON. */
static bool is_from_edge(const struct visit *visit, int status)
{
    return visit->fault.is_set[FAULT_STATUS] &&
           (status == 413 || status == 502);
}

static void refuse_with(struct visit *visit, int status, struct str message,
                        struct str details)
{
    const char *type = status < 500 ? "invalid_request_error" : "api_error";
    struct str id;
    struct buf body;
    struct json_out out = json_out_to(&body);

    if (visit->page.has_begun)
        return;
    buf_clear(&visit->page.fields); /* those of an answer that failed */
    id = put_headers(visit, status);
    if (is_from_edge(visit, status)) {
        page_whole(&visit->page, status, STR("text/html"),
                   STR("<html><head><title>Error</title></head><body><center>"
                       "<h1>Error</h1></center><hr><center>cloudflare"
                       "</center></body></html>"));
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
    buf_init(&body, ERROR_MAX);
    json_open(&out, '{');
    json_member_str(&out, STR("type"), STR("error"));
    json_key(&out, STR("error"));
    json_open(&out, '{');
    json_member_str(&out, STR("type"), str_of(type));
    json_member_str(&out, STR("message"), message);
    if (details.len > 0) {
        json_key(&out, STR("details"));
        json_put_raw(&out, details);
    }
    json_close(&out, '}');
    json_member_str(&out, STR("request_id"), id);
    json_close(&out, '}');
    page_json(&visit->page, status, buf_str(&body));
    buf_fini(&body);
}

static void refuse(struct visit *visit, int status, struct str message)
{
    refuse_with(visit, status, message, STR(""));
}

/* --- who asks, and in which version ------------------------------------- */

static bool may_enter(struct visit *visit)
{
    const struct head *head = &visit->request->head;
    const char *wanted = visit->stand->options->anthropic_key;
    struct str key = head_find(head, STR("x-api-key"));

    if (key.len == 0) {
        key = head_find(head, STR("authorization"));
        key = str_starts(key, STR("Bearer ")) ? str_slice(key, 7, key.len)
                                              : STR("");
    }
    if (key.len > 0 && (wanted == NULL || str_eq_secret(key, str_of(wanted))))
        return true;
    refuse(visit, 401,
           key.len == 0 ? STR("x-api-key header is required") : STR(""));
    return false;
}

static bool read_version(struct visit *visit, bool *is_new)
{
    struct str version =
        head_find(&visit->request->head, STR("anthropic-version"));

    *is_new = str_eq(version, STR("2026-10-21"));
    if (*is_new || str_eq(version, STR("2023-06-01")))
        return true;
    if (version.len == 0)
        refuse(visit, 400, STR("anthropic-version: header is required"));
    else
        refuse(visit, 400,
               arena_printf(visit->arena,
                            "anthropic-version: \"%.*s\" is not a valid "
                            "version",
                            STR_ARG(arena_copy_utf8(visit->arena,
                                                    str_clip(version, 80)))));
    return false;
}

/* --- conversations ------------------------------------------------------ */

/* Parses and examines the body.  False when it was refused. */
static bool examine(struct visit *visit, bool is_count,
                    struct anthropic_check *c)
{
    const struct head *head = &visit->request->head;
    struct json_error trouble;
    struct json_doc doc;

    *c = (struct anthropic_check){
        .arena = visit->arena,
        .roster = visit->stand->roster,
        .is_count = is_count,
        .has_beta = head_find(head, STR("anthropic-beta")).len > 0,
    };
    if (!read_version(visit, &c->is_new))
        return false;
    if (!json_read(visit->arena, request_body(visit->request), &doc,
                   &trouble)) {
        refuse(visit, 400,
               arena_printf(visit->arena,
                            "The request body is not valid JSON: %s: line %zu "
                            "column %zu (char %zu)",
                            trouble.says, trouble.line, trouble.column,
                            trouble.offset));
        return false;
    }
    c->root = doc.root;
    if (as_anthropic_check(c))
        return true;
    refuse_with(visit, c->status, c->message, c->details);
    return false;
}

/* The API's own test texts. */
static void take_magic(struct visit *visit, const struct prompt *prompt)
{
    struct str question = prompt_question(visit->arena, prompt);

    if (str_contains(question, STR("ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL")))
        visit->fault.is_set[FAULT_REFUSAL] = true;
    if (str_contains(question,
                     STR("ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING")))
        visit->fault.is_set[FAULT_REDACTED] = true;
}

/* Refuses what is longer than the context, and lets the answer end with it. */
static bool check_length(struct visit *visit, const struct anthropic_check *c,
                         struct prompt *prompt, struct anthropic_answer *answer)
{
    size_t most = (size_t)c->model->traits->context_window;
    size_t tokens = prompt_tokens(prompt);

    if (most > 0 && tokens > most) {
        refuse(visit, 400,
               arena_printf(visit->arena,
                            "prompt is too long: %zu tokens > %zu maximum",
                            tokens, most));
        return false;
    }
    answer->is_near_window = most > 0 && prompt->max_tokens > most - tokens;
    if (answer->is_near_window)
        prompt->max_tokens = most - tokens;
    return true;
}

static void messages(struct visit *visit)
{
    struct anthropic_answer *answer =
        ARENA_NEW(visit->arena, struct anthropic_answer);
    struct prompt *prompt = ARENA_NEW(visit->arena, struct prompt);
    struct anthropic_check c;

    if (!examine(visit, false, &c))
        return;
    as_anthropic_read(&c, prompt, answer);
    if (!stand_takes_directive(visit, prompt) ||
        !check_length(visit, &c, prompt, answer))
        return;
    take_magic(visit, prompt);
    visit->is_stream = json_is_true(json_get(c.root, STR("stream")));
    visit->max_tokens = prompt->max_tokens;
    answer->id =
        arena_printf(visit->arena, "msg_01%.*s",
                     STR_ARG(spell_letters(
                         visit->arena,
                         visit->serial ^ (uint64_t)clock_wall_ms() << 20, 22)));
    prefix_use_marked(visit->stand->cache, prompt, (uint64_t)clock_wall_ms(),
                      &answer->use);
    put_headers(visit, 200);
    as_anthropic_generate(visit, prompt, answer);
}

static void count_tokens(struct visit *visit)
{
    struct anthropic_answer answer = {0};
    struct anthropic_check c;
    struct prompt prompt;

    if (!examine(visit, true, &c))
        return;
    as_anthropic_read(&c, &prompt, &answer);
    if (!stand_takes_directive(visit, &prompt))
        return;
    put_headers(visit, 200);
    page_json(&visit->page, 200,
              arena_printf(visit->arena, "{\"input_tokens\":%zu}",
                           prompt_tokens(&prompt)));
}

/* --- models ------------------------------------------------------------- */

static void put_count_or_null(struct json_out *out, struct str key, int64_t n)
{
    json_key(out, key);
    if (n > 0)
        json_put_i64(out, n);
    else
        json_put_null(out);
}

static void put_model(struct json_out *out, const struct roster_model *model)
{
    json_open(out, '{');
    json_member_str(out, STR("type"), STR("model"));
    json_member_str(out, STR("id"), model->traits->id);
    json_member_str(out, STR("display_name"), model->name);
    json_member_str(out, STR("created_at"), STR("2026-01-01T00:00:00Z"));
    put_count_or_null(out, STR("max_input_tokens"),
                      model->traits->context_window);
    put_count_or_null(out, STR("max_tokens"), model->traits->max_output_tokens);
    json_member_str(out, STR("lifecycle"), STR("active"));
    json_close(out, '}');
}

/* A member of the query as text; ptr NULL when it is absent. */
static struct str query_text(struct str query, struct str key)
{
    struct str pair;

    while (str_split(&query, '&', &pair)) {
        struct str name;

        if (str_split(&pair, '=', &name) && str_eq(name, key))
            return pair;
    }
    return (struct str){NULL, 0};
}

static void list_models(struct visit *visit)
{
    const struct roster *roster = visit->stand->roster;
    struct json_out out = json_out_to(&visit->page.out);
    struct str query = visit->request->query;
    struct str after = query_text(query, STR("after_id"));
    uint64_t most = PAGE_SIZE;
    unsigned first = 0;
    unsigned end;

    if (!str_to_u64(query_text(query, STR("limit")), &most) || most == 0 ||
        most > PAGE_MOST)
        most = PAGE_SIZE;
    for (unsigned i = 0; i < roster->count; i++)
        if (str_eq(roster->models[i].traits->id, after))
            first = i + 1;
    end = roster->count - first > most ? first + (unsigned)most : roster->count;
    json_open(&out, '{');
    json_key(&out, STR("data"));
    json_open(&out, '[');
    for (unsigned i = first; i < end; i++)
        put_model(&out, &roster->models[i]);
    json_close(&out, ']');
    json_key(&out, STR("has_more"));
    json_put_bool(&out, end < roster->count);
    json_key(&out, STR("first_id"));
    if (first < end)
        json_put_str(&out, roster->models[first].traits->id);
    else
        json_put_null(&out);
    json_key(&out, STR("last_id"));
    if (first < end)
        json_put_str(&out, roster->models[end - 1].traits->id);
    else
        json_put_null(&out);
    json_close(&out, '}');
    put_headers(visit, 200);
    page_json(&visit->page, 200, buf_str(&visit->page.out));
}

static void show_model(struct visit *visit, struct str id)
{
    const struct roster_model *model = roster_find(visit->stand->roster, id);
    struct json_out out = json_out_to(&visit->page.out);

    if (model == NULL) {
        refuse(visit, 404,
               arena_printf(
                   visit->arena, "model: %.*s",
                   STR_ARG(arena_copy_utf8(visit->arena, str_clip(id, 200)))));
        return;
    }
    put_model(&out, model);
    put_headers(visit, 200);
    page_json(&visit->page, 200, buf_str(&visit->page.out));
}

/* --- routes ------------------------------------------------------------- */

static void get(struct visit *visit)
{
    static const struct str under = STR_INIT("/v1/models/");
    struct str path = visit->request->path;
    bool is_new;

    if (!read_version(visit, &is_new))
        return;
    if (str_eq(path, STR("/v1/models")))
        list_models(visit);
    else if (str_starts(path, under))
        show_model(visit, str_slice(path, under.len, path.len));
    else
        refuse(visit, 404, STR(""));
}

static void serve(struct visit *visit)
{
    struct str method = visit->request->method;
    struct str path = visit->request->path;

    if (!may_enter(visit))
        return;
    if (str_eq(method, STR("GET")))
        get(visit);
    else if (!str_eq(method, STR("POST")))
        refuse(visit, 405, STR(""));
    else if (str_eq(path, STR("/v1/messages")))
        messages(visit);
    else if (str_eq(path, STR("/v1/messages/count_tokens")))
        count_tokens(visit);
    else
        refuse(visit, 404, STR(""));
}

const struct stand_kind as_anthropic = {
    .name = STR_INIT("anthropic"),
    .serve = serve,
    .refuse = refuse,
    .busy_status = 529,
    .idle_ms = 60 * 1000,
    .max_body_bytes = BODY_BYTES,
};
