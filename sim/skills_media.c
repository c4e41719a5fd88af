/* What can be said about an attached image or file without seeing it: its
 * type, its size and, of an image, how wide and high it is. */
#include "skills.h"

struct size {
    unsigned width;
    unsigned height;
};

static unsigned byte_at(struct str bytes, size_t at)
{
    return at < bytes.len ? (unsigned char)bytes.ptr[at] : 0;
}

static unsigned big16(struct str bytes, size_t at)
{
    return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

static struct size png_size(struct str bytes)
{
    return (struct size){big16(bytes, 16) << 16 | big16(bytes, 18),
                         big16(bytes, 20) << 16 | big16(bytes, 22)};
}

static struct size gif_size(struct str bytes)
{
    return (struct size){byte_at(bytes, 6) | byte_at(bytes, 7) << 8,
                         byte_at(bytes, 8) | byte_at(bytes, 9) << 8};
}

/* Segments until a start of frame (C0 … CF without C4, C8, CC). */
static struct size jpeg_size(struct str bytes)
{
    size_t at = 2;

    while (at + 9 < bytes.len && byte_at(bytes, at) == 0xFF) {
        unsigned kind = byte_at(bytes, at + 1);

        if (kind >= 0xC0 && kind <= 0xCF && kind != 0xC4 && kind != 0xC8 &&
            kind != 0xCC)
            return (struct size){big16(bytes, at + 7), big16(bytes, at + 5)};
        at += 2 + (size_t)big16(bytes, at + 2);
    }
    return (struct size){0, 0};
}

static struct size size_of(const struct prompt_part *part)
{
    if (str_eq(part->media_type, STR("image/png")))
        return png_size(part->bytes);
    if (str_eq(part->media_type, STR("image/gif")))
        return gif_size(part->bytes);
    if (str_eq(part->media_type, STR("image/jpeg")))
        return jpeg_size(part->bytes);
    return (struct size){0, 0};
}

static void put_media(const struct prompt_part *part, struct buf *out)
{
    struct size size = size_of(part);
    bool is_image = str_starts(part->media_type, STR("image/"));

    if (out->len > 0)
        buf_put_char(out, ' ');
    buf_printf(out, "I was given %s", is_image ? "an image" : "a file");
    if (part->name.len > 0)
        buf_printf(out, " named %.*s", STR_ARG(part->name));
    if (part->media_type.len > 0)
        buf_printf(out, " of the type %.*s", STR_ARG(part->media_type));
    if (part->size > 0)
        buf_printf(out, " with %zu bytes", part->size);
    if (size.width > 0 && size.height > 0)
        buf_printf(out, ", %u by %u pixels", size.width, size.height);
    buf_put_char(out, '.');
}

bool skill_describe(const struct skill_task *task, struct buf *out)
{
    const struct prompt *prompt = task->prompt;

    for (unsigned i = prompt_tail(prompt); i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];

        for (unsigned k = 0; k < message->part_count; k++)
            if (message->parts[k].kind == PROMPT_MEDIA)
                put_media(&message->parts[k], out);
    }
    if (out->len == 0)
        return false;
    buf_put(out, STR(" A simulated model cannot look inside."));
    return true;
}
