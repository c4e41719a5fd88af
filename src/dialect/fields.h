/* What becomes of every field of a request: the table of fields.def.  The docs
 * and the counters are made from it, and a test holds it against the code. */
#ifndef WEIR_FIELDS_H
#define WEIR_FIELDS_H

#include "buf.h"
#include "str.h"

enum fields_fate {
    FIELDS_PASSES,  /* the same format at both ends: nobody touches it */
    FIELDS_BECOMES, /* it has a counterpart */
    FIELDS_LOOSENS, /* one that says less: it is named, too */
    FIELDS_IMPLIED, /* nothing is sent, and nothing is lost */
    FIELDS_ROUTER,  /* it is the router that reads it */
    FIELDS_DROPS,   /* left out and named */
    FIELDS_REFUSES, /* 400 */
};

enum fields_format {
    FIELDS_CHAT,
    FIELDS_MESSAGES,
    FIELDS_RESPONSES,
    FIELDS_FORMATS,
};

struct fields_end {
    enum fields_fate fate;
    const char *words; /* in Markdown */
};

struct fields_row {
    enum fields_format format;
    struct str path;
    struct fields_end openai, claude;
};

enum {
#define FIELD(...) +1
    FIELDS_ROWS = 0
#include "fields.def"
#undef FIELD
    ,
    /* for counting: the rows, then what has none, for each format */
    FIELDS_SLOTS = FIELDS_ROWS + FIELDS_FORMATS,
};

extern const struct fields_row fields_rows[FIELDS_ROWS];

/* The slot of a field that was dropped, `path` as the router names it; of a
 * format that has no rows, FIELDS_SLOTS. */
unsigned fields_slot(struct str format, struct str path);
/* What a slot is called. */
struct str fields_slot_format(unsigned slot);
struct str fields_slot_path(unsigned slot);

/* The tables of docs/translation.md. */
void fields_document(struct buf *out);

#endif
