/* A stream of Chat Completions' chunks as it is read from a backend, with what
 * the listener was told in `told`. */
#ifndef WEIR_CHUNKED_H
#define WEIR_CHUNKED_H

#include "../testing.h"
#include "dialect/openai_backend.h"
#include "told.h"

static struct arena arena;
static struct openai_chunks *chunks;
static struct buf told;
static struct chat_event last;

static struct names_tool tools[] = {
    {STR_INIT("sh.x"), STR_INIT("sh.x"), true},
};
static const struct names names = {tools, COUNT_OF(tools)};

static inline void on_event(void *ctx, const struct chat_event *event)
{
    (void)ctx;
    last = *event;
    told_put(&told, event);
}

static const struct chat_listener listener = {on_event, NULL};

static inline int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    buf_init(&told, 64 << 20);
    chunks = openai_chunks_open(&arena, &names);
    return 0;
}

static inline int finish(void **state)
{
    (void)state;
    openai_chunks_close(chunks);
    buf_fini(&told);
    arena_clear(&arena);
    return 0;
}

static inline void take(const char *chunk)
{
    if (!openai_chunks_read(chunks, str_of(chunk), &listener))
        fail_msg("not taken: %s", chunk);
}

#define DELTA(members)                                                     \
    "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{" members \
    "}}]}"
#define ROLE DELTA("\"role\":\"assistant\",\"content\":\"\"")
#define TEXT(text) DELTA("\"content\":\"" text "\"")
#define THINK(text) DELTA("\"reasoning\":\"" text "\"")
#define CALL(index, id, name, arguments)                            \
    "{\"index\":" index ",\"id\":\"" id "\",\"type\":\"function\"," \
    "\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}"
#define MORE(index, arguments) \
    "{\"index\":" index ",\"function\":{\"arguments\":\"" arguments "\"}}"
#define CALLS(list) DELTA("\"tool_calls\":[" list "]")
#define END(reason) \
    "{\"choices\":[{\"delta\":{},\"finish_reason\":\"" reason "\"}]}"
#define USAGE                                             \
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":9,"     \
    "\"completion_tokens\":2,\"prompt_tokens_details\":{" \
    "\"cached_tokens\":4}}}"
#define DONE "[DONE]"

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

#endif
