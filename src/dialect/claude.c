#include "claude.h"

#include <stdlib.h>

#include "json.h"

const struct claude_model claude_unknown = {
    .thinking_off = CLAUDE_OFF_DEFAULT,
};

static const struct str effort_names[CLAUDE_EFFORTS] = {
    [CLAUDE_EFFORT_LOW] = STR_INIT("low"),
    [CLAUDE_EFFORT_MEDIUM] = STR_INIT("medium"),
    [CLAUDE_EFFORT_HIGH] = STR_INIT("high"),
    [CLAUDE_EFFORT_XHIGH] = STR_INIT("xhigh"),
    [CLAUDE_EFFORT_MAX] = STR_INIT("max"),
};

static const struct str off_names[] = {
    [CLAUDE_OFF_DEFAULT] = STR_INIT("default"),
    [CLAUDE_OFF_DISABLED] = STR_INIT("disabled"),
    [CLAUDE_OFF_BETWEEN_TOOLS] = STR_INIT("between_tools"),
    [CLAUDE_OFF_NEVER] = STR_INIT("never"),
};

bool claude_read_usd(struct str text, int64_t *micro)
{
    enum { PLACES = 6, MOST = 1000000 };
    uint64_t millionths = 0;
    uint64_t units;
    struct str whole;

    if (!str_split(&text, '.', &whole) || !str_to_u64(whole, &units) ||
        units > MOST || text.len > PLACES)
        return false;
    for (size_t i = 0; i < PLACES; i++) {
        char c = i < text.len ? text.ptr[i] : '0';

        if (c < '0' || c > '9')
            return false;
        millionths = millionths * 10 + (uint64_t)(c - '0');
    }
    *micro = (int64_t)(units * 1000000 + millionths);
    return true;
}

struct reader {
    struct arena *arena;
    struct str *why;
    struct str id; /* of the model being read */
};

static bool fail(struct reader *r, const char *what)
{
    *r->why =
        arena_printf(r->arena, "model \"%.*s\": %s", STR_ARG(r->id), what);
    return false;
}

static bool read_rate(yyjson_val *price, struct str key, int64_t *out)
{
    return claude_read_usd(json_number_text(json_get(price, key)), out);
}

static bool read_price(struct reader *r, yyjson_val *value,
                       struct claude_price *price)
{
    if (value == NULL)
        return true; /* billed as unknown, never as nothing */
    price->is_known = true;
    if (!read_rate(value, STR("input"), &price->input) ||
        !read_rate(value, STR("output"), &price->output) ||
        !read_rate(value, STR("cache_write_5m"), &price->cache_write_5m) ||
        !read_rate(value, STR("cache_write_1h"), &price->cache_write_1h) ||
        !read_rate(value, STR("cache_read"), &price->cache_read))
        return fail(r, "a price must have input, output, cache_write_5m, "
                       "cache_write_1h and cache_read in USD per million "
                       "tokens, with at most six decimal places");
    return true;
}

static bool read_efforts(struct reader *r, yyjson_val *list,
                         struct claude_model *model)
{
    json_each_item (item, list) {
        struct str name = json_text(item);
        size_t i = 0;

        while (i < CLAUDE_EFFORTS && !str_eq(name, effort_names[i]))
            i++;
        if (i == CLAUDE_EFFORTS)
            return fail(r, "effort must list low, medium, high, xhigh, max");
        model->efforts |= 1u << i;
    }
    return true;
}

static bool read_model(struct reader *r, yyjson_val *value,
                       struct claude_model *model)
{
    yyjson_val *aliases = json_get(value, STR("aliases"));
    yyjson_val *long_price = json_get(value, STR("price_long_prompt"));
    struct str off = json_get_text(value, STR("thinking_off"));
    size_t i = 0;

    model->id = json_get_text(value, STR("id"));
    r->id = model->id;
    if (model->id.len == 0)
        return fail(r, "id: expected a name");
    model->aliases =
        ARENA_ARRAY(r->arena, struct str, yyjson_arr_size(aliases) + 1);
    json_each_item (alias, aliases) {
        model->aliases[model->alias_count++] = json_text(alias);
    }
    model->context_window = json_get_i64(value, STR("context_window"));
    model->max_output_tokens = json_get_i64(value, STR("max_output_tokens"));
    model->takes_adaptive =
        json_is_true(json_get(value, STR("thinking_adaptive")));
    model->takes_manual =
        json_is_true(json_get(value, STR("thinking_enabled")));
    model->takes_forced_choice =
        json_is_true(json_get(value, STR("forced_tool_choice")));
    model->takes_prefill = json_is_true(json_get(value, STR("prefill")));
    model->takes_sampling = json_is_true(json_get(value, STR("sampling")));
    model->takes_mid_system = json_is_true(json_get(value, STR("mid_system")));
    model->hides_thinking =
        str_eq(json_get_text(value, STR("thinking_display")), STR("omitted"));
    while (i < COUNT_OF(off_names) && !str_eq(off, off_names[i]))
        i++;
    if (i == COUNT_OF(off_names))
        return fail(r, "thinking_off: expected default, disabled, "
                       "between_tools or never");
    model->thinking_off = (enum claude_thinking_off)i;
    model->tariff.long_prompt_tokens =
        json_get_i64(long_price, STR("above_prompt_tokens"));
    return read_efforts(r, json_get(value, STR("effort")), model) &&
           read_price(r, json_get(value, STR("price")), &model->tariff.price) &&
           read_price(r, long_price, &model->tariff.long_price);
}

bool claude_models_read(struct arena *arena, struct str text,
                        struct claude_models *out, struct str *why)
{
    struct reader reader = {.arena = arena, .why = why};
    struct json_error trouble;
    struct json_doc doc;
    yyjson_val *models;

    if (!json_read(arena, text, &doc, &trouble)) {
        *why = arena_printf(arena, "line %zu, column %zu: %s", trouble.line,
                            trouble.column, trouble.says);
        return false;
    }
    models = json_get(doc.root, STR("models"));
    if (!yyjson_is_arr(models)) {
        *why = STR("expected an object with an array \"models\"");
        return false;
    }
    *out = (struct claude_models){0};
    out->models =
        ARENA_ARRAY(arena, struct claude_model, yyjson_arr_size(models) + 1);
    json_each_item (item, models) {
        if (!read_model(&reader, item, &out->models[out->count++]))
            return false;
    }
    return true;
}

/* "-20250929" */
static struct str without_date(struct str name)
{
    uint64_t date;

    if (name.len > 9 && name.ptr[name.len - 9] == '-' &&
        str_to_u64(str_slice(name, name.len - 8, name.len), &date))
        return str_slice(name, 0, name.len - 9);
    return name;
}

static const struct claude_model *find_exact(const struct claude_models *models,
                                             struct str name)
{
    for (unsigned i = 0; i < models->count; i++) {
        const struct claude_model *model = &models->models[i];

        if (str_eq(model->id, name))
            return model;
        for (unsigned k = 0; k < model->alias_count; k++)
            if (str_eq(model->aliases[k], name))
                return model;
    }
    return NULL;
}

const struct claude_model *claude_find(const struct claude_models *models,
                                       struct str name)
{
    const struct claude_model *model;

    if (str_starts(name, STR("anthropic/")))
        name = str_slice(name, 10, name.len);
    model = find_exact(models, name);
    if (model == NULL && str_ends(name, STR("-latest")))
        model = find_exact(models, str_slice(name, 0, name.len - 7));
    if (model == NULL)
        model = find_exact(models, without_date(name));
    return model;
}
