/* The chaos drill: makes a backend look failed for some seconds, so that
 * operators can rehearse a cold start.
 *
 *   POST /admin/drill  {"target": "vllm", "replica": 0, "seconds": 30}
 *   GET  /admin/drill
 *
 * Without "replica" it is all of them; 0 seconds end a drill.  The backend
 * itself is left alone: requests under way go on, new ones do not find it,
 * probes count as failed.  When it is over the backend comes back the way
 * that a real one does, and the log says how many requests met the gap. */
#ifndef WEIR_DRILL_H
#define WEIR_DRILL_H

#include "reply/reply.h"
#include "worker.h"

/* OK; ERR_NO_SUCH_PATH while no token is configured: then there is no admin
 * side at all; ERR_UNAUTHORIZED for a wrong one. */
enum error drill_admit(const struct catalog *catalog, const struct head *head);

void drill_answer(struct worker *worker, struct request *request,
                  struct reply *reply);

/* Forgets those that the worker has begun; for its end. */
void drill_close(struct worker *worker);

#endif
