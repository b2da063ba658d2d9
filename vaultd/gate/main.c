/*
 * The gate: talks with the clients of one principal class.  It parses what
 * they say and says what they are answered; it has no key, no file, no
 * network, and nobody else's connections.
 */
#include <jansson.h>

#include "protocol/codec.h"
#include "vaultd/gate/gate.h"

enum step { STEP_KEEPER = 10 };

int
main(int argc, char **argv)
{
	static struct gate gate = GATE_INITIAL(gate);
	int r;

	room_begin(&gate.life, ROOM_GATE, argc, argv, 0, CHANNEL_TAKES_FD,
	    &gate_supervisor_ops, &gate);
	codec_init();
	/* The first object would else open /dev/urandom behind the walls. */
	json_object_seed(0);
	if ((r = channel_new(gate.life.loop, FD_KEEPER, ROOM_GATE, ROOM_KEEPER,
	         0, &gate_keeper_ops, &gate, &gate.keeper)) != 0)
		room_cannot_start(STEP_KEEPER, r);
	room_landlock(&gate.life, &gate_walls);
	room_confine(&gate.life, &gate_walls);
	room_run(&gate.life);
}
