/* OpenAI Responses: the items of a conversation, into messages.
 *
 *   message                    a message; the assistant's joins its turn
 *   reasoning, …_call          parts of the assistant's turn, in their order
 *   …_call_output              the result of a call
 *   tool_search_output         the result of a search, which brings tools
 *   item_reference             an item that is remembered elsewhere
 *
 * Everything of the assistant's up to the next message or output is one
 * message.  Items of other types have no place here and are named. */
#include "responses_private.h"

enum item_type {
    ITEM_OTHER,
    ITEM_MESSAGE,
    ITEM_REASONING,
    ITEM_CALL,
    ITEM_CUSTOM_CALL,
    ITEM_SEARCH,
    ITEM_OUTPUT,
    ITEM_FOUND,
    ITEM_REFERENCE,
};

struct items {
    struct field_reader *r;
    const struct responses_past *past;
    yyjson_val **known;      /* items that references may mean */
    struct strmap known_ids; /* id → 1 + the place in `known` */
    struct responses_found found;
    unsigned index;            /* input[index] */
    bool is_past;              /* what is read was said in an earlier turn */
    struct chat_message *turn; /* the assistant's, if it is still going on */
};

static struct str item_path(struct items *t, const char *rest)
{
    return arena_printf(t->r->arena, "input[%u]%s", t->index, rest);
}

/* The path is made only when it is needed. */
static bool take_text(struct items *t, yyjson_val *item, struct str key,
                      struct str *out)
{
    return field_get_text(item, key, out) ||
           field_take_text(t->r, item, key, item_path(t, ""), out);
}

static bool is_assistant(yyjson_val *item)
{
    return str_eq(json_get_text(item, STR("role")), STR("assistant"));
}

static enum item_type type_of(yyjson_val *item)
{
    static const struct {
        struct str name;
        enum item_type type;
    } types[] = {
        {STR_INIT("message"), ITEM_MESSAGE},
        {STR_INIT("reasoning"), ITEM_REASONING},
        {STR_INIT("function_call"), ITEM_CALL},
        {STR_INIT("custom_tool_call"), ITEM_CUSTOM_CALL},
        {STR_INIT("tool_search_call"), ITEM_SEARCH},
        {STR_INIT("function_call_output"), ITEM_OUTPUT},
        {STR_INIT("custom_tool_call_output"), ITEM_OUTPUT},
        {STR_INIT("tool_search_output"), ITEM_FOUND},
        {STR_INIT("item_reference"), ITEM_REFERENCE},
    };
    yyjson_val *type = json_get(item, STR("type"));
    struct str name = json_text(type);
    enum item_type found = ITEM_OTHER;

    if (type == NULL && json_get(item, STR("role")) != NULL)
        return ITEM_MESSAGE;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(name, types[i].name))
            found = types[i].type;
    /* a search that a server did has no id that joins call and result */
    if ((found == ITEM_SEARCH || found == ITEM_FOUND) &&
        json_get(item, STR("call_id")) == NULL)
        return ITEM_OTHER;
    return found;
}

/* What is said by item, and its type: itself, or what it refers to; NULL when
 * nobody knows that. */
static yyjson_val *meant_by(struct items *t, yyjson_val *item,
                            enum item_type *type)
{
    yyjson_val *meant = item;

    *type = type_of(item);
    if (*type == ITEM_REFERENCE) {
        size_t *place = NULL;

        if (t->known != NULL)
            place = strmap_find(&t->known_ids, json_get_text(item, STR("id")));
        meant = place == NULL ? NULL : t->known[*place - 1];
        *type = meant == NULL ? ITEM_OTHER : type_of(meant);
    }
    return meant;
}

/* Each stored item comes once: a thousand references must not make it a
 * thousand times as much. */
static void use_up(struct items *t, yyjson_val *reference)
{
    struct str id = json_get_text(reference, STR("id"));

    t->known[*strmap_find(&t->known_ids, id) - 1] = NULL;
}

/* --- items -------------------------------------------------------------- */

static struct chat_message *message_add(struct items *t, enum chat_role role,
                                        size_t parts)
{
    struct chat *chat = t->r->chat;
    struct chat_message *message = &chat->messages[chat->message_count++];

    message->role = role;
    message->index = t->index;
    message->parts = ARENA_ARRAY(t->r->arena, struct chat_part, parts);
    t->turn = NULL;
    return message;
}

static bool read_message(struct items *t, yyjson_val *item)
{
    static const struct {
        struct str name;
        enum chat_role role;
    } roles[] = {
        {STR_INIT("user"), CHAT_USER},
        {STR_INIT("assistant"), CHAT_ASSISTANT},
        {STR_INIT("system"), CHAT_SYSTEM},
        {STR_INIT("developer"), CHAT_SYSTEM},
    };
    yyjson_val *content = json_get(item, STR("content"));
    struct str role;
    size_t i = 0;

    if (!take_text(t, item, STR("role"), &role))
        return false;
    if (role.len == 0)
        return field_missing(t->r, item_path(t, ".role"));
    while (i < COUNT_OF(roles) && !str_eq(role, roles[i].name))
        i++;
    if (i == COUNT_OF(roles))
        return field_unknown_value(t->r, item_path(t, ".role"),
                                   "one of user, assistant, system, developer",
                                   role);
    if (roles[i].role == CHAT_ASSISTANT)
        return responses_read_content(t->r, t->index, "content", content,
                                      t->turn);
    return responses_read_content(
        t->r, t->index, "content", content,
        message_add(t, roles[i].role, yyjson_arr_size(content) + 1));
}

static struct str as_text(struct arena *arena, yyjson_val *value)
{
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str copy;

    buf_init(&text, SIZE_MAX / 2);
    json_put_val(&out, value);
    copy = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static bool read_call(struct items *t, yyjson_val *item, enum item_type type)
{
    bool is_custom = type == ITEM_CUSTOM_CALL;
    struct chat_part *part = &t->turn->parts[t->turn->part_count++];
    struct chat_call *call = &t->turn->calls[t->turn->call_count];
    struct str key = is_custom ? STR("input") : STR("arguments");
    yyjson_val *arguments = json_get(item, key);
    struct str space;

    part->kind = CHAT_CALL;
    part->call = t->turn->call_count++;
    call->is_custom = is_custom;
    if (!take_text(t, item, STR("call_id"), &call->id) ||
        !take_text(t, item, STR("name"), &call->name) ||
        !take_text(t, item, STR("namespace"), &space))
        return false;
    if (call->id.len == 0)
        return field_missing(t->r, item_path(t, ".call_id"));
    if (type == ITEM_SEARCH)
        call->name = RESPONSES_SEARCH;
    else if (call->name.len == 0)
        return field_missing(t->r, item_path(t, ".name"));
    else
        call->name = responses_full_name(t->r->arena, space, call->name);
    if (yyjson_is_obj(arguments)) /* not by the book, but clear */
        call->arguments = as_text(t->r->arena, arguments);
    else if (!take_text(t, item, key, &call->arguments))
        return false;
    t->r->chat->characters +=
        str_code_points(call->name) + str_code_points(call->arguments);
    return true;
}

static bool read_output(struct items *t, yyjson_val *item)
{
    yyjson_val *output = json_get(item, STR("output"));
    struct chat_message *message =
        message_add(t, CHAT_TOOL, yyjson_arr_size(output) + 1);

    if (!take_text(t, item, STR("call_id"), &message->call_id))
        return false;
    if (message->call_id.len == 0)
        return field_missing(t->r, item_path(t, ".call_id"));
    return responses_read_content(t->r, t->index, "output", output, message);
}

/* The tools are there from now on; the model is told their names. */
static bool read_found(struct items *t, yyjson_val *item)
{
    struct chat_message *message = message_add(t, CHAT_TOOL, 1);
    struct chat *chat = t->r->chat;
    unsigned first = chat->tool_count;
    struct buf says;

    if (!take_text(t, item, STR("call_id"), &message->call_id) ||
        !responses_add_tools(t->r, json_get(item, STR("tools")),
                             item_path(t, ".tools"), &t->found))
        return false;
    buf_init(&says, SIZE_MAX / 2);
    for (unsigned i = first; i < chat->tool_count; i++) {
        buf_put(&says, i == first ? STR("Found: ") : STR(", "));
        buf_put(&says, names_plain(t->r->arena, chat->tools[i].name));
    }
    if (says.len == 0)
        buf_put(&says, STR("Nothing else was found."));
    message->content_is_string = true;
    message->part_count = 1;
    message->parts[0].text = arena_copy(t->r->arena, buf_str(&says));
    chat->characters += str_code_points(message->parts[0].text);
    buf_fini(&says);
    return true;
}

/* --- lists of items ----------------------------------------------------- */

/* Whether it belongs to the assistant's turn. */
static bool is_said(yyjson_val *item, enum item_type type)
{
    switch (type) {
    case ITEM_REASONING:
    case ITEM_CALL:
    case ITEM_CUSTOM_CALL:
    case ITEM_SEARCH:
        return true;
    case ITEM_MESSAGE:
        return is_assistant(item);
    default:
        return false;
    }
}

/* Opens the turn that begins with `from`, with room for all of it. */
static void turn_open(struct items *t, yyjson_val *from, yyjson_val *end)
{
    size_t parts = 0, calls = 0;

    for (yyjson_val *item = from; item != end;
         item = unsafe_yyjson_get_next(item)) {
        enum item_type type;
        yyjson_val *meant = meant_by(t, item, &type);

        if (type == ITEM_OTHER)
            continue;
        if (!is_said(meant, type))
            break;
        parts += yyjson_arr_size(json_get(meant, STR("content"))) + 1;
        calls += type == ITEM_CALL || type == ITEM_CUSTOM_CALL ||
                 type == ITEM_SEARCH;
    }
    t->turn = message_add(t, CHAT_ASSISTANT, parts);
    t->turn->calls = ARENA_ARRAY(t->r->arena, struct chat_call, calls);
}

enum { REFERENCES_MAX = 100 };

/* What may be found in the response that the item is of, if it is ours. */
static bool add_reference(struct items *t, struct str item_id)
{
    struct chat *chat = t->r->chat;
    struct str id = responses_id_of_item(t->r->arena, item_id);

    if (t->past != NULL || id.len == 0)
        return false;
    for (unsigned i = 0; i < chat->reference_count; i++)
        if (str_eq(chat->references[i], id))
            return true;
    if (chat->reference_count == REFERENCES_MAX)
        return false;
    if (chat->references == NULL)
        chat->references = ARENA_ARRAY(t->r->arena, struct str, REFERENCES_MAX);
    chat->references[chat->reference_count++] = id;
    return true;
}

/* What a model thought is not worth a refusal; of all else the caller believes
 * that it is said. */
static bool miss_reference(struct items *t, yyjson_val *item)
{
    struct str id = json_get_text(item, STR("id"));
    struct str shown = str_clip(id, 80);
    struct str path = item_path(t, ".id");

    if (id.len == 0)
        return field_missing(t->r, path);
    if (add_reference(t, id))
        return true;
    if (str_starts(id, STR("rs_"))) {
        chat_other(t->r->chat, t->r->arena, STR("input[].item_reference"));
        return true;
    }
    return chat_refuse(
        t->r->error, t->r->arena, ERR_UNSUPPORTED_PARAMETER, path,
        "%.*s: no item \"%.*s\" is stored, or it was here before; send the "
        "item itself",
        STR_ARG(path), STR_ARG(shown));
}

/* Members of items: an item's own id and status say nothing to a model.  What
 * is remembered was said by others than this request. */
static void note_item(struct items *t, yyjson_val *item, enum item_type type)
{
    static const struct str common[] = {STR_INIT("type"), STR_INIT("id"),
                                        STR_INIT("status")};
    static const struct str own[][4] = {
        [ITEM_MESSAGE] = {STR_INIT("role"), STR_INIT("content")},
        [ITEM_REASONING] = {STR_INIT("summary"), STR_INIT("content"),
                            STR_INIT("encrypted_content")},
        [ITEM_CALL] = {STR_INIT("call_id"), STR_INIT("name"),
                       STR_INIT("namespace"), STR_INIT("arguments")},
        [ITEM_CUSTOM_CALL] = {STR_INIT("call_id"), STR_INIT("name"),
                              STR_INIT("namespace"), STR_INIT("input")},
        /* a result's name is its call's */
        [ITEM_OUTPUT] = {STR_INIT("call_id"), STR_INIT("output"),
                         STR_INIT("name"), STR_INIT("namespace")},
        [ITEM_SEARCH] = {STR_INIT("call_id"), STR_INIT("arguments"),
                         STR_INIT("execution")},
        [ITEM_FOUND] = {STR_INIT("call_id"), STR_INIT("tools"),
                        STR_INIT("execution")},
        [ITEM_REFERENCE] = {{NULL, 0}},
    };
    struct str known[COUNT_OF(common) + COUNT_OF(own[0])];

    if (t->is_past)
        return;
    memcpy(known, common, sizeof(common));
    memcpy(known + COUNT_OF(common), own[type], sizeof(own[type]));
    FIELD_NOTE_OTHERS(t->r, item, "input[].", known);
}

static bool read_item(struct items *t, yyjson_val *item, yyjson_val *end)
{
    yyjson_val *meant;
    enum item_type type;

    if (!yyjson_is_obj(item))
        return field_wrong_type(t->r, item_path(t, ""), "an object", item);
    meant = meant_by(t, item, &type);
    if (meant == NULL)
        return miss_reference(t, item);
    if (is_said(meant, type) && t->turn == NULL)
        turn_open(t, item, end);
    if (meant != item)
        use_up(t, item);
    else if (type != ITEM_OTHER)
        note_item(t, item, type);
    switch (type) {
    case ITEM_MESSAGE:
        return read_message(t, meant);
    case ITEM_REASONING:
        responses_read_reasoning(t->r, meant,
                                 &t->turn->parts[t->turn->part_count++]);
        return true;
    case ITEM_CALL:
    case ITEM_CUSTOM_CALL:
    case ITEM_SEARCH:
        return read_call(t, meant, type);
    case ITEM_OUTPUT:
        return read_output(t, meant);
    case ITEM_FOUND:
        return read_found(t, meant);
    case ITEM_REFERENCE:
    case ITEM_OTHER:
        break;
    }
    if (json_get(meant, STR("type")) == NULL)
        return field_missing(t->r, item_path(t, ".type"));
    field_note(t->r, STR("input[]."), json_get_text(meant, STR("type")));
    return true;
}

/* A string is what the user says. */
static bool read_list(struct items *t, yyjson_val *value)
{
    yyjson_val *end = json_end(value, YYJSON_TYPE_ARR);

    t->turn = NULL;
    t->index = 0;
    if (yyjson_is_str(value)) {
        struct chat_message *message = message_add(t, CHAT_USER, 1);

        return responses_read_content(t->r, t->index, "content", value,
                                      message);
    }
    if (!yyjson_is_arr(value))
        return field_wrong_type(t->r, STR("input"), "a string or an array",
                                value);
    json_each_item (item, value) {
        if (!read_item(t, item, end))
            return false;
        t->index++;
    }
    return true;
}

/* --- the whole conversation --------------------------------------------- */

/* A text that is remembered: the items in it. */
static bool parse_past(struct items *t, struct str text, yyjson_val **list)
{
    struct json_error trouble;
    struct json_doc doc;

    if (!json_read(t->r->arena, text, &doc, &trouble))
        return chat_refuse(t->r->error, t->r->arena,
                           trouble.fault == JSON_NO_MEMORY ? ERR_MEMORY_BUDGET
                                                           : ERR_TOO_COMPLEX,
                           STR("previous_response_id"),
                           "previous_response_id: what was said before cannot "
                           "be read again: %s",
                           trouble.says);
    *list =
        yyjson_is_obj(doc.root) ? json_get(doc.root, STR("output")) : doc.root;
    return true;
}

static bool parse_all(struct items *t, const struct str *texts, size_t count,
                      yyjson_val ***lists)
{
    *lists = ARENA_ARRAY(t->r->arena, yyjson_val *, count);
    for (size_t i = 0; i < count; i++)
        if (!parse_past(t, texts[i], &(*lists)[i]))
            return false;
    return true;
}

static bool know(struct items *t, const struct chat *chat)
{
    yyjson_val **lists;
    size_t count = 0;

    if (!parse_all(t, chat->known, chat->known_count, &lists))
        return false;
    for (unsigned i = 0; i < chat->known_count; i++)
        count += yyjson_arr_size(lists[i]);
    t->known = ARENA_ARRAY(t->r->arena, yyjson_val *, count + 1);
    strmap_init(&t->known_ids, t->r->arena);
    count = 0;
    for (unsigned i = 0; i < chat->known_count; i++) {
        json_each_item (item, lists[i]) {
            struct str id = json_get_text(item, STR("id"));

            if (id.len == 0 || type_of(item) == ITEM_REFERENCE)
                continue;
            t->known[count++] = item;
            *strmap_at(&t->known_ids, id) = count;
        }
    }
    return true;
}

static void add_instructions(struct items *t, yyjson_val *text)
{
    struct chat_message *message = message_add(t, CHAT_SYSTEM, 1);

    message->content_is_string = true;
    message->part_count = 1;
    message->parts[0].text = json_text(text);
    t->r->chat->characters += str_code_points(message->parts[0].text);
}

bool responses_read_messages(struct field_reader *r,
                             const struct responses_past *past)
{
    struct chat *chat = r->chat;
    yyjson_val *input = json_get(chat->doc.root, STR("input"));
    yyjson_val *instructions = json_get(chat->doc.root, STR("instructions"));
    size_t turn_count = past == NULL ? 0 : past->turn_count;
    struct items items = {.r = r, .past = past};
    yyjson_val **turns = NULL;
    size_t most = yyjson_arr_size(input) + 2;

    if (past != NULL && (!parse_all(&items, past->turns, turn_count, &turns) ||
                         !know(&items, chat)))
        return false;
    for (size_t i = 0; i < turn_count; i++)
        most += yyjson_arr_size(turns[i]) + 1;
    chat->messages = ARENA_ARRAY(r->arena, struct chat_message, most);
    chat->message_count = 0;
    if (instructions != NULL)
        add_instructions(&items, instructions);
    items.is_past = true;
    for (size_t i = 0; i < turn_count; i++)
        if (!read_list(&items, turns[i]))
            return false;
    items.is_past = false;
    return read_list(&items, input);
}
