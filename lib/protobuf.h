/* The wire format of protocol buffers, as far as telemetry needs it: written
 * straight into a buffer, without a tree of structs, and read within bounds.
 * https://protobuf.dev/programming-guides/encoding/
 *
 * Numbers of fields are those of the .proto files; all are below 2048. */
#ifndef WEIR_PROTOBUF_H
#define WEIR_PROTOBUF_H

#include "buf.h"

/* --- writing ------------------------------------------------------------- */

void protobuf_varint(struct buf *out, uint64_t n);
/* Bytes that a varint takes: 1 to 10. */
unsigned protobuf_varint_len(uint64_t n);

/* Fields, tag and all; also if they hold the default value. */
void protobuf_u64(struct buf *out, unsigned field, uint64_t n);
void protobuf_fixed64(struct buf *out, unsigned field, uint64_t n);
void protobuf_fixed32(struct buf *out, unsigned field, uint32_t n);
void protobuf_double(struct buf *out, unsigned field, double n);
void protobuf_bytes(struct buf *out, unsigned field, struct str bytes);
/* The head of a message whose length is known. */
void protobuf_head(struct buf *out, unsigned field, size_t len);

/* Room for `len` bytes behind those that are there, NULL when there is none;
 * what is put there counts once `out->len` says so.  The two below write a
 * field's head, or all of it, at a place and return the next one. */
char *protobuf_room(struct buf *out, size_t len);
char *protobuf_at_head(char *at, unsigned field, size_t len);
char *protobuf_at_bytes(char *at, unsigned field, struct str bytes);

/* A message whose length is not: open, its fields, close with what open gave.
 * May be nested. */
size_t protobuf_open(struct buf *out, unsigned field);
void protobuf_close(struct buf *out, size_t at);

/* --- reading ------------------------------------------------------------- */

enum protobuf_type {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
    unsigned number;
    enum protobuf_type type;
    uint64_t value;   /* of the number types */
    struct str bytes; /* PROTOBUF_BYTES; borrowed */
};

/* Cuts the first field off the front of *rest.  False at the end, and when
 * what is there is no field: then *rest is not empty. */
bool protobuf_next(struct str *rest, struct protobuf_field *field);

#endif
