#include "roster.h"

#include "check.h"
#include "json.h"

/* "claude-opus-5-5" → "Claude Opus 5.5 (simulated)" */
static struct str display_name(struct arena *arena, struct str id)
{
    static const struct str suffix = STR_INIT(" (simulated)");
    char *name = arena_alloc(arena, id.len + suffix.len);
    bool begins = true;

    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool is_digit = c >= '0' && c <= '9';
        bool was_digit = i >= 2 && id.ptr[i - 2] >= '0' && id.ptr[i - 2] <= '9';

        if (begins && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (begins && is_digit && was_digit)
            name[i - 1] = '.';
        begins = c == '-';
        name[i] = begins ? ' ' : c;
    }
    memcpy(name + id.len, suffix.ptr, suffix.len);
    return (struct str){name, id.len + suffix.len};
}

void roster_init(struct roster *roster)
{
    struct str text = {claude_default_data, claude_default_data_len};
    struct json_error trouble;
    struct json_doc doc;
    struct str why;
    unsigned i = 0;

    *roster = (struct roster){0};
    arena_init(&roster->arena);
    /* the file was read by the build's own tests */
    check(claude_models_read(&roster->arena, text, &roster->claude, &why));
    check(json_read(&roster->arena, text, &doc, &trouble));
    roster->count = roster->claude.count;
    roster->models =
        ARENA_ARRAY(&roster->arena, struct roster_model, roster->count + 1);
    json_each_item (item, json_get(doc.root, STR("models"))) {
        struct roster_model *model = &roster->models[i];

        model->traits = &roster->claude.models[i++];
        model->name = display_name(&roster->arena, model->traits->id);
        model->thinks_by_default =
            json_is_true(json_get(item, STR("thinking_default_on")));
        model->takes_system_inside =
            json_is_true(json_get(item, STR("mid_system")));
    }
}

void roster_fini(struct roster *roster)
{
    arena_clear(&roster->arena);
}

const struct roster_model *roster_find(const struct roster *roster,
                                       struct str name)
{
    const struct claude_model *traits =
        str_starts(name, STR("anthropic/"))
            ? NULL
            : claude_find(&roster->claude, name);

    for (unsigned i = 0; traits != NULL && i < roster->count; i++)
        if (roster->models[i].traits == traits)
            return &roster->models[i];
    return NULL;
}
