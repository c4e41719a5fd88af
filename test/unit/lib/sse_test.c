/* lib/sse: server-sent events, both ways. */
#include "sse.h"

#include <stdlib.h>

#include "../testing.h"

enum { MAX_EVENT = 1 << 20 };

/* "name|data;" for each event, "-" for no name. */
static void note(struct buf *out, const struct sse_event *event)
{
    buf_put(out, event->name.ptr == NULL ? STR("-") : event->name);
    buf_put_char(out, '|');
    buf_put(out, event->data);
    buf_put_char(out, ';');
}

static void feed(struct sse_decoder *decoder, struct str bytes, struct buf *out)
{
    struct sse_event event;

    while (sse_next(decoder, &bytes, &event))
        note(out, &event);
}

/* Decodes in three pieces that end at `a` and `b`. */
static void decode_cut(struct str stream, size_t a, size_t b, struct buf *out)
{
    struct sse_decoder decoder;
    struct sse_event event;

    sse_decoder_init(&decoder, MAX_EVENT);
    feed(&decoder, str_slice(stream, 0, a), out);
    feed(&decoder, str_slice(stream, a, b), out);
    feed(&decoder, str_slice(stream, b, stream.len), out);
    if (sse_finish(&decoder, &event))
        note(out, &event);
    assert_false(sse_failed(&decoder));
    sse_decoder_fini(&decoder);
}

static void assert_events(struct str stream, const char *expected)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    decode_cut(stream, stream.len, stream.len, &out);
    assert_str(buf_str(&out), expected);
    buf_fini(&out);
}

static void fields_mean_what_the_standard_says(void **state)
{
    static const struct {
        struct str stream;
        const char *events;
    } cases[] = {
        {STR_INIT("data: a\n\n"), "-|a;"},
        {STR_INIT("data:a\n\n"), "-|a;"},
        {STR_INIT("data:  a \n\n"), "-| a ;"},
        {STR_INIT("data: a\ndata: b\n\n"), "-|a\nb;"},
        {STR_INIT("data\ndata\n\n"), "-|\n;"},
        {STR_INIT("data\n\n"), "-|;"},
        {STR_INIT("data:\n\n"), "-|;"},
        {STR_INIT("event: e\ndata: a\n\ndata: b\n\n"), "e|a;-|b;"},
        {STR_INIT("event: e\nevent: f\ndata: a\n\n"), "f|a;"},
        {STR_INIT("event\ndata: a\n\n"), "-|a;"},
        {STR_INIT("event: e\n\ndata: a\n\n"), "-|a;"}, /* forgotten */
        {STR_INIT(": comment\n\n:\n\ndata: a\n\n"), "-|a;"},
        {STR_INIT("id: 1\nretry: 5\nother: x\ndata: a\n\n"), "-|a;"},
        {STR_INIT("noColonAtAll\ndata: a\n\n"), "-|a;"},
        {STR_INIT("Data: a\ndata: b\n\n"), "-|b;"},
        {STR_INIT(" data: a\ndata: b\n\n"), "-|b;"},
        {STR_INIT("data : a\ndata: b\n\n"), "-|b;"},
        {STR_INIT("data: a:b: c\n\n"), "-|a:b: c;"},
        {STR_INIT("\n\n\n\r\n\rdata: a\n\n\n\n"), "-|a;"},
        {STR_INIT("data: \xE2\x80\xA8\xC2\x85\n\n"), "-|\xE2\x80\xA8\xC2\x85;"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_events(cases[i].stream, cases[i].events);
}

static void a_line_ends_in_lf_cr_or_both(void **state)
{
    (void)state;
    assert_events(STR("data: a\r\n\r\ndata: b\r\rdata: c\n\n"), "-|a;-|b;-|c;");
    assert_events(STR("data: a\r\ndata: b\rdata: c\ndata: d\n\r\n"),
                  "-|a\nb\nc\nd;");
    /* LF CR is two line ends */
    assert_events(STR("data: a\n\rdata: b\n\n"), "-|a;-|b;");
}

static void a_bom_is_skipped_at_the_start_only(void **state)
{
    (void)state;
    assert_events(STR("\xEF\xBB\xBF"
                      "data: a\n\n"),
                  "-|a;");
    assert_events(STR("data: a\n\n\xEF\xBB\xBF"
                      "data: b\n\ndata: c\n\n"),
                  "-|a;-|c;");
    /* two of them: the second belongs to the field's name */
    assert_events(STR("\xEF\xBB\xBF\xEF\xBB\xBF"
                      "data: a\ndata: b\n\n"),
                  "-|b;");
    /* what only begins like one */
    assert_events(STR("\xEF\xBB"
                      "data: a\ndata: b\n\n"),
                  "-|b;");
    assert_events(STR("\xEF"), "");
}

static void the_end_gives_out_what_was_pending(void **state)
{
    (void)state;
    assert_events(STR("data: a\n"), "-|a;");
    assert_events(STR("data: a"), "-|a;");
    assert_events(STR("event: e\r\ndata: a\r\n"), "e|a;");
    assert_events(STR("event: e\n"), "");
    assert_events(STR(": comment"), "");
    assert_events(STR(""), "");
}

static const struct str streams[] = {
    STR_INIT("event: message_start\ndata: {\"a\":1}\n\n"
             ": keep-alive\n\ndata: x\r\n\r\ndata: [DONE]\n\n"),
    STR_INIT("\xEF\xBB\xBF"
             "data: \xF0\x9F\x98\x80\r\rdata:b\r\ndata: c\r\n\r\n"),
    STR_INIT("data\revent: e\r\ndata: 1\n\n\r\n\rdata: 2"),
    STR_INIT("\xEF\xBB"
             "x: y\ndata: z\n\n"),
    STR_INIT("id\nretry: 1\n\n\nevent:\ndata:\n\ndata: \n\n"),
};

static void any_two_cuts_give_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        struct buf whole;
        struct buf cut;

        buf_init(&whole, 1 << 16);
        buf_init(&cut, 1 << 16);
        decode_cut(streams[i], streams[i].len, streams[i].len, &whole);
        assert_true(whole.len > 0);
        for (size_t a = 0; a <= streams[i].len; a++) {
            for (size_t b = a; b <= streams[i].len; b++) {
                buf_clear(&cut);
                decode_cut(streams[i], a, b, &cut);
                assert_true(str_eq(buf_str(&whole), buf_str(&cut)));
            }
        }
        buf_fini(&whole);
        buf_fini(&cut);
    }
}

static void bytes_one_by_one_give_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        struct sse_decoder decoder;
        struct sse_event event;
        struct buf whole;
        struct buf cut;

        buf_init(&whole, 1 << 16);
        buf_init(&cut, 1 << 16);
        decode_cut(streams[i], streams[i].len, streams[i].len, &whole);
        sse_decoder_init(&decoder, MAX_EVENT);
        for (size_t at = 0; at < streams[i].len; at++)
            feed(&decoder, str_slice(streams[i], at, at + 1), &cut);
        if (sse_finish(&decoder, &event))
            note(&cut, &event);
        assert_true(str_eq(buf_str(&whole), buf_str(&cut)));
        sse_decoder_fini(&decoder);
        buf_fini(&whole);
        buf_fini(&cut);
    }
}

static void a_megabyte_in_one_event_is_whole(void **state)
{
    enum { SIZE = 1000 * 1000 };
    char *data = malloc(SIZE);
    struct sse_decoder decoder;
    struct sse_event event;
    struct str bytes = STR("data: ");

    (void)state;
    assert_non_null(data);
    memset(data, 'x', SIZE);
    sse_decoder_init(&decoder, MAX_EVENT);
    assert_false(sse_next(&decoder, &bytes, &event));
    for (size_t at = 0; at < SIZE; at += 1000) {
        bytes = (struct str){data + at, 1000};
        assert_false(sse_next(&decoder, &bytes, &event));
    }
    bytes = STR("\n\n");
    assert_true(sse_next(&decoder, &bytes, &event));
    assert_int_equal(event.data.len, SIZE);
    assert_memory_equal(event.data.ptr, data, SIZE);
    sse_decoder_fini(&decoder);
    free(data);
}

static bool fails_with(struct str line, size_t repeats, size_t max)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool failed;

    sse_decoder_init(&decoder, max);
    for (size_t i = 0; i < repeats; i++) {
        struct str bytes = line;

        if (sse_next(&decoder, &bytes, &event))
            fail();
    }
    failed = sse_failed(&decoder);
    sse_decoder_fini(&decoder);
    return failed;
}

static void an_event_above_its_bound_fails_and_is_not_cut(void **state)
{
    (void)state;
    /* an unfinished line */
    assert_false(fails_with(STR("data: 3456"), 99, 1000));
    assert_true(fails_with(STR("data: 3456"), 101, 1000));
    /* many data lines */
    assert_false(fails_with(STR("data: 345678\n"), 143, 1000));
    assert_true(fails_with(STR("data: 345678\n"), 144, 1000));
    /* many comments and names are not gathered */
    assert_false(fails_with(STR(": 34567890\n"), 1000, 1000));
    assert_false(fails_with(STR("event: 234567890\n"), 1000, 1000));
}

static void nothing_comes_out_of_a_failed_decoder(void **state)
{
    struct sse_decoder decoder;
    struct sse_event event;
    char big[400];
    struct str bytes = {big, sizeof(big)};

    (void)state;
    memset(big, 'x', sizeof(big));
    sse_decoder_init(&decoder, 300);
    assert_false(sse_next(&decoder, &bytes, &event));
    assert_true(sse_failed(&decoder));
    bytes = STR("\n\ndata: a\n\n");
    assert_false(sse_next(&decoder, &bytes, &event));
    sse_decoder_fini(&decoder);
}

static void what_is_written_reads_back(void **state)
{
    static const struct str data[] = {
        STR_INIT("{\"a\":1}"), STR_INIT("[DONE]"),   STR_INIT("a\nb"),
        STR_INIT("\n"),        STR_INIT(" leading"), STR_INIT("a\n\nb"),
    };
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        struct str bytes;
        struct sse_decoder decoder;
        struct sse_event event;

        buf_clear(&out);
        sse_put_named(&out, STR("kind"), data[i]);
        bytes = buf_str(&out);
        sse_decoder_init(&decoder, MAX_EVENT);
        assert_true(sse_next(&decoder, &bytes, &event));
        assert_true(str_eq(event.data, data[i]));
        assert_str(event.name, "kind");
        assert_int_equal(bytes.len, 0);
        sse_decoder_fini(&decoder);
    }
    buf_fini(&out);
}

static void pieces_make_one_frame(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    sse_begin(&out);
    sse_data(&out, STR("{\"model\":"));
    sse_data(&out, (struct str){NULL, 0});
    sse_data(&out, STR("\"m\"}"));
    sse_end(&out);
    assert_str(buf_str(&out), "data: {\"model\":\"m\"}\n\n");
    buf_clear(&out);
    sse_put(&out, STR("[DONE]"));
    assert_str(buf_str(&out), "data: [DONE]\n\n");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_mean_what_the_standard_says),
        cmocka_unit_test(a_line_ends_in_lf_cr_or_both),
        cmocka_unit_test(a_bom_is_skipped_at_the_start_only),
        cmocka_unit_test(the_end_gives_out_what_was_pending),
        cmocka_unit_test(any_two_cuts_give_the_same_events),
        cmocka_unit_test(bytes_one_by_one_give_the_same_events),
        cmocka_unit_test(a_megabyte_in_one_event_is_whole),
        cmocka_unit_test(an_event_above_its_bound_fails_and_is_not_cut),
        cmocka_unit_test(nothing_comes_out_of_a_failed_decoder),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(pieces_make_one_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
