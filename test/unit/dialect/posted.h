/* A request for a chat, written for a backend that speaks Chat Completions. */
#ifndef WEIR_POSTED_H
#define WEIR_POSTED_H

#include "asked.h"
#include "dialect/openai_backend.h"

static struct request_style posted_style = {.model = STR_INIT("up/stream")};

struct posted {
    struct asked asked;
    struct buf out;
    struct request_notes notes;
    struct chat_error error;
    yyjson_val *root; /* of what was written; NULL when it was refused */
};

static inline void posted_write(struct posted *p)
{
    struct json_doc doc;
    struct json_error trouble;

    p->root = NULL;
    p->error = (struct chat_error){.error = OK};
    buf_init(&p->out, 16 << 20);
    if (!openai_write_request(&p->asked.arena, &p->asked.chat, &posted_style,
                              &p->out, &p->notes, &p->error))
        return;
    if (!json_read(&p->asked.arena, buf_str(&p->out), &doc, &trouble))
        fail_msg("not JSON: %.*s", STR_ARG(buf_str(&p->out)));
    p->root = doc.root;
}

static inline void posted_fini(struct posted *p)
{
    buf_fini(&p->out);
    asked_fini(&p->asked);
}

/* The member `key` as compact JSON, "" when it is absent. */
static inline struct str member_of(struct posted *p, const char *key)
{
    yyjson_val *value = yyjson_obj_get(p->root, key);
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str copy;

    if (value == NULL)
        return STR("");
    buf_init(&text, 16 << 20);
    json_put_val(&out, value);
    copy = arena_copy(&p->asked.arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static inline void assert_member(struct str body, const char *key,
                                 const char *expected)
{
    struct posted p;

    asked_good(&p.asked, body);
    posted_write(&p);
    assert_int_equal(p.error.error, OK);
    assert_str(member_of(&p, key), expected);
    posted_fini(&p);
}

static inline void assert_refused(struct posted *p, enum error error,
                                  const char *param, const char *says)
{
    posted_write(p);
    assert_null(p->root);
    assert_int_equal(p->error.error, error);
    assert_str(p->error.param, param);
    assert_has(chat_error_message(&p->error), says);
    posted_fini(p);
}

static inline void assert_dropped(struct str body, const char *expected)
{
    struct posted p;
    struct buf names;

    asked_good(&p.asked, body);
    posted_write(&p);
    buf_init(&names, 1 << 16);
    for (unsigned i = 0; i < p.notes.dropped_count; i++)
        buf_printf(&names, "%s%.*s", i == 0 ? "" : ", ",
                   STR_ARG(p.notes.dropped[i]));
    assert_str(buf_str(&names), expected);
    buf_fini(&names);
    posted_fini(&p);
}

/* A chat whose parts only other formats give. */
static inline struct chat_message *messages_of(struct posted *p,
                                               const char *roles)
{
    struct chat_message *messages;
    unsigned n = (unsigned)strlen(roles);

    asked_good(&p->asked, ASK("\"max_tokens\":9"));
    messages = ARENA_ARRAY(&p->asked.arena, struct chat_message, n);
    for (unsigned i = 0; i < n; i++) {
        messages[i].index = i;
        messages[i].parts = ARENA_ARRAY(&p->asked.arena, struct chat_part, 3);
        messages[i].role = roles[i] == 'u'   ? CHAT_USER
                           : roles[i] == 'a' ? CHAT_ASSISTANT
                           : roles[i] == 's' ? CHAT_SYSTEM
                                             : CHAT_TOOL;
    }
    p->asked.chat.messages = messages;
    p->asked.chat.message_count = n;
    return messages;
}

static inline struct chat_part *part_add(struct chat_message *message,
                                         enum chat_part_kind kind,
                                         const char *text)
{
    struct chat_part *part = &message->parts[message->part_count];

    part->index = message->part_count++;
    part->kind = kind;
    part->text = str_of(text);
    return part;
}

static inline void assert_messages(struct posted *p, const char *expected)
{
    posted_write(p);
    if (p->root == NULL)
        fail_msg("%.*s", STR_ARG(chat_error_message(&p->error)));
    assert_str(member_of(p, "messages"), expected);
    posted_fini(p);
}

#endif
