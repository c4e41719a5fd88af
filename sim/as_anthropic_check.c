/* Anthropic: the fields of a request, without its messages and tools. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "as_anthropic.h"

enum { WHY_MAX = 1024, MIN_BUDGET = 1024, USER_ID_MAX = 512 };

bool as_anthropic_fail(struct anthropic_check *c, const char *format, ...)
{
    char why[WHY_MAX];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    if (len >= (int)sizeof(why))
        len = sizeof(why) - 1;
    c->status = 400;
    c->message =
        arena_copy_utf8(c->arena, (struct str){why, len < 0 ? 0 : (size_t)len});
    return false;
}

bool as_anthropic_is_listed(struct str list, struct str word)
{
    struct str entry;

    while (str_split(&list, '|', &entry))
        if (str_eq(entry, word))
            return true;
    return false;
}

bool as_anthropic_is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];

        if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') &&
            !(ch >= '0' && ch <= '9') && ch != '_' && ch != '-')
            return false;
    }
    return s.len > 0;
}

bool as_anthropic_only(struct anthropic_check *c, struct str path,
                       yyjson_val *object, struct str keys)
{
    json_each_member (key, value, object) {
        if (!as_anthropic_is_listed(keys, json_text(key)))
            return as_anthropic_fail(
                c, "%.*s.%.*s: Extra inputs are not permitted", STR_ARG(path),
                STR_ARG(str_clip(json_text(key), 100)));
    }
    return true;
}

bool as_anthropic_check_mark(struct anthropic_check *c, struct str path,
                             yyjson_val *owner)
{
    yyjson_val *mark = json_get(owner, STR("cache_control"));
    yyjson_val *ttl = json_get(mark, STR("ttl"));

    if (mark == NULL)
        return true;
    path = arena_printf(c->arena, "%.*s.cache_control", STR_ARG(path));
    if (!yyjson_is_obj(mark) ||
        !str_eq(json_get_text(mark, STR("type")), STR("ephemeral")))
        return as_anthropic_fail(c, "%.*s.type: Input should be 'ephemeral'",
                                 STR_ARG(path));
    if (ttl != NULL && !as_anthropic_is_listed(STR("5m|1h"), json_text(ttl)))
        return as_anthropic_fail(c, "%.*s.ttl: Input should be '5m' or '1h'",
                                 STR_ARG(path));
    c->cache_marks++;
    return as_anthropic_only(c, path, mark, STR("type|ttl"));
}

/* --- the fields there are ----------------------------------------------- */

enum field_type {
    FIELD_TEXT,
    FIELD_WHOLE,
    FIELD_NUMBER,
    FIELD_BOOL,
    FIELD_LIST,
    FIELD_OBJECT,
    FIELD_ANY,
};

enum {
    NEEDED = 1,
    COUNTED = 2, /* also for count_tokens */
    OLD = 4,     /* only before 2026-10-21 */
    BETA = 8,
    NULLABLE = 16,
};

static const struct {
    struct str name;
    enum field_type type;
    unsigned flags;
} fields[] = {
    {STR_INIT("model"), FIELD_TEXT, NEEDED | COUNTED},
    {STR_INIT("messages"), FIELD_LIST, NEEDED | COUNTED},
    {STR_INIT("max_tokens"), FIELD_WHOLE, NEEDED},
    {STR_INIT("system"), FIELD_ANY, COUNTED},
    {STR_INIT("stop_sequences"), FIELD_LIST, 0},
    {STR_INIT("stream"), FIELD_BOOL, 0},
    {STR_INIT("temperature"), FIELD_NUMBER, OLD},
    {STR_INIT("top_p"), FIELD_NUMBER, OLD},
    {STR_INIT("top_k"), FIELD_WHOLE, OLD},
    {STR_INIT("tools"), FIELD_LIST, COUNTED},
    {STR_INIT("tool_choice"), FIELD_OBJECT, COUNTED},
    {STR_INIT("thinking"), FIELD_OBJECT, COUNTED},
    {STR_INIT("output_config"), FIELD_OBJECT, COUNTED},
    {STR_INIT("metadata"), FIELD_OBJECT, 0},
    {STR_INIT("service_tier"), FIELD_TEXT, 0},
    {STR_INIT("cache_control"), FIELD_OBJECT, COUNTED | NULLABLE},
    {STR_INIT("container"), FIELD_ANY, NULLABLE},
    {STR_INIT("diagnostics"), FIELD_ANY, NULLABLE},
    {STR_INIT("inference_geo"), FIELD_TEXT, NULLABLE},
    {STR_INIT("speed"), FIELD_TEXT, COUNTED | NULLABLE},
    {STR_INIT("context_management"), FIELD_OBJECT, BETA | COUNTED},
    {STR_INIT("mcp_servers"), FIELD_LIST, BETA | COUNTED},
    {STR_INIT("output_format"), FIELD_OBJECT, BETA | COUNTED},
};

static bool check_type(struct anthropic_check *c, struct str path,
                       yyjson_val *value, enum field_type type)
{
    static const char *const names[] = {
        [FIELD_TEXT] = "string",   [FIELD_WHOLE] = "integer",
        [FIELD_NUMBER] = "number", [FIELD_BOOL] = "boolean",
        [FIELD_LIST] = "list",     [FIELD_OBJECT] = "dictionary",
        [FIELD_ANY] = "value",
    };
    int64_t whole;
    bool fits = true;

    switch (type) {
    case FIELD_TEXT:
        fits = yyjson_is_str(value);
        break;
    case FIELD_WHOLE:
        fits = json_to_i64(value, &whole);
        break;
    case FIELD_NUMBER:
        fits = json_is_number(value);
        break;
    case FIELD_BOOL:
        fits = yyjson_is_bool(value);
        break;
    case FIELD_LIST:
        fits = yyjson_is_arr(value);
        break;
    case FIELD_OBJECT:
        fits = yyjson_is_obj(value);
        break;
    case FIELD_ANY:
        fits = !yyjson_is_null(value);
        break;
    }
    if (!fits)
        return as_anthropic_fail(c, "%.*s: Input should be a valid %s",
                                 STR_ARG(path), names[type]);
    return true;
}

static bool check_field(struct anthropic_check *c, struct str name,
                        yyjson_val *value)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        unsigned flags = fields[i].flags;

        if (!str_eq(fields[i].name, name))
            continue;
        if ((c->is_count && !(flags & COUNTED)) ||
            (c->is_new && (flags & OLD)) || (!c->has_beta && (flags & BETA)))
            break;
        if (yyjson_is_null(value) && (flags & NULLABLE))
            return true;
        return check_type(c, name, value, fields[i].type);
    }
    return as_anthropic_fail(c, "%.*s: Extra inputs are not permitted",
                             STR_ARG(str_clip(name, 100)));
}

/* No request is kept here, so that one could go on from it. */
static bool check_thread(struct anthropic_check *c)
{
    if (json_get(c->root, STR("thread")) == NULL || !c->has_beta)
        return true;
    c->details = STR("{\"error_code\":\"thread_unsupported_request\","
                     "\"unsupported\":[\"thread\"]}");
    return as_anthropic_fail(c, "thread: message threads are not supported");
}

static bool check_fields(struct anthropic_check *c)
{
    json_each_member (key, value, c->root) {
        if (!check_field(c, json_text(key), value))
            return false;
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        unsigned flags = fields[i].flags;
        struct str name = fields[i].name;

        if ((flags & NEEDED) && (!c->is_count || (flags & COUNTED)) &&
            json_get(c->root, name) == NULL)
            return as_anthropic_fail(c, "%.*s: Field required", STR_ARG(name));
    }
    return true;
}

/* --- model and length --------------------------------------------------- */

static bool check_model(struct anthropic_check *c)
{
    struct str name = json_get_text(c->root, STR("model"));

    c->model = roster_find(c->roster, name);
    if (c->model != NULL)
        return true;
    (void)as_anthropic_fail(c, "model: %.*s", STR_ARG(str_clip(name, 200)));
    c->status = 404;
    return false;
}

static bool check_max_tokens(struct anthropic_check *c)
{
    int64_t wanted = json_get_i64(c->root, STR("max_tokens"));
    int64_t most = c->model->traits->max_output_tokens;

    if (c->is_count)
        return true;
    if (wanted < 1)
        return as_anthropic_fail(
            c, "max_tokens: Input should be greater than or equal to 1");
    if (most > 0 && wanted > most)
        return as_anthropic_fail(
            c,
            "max_tokens: %lld > %lld, which is the maximum allowed number of "
            "output tokens for %.*s",
            (long long)wanted, (long long)most, STR_ARG(c->model->traits->id));
    return true;
}

static bool check_stops(struct anthropic_check *c)
{
    json_each_item (stop, json_get(c->root, STR("stop_sequences"))) {
        if (!yyjson_is_str(stop))
            return as_anthropic_fail(
                c, "stop_sequences: Input should be a valid string");
        if (str_is_blank(json_text(stop)))
            return as_anthropic_fail(
                c, "stop_sequences: each stop sequence must contain "
                   "non-whitespace");
    }
    return true;
}

static bool check_metadata(struct anthropic_check *c)
{
    yyjson_val *metadata = json_get(c->root, STR("metadata"));
    yyjson_val *user = json_get(metadata, STR("user_id"));
    struct str tier = json_get_text(c->root, STR("service_tier"));

    if (user != NULL && !yyjson_is_str(user))
        return as_anthropic_fail(
            c, "metadata.user_id: Input should be a valid string");
    if (json_text(user).len > USER_ID_MAX)
        return as_anthropic_fail(
            c, "metadata.user_id: String should have at most %d characters",
            USER_ID_MAX);
    if (tier.len > 0 &&
        !as_anthropic_is_listed(STR("auto|standard_only"), tier))
        return as_anthropic_fail(c, "service_tier: Input should be 'auto' or "
                                    "'standard_only'");
    return as_anthropic_only(c, STR("metadata"), metadata, STR("user_id"));
}

/* --- thinking and effort ------------------------------------------------ */

static bool is_off_refused(const struct claude_model *traits, struct str effort)
{
    if (traits->thinking_off == CLAUDE_OFF_DEFAULT)
        return false;
    return traits->thinking_off != CLAUDE_OFF_DISABLED ||
           as_anthropic_is_listed(STR("xhigh|max"), effort);
}

static bool check_manual(struct anthropic_check *c, yyjson_val *thinking)
{
    yyjson_val *budget = json_get(thinking, STR("budget_tokens"));
    int64_t most = json_get_i64(c->root, STR("max_tokens"));
    int64_t tokens;

    if (!c->model->traits->takes_manual)
        return as_anthropic_fail(
            c, "\"thinking.type.enabled\" is not supported for this model. Use "
               "\"thinking.type.adaptive\" and \"output_config.effort\" to "
               "control thinking behavior.");
    if (!json_to_i64(budget, &tokens))
        return as_anthropic_fail(
            c, "thinking.enabled.budget_tokens: Field required");
    if (tokens < MIN_BUDGET)
        return as_anthropic_fail(c, "thinking.enabled.budget_tokens: Input "
                                    "should be greater than or equal to 1024");
    if (!c->is_count && tokens >= most)
        return as_anthropic_fail(c, "`max_tokens` must be greater than "
                                    "`thinking.budget_tokens`.");
    c->thinks = c->thinks_manually = true;
    return as_anthropic_only(c, STR("thinking.enabled"), thinking,
                             STR("type|budget_tokens|display"));
}

static bool check_thinking(struct anthropic_check *c)
{
    const struct claude_model *traits = c->model->traits;
    yyjson_val *thinking = json_get(c->root, STR("thinking"));
    yyjson_val *display = json_get(thinking, STR("display"));
    struct str type = json_get_text(thinking, STR("type"));
    struct str effort =
        json_get_text(json_get(c->root, STR("output_config")), STR("effort"));

    c->thinks = c->model->thinks_by_default;
    if (thinking == NULL)
        return true;
    if (display != NULL &&
        !as_anthropic_is_listed(STR("summarized|omitted"), json_text(display)))
        return as_anthropic_fail(c, "thinking.display: Input should be "
                                    "'summarized' or 'omitted'");
    if (str_eq(type, STR("enabled")))
        return check_manual(c, thinking);
    if (str_eq(type, STR("adaptive"))) {
        c->thinks = true;
        if (!traits->takes_adaptive)
            return as_anthropic_fail(
                c, "adaptive thinking is not supported on this model");
        return as_anthropic_only(c, STR("thinking.adaptive"), thinking,
                                 STR("type|display"));
    }
    c->thinks = false;
    if (str_eq(type, STR("disabled"))) {
        if (is_off_refused(traits, effort))
            return as_anthropic_fail(
                c, "\"thinking.type.disabled\" is not supported for this "
                   "model.");
        return as_anthropic_only(c, STR("thinking.disabled"), thinking,
                                 STR("type"));
    }
    if (!str_eq(type, STR("between_tools")))
        return as_anthropic_fail(
            c,
            "thinking: Input tag '%.*s' found using 'type' does not match "
            "any of the expected tags: 'adaptive', 'between_tools', "
            "'disabled', 'enabled'",
            STR_ARG(str_clip(type, 80)));
    if (traits->thinking_off != CLAUDE_OFF_BETWEEN_TOOLS ||
        as_anthropic_is_listed(STR("xhigh|max"), effort))
        return as_anthropic_fail(
            c, "\"thinking.type.between_tools\" is not supported for this "
               "model and effort.");
    return as_anthropic_only(c, STR("thinking.between_tools"), thinking,
                             STR("type"));
}

static bool check_effort(struct anthropic_check *c, struct str effort)
{
    static const struct str names[CLAUDE_EFFORTS] = {
        [CLAUDE_EFFORT_LOW] = STR_INIT("low"),
        [CLAUDE_EFFORT_MEDIUM] = STR_INIT("medium"),
        [CLAUDE_EFFORT_HIGH] = STR_INIT("high"),
        [CLAUDE_EFFORT_XHIGH] = STR_INIT("xhigh"),
        [CLAUDE_EFFORT_MAX] = STR_INIT("max"),
    };

    if (c->model->traits->efforts == 0)
        return as_anthropic_fail(
            c, "This model does not support the effort parameter.");
    for (unsigned i = 0; i < CLAUDE_EFFORTS; i++) {
        if (!str_eq(names[i], effort))
            continue;
        if (c->model->traits->efforts >> i & 1)
            return true;
        return as_anthropic_fail(
            c, "output_config.effort: '%.*s' is not supported for this model.",
            STR_ARG(effort));
    }
    return as_anthropic_fail(
        c, "output_config.effort: Input should be 'low', 'medium', 'high', "
           "'xhigh' or 'max'");
}

static bool check_output(struct anthropic_check *c)
{
    yyjson_val *config = json_get(c->root, STR("output_config"));
    yyjson_val *effort = json_get(config, STR("effort"));
    yyjson_val *format = json_get(config, STR("format"));
    yyjson_val *schema = json_get(format, STR("schema"));

    if (!as_anthropic_only(c, STR("output_config"), config,
                           STR("effort|format|task_budget")))
        return false;
    if (effort != NULL && !check_effort(c, json_text(effort)))
        return false;
    if (format == NULL)
        return true;
    if (!str_eq(json_get_text(format, STR("type")), STR("json_schema")))
        return as_anthropic_fail(
            c, "output_config.format.type: Input should be 'json_schema'");
    if (!yyjson_is_obj(schema))
        return as_anthropic_fail(c,
                                 "output_config.format.schema: Field required");
    return as_anthropic_only(c, STR("output_config.format"), format,
                             STR("type|schema")) &&
           as_anthropic_check_strict(c, STR("output_config.format.schema"),
                                     schema);
}

/* --- sampling ----------------------------------------------------------- */

/* `otherwise` when the field is absent. */
static double number_in(struct anthropic_check *c, struct str key,
                        double otherwise)
{
    struct str text = json_number_text(json_get(c->root, key));

    if (text.len == 0)
        return otherwise;
    return strtod(arena_copy(c->arena, text).ptr, NULL);
}

static bool check_sampling(struct anthropic_check *c)
{
    double temperature = number_in(c, STR("temperature"), 1);
    double top_p = number_in(c, STR("top_p"), 1);
    bool has_temperature = json_get(c->root, STR("temperature")) != NULL;
    bool has_top_p = json_get(c->root, STR("top_p")) != NULL;
    bool has_top_k = json_get(c->root, STR("top_k")) != NULL;
    bool is_usual = temperature >= 1 && top_p >= 0.99 && !has_top_k;

    if (temperature < 0 || temperature > 1)
        return as_anthropic_fail(c, "temperature: range: 0..1");
    if (top_p < 0 || top_p > 1)
        return as_anthropic_fail(c, "top_p: range: 0..1");
    if (!c->model->traits->takes_sampling && !is_usual)
        return as_anthropic_fail(
            c, "`temperature`, `top_p` and `top_k` are not supported for this "
               "model.");
    if (has_temperature && has_top_p)
        return as_anthropic_fail(
            c, "`temperature` and `top_p` cannot both be specified for this "
               "model. Please use only one.");
    if (c->thinks && (temperature < 1 || has_top_k))
        return as_anthropic_fail(
            c, "`temperature` may only be set to 1 when thinking is enabled. "
               "Please consult our documentation.");
    return true;
}

/* --- the whole ---------------------------------------------------------- */

static bool check_marks(struct anthropic_check *c)
{
    if (!as_anthropic_check_mark(c, STR("request"), c->root))
        return false;
    if (c->cache_marks > 4)
        return as_anthropic_fail(
            c,
            "A maximum of 4 blocks with cache_control may be provided. "
            "Found %u.",
            c->cache_marks);
    return true;
}

bool as_anthropic_check(struct anthropic_check *c)
{
    if (!yyjson_is_obj(c->root))
        return as_anthropic_fail(c, "The request body must be a JSON object.");
    return check_thread(c) && check_fields(c) && check_model(c) &&
           check_max_tokens(c) && check_stops(c) && check_metadata(c) &&
           check_thinking(c) && check_output(c) && check_sampling(c) &&
           as_anthropic_check_system(c) && as_anthropic_check_tools(c) &&
           as_anthropic_check_messages(c) && check_marks(c);
}
