/* dialect/openai_backend_stream: how a stream ends, what is too much, and the
 * whole of it in any two pieces. */
#include "chunked.h"
#include "sse.h"

/* --- how it ends -------------------------------------------------------- */

static void an_error_frame_is_the_last_word(void **state)
{
    (void)state;
    take(ROLE);
    take(TEXT("par"));
    take("{\"error\":{\"message\":\"engine died\",\"type\":"
         "\"InternalServerError\",\"param\":null,\"code\":500}}");
    assert_str(buf_str(&told), "start(1) text(par) error(engine died) ");
    assert_int_equal(last.error.error, ERR_STREAM_ERROR);
    take(DONE);
    assert_true(openai_chunks_end(chunks, &listener));
    assert_str(buf_str(&told), "start(1) text(par) error(engine died) ");
}

static void an_aborted_answer_is_an_error(void **state)
{
    static const char *const ends[] = {END("abort"), END("error")};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        openai_chunks_close(chunks);
        chunks = openai_chunks_open(&arena, &names);
        take(TEXT("par"));
        take(ends[i]);
        assert_int_equal(last.kind, CHAT_EVENT_ERROR);
        assert_int_equal(last.error.error, ERR_STREAM_ERROR);
        take(USAGE);
        take(DONE);
        assert_int_equal(last.kind, CHAT_EVENT_ERROR);
    }
}

static void an_empty_success_is_none(void **state)
{
    (void)state;
    assert_false(openai_chunks_read(chunks, STR(DONE), &listener));
    take(ROLE);
    take(TEXT(" "));
    take(USAGE);
    assert_false(openai_chunks_read(chunks, STR(DONE), &listener));
    assert_false(openai_chunks_end(chunks, &listener));
    assert_str(buf_str(&told), "start(1) ");
}

static void a_reason_alone_is_an_answer(void **state)
{
    (void)state;
    take(ROLE);
    take(END("stop"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) end(1 ) ");
}

static void a_token_needs_no_reason_before_the_last_word(void **state)
{
    (void)state;
    take(TEXT("a"));
    take(DONE);
    assert_str(buf_str(&told), "start(1) text(a) end(1 ) ");
}

static void a_closed_connection_needs_a_reason(void **state)
{
    (void)state;
    take(TEXT("a"));
    assert_false(openai_chunks_end(chunks, &listener));
    assert_str(buf_str(&told), "start(1) text(a) ");
    take(END("stop"));
    assert_true(openai_chunks_end(chunks, &listener));
    assert_str(buf_str(&told), "start(1) text(a) end(1 ) ");
}

static void what_is_no_chunk_breaks_the_stream(void **state)
{
    static const char *const data[] = {"{",
                                       "[]",
                                       "7",
                                       "\"a\"",
                                       "{}",
                                       "{\"choices\":null}",
                                       "{\"choices\":{}}"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(data); i++)
        assert_false(openai_chunks_read(chunks, str_of(data[i]), &listener));
    assert_str(buf_str(&told), "");
}

/* --- bounds ------------------------------------------------------------- */

static void what_is_held_has_a_bound(void **state)
{
    struct buf chunk;
    bool ok = true;
    unsigned n = 0;

    (void)state;
    take(CALLS(CALL("0", "a", "f", "")));
    buf_init(&chunk, 2 << 20);
    buf_put(&chunk, STR("{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":"
                        "1,\"function\":{\"arguments\":\""));
    for (unsigned i = 0; i < 1 << 16; i++)
        buf_put(&chunk, STR("0123456789abcdef"));
    buf_put(&chunk, STR("\"}}]}}]}"));
    while (ok && n < 20) {
        ok = openai_chunks_read(chunks, buf_str(&chunk), &listener);
        n++;
    }
    assert_false(ok);
    assert_int_equal(n, 16); /* its id and name take their part, too */
    buf_fini(&chunk);
}

static void there_are_only_so_many_calls(void **state)
{
    bool ok = true;
    unsigned n = 0;

    (void)state;
    for (; ok && n < 2000; n++) {
        struct str chunk = arena_printf(
            &arena,
            "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%u}]}}]}", n);

        ok = openai_chunks_read(chunks, chunk, &listener);
    }
    assert_false(ok);
    assert_int_equal(n, 1025);
}

/* --- through the bytes -------------------------------------------------- */

/* The stream in two pieces, what it means to `to`. */
static void read_cut(struct str bytes, size_t cut,
                     const struct chat_listener *to)
{
    struct str halves[2] = {str_slice(bytes, 0, cut),
                            str_slice(bytes, cut, bytes.len)};
    struct sse_decoder sse;
    struct sse_event event;

    openai_chunks_close(chunks);
    chunks = openai_chunks_open(&arena, &names);
    sse_decoder_init(&sse, 1 << 20);
    for (size_t i = 0; i < 2; i++)
        while (sse_next(&sse, &halves[i], &event))
            assert_true(openai_chunks_read(chunks, event.data, to));
    assert_true(openai_chunks_end(chunks, to));
    sse_decoder_fini(&sse);
}

#define FRAME(chunk) "data: " chunk "\n\n"

static void any_cut_gives_the_same_events(void **state)
{
    static const char expected[] =
        "start(1) think(hé) block(|) text(\nö) call(0 a f) args(0 {) args(0 }) "
        "call(1 b g) args(1 []) end(3 ) ";
    struct str bytes = STR(
        FRAME(ROLE) FRAME(THINK("hé")) FRAME(TEXT("\\n")) FRAME(TEXT("ö"))
            FRAME(CALLS(CALL("0", "a", "f", "{") "," CALL("1", "b", "g", "[")))
                FRAME(CALLS(MORE("1", "]") "," MORE("0", "}")))
                    FRAME(END("tool_calls")) FRAME(USAGE) FRAME(DONE));

    (void)state;
    for (size_t i = 0; i <= bytes.len; i++) {
        buf_clear(&told);
        read_cut(bytes, i, &listener);
        assert_str(buf_str(&told), expected);
    }
}

struct rewrite {
    struct openai_stream writer;
    struct buf out;
};

static void write_event(void *ctx, const struct chat_event *event)
{
    struct rewrite *rewrite = ctx;

    openai_write_event(&rewrite->writer, event, &rewrite->out);
}

#define WRITTEN(delta, finish)                                           \
    FRAME("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\"," \
          "\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,"     \
          "\"delta\":{" delta "},\"finish_reason\":" finish              \
          "}],\"usage\":null}")
#define WRITTEN_CALL(members) \
    WRITTEN("\"tool_calls\":[{\"index\":" members "}]", "null")

/* What is read is written again as it was. */
static void a_stream_goes_through_unchanged(void **state)
{
    struct str bytes = STR(
        WRITTEN("\"role\":\"assistant\",\"content\":\"\"",
                "null") WRITTEN("\"reasoning_content\":\"hm\"",
                                "null") WRITTEN("\"content\":\"é\"", "null")
            WRITTEN_CALL("0,\"id\":\"a\",\"type\":\"function\",\"function\":{"
                         "\"name\":\"f\",\"arguments\":\"\"}")
                WRITTEN_CALL("0,\"function\":{\"arguments\":\"{}\"}")
                    WRITTEN_CALL(
                        "1,\"id\":\"b\",\"type\":\"function\",\"function\":{"
                        "\"name\":\"g\",\"arguments\":\"\"}")
                        WRITTEN_CALL("1,\"function\":{\"arguments\":\"[\\\"\"}")
                            WRITTEN("", "\"tool_calls\"") FRAME(
                                "{\"id\":\"chatcmpl-1\",\"object\":\"chat."
                                "completion.chunk\","
                                "\"created\":7,\"model\":\"m\",\"choices\":[],"
                                "\"usage\":{"
                                "\"prompt_tokens\":9,\"completion_tokens\":2,"
                                "\"total_tokens\":11,"
                                "\"prompt_tokens_details\":{\"cached_tokens\":"
                                "4,"
                                "\"cache_write_tokens\":0}}}") FRAME(DONE));
    const struct answer_style style = {.model = STR("m"),
                                       .created = 7,
                                       .shows_reasoning = true,
                                       .include_usage = true};
    struct rewrite rewrite;
    const struct chat_listener writing = {write_event, &rewrite};

    (void)state;
    openai_stream_init(&rewrite.writer, &style);
    buf_init(&rewrite.out, 1 << 16);
    read_cut(bytes, bytes.len, &writing);
    buf_put_char(&rewrite.out, '\0');
    assert_string_equal(rewrite.out.ptr, bytes.ptr);
    openai_stream_fini(&rewrite.writer);
    buf_fini(&rewrite.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_error_frame_is_the_last_word),
        TEST(an_aborted_answer_is_an_error),
        TEST(an_empty_success_is_none),
        TEST(a_reason_alone_is_an_answer),
        TEST(a_token_needs_no_reason_before_the_last_word),
        TEST(a_closed_connection_needs_a_reason),
        TEST(what_is_no_chunk_breaks_the_stream),
        TEST(what_is_held_has_a_bound),
        TEST(there_are_only_so_many_calls),
        TEST(any_cut_gives_the_same_events),
        TEST(a_stream_goes_through_unchanged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
