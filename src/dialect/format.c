#include "format.h"

void request_notes_init(struct request_notes *notes, struct arena *arena,
                        const struct chat *chat)
{
    *notes = (struct request_notes){.dropped_cap = chat->other_count + 8};
    notes->dropped = ARENA_ARRAY(arena, struct str, notes->dropped_cap);
    for (unsigned i = 0; i < chat->other_count; i++)
        notes->dropped[notes->dropped_count++] = chat->others[i];
}

void request_notes_drop(struct request_notes *notes, struct arena *arena,
                        struct str name)
{
    for (unsigned i = 0; i < notes->dropped_count; i++)
        if (str_eq(notes->dropped[i], name))
            return;
    if (notes->dropped_count == notes->dropped_cap) {
        unsigned cap = notes->dropped_cap * 2;
        struct str *grown = ARENA_ARRAY(arena, struct str, cap);

        memcpy(grown, notes->dropped, notes->dropped_count * sizeof(*grown));
        notes->dropped = grown;
        notes->dropped_cap = cap;
    }
    notes->dropped[notes->dropped_count++] = name;
}
