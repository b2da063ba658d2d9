/*
 * help - what the table of commands says, for people.
 */
#ifndef VAULTCTL_HELP_H
#define VAULTCTL_HELP_H

#include "client/vaultctl/ctl.h"

/* All commands, a line each; with "group", those that begin with this word. */
void help_all(struct output *o, const char *group);

void help_command(struct output *o, const struct command *command);

#endif /* VAULTCTL_HELP_H */
