#include "arithmetic.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_DEPTH = 32, MAX_DIGITS = 40 };

/* Recursive descent over text[at…]:
 *
 *   sum     = product { ("+" | "-") product }
 *   product = power { ("*" | "/" | "%") power }
 *   power   = unit [ "^" power ]
 *   unit    = number | "-" unit | "(" sum ")"
 */
struct reader {
    struct str text; /* lower case */
    size_t at;
    unsigned depth;
    unsigned operators;
    bool failed;
};

static double read_sum(struct reader *r);

static void skip_space(struct reader *r)
{
    while (r->at < r->text.len && r->text.ptr[r->at] == ' ')
        r->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take(struct reader *r, struct str token)
{
    size_t before = r->at;

    skip_space(r);
    if (str_starts(str_slice(r->text, r->at, r->text.len), token)) {
        r->at += token.len;
        return true;
    }
    r->at = before;
    return false;
}

static const struct {
    struct str spelling;
    char sign;
    unsigned rank; /* 1 = sum, 2 = product, 3 = power */
} operators[] = {
    {STR_INIT("**"), '^', 3},
    {STR_INIT("^"), '^', 3},
    {STR_INIT("to the power of"), '^', 3},
    {STR_INIT("*"), '*', 2},
    {STR_INIT("x "), '*', 2},
    {STR_INIT("\xC3\x97"), '*', 2}, /* × */
    {STR_INIT("\xC2\xB7"), '*', 2}, /* · */
    {STR_INIT("times"), '*', 2},
    {STR_INIT("multiplied by"), '*', 2},
    {STR_INIT("/"), '/', 2},
    {STR_INIT("\xC3\xB7"), '/', 2}, /* ÷ */
    {STR_INIT("divided by"), '/', 2},
    {STR_INIT("modulo"), '%', 2},
    {STR_INIT("mod "), '%', 2},
    {STR_INIT("%"), '%', 2},
    {STR_INIT("+"), '+', 1},
    {STR_INIT("plus"), '+', 1},
    {STR_INIT("-"), '-', 1},
    {STR_INIT("\xE2\x88\x92"), '-', 1}, /* − */
    {STR_INIT("minus"), '-', 1},
};

/* An sign of that rank with something behind it to work on. */
static bool take_operator(struct reader *r, unsigned rank, char *sign)
{
    size_t before = r->at;

    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        char next;

        if (operators[i].rank != rank || !take(r, operators[i].spelling))
            continue;
        skip_space(r);
        next = r->at < r->text.len ? r->text.ptr[r->at] : '\0';
        if (is_digit(next) || next == '(' || next == '-') {
            *sign = operators[i].sign;
            return true;
        }
        r->at = before;
    }
    return false;
}

static double read_number(struct reader *r)
{
    char digits[MAX_DIGITS + 1];
    size_t begin = r->at;
    size_t len;

    while (r->at < r->text.len && is_digit(r->text.ptr[r->at]))
        r->at++;
    if (r->at + 1 < r->text.len && r->text.ptr[r->at] == '.' &&
        is_digit(r->text.ptr[r->at + 1])) {
        r->at++;
        while (r->at < r->text.len && is_digit(r->text.ptr[r->at]))
            r->at++;
    }
    len = r->at - begin;
    if (len == 0 || len > MAX_DIGITS) {
        r->failed = true;
        return 0;
    }
    memcpy(digits, r->text.ptr + begin, len);
    digits[len] = '\0';
    return strtod(digits, NULL);
}

static double read_unit(struct reader *r)
{
    double value;

    if (++r->depth > MAX_DEPTH) {
        r->failed = true;
        return 0;
    }
    skip_space(r);
    if (take(r, STR("-"))) {
        value = -read_unit(r);
    } else if (take(r, STR("("))) {
        value = read_sum(r);
        if (!take(r, STR(")")))
            r->failed = true;
    } else {
        value = read_number(r);
    }
    r->depth--;
    return value;
}

static double read_power(struct reader *r)
{
    double value = read_unit(r);
    char sign;

    /* the number of operators is bounded by the depth */
    if (!r->failed && take_operator(r, 3, &sign)) {
        r->operators++;
        if (++r->depth > MAX_DEPTH)
            r->failed = true;
        else
            value = pow(value, read_power(r));
        r->depth--;
    }
    return value;
}

static double read_product(struct reader *r)
{
    double value = read_power(r);
    char sign;

    while (!r->failed && take_operator(r, 2, &sign)) {
        double by = read_power(r);

        r->operators++;
        if (sign == '*')
            value *= by;
        else if (sign == '/')
            value /= by;
        else
            value = fmod(value, by);
    }
    return value;
}

static double read_sum(struct reader *r)
{
    double value = read_product(r);
    char sign;

    while (!r->failed && take_operator(r, 1, &sign)) {
        double by = read_product(r);

        r->operators++;
        value += sign == '+' ? by : -by;
    }
    return value;
}

static struct str value_text(struct arena *arena, double value)
{
    if (!isfinite(value))
        return STR("undefined");
    if (fabs(value) < 1e15 && floor(value) == value)
        return arena_printf(arena, "%.0f", value == 0 ? 0 : value);
    return arena_printf(arena, "%.10g", value);
}

static bool starts_number(struct str text, size_t at)
{
    char c = text.ptr[at];
    char before = at == 0 ? ' ' : text.ptr[at - 1];

    if (is_digit(before) || before == '.')
        return false;
    return is_digit(c) || c == '(' || c == '-';
}

bool arithmetic_find(struct arena *arena, const struct clues *clues,
                     struct str *expression, struct str *result)
{
    for (size_t i = 0; i < clues->lower.len; i++) {
        struct reader r = {.text = clues->lower, .at = i};
        double value;

        if (!starts_number(clues->lower, i) || clues_date_at(clues->lower, i))
            continue;
        value = read_sum(&r);
        if (r.failed || r.operators == 0)
            continue;
        *expression = str_slice(clues->text, i, r.at);
        *result = value_text(arena, value);
        return true;
    }
    return false;
}
