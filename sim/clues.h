/* What can be picked out of a text: words, quoted pieces, numbers, places,
 * names.  Nothing here understands anything; it finds what stands there
 * plainly, and always the same.
 *
 * All results are borrowed from the text. */
#ifndef WEIR_SIM_CLUES_H
#define WEIR_SIM_CLUES_H

#include "arena.h"
#include "str.h"

struct clues {
    struct str text;
    struct str lower; /* the same in lower case (ASCII), byte for byte */
};

/* `text` must stay; the rest belongs to the arena. */
void clues_init(struct clues *clues, struct arena *arena, struct str text);

/* A character of a word; every byte of a non-ASCII character is one. */
static inline bool clues_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
}

/* Where the lower-case `phrase` stands as whole words, from `from` on. */
bool clues_find(const struct clues *clues, struct str phrase, size_t from,
                size_t *at);
bool clues_has(const struct clues *clues, struct str phrase);
/* Any of the phrases, which are separated by '|'. */
bool clues_has_any(const struct clues *clues, struct str phrases);
/* The text behind the first of the phrases ('|' between them) that is there,
 * without white space; ptr NULL when none is. */
struct str clues_behind(const struct clues *clues, struct str phrases);

/* The first piece between quotes of any kind, or between `backticks`; ptr
 * NULL when there is none. */
struct str clues_quoted(const struct clues *clues);
struct str clues_code(const struct clues *clues);
/* The n-th number, from 0: "-3.5".  The parts of a date are none. */
bool clues_number(const struct clues *clues, unsigned n, struct str *out);
/* The first word of that form; ptr NULL when there is none. */
struct str clues_url(const struct clues *clues);
struct str clues_email(const struct clues *clues);
struct str clues_date(const struct clues *clues); /* 2026-11-21 */
struct str clues_path(const struct clues *clues);
/* The first word with a digit in it, without a "#" before it: A-123. */
struct str clues_label(const struct clues *clues);

/* Does a date, 2026-11-21, begin here? */
bool clues_date_at(struct str text, size_t at);

/* Capitalised words behind "in", "for", "at", "to", "from", "of" and those
 * joined to them: "in Berlin, Paris and New York".  How many were found. */
size_t clues_places(const struct clues *clues, struct str places[],
                    size_t most);
/* Capitalised words that do not begin a sentence for grammar's sake. */
size_t clues_names(const struct clues *clues, struct str names[], size_t most);

/* The sentence (or line) that begins at `at`, up to its end. */
struct str clues_sentence(struct str text, size_t at);
/* Cuts the first sentence off the front of *rest. */
bool clues_next_sentence(struct str *rest, struct str *sentence);

#endif
