/* Skills that work on a longer text: label it, shorten it, write one. */
#include "skills.h"

enum { TOPIC_MAX = 80, SENTENCE_MAX = 400, LABELS_MAX = 12 };

/* --- labels ------------------------------------------------------------- */

static const struct str good_words = STR_INIT(
    "love|loved|loves|great|good|excellent|amazing|awesome|wonderful|"
    "fantastic|happy|pleased|enjoy|enjoyed|best|perfect|nice|delightful|"
    "superb|brilliant|glad|helpful|beautiful|fun|recommend|recommended|"
    "impressive|satisfied|delicious|outstanding|thrilled|thank|thanks|"
    "pleasant|friendly|fast|works well");
static const struct str bad_words = STR_INIT(
    "hate|hated|hates|bad|terrible|awful|horrible|worst|poor|sad|angry|"
    "disappointed|disappointing|boring|broken|useless|waste|annoying|ugly|"
    "slow|rude|fail|failed|fails|dreadful|unhappy|disgusting|painful|buggy|"
    "regret|refund|mess|unacceptable|dirty|crash|crashed|mediocre|late|"
    "furious|frustrating|frustrated|never again");

/* "not good" is no praise. */
static bool is_negated(const struct clues *clues, size_t at)
{
    struct str before = str_slice(clues->lower, at < 12 ? 0 : at - 12, at);
    struct clues near = {before, before};

    return clues_has_any(&near, STR("not|no|never|isn't|wasn't|don't|didn't|"
                                    "hardly|cannot|can't"));
}

static int score(const struct clues *clues, struct str words)
{
    struct str word;
    int n = 0;

    while (str_split(&words, '|', &word)) {
        size_t at;

        for (size_t from = 0; clues_find(clues, word, from, &at);
             from = at + word.len)
            n += is_negated(clues, at) ? -1 : 1;
    }
    return n;
}

struct str skill_sentiment(const struct clues *clues)
{
    int sum = score(clues, good_words) - score(clues, bad_words);

    if (sum == 0)
        return STR("neutral");
    return sum > 0 ? STR("positive") : STR("negative");
}

/* A label as the question spells it: "POSITIVE". */
static struct str as_spelled(const struct clues *clues, struct str label)
{
    size_t at;

    if (clues_find(clues, label, 0, &at))
        return str_slice(clues->text, at, at + label.len);
    return label;
}

static bool wants_label_only(const struct clues *clues)
{
    return clues_has_any(clues, STR("one word|single word|only|just|exactly|"
                                    "label|classify|categorize|categorise"));
}

static bool label_sentiment(const struct skill_task *task, struct buf *out)
{
    const struct clues *clues = &task->clues;
    struct str label = skill_sentiment(clues);
    bool has_options =
        clues_has(clues, STR("positive")) && clues_has(clues, STR("negative"));

    if (!has_options && !clues_has(clues, STR("sentiment")))
        return false;
    label = as_spelled(clues, label);
    if (has_options || wants_label_only(clues))
        buf_put(out, label);
    else
        buf_printf(out, "The sentiment is %.*s.", STR_ARG(label));
    return true;
}

/* Words that speak for a label, for the labels people like to try. */
static const struct {
    struct str label;
    struct str words;
} label_words[] = {
    {STR_INIT("spam"), STR_INIT("free|win|winner|prize|click|offer|lottery|"
                                "buy now|limited time|urgent")},
    {STR_INIT("ham"), STR_INIT("meeting|lunch|tomorrow|regards|dear")},
    {STR_INIT("billing"), STR_INIT("invoice|payment|charge|charged|refund|"
                                   "bill|price|credit card|subscription")},
    {STR_INIT("technical"), STR_INIT("error|crash|bug|install|login|server|"
                                     "broken|password|update|slow")},
    {STR_INIT("bug"), STR_INIT("error|crash|crashes|broken|fails|wrong|"
                               "exception|does not work")},
    {STR_INIT("feature"), STR_INIT("add|would be nice|support for|please "
                                   "support|wish|option")},
    {STR_INIT("question"), STR_INIT("how|what|why|when|where|can i")},
    {STR_INIT("sales"), STR_INIT("buy|quote|pricing|demo|license|order")},
    {STR_INIT("urgent"), STR_INIT("asap|immediately|now|emergency|down")},
    {STR_INIT("sports"), STR_INIT("match|team|goal|score|player|league")},
    {STR_INIT("politics"), STR_INIT("election|minister|parliament|vote")},
    {STR_INIT("technology"), STR_INIT("software|chip|computer|phone|ai")},
    {STR_INIT("simple"), STR_INIT("hello|hi|thanks|what is")},
    {STR_INIT("complex"), STR_INIT("prove|design|architecture|analyse|plan")},
};

/* "spam, ham or other" */
static size_t read_labels(struct str list, struct str labels[])
{
    size_t count = 0;
    size_t begin = 0;

    for (size_t i = 0; i <= list.len && count < LABELS_MAX; i++) {
        struct str label;
        size_t skip = 0;

        if (i == list.len || strchr(",/|;", list.ptr[i]) != NULL)
            skip = 1;
        else if (str_starts(str_slice(list, i, list.len), STR(" or ")))
            skip = 4;
        else if (str_starts(str_slice(list, i, list.len), STR(" and ")))
            skip = 5;
        if (skip == 0)
            continue;
        label = str_trim(str_slice(list, begin, i));
        if (str_starts(label, STR("or ")))
            label = str_slice(label, 3, label.len);
        while (label.len > 0 && strchr("\"'`[]().:", label.ptr[0]) != NULL)
            label = str_slice(label, 1, label.len);
        while (label.len > 0 &&
               strchr("\"'`[]().:", label.ptr[label.len - 1]) != NULL)
            label = str_slice(label, 0, label.len - 1);
        if (label.len > 0 && label.len <= 40)
            labels[count++] = label;
        begin = i + skip;
    }
    return count;
}

static int label_score(const struct skill_task *task, struct str label,
                       struct str text)
{
    struct clues rest;
    struct clues name;
    int n;

    clues_init(&rest, task->arena, text);
    clues_init(&name, task->arena, label);
    n = clues_has(&rest, name.lower) ? 10 : 0;
    for (size_t i = 0; i < COUNT_OF(label_words); i++)
        if (clues_has(&name, label_words[i].label))
            n += score(&rest, label_words[i].words);
    return n;
}

static bool label_any(const struct skill_task *task, struct buf *out)
{
    const struct clues *clues = &task->clues;
    struct str labels[LABELS_MAX];
    struct str list;
    struct str rest;
    size_t count;
    size_t best = 0;

    if (!clues_has_any(clues, STR("classify|categorize|categorise|which "
                                  "category|label")))
        return false;
    rest = clues_sentence(
        clues_behind(clues, STR("categories|labels|one of|either|as|into")), 0);
    if (str_starts(rest, STR(":")))
        rest = str_slice(rest, 1, rest.len);
    if (!str_split(&rest, ':', &list))
        return false;
    /* what is to be labelled: behind the labels */
    rest =
        str_slice(clues->text, (size_t)(list.ptr - clues->text.ptr) + list.len,
                  clues->text.len);
    count = read_labels(list, labels);
    if (count < 2)
        return false;
    for (size_t i = 1; i < count; i++)
        if (label_score(task, labels[i], rest) >
            label_score(task, labels[best], rest))
            best = i;
    buf_put(out, labels[best]);
    return true;
}

bool skill_classify(const struct skill_task *task, struct buf *out)
{
    return label_sentiment(task, out) || label_any(task, out);
}

/* --- summaries ---------------------------------------------------------- */

/* The text to work on: behind a colon or on the next lines, else in a
 * document, else what was said before. */
static struct str source_of(const struct skill_task *task, struct str behind)
{
    const struct prompt *prompt = task->prompt;
    size_t at;

    if (str_find(behind, STR("\n"), &at) || str_find(behind, STR(": "), &at) ||
        str_find(behind, STR(":"), &at))
        return str_trim(str_slice(behind, at + 1, behind.len));
    for (unsigned i = prompt->message_count; i > 0; i--) {
        const struct prompt_message *message = &prompt->messages[i - 1];

        for (unsigned k = 0; k < message->part_count; k++) {
            const struct prompt_part *part = &message->parts[k];

            if (part->kind == PROMPT_MEDIA && part->text.len > 0)
                return str_clip(part->text, SENTENCE_MAX * 8);
            if (i < prompt->message_count && part->kind == PROMPT_TEXT &&
                message->role != PROMPT_SYSTEM && part->text.len > 0)
                return str_clip(part->text, SENTENCE_MAX * 8);
        }
    }
    return (struct str){NULL, 0};
}

static unsigned sentences_asked(const struct clues *clues)
{
    if (clues_has_any(clues, STR("one sentence|single sentence|1 sentence|"
                                 "tl;dr|tldr|one line|title")))
        return 1;
    return clues_has_any(clues, STR("three sentences|3 sentences")) ? 3 : 2;
}

bool skill_summarise(const struct skill_task *task, struct buf *out)
{
    const struct clues *clues = &task->clues;
    struct str behind = clues_behind(
        clues, STR("summarize|summarise|summary|sum up|tl;dr|tldr|shorten"));
    bool is_list = clues_has_any(clues, STR("bullet|bullets|list|points"));
    struct str rest;
    struct str sentence;
    unsigned left = sentences_asked(clues);

    if (behind.ptr == NULL)
        return false;
    rest = source_of(task, behind);
    if (rest.len == 0)
        return false;
    if (is_list && left == 2)
        left = 3;
    while (left-- > 0 && clues_next_sentence(&rest, &sentence)) {
        if (out->len > 0)
            buf_put_char(out, is_list ? '\n' : ' ');
        if (is_list)
            buf_put(out, STR("- "));
        buf_put(out, str_clip(sentence, SENTENCE_MAX));
    }
    return out->len > 0;
}

/* --- longer texts ------------------------------------------------------- */

static struct str topic_of(const struct clues *clues, struct str phrases)
{
    struct str topic = clues_sentence(clues_behind(clues, phrases), 0);
    struct clues near = {topic, topic};
    size_t at;

    while (topic.len > 0 && strchr(".!?:,", topic.ptr[topic.len - 1]) != NULL)
        topic = str_slice(topic, 0, topic.len - 1);
    if (clues_find(&near, STR("in detail"), 0, &at) ||
        clues_find(&near, STR("step by step"), 0, &at))
        topic = str_slice(topic, 0, at);
    topic = str_trim(str_clip(topic, TOPIC_MAX));
    return topic.len > 0 ? topic : STR("the task");
}

bool skill_plan(const struct skill_task *task, struct buf *out)
{
    static const struct {
        const char *step;
        const char *detail;
    } steps[] = {
        {"Define the goal", "Write down what a good result looks like, who "
                            "needs it, and how it is measured."},
        {"Collect what is known", "Gather the facts, limits and earlier "
                                  "attempts that matter, and list what is "
                                  "still open."},
        {"Compare the options", "Sketch two or three ways, name the cost and "
                                "the risk of each, and choose one."},
        {"Break it down", "Cut the chosen way into pieces of a day or less "
                          "and put them in order."},
        {"Do the riskiest piece first", "Build a small version that proves "
                                        "the idea, and show it to somebody."},
        {"Finish and check", "Complete the other pieces, test the whole "
                             "against the goal, and fix what falls short."},
        {"Hand over", "Write down how it works, say what comes next, and "
                      "review what was learned."},
    };
    const struct clues *clues = &task->clues;
    struct str topic;

    if (!clues_has_any(clues, STR("plan|outline|roadmap|step by step|steps "
                                  "to|steps for|strategy|checklist")))
        return false;
    topic = topic_of(clues, STR("plan for|plan to|outline for|outline of|"
                                "roadmap for|steps to|steps for|strategy for|"
                                "checklist for|step by step|plan|outline"));
    buf_printf(out, "A simulated plan: %.*s.\n", STR_ARG(topic));
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        buf_printf(out, "\n%zu. %s. %s", i + 1, steps[i].step, steps[i].detail);
    return true;
}

bool skill_tell(const struct skill_task *task, struct buf *out)
{
    static const char *const paragraphs[] = {
        "Once there was a small router that stood in front of two models. One "
        "lived next door and answered quickly; the other lived far away and "
        "knew a great deal.",
        "Every morning letters arrived at the router's single door. Some asked "
        "for a word, some for a plan, and a few did not quite know what they "
        "asked for. The router read each one, thought for a moment, and sent "
        "it on its way.",
        "One day the model next door fell asleep in the middle of a sentence. "
        "The router waited as long as it had promised to, and not a moment "
        "longer. Then it turned to the other one, and the letter was answered "
        "all the same.",
        "In the evening it wrote down what everything had cost, closed the "
        "book, and was content. All of this is simulated, but the tokens "
        "arrived one by one.",
    };
    const struct clues *clues = &task->clues;

    if (!clues_has_any(clues, STR("story|essay|poem|article|long text|blog "
                                  "post|tell me about|write about|novel|"
                                  "in detail|letter|haiku|joke")))
        return false;
    if (clues_has_any(clues, STR("poem|haiku|joke|short"))) {
        buf_put(out, STR("A stand-in speaks,\nno model behind the words;\n"
                         "the tokens still flow."));
        return true;
    }
    buf_printf(out, "About %.*s, as a simulated model tells it.",
               STR_ARG(topic_of(clues, STR("story about|essay about|essay on|"
                                           "article about|article on|tell me "
                                           "about|write about|about"))));
    for (size_t i = 0; i < COUNT_OF(paragraphs); i++)
        buf_printf(out, "\n\n%s", paragraphs[i]);
    return true;
}
