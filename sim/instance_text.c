#include "instance_text.h"

#include "arithmetic.h"

enum { TEXT_MAX = 200 };

struct str instance_words(struct arena *arena, struct str key)
{
    char *words = arena_alloc(arena, key.len * 2 + 1);
    size_t len = 0;

    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool is_upper = c >= 'A' && c <= 'Z';

        if (is_upper && i > 0 &&
            !(key.ptr[i - 1] >= 'A' && key.ptr[i - 1] <= 'Z'))
            words[len++] = ' ';
        if (c == '_' || c == '-' || c == '.')
            c = ' ';
        words[len++] = is_upper ? (char)(c - 'A' + 'a') : c;
    }
    words[len] = '\0';
    return (struct str){words, len};
}

/* --- one finder for each kind of member --------------------------------- */

/* Each returns a text of the question, or ptr NULL. */

static struct str find_quoted(const struct instance_source *source)
{
    struct str quoted = clues_quoted(&source->near);

    return quoted.ptr != NULL ? quoted : clues_quoted(&source->question);
}

static struct str find_sum(const struct instance_source *source)
{
    struct str sum;
    struct str result;

    if (arithmetic_find(source->arena, &source->near, &sum, &result) ||
        arithmetic_find(source->arena, &source->question, &sum, &result))
        return sum;
    return find_quoted(source);
}

/* Whatever stands between marks first: behind it the tool's own name may. */
static struct str find_code(const struct instance_source *source)
{
    return clues_quoted(&source->question);
}

static struct str find_url(const struct instance_source *source)
{
    return clues_url(&source->question);
}

static struct str find_email(const struct instance_source *source)
{
    return clues_email(&source->question);
}

static struct str find_date(const struct instance_source *source)
{
    static const struct str days =
        STR_INIT("today|tomorrow|yesterday|monday|tuesday|wednesday|thursday|"
                 "friday|saturday|sunday");
    struct str date = clues_date(&source->question);
    struct str rest = days;
    struct str day;
    size_t at;

    while (date.ptr == NULL && str_split(&rest, '|', &day))
        if (clues_find(&source->question, day, 0, &at))
            date = str_slice(source->question.text, at, at + day.len);
    return date;
}

static struct str find_path(const struct instance_source *source)
{
    struct str path = clues_path(&source->near);

    if (path.ptr == NULL)
        path = clues_path(&source->question);
    return path.ptr != NULL ? path : clues_code(&source->question);
}

static struct str find_label(const struct instance_source *source)
{
    struct str label = clues_label(&source->near);

    return label.ptr != NULL ? label : clues_label(&source->question);
}

static struct str find_name(const struct instance_source *source)
{
    struct str behind =
        clues_behind(&source->question, STR("my name is|named|called|name is|"
                                            "i am|i'm|to|for|by"));
    struct str names[1];
    struct clues near;

    clues_init(&near, source->arena, clues_sentence(behind, 0));
    if (clues_names(&near, names, 1) > 0 ||
        clues_names(&source->question, names, 1) > 0)
        return names[0];
    return (struct str){NULL, 0};
}

/* "AAPL": capitals only. */
static struct str find_symbol(const struct instance_source *source)
{
    struct str names[INSTANCE_PLACES];
    size_t count = clues_names(&source->near, names, COUNT_OF(names));

    for (size_t i = 0; i < count; i++) {
        size_t capitals = 0;

        while (capitals < names[i].len && names[i].ptr[capitals] >= 'A' &&
               names[i].ptr[capitals] <= 'Z')
            capitals++;
        if (capitals == names[i].len && capitals > 1)
            return names[i];
    }
    return find_name(source);
}

static struct str find_language(const struct instance_source *source)
{
    static const struct str languages = STR_INIT(
        "english|german|french|spanish|italian|portuguese|dutch|polish|"
        "japanese|chinese|korean|arabic|russian|python|javascript|rust");
    struct str rest = languages;
    struct str language;
    size_t at;

    while (str_split(&rest, '|', &language))
        if (clues_find(&source->question, language, 0, &at))
            return str_slice(source->question.text, at, at + language.len);
    return (struct str){NULL, 0};
}

static struct str find_query(const struct instance_source *source)
{
    struct str quoted = find_quoted(source);
    struct str behind;

    if (quoted.ptr != NULL)
        return quoted;
    behind = clues_behind(&source->near,
                          STR("search the web for|search for|look up|about|"
                              "find|saying|that says|search|send|on"));
    behind = clues_sentence(behind, 0);
    while (behind.len > 0 && strchr(".!?", behind.ptr[behind.len - 1]) != NULL)
        behind = str_slice(behind, 0, behind.len - 1);
    return behind.len > 0 ? str_clip(behind, TEXT_MAX) : (struct str){NULL, 0};
}

static struct str find_unit(const struct instance_source *source)
{
    if (clues_has_any(&source->question, STR("fahrenheit|imperial|miles")))
        return STR("fahrenheit");
    if (clues_has_any(&source->question, STR("celsius|metric")))
        return STR("celsius");
    return (struct str){NULL, 0};
}

/* --- the table ---------------------------------------------------------- */

static const struct str place_words =
    STR_INIT("city|cities|location|locations|place|places|town|country|"
             "region|destination|origin|departure|arrival|where|timezone");

static const struct {
    struct str words; /* any of these in the member's name */
    struct str (*find)(const struct instance_source *source);
    const char *made_up;
} rows[] = {
    {STR_INIT("expression|formula|equation|calculation|sum|math"), find_sum,
     "1 + 1"},
    {STR_INIT("email|mail|recipient email"), find_email, "user@example.com"},
    {STR_INIT("url|uri|link|website|href"), find_url, "https://example.com/"},
    {STR_INIT("date|day|when|deadline|due"), find_date, "2026-01-01"},
    {STR_INIT("path|file|filename|directory|folder"), find_path, "example.txt"},
    {STR_INIT("code|command|script|sql|cmd|snippet"), find_code, "ls"},
    {STR_INIT("symbol|ticker|currency|stock"), find_symbol, "USD"},
    {STR_INIT("language|lang|locale"), find_language, "English"},
    {STR_INIT("unit|units"), find_unit, "celsius"},
    {STR_INIT("id|number|order|reference|sku|ticket|isbn|phone|zip"),
     find_label, "A-1"},
    {STR_INIT("name|person|recipient|user|author|who|contact|customer|"
              "first name|last name"),
     find_name, "Alex"},
    {STR_INIT("query|q|question|search|text|input|prompt|message|content|"
              "body|topic|keyword|keywords|subject|title|description|note|"
              "term|terms"),
     find_query, NULL},
};

static struct str find_place(const struct instance_source *source,
                             size_t *nth_place)
{
    if (source->place_count == 0)
        return (struct str){NULL, 0};
    if (*nth_place >= source->place_count)
        *nth_place = 0;
    return source->places[(*nth_place)++];
}

bool instance_is_place(struct arena *arena, struct str key)
{
    struct str words = instance_words(arena, key);
    struct clues name = {words, words};

    return clues_has_any(&name, place_words);
}

/* The answer's own words, for members that ask for nothing special. */
static bool wants_answer(const struct clues *name)
{
    return !clues_has_any(name, place_words) &&
           clues_has_any(name, STR("answer|response|reply|result|output|"
                                   "summary|text|message|content|final|"
                                   "explanation|reasoning|reason|analysis|"
                                   "description|thought|thoughts|value"));
}

/* "The capital is Paris." */
static struct str name_in_answer(const struct instance_source *source)
{
    struct clues answer;
    struct str names[1];

    clues_init(&answer, source->arena, source->answer);
    return clues_names(&answer, names, 1) > 0 ? names[0] : source->answer;
}

struct str instance_text(const struct instance_source *source, struct str key,
                         size_t *nth_place, bool *is_obvious)
{
    struct str words = instance_words(source->arena, key);
    struct clues name = {words, words};
    struct str text = {NULL, 0};

    *is_obvious = true;
    if (source->answer.ptr != NULL && wants_answer(&name))
        return source->answer;
    if (source->answer.ptr != NULL && clues_has(&name, STR("capital")))
        text = name_in_answer(source);
    if (clues_has_any(&name, place_words)) {
        text = find_place(source, nth_place);
        if (text.ptr == NULL && source->answer.ptr == NULL) {
            *is_obvious = false;
            return STR("Berlin");
        }
    }
    for (size_t i = 0; text.ptr == NULL && i < COUNT_OF(rows); i++) {
        if (!clues_has_any(&name, rows[i].words))
            continue;
        text = rows[i].find(source);
        if (text.ptr == NULL && rows[i].made_up != NULL) {
            *is_obvious = false;
            return str_of(rows[i].made_up);
        }
    }
    if (text.ptr != NULL)
        return text;
    *is_obvious = false;
    if (source->answer.ptr != NULL && !source->is_echo)
        return source->answer;
    text = find_quoted(source);
    return text.ptr != NULL ? text : str_clip(source->near.text, TEXT_MAX);
}

struct str instance_format(const struct instance_source *source,
                           struct str format)
{
    static const struct {
        struct str format;
        struct str text;
    } usual[] = {
        {STR_INIT("date-time"), STR_INIT("2026-01-01T12:00:00Z")},
        {STR_INIT("time"), STR_INIT("12:00:00Z")},
        {STR_INIT("duration"), STR_INIT("PT1H")},
        {STR_INIT("hostname"), STR_INIT("example.com")},
        {STR_INIT("ipv4"), STR_INIT("192.0.2.1")},
        {STR_INIT("ipv6"), STR_INIT("2001:db8::1")},
        {STR_INIT("uuid"), STR_INIT("123e4567-e89b-42d3-a456-426614174000")},
        {STR_INIT("json-pointer"), STR_INIT("/a")},
        {STR_INIT("regex"), STR_INIT("^a$")},
        {STR_INIT("date"), STR_INIT("2026-01-01")},
        {STR_INIT("email"), STR_INIT("user@example.com")},
        {STR_INIT("uri"), STR_INIT("https://example.com/")},
        {STR_INIT("uri-reference"), STR_INIT("https://example.com/")},
        {STR_INIT("url"), STR_INIT("https://example.com/")},
    };
    struct str found = {NULL, 0};

    if (str_eq(format, STR("date")))
        found = clues_date(&source->question);
    else if (str_eq(format, STR("email")))
        found = clues_email(&source->question);
    else if (str_starts(format, STR("uri")))
        found = clues_url(&source->question);
    for (size_t i = 0; found.ptr == NULL && i < COUNT_OF(usual); i++)
        if (str_eq(usual[i].format, format))
            found = usual[i].text;
    return found;
}

/* --- lists -------------------------------------------------------------- */

static size_t lines_of(struct str text, struct str texts[], size_t most)
{
    struct str sentence;
    size_t count = 0;

    while (count < most && clues_next_sentence(&text, &sentence))
        if (sentence.len > 2)
            texts[count++] = sentence;
    return count;
}

/* A command as a list of words is one for a shell. */
static size_t shell_words(const struct instance_source *source,
                          struct str texts[], size_t most)
{
    struct str code = find_code(source);

    if (code.ptr == NULL || most < 3)
        return 0;
    texts[0] = STR("bash");
    texts[1] = STR("-lc");
    texts[2] = code;
    return 3;
}

size_t instance_texts(const struct instance_source *source, struct str key,
                      struct str texts[], size_t most)
{
    struct str words = instance_words(source->arena, key);
    struct clues name = {words, words};

    if (clues_has_any(&name, place_words)) {
        size_t count = source->place_count < most ? source->place_count : most;

        memcpy(texts, source->places, count * sizeof(texts[0]));
        return count;
    }
    if (clues_has_any(&name, STR("names|people|persons|participants|"
                                 "attendees|members|users|authors|entities|"
                                 "recipients|contacts|symbols|tickers")))
        return clues_names(&source->question, texts, most);
    if (clues_has_any(&name, STR("command|cmd|argv")))
        return shell_words(source, texts, most);
    if (source->answer.ptr != NULL)
        return lines_of(source->answer, texts, most);
    return 0;
}
