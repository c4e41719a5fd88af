/* Reads HTTP/1.1 answers and compares each of them with what it must be, so
 * that a gateway which fails fast does not win.
 *
 * A pattern is the text itself; the byte '\1' in it stands for one or more
 * digits (a time stamp).  Where gateways may write the same answer in different
 * ways it is lines instead, and each of them must stand somewhere in the body;
 * of a stream, the first one in every event that counts. */
#ifndef BENCH_READER_H
#define BENCH_READER_H

#include "str.h"

enum {
    READER_HEAD_MAX = 8192,
    READER_FRAME_MAX = READER_HEAD_MAX,
    READER_LINES_MAX = 8,
};

enum reader_state {
    READER_HEAD,
    READER_SIZED,
    READER_CHUNK_SIZE,
    READER_CHUNK,
    READER_CHUNK_END,
    READER_DONE,
    READER_BAD,
};

/* What all connections of a run expect. */
struct expectation {
    struct str pattern; /* the whole body, or one frame of a stream */
    struct str lines[READER_LINES_MAX]; /* instead of it */
    unsigned line_count;
    bool is_stream;
    uint64_t frames; /* that match, in a stream that ends; 0: any number */
};

struct reader {
    const struct expectation *expected;
    enum reader_state state;
    const char *why; /* in READER_BAD */
    size_t left;     /* bytes of the body or of the chunk */
    bool is_last;    /* the chunk of length 0 */
    size_t at;       /* in the pattern */
    bool in_digits;
    unsigned lines_seen; /* a bit for each */
    size_t len;          /* of the head, then of the frame or the body */
    uint64_t frames;
    char *text; /* READER_HEAD_MAX; the head, then one frame or the body */
};

/* Takes the lines of `text` as what is expected. */
void expectation_set_lines(struct expectation *expected, struct str text);

void reader_begin(struct reader *reader, const struct expectation *expected,
                  char *text);
/* Takes the bytes.  Returns how many belong to this answer. */
size_t reader_feed(struct reader *reader, struct str bytes);

#endif
