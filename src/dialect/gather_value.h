/* A value of a request, for who keeps it: without the bytes of images, files
 * and sounds.  Base64 is replaced by a note of its size: data URLs wherever
 * they stand, members that hold it, and strings that begin with much of it. */
#ifndef WEIR_GATHER_VALUE_H
#define WEIR_GATHER_VALUE_H

#include "clip.h"

/* `holder`: the object whose member `key` it is; NULL: an item. */
void gather_value(struct clip *clip, yyjson_val *holder, struct str key,
                  yyjson_val *value);

#endif
