/* From bytes to a request: the parser's callbacks, and what it lets pass that
 * another reader might take for something else. */
#include <stdlib.h>

#include "client_private.h"

enum { FIRST_BODY = 4096 };

static int stop_for(struct client *client, enum error error)
{
    client->trouble = error;
    return HPE_USER;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;

    head_add_target(&client->request->head, (struct str){at, len});
    return client->request->head.is_too_large
               ? stop_for(client, ERR_HEAD_TOO_LARGE)
               : 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;

    head_add_name(&client->request->head, (struct str){at, len});
    return client->request->head.is_too_large
               ? stop_for(client, ERR_HEAD_TOO_LARGE)
               : 0;
}

static int on_field_complete(llhttp_t *parser)
{
    struct client *client = parser->data;

    head_end_name(&client->request->head);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;

    head_add_value(&client->request->head, (struct str){at, len});
    return client->request->head.is_too_large
               ? stop_for(client, ERR_HEAD_TOO_LARGE)
               : 0;
}

/* The path and the query of an origin-form or absolute-form target. */
static void split_target(struct request *request)
{
    struct str target = request->head.target;
    size_t at;

    if (!str_starts(target, STR("/")) && str_find(target, STR("://"), &at)) {
        target = str_slice(target, at + 3, target.len);
        target = str_find(target, STR("/"), &at)
                     ? str_slice(target, at, target.len)
                     : STR("/");
    }
    if (str_find(target, STR("?"), &at)) {
        request->query = str_slice(target, at + 1, target.len);
        target = str_slice(target, 0, at);
    }
    request->path = target;
}

/* RFC 9112, 2.3 and 3.2: a version that is spoken here, and one Host, which
 * is host and port and nothing else. */
static bool is_host_fine(const struct client *client)
{
    const struct head *head = &client->request->head;
    unsigned count = head_count(head, STR("host"));
    struct str host = head_find(head, STR("host"));

    for (size_t i = 0; i < host.len; i++)
        if (strchr(" \t/@,?#\\", host.ptr[i]) != NULL)
            return false;
    return client->parser.http_major == 1 &&
           (count == 1 || (count == 0 && client->parser.http_minor == 0));
}

/* RFC 9112, 6.1: the parser refuses what it cannot frame; what it lets pass
 * is an empty field, codings before "chunked", which nobody here undoes, and
 * a coding in HTTP/1.0, which had none. */
static bool is_coding_fine(const struct request *request)
{
    struct str coding = head_find(&request->head, STR("transfer-encoding"));

    return coding.ptr == NULL ||
           (str_eq_nocase(coding, STR("chunked")) && !request->is_http_1_0);
}

static enum error check_framing(struct client *client, uint64_t length)
{
    const struct head *head = &client->request->head;
    struct str coding = head_find(head, STR("content-encoding"));

    if (client->parser.method == HTTP_CONNECT)
        return ERR_METHOD;
    if (!is_host_fine(client) || !is_coding_fine(client->request))
        return ERR_BAD_HTTP;
    if (length > client->body_max)
        return ERR_BODY_TOO_LARGE;
    if (coding.len > 0 && !str_eq_nocase(coding, STR("identity")))
        return ERR_CONTENT_ENCODING;
    return OK;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct client *client = parser->data;
    struct request *request = client->request;
    const struct accept_handler *handler = client->door->handler;
    bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    bool is_chunked = (parser->flags & F_CHUNKED) != 0;
    uint64_t length = has_length ? parser->content_length : 0;
    struct str expect;
    enum error err;

    head_complete(&request->head);
    /* "Upgrade: h2c" and the like are offers: we do not take them */
    parser->upgrade = 0;
    request->method =
        str_of(llhttp_method_name((llhttp_method_t)parser->method));
    request->is_http_1_0 = parser->http_major == 1 && parser->http_minor == 0;
    split_target(request);
    client->state = CLIENT_BODY;
    deadline_set(client->door->deadlines, &client->deadline,
                 client->door->limits.body_ms);
    err = check_framing(client, length);
    if (err == OK)
        err = handler->on_head(handler->ctx, request);
    expect = head_find(&request->head, STR("expect"));
    if (err == OK && expect.len > 0 &&
        !str_eq_nocase(expect, STR("100-continue")))
        err = ERR_EXPECTATION;
    if (err != OK)
        return stop_for(client, err);
    if (length > 0) {
        request->body = malloc((size_t)length);
        if (request->body == NULL)
            return stop_for(client, ERR_MEMORY_BUDGET);
        request->body_cap = (size_t)length;
    }
    if (expect.len > 0 && !request->is_http_1_0 && (length > 0 || is_chunked)) {
        struct str go_on = STR("HTTP/1.1 100 Continue\r\n\r\n");

        client->written += go_on.len;
        wire_write(&client->wire, &go_on, 1);
    }
    return 0;
}

/* A chunked body does not tell its length.  From 128 KB on realloc moves
 * pages and not bytes. */
static bool body_grow(struct client *client, size_t need)
{
    struct request *request = client->request;
    size_t cap =
        request->body_cap < FIRST_BODY ? FIRST_BODY : request->body_cap;
    char *grown;

    while (cap < need)
        cap *= 2;
    if (cap > client->body_max)
        cap = client->body_max;
    grown = realloc(request->body, cap);
    if (grown == NULL)
        return false;
    request->body = grown;
    request->body_cap = cap;
    return true;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct client *client = parser->data;
    struct request *request = client->request;
    size_t need = request->body_len + len;

    if (len > client->body_max - request->body_len)
        return stop_for(client, ERR_BODY_TOO_LARGE);
    if (!request_take_budget(client, len))
        return stop_for(client, ERR_MEMORY_BUDGET);
    request->memory_used = client->door->limits.memory_used;
    if (need > request->body_cap && !body_grow(client, need)) {
        request->body_len = need; /* the budget has them */
        return stop_for(client, ERR_MEMORY_BUDGET);
    }
    memcpy(request->body + request->body_len, at, len);
    request->body_len = need;
    deadline_set(client->door->deadlines, &client->deadline,
                 client->door->limits.body_ms);
    return 0;
}

/* A chunk tells its size before it comes. */
static int on_chunk_header(llhttp_t *parser)
{
    struct client *client = parser->data;

    return parser->content_length > client->body_max - client->request->body_len
               ? stop_for(client, ERR_BODY_TOO_LARGE)
               : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct client *client = parser->data;

    client->request->keeps_alive =
        llhttp_should_keep_alive(parser) != 0 && !client->door->is_closing;
    client->request->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
    static const llhttp_settings_t made = {
        .on_url = on_url,
        .on_header_field = on_field,
        .on_header_field_complete = on_field_complete,
        .on_header_value = on_value,
        .on_headers_complete = on_headers_complete,
        .on_chunk_header = on_chunk_header,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };

    return &made;
}

/* One space behind the method and one before the version, which is HTTP's
 * (RFC 9112, 3): the parser passes over more, where another reader may not,
 * and speaks RTSP. */
bool client_is_line_fine(struct client *client, struct str bytes)
{
    static const char http[] = "HTTP/";

    for (size_t i = 0; i < bytes.len && !client->is_line_read; i++) {
        char c = bytes.ptr[i];

        client->is_line_read = c == '\n';
        if (c == ' ' && ++client->spaces > 2)
            return false;
        if (c != ' ' && client->spaces == 2 &&
            client->version_at < sizeof(http) - 1 &&
            c != http[client->version_at++])
            return false;
    }
    return true;
}

void client_begin_parsing(struct client *client)
{
    client->spaces = client->version_at = 0;
    client->is_line_read = false;
    llhttp_init(&client->parser, HTTP_REQUEST, settings());
    client->parser.data = client;
}
