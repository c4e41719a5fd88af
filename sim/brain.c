#include "brain.h"

#include "calls.h"
#include "instance.h"
#include "skills.h"

enum {
    JSON_MAX = 1024 * 1024,
    RESULT_MAX = 2000,
    ANSWER_MAX = 64 * 1024,
    MAX_KEYS = 12,
    QUOTE_MAX = 120,
};

struct brain {
    struct arena *arena;
    const struct prompt *prompt;
    struct str question;
    struct clues clues; /* of the question */
};

/* --- thinking ----------------------------------------------------------- */

static struct str thinking(const struct brain *brain)
{
    struct str text =
        arena_printf(brain->arena,
                     "The user asks: \"%.*s\" A simulated model does not "
                     "need to think about this, but it was asked to.",
                     STR_ARG(str_clip(brain->question, QUOTE_MAX)));

    for (unsigned i = 0; i < brain->prompt->thinking_effort; i++)
        text = arena_printf(brain->arena,
                            "%.*s Consideration %u: the answer follows from "
                            "the words of the question.",
                            STR_ARG(text), i + 1);
    return text;
}

/* The first thought comes first, the others between what is said and done,
 * as far as that has room for them. */
static void think(const struct brain *brain, struct script *script,
                  unsigned thoughts)
{
    unsigned said = script->block_count;

    for (unsigned i = 0; i < thoughts; i++) {
        struct script_block block = {.kind = SCRIPT_THINKING};
        unsigned early = thoughts > said ? thoughts - said : 0;
        unsigned at = i <= early ? i : i + i - early;

        block.text = i == 0
                         ? thinking(brain)
                         : arena_printf(brain->arena,
                                        "Thought %u comes to the same.", i + 1);
        script_insert(script, at, block);
    }
}

/* --- after tool results ------------------------------------------------- */

static struct str name_of_call(const struct prompt *prompt, struct str id)
{
    for (unsigned i = prompt->message_count; i > 0; i--) {
        const struct prompt_message *message = &prompt->messages[i - 1];

        for (unsigned k = 0; k < message->part_count; k++) {
            const struct prompt_part *part = &message->parts[k];

            if (part->kind == PROMPT_CALL && str_eq(part->id, id))
                return part->name;
        }
    }
    return STR("tool");
}

static void put_result(const struct brain *brain,
                       const struct prompt_part *part, struct buf *out)
{
    struct str name =
        part->name.len > 0 ? part->name : name_of_call(brain->prompt, part->id);
    struct str text =
        str_clip(prompt_unframed(brain->arena, part->text), RESULT_MAX);

    if (out->len > 0)
        buf_put_char(out, '\n');
    if (text.len == 0)
        buf_printf(out, "%.*s returned nothing.", STR_ARG(name));
    else
        buf_printf(out, "%.*s %s: %.*s", STR_ARG(name),
                   part->is_error ? "failed" : "returned", STR_ARG(text));
}

/* What the tools said, in the part that waits for an answer. */
static struct str quote_results(const struct brain *brain)
{
    const struct prompt *prompt = brain->prompt;
    struct buf out;
    struct str quoted;

    buf_init(&out, ANSWER_MAX);
    for (unsigned i = prompt_tail(prompt); i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];

        for (unsigned k = 0; k < message->part_count; k++)
            if (message->parts[k].kind == PROMPT_RESULT)
                put_result(brain, &message->parts[k], &out);
    }
    quoted = arena_copy(brain->arena, buf_str(&out));
    buf_fini(&out);
    return quoted;
}

/* --- JSON --------------------------------------------------------------- */

static bool ends_list(struct str word)
{
    static const struct str ends =
        STR_INIT("in|with|for|that|where|of|as|using|only|from|to|about");
    struct str rest = ends;
    struct str end;

    while (str_split(&rest, '|', &end))
        if (str_eq_nocase(word, end))
            return true;
    return false;
}

/* 'with the keys "name" and "age"' */
static size_t keys_asked(const struct brain *brain, struct str keys[])
{
    struct str list = clues_sentence(
        clues_behind(&brain->clues, STR("keys|key|fields|field|properties|"
                                        "members|attributes")),
        0);
    size_t count = 0;

    for (size_t at = 0, end; count < MAX_KEYS && at < list.len; at = end + 1) {
        struct str word;

        for (end = at; end < list.len; end++)
            if (strchr(" ,\"'`:()[]{}.\n", list.ptr[end]) != NULL)
                break;
        word = str_slice(list, at, end);
        if (word.len == 0 || str_eq(word, STR("and")) ||
            str_eq(word, STR("named")) || str_eq(word, STR("called")))
            continue;
        if (ends_list(word))
            break;
        keys[count++] = word;
        if (str_starts(str_slice(list, end, list.len), STR(":")) ||
            str_starts(str_slice(list, end + 1, list.len), STR(":")))
            break; /* what follows is no key */
    }
    return count;
}

/* The text that the caller has put into the assistant's mouth. */
static struct str begun_by_caller(const struct prompt *prompt)
{
    const struct prompt_message *last;

    if (prompt->message_count == 0)
        return STR("");
    last = &prompt->messages[prompt->message_count - 1];
    if (last->role != PROMPT_ASSISTANT || last->part_count == 0)
        return STR("");
    return str_trim(last->parts[last->part_count - 1].text);
}

static bool asks_for_json(const struct brain *brain)
{
    const struct prompt *prompt = brain->prompt;

    if (str_starts(begun_by_caller(prompt), STR("{")) ||
        clues_has_any(&brain->clues,
                      STR("valid json|json object|as json|in json|json only|"
                          "only json|return json|respond with json|json "
                          "with|give me json|output json")))
        return true;
    for (unsigned i = 0; i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];

        for (unsigned k = 0; k < message->part_count; k++)
            if (message->role == PROMPT_SYSTEM &&
                str_contains(message->parts[k].text, STR("valid JSON object")))
                return true;
    }
    return false;
}

static struct str as_json(const struct brain *brain, struct str answer,
                          bool is_echo)
{
    const struct prompt *prompt = brain->prompt;
    struct instance_source source;
    struct str keys[MAX_KEYS];
    struct buf out;
    struct str text;

    instance_source_init(&source, brain->arena, brain->question);
    source.answer = answer;
    source.is_echo = is_echo;
    buf_init(&out, JSON_MAX);
    if (prompt->format == PROMPT_JSON_SCHEMA && prompt->schema != NULL) {
        instance_write(&source, prompt->schema, &out);
    } else {
        size_t count = keys_asked(brain, keys);

        if (count == 0)
            keys[count++] = STR("answer");
        instance_write_keys(&source, keys, count, &out);
    }
    text = arena_copy(brain->arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

/* --- the answer --------------------------------------------------------- */

/* One of the words that alone are allowed. */
static struct str choose_word(const struct brain *brain, struct str answer)
{
    const struct prompt *prompt = brain->prompt;
    struct str sentiment = skill_sentiment(&brain->clues);

    for (unsigned i = 0; i < prompt->word_count; i++)
        if (str_eq_nocase(prompt->words[i], sentiment) ||
            str_eq_nocase(prompt->words[i], answer))
            return prompt->words[i];
    for (unsigned i = 0; i < prompt->word_count; i++) {
        struct clues word;

        clues_init(&word, brain->arena, prompt->words[i]);
        if (clues_has(&brain->clues, word.lower))
            return prompt->words[i];
    }
    return prompt->words[0];
}

/* What the assistant's own beginning leaves to be said. */
static struct str without_prefill(const struct prompt *prompt,
                                  struct str answer)
{
    struct str begun = begun_by_caller(prompt);

    return str_starts(answer, begun) ? str_slice(answer, begun.len, answer.len)
                                     : answer;
}

static struct str answer_of(const struct brain *brain)
{
    const struct prompt *prompt = brain->prompt;
    struct str answer = quote_results(brain);
    bool is_echo = false;

    if (answer.len == 0)
        answer = skills_answer(brain->arena, prompt, brain->question, &is_echo);
    if (prompt->word_count > 0)
        answer = choose_word(brain, answer);
    else if (prompt->format != PROMPT_FREE || asks_for_json(brain))
        answer = as_json(brain, answer, is_echo);
    return without_prefill(prompt, answer);
}

/* --- searching ---------------------------------------------------------- */

static bool asks_to_search(const struct brain *brain, const struct fault *fault)
{
    const struct prompt *prompt = brain->prompt;

    /* a turn that was paused goes on with what was found */
    return prompt->can_search && prompt_tail(prompt) < prompt->message_count &&
           (fault->is_set[FAULT_SEARCH] ||
            clues_has_any(&brain->clues,
                          STR("search|look up|web|news|latest")));
}

/* What a server does that searches the web by itself. */
static void search(const struct brain *brain, struct script *script)
{
    struct str sought = clues_quoted(&brain->clues);
    struct json_out out;
    struct buf query;

    if (sought.ptr == NULL)
        sought = str_clip(clues_sentence(brain->question, 0), QUOTE_MAX);
    buf_init(&query, ANSWER_MAX);
    out = json_out_to(&query);
    json_open(&out, '{');
    json_member_str(&out, STR("query"), sought);
    json_close(&out, '}');
    script_add(script, SCRIPT_SEARCH, STR("web_search"),
               arena_copy(brain->arena, buf_str(&query)));
    buf_fini(&query);
    script_add(script, SCRIPT_FOUND, sought, STR(""));
    script_add(script, SCRIPT_TEXT, STR(""),
               arena_printf(brain->arena,
                            "A simulated page tells about \"%.*s\".",
                            STR_ARG(sought)));
    script->blocks[script->block_count - 1].is_cited = true;
}

/* --- the whole ---------------------------------------------------------- */

static void announce(const struct brain *brain, struct script *script)
{
    struct script_block block = {.kind = SCRIPT_TEXT};

    block.text = arena_printf(brain->arena, "I will use %.*s for this.",
                              STR_ARG(script->blocks[0].name));
    script_insert(script, 0, block);
}

static bool calls_tools(const struct brain *brain, const struct fault *fault,
                        struct script *script)
{
    bool is_told = fault->is_set[FAULT_CALLS];
    unsigned wanted = is_told ? (unsigned)fault->value[FAULT_CALLS] : 0;

    if (is_told && wanted == 0)
        return false;
    return calls_decide(brain->arena, brain->prompt, brain->question, wanted,
                        script);
}

static void say(const struct brain *brain, const struct fault *fault,
                struct script *script)
{
    const struct prompt *prompt = brain->prompt;

    if (fault->is_set[FAULT_SILENT])
        script->end = SCRIPT_STOP;
    else if (asks_to_search(brain, fault))
        search(brain, script);
    else if (!calls_tools(brain, fault, script))
        script_add(script, SCRIPT_TEXT, STR(""), answer_of(brain));
    else if (prompt->announces_calls && prompt->choice == PROMPT_CHOICE_AUTO)
        announce(brain, script);
}

static unsigned thoughts_of(const struct prompt *prompt,
                            const struct fault *fault)
{
    if (fault->is_set[FAULT_THINK])
        return (unsigned)fault->value[FAULT_THINK];
    return prompt->wants_thinking;
}

void brain_answer(struct arena *arena, const struct prompt *prompt,
                  const struct fault *fault, struct script *script)
{
    struct brain brain = {.arena = arena, .prompt = prompt};
    struct prompt asked = *prompt;
    struct script_block redacted = {.kind = SCRIPT_REDACTED,
                                    .text = STR("EuYBCoYBGAIiQL7simulated")};
    unsigned thoughts = thoughts_of(prompt, fault);

    *script = (struct script){0};
    brain.question = prompt_question(arena, prompt);
    clues_init(&brain.clues, arena, brain.question);
    say(&brain, fault, script);
    think(&brain, script, thoughts);
    if (fault->is_set[FAULT_REDACTED])
        script_insert(script, thoughts > 0, redacted);
    if (fault->is_set[FAULT_TOKENS] &&
        fault->value[FAULT_TOKENS] > asked.min_tokens)
        asked.min_tokens = (size_t)fault->value[FAULT_TOKENS];
    script_trim(arena, script, &asked);
    if (fault->is_set[FAULT_REFUSAL])
        script_refuse(script, (size_t)fault->value[FAULT_REFUSAL]);
}
