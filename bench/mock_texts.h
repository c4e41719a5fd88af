/* What the mock backend says, framing included, made from the files in
 * bench/texts. */
#ifndef BENCH_MOCK_TEXTS_H
#define BENCH_MOCK_TEXTS_H

#include "str.h"

struct mock_texts {
    struct str whole;
    struct str stream_head; /* up to what stands before the first token */
    struct str stream_event;
    struct str stream_end;
};

/* Reads `folder`/`name`.whole, .first, .event and .last. */
void mock_texts_read(struct mock_texts *texts, const char *folder,
                     const char *name);

#endif
