/* Asserts for bugs, on in release builds too.
 *
 * A failed check prints what was expected and where, and aborts.  Trouble
 * that a peer, a backend or an operator can cause is never a check: it is an
 * `enum error`. */
#ifndef WEIR_CHECK_H
#define WEIR_CHECK_H

#define check(condition) \
    ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

_Noreturn void check_failed(const char *condition, const char *file, int line);

/* The end of the program when small memory cannot be had. */
_Noreturn void out_of_memory(void);

/* malloc and friends for small pieces: never NULL. */
void *must_alloc(unsigned long size);
void *must_calloc(unsigned long count, unsigned long size);
void *must_realloc(void *old, unsigned long size);
char *must_strdup(const char *text);

#endif
