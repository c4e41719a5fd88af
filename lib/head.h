/* The fields of an HTTP message head, gathered from the parser's callbacks.
 *
 * One head belongs to one connection and is used again for its next message;
 * what it holds stays valid until head_clear(). */
#ifndef WEIR_HEAD_H
#define WEIR_HEAD_H

#include "buf.h"
#include "str.h"

enum { HEAD_MAX_FIELDS = 128, HEAD_MAX_BYTES = 64 * 1024 };

struct head_field {
    struct str name;
    struct str value; /* without white space around it */
};

struct head {
    struct head_field *fields; /* owned */
    unsigned count;
    unsigned cap;
    struct buf text;   /* all names and values, one behind the other */
    bool in_value;     /* the name of the newest field is complete */
    bool is_too_large; /* more bytes or fields than the bounds above */
    bool is_complete;
    size_t trailer_bytes; /* that came behind it, and were dropped */
    struct str target;    /* of a request */
};

void head_init(struct head *head);
/* Gives its memory back; trailers may still come. */
void head_fini(struct head *head);
/* Ready for the next message; memory above a few KB is given back. */
void head_clear(struct head *head);

/* From the parser, in any pieces.  What comes behind head_complete() are the
 * trailers of a chunked body: they are dropped (RFC 9110, 6.5.1), so that the
 * fields stay where their readers found them, and only their size counts. */
void head_add_target(struct head *head, struct str piece);
void head_add_name(struct head *head, struct str piece);
void head_end_name(struct head *head);
void head_add_value(struct head *head, struct str piece);
/* All is there: from now on the fields may be read. */
void head_complete(struct head *head);

/* The value of the first field of that name, in any case; ptr NULL when
 * there is none. */
struct str head_find(const struct head *head, struct str name);
unsigned head_count(const struct head *head, struct str name);

#endif
