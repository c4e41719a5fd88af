#include "responses_checker.h"

#include <stdlib.h>
#include <yyjson.h>

static const size_t max = 64 << 20;

void responses_checker_init(struct responses_checker *c)
{
    *c = (struct responses_checker){.phase = CHECKER_NOTHING};
    buf_init(&c->id, max);
    buf_init(&c->item_id, max);
    buf_init(&c->item_type, max);
    buf_init(&c->text, max);
    buf_init(&c->items, max);
}

void responses_checker_fini(struct responses_checker *c)
{
    buf_fini(&c->id);
    buf_fini(&c->item_id);
    buf_fini(&c->item_type);
    buf_fini(&c->text);
    buf_fini(&c->items);
}

static struct str text_at(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_str(value)
               ? (struct str){yyjson_get_str(value), yyjson_get_len(value)}
               : (struct str){NULL, 0};
}

static void keep(struct buf *buf, struct str s)
{
    buf_clear(buf);
    buf_put(buf, s);
}

static bool is(struct str s, const char *z)
{
    return str_eq(s, str_of(z));
}

/* --- items -------------------------------------------------------------- */

/* Where an item of this type has its text. */
static struct str item_text(yyjson_val *item)
{
    struct str type = text_at(item, "type");
    yyjson_val *part;

    if (is(type, "function_call"))
        return text_at(item, "arguments");
    if (is(type, "custom_tool_call"))
        return text_at(item, "input");
    part = yyjson_arr_get_first(
        yyjson_obj_get(item, is(type, "reasoning") ? "summary" : "content"));
    return is(text_at(part, "type"), "refusal") ? text_at(part, "refusal")
                                                : text_at(part, "text");
}

static const char *check_added(struct responses_checker *c, yyjson_val *root)
{
    yyjson_val *item = yyjson_obj_get(root, "item");

    if (c->has_item)
        return "an item begins inside another one";
    if (yyjson_get_sint(yyjson_obj_get(root, "output_index")) != c->index)
        return "items are not counted from 0";
    if (text_at(item, "id").len == 0 || text_at(item, "type").len == 0)
        return "an item without an id or type";
    if (item_text(item).len > 0)
        return "an item begins with text";
    c->has_item = true;
    c->has_part = c->has_done = false;
    keep(&c->item_id, text_at(item, "id"));
    keep(&c->item_type, text_at(item, "type"));
    buf_clear(&c->text);
    return NULL;
}

static const char *check_done_item(struct responses_checker *c,
                                   yyjson_val *root)
{
    yyjson_val *item = yyjson_obj_get(root, "item");
    size_t len;
    char *text;

    if (!c->has_item ||
        yyjson_get_sint(yyjson_obj_get(root, "output_index")) != c->index)
        return "an item is done that is not the open one";
    if (!str_eq(text_at(item, "id"), buf_str(&c->item_id)) ||
        !str_eq(text_at(item, "type"), buf_str(&c->item_type)))
        return "an item has changed";
    if (is(text_at(item, "status"), "in_progress"))
        return "an item is done and in progress";
    if (!str_eq(item_text(item), buf_str(&c->text)))
        return "an item's text is not that of its deltas";
    if (c->has_part || (c->text.len > 0 && !c->has_done))
        return "an item is done before its parts";
    text = yyjson_val_write(item, 0, &len);
    buf_put(&c->items, (struct str){text, len});
    buf_put_char(&c->items, '\n');
    free(text);
    c->has_item = false;
    c->index++;
    return NULL;
}

static const char *check_in_item(struct responses_checker *c, struct str type,
                                 yyjson_val *root)
{
    if (!c->has_item ||
        yyjson_get_sint(yyjson_obj_get(root, "output_index")) != c->index ||
        !str_eq(text_at(root, "item_id"), buf_str(&c->item_id)))
        return "an event of an item that is not the open one";
    if (str_ends(type, STR(".delta"))) {
        if (c->has_done || text_at(root, "delta").len == 0)
            return "a delta that says nothing or comes too late";
        buf_put(&c->text, text_at(root, "delta"));
    } else if (str_ends(type, STR("part.added"))) {
        if (c->has_part)
            return "a part begins inside another one";
        c->has_part = true;
    } else if (str_ends(type, STR("part.done"))) {
        if (!c->has_part || !c->has_done)
            return "a part is done before its text";
        c->has_part = false;
    } else if (str_ends(type, STR(".done"))) {
        struct str whole = text_at(root, "text");

        if (is(type, "response.function_call_arguments.done"))
            whole = text_at(root, "arguments");
        else if (is(type, "response.custom_tool_call_input.done"))
            whole = text_at(root, "input");
        else if (is(type, "response.refusal.done"))
            whole = text_at(root, "refusal");
        if (c->has_done || !str_eq(whole, buf_str(&c->text)))
            return "a text is not that of its deltas";
        c->has_done = true;
    } else {
        return "an unknown event";
    }
    return NULL;
}

/* --- the response ------------------------------------------------------- */

/* The output of the last event: what was done, in order. */
static bool repeats_items(struct str items, yyjson_val *output)
{
    yyjson_val *item;
    size_t i, n;
    struct str line;

    yyjson_arr_foreach(output, i, n, item)
    {
        size_t len;
        char *text = yyjson_val_write(item, 0, &len);
        bool same = str_split(&items, '\n', &line) &&
                    str_eq(line, (struct str){text, len});

        free(text);
        if (!same)
            return false;
    }
    return items.len == 0;
}

static const char *check_response(struct responses_checker *c, struct str type,
                                  yyjson_val *root)
{
    yyjson_val *response = yyjson_obj_get(root, "response");
    yyjson_val *output = yyjson_obj_get(response, "output");
    struct str status = text_at(response, "status");
    struct str last = str_slice(type, sizeof("response.") - 1, type.len);

    if (!yyjson_is_arr(output) || !is(text_at(response, "object"), "response"))
        return "no response object";
    if (c->phase == CHECKER_NOTHING)
        keep(&c->id, text_at(response, "id"));
    if (!str_eq(text_at(response, "id"), buf_str(&c->id)))
        return "the response has changed";
    if (is(last, "created") || is(last, "in_progress")) {
        if (c->phase !=
            (is(last, "created") ? CHECKER_NOTHING : CHECKER_CREATED))
            return "the response begins twice or out of order";
        c->phase++;
        return is(status, "in_progress") && yyjson_arr_size(output) == 0
                   ? NULL
                   : "the response begins with something in it";
    }
    if (c->phase != CHECKER_IN_PROGRESS)
        return "the response ends before it begins";
    c->phase = CHECKER_ENDED;
    if (!str_eq(status, last))
        return "the last event and its status differ";
    if (is(last, "failed")) {
        c->has_failed = true;
        return text_at(yyjson_obj_get(response, "error"), "code").len > 0
                   ? NULL
                   : "a failure without a code";
    }
    if (!is(last, "completed") && !is(last, "incomplete"))
        return "an unknown event of the response";
    if (c->has_item)
        return "the response ends inside an item";
    return repeats_items(buf_str(&c->items), output)
               ? NULL
               : "the last event's output is not what was done";
}

static const char *check_event(struct responses_checker *c, struct str type,
                               yyjson_val *root)
{
    yyjson_val *number = yyjson_obj_get(root, "sequence_number");

    if (!yyjson_is_uint(number) || yyjson_get_uint(number) != c->sequence)
        return "the events are not numbered in order";
    c->sequence++;
    if (c->phase == CHECKER_ENDED)
        return "an event behind the last one";
    if (yyjson_obj_get(root, "response") != NULL)
        return check_response(c, type, root);
    if (c->phase != CHECKER_IN_PROGRESS)
        return "an event before the response begins";
    if (is(type, "response.output_item.added"))
        return check_added(c, root);
    if (is(type, "response.output_item.done"))
        return check_done_item(c, root);
    return check_in_item(c, type, root);
}

const char *responses_check(struct responses_checker *c, struct str name,
                            struct str data)
{
    yyjson_doc *doc = yyjson_read(data.ptr, data.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *fault;

    if (root == NULL)
        return "no JSON";
    fault = str_eq(name, text_at(root, "type"))
                ? check_event(c, text_at(root, "type"), root)
                : "the event's name is not its type";
    yyjson_doc_free(doc);
    return fault;
}

const char *responses_check_end(const struct responses_checker *c)
{
    return c->phase == CHECKER_ENDED ? NULL : "the stream has no end";
}
