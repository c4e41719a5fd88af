#include "page.h"

#include <stdio.h>

#include "clock.h"

enum { FIELDS_MAX = 16 * 1024, BODY_MAX = 64 * 1024 * 1024 };

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Request Entity Too Large"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Entity"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {529, "Overloaded"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

void page_init(struct page *page, struct request *request,
               const struct fault *fault)
{
    *page = (struct page){.request = request, .fault = fault};
    buf_init(&page->fields, FIELDS_MAX);
    buf_init(&page->out, BODY_MAX);
}

void page_fini(struct page *page)
{
    buf_fini(&page->fields);
    buf_fini(&page->out);
}

void page_field(struct page *page, struct str name, struct str value)
{
    buf_printf(&page->fields, "%.*s: %.*s\r\n", STR_ARG(name), STR_ARG(value));
}

/* --- bytes -------------------------------------------------------------- */

static void put_bytes(struct page *page, const struct str pieces[],
                      size_t count)
{
    struct sink *sink = &page->request->sink;
    size_t size = (size_t)page->fault->value[FAULT_SPLIT];

    if (!page->fault->is_set[FAULT_SPLIT]) {
        sink->ops->write(sink, pieces, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < pieces[i].len; at += size) {
            struct str part = str_slice(pieces[i], at, at + size);

            sink->ops->write(sink, &part, 1);
        }
    }
}

/* How much of the body may still leave before a fault ends it. */
static size_t allowance(const struct page *page, enum page_verdict *then)
{
    enum fault_kind kind =
        page->fault->is_set[FAULT_CUT] ? FAULT_CUT : FAULT_END;
    uint64_t most = page->fault->value[kind];

    if (!page->fault->is_set[kind])
        return SIZE_MAX;
    *then = kind == FAULT_CUT ? PAGE_CUT : PAGE_CLOSE;
    return most <= page->body_bytes ? 0 : (size_t)(most - page->body_bytes);
}

static void send_body(struct page *page, struct str bytes)
{
    enum page_verdict then = PAGE_OPEN;
    size_t most = allowance(page, &then);
    struct str part = str_slice(bytes, 0, most);
    struct str pieces[3] = {{NULL, 0}, part, {NULL, 0}};
    char size[24];

    if (page->is_chunked && bytes.len > 0) {
        int len = snprintf(size, sizeof(size), "%zx\r\n", bytes.len);

        pieces[0] = (struct str){size, (size_t)len};
        if (part.len == bytes.len)
            pieces[2] = STR("\r\n");
    }
    if (part.len > 0)
        put_bytes(page, pieces, COUNT_OF(pieces));
    page->body_bytes += part.len;
    if (part.len < bytes.len)
        page->verdict = then;
}

/* --- heads -------------------------------------------------------------- */

static void send_head(struct page *page, int status, struct str type,
                      const size_t *length)
{
    char date[CLOCK_HTTP_SIZE];
    struct buf head;
    struct str text;

    buf_init(&head, FIELDS_MAX * 2);
    clock_http_date(clock_wall_s(), date);
    buf_printf(&head, "HTTP/1.1 %d %s\r\ndate: %s\r\n", status,
               reason_of(status), date);
    if (type.len > 0)
        buf_printf(&head, "content-type: %.*s\r\n", STR_ARG(type));
    if (length != NULL)
        buf_printf(&head, "content-length: %zu\r\n", *length);
    else if (page->is_chunked)
        buf_put(&head, STR("transfer-encoding: chunked\r\n"));
    if (!page->request->keeps_alive)
        buf_put(&head, STR("connection: close\r\n"));
    buf_put(&head, buf_str(&page->fields));
    buf_put(&head, STR("\r\n"));
    text = buf_str(&head);
    page->has_begun = true;
    put_bytes(page, &text, 1);
    buf_fini(&head);
}

void page_whole(struct page *page, int status, struct str type, struct str body)
{
    bool is_head = str_eq(page->request->method, STR("HEAD"));

    if (status == 200 && page->fault->is_set[FAULT_EMPTY])
        body = STR("");
    else if (status == 200 && page->fault->is_set[FAULT_GARBAGE])
        body = STR("this is not JSON {[");
    send_head(page, status, type, &body.len);
    if (!is_head)
        send_body(page, body);
    if (page->verdict == PAGE_OPEN)
        page->verdict =
            page->fault->is_set[FAULT_CLOSE] ? PAGE_CLOSE : PAGE_DONE;
}

void page_json(struct page *page, int status, struct str body)
{
    page_whole(page, status, STR("application/json"), body);
}

void page_begin(struct page *page, int status, struct str type)
{
    enum page_verdict then = PAGE_OPEN;

    if (page->fault->is_set[FAULT_EMPTY]) {
        page_whole(page, status, type, STR(""));
        return;
    }
    page->is_chunked = !page->request->is_http_1_0;
    if (!page->is_chunked)
        page->request->keeps_alive = false; /* the end is the end */
    send_head(page, status, type, NULL);
    if (allowance(page, &then) == 0)
        page->verdict = then;
}

void page_flush(struct page *page)
{
    if (page->verdict == PAGE_OPEN && page->out.len > 0)
        send_body(page, buf_str(&page->out));
    buf_clear(&page->out);
}

void page_end(struct page *page)
{
    struct str last = STR("0\r\n\r\n");

    page_flush(page);
    if (page->verdict != PAGE_OPEN)
        return;
    if (page->is_chunked)
        put_bytes(page, &last, 1);
    page->verdict = page->is_chunked && !page->fault->is_set[FAULT_CLOSE]
                        ? PAGE_DONE
                        : PAGE_CLOSE;
}

void page_garbage(struct page *page)
{
    struct str garbage = STR("\x16\x03\x01 this is not HTTP \x00\xFF\r\n\r\n");

    page->has_begun = true;
    put_bytes(page, &garbage, 1);
    page->verdict = PAGE_CLOSE;
}
