/* A backend's answer, head, body and end, through the attempt that asked for
 * it: any cut of the same bytes gives the same answer or the same failure,
 * every try ends within its deadlines, and not a byte of one answer comes up
 * in the next.
 *
 * The first byte says where it is cut; the second whether the backend hangs
 * up at the end, falls silent, or waits for more. */
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "exchange/stage.h"
#include "forward/attempt.h"
#include "fuzz.h"
#include "given.h"

enum { SEEN_MAX = 8 << 20, TURNS_MAX = 100000, IDLE_MS = 5000 };

static uv_loop_t loop;
static struct wire_loop wires;
static struct deadlines deadlines;
static struct catalog *catalog;
static struct pool pool;
static int backend = -1; /* its end of the newest connection */

struct seen {
    struct buf text; /* status, fields and body */
    unsigned heads;
    bool is_over, is_fine;
    enum error error;
};

/* --- the backend -------------------------------------------------------- */

enum dial backends_dial(unsigned which, int *fd)
{
    int ends[2];

    check(which == BACKEND_NEAR_A);
    if (backend >= 0)
        close(backend);
    net_pair(ends);
    backend = ends[0];
    *fd = ends[1];
    return DIAL_OK;
}

static void turn(void)
{
    for (int i = 0; i < 3; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)net_pump();
    }
}

static size_t next_step(unsigned *seed)
{
    if (*seed == 0)
        return SIZE_MAX / 2;
    *seed = *seed * 1103515245u + 12345u;
    return 1 + (*seed >> 16) % 24;
}

static void say(struct str bytes, unsigned seed, const struct seen *seen)
{
    unsigned turns = 0;

    while (bytes.len > 0 && backend >= 0 && !seen->is_over) {
        (void)net_write(backend, &bytes, next_step(&seed));
        turn();
        check(++turns < TURNS_MAX);
    }
}

/* --- what the attempt tells --------------------------------------------- */

static void on_head(void *ctx, const struct answer_head *head)
{
    struct seen *seen = ctx;

    check(!seen->is_over && ++seen->heads == 1);
    check(head->status >= 200 && head->status <= 999);
    check(head->head->count <= HEAD_MAX_FIELDS);
    buf_printf(&seen->text, "%d\n", head->status);
    for (unsigned i = 0; i < head->head->count; i++) {
        struct head_field field = head->head->fields[i];

        check(memchr(field.value.ptr, '\n', field.value.len) == NULL &&
              memchr(field.value.ptr, '\0', field.value.len) == NULL);
        buf_put(&seen->text, field.name);
        buf_put_char(&seen->text, ':');
        buf_put(&seen->text, field.value);
        buf_put_char(&seen->text, '\n');
    }
}

static void on_body(void *ctx, struct str bytes)
{
    struct seen *seen = ctx;

    check(!seen->is_over && seen->heads == 1);
    buf_put(&seen->text, bytes);
}

static void on_end(void *ctx)
{
    struct seen *seen = ctx;

    check(!seen->is_over && seen->heads == 1);
    seen->is_over = seen->is_fine = true;
}

static void on_fail(void *ctx, enum error error, const char *detail)
{
    struct seen *seen = ctx;

    (void)detail;
    check(!seen->is_over && error != OK);
    seen->is_over = true;
    seen->error = error;
}

static const struct attempt_events events = {on_head, on_body, on_end, on_fail};

/* --- one try ------------------------------------------------------------ */

static void ask(struct seen *seen)
{
    struct attempt_order order = {
        .replica = catalog->backends[0].replicas,
        .allowed = TIER_LOCAL,
        .pieces = {STR_INIT("GET / HTTP/1.1\r\n\r\n")},
        .piece_count = 1,
        .connect_ms = 1000,
        .first_byte_ms = IDLE_MS,
        .idle_ms = IDLE_MS,
    };

    *seen = (struct seen){0};
    buf_init(&seen->text, SEEN_MAX);
    check(attempt_open(&pool, &order, &events, seen) != NULL);
    turn();
}

static void run(struct str bytes, unsigned seed, bool hangs_up,
                struct seen *seen)
{
    ask(seen);
    say(bytes, seed, seen);
    if (!seen->is_over && hangs_up) {
        close(backend);
        backend = -1;
        turn();
    }
    /* an answer that goes on without a byte is given up */
    for (unsigned i = 0; !seen->is_over; i++) {
        check(i < 20);
        net_advance(IDLE_MS / 4);
        turn();
    }
}

/* Whatever was said before: on this connection or a fresh one the next answer
 * is the next answer. */
static void ask_again(void)
{
    static const struct str good =
        STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh");
    struct seen seen;

    ask(&seen);
    say(good, 0, &seen);
    check(seen.is_fine);
    check(str_eq(buf_str(&seen.text), STR("200\nContent-Length:5\nfresh")));
    buf_fini(&seen.text);
}

static void clear_away(void)
{
    check(atomic_load(&catalog->backends[0].replicas->in_flight) == 0);
    if (backend >= 0)
        close(backend);
    backend = -1;
    for (unsigned i = 0; !pool_is_empty(&pool); i++) {
        check(i < 10);
        turn();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    (void)signal(SIGPIPE, SIG_IGN);
    catalog = given_catalog("local: { url: 'http://127.0.0.1:1001', model: m }"
                            "\n");
    check(uv_loop_init(&loop) == 0);
    wire_loop_init(&loop, &wires);
    deadlines_open(&deadlines, &loop);
    pool_init(&pool, &loop, &deadlines, catalog);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole;
    struct seen cut;
    struct str bytes;
    bool hangs_up;

    if (size < 2)
        return 0;
    bytes = fuzz_input(data + 2, size - 2);
    hangs_up = data[1] % 2 == 0;
    run(bytes, 0, hangs_up, &whole);
    ask_again();
    clear_away();
    run(bytes, 1 + data[0], hangs_up, &cut);
    ask_again();
    clear_away();
    check(whole.is_fine == cut.is_fine && whole.error == cut.error);
    check(str_eq(buf_str(&whole.text), buf_str(&cut.text)));
    buf_fini(&whole.text);
    buf_fini(&cut.text);
    return 0;
}
