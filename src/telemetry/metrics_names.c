#include "metrics_names.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "word.h"

/* Slots are twice as many as names and aliases together, so that a search
 * ends soon.  The numbers must fit into the bits of metrics.def. */
enum {
    TARGETS_MAX = 1 << 8,
    MODELS_MAX = 1 << 10,
    RULES_MAX = 1 << 9,
    CAUSES_MAX = 1 << 7,
    SPELLINGS_MAX = 1 << 12,
    SLOTS = SPELLINGS_MAX * 2,
};

struct spelling {
    struct str name;
    unsigned number;
};

struct set {
    unsigned numbers_max, numbers;
    struct str *names;          /* by number */
    struct spelling *spellings; /* names and aliases */
    unsigned spelling_count;
    _Atomic uint16_t *slots; /* 1 + the spelling that stands there */
};

struct metrics_names {
    struct set sets[NAME_SETS];
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

/* Callers may choose what is looked for, but never what stands here. */
static unsigned slot_of(struct str name)
{
    uint64_t hash = name.len;

    for (; name.len >= 8; name.ptr += 8, name.len -= 8)
        hash = mix(hash, word_read(name.ptr));
    if (name.len > 0) {
        char rest[8] = {0};

        for (size_t i = 0; i < name.len; i++)
            rest[i] = name.ptr[i];
        hash = mix(hash, word_read(rest));
    }
    return (unsigned)(hash % SLOTS);
}

/* The slot with that spelling, or the free one where it would stand. */
static unsigned seek(const struct set *set, struct str name, unsigned *spelling)
{
    unsigned at = slot_of(name);

    for (;; at = (at + 1) % SLOTS) {
        *spelling = atomic_load_explicit(&set->slots[at], memory_order_acquire);
        if (*spelling == 0 || str_eq(set->spellings[*spelling - 1].name, name))
            return at;
    }
}

static void spell(struct set *set, struct str name, unsigned number)
{
    unsigned known;
    unsigned at = seek(set, name, &known);
    char *copy;

    if (known != 0 || set->spelling_count == SPELLINGS_MAX)
        return;
    copy = must_alloc(name.len + 1);
    memcpy(copy, name.ptr, name.len);
    set->spellings[set->spelling_count] =
        (struct spelling){{copy, name.len}, number};
    if (number == set->numbers) {
        set->names[number] = set->spellings[set->spelling_count].name;
        set->numbers++;
    }
    set->spelling_count++;
    atomic_store_explicit(&set->slots[at], (uint16_t)set->spelling_count,
                          memory_order_release);
}

struct metrics_names *metrics_names_new(void)
{
    static const unsigned max[NAME_SETS] = {
        [NAMES_TARGET] = TARGETS_MAX,
        [NAMES_MODEL] = MODELS_MAX,
        [NAMES_RULE] = RULES_MAX,
        [NAMES_CAUSE] = CAUSES_MAX,
    };
    struct metrics_names *names = must_calloc(1, sizeof(*names));

    for (unsigned i = 0; i < NAME_SETS; i++) {
        struct set *set = &names->sets[i];

        set->numbers_max = max[i];
        set->names = must_calloc(max[i], sizeof(*set->names));
        set->spellings = must_calloc(SPELLINGS_MAX, sizeof(*set->spellings));
        set->slots = must_calloc(SLOTS, sizeof(*set->slots));
        spell(set, STR("other"), NAME_OTHER);
        spell(set, STR("none"), NAME_NONE);
    }
    return names;
}

void metrics_names_free(struct metrics_names *names)
{
    for (unsigned i = 0; i < NAME_SETS; i++) {
        struct set *set = &names->sets[i];

        for (unsigned k = 0; k < set->spelling_count; k++)
            free((void *)(uintptr_t)set->spellings[k].name.ptr);
        free(set->names);
        free(set->spellings);
        free(set->slots);
    }
    free(names);
}

void metrics_names_add(struct metrics_names *names, enum name_set set,
                       struct str name)
{
    struct set *in = &names->sets[set];

    if (name.len > 0 && in->numbers < in->numbers_max)
        spell(in, name, in->numbers);
}

void metrics_names_alias(struct metrics_names *names, enum name_set set,
                         struct str alias, struct str name)
{
    unsigned number = metrics_names_find(names, set, name);

    if (alias.len > 0 && number >= NAME_FIRST)
        spell(&names->sets[set], alias, number);
}

static void add_errors(struct metrics_names *names)
{
    static const struct str words[] = {
        STR_INIT("cold"),  STR_INIT("resting"), STR_INIT("ramping"),
        STR_INIT("drill"), STR_INIT("full"),    STR_INIT("unknown"),
        STR_INIT("408"),   STR_INIT("429"),     STR_INIT("500"),
        STR_INIT("501"),   STR_INIT("502"),     STR_INIT("503"),
        STR_INIT("504"),   STR_INIT("529"),     STR_INIT("4xx"),
        STR_INIT("5xx"),
    };

    for (unsigned i = 0; i < COUNT_OF(words); i++)
        metrics_names_add(names, NAMES_CAUSE, words[i]);
    for (int i = OK + 1; i < ERROR_COUNT; i++)
        metrics_names_add(names, NAMES_CAUSE, error_row((enum error)i)->name);
    for (int i = 0; i < SERVICES; i++)
        metrics_names_add(names, NAMES_CAUSE, service_name((enum service)i));
}

void metrics_names_follow(struct metrics_names *names,
                          const struct catalog *catalog)
{
    add_errors(names);
    metrics_names_add(names, NAMES_RULE, STR("only-tier"));
    for (unsigned i = 0; i < catalog->backend_count; i++)
        metrics_names_add(names, NAMES_TARGET, catalog->backends[i].name);
    for (unsigned i = 0; i < catalog->model_count; i++)
        metrics_names_add(names, NAMES_MODEL, catalog->models[i].upstream);
    for (unsigned i = 0; i < catalog->rule_count; i++)
        metrics_names_add(names, NAMES_RULE, catalog->rules[i].name);
    for (unsigned i = 0; i < catalog->claude.count; i++) {
        const struct claude_model *model = &catalog->claude.models[i];

        metrics_names_add(names, NAMES_MODEL, model->id);
        for (unsigned k = 0; k < model->alias_count; k++)
            metrics_names_alias(names, NAMES_MODEL, model->aliases[k],
                                model->id);
    }
}

unsigned metrics_names_find(const struct metrics_names *names,
                            enum name_set set, struct str name)
{
    const struct set *in = &names->sets[set];
    unsigned spelling;

    if (name.len == 0)
        return NAME_NONE;
    (void)seek(in, name, &spelling);
    return spelling == 0 ? NAME_OTHER : in->spellings[spelling - 1].number;
}

struct str metrics_names_get(const struct metrics_names *names,
                             enum name_set set, unsigned number)
{
    return names->sets[set].names[number];
}
