#include "prefix.h"

#include "spell.h"

enum { BLOCK_TOKENS = 16, SHORT_MINUTES = 5, MINUTE_MS = 60 * 1000 };

/* A walk over the boundaries of a prompt, from its front. */
struct walk {
    const struct prompt *prompt;
    unsigned tool;
    unsigned message;
    unsigned part;
    uint64_t hash;    /* of everything up to the boundary */
    size_t tokens;    /* the same */
    unsigned minutes; /* of the breakpoint here, 0 when there is none */
};

static void fold(struct walk *walk, struct str s)
{
    walk->hash = spell_mix(walk->hash ^ str_fnv1a64(s) ^ s.len);
}

/* Numbers, keys and texts: whatever makes two schemas differ. */
static void fold_value(struct walk *walk, yyjson_val *value)
{
    json_each_member (key, member, value) {
        fold(walk, json_text(key));
        fold_value(walk, member);
    }
    json_each_item (item, value) {
        fold_value(walk, item);
    }
    fold(walk, json_text(value));
    fold(walk, json_number_text(value));
}

static struct walk walk_begin(const struct prompt *prompt)
{
    struct walk walk = {.prompt = prompt, .hash = str_fnv1a64(prompt->model)};

    return walk;
}

static void pass_tool(struct walk *walk)
{
    const struct prompt_tool *tool = &walk->prompt->tools[walk->tool++];

    fold(walk, tool->name);
    fold(walk, tool->description);
    fold_value(walk, tool->schema);
    walk->tokens += prompt_tool_tokens(tool);
    walk->minutes = tool->cache_minutes;
}

static void pass_part(struct walk *walk, const struct prompt_message *message)
{
    const struct prompt_part *part = &message->parts[walk->part++];

    walk->hash ^= (uint64_t)message->role + 1;
    fold(walk, part->text);
    fold(walk, part->name);
    fold(walk, part->bytes);
    walk->tokens += prompt_part_tokens(part);
    walk->minutes = part->cache_minutes;
}

static bool walk_next(struct walk *walk)
{
    const struct prompt *prompt = walk->prompt;

    if (walk->tool < prompt->tool_count) {
        pass_tool(walk);
        return true;
    }
    while (walk->message < prompt->message_count) {
        const struct prompt_message *message = &prompt->messages[walk->message];

        if (walk->part == 0)
            walk->tokens += PROMPT_MESSAGE_TOKENS;
        if (walk->part < message->part_count) {
            pass_part(walk, message);
            return true;
        }
        walk->message++;
        walk->part = 0;
    }
    return false;
}

static struct prefix_entry *entry_of(struct prefix_cache *cache, uint64_t hash)
{
    return &cache->entries[hash % PREFIX_ENTRIES];
}

static bool is_known(struct prefix_cache *cache, uint64_t hash, uint64_t now_ms)
{
    const struct prefix_entry *entry = entry_of(cache, hash);

    return entry->hash == hash && entry->until_ms > now_ms;
}

static void keep(struct prefix_cache *cache, const struct walk *walk,
                 uint64_t now_ms)
{
    *entry_of(cache, walk->hash) = (struct prefix_entry){
        .hash = walk->hash,
        .until_ms = now_ms + (uint64_t)walk->minutes * MINUTE_MS,
        .minutes = walk->minutes,
    };
}

void prefix_use_marked(struct prefix_cache *cache, const struct prompt *prompt,
                       uint64_t now_ms, struct prefix_use *use)
{
    struct walk walk = walk_begin(prompt);
    size_t known = 0; /* of the longest known beginning, as far as walked */
    size_t written = 0;

    *use = (struct prefix_use){0};
    while (walk_next(&walk)) {
        if (is_known(cache, walk.hash, now_ms))
            known = walk.tokens;
        if (walk.minutes == 0)
            continue;
        if (known > use->read) {
            /* what was thought to be written before is read after all */
            use->read = known;
            use->written_5m = use->written_1h = 0;
            written = known;
        }
        if (walk.minutes == SHORT_MINUTES)
            use->written_5m += walk.tokens - written;
        else
            use->written_1h += walk.tokens - written;
        written = walk.tokens;
        keep(cache, &walk, now_ms);
    }
    use->rest =
        prompt_tokens(prompt) - use->read - use->written_5m - use->written_1h;
}

void prefix_use_all(struct prefix_cache *cache, const struct prompt *prompt,
                    struct prefix_use *use)
{
    struct walk walk = walk_begin(prompt);
    size_t total = prompt_tokens(prompt);

    *use = (struct prefix_use){0};
    while (walk_next(&walk)) {
        if (is_known(cache, walk.hash, 0))
            use->read = walk.tokens;
        walk.minutes = 1;
        keep(cache, &walk, 0);
    }
    /* whole blocks, and the last token is always computed */
    if (use->read >= total)
        use->read = total - 1;
    use->read -= use->read % BLOCK_TOKENS;
    use->rest = total - use->read;
}
