/* The control endpoint of both stand-ins: /sim/state, /sim/fault, /sim/reset.
 *
 *   GET  /sim/state   what was seen, what goes wrong, the last request
 *   GET  /sim/fault   the faults there are
 *   POST /sim/fault   {"fault": "status=503; retry-after=2", "count": 3}
 *                     {"fault": "stall", "tokens": 3, "seconds": 60}
 *                     {"fault": null}
 *   POST /sim/reset   as after the start
 *
 * Each may have "?target=vllm" or "?target=anthropic": both live in one
 * process, so one can be reached when the other refuses connections.  It is
 * answered when what was asked for is in force. */
#ifndef WEIR_SIM_CONTROL_H
#define WEIR_SIM_CONTROL_H

#include "visit.h"

void control_serve(struct visit *visit);

#endif
