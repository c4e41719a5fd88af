#include "langfuse_answer.h"

#include "json.h"
#include "strmap.h"

enum { EVENTS_EACH = 2 }; /* of one generation */

enum fate { FATE_TAKEN, FATE_LATER, FATE_NEVER };

static enum fate fate_of(int64_t status)
{
    return status == 408 || status == 429 || status >= 500 ? FATE_LATER
                                                           : FATE_NEVER;
}

/* The id of the request that an event belongs to: without what it is. */
static struct str stem_of(struct str id)
{
    size_t end = id.len;

    while (end > 0 && id.ptr[end - 1] != '-')
        end--;
    return str_slice(id, 0, end);
}

/* Which of the events were not taken. */
static void read_fates(yyjson_val *root, struct strmap *fates,
                       struct langfuse_reading *out)
{
    json_each_item (item, json_get(root, STR("errors"))) {
        struct str id = json_get_text(item, STR("id"));
        struct str why = json_get_text(item, STR("error"));

        if (why.len == 0)
            why = json_get_text(item, STR("message"));
        if (id.len == 0)
            continue;
        *strmap_at(fates, id) = fate_of(json_get_i64(item, STR("status")));
        if (out->why.len == 0)
            out->why = why;
        out->is_too_new |= str_contains(why, STR("events_only"));
    }
    json_each_item (item, json_get(root, STR("successes"))) {
        size_t *fate = strmap_find(fates, json_get_text(item, STR("id")));

        if (fate != NULL)
            *fate = FATE_TAKEN;
    }
}

/* The events of one request follow one another. */
struct sorter {
    const struct strmap *fates;
    struct langfuse_reading *out;
    struct json_out *rest;
    struct str stem;
    yyjson_val *later[EVENTS_EACH]; /* of the events of `stem` */
    unsigned later_count;
    bool is_incomplete; /* one of them will never be taken */
    bool is_lost;       /* the generation itself */
};

/* A trace alone is of no use: it does not go again when its generation will
 * never be taken. */
static void end_request(struct sorter *sorter)
{
    if (sorter->later_count > 0 && !sorter->is_lost) {
        for (unsigned i = 0; i < sorter->later_count; i++)
            json_put_val(sorter->rest, sorter->later[i]);
        sorter->out->left++;
    } else if (sorter->is_incomplete) {
        sorter->out->rejected++;
    }
    sorter->later_count = 0;
    sorter->is_incomplete = sorter->is_lost = false;
}

static void sort_event(struct sorter *sorter, yyjson_val *event)
{
    struct str id = json_get_text(event, STR("id"));
    struct str stem = stem_of(id);
    const size_t *fate = strmap_find(sorter->fates, id);

    if (!str_eq(stem, sorter->stem) || sorter->later_count == EVENTS_EACH)
        end_request(sorter);
    sorter->stem = stem;
    if (fate == NULL)
        return;
    if (*fate == FATE_LATER)
        sorter->later[sorter->later_count++] = event;
    if (*fate == FATE_NEVER) {
        sorter->is_incomplete = true;
        sorter->is_lost |= str_ends(id, STR("-generation"));
    }
}

void langfuse_answer_read(struct arena *arena, struct str sent,
                          struct str answer, struct langfuse_reading *out,
                          struct buf *rest)
{
    struct json_out json = json_out_to(rest);
    struct json_error error;
    struct json_doc said, doc;
    struct strmap fates;
    struct sorter sorter = {.fates = &fates, .out = out, .rest = &json};

    *out = (struct langfuse_reading){0};
    if (!json_read(arena, answer, &said, &error) || !yyjson_is_obj(said.root))
        return;
    out->is_readable = true;
    strmap_init(&fates, arena);
    read_fates(said.root, &fates, out);
    if (fates.count == 0 || !json_read(arena, sent, &doc, &error))
        return;
    buf_put(rest, langfuse_batch.head);
    json_each_item (event, json_get(doc.root, STR("batch")))
        sort_event(&sorter, event);
    end_request(&sorter);
    buf_put(rest, langfuse_batch.tail);
    if (out->left == 0)
        buf_clear(rest);
}
