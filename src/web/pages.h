/* The small answers that need no backend: health, models, metrics, stored
 * responses. */
#ifndef WEIR_PAGES_H
#define WEIR_PAGES_H

#include "catalog.h"
#include "head.h"
#include "reply/reply.h"
#include "store.h"
#include "telemetry/metrics_walk.h"

/* {"status":"ok"}: the process is alive. */
void page_health(struct reply *reply);
/* 200 while new requests are welcome, 503 while the process drains. */
void page_ready(struct reply *reply, bool is_draining);
/* GET /v1/models: every name that a caller may use, in Anthropic's shape if
 * the request's head names an anthropic-version, else in OpenAI's. */
void page_models(struct reply *reply, const struct head *head,
                 const struct catalog *catalog);
/* GET /v1/models/{id}; percent-encoded or raw. */
void page_model(struct reply *reply, struct arena *arena,
                const struct head *head, const struct catalog *catalog,
                struct str id);
/* GET /v1/responses/{id}: a response that is stored for this owner. */
void page_response(struct reply *reply, struct arena *arena,
                   struct store *store, const struct store_limits *limits,
                   struct str owner, struct str id, uint64_t now_ms);
/* DELETE /v1/responses/{id} */
void page_forget_response(struct reply *reply, struct arena *arena,
                          struct store *store, struct str owner, struct str id);
/* How the backends and their replicas are doing. */
void page_tell_backends(const struct catalog *catalog,
                        const struct metrics_visitor *visitor);
/* GET /metrics, in the format and the encoding that the head asks for.  `tell`
 * tells all that is measured to a visitor. */
void page_metrics(struct reply *reply, const struct head *head,
                  void (*tell)(void *ctx,
                               const struct metrics_visitor *visitor),
                  void *ctx);

#endif
