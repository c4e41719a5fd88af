/* A request of the Responses API, read from its JSON. */
#ifndef WEIR_RESPONSES_ASKED_H
#define WEIR_RESPONSES_ASKED_H

#include "../testing.h"
#include "dialect/responses.h"

struct asked {
    struct arena arena;
    struct chat chat;
    struct chat_error error;
    bool ok;
};

static inline void asked_read(struct asked *asked, const char *body)
{
    arena_init(&asked->arena);
    asked->error = (struct chat_error){.error = OK};
    asked->ok = responses_read_request(&asked->arena, str_of(body),
                                       &asked->chat, &asked->error);
}

static inline void asked_good(struct asked *asked, const char *body)
{
    asked_read(asked, body);
    if (!asked->ok) {
        struct str says = chat_error_message(&asked->error);

        fail_msg("%s\n  %.*s\n", body, STR_ARG(says));
    }
}

static inline void asked_fini(struct asked *asked)
{
    arena_clear(&asked->arena);
}

/* Refused, with the field's path and a word of the sentence. */
static inline void assert_asked_bad(const char *body, enum error error,
                                    const char *param, const char *says)
{
    struct asked asked;
    struct str got;

    asked_read(&asked, body);
    if (asked.ok)
        fail_msg("not refused: %s", body);
    assert_int_equal(asked.error.error, error);
    got = asked.error.param.ptr == NULL ? STR("") : asked.error.param;
    assert_str(got, param);
    assert_has(chat_error_message(&asked.error), says);
    asked_fini(&asked);
}

/* The names of what has no place, with blanks between. */
static inline struct str asked_others(struct asked *asked)
{
    struct str all = STR("");

    for (unsigned i = 0; i < asked->chat.other_count; i++)
        all = arena_printf(&asked->arena, "%.*s%s%.*s", STR_ARG(all),
                           i > 0 ? " " : "", STR_ARG(asked->chat.others[i]));
    return all;
}

/* A request with more members, or with these items. */
#define ASK(more) "{\"model\":\"m\",\"input\":\"x\"," more "}"
#define ASK_ITEMS(list) "{\"model\":\"m\",\"input\":[" list "]}"

#endif
