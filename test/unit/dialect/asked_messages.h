/* A request of Anthropic's format, read from its JSON. */
#ifndef WEIR_ASKED_MESSAGES_H
#define WEIR_ASKED_MESSAGES_H

#include "../testing.h"
#include "dialect/anthropic_door.h"

struct asked {
    struct arena arena;
    struct chat chat;
    struct chat_error error;
    bool ok;
};

static inline void asked_read(struct asked *asked, struct str body)
{
    arena_init(&asked->arena);
    asked->error = (struct chat_error){.error = OK};
    asked->ok = anthropic_read_request(&asked->arena, body, &asked->chat,
                                       &asked->error);
}

static inline void asked_good(struct asked *asked, struct str body)
{
    asked_read(asked, body);
    if (!asked->ok) {
        struct str says = chat_error_message(&asked->error);

        print_error("%.*s\n  %.*s\n", STR_ARG(body), STR_ARG(says));
    }
    assert_true(asked->ok);
}

static inline void asked_fini(struct asked *asked)
{
    arena_clear(&asked->arena);
}

/* Members without a place, joined with a blank. */
static inline struct str asked_others(struct asked *asked)
{
    struct str joined = STR("");

    for (unsigned i = 0; i < asked->chat.other_count; i++)
        joined = arena_printf(&asked->arena, "%.*s%s%.*s", STR_ARG(joined),
                              i > 0 ? " " : "", STR_ARG(asked->chat.others[i]));
    return joined;
}

#define USER(content) "{\"role\":\"user\",\"content\":" content "}"
#define SAYS(content) "{\"role\":\"assistant\",\"content\":" content "}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define CALL(id, input)                                                        \
    "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"f\",\"input\":" input \
    "}"
#define RESULT(id, more) \
    "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"" more "}"
/* A request with one user message and `more` members. */
#define ASKED(more)                                                            \
    "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" USER("\"x\"") "]," more \
                                                                     "}"
/* A request with these messages. */
#define ASKED_MESSAGES(list) "{\"max_tokens\":9,\"messages\":[" list "]}"
/* One message of these blocks. */
#define ASKED_BLOCKS(list) ASKED_MESSAGES(USER("[" list "]"))

#endif
