/* `weir demo`: both stand-ins and the router in one process, a few requests
 * of every kind, a table of what was decided; then it serves. */
#ifndef WEIR_DEMO_H
#define WEIR_DEMO_H

/* Serves until SIGINT or SIGTERM.  Returns the exit status. */
int demo_main(void);

#endif
