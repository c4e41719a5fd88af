/* HTTP bytes through the door: any cut of the same bytes gives the same
 * requests and the same refusal, every body is given back to the budget, and
 * nobody is left waiting. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept/client.h"
#include "check.h"
#include "fuzz.h"

enum { BODY_MAX = 4096, TURNS_MAX = 100000 };

static uv_loop_t loop;
static struct wire_loop wires;
static struct deadlines deadlines;
static struct door door;
static _Atomic size_t memory_used;
static struct buf *seen; /* what came in, in the present run */

static void answer(struct request *request, bool keep)
{
    struct str text = STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

    request->sink.ops->write(&request->sink, &text, 1);
    request->sink.ops->finish(&request->sink, keep);
}

static enum error on_head(void *ctx, struct request *request)
{
    (void)ctx;
    check(request->method.len > 0);
    return str_starts(request->path, STR("/no")) ? ERR_NO_SUCH_PATH : OK;
}

static void on_request(void *ctx, struct request *request)
{
    const struct head *head = &request->head;

    (void)ctx;
    check(request->body_len <= BODY_MAX);
    check(head->count <= HEAD_MAX_FIELDS);
    buf_printf(seen, "request %d %d %zu ", request->is_http_1_0,
               request->keeps_alive, request->body_len);
    buf_put(seen, request->method);
    buf_put(seen, request->path);
    buf_put_char(seen, '?');
    buf_put(seen, request->query);
    for (unsigned i = 0; i < head->count; i++) {
        buf_put_char(seen, '\n');
        buf_put(seen, head->fields[i].name);
        buf_put_char(seen, ':');
        buf_put(seen, head->fields[i].value);
    }
    buf_put_char(seen, '\n');
    buf_put(seen, request_body(request));
    buf_put_char(seen, '\n');
    answer(request, !str_starts(request->path, STR("/close")));
}

static void on_refused(void *ctx, struct request *request, enum error error,
                       const char *detail)
{
    (void)ctx;
    (void)detail; /* may differ with the cut */
    check(error_row(error)->status >= 400);
    /* a head can be bad and too large; the cut tells which is seen first */
    if (error == ERR_HEAD_TOO_LARGE)
        error = ERR_BAD_HTTP;
    buf_printf(seen, "refused %d\n", (int)error);
    answer(request, false);
}

static void on_drain(void *ctx, struct request *request)
{
    (void)ctx;
    (void)request;
}

static void on_gone(void *ctx, struct request *request)
{
    /* every request was answered before its caller could leave */
    (void)ctx;
    (void)request;
    check(false);
}

static const struct accept_handler handler = {
    .on_head = on_head,
    .on_request = on_request,
    .on_refused = on_refused,
    .on_drain = on_drain,
    .on_gone = on_gone,
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct accept_limits limits = {
        .max_body_bytes = BODY_MAX,
        .head_ms = 60000,
        .body_ms = 60000,
        .idle_ms = 60000,
        .write_ms = 60000,
        .memory_budget = 1 << 20,
        .memory_used = &memory_used,
    };

    (void)argc;
    (void)argv;
    (void)signal(SIGPIPE, SIG_IGN);
    check(uv_loop_init(&loop) == 0);
    wire_loop_init(&loop, &wires);
    deadlines_open(&deadlines, &loop);
    door_init(&door, &loop, &deadlines, &handler, &limits);
    return 0;
}

/* Writes what the socket takes; false when there is nobody to take it. */
static bool write_some(int fd, struct str *rest, size_t step)
{
    struct str piece = str_slice(*rest, 0, step);
    ssize_t n = write(fd, piece.ptr, piece.len);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    *rest = str_slice(*rest, (size_t)n, rest->len);
    return true;
}

/* Reads answers away; true at their end. */
static bool read_away(int fd)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        continue;
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static void run(struct str bytes, size_t step, struct buf *out)
{
    bool has_said_all = false;
    unsigned turns = 0;
    int ends[2];

    seen = out;
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    check(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    check(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    door_expect(&door);
    door_admit(&door, ends[1], NULL);
    while (!read_away(ends[0])) {
        if (!has_said_all &&
            (bytes.len == 0 || !write_some(ends[0], &bytes, step))) {
            has_said_all = true;
            (void)shutdown(ends[0], SHUT_WR);
        }
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        check(++turns < TURNS_MAX);
    }
    close(ends[0]);
    while (atomic_load(&door.client_count) > 0) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        check(++turns < TURNS_MAX);
    }
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    check(atomic_load(&memory_used) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes;
    struct buf whole;
    struct buf cut;

    if (size < 2)
        return 0;
    buf_init(&whole, 8 << 20);
    buf_init(&cut, 8 << 20);
    bytes = fuzz_input(data + 1, size - 1);
    run(bytes, bytes.len, &whole);
    run(bytes, 1 + data[0] % 17, &cut);
    check(str_eq(buf_str(&whole), buf_str(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
