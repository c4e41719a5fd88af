#include "fields.h"

#define PASSES            \
    {                     \
        FIELDS_PASSES, "" \
    }
#define BECOMES(json, words)  \
    {                         \
        FIELDS_BECOMES, words \
    }
#define LOOSENS(json, words)  \
    {                         \
        FIELDS_LOOSENS, words \
    }
#define IMPLIED(words)        \
    {                         \
        FIELDS_IMPLIED, words \
    }
#define ROUTER(words)        \
    {                        \
        FIELDS_ROUTER, words \
    }
#define DROPS(words)        \
    {                       \
        FIELDS_DROPS, words \
    }
#define REFUSES(words)        \
    {                         \
        FIELDS_REFUSES, words \
    }
/* behind the sample the two ends */
#define FIELD(format, path, sample, ...) \
    {FIELDS_##format, STR_INIT(path), __VA_ARGS__},

const struct fields_row fields_rows[FIELDS_ROWS] = {
#include "fields.def"
};

#undef FIELD

static const struct {
    struct str name;
    struct str title;
} formats[FIELDS_FORMATS] = {
    [FIELDS_CHAT] = {STR_INIT("chat"), STR_INIT("Chat Completions")},
    [FIELDS_MESSAGES] = {STR_INIT("messages"), STR_INIT("Messages")},
    [FIELDS_RESPONSES] = {STR_INIT("responses"), STR_INIT("Responses")},
};

/* --- looking up --------------------------------------------------------- */

/* How well a row names the path: all of it counts more than any beginning. */
static size_t match(struct str pattern, struct str path)
{
    if (str_eq(pattern, path))
        return SIZE_MAX;
    if (!str_ends(pattern, STR("*")))
        return 0;
    pattern.len--;
    return str_starts(path, pattern) ? pattern.len : 0;
}

unsigned fields_slot(struct str format, struct str path)
{
    unsigned best = FIELDS_SLOTS;
    size_t best_match = 0;
    unsigned f = 0;

    while (f < FIELDS_FORMATS && !str_eq(format, formats[f].name))
        f++;
    if (f == FIELDS_FORMATS)
        return FIELDS_SLOTS;
    for (unsigned i = 0; i < FIELDS_ROWS; i++) {
        const struct fields_row *row = &fields_rows[i];
        size_t found = row->format == f ? match(row->path, path) : 0;

        if (found > best_match) {
            best_match = found;
            best = i;
        }
    }
    return best == FIELDS_SLOTS ? FIELDS_ROWS + f : best;
}

struct str fields_slot_format(unsigned slot)
{
    return formats[slot < FIELDS_ROWS ? fields_rows[slot].format
                                      : slot - FIELDS_ROWS]
        .name;
}

struct str fields_slot_path(unsigned slot)
{
    return slot < FIELDS_ROWS ? fields_rows[slot].path : STR("other");
}

/* --- docs/translation.md ------------------------------------------------ */

static void put_end(const struct fields_end *end, struct buf *out)
{
    static const char *const fates[] = {
        [FIELDS_PASSES] = "passes",   [FIELDS_BECOMES] = "becomes",
        [FIELDS_LOOSENS] = "loosens", [FIELDS_IMPLIED] = "implied",
        [FIELDS_ROUTER] = "router",   [FIELDS_DROPS] = "**dropped**",
        [FIELDS_REFUSES] = "**400**",
    };

    buf_printf(out, " %s%s%s |", fates[end->fate],
               *end->words == '\0'           ? ""
               : end->fate == FIELDS_BECOMES ? " "
                                             : ": ",
               end->words);
}

void fields_document(struct buf *out)
{
    for (unsigned f = 0; f < FIELDS_FORMATS; f++) {
        buf_printf(out,
                   "%s### %.*s\n\n"
                   "| field | to an OpenAI-compatible backend | to Claude |\n"
                   "|---|---|---|\n",
                   f == 0 ? "" : "\n", STR_ARG(formats[f].title));
        for (unsigned i = 0; i < FIELDS_ROWS; i++) {
            const struct fields_row *row = &fields_rows[i];

            if (row->format != f)
                continue;
            buf_printf(out, "| `%.*s` |", STR_ARG(row->path));
            put_end(&row->openai, out);
            put_end(&row->claude, out);
            buf_put_char(out, '\n');
        }
    }
}
