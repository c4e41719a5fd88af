/* Anthropic: signatures of thinking.  They bind the text, and nothing else:
 * no key, no model, no conversation. */
#include "as_anthropic.h"
#include "base64.h"
#include "spell.h"

enum { SIGNATURE_BYTES = 20, SECRET = 0x5157 };

/* Four bytes that say whose it is, eight of the text's hash, eight that prove
 * that we have made it. */
static void signature_bytes(uint64_t hash, char out[SIGNATURE_BYTES])
{
    static const char whose[4] = {'s', 'i', 'm', '1'};
    uint64_t proof = spell_mix(hash ^ SECRET);

    memcpy(out, whose, sizeof(whose));
    for (unsigned i = 0; i < 8; i++) {
        out[4 + i] = (char)(unsigned char)(hash >> (8 * i) & 255);
        out[12 + i] = (char)(unsigned char)(proof >> (8 * i) & 255);
    }
}

struct str as_anthropic_sign(struct arena *arena, struct str thinking)
{
    char bytes[SIGNATURE_BYTES];
    struct buf buf;
    struct str text;

    signature_bytes(str_fnv1a64(thinking), bytes);
    buf_init(&buf, SIGNATURE_BYTES * 2);
    spell_base64(&buf, (struct str){bytes, sizeof(bytes)});
    text = arena_copy(arena, buf_str(&buf));
    buf_fini(&buf);
    return text;
}

bool as_anthropic_is_signed(struct str thinking, struct str signature)
{
    unsigned char given[SIGNATURE_BYTES];
    char expected[SIGNATURE_BYTES];
    uint64_t hash = 0;

    if (!base64_is_valid(signature) ||
        signature.len != (SIGNATURE_BYTES + 2) / 3 * 4 ||
        base64_decode_front(signature, given, sizeof(given)) != sizeof(given))
        return false;
    for (unsigned i = 8; i > 0; i--)
        hash = hash << 8 | given[4 + i - 1];
    signature_bytes(hash, expected);
    return memcmp(given, expected, sizeof(given)) == 0 &&
           (thinking.len == 0 || str_fnv1a64(thinking) == hash);
}
