/* A row of the ledger while it waits to be written: small, and in one piece. */
#ifndef WEIR_LEDGER_ROW_H
#define WEIR_LEDGER_ROW_H

#include "buf.h"
#include "record.h"

/* Bytes that are kept of a text; a caller chooses the model's name. */
enum { LEDGER_TEXT_MAX = 255 };

enum ledger_number {
#define NUMBER(column, is_known, value) LEDGER_##column,
#define TEXT(column, value)
#define WORD(column, value)
#include "ledger.def"
#undef NUMBER
#undef TEXT
#undef WORD
    LEDGER_NUMBERS
};

enum ledger_text {
#define NUMBER(column, is_known, value)
#define TEXT(column, value) LEDGER_##column,
#define WORD(column, value) LEDGER_##column,
#include "ledger.def"
#undef NUMBER
#undef TEXT
#undef WORD
    LEDGER_TEXTS
};

/* The texts stand behind it, one after the other. */
struct ledger_row {
    int64_t numbers[LEDGER_NUMBERS];
    uint32_t known; /* bits 1 << enum ledger_number */
    uint32_t size;  /* in bytes, with the texts; a multiple of 8 */
    uint8_t lengths[LEDGER_TEXTS];
};

/* Puts a row behind those that wait; false when there is no room. */
bool ledger_row_put(struct buf *rows, const struct record *record);

/* Of the columns, in the order of the numbers and then of the texts. */
extern const struct str ledger_columns[LEDGER_NUMBERS + LEDGER_TEXTS];
/* Bits 1 << enum ledger_text: of those that are NULL when they are empty. */
extern const uint32_t ledger_nullable;

#endif
