#include "error.h"

#include "check.h"

static const struct error_row rows[ERROR_COUNT] = {
    [OK] = {.name = STR_INIT("ok"), .status = 200},
#define ERROR(NAME, name, status, next, blame, type, code, says)          \
    [ERR_##NAME] = {STR_INIT(name), status,         next,          blame, \
                    STR_INIT(type), STR_INIT(code), STR_INIT(says)},
#include "error.def"
#undef ERROR
};

const struct error_row *error_row(enum error error)
{
    check(error > OK && error < ERROR_COUNT);
    return &rows[error];
}

struct str error_name(enum error error)
{
    check(error < ERROR_COUNT);
    return rows[error].name;
}
