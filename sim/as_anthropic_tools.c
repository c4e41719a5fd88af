/* Anthropic: the rules for tools, the choice between them, and schemas. */
#include "as_anthropic.h"
#include "strmap.h"

enum { MAX_NAME = 64, MAX_STRICT = 20, MAX_REFERENCES = 32, MAX_NODES = 20000 };

/* --- strict schemas ----------------------------------------------------- */

struct strict {
    struct anthropic_check *c;
    yyjson_val *root;
    struct str path;
    struct str references[MAX_REFERENCES]; /* that are being followed */
    unsigned depth;
    unsigned nodes;
};

static bool check_schema(struct strict *s, yyjson_val *schema);

static bool has_type(yyjson_val *schema, struct str type)
{
    yyjson_val *types = json_get(schema, STR("type"));

    json_each_item (item, types) {
        if (str_eq(json_text(item), type))
            return true;
    }
    return str_eq(json_text(types), type);
}

static bool check_keywords(struct strict *s, yyjson_val *schema)
{
    static const struct str allowed = STR_INIT(
        "type|title|description|properties|required|additionalProperties|"
        "$defs|definitions|$ref|anyOf|allOf|enum|const|default|items|format|"
        "pattern|minItems");

    json_each_member (key, value, schema) {
        if (!as_anthropic_is_listed(allowed, json_text(key)))
            return as_anthropic_fail(
                s->c, "%.*s: For '%.*s' type, property '%.*s' is not supported",
                STR_ARG(s->path), STR_ARG(json_get_text(schema, STR("type"))),
                STR_ARG(str_clip(json_text(key), 80)));
    }
    return true;
}

static bool check_texts(struct strict *s, yyjson_val *schema)
{
    static const struct str formats =
        STR_INIT("date-time|time|date|duration|email|hostname|uri|ipv4|ipv6|"
                 "uuid");
    static const char *const too_much[] = {"(?=", "(?!", "(?<=", "(?<!",
                                           "\\b", "\\B", "\\1",  "\\2"};
    yyjson_val *format = json_get(schema, STR("format"));
    struct str pattern = json_get_text(schema, STR("pattern"));

    if (format != NULL && !as_anthropic_is_listed(formats, json_text(format)))
        return as_anthropic_fail(
            s->c, "%.*s: For 'string' type, format '%.*s' is not supported",
            STR_ARG(s->path), STR_ARG(str_clip(json_text(format), 80)));
    for (size_t i = 0; i < COUNT_OF(too_much); i++)
        if (str_contains(pattern, str_of(too_much[i])))
            return as_anthropic_fail(
                s->c, "%.*s: Unsupported regex feature in pattern: %s",
                STR_ARG(s->path), too_much[i]);
    return true;
}

static bool check_shape(struct strict *s, yyjson_val *schema)
{
    yyjson_val *least = json_get(schema, STR("minItems"));
    yyjson_val *others = yyjson_obj_getn(schema, "additionalProperties", 20);
    bool is_object = has_type(schema, STR("object")) ||
                     json_get(schema, STR("properties")) != NULL;
    int64_t n;

    if (is_object && !yyjson_is_false(others))
        return as_anthropic_fail(
            s->c,
            "%.*s: For 'object' type, 'additionalProperties' must be "
            "explicitly set to false",
            STR_ARG(s->path));
    if (least != NULL && (!json_to_i64(least, &n) || n < 0 || n > 1))
        return as_anthropic_fail(s->c,
                                 "%.*s: For 'array' type, 'minItems' values "
                                 "other than 0 or 1 are not supported",
                                 STR_ARG(s->path));
    json_each_item (value, json_get(schema, STR("enum"))) {
        if (yyjson_is_ctn(value))
            return as_anthropic_fail(
                s->c, "%.*s: enum values must be of a primitive type",
                STR_ARG(s->path));
    }
    return true;
}

static bool follow(struct strict *s, struct str reference)
{
    yyjson_val *target;
    bool ok;

    if (!str_starts(reference, STR("#")))
        return as_anthropic_fail(
            s->c, "%.*s: External $ref '%.*s' is not supported",
            STR_ARG(s->path), STR_ARG(str_clip(reference, 80)));
    for (unsigned i = 0; i < s->depth; i++)
        if (str_eq(s->references[i], reference))
            return as_anthropic_fail(
                s->c, "%.*s: Recursive schemas are not supported: '%.*s'",
                STR_ARG(s->path), STR_ARG(str_clip(reference, 80)));
    target = yyjson_ptr_getn(s->root, reference.ptr + 1, reference.len - 1);
    if (target == NULL || s->depth == MAX_REFERENCES || target == s->root)
        return as_anthropic_fail(s->c, "%.*s: $ref '%.*s' cannot be resolved",
                                 STR_ARG(s->path),
                                 STR_ARG(str_clip(reference, 80)));
    s->references[s->depth++] = reference;
    ok = check_schema(s, target);
    s->depth--;
    return ok;
}

static bool check_list(struct strict *s, yyjson_val *schemas)
{
    json_each_item (schema, schemas) {
        if (!check_schema(s, schema))
            return false;
    }
    return true;
}

static bool check_map(struct strict *s, yyjson_val *schemas)
{
    json_each_member (key, schema, schemas) {
        if (!check_schema(s, schema))
            return false;
    }
    return true;
}

static bool check_schema(struct strict *s, yyjson_val *schema)
{
    struct str reference = json_get_text(schema, STR("$ref"));

    if (++s->nodes > MAX_NODES)
        return as_anthropic_fail(s->c, "%.*s: Schema is too complex",
                                 STR_ARG(s->path));
    if (!yyjson_is_obj(schema))
        return as_anthropic_fail(s->c,
                                 "%.*s: a schema should be a valid dictionary",
                                 STR_ARG(s->path));
    if (!check_keywords(s, schema) || !check_texts(s, schema) ||
        !check_shape(s, schema))
        return false;
    if (reference.len > 0 && !follow(s, reference))
        return false;
    if (json_get(schema, STR("items")) != NULL &&
        !check_schema(s, json_get(schema, STR("items"))))
        return false;
    return check_map(s, json_get(schema, STR("properties"))) &&
           check_list(s, json_get(schema, STR("anyOf"))) &&
           check_list(s, json_get(schema, STR("allOf")));
}

bool as_anthropic_check_strict(struct anthropic_check *c, struct str path,
                               yyjson_val *schema)
{
    struct strict s = {.c = c, .root = schema, .path = path};

    return check_schema(&s, schema) &&
           check_map(&s, json_get(schema, STR("$defs"))) &&
           check_map(&s, json_get(schema, STR("definitions")));
}

/* --- tools -------------------------------------------------------------- */

/* "web_search_20260209": Anthropic's own tools have a dated type. */
static bool is_server_tool(struct str type)
{
    uint64_t date;

    return type.len > 9 && type.ptr[type.len - 9] == '_' &&
           str_to_u64(str_slice(type, type.len - 8, type.len), &date);
}

static bool check_input_schema(struct anthropic_check *c, struct str path,
                               yyjson_val *schema)
{
    yyjson_val *properties = json_get(schema, STR("properties"));
    yyjson_val *required = json_get(schema, STR("required"));

    if (schema == NULL)
        return as_anthropic_fail(c, "%.*s: Field required", STR_ARG(path));
    if (!yyjson_is_obj(schema))
        return as_anthropic_fail(c, "%.*s: Input should be a valid dictionary",
                                 STR_ARG(path));
    if (json_get(schema, STR("type")) == NULL)
        return as_anthropic_fail(c, "%.*s.type: Field required", STR_ARG(path));
    if (!str_eq(json_get_text(schema, STR("type")), STR("object")))
        return as_anthropic_fail(c, "%.*s.type: Input should be 'object'",
                                 STR_ARG(path));
    if (json_get(schema, STR("oneOf")) != NULL ||
        json_get(schema, STR("anyOf")) != NULL ||
        json_get(schema, STR("allOf")) != NULL)
        return as_anthropic_fail(
            c,
            "%.*s: input_schema does not support oneOf, allOf, or anyOf at "
            "the top level",
            STR_ARG(path));
    if ((properties != NULL && !yyjson_is_obj(properties)) ||
        (required != NULL && !yyjson_is_arr(required)))
        return as_anthropic_fail(
            c,
            "%.*s: JSON schema is invalid. It must match JSON Schema draft "
            "2020-12",
            STR_ARG(path));
    json_each_member (key, schema_of_key, properties) {
        if (!yyjson_is_obj(schema_of_key) && !yyjson_is_bool(schema_of_key))
            return as_anthropic_fail(
                c,
                "%.*s: JSON schema is invalid. It must match JSON Schema "
                "draft 2020-12",
                STR_ARG(path));
    }
    return true;
}

static bool check_tool(struct anthropic_check *c, unsigned number,
                       yyjson_val *tool, unsigned *strict)
{
    struct str path = arena_printf(c->arena, "tools.%u.custom", number);
    struct str schema_path =
        arena_printf(c->arena, "%.*s.input_schema", STR_ARG(path));
    yyjson_val *schema = json_get(tool, STR("input_schema"));
    yyjson_val *description = json_get(tool, STR("description"));
    struct str name = json_get_text(tool, STR("name"));

    if (!as_anthropic_is_token(name) || name.len > MAX_NAME)
        return as_anthropic_fail(c,
                                 "%.*s.name: String should match pattern "
                                 "'^[a-zA-Z0-9_-]{1,64}$'",
                                 STR_ARG(path));
    if (description != NULL && !yyjson_is_str(description))
        return as_anthropic_fail(
            c, "%.*s.description: Input should be a valid string",
            STR_ARG(path));
    if (!as_anthropic_only(c, path, tool,
                           STR("type|name|description|input_schema|strict|"
                               "cache_control|input_examples|defer_loading|"
                               "eager_input_streaming|allowed_callers")) ||
        !as_anthropic_check_mark(c, path, tool) ||
        !check_input_schema(c, schema_path, schema))
        return false;
    if (!json_is_true(json_get(tool, STR("strict"))))
        return true;
    if (++*strict > MAX_STRICT)
        return as_anthropic_fail(c, "tools: at most %d tools may be strict",
                                 MAX_STRICT);
    return as_anthropic_check_strict(c, schema_path, schema);
}

/* --- the choice --------------------------------------------------------- */

static bool is_offered(struct anthropic_check *c, struct str name)
{
    json_each_item (tool, json_get(c->root, STR("tools"))) {
        if (str_eq(json_get_text(tool, STR("name")), name))
            return true;
    }
    return false;
}

static bool check_forced(struct anthropic_check *c)
{
    c->forces_choice = true;
    if (!c->model->traits->takes_forced_choice)
        return as_anthropic_fail(
            c, "tool_choice: type \"tool\" and \"any\" are not supported for "
               "this model.");
    if (c->thinks_manually)
        return as_anthropic_fail(
            c, "Thinking may not be enabled when tool_choice forces tool use.");
    return true;
}

static bool check_choice(struct anthropic_check *c)
{
    static const struct {
        struct str type;
        struct str keys;
        bool is_forced;
    } rows[] = {
        {STR_INIT("auto"), STR_INIT("type|disable_parallel_tool_use"), false},
        {STR_INIT("any"), STR_INIT("type|disable_parallel_tool_use"), true},
        {STR_INIT("tool"), STR_INIT("type|name|disable_parallel_tool_use"),
         true},
        {STR_INIT("none"), STR_INIT("type"), false},
    };
    yyjson_val *choice = json_get(c->root, STR("tool_choice"));
    struct str type = json_get_text(choice, STR("type"));

    if (choice == NULL)
        return true;
    if (yyjson_arr_size(json_get(c->root, STR("tools"))) == 0)
        return as_anthropic_fail(
            c, "tool_choice may only be specified while providing tools");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str path;

        if (!str_eq(rows[i].type, type))
            continue;
        path = arena_printf(c->arena, "tool_choice.%.*s", STR_ARG(type));
        if (!as_anthropic_only(c, path, choice, rows[i].keys))
            return false;
        if (str_eq(type, STR("tool")) &&
            !is_offered(c, json_get_text(choice, STR("name"))))
            return as_anthropic_fail(
                c, "tool_choice.tool: Tool '%.*s' not found in provided tools",
                STR_ARG(json_get_text(choice, STR("name"))));
        return !rows[i].is_forced || check_forced(c);
    }
    return as_anthropic_fail(
        c,
        "tool_choice: Input tag '%.*s' found using 'type' does not match "
        "any of the expected tags: 'any', 'auto', 'none', 'tool'",
        STR_ARG(str_clip(type, 80)));
}

bool as_anthropic_check_tools(struct anthropic_check *c)
{
    struct strmap names;
    unsigned strict = 0;
    unsigned i = 0;

    strmap_init(&names, c->arena);
    json_each_item (tool, json_get(c->root, STR("tools"))) {
        struct str type = json_get_text(tool, STR("type"));
        struct str name = json_get_text(tool, STR("name"));

        if (!yyjson_is_obj(tool))
            return as_anthropic_fail(
                c, "tools.%u: Input should be a valid dictionary", i);
        if (type.len > 0 && !str_eq(type, STR("custom")) &&
            !is_server_tool(type))
            return as_anthropic_fail(
                c,
                "tools.%u: Input tag '%.*s' found using 'type' does not "
                "match any of the expected tags",
                i, STR_ARG(str_clip(type, 80)));
        if (!is_server_tool(type) && !check_tool(c, i, tool, &strict))
            return false;
        if ((*strmap_at(&names, name))++ > 0)
            return as_anthropic_fail(c, "tools: Tool names must be unique.");
        i++;
    }
    return check_choice(c);
}
