#include "regex.h"

#include <stdlib.h>

#include "check.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 200000, DEPTH_LIMIT = 2000, TEXT_MAX = 1 << 20 };

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
    pcre2_set_depth_limit(regex->bounds, DEPTH_LIMIT);
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

bool regex_matches(const struct regex *regex, struct str text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int result;

    if (data == NULL)
        out_of_memory();
    text = text.ptr == NULL ? STR("") : str_clip(text, TEXT_MAX);
    result = pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, 0,
                         PCRE2_NO_UTF_CHECK, data, regex->bounds);
    pcre2_match_data_free(data);
    return result >= 0;
}
