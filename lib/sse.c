#include "sse.h"

static const char bom[3] = {'\xEF', '\xBB', '\xBF'};
enum { BOM_PAST = 4 };

void sse_decoder_init(struct sse_decoder *decoder, size_t max)
{
    *decoder = (struct sse_decoder){0};
    buf_init(&decoder->line, max);
    buf_init(&decoder->data, max);
    buf_init(&decoder->name, max);
}

void sse_decoder_fini(struct sse_decoder *decoder)
{
    buf_fini(&decoder->line);
    buf_fini(&decoder->data);
    buf_fini(&decoder->name);
}

bool sse_failed(const struct sse_decoder *decoder)
{
    return buf_failed(&decoder->line) || buf_failed(&decoder->data) ||
           buf_failed(&decoder->name);
}

static void forget(struct sse_decoder *decoder)
{
    buf_clear(&decoder->data);
    buf_clear(&decoder->name);
    decoder->has_data = false;
    decoder->has_name = false;
    decoder->lent = false;
}

static void take_field(struct sse_decoder *decoder, struct str line)
{
    struct str name = line;
    struct str value = {NULL, 0};
    const char *colon = memchr(line.ptr, ':', line.len);

    if (colon != NULL) {
        name.len = (size_t)(colon - line.ptr);
        value = str_slice(line, name.len + 1, line.len);
        if (value.len > 0 && value.ptr[0] == ' ')
            value = str_slice(value, 1, value.len);
    }
    if (str_eq(name, STR("data"))) {
        if (decoder->has_data)
            buf_put_char(&decoder->data, '\n');
        buf_put(&decoder->data, value);
        decoder->has_data = true;
    } else if (str_eq(name, STR("event"))) {
        buf_clear(&decoder->name);
        buf_put(&decoder->name, value);
        decoder->has_name = true;
    }
    /* a comment (empty name), id, retry or something unknown */
}

/* What the empty line ends; false when there was no data. */
static bool dispatch(struct sse_decoder *decoder, struct sse_event *event)
{
    if (!decoder->has_data) {
        forget(decoder);
        return false;
    }
    *event = (struct sse_event){.data = buf_str(&decoder->data)};
    if (decoder->has_name && decoder->name.len > 0)
        event->name = buf_str(&decoder->name);
    decoder->lent = true;
    return true;
}

/* Skips a BOM at the start of the stream, also one that comes in pieces. */
static void skip_bom(struct sse_decoder *decoder, struct str *bytes)
{
    while (decoder->bom < BOM_PAST && bytes->len > 0) {
        if (decoder->bom < 3 && bytes->ptr[0] == bom[decoder->bom]) {
            decoder->bom++;
            *bytes = str_slice(*bytes, 1, bytes->len);
            if (decoder->bom == 3)
                decoder->bom = BOM_PAST;
        } else {
            /* it only looked like one: those bytes belong to the line */
            buf_put(&decoder->line, (struct str){bom, decoder->bom});
            decoder->bom = BOM_PAST;
        }
    }
}

/* The first CR or LF, or the length. */
static size_t line_length(struct str bytes)
{
    const char *lf = memchr(bytes.ptr, '\n', bytes.len);
    size_t len = lf == NULL ? bytes.len : (size_t)(lf - bytes.ptr);
    const char *cr = memchr(bytes.ptr, '\r', len);

    return cr == NULL ? len : (size_t)(cr - bytes.ptr);
}

bool sse_next(struct sse_decoder *decoder, struct str *bytes,
              struct sse_event *event)
{
    if (decoder->lent)
        forget(decoder);
    skip_bom(decoder, bytes);
    while (bytes->len > 0 && !sse_failed(decoder)) {
        struct str line;
        size_t len;

        if (decoder->after_cr && bytes->ptr[0] == '\n') {
            decoder->after_cr = false;
            *bytes = str_slice(*bytes, 1, bytes->len);
            continue;
        }
        decoder->after_cr = false;
        len = line_length(*bytes);
        line = str_slice(*bytes, 0, len);
        if (len == bytes->len) {
            buf_put(&decoder->line, line);
            *bytes = (struct str){NULL, 0};
            return false;
        }
        decoder->after_cr = bytes->ptr[len] == '\r';
        *bytes = str_slice(*bytes, len + 1, bytes->len);
        if (decoder->line.len > 0) {
            buf_put(&decoder->line, line);
            line = buf_str(&decoder->line);
        }
        if (line.len > 0) {
            take_field(decoder, line);
            buf_clear(&decoder->line);
        } else if (dispatch(decoder, event)) {
            return true;
        }
    }
    return false;
}

bool sse_finish(struct sse_decoder *decoder, struct sse_event *event)
{
    if (decoder->lent)
        forget(decoder);
    if (decoder->line.len > 0) {
        take_field(decoder, buf_str(&decoder->line));
        buf_clear(&decoder->line);
    }
    return dispatch(decoder, event);
}

void sse_begin(struct buf *buf)
{
    buf_put(buf, STR("data: "));
}

void sse_data(struct buf *buf, struct str piece)
{
    const char *lf;

    while (piece.len > 0 && (lf = memchr(piece.ptr, '\n', piece.len)) != NULL) {
        size_t len = (size_t)(lf - piece.ptr);

        buf_put(buf, str_slice(piece, 0, len));
        buf_put(buf, STR("\ndata: "));
        piece = str_slice(piece, len + 1, piece.len);
    }
    buf_put(buf, piece);
}

void sse_end(struct buf *buf)
{
    buf_put(buf, STR("\n\n"));
}

void sse_put(struct buf *buf, struct str data)
{
    sse_begin(buf);
    sse_data(buf, data);
    sse_end(buf);
}

void sse_put_named(struct buf *buf, struct str name, struct str data)
{
    buf_put(buf, STR("event: "));
    buf_put(buf, name);
    buf_put_char(buf, '\n');
    sse_put(buf, data);
}
