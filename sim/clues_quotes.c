/* What stands between quotation marks. */
#include "clues.h"

static const struct {
    struct str open;
    struct str close;
} quotes[] = {
    {STR_INIT("\""), STR_INIT("\"")},
    {STR_INIT("\xE2\x80\x9C"), STR_INIT("\xE2\x80\x9D")}, /* “…” */
    {STR_INIT("\xE2\x80\x9E"), STR_INIT("\xE2\x80\x9C")}, /* „…“ */
    {STR_INIT("\xC2\xAB"), STR_INIT("\xC2\xBB")},         /* «…» */
    {STR_INIT("\xE2\x80\x98"), STR_INIT("\xE2\x80\x99")}, /* ‘…’ */
    {STR_INIT("'"), STR_INIT("'")},
    {STR_INIT("`"), STR_INIT("`")},
};

/* An apostrophe is no quote: the mark stands before a word and behind one. */
static bool quoted_by(struct str text, struct str open, struct str close,
                      size_t *at, struct str *out)
{
    size_t from = 0;
    size_t hit;

    while (str_find(str_slice(text, from, text.len), open, &hit)) {
        size_t begin = from + hit + open.len;
        size_t end = begin;

        from = begin;
        if (begin > open.len && clues_is_word(text.ptr[begin - open.len - 1]))
            continue;
        while (str_find(str_slice(text, end, text.len), close, &hit)) {
            end += hit;
            if (end + close.len >= text.len || close.ptr[0] != '\'' ||
                !clues_is_word(text.ptr[end + close.len])) {
                *at = begin;
                *out = str_slice(text, begin, end);
                if (out->len > 0)
                    return true;
                break;
            }
            end += close.len;
        }
    }
    return false;
}

struct str clues_quoted(const struct clues *clues)
{
    struct str best = {NULL, 0};
    size_t first = SIZE_MAX;

    for (size_t i = 0; i < COUNT_OF(quotes); i++) {
        struct str found;
        size_t at;

        if (quoted_by(clues->text, quotes[i].open, quotes[i].close, &at,
                      &found) &&
            at < first) {
            first = at;
            best = found;
        }
    }
    return best;
}

struct str clues_code(const struct clues *clues)
{
    struct str found;
    size_t at;

    if (quoted_by(clues->text, STR("`"), STR("`"), &at, &found))
        return found;
    return (struct str){NULL, 0};
}
