/* Spans on the wire: one walk over a record (otlp_span.c), two ways to write
 * it down (otlp_protobuf.c, otlp_json.c).
 *
 *   begin_span, attributes, open_events, (event, attributes, end_event)…,
 *   link, end_span
 *
 * Field numbers and names: opentelemetry/proto/trace/v1/trace.proto of
 * opentelemetry-proto 1.11. */
#ifndef WEIR_OTLP_WIRE_H
#define WEIR_OTLP_WIRE_H

#include "record.h"
#include "telemetry/otel.h"

enum otlp_kind { OTLP_SERVER = 2, OTLP_CLIENT = 3 };
enum otlp_status { OTLP_UNSET = 0, OTLP_ERROR = 2 };

/* Of Span.flags, above the byte of trace-flags. */
enum { OTLP_REMOTE_KNOWN = 0x100, OTLP_REMOTE = 0x200 };

struct otlp_span {
    struct str trace_id, span_id, parent_id; /* hexadecimal; parent may be
                                                empty */
    struct str trace_state;
    struct str name;
    enum otlp_kind kind;
    uint64_t began_ns, ended_ns;
    unsigned flags;
    enum otlp_status status;
    struct str message;                     /* of OTLP_ERROR */
    struct str link_trace_id, link_span_id; /* empty: no link */
    unsigned link_flags;
};

struct otlp_wire;

/* Spans that are written one behind the other. */
struct otlp_writer {
    const struct otlp_wire *wire;
    const struct otel *otel; /* its limits */
    struct buf spans;
    unsigned span_count;
    /* the span under way */
    size_t span_at, event_at; /* protobuf: where their lengths go */
    bool in_event, has_attribute, has_event;
    uint64_t attributes, dropped_attributes;
    uint64_t events, dropped_events;
};

struct otlp_wire {
    struct str kind; /* of its batches, for the spool */
    void (*begin_span)(struct otlp_writer *w, const struct otlp_span *span);
    void (*put_str)(struct otlp_writer *w, struct str key, struct str value);
    void (*put_i64)(struct otlp_writer *w, struct str key, int64_t value);
    void (*put_double)(struct otlp_writer *w, struct str key, double value);
    void (*put_bool)(struct otlp_writer *w, struct str key, bool value);
    /* a list with this one string */
    void (*put_list)(struct otlp_writer *w, struct str key, struct str value);
    void (*open_events)(struct otlp_writer *w);
    void (*begin_event)(struct otlp_writer *w, struct str name, uint64_t at_ns);
    void (*end_event)(struct otlp_writer *w);
    void (*end_span)(struct otlp_writer *w, const struct otlp_span *span);
    /* The whole request: what it is of, and the spans. */
    void (*pack)(const struct otlp_writer *w, struct buf *out);
};

extern const struct otlp_wire otlp_protobuf;
extern const struct otlp_wire otlp_json;

void otlp_writer_init(struct otlp_writer *w, const struct otlp_wire *wire,
                      const struct otel *otel, size_t max);
void otlp_writer_fini(struct otlp_writer *w);
void otlp_writer_clear(struct otlp_writer *w);

/* A server span and a client span for each try.  A record that does not fit
 * is left out whole: false. */
MUST_USE bool otlp_put_record(struct otlp_writer *w,
                              const struct record *record);
/* How many spans that will be. */
unsigned otlp_span_count(const struct record *record);

/* Within the limits of OTEL_SPAN_…; for otlp_span.c and the wires. */
bool otlp_may_put(struct otlp_writer *w);
struct str otlp_clip(const struct otlp_writer *w, struct str value);

/* What stands around spans as around metrics: the resource and the scope.  The
 * fields have the same numbers for both. */
void otlp_protobuf_pack(const struct otel *otel, struct str items,
                        struct buf *out);
void otlp_json_pack(const struct otel *otel, enum otel_signal signal,
                    struct str items, struct buf *out);

/* A KeyValue with a string; hexadecimal digits as bytes, nothing for none. */
void otlp_protobuf_attribute(struct buf *out, unsigned field, struct str key,
                             struct str value);
void otlp_protobuf_id(struct buf *out, unsigned field, struct str digits);
void otlp_json_attribute(struct buf *out, struct str key, struct str value);

#define OTLP_SCOPE "weir"

#endif
