#include "langfuse_text.h"

#include "check.h"
#include "json.h"
#include "word.h"

enum { NANO = 1000000000, NANO_DIGITS = 9 };

/* ASCII that no JSON string escapes: nearly always. */
static bool is_plain(struct str s)
{
    uint64_t odd = 0;
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t word = word_read(s.ptr + i);

        odd |= word_find_odd(word, '"') | word_find(word, '\\');
    }
    for (; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        odd |= c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
    }
    return odd == 0;
}

static void put_odd_text(struct buf *out, struct str text)
{
    size_t from = 0;
    size_t at = 0;

    if (str_is_utf8(text)) {
        json_escape(out, text);
        return;
    }
    while (at < text.len) {
        size_t n = str_utf8_length(text, at);

        if (n == 0) {
            json_escape(out, str_slice(text, from, at));
            buf_put_char(out, '?');
            from = ++at;
        } else {
            at += n;
        }
    }
    json_escape(out, str_slice(text, from, at));
}

void langfuse_put_text(struct buf *out, struct str text)
{
    if (is_plain(text))
        buf_put(out, text);
    else
        put_odd_text(out, text);
}

void langfuse_put_text_at(struct buf *out, struct str text,
                          enum langfuse_place place)
{
    struct buf once;

    if (is_plain(text)) {
        buf_put(out, text);
    } else if (place == LANGFUSE_PLAIN) {
        put_odd_text(out, text);
    } else {
        buf_init(&once, 6 * text.len);
        put_odd_text(&once, text);
        json_escape(out, buf_str(&once));
        buf_fini(&once);
    }
}

static void put_digits(char *at, unsigned count, uint64_t n)
{
    while (count-- > 0) {
        at[count] = (char)('0' + n % 10);
        n /= 10;
    }
}

/* The calendar without a loop: years of 365.2425 days that begin in March, so
 * that the day which is sometimes missing is the last one. */
void langfuse_put_date(struct buf *out, uint64_t wall_ns)
{
    char text[] = "0000-00-00T00:00:00.000Z";
    uint64_t ms = wall_ns / 1000000;
    uint64_t s = ms / 1000;
    uint64_t days = s / 86400 + 719468; /* since 0000-03-01 */
    uint64_t era = days / 146097;       /* of 400 years */
    uint64_t day = days % 146097;
    uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint64_t in_year = day - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * in_year + 2) / 153; /* from March on */

    put_digits(text, 4, era * 400 + year + (month >= 10 ? 1 : 0));
    put_digits(text + 5, 2, month < 10 ? month + 3 : month - 9);
    put_digits(text + 8, 2, in_year - (153 * month + 2) / 5 + 1);
    put_digits(text + 11, 2, s / 3600 % 24);
    put_digits(text + 14, 2, s / 60 % 60);
    put_digits(text + 17, 2, s % 60);
    put_digits(text + 20, 3, ms % 1000);
    buf_put(out, (struct str){text, sizeof(text) - 1});
}

void langfuse_put_dollars(struct buf *out, int64_t nano)
{
    char digits[NANO_DIGITS];
    size_t len = NANO_DIGITS;

    check(nano >= 0);
    buf_put_i64(out, nano / NANO);
    if (nano % NANO == 0)
        return;
    put_digits(digits, NANO_DIGITS, (uint64_t)(nano % NANO));
    while (digits[len - 1] == '0')
        len--;
    buf_put_char(out, '.');
    buf_put(out, (struct str){digits, len});
}
