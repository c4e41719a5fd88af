/* JSON of at most so many bytes, which is valid wherever it had to stop: a
 * string is cut between two characters, members and items that have no room
 * are left out, and so is everything behind them. */
#ifndef WEIR_CLIP_H
#define WEIR_CLIP_H

#include "json.h"

enum { CLIP_MIN = 16 }; /* below this nothing is written at all */

struct clip {
    struct json_out out;
    size_t max;
    unsigned depth;  /* brackets that are open */
    bool is_clipped; /* something was left out */
};

/* Appends to `buf`, which must be empty, `max` bytes at the most. */
void clip_init(struct clip *clip, struct buf *buf, size_t max);
/* False: there was no room, and it must not be closed. */
MUST_USE bool clip_open(struct clip *clip, char bracket);
void clip_close(struct clip *clip, char bracket);
/* False: there was no room, and no value must follow. */
MUST_USE bool clip_key(struct clip *clip, struct str key);
void clip_str(struct clip *clip, struct str s);
/* `text` must be one JSON value; without room for it: null. */
void clip_raw(struct clip *clip, struct str text);
/* clip_key() and the string. */
void clip_member(struct clip *clip, struct str key, struct str s);

#endif
