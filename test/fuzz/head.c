/* The fields of a head, in pieces: any cut of the same fields gives the same
 * head; its bounds hold; and what comes as a trailer changes nothing. */
#include "head.h"

#include "check.h"
#include "fuzz.h"

enum { LINES_MAX = 400 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static size_t next_step(unsigned *seed)
{
    if (*seed == 0)
        return SIZE_MAX / 2;
    *seed = *seed * 1103515245u + 12345u;
    return 1 + (*seed >> 16) % 16;
}

static void add(struct head *head, struct str text, unsigned *seed,
                void (*piece)(struct head *head, struct str piece))
{
    while (text.len > 0) {
        size_t step = next_step(seed);

        piece(head, str_slice(text, 0, step));
        text = str_slice(text, step, text.len);
    }
}

static void add_field(struct head *head, struct str line, unsigned *seed)
{
    struct str name = {NULL, 0};

    (void)str_split(&line, ':', &name);
    if (name.len == 0)
        return; /* the parser gives none without a name */
    add(head, name, seed, head_add_name);
    head_end_name(head);
    add(head, line, seed, head_add_value);
}

/* Lines of "name:value"; `times` over, to come to the bounds. */
static void fill(struct head *head, struct str text, unsigned times,
                 unsigned seed)
{
    struct str line;
    struct str rest = text;

    if (!head->is_complete && str_split(&rest, '\n', &line))
        add(head, line, &seed, head_add_target);
    for (unsigned i = 0; i < times; i++) {
        struct str again = rest;

        while (!head->is_too_large && str_split(&again, '\n', &line))
            add_field(head, line, &seed);
    }
}

static void check_same(const struct head *a, const struct head *b)
{
    check(a->is_too_large == b->is_too_large);
    if (a->is_too_large)
        return;
    check(a->count == b->count && str_eq(a->target, b->target));
    for (unsigned i = 0; i < a->count; i++) {
        check(str_eq(a->fields[i].name, b->fields[i].name));
        check(str_eq(a->fields[i].value, b->fields[i].value));
        check(str_eq(head_find(a, a->fields[i].name),
                     head_find(b, a->fields[i].name)));
        check(head_count(a, a->fields[i].name) > 0);
        check(str_trim(a->fields[i].value).len == a->fields[i].value.len);
    }
}

/* The first byte: how often; the second: where it is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head whole;
    struct head cut;
    struct str text;
    unsigned count, times, seed;

    if (size < 2)
        return 0;
    text = fuzz_input(data + 2, size - 2);
    times = 1u + data[0] % LINES_MAX;
    seed = 1u + data[1];
    head_init(&whole);
    head_init(&cut);
    for (unsigned round = 0; round < 2; round++) {
        fill(&whole, text, times, 0);
        fill(&cut, text, times, seed);
        head_complete(&whole);
        head_complete(&cut);
        check(whole.count <= HEAD_MAX_FIELDS);
        check(whole.text.len <= HEAD_MAX_BYTES);
        check_same(&whole, &cut);
        count = whole.count;
        if (!whole.is_too_large) {
            fill(&whole, text, 1, 7); /* trailers */
            check(whole.count == count);
            whole.is_too_large = false;
            check_same(&whole, &cut);
        }
        head_clear(&whole);
        head_clear(&cut);
    }
    head_fini(&whole);
    head_fini(&cut);
    return 0;
}
