/* dialect/gather: what was asked and what was answered, to be kept. */
#include "../testing.h"
#include "dialect/answer.h"

enum { MAX = 4096, MAX_EVENT = 1 << 20 };

static const struct names no_names;
static const struct answer_style style = {
    .model = STR_INIT("auto"),
    .created = 1790000000,
    .shows_reasoning = true,
};
static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static bool is_json(struct str text)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, 0);
    bool is = yyjson_is_obj(yyjson_doc_get_root(doc));

    yyjson_doc_free(doc);
    return is;
}

/* --- requests ------------------------------------------------------------ */

static struct str asked(const struct format *format, const char *body,
                        size_t max, bool *is_clipped)
{
    struct chat_error error;
    struct chat chat;

    *is_clipped = false;
    if (!format->read_request(&arena, str_of(body), &chat, &error))
        fail_msg("%s", body);
    return gather_request(&arena, format, &chat, max, is_clipped);
}

#define BASE64_64 \
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
#define BASE64_1024                                                           \
    BASE64_64 BASE64_64 BASE64_64 BASE64_64 BASE64_64 BASE64_64 BASE64_64     \
        BASE64_64 BASE64_64 BASE64_64 BASE64_64 BASE64_64 BASE64_64 BASE64_64 \
            BASE64_64 BASE64_64
#define SILENCE_64 \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SILENCE_256 SILENCE_64 SILENCE_64 SILENCE_64 SILENCE_64
#define SILENCE_1024 SILENCE_256 SILENCE_256 SILENCE_256 SILENCE_256
#define CHAT(content) \
    "{\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"

static void a_request_is_what_it_says(void **state)
{
    static const struct {
        const struct format *format;
        const char *body, *kept;
    } cases[] = {
        {&format_chat,
         "{ \"model\":\"m\" , \"messages\" : [ { \"role\":\"user\",\"x\":1.50, "
         "\"content\":\"\\u00e4\\n\",\"y\":null} ], \"temperature\":1,"
         "\"tools\":[] }",
         "{\"messages\":[{\"role\":\"user\",\"x\":1.50,\"content\":"
         "\"\xC3\xA4\\n\","
         "\"y\":null}]}"},
        {&format_messages,
         "{\"max_tokens\":9,\"model\":\"m\",\"messages\":[{\"role\":\"user\","
         "\"content\":\"x\"}],\"system\":[{\"type\":\"text\",\"text\":\"s\"}]}",
         "{\"system\":[{\"type\":\"text\",\"text\":\"s\"}],\"messages\":[{"
         "\"role\":\"user\",\"content\":\"x\"}]}"},
        {&format_responses,
         "{\"model\":\"m\",\"input\":\"x\",\"instructions\":\"i\",\"store\":"
         "false}",
         "{\"instructions\":\"i\",\"input\":\"x\"}"},
        {&format_completions, "{\"prompt\":[[1,2],[3]],\"suffix\":\"x\"}",
         "{\"prompt\":[[1,2],[3]]}"},
        {&format_embeddings, "{\"input\":[\"a\",\"b\"]}",
         "{\"input\":[\"a\",\"b\"]}"},
        /* Base64, wherever it stands */
        {&format_chat,
         CHAT("[{\"type\":\"image_url\",\"image_url\":{\"url\":"
              "\"data:image/png;base64,iVBORw0KGgo=\"}},"
              "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"" BASE64_64
              "\",\"format\":\"wav\"}},"
              "{\"type\":\"file\",\"file\":{\"file_data\":\"" BASE64_64
              "\",\"filename\":\"f\"}},"
              "{\"type\":\"image_url\",\"image_url\":{\"url\":"
              "\"https://x.test/\"}}]"),
         CHAT("[{\"type\":\"image_url\",\"image_url\":{\"url\":"
              "\"[image/png, 8 bytes]\"}},"
              "{\"type\":\"input_audio\",\"input_audio\":{\"data\":"
              "\"[base64, 48 bytes]\",\"format\":\"wav\"}},"
              "{\"type\":\"file\",\"file\":{\"file_data\":"
              "\"[base64, 48 bytes]\",\"filename\":\"f\"}},"
              "{\"type\":\"image_url\",\"image_url\":{\"url\":"
              "\"https://x.test/\"}}]")},
        {&format_messages,
         "{\"max_tokens\":9,\"model\":\"m\",\"messages\":[{\"role\":\"user\","
         "\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
         "\"media_type\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}},"
         "{\"type\":\"document\",\"source\":{\"type\":\"text\","
         "\"media_type\":\"text/plain\",\"data\":\"plain\"}}]}]}",
         "{\"messages\":[{\"role\":\"user\","
         "\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
         "\"media_type\":\"image/png\",\"data\":\"[image/png, 8 bytes]\"}},"
         "{\"type\":\"document\",\"source\":{\"type\":\"text\","
         "\"media_type\":\"text/plain\",\"data\":\"plain\"}}]}]}"},
        {&format_chat, CHAT("\"" BASE64_1024 "\""),
         CHAT("\"[base64, 768 bytes]\"")},
        /* silence has one letter, and MIME breaks the lines */
        {&format_chat,
         CHAT("[{\"type\":\"input_audio\",\"input_audio\":{\"data\":"
              "\"" SILENCE_1024 "AA==\"}},{\"type\":\"input_audio\","
              "\"input_audio\":{\"data\":\"" BASE64_64 "\\r\\n" BASE64_64
              "\\r\\n\"}}]"),
         CHAT("[{\"type\":\"input_audio\",\"input_audio\":{\"data\":"
              "\"[base64, 769 bytes]\"}},{\"type\":\"input_audio\","
              "\"input_audio\":{\"data\":\"[base64, 96 bytes]\"}}]")},
        {&format_responses,
         "{\"model\":\"m\",\"store\":false,\"input\":[{\"type\":"
         "\"reasoning\",\"id\":\"r\",\"summary\":[],\"encrypted_content\":"
         "\"a.b.c." SILENCE_64 "\"},{\"role\":\"user\",\"content\":\"x\"}"
         "]}",
         "{\"input\":[{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[],"
         "\"encrypted_content\":\"[base64, 50 bytes]\"},{\"role\":\"user\","
         "\"content\":\"x\"}]}"},
        /* inside a text, whatever surrounds it */
        {&format_chat,
         CHAT("\"See ![x](data:image/png;base64,iVBORw0KGgo=) and "
              "DATA:audio/wav;BASE64," SILENCE_64 "\\r\\n" SILENCE_64
              "\\u0000, {\\\"u\\\":\\\"data:;base64,QUJD\\\\nREVG\\\"};\""),
         CHAT("\"See ![x](data:image/png;base64,[8 bytes]) and "
              "DATA:audio/wav;BASE64,[96 bytes]\\u0000, "
              "{\\\"u\\\":\\\"data:;base64,[6 bytes]\\\"};\"")},
        {&format_chat, CHAT("\"the mark ;base64, and ; alone\""),
         CHAT("\"the mark ;base64,[2 bytes]; alone\"")},
        {&format_chat, CHAT("\"data:image/png;base64,iVBORw0KGgo=, what?\""),
         CHAT("\"data:image/png;base64,[8 bytes], what?\"")},
        /* a text file, and what a tool was given */
        {&format_messages,
         "{\"max_tokens\":9,\"model\":\"m\",\"messages\":[{\"role\":\"user\","
         "\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"text\","
         "\"media_type\":\"text/plain\",\"data\":\"" SILENCE_64
         " no sound\"}}]},{\"role\":\"assistant\",\"content\":[{\"type\":"
         "\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{\"data\":"
         "\"" SILENCE_64 " (a text)\"}}]}]}",
         "{\"messages\":[{\"role\":\"user\","
         "\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"text\","
         "\"media_type\":\"text/plain\",\"data\":\"" SILENCE_64
         " no sound\"}}]},{\"role\":\"assistant\",\"content\":[{\"type\":"
         "\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{\"data\":"
         "\"" SILENCE_64 " (a text)\"}}]}]}"},
        /* no Base64: short, or with other characters */
        {&format_chat, CHAT("\"" BASE64_64 "\""), CHAT("\"" BASE64_64 "\"")},
        {&format_chat, CHAT("\"" BASE64_64 " " BASE64_1024 "\""),
         CHAT("\"" BASE64_64 " " BASE64_1024 "\"")},
        {&format_count,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
         "}",
         "{}"},
    };
    bool is_clipped;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_str(asked(cases[i].format, cases[i].body, MAX, &is_clipped),
                   cases[i].kept);
        assert_false(is_clipped);
    }
}

static void a_request_is_cut_into_json(void **state)
{
    const char *body = CHAT(
        "[{\"type\":\"text\",\"text\":\"\xC3\xA4 \\\"quoted\\\" \\u0001 "
        "\xE2\x82"
        "\xAC and "
        "more\"},{\"type\":\"x\",\"n\":[1,-2.5,true,null,{\"deep\":[[]]}]},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"data:image/png;base64,iVBORw0KGgo=\"}}]");
    bool is_clipped, was_clipped = true;
    struct str whole = asked(&format_chat, body, MAX, &is_clipped);

    (void)state;
    for (size_t max = 0; max < whole.len + 100; max++) {
        struct str kept = asked(&format_chat, body, max, &is_clipped);

        assert_true(kept.len <= max);
        assert_true(kept.len == 0 ? max < 16 : is_json(kept));
        assert_true(was_clipped || !is_clipped);
        assert_true(is_clipped || str_eq(kept, whole));
        was_clipped = is_clipped;
    }
    assert_false(was_clipped);
}

static void no_bound_lets_data_through(void **state)
{
    const char *body =
        CHAT("\"\xE2\x82\xAC data:image/png;base64,iVBORw0KGgo= , "
             "data:a/b;base64,iVBORw0KGgo= . data:a/b;base64,iVBORw0KGgo=\"");
    bool is_clipped;

    (void)state;
    for (size_t max = 0; max < 400; max++)
        assert_lacks(asked(&format_chat, body, max, &is_clipped), "iVBOR");
    assert_false(is_clipped);
}

/* "NAMEnnnn…", `len` bytes of it. */
static struct str words(const char *name, size_t len)
{
    char *text = arena_alloc(&arena, len);

    memset(text, 'n', len);
    memcpy(text, name, strlen(name));
    return (struct str){text, len};
}

static const char *chat_of(size_t turns, size_t system, size_t turn)
{
    struct buf body;
    struct str text;

    buf_init(&body, 1 << 20);
    buf_put(&body, STR("{\"messages\":[{\"role\":\"system\",\"content\":\""));
    buf_put(&body, words("rules", system));
    for (size_t i = 0; i < turns; i++) {
        buf_printf(&body, "\"},{\"role\":\"%s\",\"content\":\"turn %zu.",
                   i % 2 == 0 ? "user" : "assistant", i);
        buf_put(&body, words("", turn));
    }
    buf_put(&body, STR("\"}]}"));
    text = arena_copy(&arena, buf_str(&body));
    buf_fini(&body);
    return text.ptr;
}

static void a_conversation_keeps_both_ends_whatever_the_bound(void **state)
{
    const char *bodies[] = {chat_of(21, 100, 60), chat_of(1, 3000, 10),
                            chat_of(9, 1000, 200), chat_of(5, 10, 600)};
    bool is_clipped;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct str whole = str_of(bodies[i]);
        bool was_clipped = true;

        for (size_t max = 0; max < whole.len + 100; max++) {
            struct str kept = asked(&format_chat, bodies[i], max, &is_clipped);

            assert_true(kept.len <= max);
            assert_true(kept.len == 0 ? max < 16 : is_json(kept));
            assert_true(was_clipped || !is_clipped);
            assert_true(is_clipped || str_eq(kept, whole));
            was_clipped = is_clipped;
            if (max < 512)
                continue;
            assert_has(kept, "{\"role\":\"system\",\"content\":\"rulesnnn");
            assert_has(kept, i == 0   ? "turn 20.n"
                             : i == 1 ? "turn 0.n"
                             : i == 2 ? "turn 8.n"
                                      : "turn 4.n");
            /* most of the room is used */
            assert_true(!is_clipped || i == 0 || kept.len + 330 > max);
        }
        assert_false(was_clipped);
    }
}

static void what_is_left_out_is_counted(void **state)
{
    bool is_clipped;
    struct str kept =
        asked(&format_chat, chat_of(101, 10, 60), 2000, &is_clipped);
    yyjson_doc *doc = yyjson_read(kept.ptr, kept.len, 0);
    yyjson_val *messages = yyjson_obj_get(yyjson_doc_get_root(doc), "messages");
    size_t total = 0, notes = 0;

    (void)state;
    assert_true(is_clipped);
    json_each_item (item, messages) {
        struct str text = json_get_text(item, STR("content"));
        uint64_t left;

        if (!str_starts(text, STR("[messages left out: "))) {
            total++;
            continue;
        }
        assert_str(json_get_text(item, STR("role")), "router");
        assert_true(str_to_u64(str_slice(text, 20, text.len - 1), &left));
        total += left;
        notes++;
    }
    assert_int_equal(notes, 1);
    assert_int_equal(total, 102);
    yyjson_doc_free(doc);
    assert_has(kept, "turn 0.");
    assert_has(kept, "turn 99.");
    assert_lacks(kept, "turn 50.");
}

/* What comes before the messages does not take their room, and takes what they
 * leave. */
static void long_instructions_leave_room(void **state)
{
    struct str rules = words("rules", 3000);
    const char *one =
        arena_printf(&arena,
                     "{\"model\":\"m\",\"store\":false,\"instructions\":"
                     "\"%.*s\",\"input\":\"What now?\"}",
                     STR_ARG(rules))
            .ptr;
    const char *three =
        arena_printf(&arena,
                     "{\"max_tokens\":9,\"model\":\"m\",\"system\":[{\"type\":"
                     "\"text\",\"text\":\"%.*s\"}],\"messages\":[{\"role\":"
                     "\"user\",\"content\":\"first %.*s\"},{\"role\":"
                     "\"assistant\",\"content\":\"second\"},{\"role\":\"user\","
                     "\"content\":\"third\"}]}",
                     STR_ARG(rules), STR_ARG(rules))
            .ptr;
    bool is_clipped;

    (void)state;
    for (size_t max = 512; max < 3000; max++) {
        struct str kept = asked(&format_responses, one, max, &is_clipped);

        assert_true(is_clipped && is_json(kept));
        assert_true(kept.len <= max && kept.len + 200 > max);
        assert_true(str_starts(kept, STR("{\"instructions\":\"rulesnnn")));
        assert_true(str_ends(kept, STR("n\",\"input\":\"What now?\"}")));
        kept = asked(&format_messages, three, max, &is_clipped);
        assert_true(is_clipped && is_json(kept));
        assert_true(kept.len <= max && kept.len + 200 > max);
        assert_true(str_starts(
            kept, STR("{\"system\":[{\"type\":\"text\",\"text\":\"rulesn")));
        assert_has(kept, "\"content\":\"first rulesn");
        assert_true(str_ends(
            kept, STR("{\"role\":\"assistant\",\"content\":\"second\"},"
                      "{\"role\":\"user\",\"content\":\"third\"}]}")));
    }
}

/* --- answers ------------------------------------------------------------- */

struct kept {
    struct str text;
    bool is_clipped;
};

static struct kept stream(const struct format *from, const struct format *to,
                          struct str bytes, size_t first, size_t step,
                          size_t max)
{
    struct gather gather;
    struct answer answer;
    struct kept kept;
    struct buf out;
    size_t at = 0;

    buf_init(&out, 1 << 20);
    gather_init(&gather, &arena, max);
    answer_init(&answer, &arena, from, to, &style, &no_names, MAX_EVENT);
    answer.gather = &gather;
    for (size_t n = first; at < bytes.len; n = step) {
        (void)answer_feed(&answer, str_slice(bytes, at, at + n), &out);
        at += n;
    }
    (void)answer_close(&answer, &out);
    kept.text = gather_result(&gather);
    kept.is_clipped = gather.is_clipped;
    answer_fini(&answer);
    gather_fini(&gather);
    buf_fini(&out);
    return kept;
}

static struct kept whole(const struct format *from, const struct format *to,
                         struct str body, size_t max)
{
    struct str pieces[RELAY_PIECES];
    struct gather gather;
    struct answer answer;
    struct kept kept;

    gather_init(&gather, &arena, max);
    answer_init(&answer, &arena, from, to, &style, &no_names, MAX_EVENT);
    answer.gather = &gather;
    assert_true(answer_whole(&answer, &arena, body, &no_names, pieces) > 0);
    kept.text = gather_result(&gather);
    kept.is_clipped = gather.is_clipped;
    answer_fini(&answer);
    gather_fini(&gather);
    return kept;
}

#define CHUNK(choice)                                                       \
    "data: {\"id\":\"c\",\"model\":\"q\",\"choices\":[{\"index\":0," choice \
    "}]}\n\n"
#define DELTA(delta) CHUNK("\"delta\":{" delta "},\"finish_reason\":null")
#define OPENAI_STREAM                                                          \
    DELTA("\"role\":\"assistant\",\"content\":\"\"")                           \
    DELTA("\"reasoning_content\":\"h\xC3\xA4\"")                               \
    DELTA("\"reasoning\":\"m\"")                                               \
    DELTA("\"content\":\"\xE2\x82\xAC \\\"x\\\"\"")                            \
    DELTA("\"content\":\"\\n\"")                                               \
    DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\","  \
          "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]")                \
    DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"          \
          "\"{\\\"a\\\":\"}}]")                                                \
    DELTA(                                                                     \
        "\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"function\":{"            \
        "\"name\":\"g\"}},{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]") \
    CHUNK("\"delta\":{},\"finish_reason\":\"tool_calls\"")                     \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n"               \
    "data: [DONE]\n\n"
#define CALLS                                                                  \
    "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{"      \
    "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\","         \
    "\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}" \
    "}]"
#define ANSWER                                                                 \
    "{\"role\":\"assistant\",\"content\":\"\xE2\x82\xAC \\\"x\\\"\\n\"," CALLS \
    ",\"reasoning_content\":\"h\xC3\xA4m\"}"

#define EVENT(name, rest) \
    "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define BLOCK(index, block, deltas)                             \
    EVENT("content_block_start",                                \
          ",\"index\":" index ",\"content_block\":{" block "}") \
    deltas EVENT("content_block_stop", ",\"index\":" index)
#define BIT(index, delta) \
    EVENT("content_block_delta", ",\"index\":" index ",\"delta\":{" delta "}")
#define ANTHROPIC_STREAM                                                       \
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":"          \
                           "\"message\",\"role\":\"assistant\",\"content\":"   \
                           "[],\"usage\":{\"input_tokens\":5}}")               \
    BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\"",                      \
          BIT("0", "\"type\":\"thinking_delta\",\"thinking\":\"h\xC3\xA4\"")   \
              BIT("0", "\"type\":\"thinking_delta\",\"thinking\":\"m\"") BIT(  \
                  "0", "\"type\":\"signature_delta\",\"signature\":\"s\""))    \
    BLOCK("1", "\"type\":\"text\",\"text\":\"\"",                              \
          BIT("1",                                                             \
              "\"type\":\"text_delta\",\"text\":\"\xE2\x82\xAC \\\"x\\\"\"")   \
              BIT("1", "\"type\":\"text_delta\",\"text\":\"\\n\""))            \
    BLOCK(                                                                     \
        "2",                                                                   \
        "\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\",\"input\":{}",     \
        BIT("2",                                                               \
            "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"")  \
            BIT("2", "\"type\":\"input_json_delta\",\"partial_json\":\"1}\"")) \
    BLOCK("3",                                                                 \
          "\"type\":\"tool_use\",\"id\":\"c2\",\"name\":\"g\",\"input\":{}",   \
          "")                                                                  \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"},"        \
                           "\"usage\":{\"output_tokens\":9}")                  \
    EVENT("message_stop", "")

static const struct said {
    const struct format *from, *to;
    struct str bytes;
    const char *kept;
} streams[] = {
    {&format_chat, &format_chat, STR_INIT(OPENAI_STREAM), ANSWER},
    {&format_chat, &format_messages, STR_INIT(OPENAI_STREAM), ANSWER},
    {&format_chat, &format_responses, STR_INIT(OPENAI_STREAM), ANSWER},
    {&format_messages, &format_chat, STR_INIT(ANTHROPIC_STREAM), ANSWER},
    {&format_messages, &format_messages, STR_INIT(ANTHROPIC_STREAM), ANSWER},
    {&format_messages, &format_responses, STR_INIT(ANTHROPIC_STREAM), ANSWER},
    {&format_completions, &format_completions,
     STR_INIT(CHUNK("\"text\":\"a\"") CHUNK(
         "\"text\":\"b\",\"finish_reason\":\"stop\"") "data: [DONE]\n\n"),
     "{\"role\":\"assistant\",\"content\":\"ab\"}"},
    /* of several choices the first */
    {&format_chat, &format_chat,
     STR_INIT("data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},"
              "{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
              "data: [DONE]\n\n"),
     "{\"role\":\"assistant\",\"content\":\"a\"}"},
    /* cut off: what there is */
    {&format_chat, &format_chat,
     STR_INIT(DELTA("\"role\":\"assistant\"") DELTA("\"content\":\"half\"")),
     "{\"role\":\"assistant\",\"content\":\"half\"}"},
    {&format_messages, &format_chat,
     STR_INIT(EVENT("message_start", ",\"message\":{\"content\":[]}")
                  BLOCK("0", "\"type\":\"text\",\"text\":\"\"",
                        BIT("0", "\"type\":\"text_delta\",\"text\":\"half\""))),
     "{\"role\":\"assistant\",\"content\":\"half\"}"},
    {&format_chat, &format_chat, STR_INIT("data: nonsense\n\n"), ""},
    /* the old way to call, a refusal, and a custom tool */
    {&format_chat, &format_chat,
     STR_INIT(DELTA("\"function_call\":{\"name\":\"f\"}")
                  DELTA("\"function_call\":{\"arguments\":\"{}\"}")
                      DELTA("\"refusal\":\"no\"") "data: [DONE]\n\n"),
     "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"\","
     "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"
     "],\"refusal\":\"no\"}"},
    {&format_chat, &format_chat,
     STR_INIT(DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":"
                    "\"custom\",\"custom\":{\"name\":\"p\",\"input\":\"x\"}}]")
                  DELTA("\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":"
                        "\"y\"}}]")),
     "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"c\","
     "\"type\":\"custom\",\"custom\":{\"name\":\"p\",\"input\":\"xy\"}}]}"},
};

static void a_stream_is_gathered_whatever_the_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        const struct said *s = &streams[i];

        for (size_t at = 0; at <= s->bytes.len; at++) {
            struct kept kept =
                stream(s->from, s->to, s->bytes, at, s->bytes.len, MAX);

            assert_str(kept.text, s->kept);
            assert_false(kept.is_clipped);
        }
        for (size_t step = 1; step < 8; step++)
            assert_str(stream(s->from, s->to, s->bytes, step, step, MAX).text,
                       s->kept);
    }
}

static void a_stream_is_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        const struct said *s = &streams[i];
        bool was_clipped = true;

        for (size_t max = 0; max < strlen(s->kept) + 100; max++) {
            struct kept kept =
                stream(s->from, s->to, s->bytes, s->bytes.len, 1, max);

            assert_true(kept.text.len <= max);
            assert_true(kept.text.len == 0 || is_json(kept.text));
            assert_true(was_clipped || !kept.is_clipped);
            if (!kept.is_clipped)
                assert_str(kept.text, s->kept);
            was_clipped = kept.is_clipped;
        }
        assert_false(was_clipped);
    }
}

static const struct said wholes[] = {
    {&format_chat, &format_chat,
     STR_INIT("{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
              "\"content\":\"\xE2\x82\xAC \\\"x\\\"\\n\","
              "\"reasoning_content\":\"h\xC3\xA4m\",\"tool_calls\":["
              "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
              "\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\","
              "\"type\":\"function\",\"function\":{\"name\":\"g\","
              "\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}"),
     ANSWER},
    {&format_messages, &format_messages,
     STR_INIT("{\"id\":\"msg\",\"type\":\"message\",\"role\":\"assistant\","
              "\"content\":[{\"type\":\"thinking\",\"thinking\":\"h\xC3\xA4m\","
              "\"signature\":\"s\"},{\"type\":\"redacted_thinking\",\"data\":"
              "\"zzz\"},{\"type\":\"text\",\"text\":\"\xE2\x82\xAC "
              "\\\"x\\\"\\n\"},{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":"
              "\"f\",\"input\":{ \"a\" : 1 }},{\"type\":\"tool_use\",\"id\":"
              "\"c2\",\"name\":\"g\",\"input\":{}}],\"stop_reason\":"
              "\"tool_use\",\"usage\":{\"input_tokens\":1}}"),
     ANSWER},
    {&format_completions, &format_completions,
     STR_INIT("{\"choices\":[{\"text\":\"Hi\",\"finish_reason\":\"stop\"}]}"),
     "{\"role\":\"assistant\",\"content\":\"Hi\"}"},
    /* no words */
    {&format_embeddings, &format_embeddings,
     STR_INIT("{\"data\":[{\"embedding\":[1]}]}"), ""},
};

static void a_whole_answer_is_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wholes); i++) {
        const struct said *s = &wholes[i];

        assert_str(whole(s->from, s->to, s->bytes, MAX).text, s->kept);
        for (size_t max = 0; max < strlen(s->kept); max++) {
            struct kept kept = whole(s->from, s->to, s->bytes, max);

            assert_true(kept.text.len <= max);
            assert_true(kept.is_clipped || s->kept[0] == '\0');
            assert_true(kept.text.len == 0 || is_json(kept.text));
        }
    }
    /* and translated */
    for (size_t i = 0; i < 2; i++) {
        const struct format *other =
            wholes[i].from == &format_chat ? &format_messages : &format_chat;

        assert_str(whole(wholes[i].from, other, wholes[i].bytes, MAX).text,
                   ANSWER);
        assert_str(
            whole(wholes[i].from, &format_responses, wholes[i].bytes, MAX).text,
            ANSWER);
    }
}

static void what_was_thought_leaves_room_for_what_was_said(void **state)
{
    struct str thoughts = STR("0123456789012345678901234567890123456789"
                              "0123456789012345678901234567890123456789");
    struct gather gather;

    (void)state;
    gather_init(&gather, &arena, 120);
    gather_text(&gather, GATHER_REASONING, thoughts);
    gather_text(&gather, GATHER_REASONING, STR("no hole"));
    gather_text(&gather, GATHER_CONTENT, STR("said"));
    assert_int_equal(gather.texts[GATHER_REASONING].len, 60);
    assert_true(gather.is_clipped);
    assert_has(gather_result(&gather), "\"content\":\"said\"");
    gather_fini(&gather);
}

static void calls_are_bounded_in_number(void **state)
{
    struct chat_call call = {.id = STR("i"), .name = STR("n")};
    struct gather gather;

    (void)state;
    gather_init(&gather, &arena, 1 << 20);
    for (int64_t i = 0; i <= GATHER_CALLS_MAX; i++) {
        gather_call(&gather, i, &call);
        gather_call(&gather, i, &call);
        gather_arguments(&gather, i, STR("{}"));
    }
    assert_int_equal(gather.call_count, GATHER_CALLS_MAX);
    assert_true(gather.is_clipped);
    assert_true(is_json(gather_result(&gather)));
    gather_fini(&gather);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(a_request_is_what_it_says),
        with_arena(a_request_is_cut_into_json),
        with_arena(no_bound_lets_data_through),
        with_arena(a_conversation_keeps_both_ends_whatever_the_bound),
        with_arena(what_is_left_out_is_counted),
        with_arena(long_instructions_leave_room),
        with_arena(a_stream_is_gathered_whatever_the_cuts),
        with_arena(a_stream_is_bounded),
        with_arena(a_whole_answer_is_the_same),
        with_arena(what_was_thought_leaves_room_for_what_was_said),
        with_arena(calls_are_bounded_in_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
