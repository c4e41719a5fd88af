#include "prompt.h"

#include "base64.h"
#include "tokenizer.h"

enum {
    IMAGE_TOKENS = 256,
    BYTES_PER_TOKEN = 4,
    QUESTION_MAX = 16 * 1024,
    FRONT_BYTES = 32 * 1024,
};

size_t prompt_part_tokens(const struct prompt_part *part)
{
    size_t tokens = tokenizer_count(part->text) + tokenizer_count(part->name);

    if (part->kind != PROMPT_MEDIA || part->text.len > 0)
        return tokens;
    if (str_starts(part->media_type, STR("image/")) || part->size == 0)
        return tokens + IMAGE_TOKENS;
    return tokens + part->size / BYTES_PER_TOKEN;
}

size_t prompt_tool_tokens(const struct prompt_tool *tool)
{
    return PROMPT_MESSAGE_TOKENS + tokenizer_count(tool->name) +
           tokenizer_count(tool->description) +
           json_characters(tool->schema) / BYTES_PER_TOKEN;
}

size_t prompt_tokens(const struct prompt *prompt)
{
    size_t tokens = PROMPT_REPLY_TOKENS;

    for (unsigned i = 0; i < prompt->tool_count; i++)
        tokens += prompt_tool_tokens(&prompt->tools[i]);
    for (unsigned i = 0; i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];

        tokens += PROMPT_MESSAGE_TOKENS;
        for (unsigned k = 0; k < message->part_count; k++)
            tokens += prompt_part_tokens(&message->parts[k]);
    }
    return tokens;
}

unsigned prompt_tail(const struct prompt *prompt)
{
    unsigned i = prompt->message_count;

    while (i > 0 && prompt->messages[i - 1].role != PROMPT_ASSISTANT)
        i--;
    return i;
}

/* Of all that a coding agent puts into the user's mouth. */
static const struct {
    struct str open;
    struct str close;
} frames[] = {
    {STR_INIT("<system-reminder>"), STR_INIT("</system-reminder>")},
    {STR_INIT("<environment_context>"), STR_INIT("</environment_context>")},
    {STR_INIT("<user_instructions>"), STR_INIT("</user_instructions>")},
};

/* The end of the frame that begins at the front; 0 when none does. */
static size_t frame_length(struct str text)
{
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        size_t at;

        if (str_starts(text, frames[i].open) &&
            str_find(text, frames[i].close, &at))
            return at + frames[i].close.len;
    }
    return 0;
}

/* Copies what stands outside of the frames; how much that is. */
static size_t copy_unframed(struct str text, char *to)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len;) {
        size_t frame =
            text.ptr[i] == '<' ? frame_length(str_slice(text, i, text.len)) : 0;

        if (frame == 0)
            to[len++] = text.ptr[i++];
        i += frame;
    }
    return len;
}

struct str prompt_unframed(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    size_t len = copy_unframed(text, copy);

    return str_trim((struct str){copy, len});
}

static struct str texts_of(struct arena *arena,
                           const struct prompt_message *message)
{
    struct str all = {NULL, 0};
    size_t total = 0;
    char *text;

    for (unsigned i = 0; i < message->part_count; i++)
        if (message->parts[i].kind == PROMPT_TEXT)
            total += message->parts[i].text.len + 1;
    text = arena_alloc(arena, total + 1);
    all.ptr = text;
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct prompt_part *part = &message->parts[i];

        if (part->kind != PROMPT_TEXT || part->text.len == 0)
            continue;
        if (all.len > 0)
            text[all.len++] = '\n';
        all.len += copy_unframed(part->text, text + all.len);
    }
    return all;
}

/* Beginning and end: what is asked stands in one of the two. */
static struct str shortened(struct arena *arena, struct str text)
{
    struct str front = str_clip(text, QUESTION_MAX / 2);
    size_t from = text.len - QUESTION_MAX / 2;

    while (from < text.len && ((unsigned char)text.ptr[from] & 0xC0) == 0x80)
        from++;
    return arena_printf(arena, "%.*s\n%.*s", STR_ARG(front),
                        STR_ARG(str_slice(text, from, text.len)));
}

struct str prompt_question(struct arena *arena, const struct prompt *prompt)
{
    for (unsigned i = prompt->message_count; i > 0; i--) {
        const struct prompt_message *message = &prompt->messages[i - 1];
        struct str text;

        if (message->role != PROMPT_USER)
            continue;
        text = str_trim(texts_of(arena, message));
        if (text.len > QUESTION_MAX)
            return shortened(arena, text);
        if (text.len > 0)
            return text;
    }
    return STR("");
}

/* Cuts it off the part's end; ptr NULL when there is none. */
static struct str cut_directive(struct prompt_part *part)
{
    struct str text = str_trim(part->text);
    size_t at;

    if (part->kind != PROMPT_TEXT || !str_ends(text, STR("]]")))
        return (struct str){NULL, 0};
    for (at = text.len; at > 0 && text.ptr[at - 1] != '\n'; at--)
        ;
    text = str_slice(text, at, text.len - 2);
    if (!str_starts(text, STR("[[sim:")))
        return (struct str){NULL, 0};
    part->text = str_trim(
        (struct str){part->text.ptr, (size_t)(text.ptr - part->text.ptr)});
    return str_trim(str_slice(text, 6, text.len));
}

/* The last part that is not a frame of an agent's; NULL when there is none. */
static struct prompt_part *last_part(const struct prompt_message *message)
{
    for (unsigned i = message->part_count; i > 0; i--) {
        struct prompt_part *part = &message->parts[i - 1];
        struct str text = str_trim(part->text);

        if (part->kind != PROMPT_TEXT || text.len == 0 ||
            frame_length(text) != text.len)
            return part;
    }
    return NULL;
}

struct str prompt_take_directive(struct prompt *prompt)
{
    struct str directive = {NULL, 0};

    for (unsigned i = 0; i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];
        struct prompt_part *part = last_part(message);

        if (message->role == PROMPT_SYSTEM ||
            (message->role == PROMPT_USER && part == NULL))
            continue; /* may stand behind the user's, as frames alone may */
        directive = (struct str){NULL, 0};
        if (message->role == PROMPT_USER && part != NULL)
            directive = cut_directive(part);
    }
    return directive;
}

size_t prompt_decoded_size(struct str base64)
{
    return base64.len / 4 * 3 - str_ends(base64, STR("=")) -
           str_ends(base64, STR("=="));
}

struct str prompt_front(struct arena *arena, struct str base64)
{
    size_t size = prompt_decoded_size(base64);
    size_t room = size < FRONT_BYTES ? size : FRONT_BYTES;
    unsigned char *front = arena_alloc(arena, room + 3);

    size = base64_decode_front(base64, front, room);
    return (struct str){(const char *)front, size};
}

static uint64_t fold(uint64_t hash, struct str s)
{
    return (hash ^ str_fnv1a64(s)) * 1099511628211u;
}

uint64_t prompt_hash(const struct prompt *prompt)
{
    uint64_t hash = str_fnv1a64(prompt->model);

    for (unsigned i = 0; i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];

        for (unsigned k = 0; k < message->part_count; k++) {
            hash = fold(hash, message->parts[k].text);
            hash = fold(hash, message->parts[k].name);
            hash = fold(hash, message->parts[k].bytes);
        }
    }
    return hash;
}
