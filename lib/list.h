/* A doubly linked list whose links stand inside the members.
 *
 * A head and a link that is in no list both point to themselves, so removing
 * twice is harmless. */
#ifndef WEIR_LIST_H
#define WEIR_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *link)
{
    link->prev = link;
    link->next = link;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_push_front(struct list *head, struct list *link)
{
    link->prev = head;
    link->next = head->next;
    head->next->prev = link;
    head->next = link;
}

static inline void list_push_back(struct list *head, struct list *link)
{
    list_push_front(head->prev, link);
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define list_entry(link, type, member) \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* The body must not remove any member but the present one, and that only
 * with list_each_safe. */
#define list_each(link, head) \
    for (struct list *link = (head)->next; link != (head); link = link->next)
#define list_each_safe(link, head)                                    \
    for (struct list *link = (head)->next, *link##_next = link->next; \
         link != (head); link = link##_next, link##_next = link->next)

#endif
