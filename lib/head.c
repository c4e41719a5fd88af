#include "head.h"

#include <stdlib.h>

#include "check.h"

enum { KEEP_BYTES = 4096, FIRST_FIELDS = 16 };

void head_init(struct head *head)
{
    *head = (struct head){0};
    buf_init(&head->text, HEAD_MAX_BYTES);
}

void head_fini(struct head *head)
{
    buf_fini(&head->text);
    free(head->fields);
    head->fields = NULL;
    head->count = head->cap = 0;
    head->target = (struct str){NULL, 0};
}

void head_clear(struct head *head)
{
    if (head->text.cap > KEEP_BYTES)
        buf_fini(&head->text);
    buf_clear(&head->text);
    head->count = 0;
    head->in_value = false;
    head->is_too_large = false;
    head->is_complete = false;
    head->trailer_bytes = 0;
    head->target = (struct str){NULL, 0};
}

static bool is_trailer(struct head *head, struct str piece)
{
    if (!head->is_complete)
        return false;
    head->trailer_bytes += piece.len;
    if (head->trailer_bytes > HEAD_MAX_BYTES)
        head->is_too_large = true;
    return true;
}

/* Until head_complete() only the lengths mean something: the text may still
 * move. */
static void add_text(struct head *head, struct str piece, struct str *to)
{
    buf_put(&head->text, piece);
    if (buf_failed(&head->text))
        head->is_too_large = true;
    else
        to->len += piece.len;
}

void head_add_target(struct head *head, struct str piece)
{
    add_text(head, piece, &head->target);
}

void head_add_name(struct head *head, struct str piece)
{
    if (is_trailer(head, piece))
        return;
    if (head->count == 0 || head->in_value) {
        if (head->count == HEAD_MAX_FIELDS) {
            head->is_too_large = true;
            return;
        }
        if (head->count == head->cap) {
            unsigned cap = head->cap == 0 ? FIRST_FIELDS : head->cap * 2;
            struct head_field *grown =
                realloc(head->fields, cap * sizeof(*grown));

            if (grown == NULL)
                out_of_memory();
            head->fields = grown;
            head->cap = cap;
        }
        head->fields[head->count++] = (struct head_field){0};
        head->in_value = false;
    }
    add_text(head, piece, &head->fields[head->count - 1].name);
}

void head_end_name(struct head *head)
{
    head->in_value = true;
}

void head_add_value(struct head *head, struct str piece)
{
    if (is_trailer(head, piece) || head->count == 0)
        return;
    add_text(head, piece, &head->fields[head->count - 1].value);
}

void head_complete(struct head *head)
{
    const char *at = head->text.ptr == NULL ? "" : head->text.ptr;

    head->is_complete = true;
    head->target.ptr = at;
    at += head->target.len;
    for (unsigned i = 0; i < head->count; i++) {
        struct head_field *field = &head->fields[i];

        field->name.ptr = at;
        at += field->name.len;
        field->value.ptr = at;
        at += field->value.len;
        field->value = str_trim(field->value);
    }
}

struct str head_find(const struct head *head, struct str name)
{
    for (unsigned i = 0; i < head->count; i++)
        if (head->fields[i].name.len == name.len &&
            str_eq_nocase(head->fields[i].name, name))
            return head->fields[i].value.ptr == NULL ? STR("")
                                                     : head->fields[i].value;
    return (struct str){NULL, 0};
}

unsigned head_count(const struct head *head, struct str name)
{
    unsigned n = 0;

    for (unsigned i = 0; i < head->count; i++)
        n += str_eq_nocase(head->fields[i].name, name);
    return n;
}
