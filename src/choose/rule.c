#include "rule.h"

#include <time.h>

#include "base64.h"
#include "clock.h"

/* What a pattern may cost one request. */
enum { SEARCH_MAX_US = 50 * 1000, NAME_MAX_LEN = 1024 };

int64_t rule_estimate_tokens(size_t characters)
{
    return (int64_t)((characters + 3) / 4);
}

/* The calendar is asked once a minute, and threads do not share it. */
int rule_minute_now(void)
{
    static _Thread_local time_t asked_minute = -1;
    static _Thread_local int answer;
    time_t now = (time_t)clock_wall_s();
    struct tm local;

    if (now / 60 == asked_minute)
        return answer;
    if (localtime_r(&now, &local) == NULL)
        return 0;
    asked_minute = now / 60;
    answer = local.tm_hour * 60 + local.tm_min;
    return answer;
}

/* A field that is there more than once matches with any of its values. */
static bool matches_header(const struct rule *rule, const struct head *head)
{
    for (unsigned i = 0; head != NULL && i < head->count; i++)
        if (str_eq_nocase(head->fields[i].name, rule->header_name) &&
            (rule->header_value.len == 0 ||
             str_eq(head->fields[i].value, rule->header_value)))
            return true;
    return false;
}

/* A look through the texts of one request. */
struct search {
    const struct regex *regex;
    uint64_t give_up_us; /* on clock_us() */
    enum regex_result result;
};

/* True when nothing can change the result any more. */
static bool search_text(struct search *search, struct str text)
{
    enum regex_result result;

    if (text.len == 0)
        return false;
    if (clock_us() > search->give_up_us) {
        search->result = REGEX_UNDECIDED;
        return true;
    }
    result = regex_match(search->regex, text);
    if (result != REGEX_NO)
        search->result = result;
    return result == REGEX_YES;
}

/* A text file is text, and may come as Base64.  Other files, and images, are
 * not looked into. */
static bool search_file(struct search *search, const struct chat_part *part)
{
    struct data_url parsed = {.media_type = part->media_type,
                              .data = part->data};
    struct arena arena;
    struct str text;
    bool is_done;

    if (part->data.len > 0 ? !base64_is_valid(part->data)
                           : !data_url_parse(part->url, &parsed))
        return false;
    if (!str_eq_nocase(str_slice(parsed.media_type, 0, 5), STR("text/")))
        return false;
    arena_init(&arena);
    text = base64_decode(&arena, parsed.data);
    is_done = search_text(search, arena_copy_utf8(&arena, text));
    arena_clear(&arena);
    return is_done;
}

/* What the router knows no better may hold text anywhere.  Recursion is
 * bounded: no document is deeper than JSON_MAX_DEPTH. */
static bool search_value(struct search *search, yyjson_val *value)
{
    if (yyjson_is_str(value))
        return search_text(search, json_text(value));
    json_each_item (item, value) {
        if (search_value(search, item))
            return true;
    }
    json_each_member (key, member, value) {
        (void)key;
        if (search_value(search, member))
            return true;
    }
    return false;
}

static bool search_part(struct search *search, const struct chat_part *part)
{
    return search_text(search, part->text) || search_file(search, part) ||
           (part->kind == CHAT_OTHER && search_value(search, part->block));
}

static bool search_message(struct search *search,
                           const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++)
        if (search_part(search, &message->parts[i]))
            return true;
    for (unsigned i = 0; i < message->call_count; i++)
        if (search_text(search, message->calls[i].arguments))
            return true;
    return search_text(search, message->refusal);
}

static enum regex_result search_chat(const struct regex *regex,
                                     const struct chat *chat)
{
    struct search search = {
        .regex = regex,
        .give_up_us = clock_us() + SEARCH_MAX_US,
    };

    for (unsigned i = 0; i < chat->message_count; i++)
        if (search_message(&search, &chat->messages[i]))
            return search.result;
    for (unsigned i = 0; i < chat->tool_count; i++)
        if (search_text(&search, chat->tools[i].description))
            return search.result;
    return search.result;
}

static enum regex_result search_tools(const struct regex *regex,
                                      const struct chat *chat)
{
    struct search search = {
        .regex = regex,
        .give_up_us = clock_us() + SEARCH_MAX_US,
    };

    for (unsigned i = 0; i < chat->tool_count; i++)
        if (search_text(&search, chat->tools[i].name))
            return search.result;
    (void)search_text(&search, chat->server_tool);
    return search.result;
}

static bool holds(enum regex_result result, bool if_undecided)
{
    return result == REGEX_YES || (result == REGEX_UNDECIDED && if_undecided);
}

/* Does the whole of `text` match?  Only the last * needs to be tried again,
 * so the cost is bounded by the product of the lengths. */
static bool matches_pattern(struct str pattern, struct str text)
{
    size_t p = 0, t = 0;
    size_t star = SIZE_MAX; /* behind the last *; it takes text up to `from` */
    size_t from = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = ++p;
            from = t;
        } else if (p < pattern.len &&
                   (pattern.ptr[p] == '?' || pattern.ptr[p] == text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* No name is a long one; more of a caller's would only cost time. */
static bool matches_model(const struct rule *rule, const struct chat *chat,
                          bool if_undecided)
{
    struct str name = chat->model.len > 0 ? chat->model : STR("auto");

    return !rule_is_about_names(rule) ||
           (name.len <= NAME_MAX_LEN ? matches_pattern(rule->model, name)
                                     : if_undecided);
}

/* A span that goes over midnight is two. */
static bool matches_hours(int from, int to, int minute)
{
    if (from < to)
        return minute >= from && minute < to;
    return minute >= from || minute < to;
}

static bool matches_either(int wanted, bool is)
{
    return wanted < 0 || (wanted != 0) == is;
}

static bool matches(const struct rule *rule, const struct rule_facts *facts,
                    bool if_undecided)
{
    const struct chat *chat = facts->chat;

    if ((rule->has_min_tokens && facts->prompt_tokens < rule->min_tokens) ||
        (rule->has_max_tokens && facts->prompt_tokens > rule->max_tokens) ||
        (rule->has_min_answer && facts->max_tokens < rule->min_answer) ||
        (rule->has_max_answer && facts->max_tokens > rule->max_answer))
        return false;
    if (!matches_model(rule, chat, if_undecided))
        return false;
    if (!matches_either(rule->tools,
                        chat->tool_count + chat->server_tool_count > 0) ||
        !matches_either(rule->images, chat->image_count + chat->file_count > 0))
        return false;
    if (rule->header_name.len > 0 && !matches_header(rule, facts->head))
        return false;
    if (rule->key.len > 0 &&
        (facts->key == NULL || !str_eq(facts->key->name, rule->key)))
        return false;
    if (rule->from_minute != rule->to_minute &&
        !matches_hours(rule->from_minute, rule->to_minute,
                       facts->minute_of_day))
        return false;
    return (rule->tool == NULL ||
            holds(search_tools(rule->tool, chat), if_undecided)) &&
           (rule->text == NULL ||
            holds(search_chat(rule->text, chat), if_undecided));
}

bool rule_matches(const struct rule *rule, const struct rule_facts *facts)
{
    return matches(rule, facts, rule->policy != TIER_NONE);
}

bool rule_may_match(const struct rule *rule, const struct rule_facts *facts)
{
    return matches(rule, facts, true);
}
