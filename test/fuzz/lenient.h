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

static inline bool lenient_is_word(yyjson_val *key, yyjson_val *value)
{
    static const char *const words[] = {
        "content", "reasoning_content", "reasoning",       "refusal",
        "audio",   "tool_calls",        "thinking_blocks", "function_call"};

    if (yyjson_equals_str(key, "finish_reason"))
        return yyjson_is_str(value);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (yyjson_equals_str(key, words[i]))
            return yyjson_is_obj(value) ||
                   (yyjson_get_len(value) > 0 &&
                    (yyjson_is_str(value) || yyjson_is_arr(value)));
    return false;
}

/* Does an answer, or a piece of a streamed one, have words, calls, or at
 * least a reason why there are none?  Wherever they stand: members may be
 * there twice. */
static inline bool lenient_says(yyjson_val *value)
{
    size_t i, max;
    yyjson_val *key, *member;

    if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, i, max, key, member)
        {
            if (lenient_is_word(key, member) || lenient_says(member))
                return true;
        }
    }
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, i, max, member)
        {
            if (lenient_says(member))
                return true;
        }
    }
    return false;
}

#endif
