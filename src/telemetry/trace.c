#include "trace.h"

#include <uv.h>

#include "check.h"
#include "word.h"

enum { POOL_SIZE = 1024 };

/* Random bytes are fetched by the kilobyte: one system call for many ids. */
static void random_bytes(unsigned char *out, size_t len)
{
    static _Thread_local unsigned char pool[POOL_SIZE];
    static _Thread_local size_t left;

    check(len <= POOL_SIZE);
    if (left < len) {
        check(uv_random(NULL, NULL, pool, sizeof(pool), 0, NULL) == 0);
        left = POOL_SIZE;
    }
    left -= len;
    memcpy(out, pool + left, len);
}

/* Eight digits, one in each byte, in whatever order. */
static uint64_t hex_digits(uint32_t word)
{
    uint64_t digits = word;
    uint64_t letters;

    digits = (digits | digits << 16) & UINT64_C(0x0000FFFF0000FFFF);
    digits = (digits | digits << 8) & UINT64_C(0x00FF00FF00FF00FF);
    digits = (digits | digits << 4) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    letters = (digits + WORD_ONES * 6) >> 4 & WORD_ONES;
    return digits + WORD_ONES * '0' + letters * ('a' - '0' - 10);
}

void trace_random_hex(char *out, size_t len)
{
    uint32_t words[8];
    uint64_t digits[COUNT_OF(words)];
    size_t count = (len + 7) / 8; /* of words, eight digits each */

    check(count <= COUNT_OF(words));
    random_bytes((unsigned char *)words, count * sizeof(*words));
    for (size_t i = 0; i < count; i++)
        digits[i] = hex_digits(words[i]);
    memcpy(out, digits, len);
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') ||
              (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static bool is_zero(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '0')
            return false;
    return true;
}

/* --- traceparent --------------------------------------------------------- */

/* 00-<32 hex>-<16 hex>-<2 hex>; a later version may have more behind it. */
static bool is_valid(struct str parent)
{
    struct str version = str_slice(parent, 0, 2);

    if (parent.len < TRACE_PARENT_LEN || !is_hex(version) ||
        str_eq(version, STR("ff")) || parent.ptr[2] != '-' ||
        parent.ptr[35] != '-' || parent.ptr[52] != '-')
        return false;
    if (parent.len > TRACE_PARENT_LEN &&
        (str_eq(version, STR("00")) || parent.ptr[TRACE_PARENT_LEN] != '-'))
        return false;
    return is_hex(str_slice(parent, 3, 35)) &&
           is_hex(str_slice(parent, 36, 52)) &&
           is_hex(str_slice(parent, 53, 55)) &&
           !is_zero(str_slice(parent, 3, 35)) &&
           !is_zero(str_slice(parent, 36, 52));
}

/* Of a valid traceparent: the bits that are known. */
static unsigned flags_of(struct str parent)
{
    char digit = parent.ptr[TRACE_PARENT_LEN - 1];
    unsigned bits = (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);

    return bits & (TRACE_SAMPLED | TRACE_RANDOM);
}

/* --- tracestate ---------------------------------------------------------- */

enum {
    STATE_MEMBERS = 32,
    STATE_KEY = 256,
    STATE_VALUE = 256,
    STATE_KEEP = 512,   /* bytes that go on in any case */
    STATE_MEMBER = 128, /* a longer member is the first to go */
};

struct members {
    struct str list[STATE_MEMBERS];
    unsigned count;
    size_t len; /* when they are joined */
};

static bool is_key(struct str key)
{
    if (key.len == 0 || key.len > STATE_KEY)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!is_plain && (i == 0 || c == '\0' || strchr("_-*/@", c) == NULL))
            return false;
    }
    return true;
}

static bool is_value(struct str value)
{
    if (value.len == 0 || value.len > STATE_VALUE)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < ' ' || value.ptr[i] > '~' || value.ptr[i] == '=')
            return false;
    return true;
}

/* Optional white space of HTTP: no other kinds. */
static struct str trim(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = str_slice(s, 1, s.len);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Empty members are allowed, and mean nothing. */
static bool read_members(struct str text, struct members *members)
{
    struct str member;

    *members = (struct members){.count = 0};
    while (str_split(&text, ',', &member)) {
        struct str value = trim(member);
        struct str key;

        if (value.len == 0)
            continue;
        member = value;
        if (members->count == STATE_MEMBERS || !str_split(&value, '=', &key) ||
            !is_key(key) || !is_value(value))
            return false;
        members->len += member.len + (members->count > 0);
        members->list[members->count++] = member;
    }
    return true;
}

static void drop_member(struct members *members, unsigned at)
{
    members->len -= members->list[at].len + 1;
    for (unsigned i = at + 1; i < members->count; i++)
        members->list[i - 1] = members->list[i];
    members->count--;
}

/* Whole members go: the longest-winded first, then the oldest. */
static void shorten(struct members *members)
{
    for (unsigned i = members->count; i > 0 && members->len > STATE_KEEP; i--)
        if (members->list[i - 1].len > STATE_MEMBER)
            drop_member(members, i - 1);
    while (members->len > STATE_KEEP)
        drop_member(members, members->count - 1);
}

static struct str join_members(struct arena *arena,
                               const struct members *members)
{
    struct buf all;
    struct str text;

    buf_init(&all, STATE_KEEP);
    for (unsigned i = 0; i < members->count; i++) {
        if (i > 0)
            buf_put_char(&all, ',');
        buf_put(&all, members->list[i]);
    }
    text = arena_copy(arena, buf_str(&all));
    buf_fini(&all);
    return text;
}

/* --- what came ----------------------------------------------------------- */

struct incoming {
    struct str parent, state; /* the last ones */
    unsigned parents, states;
};

static void find(const struct head *head, struct incoming *in)
{
    static const struct str parent = STR_INIT("traceparent");
    static const struct str state = STR_INIT("tracestate");

    *in = (struct incoming){.parents = 0};
    for (unsigned i = 0; i < head->count; i++) {
        struct str name = head->fields[i].name;

        if (name.len == parent.len && str_eq_nocase(name, parent)) {
            in->parent = head->fields[i].value;
            in->parents++;
        } else if (name.len == state.len && str_eq_nocase(name, state)) {
            in->state = head->fields[i].value;
            in->states++;
        }
    }
}

/* Several fields are one list. */
static struct str join_fields(const struct head *head, struct arena *arena)
{
    struct buf all;
    struct str text;

    buf_init(&all, HEAD_MAX_BYTES);
    for (unsigned i = 0; i < head->count; i++) {
        if (!str_eq_nocase(head->fields[i].name, STR("tracestate")))
            continue;
        if (all.len > 0)
            buf_put_char(&all, ',');
        buf_put(&all, head->fields[i].value);
    }
    text = buf_failed(&all) ? STR("") : arena_copy(arena, buf_str(&all));
    buf_fini(&all);
    return text;
}

/* As it came, where it can be left so; empty when it is not valid. */
static struct str read_state(const struct head *head, struct arena *arena,
                             const struct incoming *in)
{
    struct str text = in->state;
    struct members members;

    if (in->states == 0)
        return STR("");
    if (in->states > 1)
        text = join_fields(head, arena);
    if (!read_members(text, &members) || members.count == 0)
        return STR("");
    if (text.len <= STATE_KEEP)
        return text;
    shorten(&members);
    return join_members(arena, &members);
}

/* --- the trace ----------------------------------------------------------- */

static void begin_new(struct trace *trace, const struct sampler *sampler)
{
    trace->is_sampled = sampler_takes(sampler, trace_id(trace));
    trace->flags = TRACE_RANDOM | (trace->is_sampled ? TRACE_SAMPLED : 0);
}

static void go_on(struct trace *trace, struct str parent,
                  const struct sampler *sampler, enum trace_trust trust)
{
    unsigned flags = flags_of(parent);
    bool decides = sampler->ignores_parent || trust == TRACE_RESAMPLE;

    memcpy(trace->id, parent.ptr + 3, sizeof(trace->id));
    trace->parent_id = str_slice(parent, 36, 52);
    if (sampler->is_disabled) {
        trace->is_passive = true;
        trace->flags = flags;
        return;
    }
    trace->is_sampled = decides ? sampler_takes(sampler, trace_id(trace))
                                : (flags & TRACE_SAMPLED) != 0;
    trace->flags =
        (flags & TRACE_RANDOM) | (trace->is_sampled ? TRACE_SAMPLED : 0);
}

void trace_begin(struct trace *trace, const struct head *head,
                 struct arena *arena, const struct sampler *sampler,
                 enum trace_trust trust)
{
    char digits[TRACE_SPAN_LEN + TRACE_ID_LEN];
    struct incoming in = {.parents = 0};
    bool is_known;

    *trace = (struct trace){.is_silent = sampler->is_deaf};
    trace_random_hex(digits, sizeof(digits));
    memcpy(trace->span_id, digits, TRACE_SPAN_LEN);
    memcpy(trace->id, digits + TRACE_SPAN_LEN, TRACE_ID_LEN);
    if (!sampler->is_deaf)
        find(head, &in);
    /* of several nobody knows which one is meant */
    is_known = in.parents == 1 && is_valid(in.parent);
    if (is_known && trust != TRACE_RESTART) {
        go_on(trace, in.parent, sampler, trust);
        trace->state = read_state(head, arena, &in);
        return;
    }
    begin_new(trace, sampler);
    trace->is_silent = sampler->is_deaf || sampler->is_disabled;
    if (is_known) {
        trace->link_id = str_slice(in.parent, 3, 35);
        trace->link_span_id = str_slice(in.parent, 36, 52);
        trace->link_flags = flags_of(in.parent);
    }
}

struct str trace_id(const struct trace *trace)
{
    return (struct str){trace->id, sizeof(trace->id)};
}

void trace_parent(const struct trace *trace, const char span_id[TRACE_SPAN_LEN],
                  char out[TRACE_PARENT_LEN])
{
    out[0] = out[1] = out[53] = '0';
    out[2] = out[35] = out[52] = '-';
    memcpy(out + 3, trace->id, TRACE_ID_LEN);
    memcpy(out + 36, span_id, TRACE_SPAN_LEN);
    out[54] = (char)('0' + trace->flags);
}

struct str trace_parent_of_try(const struct trace *trace,
                               const char span_id[TRACE_SPAN_LEN],
                               char out[TRACE_PARENT_LEN])
{
    if (trace->is_silent)
        return (struct str){NULL, 0};
    trace_parent(trace, trace->is_passive ? trace->parent_id.ptr : span_id,
                 out);
    return (struct str){out, TRACE_PARENT_LEN};
}
