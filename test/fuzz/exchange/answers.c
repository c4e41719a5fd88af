/* What callers hear: a strict reader of HTTP answers.  Everything here is a
 * check: an answer that is not well formed is a finding. */
#include "../../unit/dialect/responses_checker.h"
#include "../lenient.h"
#include "sse.h"
#include "stage.h"

enum { EVENT_MAX = 64 << 20 };

/* One line off the front, without its CRLF; false when it is not there
 * yet. */
static bool take_line(struct str *bytes, struct str *line)
{
    size_t at;

    if (!str_find(*bytes, STR("\r\n"), &at))
        return false;
    *line = str_slice(*bytes, 0, at);
    *bytes = str_slice(*bytes, at + 2, bytes->len);
    check(memchr(line->ptr, '\n', line->len) == NULL &&
          memchr(line->ptr, '\r', line->len) == NULL &&
          memchr(line->ptr, '\0', line->len) == NULL);
    return true;
}

static bool take_chunks(struct arena *arena, struct str *bytes,
                        struct str *body)
{
    struct str rest = *bytes;
    struct str line;
    char *to = arena_alloc(arena, rest.len + 1);
    size_t len = 0;

    while (take_line(&rest, &line)) {
        size_t size = 0;

        check(line.len > 0 && line.len <= 8);
        for (size_t i = 0; i < line.len; i++) {
            const char *digits = "0123456789abcdef";
            const char *found = strchr(digits, line.ptr[i]);

            check(found != NULL);
            size = 16 * size + (size_t)(found - digits);
        }
        if (size + 2 > rest.len)
            return false;
        memcpy(to + len, rest.ptr, size);
        len += size;
        check(rest.ptr[size] == '\r' && rest.ptr[size + 1] == '\n');
        rest = str_slice(rest, size + 2, rest.len);
        if (size == 0) {
            *body = (struct str){to, len};
            *bytes = rest;
            return true;
        }
    }
    return false;
}

struct framing {
    bool has_length, is_chunked;
    uint64_t length;
};

static void take_field(struct str line, struct heard *heard,
                       struct framing *framing)
{
    struct str name;
    struct str value = line;

    check(str_split(&value, ':', &name));
    check(name.len > 0 && name.len == str_trim(name).len);
    value = str_trim(value);
    check(!str_eq_nocase(name, STR("x-evil")));
    if (str_eq_nocase(name, STR("content-length"))) {
        check(!framing->has_length && str_to_u64(value, &framing->length));
        framing->has_length = true;
    } else if (str_eq_nocase(name, STR("transfer-encoding"))) {
        check(!framing->is_chunked && str_eq(value, STR("chunked")));
        framing->is_chunked = true;
    } else if (str_eq_nocase(name, STR("connection"))) {
        heard->closes = str_eq(value, STR("close"));
    } else if (str_eq_nocase(name, STR("content-type"))) {
        heard->is_stream = str_starts(value, STR("text/event-stream"));
    } else if (str_eq_nocase(name, STR("x-request-id"))) {
        heard->id = value;
    } else if (str_eq_nocase(name, STR("x-router-backend"))) {
        heard->tier = value;
    }
}

static bool take_head(struct str *bytes, struct heard *heard,
                      struct framing *framing)
{
    struct str line;
    uint64_t status;

    *heard = (struct heard){0};
    *framing = (struct framing){0};
    if (!take_line(bytes, &line))
        return false;
    check(str_starts(line, STR("HTTP/1.1 ")) && line.len > 13 &&
          line.ptr[12] == ' ');
    check(str_to_u64(str_slice(line, 9, 12), &status));
    heard->status = (int)status;
    while (take_line(bytes, &line)) {
        if (line.len == 0)
            return true;
        take_field(line, heard, framing);
    }
    return false;
}

static bool take_body(struct arena *arena, struct str *bytes, bool has_ended,
                      const struct framing *framing, struct heard *heard)
{
    check(!(framing->has_length && framing->is_chunked));
    if (framing->is_chunked)
        return take_chunks(arena, bytes, &heard->body);
    if (framing->has_length) {
        if (framing->length > bytes->len)
            return false;
        heard->body = str_slice(*bytes, 0, (size_t)framing->length);
        *bytes = str_slice(*bytes, (size_t)framing->length, bytes->len);
        return true;
    }
    check(heard->closes);
    heard->body = *bytes;
    *bytes = str_slice(*bytes, bytes->len, bytes->len);
    return has_ended;
}

bool answers_next(struct arena *arena, struct str *bytes, bool has_ended,
                  bool is_head_method, struct heard *heard)
{
    struct framing framing;

    do {
        if (bytes->len == 0)
            return false;
        if (!take_head(bytes, heard, &framing)) {
            heard->is_cut = true;
            return true;
        }
        check(heard->status == 100 || heard->status >= 200);
    } while (heard->status == 100);
    check(heard->status < 600);
    /* a head that did not come in time was no HEAD's yet */
    if (!is_head_method || heard->status == 408)
        heard->is_cut = !take_body(arena, bytes, has_ended, &framing, heard);
    return true;
}

/* --- what a chat was answered ------------------------------------------- */

static void check_stream(struct str body)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool is_done = false, is_said = false;

    sse_decoder_init(&decoder, EVENT_MAX);
    while (sse_next(&decoder, &body, &event)) {
        yyjson_doc *doc;

        check(!is_done);
        is_done = str_starts(event.data, STR("[DONE]"));
        if (is_done)
            continue;
        doc = lenient_read(event.data);
        check(doc != NULL);
        is_said = is_said || lenient_says(yyjson_doc_get_root(doc)) ||
                  yyjson_obj_get(yyjson_doc_get_root(doc), "error") != NULL;
        yyjson_doc_free(doc);
    }
    check(is_done && is_said && body.len == 0);
    sse_decoder_fini(&decoder);
}

static bool is_type(yyjson_val *root, const char *type)
{
    return yyjson_equals_str(yyjson_obj_get(root, "type"), type);
}

/* Named events; the last one is the end, or an error in its place. */
static void check_messages_stream(struct str body)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool is_over = false;

    sse_decoder_init(&decoder, EVENT_MAX);
    while (sse_next(&decoder, &body, &event)) {
        yyjson_doc *doc = lenient_read(event.data);
        yyjson_val *root = yyjson_doc_get_root(doc);

        check(!is_over);
        is_over = is_type(root, "message_stop") || is_type(root, "error");
        check(event.name.len > 0);
        yyjson_doc_free(doc);
    }
    check(is_over && body.len == 0);
    sse_decoder_fini(&decoder);
}

static void check_responses_stream(struct str body)
{
    struct responses_checker checker;
    struct sse_decoder decoder;
    struct sse_event event;

    responses_checker_init(&checker);
    sse_decoder_init(&decoder, EVENT_MAX);
    while (sse_next(&decoder, &body, &event))
        check(responses_check(&checker, event.name, event.data) == NULL);
    check(responses_check_end(&checker) == NULL && body.len == 0);
    sse_decoder_fini(&decoder);
    responses_checker_fini(&checker);
}

static void check_answer_of_200(yyjson_val *root, enum words words)
{
    switch (words) {
    case IN_MESSAGES:
        check(is_type(root, "message"));
        check(yyjson_arr_size(yyjson_obj_get(root, "content")) > 0 ||
              yyjson_is_str(yyjson_obj_get(root, "stop_reason")));
        break;
    case IN_RESPONSES:
        check(yyjson_equals_str(yyjson_obj_get(root, "object"), "response"));
        check(yyjson_is_arr(yyjson_obj_get(root, "output")));
        break;
    case IN_COUNT:
        check(yyjson_is_num(yyjson_obj_get(root, "input_tokens")) ||
              yyjson_is_raw(yyjson_obj_get(root, "input_tokens")));
        break;
    default:
        check(lenient_says(root));
        break;
    }
}

void answers_check(const struct heard *heard, enum words words)
{
    yyjson_doc *doc;
    yyjson_val *root;

    if (heard->status == 200 && heard->is_stream) {
        check(words != IN_COUNT);
        if (words == IN_MESSAGES)
            check_messages_stream(heard->body);
        else if (words == IN_RESPONSES)
            check_responses_stream(heard->body);
        else
            check_stream(heard->body);
        return;
    }
    doc = lenient_read(heard->body);
    root = yyjson_doc_get_root(doc);
    if (heard->status == 200) {
        check_answer_of_200(root, words);
    } else {
        check(yyjson_is_obj(yyjson_obj_get(root, "error")));
        /* of a head that did not come in time nobody knows the format */
        check(heard->status == 408 ||
              is_type(root, "error") ==
                  (words == IN_MESSAGES || words == IN_COUNT));
    }
    yyjson_doc_free(doc);
}
