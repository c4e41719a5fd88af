#include "gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "check.h"

enum { LEVEL = 1, WINDOW_BITS = 15, AS_GZIP = 16, MEMORY = 8 };

struct gzip {
    z_stream stream;
};

struct gzip *gzip_new(void)
{
    struct gzip *gzip = must_calloc(1, sizeof(*gzip));

    if (deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW_BITS + AS_GZIP,
                     MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        out_of_memory();
    return gzip;
}

void gzip_free(struct gzip *gzip)
{
    if (gzip == NULL)
        return;
    (void)deflateEnd(&gzip->stream);
    free(gzip);
}

bool gzip_pack(struct gzip *gzip, struct str bytes, struct buf *out)
{
    z_stream *stream = &gzip->stream;
    size_t room;

    check(bytes.len <= UINT32_MAX);
    check(deflateReset(stream) == Z_OK);
    room = deflateBound(stream, bytes.len);
    if (room > UINT32_MAX || !buf_reserve(out, room))
        return false;
    /* zlib only reads there */
    memcpy(&stream->next_in, &bytes.ptr, sizeof(bytes.ptr));
    stream->avail_in = (unsigned)bytes.len;
    stream->next_out = (unsigned char *)out->ptr + out->len;
    stream->avail_out = (unsigned)room;
    check(deflate(stream, Z_FINISH) == Z_STREAM_END);
    out->len += room - stream->avail_out;
    return true;
}
