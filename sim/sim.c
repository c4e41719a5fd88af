#include "sim.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "check.h"
#include "clock.h"
#include "roster.h"
#include "stand.h"

struct sim {
    struct sim_options options; /* its texts are owned */
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop;
    struct wire_loop wires;
    struct deadlines deadlines;
    struct pacer pacer;
    struct roster roster;
    struct stand vllm;
    struct stand anthropic;
};

struct sim_options sim_options_usual(void)
{
    return (struct sim_options){
        .host = "127.0.0.1",
        .vllm_port = 8000,
        .anthropic_port = 8001,
        .model = "Qwen/Qwen3-8B",
        .tokens_per_second = 50,
        .first_token_ms = 100,
        .slots = 64,
        .queue = 1024,
        .max_model_len = 32768,
    };
}

/* --- options ------------------------------------------------------------ */

static char *copy(const char *text)
{
    return text == NULL ? NULL : must_strdup(text);
}

static void options_copy(struct sim_options *to, const struct sim_options *from)
{
    *to = *from;
    to->host = copy(from->host);
    to->model = copy(from->model);
    to->embedding_model = copy(from->embedding_model);
    to->vllm_key = copy(from->vllm_key);
    to->anthropic_key = copy(from->anthropic_key);
}

static void drop(const char *owned)
{
    union {
        const char *given;
        char *ours;
    } text = {.given = owned};

    free(text.ours);
}

static void options_drop(struct sim_options *options)
{
    drop(options->host);
    drop(options->model);
    drop(options->embedding_model);
    drop(options->vllm_key);
    drop(options->anthropic_key);
}

/* --- the thread --------------------------------------------------------- */

static void on_stop(uv_async_t *async)
{
    struct sim *sim = async->data;

    stand_close(&sim->vllm);
    stand_close(&sim->anthropic);
    deadlines_close(&sim->deadlines);
    pacer_close(&sim->pacer);
    uv_close((uv_handle_t *)async, NULL);
}

static void serve(void *arg)
{
    struct sim *sim = arg;
    sigset_t pipe;

    /* a caller that hangs up is an error of its write, not a signal */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    (void)uv_run(&sim->loop, UV_RUN_DEFAULT);
}

/* --- start and stop ----------------------------------------------------- */

static bool open_stands(struct sim *sim, const char **why)
{
    const struct sim_options *options = &sim->options;

    sim->vllm.other = &sim->anthropic;
    sim->anthropic.other = &sim->vllm;
    sim->vllm.roster = sim->anthropic.roster = &sim->roster;
    if (!stand_open(&sim->vllm, &as_vllm, options, options->vllm_port,
                    &sim->loop, &sim->deadlines, &sim->pacer, why))
        return false;
    if (!stand_open(&sim->anthropic, &as_anthropic, options,
                    options->anthropic_port, &sim->loop, &sim->deadlines,
                    &sim->pacer, why)) {
        stand_close(&sim->vllm);
        return false;
    }
    sim->vllm.cold_until_us =
        options->cold_s == 0
            ? 0
            : clock_us() + (uint64_t)options->cold_s * 1000 * 1000;
    return true;
}

static void release(struct sim *sim)
{
    check(uv_loop_close(&sim->loop) == 0);
    wire_loop_fini(&sim->wires);
    stand_fini(&sim->vllm);
    stand_fini(&sim->anthropic);
    roster_fini(&sim->roster);
    options_drop(&sim->options);
    free(sim);
}

bool sim_start(struct sim **out, const struct sim_options *options,
               const char **why)
{
    struct sim *sim = must_calloc(1, sizeof(*sim));

    options_copy(&sim->options, options);
    roster_init(&sim->roster);
    check(uv_loop_init(&sim->loop) == 0);
    wire_loop_init(&sim->loop, &sim->wires);
    check(uv_async_init(&sim->loop, &sim->stop, on_stop) == 0);
    sim->stop.data = sim;
    deadlines_open(&sim->deadlines, &sim->loop);
    pacer_open(&sim->pacer, &sim->loop);
    if (open_stands(sim, why)) {
        check(uv_thread_create(&sim->thread, serve, sim) == 0);
        *out = sim;
        return true;
    }
    deadlines_close(&sim->deadlines);
    pacer_close(&sim->pacer);
    uv_close((uv_handle_t *)&sim->stop, NULL);
    (void)uv_run(&sim->loop, UV_RUN_DEFAULT);
    release(sim);
    return false;
}

unsigned sim_vllm_port(const struct sim *sim)
{
    return sim->vllm.port;
}

unsigned sim_anthropic_port(const struct sim *sim)
{
    return sim->anthropic.port;
}

void sim_stop(struct sim *sim)
{
    check(uv_async_send(&sim->stop) == 0);
    check(uv_thread_join(&sim->thread) == 0);
    release(sim);
}
