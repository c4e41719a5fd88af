/* A door with a handler that the test plays: it notes what comes and answers
 * with what the path asks for. */
#ifndef WEIR_DOOR_DOUBLE_H
#define WEIR_DOOR_DOUBLE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../loop.h"
#include "../testing.h"
#include "accept/client.h"

/* What the handler does with a request: by the front of its path.
 *
 *   /hold…     keeps it; the test finishes it
 *   /no…       on_head says no (ERR_NO_SUCH_PATH)
 *   /close…    answers and does not keep the connection
 *   /abort…    aborts
 *   /big…      answers with 20 MB
 *   else       answers "METHOD path?query body" */
static struct loop loop;
static struct door door;
static struct accept_limits limits;
static _Atomic size_t memory_used;

static struct {
    unsigned heads, requests, refusals, drains, gones;
    enum error error;
    char detail[128];
    struct request *held;
    bool answers_held_at_gone; /* a handler lets go when its caller left */
    struct buf log;            /* "path;" of every request */
} seen;

enum { BIG_BODY = 20 * 1000 * 1000 };

static inline void say_to(struct request *request, struct str text)
{
    request->sink.ops->write(&request->sink, &text, 1);
}

static void answer_text(struct request *request, int status, struct str body,
                        bool keep)
{
    char head[128];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status,
                     body.len);
    struct str pieces[] = {{head, (size_t)n}, body};

    request->sink.ops->write(&request->sink, pieces, 2);
    request->sink.ops->finish(&request->sink, keep);
}

static enum error on_head(void *ctx, struct request *request)
{
    (void)ctx;
    seen.heads++;
    assert_false(request->is_complete);
    return str_starts(request->path, STR("/no")) ? ERR_NO_SUCH_PATH : OK;
}

static void answer_big(struct request *request)
{
    char *body = calloc(1, BIG_BODY);

    assert_non_null(body);
    answer_text(request, 200, (struct str){body, BIG_BODY}, true);
    free(body);
}

static void on_request(void *ctx, struct request *request)
{
    struct str body = request_body(request);
    struct buf text;

    (void)ctx;
    seen.requests++;
    assert_true(request->is_complete);
    assert_true(request->began_us > 0);
    buf_put(&seen.log, request->path);
    buf_put_char(&seen.log, ';');
    if (str_starts(request->path, STR("/hold"))) {
        assert_null(seen.held);
        seen.held = request;
        return;
    }
    if (str_starts(request->path, STR("/abort"))) {
        request->sink.ops->abort(&request->sink);
        return;
    }
    if (str_starts(request->path, STR("/big"))) {
        answer_big(request);
        return;
    }
    buf_init(&text, 64 << 20);
    buf_put(&text, request->method);
    buf_put_char(&text, ' ');
    buf_put(&text, request->path);
    buf_put_char(&text, '?');
    buf_put(&text, request->query);
    buf_put_char(&text, ' ');
    buf_put(&text, body);
    answer_text(request, 200, buf_str(&text),
                !str_starts(request->path, STR("/close")));
    buf_fini(&text);
}

static void on_refused(void *ctx, struct request *request, enum error error,
                       const char *detail)
{
    (void)ctx;
    seen.refusals++;
    seen.error = error;
    (void)snprintf(seen.detail, sizeof(seen.detail), "%s",
                   detail == NULL ? "" : detail);
    answer_text(request, error_row(error)->status, error_name(error), false);
}

static void on_drain(void *ctx, struct request *request)
{
    (void)ctx;
    (void)request;
    seen.drains++;
}

static void on_gone(void *ctx, struct request *request)
{
    (void)ctx;
    seen.gones++;
    assert_null(request->client);
    if (seen.answers_held_at_gone) {
        assert_ptr_equal(seen.held, request);
        seen.held = NULL;
        answer_text(request, 200, STR("nobody hears this"), true);
    }
}

static const struct accept_handler handler = {
    .on_head = on_head,
    .on_request = on_request,
    .on_refused = on_refused,
    .on_drain = on_drain,
    .on_gone = on_gone,
};

static inline void finish_held(bool keep)
{
    struct request *request = seen.held;

    assert_non_null(request);
    seen.held = NULL;
    answer_text(request, 200, STR("held"), keep);
}

static inline int door_begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    buf_init(&seen.log, 1 << 20);
    atomic_store(&memory_used, 0);
    limits = (struct accept_limits){
        .max_body_bytes = 100000,
        .head_ms = 10000,
        .body_ms = 10000,
        .idle_ms = 10000,
        .write_ms = 10000,
        .memory_budget = 10000000,
        .memory_used = &memory_used,
    };
    loop_open(&loop);
    door_init(&door, &loop.uv, &loop.deadlines, &handler, &limits);
    return 0;
}

static inline int door_finish(void **state)
{
    (void)state;
    if (seen.held != NULL)
        finish_held(false);
    door_cut(&door);
    loop_until(&loop, atomic_load(&door.client_count) == 0);
    loop_close(&loop);
    /* all bodies were given back to the budget */
    assert_int_equal(atomic_load(&memory_used), 0);
    buf_fini(&seen.log);
    return 0;
}

/* A caller of the door. */
struct caller {
    int fd;
    struct buf got;
};

static inline void caller_open(struct caller *caller)
{
    int ends[2];
    unsigned before;

    socket_pair(ends);
    caller->fd = ends[0];
    buf_init(&caller->got, 64 << 20);
    door_expect(&door);
    before = atomic_load(&door.client_count);
    door_admit(&door, ends[1], NULL);
    /* once, and not for a moment twice */
    assert_int_equal(atomic_load(&door.client_count), before);
}

static inline void caller_close(struct caller *caller)
{
    if (caller->fd >= 0)
        close(caller->fd);
    caller->fd = -1;
    buf_fini(&caller->got);
}

static inline void say(struct caller *caller, const char *text)
{
    socket_say(&loop, caller->fd, text);
}

/* Waits for `expected` to come, and forgets it. */
static inline void expect(struct caller *caller, const char *expected)
{
    socket_read_until(&loop, caller->fd, &caller->got, expected);
    buf_clear(&caller->got);
}

/* Waits until the door has closed its end. */
static inline void expect_end(struct caller *caller)
{
    socket_read_to_end(&loop, caller->fd, &caller->got);
}

/* Nothing comes, and the connection stays. */
static inline void expect_silence(struct caller *caller)
{
    loop_run_ms(&loop, 30);
    assert_true(socket_read(caller->fd, &caller->got));
    assert_int_equal(caller->got.len, 0);
}

#define with_door(test) \
    cmocka_unit_test_setup_teardown(test, door_begin, door_finish)

#endif
