#include "clip.h"

/* A byte may become six: \u001f. */
enum { ESCAPE_MAX = 6 };
/* What a key keeps room for: a comma and the least that may follow. */
enum { VALUE_MIN = 6 };

void clip_init(struct clip *clip, struct buf *buf, size_t max)
{
    *clip = (struct clip){.out = json_out_to(buf), .max = max};
    clip->is_clipped = max < CLIP_MIN;
}

/* Bytes that may still be written, the closing brackets aside. */
static size_t room(const struct clip *clip)
{
    size_t taken = clip->out.buf->len + clip->depth;

    return clip->max > taken ? clip->max - taken : 0;
}

/* Is there room for a comma and `len` bytes?  If not, that was all. */
static bool fits(struct clip *clip, size_t len)
{
    if (!clip->is_clipped && room(clip) > len)
        return true;
    clip->is_clipped = true;
    return false;
}

/* The value of a key has a little room, also behind the end. */
static bool is_owed(const struct clip *clip)
{
    const struct buf *buf = clip->out.buf;

    return buf->len > 0 && buf->ptr[buf->len - 1] == ':';
}

bool clip_open(struct clip *clip, char bracket)
{
    if (!is_owed(clip) && !fits(clip, 2))
        return false;
    json_open(&clip->out, bracket);
    clip->depth++;
    return true;
}

void clip_close(struct clip *clip, char bracket)
{
    clip->depth--;
    json_close(&clip->out, bracket);
}

bool clip_key(struct clip *clip, struct str key)
{
    if (key.len > clip->max ||
        !fits(clip, key.len * ESCAPE_MAX + 3 + VALUE_MIN))
        return false;
    json_key_any(&clip->out, key);
    return true;
}

/* As much as there is room for. */
static void cut_str(struct clip *clip, struct str s)
{
    struct buf *buf = clip->out.buf;

    json_put_raw(&clip->out, STR("\""));
    while (s.len > 0) {
        size_t left = room(clip);
        struct str piece = str_clip(s, left > 0 ? (left - 1) / ESCAPE_MAX : 0);

        if (piece.len == 0) {
            clip->is_clipped = true;
            break;
        }
        json_escape(buf, piece);
        s = str_slice(s, piece.len, s.len);
    }
    buf_put_char(buf, '"');
}

void clip_str(struct clip *clip, struct str s)
{
    if (!is_owed(clip) && !fits(clip, 2))
        return;
    if (s.len < clip->max / ESCAPE_MAX && room(clip) > s.len * ESCAPE_MAX + 3)
        json_put_str(&clip->out, s);
    else
        cut_str(clip, s);
}

void clip_raw(struct clip *clip, struct str text)
{
    bool owed = is_owed(clip);

    if (fits(clip, text.len))
        json_put_raw(&clip->out, text);
    else if (owed)
        json_put_null(&clip->out);
}

void clip_member(struct clip *clip, struct str key, struct str s)
{
    if (clip_key(clip, key))
        clip_str(clip, s);
}
