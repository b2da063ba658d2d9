/*
 * notify - sd_notify(3), without the library.
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

/*
 * Connect to $NOTIFY_SOCKET, if there is one; before the walls.
 */
void notify_open(void);

/*
 * Send "state", such as "READY=1".
 */
void notify_send(const char *state);

/*
 * Send RELOADING=1 with the time that systemd wants beside it.
 */
void notify_reloading(void);

#endif /* SUPERVISOR_NOTIFY_H */
