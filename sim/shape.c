#include "shape.h"

enum { MAX_HOPS = 16 };

/* "#/$defs/step" within the root; NULL when it leads nowhere. */
static yyjson_val *follow(yyjson_val *root, struct str ref)
{
    if (!str_starts(ref, STR("#")))
        return NULL;
    return yyjson_ptr_getn(root, ref.ptr + 1, ref.len - 1);
}

bool shape_is(yyjson_val *schema, struct str kind)
{
    yyjson_val *type = json_get(schema, STR("type"));

    if (str_eq(json_text(type), kind))
        return true;
    json_each_item (item, type) {
        if (str_eq(json_text(item), kind))
            return true;
    }
    return false;
}

static bool is_simple(yyjson_val *schema)
{
    return json_get(schema, STR("$ref")) == NULL &&
           json_get(schema, STR("properties")) == NULL &&
           json_get(schema, STR("items")) == NULL;
}

/* The branch to take: one that is not null, and deep down one that ends. */
static yyjson_val *choose(unsigned depth, yyjson_val *branches)
{
    yyjson_val *chosen = NULL;

    json_each_item (branch, branches) {
        bool is_null = shape_is(branch, STR("null"));

        if (depth >= SHAPE_SHALLOW) {
            if (is_simple(branch))
                return branch;
        } else if (!is_null) {
            return branch;
        }
        if (chosen == NULL)
            chosen = branch;
    }
    return chosen;
}

yyjson_val *shape_resolve(yyjson_val *root, unsigned depth, yyjson_val *schema)
{
    for (unsigned hops = 0; hops < MAX_HOPS; hops++) {
        yyjson_val *ref = json_get(schema, STR("$ref"));
        yyjson_val *branches = json_get(schema, STR("anyOf"));

        if (branches == NULL)
            branches = json_get(schema, STR("oneOf"));
        if (ref != NULL)
            schema = follow(root, json_text(ref));
        else if (branches != NULL &&
                 json_get(schema, STR("properties")) == NULL)
            schema = choose(depth, branches);
        else
            return schema;
    }
    return NULL;
}

static size_t gather(yyjson_val *root, unsigned depth, yyjson_val *schema,
                     yyjson_val *all[], size_t count)
{
    yyjson_val *branches;

    schema = shape_resolve(root, depth, schema);
    if (schema == NULL || count == SHAPE_PARTS)
        return count;
    all[count++] = schema;
    branches = json_get(schema, STR("anyOf"));
    if (branches == NULL)
        branches = json_get(schema, STR("oneOf"));
    if (branches != NULL)
        count = gather(root, depth, choose(depth, branches), all, count);
    json_each_item (branch, json_get(schema, STR("allOf"))) {
        count = gather(root, depth, branch, all, count);
    }
    return count;
}

size_t shape_gather(yyjson_val *root, unsigned depth, yyjson_val *schema,
                    yyjson_val *all[SHAPE_PARTS])
{
    return gather(root, depth, schema, all, 0);
}

yyjson_val *shape_keyword(yyjson_val *const all[], size_t count, struct str key)
{
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = json_get(all[i], key);

        if (value != NULL)
            return value;
    }
    return NULL;
}
