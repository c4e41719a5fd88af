/* Stand-ins for a vLLM server and for the Anthropic API, true to the wire.
 *
 * They serve the demo, the integration tests and the benchmarks: no model is
 * behind them, the answers are made up by rules (brain.h), and what real
 * servers do wrong can be asked for (fault.h, control.h).
 *
 *      sim ─┬─ stand "vllm"       port A ─┐
 *           └─ stand "anthropic"  port B ─┤ one thread, one loop
 *                                         │
 *   request ─▶ stand ─▶ as_vllm / as_anthropic ─▶ prompt ─▶ brain ─▶ script
 *                                                                      │
 *   answer ◀─ page ◀─ as_… writes each beat ◀─ visit paces the tokens ◀┘
 */
#ifndef WEIR_SIM_H
#define WEIR_SIM_H

#include <stdbool.h>

#include "str.h"

struct sim_options {
    const char *host;
    unsigned vllm_port; /* 0 = any free one */
    unsigned anthropic_port;
    const char *model;           /* what the vLLM stand-in serves */
    const char *embedding_model; /* and besides; NULL = nothing */
    unsigned tokens_per_second;  /* of each stream; 0 = as fast as possible */
    unsigned first_token_ms;
    unsigned slots; /* requests worked on at the same time, per stand-in */
    unsigned queue; /* requests that wait for a slot; more are refused */
    unsigned max_model_len;
    unsigned cold_s;           /* the vLLM stand-in starts cold for so long */
    const char *vllm_key;      /* NULL = any caller is let in */
    const char *anthropic_key; /* NULL = any key will do */
};

struct sim;

/* What `weir sim` starts with. */
struct sim_options sim_options_usual(void);

/* Starts both on a thread of their own and returns when both listen.  The
 * options are copied.  False with *why, a static sentence, when they cannot;
 * nothing needs to be stopped then. */
MUST_USE bool sim_start(struct sim **out, const struct sim_options *options,
                        const char **why);
/* The ports that they really listen on. */
unsigned sim_vllm_port(const struct sim *sim);
unsigned sim_anthropic_port(const struct sim *sim);
/* Cuts all connections, ends the thread, frees everything. */
void sim_stop(struct sim *sim);

/* `weir sim [options]`: serves until SIGINT or SIGTERM.  Returns the exit
 * status. */
int sim_main(int argc, char **argv);

#endif
