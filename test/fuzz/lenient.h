/* A second reader of JSON, for what was relayed: halves of surrogate pairs
 * pass as they came, and are no finding. */
#ifndef WEIR_FUZZ_LENIENT_H
#define WEIR_FUZZ_LENIENT_H

#include <stdlib.h>

#include <yyjson.h>

#include "check.h"
#include "str.h"

static inline void lenient_fix(char *text, size_t len)
{
    for (size_t i = 0; i + 5 < len; i++) {
        if (text[i] != '\\')
            continue;
        if (text[i + 1] == 'u' && (text[i + 2] == 'd' || text[i + 2] == 'D') &&
            strchr("89abcdefABCDEF", text[i + 3]) != NULL)
            memcpy(text + i + 2, "fffd", 4);
        i++; /* what stands behind it is part of the escape */
    }
}

/* NULL when it is no JSON; to be freed. */
static inline yyjson_doc *lenient_read(struct str text)
{
    char *copy = malloc(text.len + 1);
    yyjson_doc *doc;

    check(copy != NULL);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    lenient_fix(copy, text.len);
    doc = yyjson_read(copy, text.len, 0);
    free(copy);
    return doc;
}

#endif
