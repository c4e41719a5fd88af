/* telemetry/trace: W3C Trace Context. */
#include "telemetry/trace.h"

#include "../testing.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define VALID "00-" TRACE "-" SPAN "-01"

static const struct sampler as_usual;

/* A caller's head, and what is made of it. */
struct call {
    struct head head;
    struct arena arena;
    struct trace trace;
};

static void call_init(struct call *call)
{
    head_init(&call->head);
    arena_init(&call->arena);
}

static void call_fini(struct call *call)
{
    head_fini(&call->head);
    arena_clear(&call->arena);
}

static void sends(struct call *call, const char *name, struct str value)
{
    head_add_name(&call->head, str_of(name));
    head_end_name(&call->head);
    head_add_value(&call->head, value);
}

static void begins(struct call *call, const struct sampler *sampler,
                   enum trace_trust trust)
{
    head_complete(&call->head);
    trace_begin(&call->trace, &call->head, &call->arena, sampler, trust);
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("0123456789abcdef", s.ptr[i]) == NULL)
            return false;
    return true;
}

/* One header, or none. */
static void comes_with(struct call *call, const char *parent)
{
    call_init(call);
    if (parent != NULL)
        sends(call, "traceparent", str_of(parent));
    begins(call, &as_usual, TRACE_CONTINUE);
}

static void a_valid_trace_is_continued_with_a_span_of_ours(void **state)
{
    static const struct {
        const char *incoming;
        unsigned flags;
        bool is_sampled;
    } cases[] = {
        {"00-" TRACE "-" SPAN "-00", 0, false},
        {"00-" TRACE "-" SPAN "-01", 1, true},
        {"00-" TRACE "-" SPAN "-02", 2, false},
        {"00-" TRACE "-" SPAN "-03", 3, true},
        /* what the other bits mean nobody knows yet */
        {"00-" TRACE "-" SPAN "-ff", 3, true},
        {"00-" TRACE "-" SPAN "-f0", 0, false},
        {"00-" TRACE "-" SPAN "-0d", 1, true},
        /* a later version */
        {"cc-" TRACE "-" SPAN "-01", 1, true},
        {"01-" TRACE "-" SPAN "-02-more", 2, false},
        {"fe-" TRACE "-" SPAN "-01-", 1, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct call call;
        char text[TRACE_PARENT_LEN];

        comes_with(&call, cases[i].incoming);
        assert_str(trace_id(&call.trace), TRACE);
        assert_str(call.trace.parent_id, SPAN);
        assert_int_equal(call.trace.flags, cases[i].flags);
        assert_int_equal(call.trace.is_sampled, cases[i].is_sampled);
        assert_int_equal(call.trace.link_id.len, 0);
        assert_memory_not_equal(call.trace.span_id, SPAN, TRACE_SPAN_LEN);
        trace_parent(&call.trace, call.trace.span_id, text);
        assert_memory_equal(text, "00-" TRACE "-", 36);
        assert_memory_equal(text + 36, call.trace.span_id, TRACE_SPAN_LEN);
        assert_memory_equal(text + 52, "-0", 2);
        assert_int_equal(text[54], '0' + (int)cases[i].flags);
        call_fini(&call);
    }
}

static void anything_else_begins_a_new_one(void **state)
{
    static const char *const bad[] = {
        NULL,
        "",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-01-more", /* not in version 00 */
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-011",
        "00-" TRACE "-" SPAN "-01.",
        "ff-" TRACE "-" SPAN "-01",
        "FE-" TRACE "-" SPAN "-01",
        "0g-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-01-",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-" TRACE "-00f067aa0ba902bX-01",
        "00-" TRACE "-" SPAN "-0x",
        "00-" TRACE "-" SPAN "-0A",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "cc-" TRACE "-" SPAN "-01x",
        "cc-" TRACE "-" SPAN "-01.more",
        "cc-" TRACE "-" SPAN "-0",
        "cc-" TRACE "-" SPAN "-0x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct call call, again;

        comes_with(&call, bad[i]);
        comes_with(&again, bad[i]);
        assert_true(is_hex(trace_id(&call.trace)));
        assert_false(str_eq(trace_id(&call.trace), STR(TRACE)));
        assert_false(str_eq(trace_id(&call.trace), trace_id(&again.trace)));
        assert_int_equal(call.trace.parent_id.len, 0);
        assert_int_equal(call.trace.link_id.len, 0);
        /* recorded, and an id of which all is random */
        assert_int_equal(call.trace.flags, 3);
        assert_true(call.trace.is_sampled);
        call_fini(&call);
        call_fini(&again);
    }
}

static void of_two_parents_neither_counts(void **state)
{
    struct call call;

    (void)state;
    call_init(&call);
    sends(&call, "Traceparent", STR(VALID));
    sends(&call, "tracestate", STR("a=1"));
    sends(&call, "traceparent", STR(VALID));
    begins(&call, &as_usual, TRACE_CONTINUE);
    assert_false(str_eq(trace_id(&call.trace), STR(TRACE)));
    assert_int_equal(call.trace.parent_id.len, 0);
    assert_int_equal(call.trace.state.len, 0);
    call_fini(&call);
}

/* --- tracestate ---------------------------------------------------------- */

/* `count` times the character. */
static struct str many(char *room, char c, size_t count)
{
    memset(room, c, count);
    return (struct str){room, count};
}

/* Up to two fields; what goes on. */
static void assert_state(struct str first, struct str second, struct str goes)
{
    struct call call;

    call_init(&call);
    sends(&call, "tracestate", first);
    sends(&call, "traceparent", STR(VALID));
    if (second.ptr != NULL)
        sends(&call, "TraceState", second);
    begins(&call, &as_usual, TRACE_CONTINUE);
    assert_str(trace_id(&call.trace), TRACE);
    assert_int_equal(call.trace.state.len, goes.len);
    if (goes.len > 0)
        assert_memory_equal(call.trace.state.ptr, goes.ptr, goes.len);
    call_fini(&call);
}

static void a_valid_state_goes_on_as_it_came(void **state)
{
    static const char *const good[] = {
        "a=1",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "fw529a3039@dt=FfffffeN;\"!~ x",
        "0_-*/@=  1",
        "a=1 , b=2",
        "a=1\t,\t b=2",
        "a=1,,b=2, ,c=3",
        "a=1,a=2", /* twice: whose is it to say which one holds? */
    };
    char key[300];
    char value[300];
    struct buf text;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_state(str_of(good[i]), (struct str){NULL, 0}, str_of(good[i]));
    buf_init(&text, 4096);
    buf_put(&text, many(key, 'k', 255));
    buf_put_char(&text, '=');
    buf_put(&text, many(value, 'v', 256));
    assert_state(buf_str(&text), (struct str){NULL, 0}, buf_str(&text));
    buf_clear(&text);
    for (int i = 0; i < 32; i++)
        buf_printf(&text, "%sk%d=%d", i > 0 ? "," : "", i, i);
    assert_state(buf_str(&text), (struct str){NULL, 0}, buf_str(&text));
    buf_fini(&text);
}

static void several_fields_are_one_list(void **state)
{
    (void)state;
    assert_state(STR("a=1,b=2"), STR("c=3"), STR("a=1,b=2,c=3"));
    assert_state(STR(""), STR("c=3"), STR("c=3"));
    assert_state(STR("a=1"), STR("b"), STR(""));
}

static void a_bad_state_is_dropped_whole(void **state)
{
    static const char *const bad[] = {
        "",          ",",         " , ",         "a",         "a=",
        "=1",        "A=1",       "a=1,B=2",     "_a=1",      "a b=1",
        "a=1=2",     "a=1,b=2;=", "a=\x7f",      "a=\xc3",    "a=1\tb",
        "a=1\f,b=2", "a=1,\vb=2", "a=1\r\n,b=2", "a=1,b=1,c",
    };
    char room[300];
    struct buf text;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_state(str_of(bad[i]), (struct str){NULL, 0}, STR(""));
    assert_state(STR("a=1\0,b=2"), (struct str){NULL, 0}, STR(""));
    assert_state(STR("a\0=1"), (struct str){NULL, 0}, STR(""));
    buf_init(&text, 4096);
    buf_put(&text, many(room, 'k', 257));
    buf_put(&text, STR("=1"));
    assert_state(buf_str(&text), (struct str){NULL, 0}, STR(""));
    buf_clear(&text);
    buf_put(&text, STR("a="));
    buf_put(&text, many(room, 'v', 257));
    assert_state(buf_str(&text), (struct str){NULL, 0}, STR(""));
    buf_clear(&text);
    for (int i = 0; i < 33; i++)
        buf_printf(&text, "%sk%d=%d", i > 0 ? "," : "", i, i);
    assert_state(buf_str(&text), (struct str){NULL, 0}, STR(""));
    buf_fini(&text);
}

/* Members of so many bytes, joined; `skip` bits: left out. */
static void put_members(struct buf *text, const size_t sizes[], size_t count,
                        unsigned skip)
{
    buf_clear(text);
    for (size_t i = 0; i < count; i++) {
        char room[600];

        if ((skip >> i & 1) != 0)
            continue;
        buf_printf(text, "%s%c=", text->len > 0 ? "," : "", (int)('a' + i));
        buf_put(text, many(room, 'x', sizes[i] - 2));
    }
}

static void of_a_long_state_whole_members_go(void **state)
{
    static const struct {
        size_t sizes[6];
        size_t count;
        unsigned gone; /* bits */
    } cases[] = {
        {{100, 100, 100, 100, 108}, 5, 0}, /* 512 with the commas */
        {{100, 100, 100, 100, 109}, 5, 1 << 4},
        {{200, 100, 100, 100, 109}, 5, 1 << 0},          /* a long one first */
        {{128, 128, 128, 128, 128}, 5, 1 << 4 | 1 << 3}, /* none is long */
        {{129, 100, 129, 100, 129}, 5, 1 << 4},
        {{200, 120, 200, 120, 120, 100}, 6, 1 << 2 | 1 << 0},
        {{120, 120, 120, 120, 120, 250}, 6, 1 << 5 | 1 << 4},
    };
    struct buf sent, kept;

    (void)state;
    buf_init(&sent, 4096);
    buf_init(&kept, 4096);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_members(&sent, cases[i].sizes, cases[i].count, 0);
        put_members(&kept, cases[i].sizes, cases[i].count, cases[i].gone);
        assert_true(kept.len <= 512);
        assert_state(buf_str(&sent), (struct str){NULL, 0}, buf_str(&kept));
    }
    buf_fini(&sent);
    buf_fini(&kept);
}

static void without_a_parent_there_is_no_state(void **state)
{
    struct call call;

    (void)state;
    call_init(&call);
    sends(&call, "traceparent", STR("00-" TRACE "-" SPAN "-0"));
    sends(&call, "tracestate", STR("a=1"));
    begins(&call, &as_usual, TRACE_CONTINUE);
    assert_int_equal(call.trace.state.len, 0);
    call_fini(&call);
}

/* --- who decides --------------------------------------------------------- */

static void comes(struct call *call, const char *parent,
                  const struct sampler *sampler, enum trace_trust trust)
{
    call_init(call);
    if (parent != NULL)
        sends(call, "traceparent", str_of(parent));
    sends(call, "tracestate", STR("a=1"));
    begins(call, sampler, trust);
}

static void a_sampler_decides_where_the_parent_does_not(void **state)
{
    static const struct sampler off = {.root = SAMPLER_ALWAYS_OFF};
    static const struct sampler on_anyhow = {.ignores_parent = true};
    static const struct sampler off_anyhow = {.root = SAMPLER_ALWAYS_OFF,
                                              .ignores_parent = true};
    static const char no[] = "00-" TRACE "-" SPAN "-00";
    static const struct {
        const struct sampler *sampler;
        enum trace_trust trust;
        const char *parent;
        unsigned flags;
    } cases[] = {
        {&as_usual, TRACE_CONTINUE, NULL, 3},
        {&as_usual, TRACE_CONTINUE, VALID, 1},
        {&as_usual, TRACE_CONTINUE, no, 0},
        {&off, TRACE_CONTINUE, NULL, 2},
        {&off, TRACE_CONTINUE, VALID, 1},
        {&off, TRACE_CONTINUE, no, 0},
        {&on_anyhow, TRACE_CONTINUE, no, 1},
        {&off_anyhow, TRACE_CONTINUE, VALID, 0},
        {&off_anyhow, TRACE_CONTINUE, NULL, 2},
        {&as_usual, TRACE_RESAMPLE, no, 1},
        {&off, TRACE_RESAMPLE, VALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct call call;

        comes(&call, cases[i].parent, cases[i].sampler, cases[i].trust);
        assert_int_equal(call.trace.flags, cases[i].flags);
        assert_int_equal(call.trace.is_sampled, cases[i].flags & 1);
        if (cases[i].parent != NULL) {
            assert_str(trace_id(&call.trace), TRACE);
            assert_str(call.trace.parent_id, SPAN);
            assert_str(call.trace.state, "a=1");
        }
        call_fini(&call);
    }
}

static void a_restart_leaves_a_link(void **state)
{
    struct call call;

    (void)state;
    comes(&call, "00-" TRACE "-" SPAN "-02", &as_usual, TRACE_RESTART);
    assert_false(str_eq(trace_id(&call.trace), STR(TRACE)));
    assert_int_equal(call.trace.flags, 3);
    assert_int_equal(call.trace.parent_id.len, 0);
    assert_int_equal(call.trace.state.len, 0);
    assert_str(call.trace.link_id, TRACE);
    assert_str(call.trace.link_span_id, SPAN);
    assert_int_equal(call.trace.link_flags, 2);
    call_fini(&call);
    comes(&call, "nonsense", &as_usual, TRACE_RESTART);
    assert_int_equal(call.trace.link_id.len, 0);
    call_fini(&call);
}

static void a_try_has_a_span_of_its_own(void **state)
{
    struct call call;
    char text[TRACE_PARENT_LEN];

    (void)state;
    comes(&call, VALID, &as_usual, TRACE_CONTINUE);
    assert_str(trace_parent_of_try(&call.trace, "0123456789abcdef", text),
               "00-" TRACE "-0123456789abcdef-01");
    call_fini(&call);
}

static void who_records_nothing_passes_the_context_on(void **state)
{
    static const struct sampler disabled = {.is_disabled = true};
    struct call call;
    char text[TRACE_PARENT_LEN];

    (void)state;
    comes(&call, "00-" TRACE "-" SPAN "-03", &disabled, TRACE_CONTINUE);
    assert_false(call.trace.is_sampled);
    assert_str(trace_parent_of_try(&call.trace, "0123456789abcdef", text),
               "00-" TRACE "-" SPAN "-03");
    assert_str(call.trace.state, "a=1");
    call_fini(&call);
    comes(&call, NULL, &disabled, TRACE_CONTINUE);
    assert_false(call.trace.is_sampled);
    assert_int_equal(call.trace.flags, 2);
    assert_int_equal(
        trace_parent_of_try(&call.trace, "0123456789abcdef", text).len, 0);
    call_fini(&call);
}

static void without_propagators_nothing_comes_in_or_goes_out(void **state)
{
    static const struct sampler deaf = {.is_deaf = true};
    struct call call;
    char text[TRACE_PARENT_LEN];

    (void)state;
    comes(&call, VALID, &deaf, TRACE_CONTINUE);
    assert_false(str_eq(trace_id(&call.trace), STR(TRACE)));
    assert_true(call.trace.is_sampled);
    assert_int_equal(call.trace.state.len, 0);
    assert_int_equal(
        trace_parent_of_try(&call.trace, "0123456789abcdef", text).len, 0);
    call_fini(&call);
}

static void random_digits_do_not_repeat(void **state)
{
    enum { COUNT = 300, LEN = 32 };
    static char ids[COUNT][LEN];
    char odd[5] = "????";

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        trace_random_hex(ids[i], LEN);
        assert_true(is_hex((struct str){ids[i], LEN}));
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(ids[i], ids[k], LEN);
    }
    trace_random_hex(odd, 3);
    assert_true(is_hex((struct str){odd, 3}));
    assert_int_equal(odd[3], '?');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_trace_is_continued_with_a_span_of_ours),
        cmocka_unit_test(anything_else_begins_a_new_one),
        cmocka_unit_test(of_two_parents_neither_counts),
        cmocka_unit_test(a_valid_state_goes_on_as_it_came),
        cmocka_unit_test(several_fields_are_one_list),
        cmocka_unit_test(a_bad_state_is_dropped_whole),
        cmocka_unit_test(of_a_long_state_whole_members_go),
        cmocka_unit_test(without_a_parent_there_is_no_state),
        cmocka_unit_test(a_sampler_decides_where_the_parent_does_not),
        cmocka_unit_test(a_restart_leaves_a_link),
        cmocka_unit_test(a_try_has_a_span_of_its_own),
        cmocka_unit_test(who_records_nothing_passes_the_context_on),
        cmocka_unit_test(without_propagators_nothing_comes_in_or_goes_out),
        cmocka_unit_test(random_digits_do_not_repeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
