#include "recall.h"

#include <stdio.h>

/* As much as one request may bring back. */
static const size_t note_max = 8 * 1024 * 1024;

static const uint64_t hash_start = UINT64_C(14695981039346656037);

/* FNV-1a: it tells an edited text from the same one, no more. */
static uint64_t hash_text(uint64_t hash, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(1099511628211);
    return hash;
}

void recall_init(struct recall *recall, struct arena *arena)
{
    *recall = (struct recall){.arena = arena, .hash = hash_start};
    buf_init(&recall->blocks, note_max);
    recall->out = json_out_to(&recall->blocks);
}

void recall_fini(struct recall *recall)
{
    buf_fini(&recall->blocks);
}

/* --- an answer becomes a note ------------------------------------------- */

static void take_text(struct recall *recall, struct str text)
{
    recall->hash = hash_text(recall->hash, text);
    recall->run += text.len;
}

static void end_run(struct recall *recall)
{
    struct json_out *out = &recall->out;

    if (recall->run == 0)
        return;
    json_open(out, '{');
    json_member_i64(out, STR("text"), (int64_t)recall->run);
    json_close(out, '}');
    recall->run = 0;
}

static void take_thinking(struct recall *recall, const struct chat_block *block)
{
    struct json_out *out = &recall->out;
    bool is_redacted = block->kind == CHAT_BLOCK_REDACTED;

    if (!is_redacted && block->signature.len == 0)
        return;
    end_run(recall);
    recall->has_thinking = true;
    json_open(out, '{');
    if (is_redacted) {
        json_member_str(out, STR("type"), STR("redacted_thinking"));
        json_member_str(out, STR("data"), block->text);
    } else {
        json_member_str(out, STR("type"), STR("thinking"));
        json_member_str(out, STR("thinking"), block->text);
        json_member_str(out, STR("signature"), block->signature);
    }
    json_close(out, '}');
}

static void take_call(struct recall *recall, const struct chat_call *call)
{
    struct json_out *out = &recall->out;

    end_run(recall);
    if (recall->first_id.ptr == NULL)
        recall->first_id = arena_copy(recall->arena, call->id);
    json_open(out, '{');
    json_member_str(out, STR("call"), call->id);
    json_close(out, '}');
    recall->is_worth_it = recall->has_thinking;
}

void recall_event(struct recall *recall, const struct chat_event *event)
{
    switch (event->kind) {
    case CHAT_EVENT_TEXT:
        take_text(recall, event->text);
        break;
    case CHAT_EVENT_BLOCK:
        take_thinking(recall, &event->block);
        break;
    case CHAT_EVENT_CALL:
        take_call(recall, &event->call);
        break;
    default:
        break;
    }
}

static bool has_thoughts(const struct chat_answer *answer)
{
    for (unsigned i = 0; i < answer->block_count; i++)
        if (answer->blocks[i].kind == CHAT_BLOCK_THINKING ||
            answer->blocks[i].kind == CHAT_BLOCK_REDACTED)
            return true;
    return false;
}

void recall_answer(struct recall *recall, const struct chat_answer *answer)
{
    if (!has_thoughts(answer))
        return; /* nothing will be worth it */
    for (unsigned i = 0; i < answer->block_count; i++) {
        const struct chat_block *block = &answer->blocks[i];

        if (block->kind == CHAT_BLOCK_TEXT)
            take_text(recall, block->text);
        else if (block->kind == CHAT_BLOCK_CALL)
            take_call(recall, &block->call);
        else
            take_thinking(recall, block);
    }
}

struct str recall_note(struct recall *recall)
{
    if (!recall->is_worth_it || buf_failed(&recall->blocks))
        return (struct str){NULL, 0};
    end_run(recall);
    return arena_printf(
        recall->arena, "{\"hash\":\"%016llx\",\"blocks\":[%.*s]}",
        (unsigned long long)recall->hash, STR_ARG(buf_str(&recall->blocks)));
}

/* --- and is put back ---------------------------------------------------- */

/* All that a message says, in one text.  False where there is more in it than
 * text, calls and thinking.  If the caller has kept the thinking himself, the
 * note has the same, and knows where it stood. */
static bool join_texts(struct arena *arena, const struct chat_message *message,
                       struct str *text)
{
    *text = STR("");
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];

        if (part->kind == CHAT_CALL || part->kind == CHAT_THINKING)
            continue;
        if (part->kind != CHAT_TEXT)
            return false;
        *text =
            text->len == 0 ? part->text : arena_join(arena, *text, part->text);
    }
    return true;
}

static bool has_hash(yyjson_val *root, struct str text)
{
    char hex[17];

    (void)snprintf(hex, sizeof(hex), "%016llx",
                   (unsigned long long)hash_text(hash_start, text));
    return str_eq(json_get_text(root, STR("hash")), str_of(hex));
}

/* The next parts of the message, as the note has them. */
struct rebuilt {
    struct chat *chat;
    struct chat_message *message;
    struct str text; /* what is left of it */
    struct chat_part *parts;
    unsigned part_count;
    unsigned call_count;
};

static bool rebuild_block(struct rebuilt *new, yyjson_val *block)
{
    struct chat_part *part = &new->parts[new->part_count++];
    struct str id = json_get_text(block, STR("call"));
    int64_t run = json_get_i64(block, STR("text"));

    if (id.ptr != NULL) {
        if (new->call_count == new->message->call_count ||
            !str_eq(new->message->calls[new->call_count].id, id))
            return false;
        part->kind = CHAT_CALL;
        part->call = new->call_count++;
        return true;
    }
    if (run > 0) {
        if ((size_t)run > new->text.len)
            return false;
        part->text = str_slice(new->text, 0, (size_t)run);
        new->text = str_slice(new->text, (size_t)run, new->text.len);
        return true;
    }
    chat_thinking(new->chat, block, part);
    return true;
}

/* A breakpoint of the caller's stays, behind the last text. */
static void keep_cache(const struct chat_message *message,
                       const struct rebuilt *new)
{
    struct chat_part *last = NULL;

    for (unsigned i = 0; i < new->part_count; i++)
        if (new->parts[i].kind == CHAT_TEXT)
            last = &new->parts[i];
    for (unsigned i = 0; i < message->part_count && last != NULL; i++)
        if (message->parts[i].cache != NULL)
            last->cache = message->parts[i].cache;
}

bool recall_apply(struct arena *arena, struct chat *chat,
                  struct chat_message *message, struct str note)
{
    struct rebuilt new = {.chat = chat, .message = message};
    struct json_doc doc;
    struct json_error ignored;
    yyjson_val *blocks;

    if (!join_texts(arena, message, &new.text) ||
        !json_read(arena, note, &doc, &ignored) ||
        !has_hash(doc.root, new.text))
        return false;
    blocks = json_get(doc.root, STR("blocks"));
    new.parts =
        ARENA_ARRAY(arena, struct chat_part, yyjson_arr_size(blocks) + 1);
    json_each_item (block, blocks) {
        if (!rebuild_block(&new, block))
            return false;
    }
    if (new.call_count != message->call_count)
        return false;
    keep_cache(message, &new);
    message->parts = new.parts;
    message->part_count = new.part_count;
    return true;
}
