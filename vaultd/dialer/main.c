/*
 * dialer - names, address rules, connections.  It knows no secret, speaks no
 * TLS and sends nothing on what it connects.
 */
#include "vaultd/dialer/allowlist.h"
#include "vaultd/dialer/dialer.h"
#include "vaultd/dialer/resolve.h"

int
main(int argc, char **argv)
{
	static struct dialer d;
	int r;

	room_begin(&d.life, ROOM_DIALER, argc, argv, 0, CHANNEL_TAKES_FD,
	    &dialer_supervisor_ops, &d);
	if ((r = channel_new(d.life.loop, FD_KEEPER, ROOM_DIALER, ROOM_KEEPER,
	         0, &dialer_keeper_ops, &d, &d.keeper)) != 0)
		room_cannot_start(10, r);
	if ((r = resolve_init()) != 0)
		room_cannot_start(11, r);
	room_landlock(&d.life, &dialer_walls);
	room_confine(&d.life, &dialer_walls);
	room_run(&d.life);
}
