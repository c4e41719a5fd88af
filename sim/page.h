/* Writes one HTTP/1.1 answer to a sink: whole, or piece by piece; and spoils
 * it when a fault wants that.
 *
 * A page only says how the answer ended (`verdict`); the visit that it
 * belongs to acts on it when nobody uses the page any more. */
#ifndef WEIR_SIM_PAGE_H
#define WEIR_SIM_PAGE_H

#include "accept/request.h"
#include "buf.h"
#include "fault.h"

enum page_verdict {
    PAGE_OPEN,  /* more may follow */
    PAGE_DONE,  /* complete */
    PAGE_CLOSE, /* over: the connection is to be closed */
    PAGE_CUT,   /* over: the connection is to be reset */
};

struct page {
    struct request *request;
    const struct fault *fault;
    struct buf fields; /* header fields besides the usual ones */
    struct buf out;    /* of the body; leaves with page_flush() */
    bool has_begun;
    bool is_chunked;
    uint64_t body_bytes; /* that have left */
    enum page_verdict verdict;
};

/* `fault` may change until the first byte is written. */
void page_init(struct page *page, struct request *request,
               const struct fault *fault);
void page_fini(struct page *page);

/* Adds a header field; before the head is written. */
void page_field(struct page *page, struct str name, struct str value);

/* The whole answer. */
void page_whole(struct page *page, int status, struct str type,
                struct str body);
/* The same for JSON. */
void page_json(struct page *page, int status, struct str body);

/* The head of an answer whose body comes in pieces: what is put into
 * page->out leaves with page_flush(), and page_end() says that it was all. */
void page_begin(struct page *page, int status, struct str type);
void page_flush(struct page *page);
void page_end(struct page *page);

/* Bytes that are no HTTP at all. */
void page_garbage(struct page *page);

#endif
