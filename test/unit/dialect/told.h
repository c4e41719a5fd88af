/* What a reader tells its listener, one word for each event:
 * start(id) text(…) think(…) block(…|…) call(0 id name) args(0 …) end(finish
 * refusal) error(says). */
#ifndef WEIR_TOLD_H
#define WEIR_TOLD_H

#include "buf.h"
#include "dialect/chat.h"

static inline void told_put(struct buf *told, const struct chat_event *event)
{
    static const char *const kinds[] = {"start", "text", "think", "block",
                                        "call",  "args", "end",   "error"};

    buf_printf(told, "%s(", kinds[event->kind]);
    switch (event->kind) {
    case CHAT_EVENT_START:
        buf_put(told, event->id);
        break;
    case CHAT_EVENT_CALL:
        buf_printf(told, "%u %.*s %.*s%s", event->index,
                   STR_ARG(event->call.id), STR_ARG(event->call.name),
                   event->call.is_custom ? " custom" : "");
        break;
    case CHAT_EVENT_ARGUMENTS:
        buf_printf(told, "%u %.*s", event->index, STR_ARG(event->text));
        break;
    case CHAT_EVENT_BLOCK:
        buf_printf(told, "%.*s|%.*s", STR_ARG(event->block.text),
                   STR_ARG(event->block.signature));
        break;
    case CHAT_EVENT_END:
        buf_printf(told, "%d %.*s", (int)event->finish,
                   STR_ARG(event->refusal));
        break;
    case CHAT_EVENT_ERROR:
        buf_put(told, chat_error_message(&event->error));
        break;
    default:
        buf_put(told, event->text);
        break;
    }
    buf_put(told, STR(") "));
}

#endif
