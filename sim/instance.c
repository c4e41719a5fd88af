#include "instance.h"

#include <math.h>
#include <stdlib.h>

#include "instance_text.h"
#include "shape.h"
#include "skills.h"
#include "specimen.h"

enum {
    MAX_DEPTH = 24,
    MAX_BYTES = 256 * 1024, /* a schema may speak of itself many times */
    MAX_ITEMS = 64,
    LIST_TEXTS = 8,
    MAX_LENGTH = 4096,
};

struct writer {
    const struct instance_source *source;
    yyjson_val *root; /* where "#/…" begins */
    struct json_out out;
    unsigned depth;
    unsigned nth_number;
    size_t nth_place;
    size_t nth_item; /* in the array being written */
    bool is_unique;  /* its items must differ */
};

static void put_value(struct writer *w, yyjson_val *schema, struct str key);

void instance_source_init(struct instance_source *source, struct arena *arena,
                          struct str question)
{
    *source = (struct instance_source){.arena = arena};
    clues_init(&source->question, arena, question);
    source->near = source->question;
    source->place_count = clues_places(&source->question, source->places,
                                       COUNT_OF(source->places));
}

static double number_of(struct writer *w, yyjson_val *value, double otherwise)
{
    struct str text = json_number_text(value);

    if (text.len == 0)
        return otherwise;
    return strtod(arena_copy(w->source->arena, text).ptr, NULL);
}

static size_t size_of(struct writer *w, yyjson_val *value, size_t otherwise)
{
    double n = number_of(w, value, (double)otherwise);

    return n < 0 ? 0 : n > MAX_LENGTH ? MAX_LENGTH : (size_t)n;
}

/* --- plain values ------------------------------------------------------- */

static bool is_mentioned(const struct writer *w, struct str text)
{
    const struct instance_source *source = w->source;
    struct clues phrase;

    clues_init(&phrase, source->arena, text);
    return clues_has(&source->near, phrase.lower) ||
           clues_has(&source->question, phrase.lower) ||
           (source->answer.ptr != NULL && str_contains(source->answer, text));
}

static yyjson_val *choose_enum(struct writer *w, yyjson_val *values)
{
    struct str sentiment = skill_sentiment(&w->source->question);
    yyjson_val *first = json_first(values, YYJSON_TYPE_ARR);
    size_t n = yyjson_arr_size(values);

    if (w->is_unique && n > 0)
        return yyjson_arr_get(values, w->nth_item % n);
    json_each_item (value, values) {
        if (str_eq_nocase(json_text(value), sentiment))
            return value;
    }
    json_each_item (value, values) {
        if (json_text(value).len > 0 && is_mentioned(w, json_text(value)))
            return value;
    }
    return n > 0 ? first : NULL;
}

/* Numbers of the answer first, then those of the question in their order. */
static bool next_number(struct writer *w, double *out)
{
    const struct instance_source *source = w->source;
    struct clues answer;
    struct str text;
    unsigned in_answer = 0;

    if (source->answer.ptr != NULL && !source->is_echo) {
        clues_init(&answer, source->arena, source->answer);
        while (in_answer <= w->nth_number &&
               clues_number(&answer, in_answer, &text))
            in_answer++;
    }
    if (in_answer <= w->nth_number &&
        !clues_number(&source->near, w->nth_number - in_answer, &text))
        return false;
    w->nth_number++;
    *out = strtod(arena_copy(source->arena, text).ptr, NULL);
    return true;
}

static void put_number(struct writer *w, yyjson_val *const all[], size_t count,
                       struct str key, bool is_whole)
{
    double low =
        number_of(w, shape_keyword(all, count, STR("minimum")), -HUGE_VAL);
    double high =
        number_of(w, shape_keyword(all, count, STR("maximum")), HUGE_VAL);
    double above = number_of(
        w, shape_keyword(all, count, STR("exclusiveMinimum")), -HUGE_VAL);
    double below = number_of(
        w, shape_keyword(all, count, STR("exclusiveMaximum")), HUGE_VAL);
    double step = number_of(w, shape_keyword(all, count, STR("multipleOf")), 0);
    struct str words = instance_words(w->source->arena, key);
    struct clues name = {words, words};
    double nudge = is_whole ? 1 : 0.5;
    double value = 1;

    if (!is_whole && clues_has_any(&name, STR("confidence|probability|"
                                              "certainty|likelihood|score")))
        value = 0.9;
    else if (!next_number(w, &value))
        value = 1;
    if (w->is_unique)
        value += (double)w->nth_item;
    if (value <= above)
        value = floor(above) + nudge;
    if (value < low)
        value = is_whole ? ceil(low) : low;
    if (value >= below)
        value = ceil(below) - nudge;
    if (value > high)
        value = is_whole ? floor(high) : high;
    if (value <= above) /* a narrow gap */
        value = (above + (below < high ? below : high)) / 2;
    if (is_whole)
        value = floor(value);
    if (step > 0)
        value = (value < low || floor(value / step) * step < low
                     ? ceil(value / step)
                     : floor(value / step)) *
                step;
    if (step > 0 && value <= above)
        value += step;
    json_put_raw(&w->out, fabs(value) < 1e15 && floor(value) == value
                              ? arena_printf(w->source->arena, "%.0f",
                                             value == 0 ? 0 : value)
                              : arena_printf(w->source->arena, "%.12g", value));
}

/* Not shorter and not longer than allowed, in characters. */
static struct str fit(struct writer *w, yyjson_val *const all[], size_t count,
                      struct str text)
{
    size_t least = size_of(w, shape_keyword(all, count, STR("minLength")), 0);
    size_t most =
        size_of(w, shape_keyword(all, count, STR("maxLength")), MAX_LENGTH);
    size_t present = str_code_points(text);

    while (present > most) {
        text = str_clip(text, text.len - 1);
        present = str_code_points(text);
    }
    while (present < least) {
        size_t missing = least - present;
        struct str more =
            str_slice(STR("................................"), 0, missing);

        text = arena_printf(w->source->arena, "%.*s%.*s", STR_ARG(text),
                            STR_ARG(more));
        present += more.len;
    }
    return text;
}

static void put_text(struct writer *w, yyjson_val *const all[], size_t count,
                     struct str key)
{
    struct str pattern = json_text(shape_keyword(all, count, STR("pattern")));
    struct str format = json_text(shape_keyword(all, count, STR("format")));
    struct str text = instance_format(w->source, format);
    bool is_obvious;

    if (pattern.len > 0) {
        size_t least =
            size_of(w, shape_keyword(all, count, STR("minLength")), 0);
        struct buf made;

        /* one that is open-ended is longer each time */
        if (w->is_unique && least < w->nth_item + 1)
            least = w->nth_item + 1;
        buf_init(&made, MAX_LENGTH * 2);
        specimen_put(pattern, least, &made);
        json_put_str(&w->out,
                     arena_copy_utf8(w->source->arena, buf_str(&made)));
        buf_fini(&made);
        return;
    }
    if (text.ptr == NULL)
        text = instance_text(w->source, key, &w->nth_place, &is_obvious);
    if (w->is_unique && w->nth_item > 0)
        text = arena_printf(w->source->arena, "%.*s %zu", STR_ARG(text),
                            w->nth_item + 1);
    json_put_str(&w->out, fit(w, all, count, text));
}

/* --- arrays and objects ------------------------------------------------- */

static void put_items(struct writer *w, yyjson_val *const all[], size_t count,
                      struct str key)
{
    yyjson_val *items = shape_keyword(all, count, STR("items"));
    yyjson_val *fixed = shape_keyword(all, count, STR("prefixItems"));
    size_t least = size_of(w, shape_keyword(all, count, STR("minItems")), 0);
    size_t most =
        size_of(w, shape_keyword(all, count, STR("maxItems")), MAX_ITEMS);
    struct writer saved = *w;
    struct str texts[LIST_TEXTS];
    size_t found = 0;
    size_t wanted = yyjson_arr_size(fixed);
    yyjson_val *item = shape_resolve(w->root, w->depth, items);

    if (fixed == NULL && shape_is(item, STR("string")) &&
        json_get(item, STR("enum")) == NULL &&
        json_get(item, STR("pattern")) == NULL &&
        json_get(item, STR("format")) == NULL)
        found = instance_texts(w->source, key, texts, COUNT_OF(texts));
    if (wanted == 0)
        wanted = found > 0 ? found : w->depth < SHAPE_SHALLOW ? 1 : 0;
    wanted = wanted < least ? least : wanted > most ? most : wanted;
    if (wanted > MAX_ITEMS)
        wanted = MAX_ITEMS;
    json_open(&w->out, '[');
    for (size_t i = 0; i < wanted; i++) {
        yyjson_val *own = yyjson_arr_get(fixed, i);

        w->is_unique =
            wanted > 1 &&
            json_is_true(shape_keyword(all, count, STR("uniqueItems")));
        w->nth_item = i;
        if (i < found)
            json_put_str(&w->out, fit(w, &item, 1, texts[i]));
        else
            put_value(w, own != NULL ? own : items, key);
    }
    json_close(&w->out, ']');
    w->is_unique = saved.is_unique;
    w->nth_item = saved.nth_item;
}

static bool is_required(yyjson_val *const all[], size_t count, struct str key)
{
    for (size_t i = 0; i < count; i++) {
        json_each_item (name, json_get(all[i], STR("required"))) {
            if (str_eq(json_text(name), key))
                return true;
        }
    }
    return false;
}

/* Does the question speak of this member, so that a call should have it
 * although it need not? */
static bool is_spoken_of(struct writer *w, yyjson_val *schema, struct str key)
{
    size_t nth_place = w->nth_place;
    bool is_obvious = false;

    schema = shape_resolve(w->root, w->depth, schema);
    if (json_get(schema, STR("enum")) != NULL) {
        json_each_item (value, json_get(schema, STR("enum"))) {
            if (json_text(value).len > 0 && is_mentioned(w, json_text(value)))
                return true;
        }
        return false;
    }
    if (!shape_is(schema, STR("string")))
        return is_mentioned(w, instance_words(w->source->arena, key));
    (void)instance_text(w->source, key, &nth_place, &is_obvious);
    return is_obvious;
}

static bool is_wanted(struct writer *w, yyjson_val *const all[], size_t count,
                      yyjson_val *schema, struct str key)
{
    if (is_required(all, count, key))
        return true;
    if (w->depth > SHAPE_SHALLOW)
        return false;
    return w->source->answer.ptr != NULL || is_spoken_of(w, schema, key);
}

static bool was_put(yyjson_val *const all[], size_t before, struct str key)
{
    for (size_t i = 0; i < before; i++)
        if (yyjson_obj_getn(json_get(all[i], STR("properties")), key.ptr,
                            key.len) != NULL)
            return true;
    return false;
}

static void put_members(struct writer *w, yyjson_val *const all[], size_t count)
{
    yyjson_val *others = shape_keyword(all, count, STR("additionalProperties"));

    json_open(&w->out, '{');
    for (size_t i = 0; i < count; i++) {
        json_each_member (key, schema, json_get(all[i], STR("properties"))) {
            struct str name = json_text(key);

            if (was_put(all, i, name) ||
                !is_wanted(w, all, count, schema, name))
                continue;
            json_key_any(&w->out, name);
            put_value(w, schema, name);
        }
    }
    for (size_t i = 0; i < count; i++) {
        json_each_item (name, json_get(all[i], STR("required"))) {
            if (was_put(all, count, json_text(name)))
                continue;
            json_key_any(&w->out, json_text(name));
            put_value(w, others, json_text(name));
        }
    }
    json_close(&w->out, '}');
}

/* --- any value ---------------------------------------------------------- */

static struct str kind_of(yyjson_val *const all[], size_t count)
{
    yyjson_val *type = shape_keyword(all, count, STR("type"));

    if (yyjson_is_str(type))
        return json_text(type);
    json_each_item (item, type) {
        if (!str_eq(json_text(item), STR("null")))
            return json_text(item);
    }
    if (type != NULL)
        return STR("null");
    if (shape_keyword(all, count, STR("properties")) != NULL ||
        shape_keyword(all, count, STR("required")) != NULL)
        return STR("object");
    if (shape_keyword(all, count, STR("items")) != NULL ||
        shape_keyword(all, count, STR("prefixItems")) != NULL)
        return STR("array");
    if (shape_keyword(all, count, STR("minimum")) != NULL ||
        shape_keyword(all, count, STR("maximum")) != NULL)
        return STR("number");
    return STR("string");
}

static void put_kind(struct writer *w, yyjson_val *const all[], size_t count,
                     struct str key)
{
    struct str kind = kind_of(all, count);

    if (str_eq(kind, STR("object")))
        put_members(w, all, count);
    else if (str_eq(kind, STR("array")))
        put_items(w, all, count, key);
    else if (str_eq(kind, STR("integer")))
        put_number(w, all, count, key, true);
    else if (str_eq(kind, STR("number")))
        put_number(w, all, count, key, false);
    else if (str_eq(kind, STR("boolean")))
        json_put_bool(&w->out, true);
    else if (str_eq(kind, STR("null")))
        json_put_null(&w->out);
    else
        put_text(w, all, count, key);
}

static void put_value(struct writer *w, yyjson_val *schema, struct str key)
{
    yyjson_val *all[SHAPE_PARTS];
    size_t count = shape_gather(w->root, w->depth, schema, all);
    yyjson_val *only = shape_keyword(all, count, STR("const"));
    yyjson_val *values = shape_keyword(all, count, STR("enum"));

    if (w->depth == MAX_DEPTH || w->out.buf->len > MAX_BYTES) {
        json_put_null(&w->out);
        return;
    }
    w->depth++;
    if (only != NULL)
        json_put_val(&w->out, only);
    else if (values != NULL)
        json_put_val(&w->out, choose_enum(w, values));
    else
        put_kind(w, all, count, key);
    w->depth--;
}

void instance_write(const struct instance_source *source, yyjson_val *schema,
                    struct buf *out)
{
    struct writer w = {
        .source = source, .root = schema, .out = json_out_to(out)};

    if (schema == NULL)
        json_put_raw(&w.out, STR("{}"));
    else
        put_value(&w, schema, STR(""));
}

void instance_write_keys(const struct instance_source *source,
                         const struct str keys[], size_t count, struct buf *out)
{
    struct writer w = {.source = source, .out = json_out_to(out)};

    json_open(&w.out, '{');
    for (size_t i = 0; i < count; i++) {
        struct str words = instance_words(source->arena, keys[i]);
        struct clues name = {words, words};

        json_key_any(&w.out, keys[i]);
        if (clues_has(&name, STR("sentiment")))
            json_put_str(&w.out, skill_sentiment(&source->question));
        else if (clues_has_any(&name, STR("age|count|number|year|score|total|"
                                          "amount|price|confidence")))
            put_number(&w, NULL, 0, keys[i], false);
        else
            put_text(&w, NULL, 0, keys[i]);
    }
    json_close(&w.out, '}');
}
