#include "names.h"

#include <stdio.h>

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-';
}

struct str names_token(struct arena *arena, struct str s)
{
    enum { KEPT = 55, HASH = 9 };
    bool fine = s.len >= 1 && s.len <= NAMES_MAX;
    size_t kept = s.len < KEPT ? s.len : KEPT;
    char *made;

    for (size_t i = 0; i < s.len && fine; i++)
        fine = is_plain(s.ptr[i]);
    if (fine)
        return s;
    made = arena_alloc(arena, KEPT + HASH + 1);
    for (size_t i = 0; i < kept; i++)
        made[i] = is_plain(s.ptr[i]) ? s.ptr[i] : '_';
    (void)snprintf(made + kept, HASH + 1, "_%08x", (unsigned)str_fnv1a32(s));
    return (struct str){made, kept + HASH};
}

struct str names_plain(struct arena *arena, struct str name)
{
    static const char mark = NAMES_SPACE_MARK;

    return str_contains(name, (struct str){&mark, 1}) ? names_token(arena, name)
                                                      : name;
}

void names_of_tools(struct arena *arena, const struct chat *chat,
                    struct names *out)
{
    out->tools = ARENA_ARRAY(arena, struct names_tool, chat->tool_count);
    out->count = chat->tool_count;
    for (unsigned i = 0; i < chat->tool_count; i++) {
        out->tools[i].original = chat->tools[i].name;
        out->tools[i].token = names_token(arena, chat->tools[i].name);
        out->tools[i].is_custom = chat->tools[i].is_custom;
    }
}

void names_of_custom_tools(struct arena *arena, const struct chat *chat,
                           struct names *out)
{
    out->tools = ARENA_ARRAY(arena, struct names_tool, chat->tool_count);
    out->count = 0;
    for (unsigned i = 0; i < chat->tool_count; i++) {
        struct str name = chat->tools[i].name;
        struct str plain = names_plain(arena, name);
        bool is_custom = chat->tools[i].is_custom;

        if (is_custom || plain.ptr != name.ptr)
            out->tools[out->count++] =
                (struct names_tool){name, plain, is_custom};
    }
}

void names_copy(struct arena *arena, const struct names *names,
                struct names *out)
{
    out->tools = ARENA_ARRAY(arena, struct names_tool, names->count);
    out->count = names->count;
    for (unsigned i = 0; i < names->count; i++) {
        out->tools[i].original = arena_copy(arena, names->tools[i].original);
        out->tools[i].token = arena_copy(arena, names->tools[i].token);
        out->tools[i].is_custom = names->tools[i].is_custom;
    }
}

const struct names_tool *names_find(const struct names *names, struct str token)
{
    for (unsigned i = 0; i < names->count; i++)
        if (str_eq(names->tools[i].token, token))
            return &names->tools[i];
    return NULL;
}
