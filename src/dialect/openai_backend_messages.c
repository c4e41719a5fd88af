/* OpenAI Chat Completions for a backend: the messages of a request.
 *
 * Chat templates are stricter than the API: most take one system message, the
 * first, and want a turn's tool results right behind its calls.  So all system
 * text goes to the front, and between two assistant messages the results come
 * before what the user says. */
#include "base64.h"
#include "openai_backend_private.h"

/* Claude Code's first line of the system prompt.  It differs with each request
 * and would make every prompt a new one for the prefix cache. */
#define BILLING_LINE STR("x-anthropic-billing-header")

static struct str part_path(struct openai_writer *w,
                            const struct chat_message *message,
                            const struct chat_part *part)
{
    const struct chat_words *words = w->chat->words;
    struct str list =
        message->role == CHAT_TOOL ? words->result : STR("content");

    return arena_printf(w->arena, "%.*s[%u].%.*s[%u]", STR_ARG(words->messages),
                        message->index, STR_ARG(list), part->index);
}

static bool refuse_part(struct openai_writer *w,
                        const struct chat_message *message,
                        const struct chat_part *part, const char *why)
{
    struct str path = part_path(w, message, part);

    return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_CONTENT, path,
                       "%.*s: %s", STR_ARG(path), why);
}

static bool refuse_kind(struct openai_writer *w,
                        const struct chat_message *message,
                        const struct chat_part *part)
{
    struct str path = part_path(w, message, part);
    struct str kind = part->kind == CHAT_OTHER   ? str_clip(part->text, 40)
                      : part->kind == CHAT_IMAGE ? STR("image")
                                                 : STR("file");

    return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_CONTENT, path,
                       "%.*s: the model's backend cannot take content of type "
                       "\"%.*s\" here",
                       STR_ARG(path), STR_ARG(kind));
}

static bool is_text(const struct chat_part *part)
{
    return part->kind == CHAT_TEXT || part->kind == CHAT_REFUSAL;
}

/* --- parts -------------------------------------------------------------- */

static void put_text_part(struct openai_writer *w, struct str text)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("text"));
    json_member_str(&w->out, STR("text"), text);
    json_close(&w->out, '}');
}

static bool starts_nocase(struct str s, struct str prefix)
{
    return str_eq_nocase(str_slice(s, 0, prefix.len), prefix);
}

static bool can_look(const struct chat_part *part)
{
    if (part->data.len > 0)
        return starts_nocase(part->media_type, STR("image/"));
    return starts_nocase(part->url, STR("https://")) ||
           starts_nocase(part->url, STR("http://")) ||
           starts_nocase(part->url, STR("data:image/"));
}

static bool put_image(struct openai_writer *w,
                      const struct chat_message *message,
                      const struct chat_part *part)
{
    struct json_out *out = &w->out;

    if (!can_look(part))
        return refuse_part(w, message, part,
                           "an image must come as an http(s) URL or as "
                           "Base64 data of a type image/…");
    json_open(out, '{');
    json_member_str(out, STR("type"), STR("image_url"));
    json_key(out, STR("image_url"));
    json_open(out, '{');
    if (part->data.len > 0) {
        json_key(out, STR("url"));
        json_put_raw(out, STR("\"data:"));
        json_escape(out->buf, part->media_type);
        buf_put(out->buf, STR(";base64,"));
        json_put_inside(out, part->data);
        buf_put_char(out->buf, '"');
    } else {
        json_member_str(out, STR("url"), part->url);
    }
    if (part->detail.len > 0)
        json_member_str(out, STR("detail"), part->detail);
    json_close(out, '}');
    json_close(out, '}');
    return true;
}

/* What a file says: text files only, and without their names. */
static bool read_file(struct openai_writer *w,
                      const struct chat_message *message,
                      const struct chat_part *part, struct str *text)
{
    struct data_url url = {.media_type = part->media_type, .data = part->data};
    const struct chat_words *words = w->chat->words;

    if (part->file_name.len > 0)
        request_notes_drop(w->notes, w->arena,
                           arena_join(w->arena,
                                      message->role == CHAT_TOOL
                                          ? words->result_part
                                          : words->part,
                                      words->file_name));
    *text = part->text;
    if (text->len > 0)
        return true;
    if (part->url.len == 0 && part->data.len == 0)
        return refuse_part(w, message, part,
                           "a file must come with its content: this model's "
                           "backend knows no file_id");
    if ((part->data.len == 0 && !data_url_parse(part->url, &url)) ||
        !str_eq_nocase(url.media_type, STR("text/plain")) ||
        !base64_is_valid(url.data))
        return refuse_part(w, message, part,
                           "this model's backend takes files of plain text "
                           "only");
    *text = base64_decode(w->arena, url.data);
    return str_is_utf8(*text) ||
           refuse_part(w, message, part, "a text file must hold UTF-8 text");
}

static bool put_part(struct openai_writer *w,
                     const struct chat_message *message,
                     const struct chat_part *part)
{
    struct str text = part->text;

    if (part->kind == CHAT_IMAGE)
        return put_image(w, message, part);
    if (part->kind == CHAT_FILE) {
        if (!read_file(w, message, part, &text))
            return false;
    } else if (!is_text(part)) {
        return refuse_kind(w, message, part);
    }
    put_text_part(w, text);
    return true;
}

/* --- system ------------------------------------------------------------- */

static bool put_system(struct openai_writer *w)
{
    bool is_open = false;

    for (unsigned i = 0; i < w->chat->message_count; i++) {
        const struct chat_message *message = &w->chat->messages[i];

        for (unsigned k = 0;
             message->role == CHAT_SYSTEM && k < message->part_count; k++) {
            const struct chat_part *part = &message->parts[k];

            if (!is_text(part))
                return refuse_part(w, message, part,
                                   "a system message can hold text only");
            if (str_is_blank(part->text) ||
                str_starts(part->text, BILLING_LINE))
                continue;
            if (!is_open) {
                json_open(&w->out, '{');
                json_member_str(&w->out, STR("role"), STR("system"));
                json_key(&w->out, STR("content"));
                json_put_raw(&w->out, STR("\""));
                is_open = true;
            } else {
                buf_put(w->out.buf, STR("\\n\\n"));
            }
            json_put_inside(&w->out, part->text);
        }
    }
    if (is_open) {
        buf_put_char(w->out.buf, '"');
        json_close(&w->out, '}');
    }
    return true;
}

/* --- results and users -------------------------------------------------- */

/* Pieces of text behind each other.  A single one is not copied. */
struct joined {
    unsigned count;
    struct str text;
};

static void join_piece(struct openai_writer *w, struct joined *joined,
                       struct str glue, struct str piece)
{
    if (joined->count++ == 0) {
        joined->text = piece;
        return;
    }
    if (joined->count == 2) {
        buf_clear(&w->text);
        buf_put(&w->text, joined->text);
    }
    buf_put(&w->text, glue);
    buf_put(&w->text, piece);
    joined->text = buf_str(&w->text);
}

/* All text of a result, lines below each other. */
static bool read_result(struct openai_writer *w,
                        const struct chat_message *message, struct str *result)
{
    struct joined joined = {.text = STR("")};

    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        struct str text = part->text;

        if (part->kind == CHAT_IMAGE)
            continue; /* the user shows it: see put_user() */
        if (part->kind == CHAT_FILE) {
            if (!read_file(w, message, part, &text))
                return false;
        } else if (!is_text(part)) {
            return refuse_kind(w, message, part);
        }
        join_piece(w, &joined, STR("\n"), text);
    }
    *result = joined.text;
    return true;
}

/* The id that a result of the deprecated role "function" goes with: that of
 * the last call before it. */
static struct str function_id(struct openai_writer *w,
                              const struct chat_message *message)
{
    while (message-- > w->chat->messages)
        if (message->call_count > 0)
            return message->calls[message->call_count - 1].id;
    return STR("");
}

static bool put_result(struct openai_writer *w,
                       const struct chat_message *message)
{
    struct str text = {NULL, 0};

    if (!read_result(w, message, &text))
        return false;
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("role"), STR("tool"));
    json_member_str(&w->out, STR("tool_call_id"),
                    message->is_function ? function_id(w, message)
                                         : message->call_id);
    json_key(&w->out, STR("content"));
    json_put_raw(&w->out, STR("\""));
    /* the format has no other place for it */
    if (message->is_error && text.len == 0)
        buf_put(w->out.buf, STR("Error"));
    else if (message->is_error && !starts_nocase(text, STR("error")))
        buf_put(w->out.buf, STR("Error: "));
    json_put_inside(&w->out, text);
    buf_put_char(w->out.buf, '"');
    json_close(&w->out, '}');
    return true;
}

/* Messages from one that an assistant said to the next. */
struct run {
    const struct chat_message *first, *end;
};

static bool has_images(const struct run *run)
{
    for (const struct chat_message *m = run->first; m < run->end; m++)
        for (unsigned i = 0; m->role == CHAT_TOOL && i < m->part_count; i++)
            if (m->parts[i].kind == CHAT_IMAGE)
                return true;
    return false;
}

static bool put_result_images(struct openai_writer *w, const struct run *run)
{
    for (const struct chat_message *m = run->first; m < run->end; m++)
        for (unsigned i = 0; m->role == CHAT_TOOL && i < m->part_count; i++)
            if (m->parts[i].kind == CHAT_IMAGE &&
                !put_image(w, m, &m->parts[i]))
                return false;
    return true;
}

/* What a user says (NULL: nothing), behind the images of the results before,
 * which a tool message cannot hold (NULL: none). */
static bool put_user(struct openai_writer *w,
                     const struct chat_message *message, const struct run *run)
{
    unsigned count = message == NULL ? 0 : message->part_count;

    json_open(&w->out, '{');
    json_member_str(&w->out, STR("role"), STR("user"));
    json_key(&w->out, STR("content"));
    if (run == NULL && count == 1 && is_text(&message->parts[0])) {
        json_put_str(&w->out, message->parts[0].text);
    } else {
        json_open(&w->out, '[');
        if (run != NULL && !put_result_images(w, run))
            return false;
        for (unsigned i = 0; i < count; i++)
            if (!put_part(w, message, &message->parts[i]))
                return false;
        json_close(&w->out, ']');
    }
    json_close(&w->out, '}');
    return true;
}

static bool put_run(struct openai_writer *w, const struct run *run)
{
    const struct run *images = has_images(run) ? run : NULL;

    for (const struct chat_message *m = run->first; m < run->end; m++)
        if (m->role == CHAT_TOOL && !put_result(w, m))
            return false;
    for (const struct chat_message *m = run->first; m < run->end; m++) {
        if (m->role != CHAT_USER || m->part_count == 0)
            continue;
        if (!put_user(w, m, images))
            return false;
        images = NULL;
    }
    return images == NULL || put_user(w, NULL, images);
}

/* --- assistants --------------------------------------------------------- */

/* An object whatever the model wrote: chat templates want one, and one bad
 * call must not make the whole conversation unusable. */
static struct str arguments_of(struct openai_writer *w,
                               const struct chat_call *call)
{
    struct json_out out = json_out_to(&w->text);
    struct json_doc doc;
    struct json_error ignored;

    buf_clear(&w->text);
    if (!call->is_custom) {
        if (str_is_blank(call->arguments) ||
            str_eq(str_trim(call->arguments), STR("null")))
            return STR("{}");
        if (json_read(w->arena, call->arguments, &doc, &ignored) &&
            yyjson_is_obj(doc.root)) {
            json_put_val(&out, doc.root);
            return buf_str(&w->text);
        }
    }
    json_open(&out, '{');
    json_member_str(&out,
                    call->is_custom ? STR("input") : STR("__raw_arguments"),
                    call->arguments);
    json_close(&out, '}');
    return buf_str(&w->text);
}

static void put_calls(struct openai_writer *w,
                      const struct chat_message *message)
{
    json_key(&w->out, STR("tool_calls"));
    json_open(&w->out, '[');
    for (unsigned i = 0; i < message->call_count; i++) {
        const struct chat_call *call = &message->calls[i];

        json_open(&w->out, '{');
        json_member_str(&w->out, STR("id"), call->id);
        json_member_str(&w->out, STR("type"), STR("function"));
        json_key(&w->out, STR("function"));
        json_open(&w->out, '{');
        json_member_str(&w->out, STR("name"),
                        names_plain(w->arena, call->name));
        json_member_str(&w->out, STR("arguments"), arguments_of(w, call));
        json_close(&w->out, '}');
        json_close(&w->out, '}');
    }
    json_close(&w->out, ']');
}

/* What it said, or what it thought, in one text. */
static struct str join(struct openai_writer *w,
                       const struct chat_message *message, bool is_thinking)
{
    struct joined joined = {.text = STR("")};

    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];

        if (is_thinking ? part->kind == CHAT_THINKING : is_text(part))
            join_piece(w, &joined, STR(""), part->text);
    }
    if (!is_thinking && str_is_blank(joined.text))
        return message->refusal;
    return joined.text;
}

static bool is_said(const struct chat_part *part)
{
    return is_text(part) || part->kind == CHAT_THINKING ||
           part->kind == CHAT_CALL;
}

/* An assistant's message of which nothing is left, and which is left out. */
static bool is_silent(struct openai_writer *w,
                      const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++)
        if (!is_said(&message->parts[i]))
            return false;
    return message->call_count == 0 && str_is_blank(join(w, message, false)) &&
           join(w, message, true).len == 0;
}

static bool put_assistant(struct openai_writer *w,
                          const struct chat_message *message)
{
    struct str text;

    for (unsigned i = 0; i < message->part_count; i++)
        if (!is_said(&message->parts[i]))
            return refuse_kind(w, message, &message->parts[i]);
    text = join(w, message, false);
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("role"), STR("assistant"));
    json_key(&w->out, STR("content"));
    if (str_is_blank(text))
        json_put_null(&w->out);
    else
        json_put_str(&w->out, text);
    text = join(w, message, true);
    if (text.len > 0)
        json_member_str(&w->out, STR("reasoning_content"), text);
    if (message->call_count > 0)
        put_calls(w, message);
    json_close(&w->out, '}');
    return true;
}

/* Thinking that was given out in a cipher is nothing to another model. */
static void note_redacted(struct openai_writer *w)
{
    for (unsigned i = 0; i < w->chat->message_count; i++) {
        const struct chat_message *message = &w->chat->messages[i];

        for (unsigned k = 0; k < message->part_count; k++)
            if (message->parts[k].kind == CHAT_THINKING &&
                str_eq(json_get_text(message->parts[k].block, STR("type")),
                       STR("redacted_thinking")))
                request_notes_drop(w->notes, w->arena,
                                   w->chat->words->redacted);
    }
}

bool openai_put_messages(struct openai_writer *w)
{
    const struct chat_message *end = w->chat->messages + w->chat->message_count;
    const struct chat_message *at = w->chat->messages;

    json_key(&w->out, STR("messages"));
    json_open(&w->out, '[');
    note_redacted(w);
    if (!put_system(w))
        return false;
    while (at < end) {
        struct run run = {at, at};

        while (run.end < end &&
               (run.end->role != CHAT_ASSISTANT || is_silent(w, run.end)))
            run.end++;
        if (!put_run(w, &run))
            return false;
        at = run.end;
        if (at < end && !put_assistant(w, at++))
            return false;
    }
    json_close(&w->out, ']');
    return true;
}
