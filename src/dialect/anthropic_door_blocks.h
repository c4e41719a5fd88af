/* What the files that read Anthropic's messages at the door share:
 * anthropic_door_messages.c and anthropic_door_blocks.c.  Nobody else includes
 * this. */
#ifndef WEIR_ANTHROPIC_DOOR_BLOCKS_H
#define WEIR_ANTHROPIC_DOOR_BLOCKS_H

#include "anthropic_door.h"

/* Where the reader stands. */
struct blocks {
    struct field_reader *r;
    struct buf input; /* of one tool call */
    bool is_prompt;   /* in `system`, not in `messages` */
    unsigned message;
    int block; /* of its content; -1 = none */
    int inner; /* of a tool result's content; -1 = none */
};

/* Errors that name the place, and `key` of what stands at `outer` in it.  All
 * return false. */
bool blocks_wrong_type(struct blocks *b, const char *outer, struct str key,
                       const char *expected, yyjson_val *got);
bool blocks_missing(struct blocks *b, const char *outer, struct str key);
bool blocks_refuse_kind(struct blocks *b, struct str type,
                        const char *expected);
struct str blocks_path(struct blocks *b, const char *outer, struct str key);
/* What begins the name of a member that is noted. */
struct str blocks_prefix(const struct blocks *b);

/* A string that must be there.  `object` stands at `outer` in the block. */
bool blocks_need_text(struct blocks *b, yyjson_val *object, const char *outer,
                      struct str key, struct str *out);
/* The type of a block at the place where the reader stands. */
bool blocks_type(struct blocks *b, yyjson_val *block, struct str *type);
/* One block, which is no tool result, into the message's parts, where there is
 * room. */
bool blocks_read(struct blocks *b, yyjson_val *block, struct str type,
                 struct chat_message *message);
/* A string in place of a list of blocks. */
void blocks_read_string(struct blocks *b, yyjson_val *text,
                        struct chat_message *message);

#endif
