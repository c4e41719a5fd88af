#include "calls.h"

#include "instance.h"
#include "instance_text.h"
#include "strmap.h"

enum {
    TOLD = 2000,  /* "with the Bash tool" stands in the question */
    EXACT = 1000, /* the tool's whole name does */
    NAME_WORD = 10,
    ENOUGH_IN_DESCRIPTION = 2,
    MIN_STEM = 5,
    MAX_WORDS = 16,
    ARGUMENTS_MAX = 1024 * 1024,
};

/* A tool and what of it was found in the question. */
struct candidate {
    const struct prompt_tool *tool;
    int score;
    size_t at; /* of the first word of its name */
    size_t hits[MAX_WORDS];
    unsigned hit_count;
    bool is_judged;
};

/* A word of the question, in a list with those of the same first byte. */
struct word {
    struct str text;
    size_t at;
    struct word *next;
};

struct decision {
    struct arena *arena;
    const struct prompt *prompt;
    struct clues question;
    struct word *words[256];
    unsigned wanted; /* calls; 0: as many as make sense */
    struct candidate *chosen[SCRIPT_MAX_CALLS];
    size_t chosen_count;
};

/* --- how well a tool fits ----------------------------------------------- */

static const struct str idle_words = STR_INIT(
    "get|set|the|fetch|find|tool|tools|function|api|call|make|do|run|use|to|a|"
    "an|of|for|by|in|on|my|mcp|new|list|data|info|current|with|and|or|is|it|"
    "given|from|that|this|returns|return|gets|user|users|information|about|"
    "provided|using|used|which|specific|specified|value|values|name|string|"
    "when|what|who|are|its|as|at|be|can|any|all|one|two|how|please|your|you");

static bool is_idle(struct str word)
{
    struct str rest = idle_words;
    struct str idle;

    while (str_split(&rest, '|', &idle))
        if (str_eq(idle, word))
            return true;
    return false;
}

/* "calculate" and "calculator" have the same stem, "cat" and "car" not. */
static bool is_same_stem(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    size_t longer = a.len < b.len ? b.len : a.len;

    if (str_eq(a, b))
        return true;
    if (shorter < MIN_STEM || longer - shorter > 4)
        return shorter >= 3 && longer - shorter == 1 &&
               str_eq(str_slice(a, 0, shorter), str_slice(b, 0, shorter)) &&
               (a.len < b.len ? b : a).ptr[shorter] == 's';
    return str_eq(
        str_slice(a, 0, shorter - 2 < MIN_STEM ? MIN_STEM : shorter - 2),
        str_slice(b, 0, shorter - 2 < MIN_STEM ? MIN_STEM : shorter - 2));
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static bool next_word(struct str text, size_t *at, struct str *word)
{
    size_t begin = *at;
    size_t end;

    while (begin < text.len && !is_letter(text.ptr[begin]))
        begin++;
    for (end = begin; end < text.len && is_letter(text.ptr[end]); end++)
        ;
    *word = str_slice(text, begin, end);
    *at = end;
    return word->len > 0;
}

/* Many tools with long descriptions are asked about the same question. */
static void index_words(struct decision *d)
{
    struct strmap seen;
    struct str text;
    size_t at = 0;

    strmap_init(&seen, d->arena);
    while (next_word(d->question.lower, &at, &text)) {
        struct word **first = &d->words[(unsigned char)text.ptr[0]];
        struct word *word;

        if ((*strmap_at(&seen, text))++ > 0)
            continue;
        word = ARENA_NEW(d->arena, struct word);
        *word = (struct word){text, at - text.len, *first};
        *first = word;
    }
}

/* Where a word of that stem stands in the question, the first one. */
static bool find_stem(const struct decision *d, struct str stem, size_t *where)
{
    bool is_found = false;

    for (const struct word *word = d->words[(unsigned char)stem.ptr[0]];
         word != NULL; word = word->next) {
        if ((!is_found || word->at < *where) &&
            is_same_stem(word->text, stem)) {
            *where = word->at;
            is_found = true;
        }
    }
    return is_found;
}

static void add_hit(struct candidate *c, size_t at)
{
    if (c->hit_count == 0 || at < c->at)
        c->at = at;
    if (c->hit_count < MAX_WORDS)
        c->hits[c->hit_count++] = at;
}

static bool is_plain_word(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < 'a' || name.ptr[i] > 'z')
            return false;
    return true;
}

static struct str without_marks(struct str text)
{
    while (text.len > 0 && strchr("\"'`* ", text.ptr[0]) != NULL)
        text = str_slice(text, 1, text.len);
    while (text.len > 0 && strchr("\"'`* ", text.ptr[text.len - 1]) != NULL)
        text = str_slice(text, 0, text.len - 1);
    return text;
}

/* "the `Bash` tool", "tool Bash" */
static bool is_named_as_tool(const struct decision *d, struct str lower_name)
{
    struct str lower = d->question.lower;
    size_t at;

    for (size_t from = 0; clues_find(&d->question, lower_name, from, &at);
         from = at + lower_name.len) {
        struct str before = without_marks(str_slice(lower, 0, at));
        struct str behind =
            without_marks(str_slice(lower, at + lower_name.len, lower.len));

        if (str_starts(behind, STR("tool")) || str_ends(before, STR("tool")))
            return true;
    }
    return false;
}

static void judge_name(struct decision *d, struct candidate *c)
{
    struct str words = instance_words(d->arena, c->tool->name);
    struct clues name;
    struct str word;
    size_t at = 0;
    size_t where;

    clues_init(&name, d->arena, c->tool->name);
    if (clues_find(&d->question, name.lower, 0, &where)) {
        /* "get_weather" is meant, "time" may be a word like others */
        c->score += is_plain_word(c->tool->name) ? NAME_WORD : EXACT;
        c->score += is_named_as_tool(d, name.lower) ? TOLD : 0;
        add_hit(c, where);
    }
    while (next_word(words, &at, &word)) {
        if (!is_idle(word) && word.len > 1 && find_stem(d, word, &where)) {
            c->score += NAME_WORD;
            add_hit(c, where);
        }
    }
}

static void judge_description(struct decision *d, struct candidate *c)
{
    struct str seen[MAX_WORDS];
    struct clues description;
    struct str word;
    size_t at = 0;
    size_t where;
    int count = 0;

    clues_init(&description, d->arena, str_clip(c->tool->description, 1024));
    while (count < MAX_WORDS && next_word(description.lower, &at, &word)) {
        bool is_new = word.len > 3 && !is_idle(word);

        for (int i = 0; i < count; i++)
            is_new = is_new && !is_same_stem(seen[i], word);
        if (is_new && find_stem(d, word, &where))
            seen[count++] = word;
    }
    if (c->score >= NAME_WORD || count >= ENOUGH_IN_DESCRIPTION)
        c->score += count;
}

static bool has_hit(const struct candidate *c, size_t at)
{
    for (unsigned i = 0; i < c->hit_count; i++)
        if (c->hits[i] == at)
            return true;
    return false;
}

/* "and", a comma or the like between two places of the question. */
static bool is_joined(const struct decision *d, size_t a, size_t b)
{
    struct str between =
        str_slice(d->question.lower, a < b ? a : b, a < b ? b : a);
    struct clues words = {between, between};

    return clues_has_any(&words, STR("and|then|also|und|plus")) ||
           str_contains(between, STR(",")) || str_contains(between, STR(";")) ||
           str_contains(between, STR("\n"));
}

/* A second tool needs a word of its own, and one that is joined to those of
 * the first: "search the web for cheap flights" is not for search_files, nor
 * for book_flight. */
static bool adds_something(const struct decision *d, const struct candidate *c)
{
    for (size_t k = 0; k < d->chosen_count; k++)
        if (!is_joined(d, d->chosen[k]->at, c->at))
            return false;
    for (unsigned i = 0; i < c->hit_count; i++) {
        bool is_taken = false;

        for (size_t k = 0; k < d->chosen_count; k++)
            is_taken = is_taken || has_hit(d->chosen[k], c->hits[i]);
        if (!is_taken)
            return true;
    }
    return false;
}

static struct candidate *best_of(struct candidate all[], unsigned count)
{
    struct candidate *best = NULL;

    for (unsigned i = 0; i < count; i++)
        if (!all[i].is_judged && all[i].score > 0 &&
            (best == NULL || all[i].score > best->score))
            best = &all[i];
    return best;
}

/* --- which tools -------------------------------------------------------- */

static struct candidate *judge(struct decision *d)
{
    const struct prompt *prompt = d->prompt;
    struct candidate *all =
        ARENA_ARRAY(d->arena, struct candidate, prompt->tool_count);

    for (unsigned i = 0; i < prompt->tool_count; i++) {
        all[i].tool = &prompt->tools[i];
        judge_name(d, &all[i]);
        judge_description(d, &all[i]);
    }
    return all;
}

static void choose_freely(struct decision *d, struct candidate all[])
{
    struct candidate *best;

    while (d->chosen_count < SCRIPT_MAX_CALLS &&
           (best = best_of(all, d->prompt->tool_count)) != NULL) {
        best->is_judged = true;
        if (d->chosen_count > 0 &&
            (!adds_something(d, best) ||
             (d->chosen[0]->score >= EXACT && best->score < EXACT) ||
             (d->chosen[0]->score >= TOLD && best->score < TOLD)))
            continue;
        d->chosen[d->chosen_count++] = best;
    }
}

static struct candidate *named(struct candidate all[], unsigned count,
                               struct str name)
{
    for (unsigned i = 0; i < count; i++)
        if (str_eq(all[i].tool->name, name))
            return &all[i];
    return NULL;
}

/* A choice that a model cannot be forced to may be written into the system
 * text instead: 'Call the tool "f" in this turn.' */
static bool is_told(const struct prompt *prompt, struct str words,
                    struct str *behind)
{
    for (unsigned i = 0; i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];

        if (message->role != PROMPT_SYSTEM)
            continue;
        for (unsigned k = 0; k < message->part_count; k++) {
            struct str text = message->parts[k].text;
            size_t at;

            if (str_find(text, words, &at)) {
                *behind = str_slice(text, at + words.len, text.len);
                return true;
            }
        }
    }
    return false;
}

static bool has_results(const struct prompt *prompt)
{
    for (unsigned i = prompt_tail(prompt); i < prompt->message_count; i++)
        for (unsigned k = 0; k < prompt->messages[i].part_count; k++)
            if (prompt->messages[i].parts[k].kind == PROMPT_RESULT)
                return true;
    return false;
}

/* Those that fit are called again; if none does, all are, in their order. */
static void choose_more(struct decision *d, struct candidate all[],
                        unsigned count)
{
    size_t different;

    if (d->chosen_count == 0)
        for (unsigned i = 0; i < count && d->chosen_count < d->wanted; i++)
            d->chosen[d->chosen_count++] = &all[i];
    different = d->chosen_count;
    for (size_t i = 0; different > 0 && d->chosen_count < d->wanted; i++)
        d->chosen[d->chosen_count++] = d->chosen[i % different];
}

static void choose(struct decision *d)
{
    const struct prompt *prompt = d->prompt;
    enum prompt_choice choice = prompt->choice;
    struct str name = prompt->choice_name;
    struct candidate *all;
    struct str behind;

    if (choice == PROMPT_CHOICE_AUTO && d->wanted == 0 && has_results(prompt))
        return;
    if (choice == PROMPT_CHOICE_AUTO &&
        is_told(prompt, STR("Call the tool \""), &behind) &&
        str_split(&behind, '"', &name))
        choice = PROMPT_CHOICE_NAMED;
    else if (choice == PROMPT_CHOICE_AUTO &&
             is_told(prompt, STR("Call at least one of the provided tools"),
                     &behind))
        choice = PROMPT_CHOICE_REQUIRED;
    all = judge(d);
    if (choice == PROMPT_CHOICE_NAMED) {
        d->chosen[0] = named(all, prompt->tool_count, name);
        d->chosen_count = d->chosen[0] != NULL;
        choose_more(d, all, 0);
        return;
    }
    choose_freely(d, all);
    choose_more(d, all, prompt->tool_count);
    if (choice == PROMPT_CHOICE_REQUIRED && d->chosen_count == 0)
        d->chosen[d->chosen_count++] = &all[0];
}

/* --- with what ---------------------------------------------------------- */

static void sort_by_place(struct decision *d)
{
    for (size_t i = 1; i < d->chosen_count; i++) {
        struct candidate *c = d->chosen[i];
        size_t k = i;

        for (; k > 0 && d->chosen[k - 1]->at > c->at; k--)
            d->chosen[k] = d->chosen[k - 1];
        d->chosen[k] = c;
    }
}

/* "weather in Berlin and the time in Tokyo": from one tool's word to the
 * next one's. */
static struct str segment(const struct decision *d, size_t i)
{
    struct str text = d->question.text;
    size_t from = i == 0 ? 0 : d->chosen[i]->at;
    size_t to = i + 1 == d->chosen_count ? text.len : d->chosen[i + 1]->at;

    return from < to ? str_slice(text, from, to) : text;
}

/* Does it ask for exactly one place, so that two places are two calls? */
static bool asks_for_one_place(struct decision *d, yyjson_val *schema)
{
    unsigned n = 0;

    json_each_member (key, member, json_get(schema, STR("properties"))) {
        if (str_eq(json_get_text(member, STR("type")), STR("string")) &&
            json_get(member, STR("enum")) == NULL)
            n += instance_is_place(d->arena, json_text(key));
    }
    return n == 1;
}

static void add_call(struct decision *d, const struct prompt_tool *tool,
                     const struct instance_source *source,
                     struct script *script)
{
    struct buf arguments;

    buf_init(&arguments, ARGUMENTS_MAX);
    instance_write(source, tool->schema, &arguments);
    script_add(script, SCRIPT_CALL, tool->name,
               arena_copy(d->arena, buf_str(&arguments)));
    buf_fini(&arguments);
}

static void add_calls(struct decision *d, size_t i, struct script *script)
{
    const struct prompt_tool *tool = d->chosen[i]->tool;
    struct instance_source all;
    struct instance_source source;

    instance_source_init(&all, d->arena, d->question.text);
    instance_source_init(&source, d->arena, segment(d, i));
    source.question = all.question;
    if (source.place_count == 0) {
        memcpy(source.places, all.places, sizeof(source.places));
        source.place_count = all.place_count;
    }
    if (source.place_count < 2 || d->prompt->is_serial ||
        !asks_for_one_place(d, tool->schema)) {
        add_call(d, tool, &source, script);
        return;
    }
    for (size_t k = 0;
         k < source.place_count && script->block_count < SCRIPT_MAX_BLOCKS;
         k++) {
        struct instance_source one = source;

        one.places[0] = source.places[k];
        one.place_count = 1;
        add_call(d, tool, &one, script);
    }
}

bool calls_decide(struct arena *arena, const struct prompt *prompt,
                  struct str question, unsigned wanted, struct script *script)
{
    struct decision d = {.arena = arena, .prompt = prompt, .wanted = wanted};
    unsigned first = script->block_count;

    if (prompt->tool_count == 0 || prompt->choice == PROMPT_CHOICE_NONE)
        return false;
    if (prompt->is_serial && wanted > 1)
        d.wanted = 1;
    clues_init(&d.question, arena, question);
    index_words(&d);
    choose(&d);
    if (d.chosen_count == 0)
        return false;
    sort_by_place(&d);
    if (prompt->is_serial)
        d.chosen_count = 1;
    for (size_t i = 0; i < d.chosen_count; i++)
        if (script->block_count - first < SCRIPT_MAX_CALLS)
            add_calls(&d, i, script);
    if (d.wanted > 0 && script->block_count - first > d.wanted)
        script->block_count = first + d.wanted;
    script->end = SCRIPT_CALLS;
    return true;
}
