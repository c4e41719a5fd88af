/* One list of everything that can go wrong: see error.def. */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include "str.h"

enum error {
    OK = 0,
#define ERROR(NAME, name, status, next, blame, type, code, says) ERR_##NAME,
#include "error.def"
#undef ERROR
    ERROR_COUNT
};

struct error_row {
    struct str name;
    int status;
    bool tries_next;
    bool blames_target;
    struct str type;
    struct str code;
    struct str says;
};

/* The row of an error; `error` must not be OK. */
const struct error_row *error_row(enum error error);
/* Its name; "ok" for OK. */
struct str error_name(enum error error);

#endif
