/* What was asked: the whole of it, or where that is too long its two ends. */
#include "format.h"
#include "gather.h"
#include "gather_value.h"

static void put_members(struct clip *clip, const struct format *format,
                        yyjson_val *root)
{
    for (size_t i = 0; i < COUNT_OF(format->said); i++) {
        yyjson_val *value = json_get(root, format->said[i]);

        if (value != NULL && clip_key(clip, format->said[i]))
            gather_value(clip, root, format->said[i], value);
    }
}

/* --- what is too long ----------------------------------------------------- */

enum {
    NOTE_MAX = 128,
    AROUND_MIN = 512, /* below this only the beginning is kept */
    SLACK = 128,      /* for the note and for what stands between */
    PART_MIN = 64,    /* with less room nothing is begun */
    ITEM_MIN = 16,    /* a message is longer */
};

/* What its beginning says holds for all of it, and its end is what was asked
 * now: what lies between is left out first. */
struct talk {
    yyjson_val *root;
    struct str front; /* the member before; empty: none */
    struct str name;  /* of the last one, */
    yyjson_val *last; /* which is a list of messages, or one thing */
    bool is_list;
    size_t count; /* of messages */
    size_t first; /* of these open it: what the system says, and one more */
};

/* The end of it, message by message. */
struct piece {
    struct str text;
    struct piece *next;
};

struct tail {
    struct piece *pieces;
    size_t count;
    size_t size; /* bytes, with their commas */
    bool is_cut;
};

static void count_messages(struct talk *talk)
{
    bool is_opening = true;

    json_each_item (item, talk->last) {
        struct str role = json_get_text(item, STR("role"));

        talk->count++;
        talk->first += is_opening ? 1 : 0;
        is_opening = is_opening && (str_eq(role, STR("system")) ||
                                    str_eq(role, STR("developer")));
    }
    if (talk->first == talk->count)
        talk->first--; /* the last one belongs to the end */
}

static struct talk talk_of(const struct format *format, yyjson_val *root)
{
    struct talk talk = {.root = root};

    for (size_t i = 0; i < COUNT_OF(format->said); i++) {
        struct str name = format->said[i];

        if (name.len == 0 || json_get(root, name) == NULL)
            continue;
        talk.front = talk.name;
        talk.name = name;
        talk.last = json_get(root, name);
    }
    talk.is_list = yyjson_is_obj(yyjson_arr_get_first(talk.last));
    if (talk.is_list)
        count_messages(&talk);
    else
        talk.count = 1;
    return talk;
}

/* Up to and into the last member, in `bound` bytes; *kept: the messages of it.
 * False when something had no room. */
static bool put_beginning(struct clip *clip, const struct talk *talk,
                          size_t bound, size_t first, size_t *kept)
{
    const struct buf *buf = clip->out.buf;
    size_t max = clip->max;
    bool is_whole;

    *kept = 0;
    clip->max = bound;
    if (talk->front.len > 0 && clip_key(clip, talk->front))
        gather_value(clip, talk->root, talk->front,
                     json_get(talk->root, talk->front));
    is_whole = !clip->is_clipped;
    clip->max = max;
    clip->is_clipped = false;
    if (!clip_key(clip, talk->name) || (talk->is_list && !clip_open(clip, '[')))
        return false;
    clip->max = bound;
    json_each_item (item, talk->last) {
        if (*kept == first || clip->is_clipped)
            break;
        if (buf->len + PART_MIN > bound)
            clip->is_clipped = true;
        else {
            gather_value(clip, NULL, STR(""), item);
            ++*kept;
        }
    }
    is_whole = is_whole && !clip->is_clipped;
    clip->max = max;
    clip->is_clipped = false;
    return is_whole;
}

static struct str render(struct arena *arena, yyjson_val *value, size_t max,
                         bool *is_cut)
{
    struct clip clip;
    struct buf buf;
    struct str text;

    buf_init(&buf, max);
    clip_init(&clip, &buf, max);
    gather_value(&clip, NULL, STR(""), value);
    *is_cut = clip.is_clipped;
    text = arena_copy(arena, buf_str(&buf));
    buf_fini(&buf);
    return text;
}

/* The last `*count` messages from `from` on, at most: a new array. */
static yyjson_val **last_messages(struct arena *arena, const struct talk *talk,
                                  size_t from, size_t *count)
{
    size_t skip = talk->count - from > *count ? talk->count - *count : from;
    yyjson_val **items = ARENA_ARRAY(arena, yyjson_val *, *count);
    size_t at = 0;

    *count = talk->count - skip;
    if (!talk->is_list)
        items[0] = talk->last;
    json_each_item (item, talk->is_list ? talk->last : NULL) {
        if (at >= skip)
            items[at - skip] = item;
        at++;
    }
    return items;
}

/* The last messages from `from` on, as many as have room; of the one at the
 * bound its beginning. */
static struct tail take_tail(struct arena *arena, const struct talk *talk,
                             size_t from, size_t room)
{
    size_t count = room / ITEM_MIN + 1;
    yyjson_val **items = last_messages(arena, talk, from, &count);
    struct tail tail = {0};

    while (count > 0 && !tail.is_cut && tail.size + PART_MIN < room) {
        struct piece *piece = ARENA_NEW(arena, struct piece);

        piece->text =
            render(arena, items[--count], room - tail.size - 1, &tail.is_cut);
        if (piece->text.len == 0)
            break;
        piece->next = tail.pieces;
        tail.pieces = piece;
        tail.size += piece->text.len + 1;
        tail.count++;
    }
    return tail;
}

static void put_tail(struct clip *clip, const struct tail *tail, size_t left)
{
    struct buf note;

    if (left > 0) {
        buf_init(&note, NOTE_MAX);
        buf_put(&note, STR("{\"role\":\"router\",\"content\":"
                           "\"[messages left out: "));
        buf_put_u64(&note, left);
        buf_put(&note, STR("]\"}"));
        clip_raw(clip, buf_str(&note));
        buf_fini(&note);
    }
    for (const struct piece *p = tail->pieces; p != NULL; p = p->next)
        clip_raw(clip, p->text);
}

static bool begin(struct clip *clip, struct buf *text, size_t max)
{
    buf_clear(text);
    clip_init(clip, text, max);
    return clip_open(clip, '{');
}

/* A third for the beginning, the rest for the end; what one does not need, the
 * other takes. */
static void put_around(struct clip *clip, struct buf *text, size_t max,
                       const struct talk *talk)
{
    struct arena scratch;
    struct tail tail;
    size_t kept;
    bool is_whole;

    if (!begin(clip, text, max))
        return;
    arena_init(&scratch);
    is_whole = put_beginning(clip, talk, max / 3, talk->first, &kept);
    tail = take_tail(&scratch, talk, kept, max - SLACK - text->len);
    if (!is_whole && !tail.is_cut && kept + tail.count == talk->count &&
        begin(clip, text, max))
        (void)put_beginning(clip, talk, max - SLACK - tail.size, kept, &kept);
    put_tail(clip, &tail, talk->count - kept - tail.count);
    if (talk->is_list)
        clip_close(clip, ']');
    clip_close(clip, '}');
    clip->is_clipped = true;
    arena_clear(&scratch);
}

/* --- the request ---------------------------------------------------------- */

struct str gather_request(struct arena *arena, const struct format *format,
                          const struct chat *chat, size_t max, bool *is_clipped)
{
    struct str result = STR("");
    struct clip clip;
    struct buf text;

    buf_init(&text, max);
    clip_init(&clip, &text, max);
    if (clip_open(&clip, '{')) {
        put_members(&clip, format, chat->doc.root);
        clip_close(&clip, '}');
        if (clip.is_clipped && max >= AROUND_MIN) {
            struct talk talk = talk_of(format, chat->doc.root);

            put_around(&clip, &text, max, &talk);
        }
        if (!buf_failed(&text))
            result = arena_copy(arena, buf_str(&text));
    }
    *is_clipped = *is_clipped || clip.is_clipped;
    buf_fini(&text);
    return result;
}
