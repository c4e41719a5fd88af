/* Batches of OTLP on their way: by gRPC or HTTP, packed, with the headers that
 * the environment names.
 * https://opentelemetry.io/docs/specs/otlp/ */
#ifndef WEIR_OTLP_COURIER_H
#define WEIR_OTLP_COURIER_H

#include "gzip.h"
#include "telemetry/otel.h"
#include "telemetry/outbox.h"

struct otlp_courier {
    const struct otel_endpoint *endpoint;
    uint64_t timeout_ms;
    /* of the transfer under way */
    struct gzip *gzip; /* NULL: nothing is compressed */
    struct buf packed, zipped;
    struct fetch_header *headers;
    struct arena arena; /* of the headers */
    struct arena told;  /* of the last answer */
};

/* Brings batches of up to `batch_max` bytes to the signal's endpoint.  Borrows
 * `otel`; what is returned is for outbox_open(), and borrows `courier`, which
 * must outlive the outbox. */
struct outbox_courier otlp_courier_init(struct otlp_courier *courier,
                                        const struct otel *otel,
                                        enum otel_signal signal,
                                        size_t batch_max);
void otlp_courier_fini(struct otlp_courier *courier);

#endif
