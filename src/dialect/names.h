/* Names and ids that every API takes: letters, digits, "_" and "-", at most
 * 64 characters.  OpenAI's clients and open models use others
 * ("functions.get:0", names of MCP tools above 64 characters). */
#ifndef WEIR_NAMES_H
#define WEIR_NAMES_H

#include "arena.h"
#include "chat.h"

enum { NAMES_MAX = 64 };

/* `s` itself if it is fine; otherwise a name made of it, the same each time:
 * at most 55 characters of it, "_" and a hash of the whole. */
struct str names_token(struct arena *arena, struct str s);

/* A tool inside a namespace goes by both names, with a character between them
 * that no name has. */
enum { NAMES_SPACE_MARK = '\x1f' };
/* What a backend that takes every name calls a tool: its name, or a token of
 * it where it stands in a namespace. */
struct str names_plain(struct arena *arena, struct str name);

/* What a tool is called at the caller's and at the backend's, for the way
 * back. */
struct names_tool {
    struct str original;
    struct str token;
    bool is_custom;
};

struct names {
    struct names_tool *tools;
    unsigned count;
};

/* The tools of a request. */
void names_of_tools(struct arena *arena, const struct chat *chat,
                    struct names *out);
/* Those among them that are custom or stand in a namespace, for a backend that
 * takes every name as it is but knows functions only. */
void names_of_custom_tools(struct arena *arena, const struct chat *chat,
                           struct names *out);
/* A copy, with strings of its own in the arena. */
void names_copy(struct arena *arena, const struct names *names,
                struct names *out);
/* The tool that the backend calls `token`; NULL when it is none of ours. */
const struct names_tool *names_find(const struct names *names,
                                    struct str token);

#endif
