/* gzip (RFC 1952), for what is sent beside the requests. */
#ifndef WEIR_GZIP_H
#define WEIR_GZIP_H

#include "buf.h"

struct gzip;

/* Keeps what zlib needs (256 KB) for all packs of one owner. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip *gzip);

/* Appends `bytes`, compressed fast rather than well.  False when that does not
 * fit into `out`. */
MUST_USE bool gzip_pack(struct gzip *gzip, struct str bytes, struct buf *out);

/* How such a pack begins. */
static inline bool gzip_is_packed(struct str bytes)
{
    return str_eq(str_slice(bytes, 0, 2), STR("\x1f\x8b"));
}

#endif
