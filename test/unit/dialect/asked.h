/* A request for a chat, read from its JSON. */
#ifndef WEIR_ASKED_H
#define WEIR_ASKED_H

#include "../testing.h"
#include "dialect/openai.h"

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
    asked->ok =
        openai_read_request(&asked->arena, body, &asked->chat, &asked->error);
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

/* A request with one user message and `more` members. */
#define ASK(more) \
    STR("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," more "}")
/* A request with these messages. */
#define ASK_MESSAGES(list) STR("{\"messages\":[" list "]}")

#endif
