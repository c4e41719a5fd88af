/* Anthropic: signatures of thinking.  They bind the text and the model, and
 * nothing else: no key, no conversation. */
#include "as_anthropic.h"
#include "base64.h"
#include "spell.h"

enum { SIGNATURE_BYTES = 24, SECRET = 0x5157 };

struct signature {
    uint64_t text;  /* its hash */
    uint32_t model; /* its hash */
};

static struct signature signature_of(struct str model, struct str thinking)
{
    return (struct signature){str_fnv1a64(thinking),
                              (uint32_t)spell_mix(str_fnv1a64(model))};
}

static void put_number(char *out, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (char)(unsigned char)(number >> (8 * i) & 255);
}

static uint64_t get_number(const unsigned char *bytes, unsigned count)
{
    uint64_t number = 0;

    for (unsigned i = count; i > 0; i--)
        number = number << 8 | bytes[i - 1];
    return number;
}

/* Four bytes that say whose it is, the two hashes, and eight that prove that
 * we have made it. */
static void spell(const struct signature *s, char out[SIGNATURE_BYTES])
{
    static const char whose[4] = {'s', 'i', 'm', '2'};

    memcpy(out, whose, sizeof(whose));
    put_number(out + 4, s->text, 8);
    put_number(out + 12, s->model, 4);
    put_number(out + 16, spell_mix(s->text ^ s->model ^ SECRET), 8);
}

struct str as_anthropic_sign(struct arena *arena, struct str model,
                             struct str thinking)
{
    struct signature signature = signature_of(model, thinking);
    char bytes[SIGNATURE_BYTES];
    struct buf buf;
    struct str text;

    spell(&signature, bytes);
    buf_init(&buf, SIGNATURE_BYTES * 2);
    spell_base64(&buf, (struct str){bytes, sizeof(bytes)});
    text = arena_copy(arena, buf_str(&buf));
    buf_fini(&buf);
    return text;
}

/* False when we have not made it. */
static bool read(struct str text, struct signature *out)
{
    unsigned char given[SIGNATURE_BYTES];
    char expected[SIGNATURE_BYTES];

    if (!base64_is_valid(text) || text.len != SIGNATURE_BYTES / 3 * 4 ||
        base64_decode_front(text, given, sizeof(given)) != sizeof(given))
        return false;
    *out = (struct signature){get_number(given + 4, 8),
                              (uint32_t)get_number(given + 12, 4)};
    spell(out, expected);
    return memcmp(given, expected, sizeof(given)) == 0;
}

bool as_anthropic_is_signed(struct str thinking, struct str signature)
{
    struct signature s;

    return read(signature, &s) &&
           (thinking.len == 0 || s.text == str_fnv1a64(thinking));
}

bool as_anthropic_is_signed_by(struct str model, struct str signature)
{
    struct signature s;

    return read(signature, &s) && s.model == signature_of(model, STR("")).model;
}
