#include "schema.h"

#include "strmap.h"

static bool one_of(struct str s, const struct str list[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(s, list[i]))
            return true;
    return false;
}

/* --- structured outputs ------------------------------------------------- */

static bool names_object(yyjson_val *type)
{
    if (yyjson_is_str(type))
        return str_eq(json_text(type), STR("object"));
    json_each_item (item, type) {
        if (str_eq(json_text(item), STR("object")))
            return true;
    }
    return false;
}

static bool is_format_known(yyjson_val *format)
{
    static const struct str known[] = {
        STR_INIT("date-time"), STR_INIT("time"),  STR_INIT("date"),
        STR_INIT("duration"),  STR_INIT("email"), STR_INIT("hostname"),
        STR_INIT("uri"),       STR_INIT("ipv4"),  STR_INIT("ipv6"),
        STR_INIT("uuid"),
    };

    return one_of(json_text(format), known, COUNT_OF(known));
}

/* No lookaround, no word boundaries, no back references. */
static bool is_pattern_simple(yyjson_val *pattern)
{
    struct str s = json_text(pattern);

    if (!yyjson_is_str(pattern) || str_contains(s, STR("(?=")) ||
        str_contains(s, STR("(?!")) || str_contains(s, STR("(?<")))
        return false;
    for (size_t i = 0; i + 1 < s.len; i++) {
        if (s.ptr[i] != '\\')
            continue;
        i++;
        if (s.ptr[i] == 'b' || s.ptr[i] == 'B' || s.ptr[i] == 'k' ||
            (s.ptr[i] >= '1' && s.ptr[i] <= '9'))
            return false;
    }
    return true;
}

static void put_strict_list(struct json_out *out, yyjson_val *list)
{
    json_open(out, '[');
    json_each_item (item, list) {
        schema_put_strict(out, item);
    }
    json_close(out, ']');
}

/* {"name": schema, …} */
static void put_strict_map(struct json_out *out, yyjson_val *map)
{
    json_open(out, '{');
    json_each_member (name, schema, map) {
        json_key_any(out, json_text(name));
        schema_put_strict(out, schema);
    }
    json_close(out, '}');
}

static void put_strict_member(struct json_out *out, yyjson_val *schema,
                              struct str key, yyjson_val *value)
{
    static const struct str as_is[] = {
        STR_INIT("type"),     STR_INIT("title"),   STR_INIT("description"),
        STR_INIT("required"), STR_INIT("$ref"),    STR_INIT("enum"),
        STR_INIT("const"),    STR_INIT("default"),
    };
    static const struct str maps[] = {STR_INIT("properties"), STR_INIT("$defs"),
                                      STR_INIT("definitions")};
    static const struct str lists[] = {STR_INIT("anyOf"), STR_INIT("allOf")};
    struct str n = json_number_text(value);

    if (one_of(key, as_is, COUNT_OF(as_is)) ||
        (str_eq(key, STR("format")) && is_format_known(value)) ||
        (str_eq(key, STR("pattern")) && is_pattern_simple(value)) ||
        (str_eq(key, STR("minItems")) &&
         (str_eq(n, STR("0")) || str_eq(n, STR("1"))))) {
        json_key(out, key);
        json_put_val(out, value);
    } else if (one_of(key, maps, COUNT_OF(maps)) && yyjson_is_obj(value)) {
        json_key(out, key);
        put_strict_map(out, value);
    } else if (one_of(key, lists, COUNT_OF(lists)) && yyjson_is_arr(value)) {
        json_key(out, key);
        put_strict_list(out, value);
    } else if (str_eq(key, STR("oneOf")) && yyjson_is_arr(value) &&
               json_get(schema, STR("anyOf")) == NULL) {
        json_key(out, STR("anyOf"));
        put_strict_list(out, value);
    } else if (str_eq(key, STR("items"))) {
        json_key(out, key);
        if (yyjson_is_arr(value))
            put_strict_list(out, value);
        else
            schema_put_strict(out, value);
    }
}

void schema_put_strict(struct json_out *out, yyjson_val *schema)
{
    if (!yyjson_is_obj(schema)) {
        json_put_val(out, schema); /* true, false */
        return;
    }
    json_open(out, '{');
    json_each_member (key, value, schema) {
        put_strict_member(out, schema, json_text(key), value);
    }
    if (names_object(json_get(schema, STR("type"))) ||
        yyjson_is_obj(json_get(schema, STR("properties")))) {
        json_key(out, STR("additionalProperties"));
        json_put_bool(out, false);
    }
    json_close(out, '}');
}

/* --- tools -------------------------------------------------------------- */

enum { ANY_OF, ONE_OF, ALL_OF, COMBINATORS };
static const struct str combinators[COMBINATORS] = {
    [ANY_OF] = STR_INIT("anyOf"),
    [ONE_OF] = STR_INIT("oneOf"),
    [ALL_OF] = STR_INIT("allOf"),
};

/* The properties of one schema that no earlier one has defined. */
static void put_new_properties(struct json_out *out, yyjson_val *schema,
                               struct strmap *seen, bool is_strict)
{
    json_each_member (name, value, json_get(schema, STR("properties"))) {
        size_t *times = strmap_at(seen, json_text(name));

        if ((*times)++ > 0)
            continue;
        json_key_any(out, json_text(name));
        if (is_strict)
            schema_put_strict(out, value);
        else
            json_put_val(out, value);
    }
}

static void put_properties(struct json_out *out, struct arena *scratch,
                           yyjson_val *schema, bool is_strict)
{
    struct strmap seen;

    strmap_init(&seen, scratch);
    json_key(out, STR("properties"));
    json_open(out, '{');
    put_new_properties(out, schema, &seen, is_strict);
    for (size_t i = 0; i < COMBINATORS; i++) {
        json_each_item (branch, json_get(schema, combinators[i])) {
            put_new_properties(out, branch, &seen, is_strict);
        }
    }
    json_close(out, '}');
}

static void put_name_once(struct json_out *out, struct str name,
                          struct strmap *listed)
{
    size_t *times = strmap_at(listed, name);

    if (*times == 0 && listed->count == 1) { /* the first of all */
        json_key(out, STR("required"));
        json_open(out, '[');
    }
    if ((*times)++ == 0)
        json_put_str(out, name);
}

/* What must be there whichever branch holds: for anyOf and oneOf the names
 * that every branch asks for, for allOf those that any does. */
static void put_required_of(struct json_out *out, struct arena *scratch,
                            yyjson_val *branches, bool is_all_of,
                            struct strmap *listed)
{
    size_t needed = is_all_of ? 1 : yyjson_arr_size(branches);
    struct strmap times;

    strmap_init(&times, scratch);
    json_each_item (branch, branches) {
        struct strmap here; /* a branch may list a name twice */

        strmap_init(&here, scratch);
        json_each_item (name, json_get(branch, STR("required"))) {
            if (yyjson_is_str(name) &&
                (*strmap_at(&here, json_text(name)))++ == 0)
                (*strmap_at(&times, json_text(name)))++;
        }
    }
    json_each_item (branch, branches) {
        json_each_item (name, json_get(branch, STR("required"))) {
            if (yyjson_is_str(name) &&
                *strmap_at(&times, json_text(name)) >= needed)
                put_name_once(out, json_text(name), listed);
        }
    }
}

static void put_required(struct json_out *out, struct arena *scratch,
                         yyjson_val *schema)
{
    struct strmap listed;

    strmap_init(&listed, scratch);
    json_each_item (name, json_get(schema, STR("required"))) {
        if (yyjson_is_str(name))
            put_name_once(out, json_text(name), &listed);
    }
    for (size_t i = 0; i < COMBINATORS; i++)
        put_required_of(out, scratch, json_get(schema, combinators[i]),
                        i == ALL_OF, &listed);
    if (listed.count > 0)
        json_close(out, ']');
}

void schema_put_tool(struct json_out *out, struct arena *scratch,
                     yyjson_val *schema, bool is_strict)
{
    static const struct str own[] = {
        STR_INIT("type"),  STR_INIT("properties"), STR_INIT("required"),
        STR_INIT("anyOf"), STR_INIT("oneOf"),      STR_INIT("allOf"),
    };

    json_open(out, '{');
    json_member_str(out, STR("type"), STR("object"));
    put_properties(out, scratch, schema, is_strict);
    put_required(out, scratch, schema);
    json_each_member (key, value, schema) {
        struct str name = json_text(key);

        if (one_of(name, own, COUNT_OF(own)))
            continue;
        if (is_strict) {
            put_strict_member(out, schema, name, value);
        } else {
            json_key_any(out, name);
            json_put_val(out, value);
        }
    }
    if (is_strict) {
        json_key(out, STR("additionalProperties"));
        json_put_bool(out, false);
    }
    json_close(out, '}');
}
