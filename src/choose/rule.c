#include "rule.h"

#include <time.h>

#include "clock.h"

int64_t rule_estimate_tokens(size_t characters)
{
    return (int64_t)((characters + 3) / 4);
}

int rule_minute_now(void)
{
    time_t now = (time_t)clock_wall_s();
    struct tm local;

    if (localtime_r(&now, &local) == NULL)
        return 0;
    return local.tm_hour * 60 + local.tm_min;
}

static bool matches_header(const struct rule *rule, const struct head *head)
{
    struct str value;

    if (head == NULL)
        return false;
    value = head_find(head, rule->header_name);
    return value.ptr != NULL &&
           (rule->header_value.len == 0 || str_eq(value, rule->header_value));
}

static bool matches_text(const struct regex *regex, const struct chat *chat)
{
    for (unsigned i = 0; i < chat->message_count; i++) {
        const struct chat_message *message = &chat->messages[i];

        for (unsigned k = 0; k < message->part_count; k++)
            if (message->parts[k].kind == CHAT_TEXT &&
                regex_matches(regex, message->parts[k].text))
                return true;
    }
    return false;
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

bool rule_matches(const struct rule *rule, const struct rule_facts *facts)
{
    const struct chat *chat = facts->chat;

    if ((rule->has_min_tokens && facts->prompt_tokens < rule->min_tokens) ||
        (rule->has_max_tokens && facts->prompt_tokens > rule->max_tokens) ||
        (rule->has_min_answer && facts->max_tokens < rule->min_answer) ||
        (rule->has_max_answer && facts->max_tokens > rule->max_answer))
        return false;
    if (!matches_either(rule->tools, chat->tool_count > 0) ||
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
    return rule->text == NULL || matches_text(rule->text, chat);
}
