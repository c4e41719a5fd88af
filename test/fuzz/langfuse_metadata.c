/* What callers say about themselves: whatever it is, a span and its events are
 * JSON, with the metadata as Langfuse will read them: no key twice, none of the
 * router's own but from the router, none that it drops. */
#include "check.h"
#include "fuzz.h"
#include "json.h"
#include "telemetry/langfuse_wire.h"

/* Each key once, ours with what we say. */
static void check_metadata(yyjson_val *metadata)
{
    check(yyjson_is_obj(metadata));
    check(str_eq(json_get_text(metadata, STR("router_request_id")),
                 STR("req_1")));
    json_each_member (key, value, metadata) {
        unsigned count = 0;

        check(json_text(key).len > 0);
        check(!str_contains(json_text(key), STR("__proto__")) ||
              json_text(key).len > strlen("__proto__"));
        json_each_member (other, ignored, metadata) {
            (void)ignored;
            count += str_eq(json_text(key), json_text(other));
        }
        check(count == 1);
        (void)value;
    }
}

static struct json_doc read_whole(struct arena *arena,
                                  const struct langfuse_wire *wire,
                                  const struct record *record)
{
    static const struct langfuse_labels labels;
    struct langfuse_told told;
    struct json_error error;
    struct json_doc doc;
    struct buf out;

    langfuse_read_told(arena, record->metadata, &told);
    check(told.tag_count <= LANGFUSE_TAGS_MAX &&
          told.pair_count <= LANGFUSE_PAIRS_MAX);
    buf_init(&out, 16 << 20);
    buf_put(&out, wire->head);
    wire->put(&out, &labels, record, &told, false);
    buf_put(&out, wire->tail);
    check(!buf_failed(&out));
    check(json_read(arena, arena_copy(arena, buf_str(&out)), &doc, &error));
    buf_fini(&out);
    return doc;
}

static void check_span(struct arena *arena, const struct record *record)
{
    struct json_doc doc = read_whole(arena, &langfuse_otel, record);
    struct json_doc inside;
    struct json_error error;
    yyjson_val *at = doc.root;

    at = json_get(at, STR("resourceSpans"));
    at = json_get(yyjson_arr_get_first(at), STR("scopeSpans"));
    at = json_get(yyjson_arr_get_first(at), STR("spans"));
    check(yyjson_arr_size(at) == 1);
    at = json_get(yyjson_arr_get_first(at), STR("attributes"));
    json_each_item (attribute, at) {
        if (!str_eq(json_get_text(attribute, STR("key")),
                    STR("langfuse.observation.metadata")))
            continue;
        check(json_read(arena,
                        json_get_text(json_get(attribute, STR("value")),
                                      STR("stringValue")),
                        &inside, &error));
        check_metadata(inside.root);
        return;
    }
    check(false);
}

static void check_events(struct arena *arena, const struct record *record)
{
    struct json_doc doc = read_whole(arena, &langfuse_batch, record);
    yyjson_val *batch = json_get(doc.root, STR("batch"));

    check(yyjson_arr_size(batch) == 2);
    check_metadata(json_get(json_get(yyjson_arr_get(batch, 1), STR("body")),
                            STR("metadata")));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* The first byte is the length of a user's name, which stands behind it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_input(data, size);
    size_t len = size > 0 ? 1 + (size_t)data[0] : 0;
    struct record record = {
        .id = STR("req_1"),
        .trace_id = STR("4bf92f3577b34da6a3ce929d0e0e4736"),
        .span_id = STR("00f067aa0ba902b7"),
        .is_chat = true,
        .user = str_slice(input, 1, len),
        .model = str_slice(input, 1, len),
        .metadata = str_slice(input, len, size),
    };
    struct arena arena;

    arena_init(&arena);
    check_span(&arena, &record);
    check_events(&arena, &record);
    arena_clear(&arena);
    return 0;
}
