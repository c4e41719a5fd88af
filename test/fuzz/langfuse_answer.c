/* Answers of a Langfuse to a batch, of both kinds: nothing that was taken is
 * sent again, what is sent again is what was sent, in its order, and each
 * generation is counted once at most. */
#include "telemetry/langfuse_answer.h"
#include "check.h"
#include "fuzz.h"
#include "json.h"

enum { REQUESTS = 3 };

#define EVENTS(n)                           \
    "{\"id\":\"" n "-trace\",\"n\":" n "}," \
    "{\"id\":\"" n "-generation\",\"body\":{\"s\":\"\\u00e9\"}}"

static const char sent_text[] =
    "{\"batch\":[" EVENTS("1") "," EVENTS("2") "," EVENTS("3") "]}";

/* Does the list of the answer name it? */
static bool is_named(yyjson_val *root, struct str list, struct str id)
{
    json_each_item (item, json_get(root, list))
        if (str_eq(json_get_text(item, STR("id")), id))
            return true;
    return false;
}

static void check_rest(struct arena *arena, yyjson_val *said, struct str rest,
                       unsigned left)
{
    struct json_doc sent, doc;
    struct json_error error;
    unsigned count = 0;
    yyjson_val *next;

    check(json_read(arena, STR(sent_text), &sent, &error));
    check(json_read(arena, rest, &doc, &error));
    next = json_first(json_get(sent.root, STR("batch")), YYJSON_TYPE_ARR);
    json_each_item (event, json_get(doc.root, STR("batch"))) {
        struct str id = json_get_text(event, STR("id"));

        while (!yyjson_equals(next, event)) {
            next = unsafe_yyjson_get_next(next);
            check(next !=
                  json_end(json_get(sent.root, STR("batch")), YYJSON_TYPE_ARR));
        }
        check(is_named(said, STR("errors"), id));
        check(!is_named(said, STR("successes"), id));
        count++;
    }
    check(count >= left && count <= 2 * left);
}

static void take_events(struct arena *arena, struct str answer)
{
    struct langfuse_reading reading;
    struct json_error error;
    struct json_doc said;
    struct buf rest;

    buf_init(&rest, 1 << 16);
    langfuse_batch.read(arena, STR(sent_text), answer, &reading, &rest);
    check(!buf_failed(&rest));
    check(reading.left + reading.rejected <= REQUESTS);
    check((reading.left > 0) == (rest.len > 0));
    check(reading.is_readable || reading.left + reading.rejected == 0);
    if (rest.len > 0) {
        check(json_read(arena, answer, &said, &error));
        check_rest(arena, said.root, buf_str(&rest), reading.left);
    }
    buf_fini(&rest);
}

static void take_spans(struct arena *arena, struct str answer)
{
    struct langfuse_reading reading;
    struct buf rest;

    buf_init(&rest, 1 << 16);
    langfuse_otel.read(arena, STR(sent_text), answer, &reading, &rest);
    check(rest.len == 0 && reading.left == 0);
    check(reading.is_readable || reading.rejected == 0);
    buf_fini(&rest);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;

    arena_init(&arena);
    take_events(&arena, fuzz_input(data, size));
    take_spans(&arena, fuzz_input(data, size));
    arena_clear(&arena);
    return 0;
}
