/* Base64 and data URLs: what is called valid decodes to what encodes to it
 * again, and nothing is read or written beyond its end. */
#include "base64.h"

#include <stdlib.h>

#include "check.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* The reverse, written down once more: of whole groups. */
static void check_group(const char *four, const unsigned char *bytes,
                        size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned b0 = bytes[0];
    unsigned b1 = len > 1 ? bytes[1] : 0;
    unsigned b2 = len > 2 ? bytes[2] : 0;

    check(four[0] == letters[b0 >> 2]);
    /* the last bits of a short group may be anything */
    if (len > 1)
        check(four[1] == letters[(b0 & 3) << 4 | b1 >> 4]);
    if (len > 2) {
        check(four[2] == letters[(b1 & 15) << 2 | b2 >> 6]);
        check(four[3] == letters[b2 & 63]);
    }
}

static void take_valid(struct str s, size_t room)
{
    struct arena arena;
    struct str decoded;
    unsigned char *front = malloc(room + 1);
    size_t len;

    check(front != NULL);
    arena_init(&arena);
    decoded = base64_decode(&arena, s);
    check(decoded.len <= s.len / 4 * 3 && decoded.len + 2 >= s.len / 4 * 3);
    for (size_t i = 0; i * 3 < decoded.len; i++) {
        size_t left = decoded.len - 3 * i;

        check_group(s.ptr + 4 * i, (const unsigned char *)decoded.ptr + 3 * i,
                    left < 3 ? left : 3);
    }
    front = realloc(front, room > 0 ? room : 1); /* its end is seen */
    check(front != NULL);
    len = base64_decode_front(s, front, room);
    check(len == (room < decoded.len ? room : decoded.len));
    check(memcmp(front, decoded.ptr, len) == 0);
    free(front);
    arena_clear(&arena);
}

static void take_url(struct str url)
{
    struct data_url parsed;

    if (!data_url_parse(url, &parsed))
        return;
    check(base64_is_valid(parsed.data));
    check(str_ends(url, parsed.data));
    check(memchr(parsed.media_type.ptr == NULL ? "" : parsed.media_type.ptr,
                 ';', parsed.media_type.len) == NULL);
    check(parsed.media_type.len + parsed.data.len + 13 <= url.len);
}

/* The first byte: for how much of it there is room. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s;

    if (size == 0)
        return 0;
    s = fuzz_input(data + 1, size - 1);
    if (base64_is_valid(s))
        take_valid(s, data[0]);
    take_url(s);
    return 0;
}
