/* Messages sorted into turns, as Anthropic wants them: user and assistant one
 * after the other, no blank text, every tool call answered in the very next
 * turn, ids unique and of plain characters. */
#include "anthropic_private.h"
#include "check.h"

bool anthropic_is_blank(const struct chat_part *part)
{
    return (part->kind == CHAT_TEXT || part->kind == CHAT_REFUSAL) &&
           str_is_blank(part->text);
}

bool anthropic_has_parts(const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];

        if (part->kind != CHAT_THINKING && part->kind != CHAT_CALL &&
            !anthropic_is_blank(part))
            return true;
    }
    return false;
}

static struct anthropic_turn *last_turn(struct anthropic_writer *w)
{
    return w->turn_count == 0 ? NULL : &w->turns[w->turn_count - 1];
}

static struct anthropic_turn *turn_add(struct anthropic_writer *w,
                                       bool is_assistant)
{
    struct anthropic_turn *turn;

    check(w->turns != NULL); /* there is room for each message */
    turn = &w->turns[w->turn_count++];
    *turn = (struct anthropic_turn){
        .is_assistant = is_assistant,
        .first_piece = w->piece_count,
        .first_call = w->call_count,
    };
    return turn;
}

static struct anthropic_piece *piece_add(struct anthropic_writer *w,
                                         struct anthropic_turn *turn,
                                         unsigned message)
{
    struct anthropic_piece *piece = &w->pieces[w->piece_count++];

    *piece = (struct anthropic_piece){.message = message};
    turn->piece_count++;
    return piece;
}

/* Text blocks of a system message; they stand before all turns. */
static bool sort_system(struct anthropic_writer *w,
                        const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];

        if (part->kind != CHAT_TEXT)
            return anthropic_refuse_part(w, message->index, part,
                                         "a system message can hold text only");
        if (str_is_blank(part->text))
            continue;
        w->system[w->system_count++] = (struct anthropic_piece){
            .text = part->text, .part = part, .message = message->index};
    }
    return true;
}

/* An id that no earlier call has. */
static struct str unique_id(struct anthropic_writer *w,
                            const struct chat_call *call, unsigned message,
                            unsigned k)
{
    struct str base = call->id.len > 0
                          ? names_token(w->arena, call->id)
                          : arena_printf(w->arena, "call_m%u_%u", message, k);
    size_t n = ++*strmap_at(&w->ids, base);
    struct str id = base;

    while (n > 1) {
        size_t *taken;

        id = arena_printf(w->arena, "%.*s_%zu", STR_ARG(base), n);
        taken = strmap_at(&w->ids, id);
        if ((*taken)++ == 0)
            break;
        n = ++*strmap_at(&w->ids, base);
    }
    return id;
}

static void take_call(struct anthropic_writer *w, struct anthropic_turn *turn,
                      const struct chat_message *message, unsigned k)
{
    const struct chat_call *call = &message->calls[k];
    size_t at = w->call_count++;
    size_t *last = strmap_at(&w->last_call, call->id);

    w->calls[at] = (struct anthropic_call){
        .call = call, .id = unique_id(w, call, message->index, k)};
    if (*last == 0)
        *strmap_at(&w->next_result, call->id) = at + 1;
    else
        w->calls[*last - 1].next_same = at + 1;
    *last = at + 1;
    turn->call_count++;
    piece_add(w, turn, message->index)->call = at + 1;
}

/* Thinking that Claude signed goes back unchanged; what another model thought
 * would be refused. */
static void take_part(struct anthropic_writer *w, struct anthropic_turn *turn,
                      const struct chat_message *message,
                      const struct chat_part *part)
{
    struct anthropic_piece *piece;

    if (part->kind == CHAT_CALL) {
        take_call(w, turn, message, part->call);
    } else if (part->kind == CHAT_THINKING) {
        if (part->block != NULL)
            piece_add(w, turn, message->index)->thinking = part->block;
    } else if (!anthropic_is_blank(part)) {
        piece = piece_add(w, turn, message->index);
        piece->part = part;
        if (part->kind == CHAT_TEXT || part->kind == CHAT_REFUSAL)
            piece->text = part->text;
    }
}

static void sort_user(struct anthropic_writer *w,
                      const struct chat_message *message)
{
    struct anthropic_turn *turn = last_turn(w);

    if (!anthropic_has_parts(message))
        return;
    if (turn == NULL || turn->is_assistant)
        turn = turn_add(w, false);
    for (unsigned i = 0; i < message->part_count; i++)
        take_part(w, turn, message, &message->parts[i]);
}

static bool has_thinking(const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++)
        if (message->parts[i].kind == CHAT_THINKING &&
            message->parts[i].block != NULL)
            return true;
    return false;
}

static void sort_assistant(struct anthropic_writer *w,
                           const struct chat_message *message)
{
    struct anthropic_turn *turn = last_turn(w);
    bool owes_refusal =
        !anthropic_has_parts(message) && !str_is_blank(message->refusal);

    if (!anthropic_has_parts(message) && !owes_refusal &&
        message->call_count == 0 && !has_thinking(message))
        return;
    if (turn == NULL || !turn->is_assistant || turn->has_results) {
        turn = turn_add(w, true);
        strmap_init(&w->next_result, w->arena);
        strmap_init(&w->last_call, w->arena);
    } else {
        turn->is_merged = true;
    }
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];

        if (owes_refusal && part->kind == CHAT_CALL) {
            piece_add(w, turn, message->index)->text = message->refusal;
            owes_refusal = false;
        }
        take_part(w, turn, message, part);
    }
    if (owes_refusal)
        piece_add(w, turn, message->index)->text = message->refusal;
}

static bool sort_result(struct anthropic_writer *w,
                        const struct chat_message *message)
{
    size_t *next = strmap_find(&w->next_result, message->call_id);
    const struct chat_words *words = w->chat->words;
    struct anthropic_turn *turn = NULL;
    size_t at;

    for (size_t i = w->turn_count; i > 0 && turn == NULL; i--)
        if (w->turns[i - 1].is_assistant)
            turn = &w->turns[i - 1];
    if (message->is_function && turn != NULL && turn->call_count > 0) {
        at = turn->first_call + turn->call_count - 1;
    } else if (message->is_function || next == NULL || turn == NULL) {
        struct str path =
            message->is_function
                ? arena_printf(w->arena, "messages[%u]", message->index)
                : arena_printf(w->arena, "%.*s[%u].%.*s",
                               STR_ARG(words->messages), message->index,
                               STR_ARG(words->call_id));
        struct str id = str_clip(message->call_id, 80);

        return chat_refuse(w->error, w->arena, ERR_BAD_VALUE, path,
                           "%.*s: no tool call with the id \"%.*s\" in the "
                           "assistant message before",
                           STR_ARG(path), STR_ARG(id));
    } else {
        at = *next - 1;
        if (w->calls[at].next_same != 0)
            *next = w->calls[at].next_same;
    }
    w->calls[at].result = message;
    turn->has_results = true;
    return true;
}

bool anthropic_sort_messages(struct anthropic_writer *w)
{
    const struct chat *chat = w->chat;
    size_t parts = 0;
    size_t calls = 0;

    for (unsigned i = 0; i < chat->message_count; i++) {
        const struct chat_message *message = &chat->messages[i];

        parts += message->part_count + 1;
        calls += message->call_count;
    }
    w->system = ARENA_ARRAY(w->arena, struct anthropic_piece, parts);
    w->pieces = ARENA_ARRAY(w->arena, struct anthropic_piece, parts);
    w->calls = ARENA_ARRAY(w->arena, struct anthropic_call, calls);
    w->turns =
        ARENA_ARRAY(w->arena, struct anthropic_turn, chat->message_count + 1);
    strmap_init(&w->ids, w->arena);
    strmap_init(&w->next_result, w->arena);
    strmap_init(&w->last_call, w->arena);
    for (unsigned i = 0; i < chat->message_count; i++) {
        const struct chat_message *message = &chat->messages[i];
        bool ok = true;

        switch (message->role) {
        case CHAT_SYSTEM:
            ok = sort_system(w, message);
            break;
        case CHAT_USER:
            sort_user(w, message);
            break;
        case CHAT_ASSISTANT:
            sort_assistant(w, message);
            break;
        case CHAT_TOOL:
            ok = sort_result(w, message);
            break;
        }
        if (!ok)
            return false;
    }
    if (w->turn_count == 0 && w->system_count > 0) {
        /* nothing but a system text: its last block is what is asked */
        struct anthropic_turn *turn = turn_add(w, false);

        *piece_add(w, turn, 0) = w->system[--w->system_count];
    }
    if (w->turn_count == 0)
        return chat_refuse(
            w->error, w->arena, ERR_BAD_VALUE, w->chat->words->messages,
            "%.*s: all of them are blank", STR_ARG(w->chat->words->messages));
    return true;
}
