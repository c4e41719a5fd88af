/* What a service manager gives and wants to know, by the protocols of
 * sd_listen_fds(3) and sd_notify(3), which are an environment variable and a
 * datagram each.  Without such a manager nothing happens. */
#ifndef WEIR_SYSTEMD_H
#define WEIR_SYSTEMD_H

#include "str.h"

/* The listening sockets that we were started with: their descriptors begin
 * with 3.  Returns how many.  For the start, before there are threads: the
 * variables are taken out of the environment, so that no child takes them for
 * its own. */
unsigned systemd_sockets(int *first);

/* "READY=1", "STOPPING=1": one or more lines.  What cannot be sent is not. */
void systemd_notify(const char *state);
/* RELOADING=1, with the time that its protocol asks for; READY=1 ends it. */
void systemd_notify_reloading(void);

#endif
