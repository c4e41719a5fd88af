/* What the files of the Responses format share: responses_request.c (the whole
 * request), responses_tools.c, responses_items.c; responses_reply.c (objects)
 * and responses_stream.c (events).  Nobody else includes this. */
#ifndef WEIR_RESPONSES_PRIVATE_H
#define WEIR_RESPONSES_PRIVATE_H

#include "field.h"
#include "responses.h"
#include "strmap.h"

/* --- requests ----------------------------------------------------------- */

/* The members of the top level that are understood. */
extern const struct field responses_fields[];
extern const size_t responses_field_count;

bool responses_read_tools(struct field_reader *r, yyjson_val *value);
bool responses_read_choice(struct field_reader *r, yyjson_val *value);

/* The tools so far, while searches bring more; zero at first. */
struct responses_found {
    bool is_open;
    struct strmap names;
    size_t cap; /* chat->tools has room for so many */
};

/* The tools that a search has found, the member "tools" of an item, which
 * stands at `path`: behind those that are there, each name once. */
bool responses_add_tools(struct field_reader *r, yyjson_val *value,
                         struct str path, struct responses_found *found);

/* What came before the request; see read_history in format.h. */
struct responses_past {
    const struct str *turns;
    size_t turn_count;
};

/* A string or a list of parts, the member `list` of input[index]: behind
 * message->parts, where there is room. */
bool responses_read_content(struct field_reader *r, unsigned index,
                            const char *list, yyjson_val *content,
                            struct chat_message *message);

/* A reasoning item: the signed block that is sealed in it, or its text. */
void responses_read_reasoning(struct field_reader *r, yyjson_val *item,
                              struct chat_part *part);

/* All messages: instructions, the past, input.  `past` is NULL when the
 * request is read for the first time. */
bool responses_read_messages(struct field_reader *r,
                             const struct responses_past *past);

/* The name of a tool that may stand in a namespace: see NAMES_SPACE_MARK. */
struct str responses_full_name(struct arena *arena, struct str space,
                               struct str name);
/* The search for tools, which the caller does: no name of a tool. */
#define RESPONSES_SEARCH STR("tool_search\x1f")
/* The way back; *space is empty for a tool in no namespace. */
struct str responses_inner_name(struct str full, struct str *space);

/* --- answers ------------------------------------------------------------ */

enum responses_kind {
    RESPONSES_MESSAGE,
    RESPONSES_REFUSAL, /* a message that is one */
    RESPONSES_REASONING,
    RESPONSES_CALL,
};

/* An item of the output. */
struct responses_item {
    enum responses_kind kind;
    struct str id;  /* the response's, without a prefix */
    unsigned index; /* in the output */
    bool is_open;   /* just begun: nothing in it */
    bool is_cut;
    struct str text; /* MESSAGE, REFUSAL; REASONING: its summary */
    const struct chat_answer *cited; /* MESSAGE: whose citations, or NULL */
    size_t text_at; /* MESSAGE: code points of the answer before it */
    const struct chat_block *block; /* REASONING: to be sealed, or NULL */
    struct chat_call call;          /* CALL */
};

/* The call is a search for tools. */
bool responses_is_search(const struct chat_call *call);
/* What a model wrote, empty when that is no call's arguments. */
struct str responses_arguments(const struct chat_call *call);

void responses_put_item_id(struct json_out *out, struct str key,
                           const struct responses_item *item);
void responses_put_text_part(struct json_out *out,
                             const struct responses_item *item);
void responses_put_item(struct json_out *out,
                        const struct responses_item *item);

/* The id of the response that an output item of ours belongs to; empty when it
 * is none of ours. */
struct str responses_id_of_item(struct arena *arena, struct str item_id);

/* A response, at any time of its life. */
struct responses_object {
    struct str id;
    struct str status;
    struct str output; /* the items, with commas and without brackets */
    enum chat_finish finish;
    const struct chat_usage *usage; /* NULL: there is none yet */
    const struct chat_error *error; /* NULL: none */
};

struct str responses_status(enum chat_finish finish);
void responses_put_object(struct json_out *out,
                          const struct answer_style *style,
                          const struct responses_object *object);

#endif
