#include "regex.h"

#include <stdlib.h>

#include "check.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 200000, HEAP_LIMIT_KB = 16 * 1024, TEXT_MAX = 1 << 20 };

struct regex {
    pcre2_code *code;
    pcre2_match_context *bounds;
};

struct regex *regex_new(struct str pattern)
{
    struct regex *regex;
    PCRE2_SIZE at;
    int error;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                                     PCRE2_UTF, &error, &at, NULL);

    if (code == NULL)
        return NULL;
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    regex = must_alloc(sizeof(*regex));
    regex->code = code;
    regex->bounds = pcre2_match_context_create(NULL);
    if (regex->bounds == NULL)
        out_of_memory();
    pcre2_set_match_limit(regex->bounds, MATCH_LIMIT);
    pcre2_set_heap_limit(regex->bounds, HEAP_LIMIT_KB);
    return regex;
}

void regex_free(struct regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_match_context_free(regex->bounds);
    pcre2_code_free(regex->code);
    free(regex);
}

enum regex_result regex_match(const struct regex *regex, struct str text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    bool is_whole = text.len <= TEXT_MAX;
    int result;

    if (data == NULL)
        out_of_memory();
    text = text.ptr == NULL ? STR("") : str_clip(text, TEXT_MAX);
    result = pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, 0,
                         PCRE2_NO_UTF_CHECK, data, regex->bounds);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        /* the interpreter keeps its state on the heap, within bounds */
        result =
            pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, 0,
                        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, regex->bounds);
    pcre2_match_data_free(data);
    if (result >= 0)
        return REGEX_YES;
    return result == PCRE2_ERROR_NOMATCH && is_whole ? REGEX_NO
                                                     : REGEX_UNDECIDED;
}
