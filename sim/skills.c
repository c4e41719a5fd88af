#include "skills.h"

#include "arithmetic.h"

enum {
    ANSWER_MAX = 64 * 1024,
    COUNT_MAX = 2000,
    SAID_WORDS = 4,
    ECHO_MAX = 240,
};

/* --- saying what was asked for ------------------------------------------ */

/* Without quotes and the full stop of the sentence around it. */
static struct str unquoted(struct arena *arena, struct str text)
{
    struct clues clues;
    struct str quoted;

    clues_init(&clues, arena, text);
    quoted = clues_quoted(&clues);
    /* a quote at the front is the whole of it */
    if (quoted.ptr != NULL && quoted.ptr - text.ptr <= 3)
        return quoted;
    return text;
}

static size_t words_in(struct str text)
{
    struct str word;
    size_t n = 0;

    while (str_split(&text, ' ', &word))
        n += word.len > 0;
    return n;
}

/* "hello and nothing else." → "hello" */
static struct str without_tail(struct arena *arena, struct str said)
{
    static const struct str tails =
        STR_INIT("and nothing else|nothing else|and only|in one word|in a "
                 "single word|and stop|please|back to me|to me|without any");
    struct str rest = tails;
    struct clues clues;
    struct str tail;
    size_t at;

    clues_init(&clues, arena, said);
    while (str_split(&rest, '|', &tail)) {
        if (clues_find(&clues, tail, 0, &at) && at > 0) {
            said = str_trim(str_slice(said, 0, at));
            clues_init(&clues, arena, said);
        }
    }
    while (said.len > 1 && strchr(".,;:", said.ptr[said.len - 1]) != NULL)
        said = str_slice(said, 0, said.len - 1);
    return said;
}

/* "Reply with OK", but not "reply with one word: positive or negative" */
static bool is_said_text(struct str said)
{
    static const struct str frames =
        STR_INIT("a |an |the |one |only |just |your |yes or |json|valid |true "
                 "or |either |what |something |as |it |in |whether |no "
                 "more |at most ");
    struct str rest = frames;
    struct str frame;

    while (str_split(&rest, '|', &frame))
        if (str_eq_nocase(str_slice(said, 0, frame.len), frame))
            return false;
    return words_in(said) <= SAID_WORDS;
}

/* "say" begins an order or follows a word that does; in "what would you say
 * about it" it asks for nothing. */
static bool find_command(const struct clues *clues, struct str phrases,
                         struct str *behind)
{
    static const struct str leads =
        STR_INIT("please|just|only|and|then|now|can you|could you|simply");
    struct str phrase;

    while (str_split(&phrases, '|', &phrase)) {
        for (size_t from = 0, at; clues_find(clues, phrase, from, &at);
             from = at + phrase.len) {
            struct str before = str_trim(str_slice(clues->lower, 0, at));
            struct str rest = leads;
            struct str lead;
            bool leads_it = before.len == 0 ||
                            strchr(".!?:,\n", before.ptr[before.len - 1]);

            while (!leads_it && str_split(&rest, '|', &lead))
                leads_it = str_ends(before, lead);
            if (!leads_it)
                continue;
            *behind = str_trim(
                str_slice(clues->text, at + phrase.len, clues->text.len));
            return true;
        }
    }
    return false;
}

static unsigned times_asked(const struct clues *clues)
{
    static const struct {
        struct str phrase;
        unsigned times;
    } words[] = {
        {STR_INIT("twice"), 2},   {STR_INIT("two times"), 2},
        {STR_INIT("2 times"), 2}, {STR_INIT("three times"), 3},
        {STR_INIT("3 times"), 3}, {STR_INIT("five times"), 5},
        {STR_INIT("5 times"), 5},
    };

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (clues_has(clues, words[i].phrase))
            return words[i].times;
    return 1;
}

static void put_said(const struct skill_task *task, struct str said,
                     struct buf *out)
{
    unsigned times = 1;

    if (clues_quoted(&task->clues).ptr == said.ptr)
        times = times_asked(&task->clues);
    for (unsigned i = 0; i < times; i++) {
        if (i > 0)
            buf_put_char(out, ' ');
        buf_put(out, said);
    }
}

/* Without ":" and "the word" in front of what is to be said. */
static struct str without_lead(struct str said)
{
    static const struct str leads =
        STR_INIT(":|,|exactly|the word |the words |the text |the phrase ");
    struct str rest = leads;
    struct str lead;

    while (str_split(&rest, '|', &lead))
        if (str_starts(said, lead))
            said = str_trim(str_slice(said, lead.len, said.len));
    return said;
}

static bool say(const struct skill_task *task, struct buf *out)
{
    static const struct str exact = STR_INIT(
        "reply with exactly|respond with exactly|answer with exactly|say "
        "exactly|output exactly|print exactly|reply exactly|write "
        "exactly|exactly this text|reply with the word|respond with the "
        "word|answer with the word|say the word|repeat after me|repeat "
        "this|repeat exactly");
    static const struct str loose = STR_INIT(
        "reply with only|respond with only|answer with only|reply only "
        "with|respond only with|answer only with|reply with just|respond "
        "with just|just say|please say|only say|say|reply with|respond "
        "with|answer with|reply|echo");
    const struct clues *clues = &task->clues;
    struct str said = clues_behind(clues, exact);
    bool is_exact = said.ptr != NULL;

    if (!is_exact && !find_command(clues, loose, &said))
        return false;
    said = without_lead(said);
    if (unquoted(task->arena, said).ptr == said.ptr)
        said = without_tail(task->arena, clues_sentence(said, 0));
    else
        is_exact = true;
    said = unquoted(task->arena, said);
    if (said.len == 0 || (!is_exact && !is_said_text(said)))
        return false;
    put_said(task, said, out);
    return true;
}

/* --- numbers ------------------------------------------------------------ */

static bool is_number_asked(const struct clues *clues)
{
    return clues_has_any(clues,
                         STR("what is|what's|whats|how much|calculate|"
                             "compute|evaluate|solve|work out|sum|add|result "
                             "of|equals|answer")) ||
           str_contains(clues->text, STR("=")) || clues->text.len < 24;
}

static bool calculate(const struct skill_task *task, struct buf *out)
{
    const struct clues *clues = &task->clues;
    struct str sum;
    struct str result;

    if (!is_number_asked(clues) ||
        !arithmetic_find(task->arena, clues, &sum, &result))
        return false;
    if (clues_has_any(clues, STR("explain|show|step by step|steps")))
        buf_printf(out, "%.*s = %.*s. (A simulated model computed this.)",
                   STR_ARG(sum), STR_ARG(result));
    else
        buf_put(out, result);
    return true;
}

static bool whole_number(const struct clues *clues, unsigned n, int64_t *out)
{
    struct str text;
    uint64_t value;
    bool negative;

    if (!clues_number(clues, n, &text))
        return false;
    negative = text.ptr[0] == '-';
    if (!str_to_u64(str_slice(text, negative ? 1 : 0, text.len), &value) ||
        value > 1000000000)
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool count(const struct skill_task *task, struct buf *out)
{
    const struct clues *clues = &task->clues;
    bool is_list = clues_has_any(clues, STR("line|lines|newline|newlines"));
    int64_t from;
    int64_t to;

    if (!clues_has_any(clues, STR("count|list the numbers|numbers from")) ||
        !whole_number(clues, 0, &from))
        return false;
    if (!whole_number(clues, 1, &to)) {
        to = clues_has(clues, STR("down")) ? 1 : from;
        if (!clues_has(clues, STR("down")))
            from = 1;
    }
    if (from - to >= COUNT_MAX || to - from >= COUNT_MAX)
        return false;
    for (int64_t i = from;; i += from < to ? 1 : -1) {
        buf_put_i64(out, i);
        if (i == to)
            return true;
        buf_put(out, is_list ? STR("\n") : STR(", "));
    }
}

/* --- facts -------------------------------------------------------------- */

static bool capital(const struct skill_task *task, struct buf *out)
{
    static const struct {
        struct str country;
        const char *capital;
    } rows[] = {
        {STR_INIT("france"), "Paris"},
        {STR_INIT("germany"), "Berlin"},
        {STR_INIT("italy"), "Rome"},
        {STR_INIT("spain"), "Madrid"},
        {STR_INIT("portugal"), "Lisbon"},
        {STR_INIT("austria"), "Vienna"},
        {STR_INIT("switzerland"), "Bern"},
        {STR_INIT("netherlands"), "Amsterdam"},
        {STR_INIT("belgium"), "Brussels"},
        {STR_INIT("poland"), "Warsaw"},
        {STR_INIT("sweden"), "Stockholm"},
        {STR_INIT("norway"), "Oslo"},
        {STR_INIT("finland"), "Helsinki"},
        {STR_INIT("denmark"), "Copenhagen"},
        {STR_INIT("greece"), "Athens"},
        {STR_INIT("ireland"), "Dublin"},
        {STR_INIT("japan"), "Tokyo"},
        {STR_INIT("china"), "Beijing"},
        {STR_INIT("india"), "New Delhi"},
        {STR_INIT("canada"), "Ottawa"},
        {STR_INIT("australia"), "Canberra"},
        {STR_INIT("brazil"), "Bras\xC3\xADlia"},
        {STR_INIT("egypt"), "Cairo"},
        {STR_INIT("england"), "London"},
        {STR_INIT("united kingdom"), "London"},
        {STR_INIT("uk"), "London"},
        {STR_INIT("united states"), "Washington, D.C."},
        {STR_INIT("usa"), "Washington, D.C."},
    };
    const struct clues *clues = &task->clues;

    if (!clues_has_any(clues, STR("capital|capital city")))
        return false;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!clues_has(clues, rows[i].country))
            continue;
        if (clues_has_any(clues, STR("one word|only|just")))
            buf_put(out, str_of(rows[i].capital));
        else
            buf_printf(out, "The capital is %s.", rows[i].capital);
        return true;
    }
    return false;
}

/* "My name is Ada" … "What is my name?" */
static bool remember(const struct skill_task *task, struct buf *out)
{
    const struct prompt *prompt = task->prompt;

    if (!clues_has_any(&task->clues,
                       STR("what is my name|what's my name|who am i|remember "
                           "my name|do you know my name")))
        return false;
    for (unsigned i = prompt->message_count; i > 0; i--) {
        const struct prompt_message *message = &prompt->messages[i - 1];

        for (unsigned k = 0; k < message->part_count; k++) {
            struct clues clues;
            struct str behind;
            struct str names[1];

            if (message->role == PROMPT_ASSISTANT)
                continue;
            clues_init(&clues, task->arena,
                       str_clip(message->parts[k].text, ANSWER_MAX));
            behind = clues_behind(
                &clues, STR("my name is|i am called|i'm called|call me|the "
                            "user's name is|user is called|i am|i'm"));
            if (behind.len == 0)
                continue;
            clues_init(&clues, task->arena, clues_sentence(behind, 0));
            if (clues_names(&clues, names, 1) == 0)
                continue;
            buf_printf(out, "Your name is %.*s.", STR_ARG(names[0]));
            return true;
        }
    }
    buf_put(out, STR("You have not told me your name."));
    return true;
}

/* "Answer yes or no." */
static bool agree(const struct skill_task *task, struct buf *out)
{
    if (!clues_has_any(&task->clues, STR("yes or no|yes/no|true or false")))
        return false;
    buf_put(out, clues_has(&task->clues, STR("true or false")) ? STR("true")
                                                               : STR("yes"));
    return true;
}

static bool greet(const struct skill_task *task, struct buf *out)
{
    const struct clues *clues = &task->clues;

    if (clues->text.len > 40 ||
        !clues_has_any(clues, STR("hi|hello|hey|good morning|good evening|"
                                  "good day|hallo")))
        return false;
    buf_put(out, STR("Hello! I am a simulated model. How can I help?"));
    return true;
}

static bool introduce(const struct skill_task *task, struct buf *out)
{
    if (!clues_has_any(&task->clues,
                       STR("who are you|what are you|which model are you|what "
                           "model are you|introduce yourself|your name|are "
                           "you a bot|are you human|who made you")))
        return false;
    buf_printf(out,
               "I am a simulated stand-in for the model %.*s. No real model "
               "is behind this answer.",
               STR_ARG(task->prompt->model));
    return true;
}

/* --- the table ---------------------------------------------------------- */

static bool (*const skills[])(const struct skill_task *task,
                              struct buf *out) = {
    say,       remember, skill_classify, skill_summarise, skill_describe,
    calculate, count,    capital,        skill_plan,      skill_tell,
    introduce, agree,    greet,
};

static void put_echo(const struct skill_task *task, struct buf *out)
{
    struct str text = str_clip(task->clues.text, ECHO_MAX);

    buf_printf(out, "This is a simulated answer from %.*s.",
               STR_ARG(task->prompt->model));
    if (text.len > 0)
        buf_printf(out, " You wrote: \"%.*s%s\"", STR_ARG(text),
                   text.len < task->clues.text.len ? "\xE2\x80\xA6" : "");
}

struct str skills_answer(struct arena *arena, const struct prompt *prompt,
                         struct str question, bool *is_echo)
{
    struct skill_task task = {.arena = arena, .prompt = prompt};
    struct buf out;
    struct str answer;
    size_t i = 0;

    clues_init(&task.clues, arena, question);
    buf_init(&out, ANSWER_MAX);
    while (i < COUNT_OF(skills) && !skills[i](&task, &out))
        i++;
    *is_echo = i == COUNT_OF(skills);
    if (*is_echo)
        put_echo(&task, &out);
    answer = arena_copy(arena, str_trim(buf_str(&out)));
    buf_fini(&out);
    return answer;
}
