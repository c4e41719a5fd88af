/* Whole exchanges: the bytes are a script of what callers send, what
 * backends do and how time passes, played on the real worker, exchange and
 * pool (exchange/stage.h).
 *
 * What must hold, whatever happens:
 *   - every request gets one well-formed answer, in its order and its own; or
 *     its connection is closed by a rule that caller.c names;
 *   - no 200 says nothing;
 *   - what is pinned to a tier never comes to the other's backend, nor does
 *     what goes on from there;
 *   - no header of a caller comes to a backend, no secret to a caller;
 *   - no request outlives its total time, and in the end nothing is held: no
 *     connection, no load, no memory. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "choose/health.h"
#include "exchange.h"
#include "exchange/stage.h"
#include "fuzz.h"
#include "given.h"
#include "log.h"

enum { TURNS_MAX = 20000, QUIET_TURNS = 16, STEP_MS = 500, STEPS_MAX = 300 };

static const char configuration[] =
    "backends:\n"
    "  - name: near\n"
    "    tier: local\n"
    "    url: [http://127.0.0.1:1001, http://127.0.0.1:1002]\n"
    "    models: [{ name: small }]\n"
    "  - name: far\n"
    "    tier: cloud\n"
    "    url: http://127.0.0.1:1003\n"
    "    api_key: house-secret\n"
    "    default_model: claude-sonnet-4-6\n"
    "rules:\n"
    "  - name: secretive\n"
    "    when: { text: 'SECRETIVE' }\n"
    "    use: local\n"
    "    policy: local-only\n"
    "routing: { local_tokens: 200 }\n"
    "timeouts: { connect: 1s, first_byte: 5s, first_token: 6s, idle: 5s,\n"
    "  total: 20s, hold: 2s, head: 3s, body: 3s, keep_alive: 4s,\n"
    "  pool_idle: 5s, comment: 1s, write: 4s }\n"
    "limits: { body: 200000, answer: 300000, memory: 4MiB }\n";

static struct worker worker;
static struct catalog *catalog;
static _Atomic size_t memory_used;
static struct store store;

/* --- the stage is built ------------------------------------------------- */

static void on_health(void *ctx)
{
    (void)ctx;
}

static void tell_metrics(void *ctx, const struct metrics_visitor *visitor)
{
    const struct metrics *const shard = &worker.metrics;

    (void)ctx;
    metrics_walk(&shard, 1, visitor);
}

static bool is_draining(void *ctx)
{
    (void)ctx;
    return false;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct worker_host host = {
        .on_health = on_health,
        .tell_metrics = tell_metrics,
        .is_draining = is_draining,
        .store = &store,
    };

    (void)argc;
    (void)argv;
    (void)signal(SIGPIPE, SIG_IGN);
    log_setup(getenv("FUZZ_LOG") != NULL ? LOG_DEBUG : LOG_ERROR, LOG_LOGFMT);
    catalog = given_catalog(configuration);
    store_init(&store);
    host.names = metrics_names_new();
    /* takes the accounts, and does nothing with them */
    host.clerk = clerk_start(1, NULL, NULL, 0);
    /* its thread is never begun: see net.c */
    worker_start(&worker, 0, catalog, &memory_used, &host);
    return 0;
}

/* --- the script --------------------------------------------------------- */

unsigned script_byte(struct script *script)
{
    unsigned byte = 0;

    if (script->rest.len > 0)
        byte = (unsigned char)script->rest.ptr[0];
    script->rest = str_slice(script->rest, 1, script->rest.len);
    return byte;
}

struct str script_bytes(struct script *script, size_t max)
{
    size_t len = script_byte(script) * 16;
    struct str bytes;

    len += script_byte(script) % 16;
    bytes = str_slice(script->rest, 0, len < max ? len : max);
    script->rest = str_slice(script->rest, bytes.len, script->rest.len);
    return bytes;
}

/* Until nothing moves any more. */
static void play(void)
{
    unsigned quiet = 0, turns = 0;

    while (quiet < QUIET_TURNS) {
        bool any;

        uv_update_time(&worker.loop);
        any = callers_pump(&worker.door);
        (void)uv_run(&worker.loop, UV_RUN_NOWAIT);
        any = net_pump() || any;
        any = backends_pump() || any;
        quiet = any ? 0 : quiet + 1;
        check(++turns < TURNS_MAX);
    }
}

static void probe(unsigned argument)
{
    const struct backend *backend = &catalog->backends[0];
    struct replica *replica =
        &backend->replicas[argument % backend->replica_count];
    enum health_state was;

    (void)health_note(
        replica, (argument & 2) != 0 ? HEALTH_PROBE_OK : HEALTH_PROBE_FAILED,
        uv_now(&worker.loop), &catalog->settings, 0, &was);
    exchange_wake_parked(&worker);
}

static void act(struct script *script)
{
    static const uint64_t pauses[] = {1, 50, 100, 500, 1000, 3000, 6000, 30000};
    unsigned deed = script_byte(script);
    unsigned who = deed / 16;

    switch (deed % 16) {
    case 0:
    case 1:
    case 2:
        callers_ask(script, who);
        break;
    case 3:
        callers_say(script, who);
        break;
    case 4:
        callers_send(who, 1 + script_byte(script) * 4);
        break;
    case 5:
    case 6:
        callers_send(who, SIZE_MAX);
        break;
    case 7:
        callers_read(who, script_byte(script) % 2 == 0);
        break;
    case 8:
        callers_leave(who, script_byte(script) % 2 == 0);
        break;
    case 9:
    case 10:
        backends_plan(script, false);
        break;
    case 11:
        backends_plan(script, true);
        break;
    case 12:
        backends_go_on();
        break;
    case 13:
        probe(who);
        break;
    case 14:
        net_advance(pauses[who % COUNT_OF(pauses)]);
        break;
    default:
        play();
        break;
    }
}

/* --- the end ------------------------------------------------------------ */

static void expect_nothing_left(void)
{
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        const struct backend *backend = &catalog->backends[i];

        for (unsigned k = 0; k < backend->replica_count; k++) {
            struct replica *replica = &backend->replicas[k];

            check(atomic_load(&replica->in_flight) == 0);
            atomic_store(&replica->state, HEALTH_UNKNOWN);
            atomic_store(&replica->rests_until_ms, 0);
        }
    }
    check(list_empty(&worker.exchanges) && list_empty(&worker.parked));
    check(atomic_load(&memory_used) == 0);
    check(pool_is_empty(&worker.pool));
    /* each run begins without a past; this one checks that no byte is lost */
    store_fini(&store);
    store_init(&store);
    worker.turn = 0;
}

static void finish(void)
{
    unsigned steps = 0;

    callers_hurry();
    play();
    while (!list_empty(&worker.exchanges) || callers_wait()) {
        net_advance(STEP_MS);
        play();
        check(++steps < STEPS_MAX);
    }
    callers_end();
    for (steps = 0; atomic_load(&worker.door.client_count) > 0 ||
                    !pool_is_empty(&worker.pool);
         steps++) {
        check(steps < STEPS_MAX);
        net_advance(STEP_MS);
        (void)uv_run(&worker.loop, UV_RUN_NOWAIT);
        (void)net_pump();
        (void)backends_pump();
    }
    (void)uv_run(&worker.loop, UV_RUN_NOWAIT);
    (void)backends_pump();
    backends_end();
    expect_nothing_left();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.rest = fuzz_input(data, size)};

    if (size > 16384)
        return 0;
    (void)snprintf(script.nonce, sizeof(script.nonce), "%016llx",
                   (unsigned long long)str_fnv1a64(script.rest));
    (void)uv_run(&worker.loop, UV_RUN_NOWAIT);
    backends_begin(&script);
    callers_begin(&script);
    while (script.rest.len > 0)
        act(&script);
    finish();
    return 0;
}
