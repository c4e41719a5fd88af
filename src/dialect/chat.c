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
