#include "ledger_row.h"

#include "error.h"

const struct str ledger_columns[] = {
#define NUMBER(column, is_known, value) STR_INIT(#column),
#define TEXT(column, value)
#define WORD(column, value)
#include "ledger.def"
#undef NUMBER
#undef TEXT
#undef WORD
#define NUMBER(column, is_known, value)
#define TEXT(column, value) STR_INIT(#column),
#define WORD(column, value) STR_INIT(#column),
#include "ledger.def"
#undef NUMBER
#undef TEXT
#undef WORD
};

const uint32_t ledger_nullable = 0
#define NUMBER(column, is_known, value)
#define TEXT(column, value) | 1u << LEDGER_##column
#define WORD(column, value)
#include "ledger.def"
#undef NUMBER
#undef TEXT
#undef WORD
    ;

static int64_t since_begin(const struct record *record, uint64_t at_us)
{
    return at_us > record->began_us ? (int64_t)(at_us - record->began_us) : 0;
}

/* "fallback:cold" and "spill:full": what stands behind the colon. */
static struct str fallback_cause(struct str reason)
{
    struct str word;

    if ((str_starts(reason, STR("fallback:")) ||
         str_starts(reason, STR("spill:"))) &&
        str_split(&reason, ':', &word))
        return reason;
    return STR("");
}

static void put_text(struct buf *rows, struct str text, uint8_t *length)
{
    text = str_clip(text, LEDGER_TEXT_MAX);
    *length = (uint8_t)text.len;
    buf_put(rows, text);
}

bool ledger_row_put(struct buf *rows, const struct record *r)
{
    static const char padding[8];
    struct ledger_row row = {.known = 0};
    size_t at = rows->len;
    size_t size;

    if (!buf_reserve(rows,
                     sizeof(row) + LEDGER_TEXTS * (LEDGER_TEXT_MAX + 1))) {
        rows->failed = false;
        return false;
    }
    rows->len += sizeof(row);
#define NUMBER(column, is_known, value)                  \
    if (is_known) {                                      \
        row.numbers[LEDGER_##column] = (int64_t)(value); \
        row.known |= 1u << LEDGER_##column;              \
    }
#define TEXT(column, value) \
    put_text(rows, (value), &row.lengths[LEDGER_##column]);
#define WORD(column, value) \
    put_text(rows, (value), &row.lengths[LEDGER_##column]);
#include "ledger.def"
#undef NUMBER
#undef TEXT
#undef WORD
    size = rows->len - at;
    buf_put(rows, (struct str){padding, (8 - size % 8) % 8});
    row.size = (uint32_t)(rows->len - at);
    memcpy(rows->ptr + at, &row, sizeof(row));
    return true;
}
