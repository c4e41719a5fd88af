/* The access log: one line for each exchange.  No prompts, no keys. */
#ifndef WEIR_ACCESS_H
#define WEIR_ACCESS_H

#include "record.h"

void access_log(const struct record *record);

#endif
