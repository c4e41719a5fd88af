/* Content blocks and messages of Anthropic's requests. */
#include "anthropic_private.h"
#include "base64.h"

static struct str content_path(struct anthropic_writer *w, unsigned message,
                               unsigned part)
{
    const struct chat_words *words = w->chat->words;
    struct str list = w->is_in_result ? words->result : STR("content");

    return arena_printf(w->arena, "%.*s[%u].%.*s[%u]", STR_ARG(words->messages),
                        message, STR_ARG(list), part);
}

bool anthropic_refuse_part(struct anthropic_writer *w, unsigned message,
                           const struct chat_part *part, const char *why)
{
    struct str path = content_path(w, message, part->index);

    return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_CONTENT, path,
                       "%.*s: %s", STR_ARG(path), why);
}

void anthropic_put_cache(struct anthropic_writer *w, yyjson_val *cache)
{
    if (cache == NULL)
        return;
    if (w->skip_breakpoints > 0) {
        w->skip_breakpoints--;
        return;
    }
    json_key(&w->out, STR("cache_control"));
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("ephemeral"));
    if (str_eq(json_get_text(cache, STR("ttl")), STR("1h")))
        json_member_str(&w->out, STR("ttl"), STR("1h"));
    json_close(&w->out, '}');
}

void anthropic_put_text(struct anthropic_writer *w, struct str text,
                        yyjson_val *cache)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("text"));
    json_member_str(&w->out, STR("text"), text);
    anthropic_put_cache(w, cache);
    json_close(&w->out, '}');
}

/* The type that the bytes have, whatever was declared; empty when they are
 * none of the four. */
static struct str sniff_image(struct str data)
{
    unsigned char b[12] = {0};

    (void)base64_decode_front(data, b, sizeof(b));
    if (memcmp(b, "\x89PNG", 4) == 0)
        return STR("image/png");
    if (memcmp(b, "\xFF\xD8\xFF", 3) == 0)
        return STR("image/jpeg");
    if (memcmp(b, "GIF8", 4) == 0)
        return STR("image/gif");
    if (memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
        return STR("image/webp");
    return STR("");
}

static struct str image_type(const struct data_url *url)
{
    static const struct str taken[] = {
        STR_INIT("image/jpeg"), STR_INIT("image/png"), STR_INIT("image/gif"),
        STR_INIT("image/webp")};
    struct str type = sniff_image(url->data);

    if (type.len > 0)
        return type;
    if (str_eq_nocase(url->media_type, STR("image/jpg")))
        return taken[0];
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        if (str_eq_nocase(url->media_type, taken[i]))
            return taken[i];
    return STR("");
}

static void put_source(struct anthropic_writer *w, struct str type,
                       struct str media_type, struct str data)
{
    json_key(&w->out, STR("source"));
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), type);
    if (media_type.len > 0)
        json_member_str(&w->out, STR("media_type"), media_type);
    json_member_str(&w->out,
                    str_eq(type, STR("url")) ? STR("url") : STR("data"), data);
    json_close(&w->out, '}');
}

static void put_document(struct anthropic_writer *w, struct str title,
                         struct str type, struct str media_type,
                         struct str data, yyjson_val *cache)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("document"));
    if (title.len > 0)
        json_member_str(&w->out, STR("title"), title);
    put_source(w, type, media_type, data);
    anthropic_put_cache(w, cache);
    json_close(&w->out, '}');
}

/* What a part carries itself, as a data URL or apart. */
static bool take_data(const struct chat_part *part, struct data_url *url)
{
    if (part->data.len == 0)
        return data_url_parse(part->url, url);
    *url =
        (struct data_url){.media_type = part->media_type, .data = part->data};
    return true;
}

static bool put_image(struct anthropic_writer *w, const struct chat_part *part,
                      unsigned message)
{
    struct data_url url;
    struct str type;

    if (str_starts(part->url, STR("https://"))) {
        json_open(&w->out, '{');
        json_member_str(&w->out, STR("type"), STR("image"));
        put_source(w, STR("url"), STR(""), part->url);
        anthropic_put_cache(w, part->cache);
        json_close(&w->out, '}');
        return true;
    }
    if (str_starts(part->url, STR("http://")))
        return anthropic_refuse_part(
            w, message, part, "an image URL must begin with https:// or data:");
    if (!take_data(part, &url))
        return anthropic_refuse_part(
            w, message, part,
            "expected an https URL or data:<type>;base64,<data> "
            "with valid Base64");
    if (str_eq_nocase(url.media_type, STR("application/pdf"))) {
        put_document(w, STR(""), STR("base64"), STR("application/pdf"),
                     url.data, part->cache);
        return true;
    }
    type = image_type(&url);
    if (type.len == 0)
        return anthropic_refuse_part(
            w, message, part,
            "an image must be of type image/jpeg, image/png, "
            "image/gif or image/webp");
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("image"));
    put_source(w, STR("base64"), type, url.data);
    anthropic_put_cache(w, part->cache);
    json_close(&w->out, '}');
    return true;
}

static bool put_file(struct anthropic_writer *w, const struct chat_part *part,
                     unsigned message)
{
    struct data_url url;

    if (part->text.len > 0) {
        put_document(w, part->file_name, STR("text"), STR("text/plain"),
                     part->text, part->cache);
        return true;
    }
    if (str_starts(part->url, STR("https://"))) {
        put_document(w, part->file_name, STR("url"), STR(""), part->url,
                     part->cache);
        return true;
    }
    if (part->url.len == 0 && part->data.len == 0)
        return anthropic_refuse_part(
            w, message, part,
            "a file must come as file_data: this model's "
            "backend knows no file_id");
    if (!take_data(part, &url))
        return anthropic_refuse_part(
            w, message, part,
            "file_data: expected data:<type>;base64,<data> with "
            "valid Base64");
    if (str_eq_nocase(url.media_type, STR("application/pdf"))) {
        put_document(w, part->file_name, STR("base64"), STR("application/pdf"),
                     url.data, part->cache);
        return true;
    }
    if (str_eq_nocase(url.media_type, STR("text/plain"))) {
        struct str text = base64_decode(w->arena, url.data);

        if (!str_is_utf8(text) || str_is_blank(text))
            return anthropic_refuse_part(w, message, part,
                                         "a text file must hold UTF-8 text");
        put_document(w, part->file_name, STR("text"), STR("text/plain"), text,
                     part->cache);
        return true;
    }
    return anthropic_refuse_part(
        w, message, part,
        "a file must be of type application/pdf or text/plain");
}

static bool put_part(struct anthropic_writer *w, const struct chat_part *part,
                     unsigned message)
{
    switch (part->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
        anthropic_put_text(w, part->text, part->cache);
        return true;
    case CHAT_IMAGE:
        return put_image(w, part, message);
    case CHAT_FILE:
        return put_file(w, part, message);
    case CHAT_THINKING:
    case CHAT_CALL:
    case CHAT_OTHER:
        break;
    }
    {
        struct str kind = str_clip(part->text, 40);
        struct str path = content_path(w, message, part->index);

        return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_CONTENT, path,
                           "%.*s: the model's backend cannot take content of "
                           "type \"%.*s\"",
                           STR_ARG(path), STR_ARG(kind));
    }
}

void anthropic_put_call_input(struct json_out *out, struct arena *arena,
                              const struct chat_call *call)
{
    struct json_doc doc;
    struct json_error ignored;

    if (!call->is_custom) {
        if (str_is_blank(call->arguments) ||
            str_eq(str_trim(call->arguments), STR("null"))) {
            json_put_raw(out, STR("{}"));
            return;
        }
        if (json_read(arena, call->arguments, &doc, &ignored) &&
            yyjson_is_obj(doc.root)) {
            json_put_val(out, doc.root);
            return;
        }
    }
    json_open(out, '{');
    json_member_str(out,
                    call->is_custom ? STR("input") : STR("__raw_arguments"),
                    call->arguments);
    json_close(out, '}');
}

static void put_call(struct anthropic_writer *w,
                     const struct anthropic_call *call)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("tool_use"));
    json_member_str(&w->out, STR("id"), call->id);
    json_member_str(&w->out, STR("name"),
                    names_token(w->arena, call->call->name));
    json_key(&w->out, STR("input"));
    anthropic_put_call_input(&w->out, w->arena, call->call);
    json_close(&w->out, '}');
}

/* How closely to look, Claude decides. */
static void note_detail(struct anthropic_writer *w,
                        const struct chat_part *part, struct str prefix)
{
    if (part->detail.len > 0 && !str_eq(part->detail, STR("auto")))
        request_notes_drop(
            w->notes, w->arena,
            arena_join(w->arena, prefix, w->chat->words->detail));
}

static bool put_piece(struct anthropic_writer *w,
                      const struct anthropic_piece *piece)
{
    if (piece->call > 0) {
        put_call(w, &w->calls[piece->call - 1]);
        return true;
    }
    if (piece->thinking != NULL) {
        json_put_val(&w->out, piece->thinking);
        return true;
    }
    if (piece->part == NULL) {
        anthropic_put_text(w, piece->text, NULL);
        return true;
    }
    if (piece->text.len > 0) {
        anthropic_put_text(w, piece->text, piece->part->cache);
        return true;
    }
    note_detail(w, piece->part, w->chat->words->part);
    return put_part(w, piece->part, piece->message);
}

/* A breakpoint inside a result counts for the whole of it. */
yyjson_val *anthropic_result_cache(const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++)
        if (message->parts[i].cache != NULL &&
            !anthropic_is_blank(&message->parts[i]))
            return message->parts[i].cache;
    return NULL;
}

static bool put_result_content(struct anthropic_writer *w,
                               const struct chat_message *message)
{
    if (!anthropic_has_parts(message))
        return true; /* an empty result has no content at all */
    json_key(&w->out, STR("content"));
    if (message->content_is_string) {
        json_put_str(&w->out, message->parts[0].text);
        anthropic_put_cache(w, message->parts[0].cache);
        return true;
    }
    json_open(&w->out, '[');
    w->is_in_result = true;
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        struct chat_part bare;

        if (anthropic_is_blank(part))
            continue;
        if (part->kind == CHAT_FILE)
            return anthropic_refuse_part(
                w, message->index, part,
                "a tool result can hold text and images only");
        note_detail(w, part, w->chat->words->result_part);
        bare = *part;
        bare.cache = NULL;
        if (!put_part(w, &bare, message->index))
            return false;
    }
    w->is_in_result = false;
    json_close(&w->out, ']');
    anthropic_put_cache(w, anthropic_result_cache(message));
    return true;
}

static bool put_result(struct anthropic_writer *w,
                       const struct anthropic_call *call)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("tool_result"));
    json_member_str(&w->out, STR("tool_use_id"), call->id);
    if (call->result == NULL) {
        json_key(&w->out, STR("is_error"));
        json_put_bool(&w->out, true);
        json_member_str(&w->out, STR("content"),
                        STR("No result was provided for this tool call."));
    } else {
        if (call->result->is_error) {
            json_key(&w->out, STR("is_error"));
            json_put_bool(&w->out, true);
        }
        if (!put_result_content(w, call->result))
            return false;
    }
    json_close(&w->out, '}');
    return true;
}

/* --- messages ----------------------------------------------------------- */

static void message_open(struct anthropic_writer *w, bool is_assistant)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("role"),
                    is_assistant ? STR("assistant") : STR("user"));
    json_key(&w->out, STR("content"));
    json_open(&w->out, '[');
}

static void message_close(struct anthropic_writer *w)
{
    json_close(&w->out, ']');
    json_close(&w->out, '}');
}

/* All of them, or the calls alone, or all but these. */
enum choice_of_pieces { PIECES_ALL, PIECES_CALLS, PIECES_OTHERS };

static bool put_some(struct anthropic_writer *w,
                     const struct anthropic_turn *turn,
                     enum choice_of_pieces which)
{
    for (size_t i = 0; i < turn->piece_count; i++) {
        const struct anthropic_piece *piece = &w->pieces[turn->first_piece + i];

        if (which != PIECES_ALL && (piece->call > 0) != (which == PIECES_CALLS))
            continue;
        if (!put_piece(w, piece))
            return false;
    }
    return true;
}

static bool put_pieces(struct anthropic_writer *w,
                       const struct anthropic_turn *turn)
{
    if (!turn->is_merged)
        return put_some(w, turn, PIECES_ALL);
    return put_some(w, turn, PIECES_OTHERS) && put_some(w, turn, PIECES_CALLS);
}

static bool put_results(struct anthropic_writer *w,
                        const struct anthropic_turn *turn)
{
    for (size_t i = 0; i < turn->call_count; i++)
        if (!put_result(w, &w->calls[turn->first_call + i]))
            return false;
    return true;
}

static void put_user_text(struct anthropic_writer *w, struct str text)
{
    message_open(w, false);
    anthropic_put_text(w, text, NULL);
    message_close(w);
}

/* The last message is the assistant's: the model is to go on with it.  Where
 * that is possible its text must not end in white space. */
static bool ends_in_prefill(struct anthropic_writer *w)
{
    const struct anthropic_turn *last = &w->turns[w->turn_count - 1];
    struct anthropic_piece *piece;

    if (!last->is_assistant || last->call_count > 0 ||
        !w->style->traits->takes_prefill ||
        w->chat->format == CHAT_FORMAT_JSON_SCHEMA ||
        w->thinking == THINK_MANUAL || last->piece_count == 0)
        return false;
    piece = &w->pieces[last->first_piece + last->piece_count - 1];
    while (piece->text.len > 0 &&
           str_is_blank(
               str_slice(piece->text, piece->text.len - 1, piece->text.len)))
        piece->text.len--;
    return true;
}

bool anthropic_put_messages(struct anthropic_writer *w)
{
    const struct anthropic_turn *before = NULL;
    const struct anthropic_turn *last = &w->turns[w->turn_count - 1];
    bool prefills = ends_in_prefill(w);

    json_key(&w->out, STR("messages"));
    json_open(&w->out, '[');
    if (w->turns[0].is_assistant)
        put_user_text(w, STR("."));
    for (size_t i = 0; i < w->turn_count; i++) {
        const struct anthropic_turn *turn = &w->turns[i];
        bool owes = before != NULL && before->call_count > 0;

        if (owes && turn->is_assistant) {
            message_open(w, false);
            if (!put_results(w, before))
                return false;
            message_close(w);
        }
        message_open(w, turn->is_assistant);
        if (owes && !turn->is_assistant && !put_results(w, before))
            return false;
        if (!put_pieces(w, turn))
            return false;
        message_close(w);
        before = turn;
    }
    if (last->call_count > 0) {
        message_open(w, false);
        if (!put_results(w, last))
            return false;
        message_close(w);
    } else if (last->is_assistant && !prefills) {
        put_user_text(w, STR("Continue."));
    }
    json_close(&w->out, ']');
    return true;
}
