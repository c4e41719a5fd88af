#include "script.h"

#include "buf.h"
#include "tokenizer.h"

enum { FILLED_MAX = 64 * 1024 * 1024 };

void script_add(struct script *script, enum script_kind kind, struct str name,
                struct str text)
{
    if (script->block_count == SCRIPT_MAX_BLOCKS)
        script->block_count--;
    script->blocks[script->block_count++] =
        (struct script_block){.kind = kind, .text = text, .name = name};
}

void script_insert(struct script *script, unsigned at,
                   struct script_block block)
{
    if (script->block_count == SCRIPT_MAX_BLOCKS)
        return;
    for (unsigned i = script->block_count++; i > at; i--)
        script->blocks[i] = script->blocks[i - 1];
    script->blocks[at] = block;
}

/* --- length ------------------------------------------------------------- */

static struct script_block *last_text(struct script *script)
{
    for (unsigned i = script->block_count; i > 0; i--)
        if (script->blocks[i - 1].kind == SCRIPT_TEXT)
            return &script->blocks[i - 1];
    return NULL;
}

static size_t count(const struct script *script)
{
    size_t tokens = 0;

    for (unsigned i = 0; i < script->block_count; i++)
        tokens += tokenizer_count(script->blocks[i].text);
    return tokens;
}

static void free_filled(void *filled)
{
    buf_fini(filled);
}

/* Goes on talking, in sentences that say what they are. */
static void fill(struct arena *arena, struct script *script, size_t tokens)
{
    static const struct str more =
        STR_INIT(" This sentence is here to make the simulated answer as long "
                 "as it was asked to be.");
    struct script_block *block = last_text(script);
    size_t present = count(script);
    struct buf *text;

    if (block == NULL || present >= tokens)
        return;
    text = ARENA_NEW(arena, struct buf);
    buf_init(text, FILLED_MAX);
    arena_defer(arena, free_filled, text);
    buf_put(text, block->text);
    while (present < tokens) {
        struct str rest = more;
        struct str token;

        while (present < tokens && tokenizer_next(&rest, &token)) {
            buf_put(text, token);
            present++;
        }
        if (buf_failed(text))
            break;
    }
    block->text = buf_str(text);
}

/* The blocks behind this one are never said. */
static void end_with(struct script *script, unsigned block, enum script_end end)
{
    script->block_count = block + 1;
    script->end = end;
}

static void stop_at_text(struct script *script, const struct prompt *prompt)
{
    for (unsigned i = 0; i < script->block_count; i++) {
        struct script_block *block = &script->blocks[i];
        size_t first = SIZE_MAX;

        if (block->kind != SCRIPT_TEXT)
            continue;
        for (unsigned k = 0; k < prompt->stop_count; k++) {
            size_t at;

            if (prompt->stops[k].len == 0 ||
                !str_find(block->text, prompt->stops[k], &at) || at >= first)
                continue;
            first = at;
            script->stop = prompt->stops[k];
        }
        if (first == SIZE_MAX)
            continue;
        if (prompt->keeps_stop)
            first += script->stop.len;
        block->text = str_slice(block->text, 0, first);
        end_with(script, i, SCRIPT_STOP_TEXT);
        return;
    }
}

static bool is_stop_token(const struct prompt *prompt, struct str token)
{
    for (unsigned i = 0; i < prompt->stop_token_count; i++)
        if (prompt->stop_tokens[i] == tokenizer_number(token))
            return true;
    return false;
}

/* The token itself is not said. */
static void stop_at_token(struct script *script, const struct prompt *prompt)
{
    for (unsigned i = 0; i < script->block_count; i++) {
        struct script_block *block = &script->blocks[i];
        struct str rest = block->text;
        struct str token;

        if (block->kind != SCRIPT_TEXT)
            continue;
        while (tokenizer_next(&rest, &token)) {
            if (!is_stop_token(prompt, token))
                continue;
            script->stop_token = tokenizer_number(token);
            block->text = str_slice(block->text, 0,
                                    (size_t)(token.ptr - block->text.ptr));
            end_with(script, i, SCRIPT_STOP_TOKEN);
            return;
        }
    }
}

static void limit(struct script *script, size_t most, enum script_end end)
{
    size_t left = most;

    for (unsigned i = 0; i < script->block_count; i++) {
        struct script_block *block = &script->blocks[i];
        struct str rest = block->text;
        struct str token;

        while (left > 0 && tokenizer_next(&rest, &token))
            left--;
        if (rest.len == 0)
            continue;
        block->text = str_slice(block->text, 0, block->text.len - rest.len);
        block->is_cut = true;
        /* a block of which nothing would be said is not begun */
        end_with(script, block->text.len == 0 && i > 0 ? i - 1 : i, end);
        return;
    }
}

static void measure(struct script *script)
{
    script->thinking_tokens = 0;
    for (unsigned i = 0; i < script->block_count; i++)
        if (script->blocks[i].kind == SCRIPT_THINKING ||
            script->blocks[i].kind == SCRIPT_REDACTED)
            script->thinking_tokens += tokenizer_count(script->blocks[i].text);
    script->tokens = count(script);
}

void script_trim(struct arena *arena, struct script *script,
                 const struct prompt *prompt)
{
    fill(arena, script, prompt->min_tokens);
    stop_at_text(script, prompt);
    if (prompt->stop_token_count > 0)
        stop_at_token(script, prompt);
    if (prompt->max_tokens > 0)
        limit(script, prompt->max_tokens, SCRIPT_LENGTH);
    measure(script);
    /* it was made to go on until the limit */
    if (script->tokens > 0 && script->tokens == prompt->max_tokens &&
        prompt->min_tokens >= prompt->max_tokens)
        script->end = SCRIPT_LENGTH;
}

void script_refuse(struct script *script, size_t tokens)
{
    limit(script, tokens, SCRIPT_REFUSAL);
    if (tokens == 0)
        script->block_count = 0;
    script->end = SCRIPT_REFUSAL;
    measure(script);
}

/* --- speaking ----------------------------------------------------------- */

void voice_init(struct voice *voice, const struct script *script,
                unsigned index)
{
    *voice = (struct voice){.script = script, .index = index};
}

static bool is_done(const struct voice *voice, unsigned block)
{
    return voice->rests[block].ptr != NULL && voice->rests[block].len == 0;
}

/* Whose turn it is among the calls behind the present one, from the front
 * again when there is none left. */
static unsigned next_call(const struct voice *voice)
{
    unsigned count = voice->script->block_count;

    for (unsigned k = 1; k <= count; k++) {
        unsigned i = (voice->block + k) % count;

        if (voice->script->blocks[i].kind == SCRIPT_CALL && !is_done(voice, i))
            return i;
    }
    return voice->block;
}

/* The block to go on with; block_count when all is said. */
static unsigned next_block(const struct voice *voice)
{
    const struct script *script = voice->script;
    unsigned i = voice->block;

    if (script->is_interleaved && script->block_count > 0 &&
        voice->rests[i].ptr != NULL && script->blocks[i].kind == SCRIPT_CALL)
        i = next_call(voice);
    while (i < script->block_count && is_done(voice, i))
        i++;
    return i;
}

bool voice_next(struct voice *voice, struct beat *beat)
{
    const struct script *script = voice->script;
    unsigned number = next_block(voice);
    struct str *rest;

    if (number == script->block_count)
        return false;
    rest = &voice->rests[number];
    voice->block = number;
    *beat = (struct beat){
        .block = &script->blocks[number],
        .number = number,
        .opens = rest->ptr == NULL,
    };
    if (beat->opens)
        *rest = beat->block->text.ptr == NULL ? STR("") : beat->block->text;
    if (tokenizer_next(rest, &beat->piece))
        voice->spoken++;
    beat->closes = rest->len == 0;
    beat->is_last = beat->closes && next_block(voice) == script->block_count;
    return true;
}
