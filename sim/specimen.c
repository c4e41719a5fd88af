#include "specimen.h"

enum {
    MAX_DEPTH = 32,
    MAX_REPEAT = 256,
    MAX_OUT = 4096,
    MAX_GROUPS = 10,
    MAX_WORK = 20000
};

struct maker {
    struct str pattern;
    size_t at;
    size_t least; /* for the first open-ended repetition; then 0 */
    unsigned depth;
    unsigned work; /* atoms made, so that (((){9}){9}){9} has an end */
    struct buf *out;
    bool is_mute; /* reading on without putting anything */
    struct {
        size_t from, to;
    } groups[MAX_GROUPS]; /* places in out, for back references */
    unsigned group_count;
};

static void make_choice(struct maker *m);

static char peek(const struct maker *m)
{
    return m->at < m->pattern.len ? m->pattern.ptr[m->at] : '\0';
}

static bool is_end(const struct maker *m)
{
    return m->at >= m->pattern.len;
}

static void put(struct maker *m, char c)
{
    if (!m->is_mute && m->out->len < MAX_OUT)
        buf_put_char(m->out, c);
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *hit = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

    return c == '\0' || hit == NULL ? -1 : (int)(hit - digits);
}

/* Hex digits of \xNN and \uNNNN; what is not ASCII becomes '?'. */
static char read_code(struct maker *m, unsigned digits)
{
    unsigned code = 0;

    for (unsigned i = 0; i < digits && hex_value(peek(m)) >= 0; i++)
        code = code * 16 + (unsigned)hex_value(m->pattern.ptr[m->at++]);
    return code > 0 && code < 0x80 ? (char)code : '?';
}

/* One character for what follows a backslash; '\0' for an assertion. */
static char read_escape(struct maker *m)
{
    char c = peek(m);

    m->at++;
    switch (c) {
    case 'd':
        return '1';
    case 'w':
    case 'D':
    case 'S':
        return 'a';
    case 's':
        return ' ';
    case 'W':
        return '-';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
    case 'B':
    case 'A':
    case 'z':
    case 'Z':
        return '\0';
    case 'x':
        return read_code(m, 2);
    case 'u':
        return read_code(m, 4);
    case 'p': /* \p{Lu} */
        if (peek(m) == '{') {
            char kind =
                m->at + 1 < m->pattern.len ? m->pattern.ptr[m->at + 1] : 'L';
            bool is_upper =
                m->at + 2 < m->pattern.len && m->pattern.ptr[m->at + 2] == 'u';

            while (!is_end(m) && peek(m) != '}')
                m->at++;
            m->at++;
            return kind == 'N' ? '1' : is_upper ? 'A' : 'a';
        }
        return 'a';
    default:
        return c;
    }
}

/* --- classes ------------------------------------------------------------ */

static bool class_has(struct str class, char c)
{
    struct maker m = {.pattern = class, .is_mute = true};
    char previous = '\0';

    while (!is_end(&m)) {
        char next = peek(&m);

        m.at++;
        if (next == '\\') {
            char kind = peek(&m);

            next = read_escape(&m);
            if ((kind == 'd' && c >= '0' && c <= '9') ||
                (kind == 's' && (c == ' ' || c == '\t')) ||
                (kind == 'w' &&
                 ((c >= '0' && c <= '9') || c == '_' ||
                  (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))))
                return true;
        } else if (next == '-' && previous != '\0' && !is_end(&m)) {
            char to = peek(&m);

            m.at++;
            if (to == '\\')
                to = read_escape(&m);
            if (c >= previous && c <= to)
                return true;
            previous = '\0';
            continue;
        }
        if (next == c)
            return true;
        previous = next;
    }
    return false;
}

static void make_class(struct maker *m)
{
    static const char likely[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1023456789"
        "-_ .,:/+#@!%&*()=?;'\"<>[]{}|~^$`\\";
    bool is_negated = peek(m) == '^';
    struct str class;
    size_t begin;

    if (is_negated)
        m->at++;
    begin = m->at;
    if (peek(m) == ']')
        m->at++;
    while (!is_end(m) && peek(m) != ']')
        m->at += peek(m) == '\\' ? 2 : 1;
    class = str_slice(m->pattern, begin, m->at);
    m->at++;
    for (size_t i = 0; likely[i] != '\0'; i++) {
        if (class_has(class, likely[i]) != is_negated) {
            put(m, likely[i]);
            return;
        }
    }
    /* none of ASCII: the first character as it stands */
    put(m, class.len > 0 ? class.ptr[0] : 'a');
    for (size_t i = 1;
         i < class.len && ((unsigned char)class.ptr[i] & 0xC0) == 0x80; i++)
        put(m, class.ptr[i]);
}

/* --- sequences ---------------------------------------------------------- */

static void make_group(struct maker *m)
{
    bool was_mute = m->is_mute;
    unsigned group = 0;

    if (peek(m) == '?') {
        char kind = m->at + 1 < m->pattern.len ? m->pattern.ptr[m->at + 1] : 0;
        char after = m->at + 2 < m->pattern.len ? m->pattern.ptr[m->at + 2] : 0;

        m->at += 2;
        if (kind == '=' || kind == '!' ||
            (kind == '<' && (after == '=' || after == '!'))) {
            m->is_mute = true; /* an assertion */
            m->at += kind == '<';
        } else if (kind == '<' || kind == 'P') {
            while (!is_end(m) && peek(m) != '>')
                m->at++;
            m->at++;
        }
    } else if (m->group_count + 1 < MAX_GROUPS) {
        group = ++m->group_count;
    }
    m->groups[group].from = m->out->len;
    make_choice(m);
    m->groups[group].to = m->out->len;
    if (peek(m) == ')')
        m->at++;
    m->is_mute = was_mute;
}

static void make_back_reference(struct maker *m, unsigned group)
{
    size_t to = m->groups[group].to;

    for (size_t i = m->groups[group].from; i < to && i < m->out->len; i++)
        put(m, m->out->ptr[i]);
}

static void make_atom(struct maker *m)
{
    char c = peek(m);

    m->at++;
    if (++m->work > MAX_WORK) {
        m->at = m->pattern.len;
        return;
    }
    switch (c) {
    case '^':
    case '$':
        break;
    case '.':
        put(m, 'a');
        break;
    case '[':
        make_class(m);
        break;
    case '(':
        make_group(m);
        break;
    case '\\':
        c = peek(m);
        if (c >= '1' && c <= '9') {
            m->at++;
            make_back_reference(m, (unsigned)(c - '0'));
            break;
        }
        c = read_escape(m);
        if (c != '\0')
            put(m, c);
        break;
    default:
        put(m, c);
        while (!is_end(m) && ((unsigned char)peek(m) & 0xC0) == 0x80)
            put(m, m->pattern.ptr[m->at++]);
        break;
    }
}

static size_t read_count(struct maker *m)
{
    size_t n = 0;

    while (peek(m) >= '0' && peek(m) <= '9') {
        if (n < MAX_REPEAT)
            n = n * 10 + (size_t)(peek(m) - '0');
        m->at++;
    }
    return n;
}

/* How often the atom before is to be repeated. */
static size_t read_repeat(struct maker *m)
{
    size_t count = 1;
    bool is_open = false;

    switch (peek(m)) {
    case '*':
    case '+':
        m->at++;
        is_open = true;
        break;
    case '?':
        m->at++;
        count = 0;
        break;
    case '{':
        if (m->at + 1 >= m->pattern.len || m->pattern.ptr[m->at + 1] < '0' ||
            m->pattern.ptr[m->at + 1] > '9')
            return 1; /* a brace that means itself */
        m->at++;
        count = read_count(m);
        if (peek(m) == ',') {
            m->at++;
            is_open = peek(m) == '}';
            (void)read_count(m);
        }
        m->at++;
        break;
    default:
        return 1;
    }
    if (peek(m) == '?' || peek(m) == '+') /* lazy, possessive */
        m->at++;
    if (is_open && count < m->least)
        count = m->least;
    if (is_open)
        m->least = 0;
    return count < MAX_REPEAT ? count : MAX_REPEAT;
}

/* The atom is made once to find its end; the rest is decided there. */
static void make_piece(struct maker *m)
{
    size_t begin = m->at;
    size_t from = m->out->len;
    unsigned groups = m->group_count;
    size_t after;
    size_t count;

    make_atom(m);
    count = read_repeat(m);
    after = m->at;
    if (count == 0 && !m->is_mute)
        m->out->len = from;
    for (size_t i = 1; i < count && !m->is_mute && m->out->len < MAX_OUT &&
                       m->work <= MAX_WORK;
         i++) {
        m->at = begin;
        m->group_count = groups;
        make_atom(m);
    }
    m->at = after;
}

static void make_choice(struct maker *m)
{
    bool was_mute = m->is_mute;

    if (++m->depth > MAX_DEPTH) {
        m->at = m->pattern.len;
        return;
    }
    while (!is_end(m) && peek(m) != ')') {
        if (peek(m) == '|') { /* the first branch is taken */
            m->at++;
            m->is_mute = true;
            continue;
        }
        make_piece(m);
    }
    m->is_mute = was_mute;
    m->depth--;
}

void specimen_put(struct str pattern, size_t least, struct buf *out)
{
    struct maker m = {.pattern = pattern, .least = least, .out = out};

    while (!is_end(&m)) {
        make_choice(&m);
        if (!is_end(&m)) /* a bracket that nobody opened */
            m.at++;
    }
}
