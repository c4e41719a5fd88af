#include "chat.h"

#include <stdarg.h>
#include <stdio.h>

bool chat_refuse(struct chat_error *error, struct arena *arena, enum error kind,
                 struct str param, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    *error = (struct chat_error){
        .error = kind,
        .param = param,
        .message = arena_copy_utf8(arena, str_of(message)),
    };
    return false;
}

int chat_error_status(const struct chat_error *error)
{
    return error->status != 0 ? error->status : error_row(error->error)->status;
}

struct str chat_error_type(const struct chat_error *error)
{
    return error->type.ptr != NULL ? error->type
                                   : error_row(error->error)->type;
}

struct str chat_error_code(const struct chat_error *error)
{
    return error->code.ptr != NULL ? error->code
                                   : error_row(error->error)->code;
}

struct str chat_error_message(const struct chat_error *error)
{
    return error->message.ptr != NULL ? error->message
                                      : error_row(error->error)->says;
}

bool chat_is_unsigned(yyjson_val *block)
{
    struct str signature = json_get_text(block, STR("signature"));

    return str_eq(json_get_text(block, STR("type")), STR("thinking")) &&
           (signature.len == 0 || str_eq(signature, CHAT_UNSIGNED));
}

void chat_thinking(struct chat *chat, yyjson_val *block, struct chat_part *part)
{
    struct str type = json_get_text(block, STR("type"));
    bool is_signed = (str_eq(type, STR("redacted_thinking")) ||
                      str_eq(type, STR("thinking"))) &&
                     !chat_is_unsigned(block);

    part->kind = CHAT_THINKING;
    part->text = json_get_text(block, STR("thinking"));
    part->block = is_signed ? block : NULL;
    if (!is_signed)
        chat->has_unsigned_thinking = true;
    chat->characters += str_code_points(part->text);
}

bool chat_effort_named(struct str name, enum chat_effort *effort)
{
    static const struct {
        struct str name;
        enum chat_effort effort;
    } efforts[] = {
        {STR_INIT("none"), CHAT_EFFORT_NONE},
        {STR_INIT("minimal"), CHAT_EFFORT_MINIMAL},
        {STR_INIT("low"), CHAT_EFFORT_LOW},
        {STR_INIT("medium"), CHAT_EFFORT_MEDIUM},
        {STR_INIT("high"), CHAT_EFFORT_HIGH},
        {STR_INIT("xhigh"), CHAT_EFFORT_XHIGH},
        {STR_INIT("max"), CHAT_EFFORT_MAX},
    };

    for (size_t i = 0; i < COUNT_OF(efforts); i++) {
        if (str_eq(name, efforts[i].name)) {
            *effort = efforts[i].effort;
            return true;
        }
    }
    return false;
}

/* Names of the caller's choosing: more of them are not worth the search. */
enum { OTHERS_MAX = 100 };

void chat_other(struct chat *chat, struct arena *arena, struct str name)
{
    if (chat->other_count == OTHERS_MAX)
        return;
    for (unsigned i = 0; i < chat->other_count; i++)
        if (str_eq(chat->others[i], name))
            return;
    if (chat->other_count == chat->other_cap) {
        unsigned cap = chat->other_cap == 0 ? 8 : chat->other_cap * 2;
        struct str *grown = ARENA_ARRAY(arena, struct str, cap);

        if (chat->other_count > 0)
            memcpy(grown, chat->others, chat->other_count * sizeof(*grown));
        chat->others = grown;
        chat->other_cap = cap;
    }
    chat->others[chat->other_count++] = name;
}
