#include "tokenizer.h"

static bool is_white(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Every byte of a non-ASCII character counts as a letter. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static bool is_inside_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static size_t white_length(struct str text)
{
    size_t len = 1;

    while (len < text.len && len < TOKENIZER_MAX_BYTES &&
           is_white(text.ptr[len]))
        len++;
    /* the last space belongs to the word behind it */
    if (len > 1 && len < text.len && text.ptr[len - 1] == ' ' &&
        is_letter(text.ptr[len]))
        len--;
    return len;
}

static size_t letters_length(struct str text, size_t len)
{
    size_t end = len;

    while (end < text.len && end < TOKENIZER_MAX_BYTES &&
           is_letter(text.ptr[end]))
        end++;
    /* bytes that are no UTF-8 may have no beginning to go back to */
    while (end < text.len && end > len + 1 &&
           is_inside_character(text.ptr[end]))
        end--;
    return end;
}

bool tokenizer_next(struct str *rest, struct str *token)
{
    bool has_space;
    size_t len;

    if (rest->len == 0)
        return false;
    has_space = rest->len > 1 && rest->ptr[0] == ' ' && is_letter(rest->ptr[1]);
    if (has_space || is_letter(rest->ptr[0]))
        len = letters_length(*rest, has_space ? 1 : 0);
    else if (is_white(rest->ptr[0]))
        len = white_length(*rest);
    else
        len = 1;
    *token = str_slice(*rest, 0, len);
    *rest = str_slice(*rest, len, rest->len);
    return true;
}

size_t tokenizer_count(struct str text)
{
    struct str token;
    size_t n = 0;

    while (tokenizer_next(&text, &token))
        n++;
    return n;
}

uint64_t tokenizer_number(struct str token)
{
    uint64_t number = 0;

    for (size_t i = token.len; i > 0; i--)
        number = number << 8 | (unsigned char)token.ptr[i - 1];
    return number << 3 | token.len;
}

size_t tokenizer_bytes(uint64_t number, char out[TOKENIZER_MAX_BYTES])
{
    size_t len = number & 7;

    number >>= 3;
    if (len > TOKENIZER_MAX_BYTES || (len == 0 && number != 0))
        return 0;
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(unsigned char)(number & 0xFF);
        number >>= 8;
    }
    return number == 0 ? len : 0;
}
