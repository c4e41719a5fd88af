#include "reader.h"

#include <string.h>

#include "check.h"

static const char digits = '\1';

void reader_begin(struct reader *reader, const struct expectation *expected,
                  char *text)
{
    *reader = (struct reader){.expected = expected, .text = text};
}

static void bad(struct reader *reader, const char *why)
{
    reader->state = READER_BAD;
    reader->why = why;
}

/* --- comparing ---------------------------------------------------------- */

/* Moves on in the pattern; false at the first byte that differs. */
static bool match(struct reader *reader, struct str bytes)
{
    struct str pattern = reader->expected->pattern;

    while (bytes.len > 0) {
        struct str rest = str_slice(pattern, reader->at, pattern.len);
        const char *wild;
        size_t run;

        if (rest.len == 0)
            return false;
        if (rest.ptr[0] == digits) {
            if (bytes.ptr[0] >= '0' && bytes.ptr[0] <= '9') {
                reader->in_digits = true;
                bytes = str_slice(bytes, 1, bytes.len);
            } else if (reader->in_digits) {
                reader->in_digits = false;
                reader->at++;
            } else {
                return false;
            }
            continue;
        }
        wild = memchr(rest.ptr, digits, rest.len);
        run = wild == NULL ? rest.len : (size_t)(wild - rest.ptr);
        run = run < bytes.len ? run : bytes.len;
        if (memcmp(rest.ptr, bytes.ptr, run) != 0)
            return false;
        reader->at += run;
        bytes = str_slice(bytes, run, bytes.len);
    }
    return true;
}

/* --- lines -------------------------------------------------------------- */

void expectation_set_lines(struct expectation *expected, struct str text)
{
    struct str line;

    while (str_split(&text, '\n', &line)) {
        check(expected->line_count < READER_LINES_MAX);
        expected->lines[expected->line_count++] = line;
    }
}

static unsigned lines_in(const struct expectation *expected, struct str text)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < expected->line_count; i++)
        if (str_contains(text, expected->lines[i]))
            seen |= 1U << i;
    return seen;
}

static bool saw_all_lines(const struct reader *reader)
{
    return reader->lines_seen == (1U << reader->expected->line_count) - 1;
}

static void take_frame_of_lines(struct reader *reader, struct str frame)
{
    unsigned seen = lines_in(reader->expected, frame);

    reader->frames += seen & 1;
    reader->lines_seen |= seen;
}

/* The body is put together, and looked at when it is whole. */
static void keep(struct reader *reader, struct str bytes)
{
    if (bytes.len > READER_HEAD_MAX - reader->len) {
        bad(reader, "the body is too long");
        return;
    }
    memcpy(reader->text + reader->len, bytes.ptr, bytes.len);
    reader->len += bytes.len;
}

/* --- frames and bodies -------------------------------------------------- */

/* One frame of a stream.  What is no token may stand before the first and,
 * in a stream that ends, behind the last one. */
static void take_frame(struct reader *reader, struct str frame)
{
    const struct expectation *expected = reader->expected;

    if (expected->line_count > 0) {
        take_frame_of_lines(reader, frame);
        return;
    }
    reader->at = 0;
    reader->in_digits = false;
    if (match(reader, frame) && reader->at == expected->pattern.len)
        reader->frames++;
    else if (reader->frames > 0 && reader->frames != expected->frames)
        bad(reader, "a frame is not what it must be");
}

static void take_stream(struct reader *reader, struct str bytes)
{
    for (size_t i = 0; i < bytes.len && reader->state != READER_BAD; i++) {
        char c = bytes.ptr[i];

        if (reader->len == READER_FRAME_MAX) {
            bad(reader, "a frame is too long");
            return;
        }
        reader->text[reader->len++] = c;
        if (c == '\n' && reader->len >= 2 &&
            reader->text[reader->len - 2] == '\n') {
            take_frame(reader, (struct str){reader->text, reader->len});
            reader->len = 0;
        }
    }
}

static void take_body(struct reader *reader, struct str bytes)
{
    if (reader->expected->is_stream)
        take_stream(reader, bytes);
    else if (reader->expected->line_count > 0)
        keep(reader, bytes);
    else if (!match(reader, bytes))
        bad(reader, "the body is not what it must be");
}

static bool is_complete(struct reader *reader)
{
    const struct expectation *expected = reader->expected;

    if (expected->line_count > 0 && !expected->is_stream)
        reader->lines_seen =
            lines_in(expected, (struct str){reader->text, reader->len});
    if (expected->line_count > 0 && !saw_all_lines(reader))
        return false;
    if (expected->is_stream)
        return reader->frames == expected->frames;
    return expected->line_count > 0 || reader->at == expected->pattern.len;
}

static void end(struct reader *reader)
{
    if (reader->state == READER_BAD)
        return;
    if (!is_complete(reader))
        bad(reader, "the answer is not whole");
    else
        reader->state = READER_DONE;
}

/* --- framing ------------------------------------------------------------ */

/* The value of a field in the head; empty when it is not there. */
static struct str field(struct str head, struct str name)
{
    struct str line;

    while (str_split(&head, '\n', &line))
        if (str_eq_nocase(str_slice(line, 0, name.len), name))
            return str_trim(str_slice(line, name.len, line.len));
    return (struct str){NULL, 0};
}

static void take_head(struct reader *reader)
{
    struct str head = {reader->text, reader->len};
    struct str length = field(head, STR("content-length:"));
    uint64_t n = 0;

    reader->len = 0;
    if (!str_starts(head, STR("HTTP/1.1 200"))) {
        bad(reader, "the status is not 200");
    } else if (str_to_u64(length, &n)) {
        reader->state = READER_SIZED;
        reader->left = n;
        if (n == 0)
            end(reader);
    } else if (str_eq_nocase(field(head, STR("transfer-encoding:")),
                             STR("chunked"))) {
        reader->state = READER_CHUNK_SIZE;
    } else {
        bad(reader, "the answer has no length");
    }
}

static size_t feed_head(struct reader *reader, struct str bytes)
{
    size_t i = 0;

    while (i < bytes.len && reader->state == READER_HEAD) {
        if (reader->len == READER_HEAD_MAX) {
            bad(reader, "the head is too long");
            break;
        }
        reader->text[reader->len++] = bytes.ptr[i++];
        if (str_ends((struct str){reader->text, reader->len}, STR("\r\n\r\n")))
            take_head(reader);
    }
    return i;
}

static size_t feed_size(struct reader *reader, struct str bytes)
{
    char c = bytes.ptr[0];
    unsigned digit = 16;

    if (c >= '0' && c <= '9')
        digit = (unsigned)(c - '0');
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
        digit = (unsigned)((c | 32) - 'a' + 10);
    if (digit < 16) {
        reader->left = reader->left * 16 + digit;
    } else if (c == '\n') {
        reader->is_last = reader->left == 0;
        reader->state = reader->is_last ? READER_CHUNK_END : READER_CHUNK;
    } else if (c != '\r') {
        bad(reader, "a chunk has no size");
    }
    return 1;
}

static size_t feed_data(struct reader *reader, struct str bytes)
{
    struct str piece = str_slice(bytes, 0, reader->left);

    take_body(reader, piece);
    reader->left -= piece.len;
    if (reader->left == 0 && reader->state == READER_SIZED)
        end(reader);
    else if (reader->left == 0 && reader->state == READER_CHUNK)
        reader->state = READER_CHUNK_END;
    return piece.len;
}

static size_t feed_chunk_end(struct reader *reader, struct str bytes)
{
    if (bytes.ptr[0] == '\n') {
        if (reader->is_last)
            end(reader);
        else
            reader->state = READER_CHUNK_SIZE;
    } else if (bytes.ptr[0] != '\r') {
        bad(reader, "a chunk has no end");
    }
    return 1;
}

size_t reader_feed(struct reader *reader, struct str bytes)
{
    size_t done = 0;

    while (done < bytes.len) {
        struct str rest = str_slice(bytes, done, bytes.len);

        switch (reader->state) {
        case READER_HEAD:
            done += feed_head(reader, rest);
            break;
        case READER_SIZED:
        case READER_CHUNK:
            done += feed_data(reader, rest);
            break;
        case READER_CHUNK_SIZE:
            done += feed_size(reader, rest);
            break;
        case READER_CHUNK_END:
            done += feed_chunk_end(reader, rest);
            break;
        default:
            return done;
        }
    }
    return done;
}
