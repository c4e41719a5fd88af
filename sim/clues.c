#include "clues.h"

enum { DATE_LEN = 10 };

void clues_init(struct clues *clues, struct arena *arena, struct str text)
{
    char *lower = arena_alloc(arena, text.len + 1);

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    lower[text.len] = '\0';
    *clues = (struct clues){text, {lower, text.len}};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_white(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* --- phrases ------------------------------------------------------------ */

static bool is_boundary(struct str text, size_t at)
{
    return at == 0 || at >= text.len || !clues_is_word(text.ptr[at - 1]) ||
           !clues_is_word(text.ptr[at]);
}

bool clues_find(const struct clues *clues, struct str phrase, size_t from,
                size_t *at)
{
    struct str lower = clues->lower;

    while (from < lower.len) {
        size_t hit;

        if (!str_find(str_slice(lower, from, lower.len), phrase, &hit))
            return false;
        *at = from + hit;
        if (is_boundary(lower, *at) && is_boundary(lower, *at + phrase.len))
            return true;
        from = *at + 1;
    }
    return false;
}

bool clues_has(const struct clues *clues, struct str phrase)
{
    size_t at;

    return clues_find(clues, phrase, 0, &at);
}

bool clues_has_any(const struct clues *clues, struct str phrases)
{
    struct str phrase;

    while (str_split(&phrases, '|', &phrase))
        if (clues_has(clues, phrase))
            return true;
    return false;
}

struct str clues_behind(const struct clues *clues, struct str phrases)
{
    struct str phrase;
    size_t at;

    while (str_split(&phrases, '|', &phrase)) {
        if (clues_find(clues, phrase, 0, &at))
            return str_trim(
                str_slice(clues->text, at + phrase.len, clues->text.len));
    }
    return (struct str){NULL, 0};
}

/* --- numbers and words of a form ---------------------------------------- */

/* The number at text[at], or an empty string. */
static struct str number_at(struct str text, size_t at)
{
    size_t end = at;

    if (at > 0 && (clues_is_word(text.ptr[at - 1]) || text.ptr[at - 1] == '.'))
        return (struct str){NULL, 0};
    if (text.ptr[end] == '-' && (at == 0 || is_white(text.ptr[at - 1])))
        end++;
    if (end >= text.len || !is_digit(text.ptr[end]))
        return (struct str){NULL, 0};
    while (end < text.len && is_digit(text.ptr[end]))
        end++;
    if (end + 1 < text.len && text.ptr[end] == '.' &&
        is_digit(text.ptr[end + 1])) {
        end++;
        while (end < text.len && is_digit(text.ptr[end]))
            end++;
    }
    return str_slice(text, at, end);
}

bool clues_date_at(struct str text, size_t at)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; form[i] != '\0'; i++) {
        char c = at + i < text.len ? text.ptr[at + i] : '\0';

        if (form[i] == 'd' ? !is_digit(c) : c != '-')
            return false;
    }
    return true;
}

bool clues_number(const struct clues *clues, unsigned n, struct str *out)
{
    for (size_t i = 0; i < clues->text.len; i++) {
        struct str number = number_at(clues->text, i);

        if (clues_date_at(clues->text, i)) {
            i += DATE_LEN - 1;
            continue;
        }
        if (number.len == 0)
            continue;
        if (n-- == 0) {
            *out = number;
            return true;
        }
        i += number.len - 1;
    }
    return false;
}

/* Without what only punctuates the sentence around it. */
static struct str bare(struct str word)
{
    static const char around[] = "\"'`()[]{}<>,.;:!?";

    while (word.len > 0 && strchr(around, word.ptr[0]) != NULL)
        word = str_slice(word, 1, word.len);
    while (word.len > 0 && strchr(around, word.ptr[word.len - 1]) != NULL)
        word = str_slice(word, 0, word.len - 1);
    return word;
}

static bool next_word(struct str *rest, struct str *word)
{
    size_t begin = 0;
    size_t end;

    while (begin < rest->len && is_white(rest->ptr[begin]))
        begin++;
    for (end = begin; end < rest->len && !is_white(rest->ptr[end]); end++)
        ;
    *word = str_slice(*rest, begin, end);
    *rest = str_slice(*rest, end, rest->len);
    return word->len > 0;
}

static struct str first_word(const struct clues *clues,
                             bool (*fits)(struct str word))
{
    struct str rest = clues->text;
    struct str word;

    while (next_word(&rest, &word))
        if (fits(bare(word)))
            return bare(word);
    return (struct str){NULL, 0};
}

static bool is_url(struct str word)
{
    return str_starts(word, STR("https://")) ||
           str_starts(word, STR("http://"));
}

static bool is_email(struct str word)
{
    size_t at;

    return str_find(word, STR("@"), &at) && at > 0 &&
           str_contains(str_slice(word, at + 2, word.len), STR("."));
}

static bool is_date(struct str word)
{
    return word.len == DATE_LEN && clues_date_at(word, 0);
}

static bool is_path(struct str word)
{
    size_t at;

    if (is_url(word) || is_email(word))
        return false;
    if (str_starts(word, STR("/")) || str_starts(word, STR("./")) ||
        str_starts(word, STR("~/")))
        return word.len > 1;
    /* main.c, but not 3.5 and not a sentence without a space */
    return str_find(word, STR("."), &at) && at > 0 && word.len - at <= 6 &&
           word.len - at > 1 && !is_digit(word.ptr[at + 1]);
}

static bool is_label(struct str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (is_digit(word.ptr[i]))
            return true;
    return false;
}

struct str clues_url(const struct clues *clues)
{
    return first_word(clues, is_url);
}

struct str clues_email(const struct clues *clues)
{
    return first_word(clues, is_email);
}

struct str clues_date(const struct clues *clues)
{
    return first_word(clues, is_date);
}

struct str clues_path(const struct clues *clues)
{
    return first_word(clues, is_path);
}

struct str clues_label(const struct clues *clues)
{
    struct str word = first_word(clues, is_label);

    return str_starts(word, STR("#")) ? str_slice(word, 1, word.len) : word;
}

/* --- places and names --------------------------------------------------- */

static bool is_capital(struct str word)
{
    if (word.len == 0)
        return false;
    if (word.ptr[0] >= 'A' && word.ptr[0] <= 'Z')
        return true;
    /* À … Þ */
    return word.len > 1 && (unsigned char)word.ptr[0] == 0xC3 &&
           (unsigned char)word.ptr[1] >= 0x80 &&
           (unsigned char)word.ptr[1] <= 0x9E;
}

static bool is_one_of(struct str word, struct str list)
{
    struct str entry;

    while (str_split(&list, '|', &entry))
        if (str_eq_nocase(word, entry))
            return true;
    return false;
}

static bool ends_phrase(struct str word)
{
    return word.len > 0 && strchr(",.;:!?)", word.ptr[word.len - 1]) != NULL;
}

/* Without "'s", which is not part of a name. */
static struct str bare_name(struct str word)
{
    word = bare(word);
    if (str_ends(word, STR("'s")))
        word = str_slice(word, 0, word.len - 2);
    return word;
}

static const struct str joiners =
    STR_INIT("in|for|at|to|from|of|near|around|and|or|vs|versus|between|und");
static const struct str not_names =
    STR_INIT("I|I'm|I'll|The|A|An|My|Our|Your|This|That|These|It|Its|We|You|"
             "He|She|They|What|What's|Which|Who|Whose|When|Where|Why|How|Is|"
             "Are|Was|Were|Do|Does|Did|Can|Could|Would|Will|Should|Please|"
             "Extract|Tell|Give|Say|Show|Get|Find|Fetch|Search|Look|List|"
             "Call|Use|Return|Reply|Respond|Answer|Write|Create|Make|Add|"
             "Compute|Calculate|Summarize|Summarise|Translate|Classify|"
             "Describe|Explain|Plan|Outline|Count|Send|Book|Check|Compare|"
             "In|On|At|For|From|To|And|Or|But|If|No|Yes|Not|Only|One|Two|"
             "Hello|Hi|Hey|Thanks|Thank|JSON|OK|Then|Also|With|By|Of|Both|"
             "Today|Tomorrow|Now|Here|There|Let|Let's|Weather|Celsius|"
             "Fahrenheit|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|"
             "Sunday|January|February|March|April|June|July|August|September|"
             "October|November|December|Review|Text|Email|Subject|Solve|"
             "Simulated");

/* As many capitalised words as follow each other: "New York". */
static struct str take_name(struct str word, struct str *rest)
{
    const char *begin = bare_name(word).ptr;
    struct str last = word;

    while (!ends_phrase(last) && !str_ends(last, STR("'s"))) {
        struct str ahead = *rest;
        struct str next;

        if (!next_word(&ahead, &next) || !is_capital(bare_name(next)) ||
            is_one_of(bare_name(next), not_names))
            break;
        last = next;
        *rest = ahead;
    }
    last = bare_name(last);
    return (struct str){begin, (size_t)(last.ptr + last.len - begin)};
}

static bool add(struct str list[], size_t *count, size_t most, struct str name)
{
    for (size_t i = 0; i < *count; i++)
        if (str_eq(list[i], name))
            return true;
    if (*count == most)
        return false;
    list[(*count)++] = name;
    return true;
}

/* "San Francisco, CA" is one place. */
static bool is_state(struct str word)
{
    return word.len == 2 && word.ptr[0] >= 'A' && word.ptr[0] <= 'Z' &&
           word.ptr[1] >= 'A' && word.ptr[1] <= 'Z';
}

size_t clues_places(const struct clues *clues, struct str places[], size_t most)
{
    struct str rest = clues->text;
    struct str word;
    bool is_joined = false; /* a place may follow */
    bool in_list = false;   /* one was just found */
    size_t count = 0;

    while (next_word(&rest, &word)) {
        struct str name = bare_name(word);

        if (in_list && is_state(name)) {
            struct str *last = &places[count - 1];

            last->len = (size_t)(name.ptr + name.len - last->ptr);
            in_list = false;
            continue;
        }
        if ((is_joined || in_list) && is_capital(name) &&
            !is_one_of(name, not_names)) {
            bool has_comma;

            name = take_name(word, &rest);
            has_comma =
                name.ptr + name.len < rest.ptr && name.ptr[name.len] == ',';
            if (!add(places, &count, most, name))
                break;
            in_list = has_comma;
            is_joined = false;
            continue;
        }
        is_joined = is_one_of(name, joiners) || (is_joined && name.len == 0);
        in_list = false;
    }
    return count;
}

size_t clues_names(const struct clues *clues, struct str names[], size_t most)
{
    struct str rest = clues->text;
    struct str word;
    size_t count = 0;

    while (next_word(&rest, &word)) {
        struct str name = bare_name(word);

        if (!is_capital(name) || is_one_of(name, not_names))
            continue;
        if (!add(names, &count, most, take_name(word, &rest)))
            break;
    }
    return count;
}

/* --- sentences ---------------------------------------------------------- */

static size_t sentence_end(struct str text, size_t at)
{
    for (; at < text.len; at++) {
        char c = text.ptr[at];

        if (c == '\n')
            return at;
        if ((c == '.' || c == '!' || c == '?') &&
            (at + 1 == text.len || is_white(text.ptr[at + 1]) ||
             strchr("\"')", text.ptr[at + 1]) != NULL))
            return at + 1;
    }
    return at;
}

struct str clues_sentence(struct str text, size_t at)
{
    return str_trim(str_slice(text, at, sentence_end(text, at)));
}

bool clues_next_sentence(struct str *rest, struct str *sentence)
{
    *rest = str_trim(*rest);
    if (rest->len == 0)
        return false;
    *sentence = clues_sentence(*rest, 0);
    *rest = str_slice(*rest, sentence_end(*rest, 0), rest->len);
    return true;
}
