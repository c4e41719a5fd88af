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
    struct str text = str_clip(str_trim(part->text), RESULT_MAX);

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

static void announce(const struct brain *brain, struct script *script,
                     unsigned first_call)
{
    struct script_block call = script->blocks[first_call];
    struct str text = arena_printf(brain->arena, "I will use %.*s for this.",
                                   STR_ARG(call.name));

    script_add(script, SCRIPT_TEXT, STR(""), text);
    /* the last block is the new one: it goes before the calls */
    call = script->blocks[script->block_count - 1];
    for (unsigned i = script->block_count - 1; i > first_call; i--)
        script->blocks[i] = script->blocks[i - 1];
    script->blocks[first_call] = call;
}

void brain_answer(struct arena *arena, const struct prompt *prompt,
                  const struct fault *fault, struct script *script)
{
    struct brain brain = {.arena = arena, .prompt = prompt};
    struct prompt asked = *prompt;
    unsigned first;

    *script = (struct script){0};
    brain.question = prompt_question(arena, prompt);
    clues_init(&brain.clues, arena, brain.question);
    if (prompt->wants_thinking)
        script_add(script, SCRIPT_THINKING, STR(""), thinking(&brain));
    if (fault->is_set[FAULT_REDACTED])
        script_add(script, SCRIPT_REDACTED, STR(""),
                   STR("EuYBCoYBGAIiQL7simulated"));
    first = script->block_count;
    if (fault->is_set[FAULT_SILENT])
        script->end = SCRIPT_STOP;
    else if (!calls_decide(arena, prompt, brain.question, script))
        script_add(script, SCRIPT_TEXT, STR(""), answer_of(&brain));
    else if (prompt->announces_calls && prompt->choice == PROMPT_CHOICE_AUTO)
        announce(&brain, script, first);
    if (fault->is_set[FAULT_TOKENS] &&
        fault->value[FAULT_TOKENS] > asked.min_tokens)
        asked.min_tokens = (size_t)fault->value[FAULT_TOKENS];
    script_trim(arena, script, &asked);
    if (fault->is_set[FAULT_REFUSAL])
        script_refuse(script, (size_t)fault->value[FAULT_REFUSAL]);
}
