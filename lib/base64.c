#include "base64.h"

#include "check.h"

/* The value of a character, 64 for "=", 65 for what is none. */
static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? 64 : 65;
}

bool base64_is_valid(struct str s)
{
    size_t padding = 0;

    if (s.len == 0 || s.len % 4 != 0)
        return false;
    while (padding < 2 && s.ptr[s.len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < s.len - padding; i++)
        if (value_of(s.ptr[i]) > 63)
            return false;
    return true;
}

size_t base64_decode_front(struct str s, unsigned char *out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i + 4 <= s.len; i += 4) {
        unsigned v[4];
        unsigned bytes[3];

        for (size_t k = 0; k < 4; k++)
            v[k] = value_of(s.ptr[i + k]);
        bytes[0] = (v[0] << 2 | (v[1] & 63) >> 4) & 255;
        bytes[1] = (v[1] << 4 | (v[2] & 63) >> 2) & 255;
        bytes[2] = (v[2] << 6 | (v[3] & 63)) & 255;
        for (size_t k = 0; k < 3; k++) {
            if (v[k + 1] == 64)
                return n;
            if (n == room)
                return n;
            out[n++] = (unsigned char)bytes[k];
        }
    }
    return n;
}

struct str base64_decode(struct arena *arena, struct str s)
{
    size_t room = s.len / 4 * 3;
    unsigned char *out = arena_alloc(arena, room + 1);
    size_t len = base64_decode_front(s, out, room);

    out[len] = '\0';
    return (struct str){(const char *)out, len};
}

void base64_encode(struct buf *out, struct str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        unsigned bits = 0;
        char group[4];

        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 |
                   (k < n ? (unsigned)(unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            group[k] = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
        buf_put(out, (struct str){group, sizeof(group)});
    }
}

bool data_url_parse(struct str url, struct data_url *out)
{
    struct str head;

    if (!str_eq_nocase(str_slice(url, 0, 5), STR("data:")))
        return false;
    url = str_slice(url, 5, url.len);
    if (!str_split(&url, ',', &head))
        return false;
    if (head.len < 7 ||
        !str_eq_nocase(str_slice(head, head.len - 7, head.len), STR(";base64")))
        return false;
    head = str_slice(head, 0, head.len - 7);
    out->media_type = (struct str){NULL, 0};
    (void)str_split(&head, ';', &out->media_type);
    out->media_type = str_trim(out->media_type);
    out->data = url;
    return base64_is_valid(url);
}
